"""The settings in force in this process: injected at start by ``maestro_site``, or the defaults.

Knows no model and no provider package, so that every layer may ask it. The models of the settings, with their
defaults, are in ``registry.settings``, and are built when a value is asked for that was not injected.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol


class CommonSettings(Protocol):
    """The settings of every provider. Units and meanings are those of ``registry.settings.ProvidersConfig``."""

    allowed_private_hosts: tuple[str, ...]
    connect_timeout_s: float
    idle_timeout_s: float
    request_timeout_s: float
    lookup_timeout_s: float
    max_answer_bytes: int
    max_answer_text_bytes: int
    max_request_bytes: int
    max_file_bytes: int
    models_cache_s: float
    models_stale_s: float
    model_data_dir: str
    configured_models: dict[str, Any]
    refresh_margin_s: float
    refresh_timeout_s: float
    refresh_lease_s: float
    login_ttl_s: float
    device_login_ttl_s: float
    strict_parameters: bool
    ca_file: str


class Defaults(Protocol):
    """The source of values that were not injected: the module ``registry.settings``."""

    def common(self) -> CommonSettings: ...

    def provider(self, slug: str) -> Any: ...


_COMMON = frozenset(CommonSettings.__annotations__)


class _InForce:
    def __init__(self) -> None:
        self.value: CommonSettings | None = None
        self.platform: Any = None
        self.defaults: Callable[[], Defaults] | None = None


_in_force = _InForce()


def configure(value: CommonSettings | None, platform: Any = None) -> None:
    """Inject the settings of this process; ``None`` goes back to the defaults.

    ``value`` may have further fields, named by slug: the settings of providers. ``platform`` is the
    ``GenAIPlatformConfig`` of a gateway in front of them.
    """
    _in_force.value, _in_force.platform = value, platform


@contextmanager
def use(value: CommonSettings, platform: Any = None) -> Iterator[None]:
    """Put the given settings in force inside the block, and the earlier ones after it."""
    before = _in_force.value, _in_force.platform
    configure(value, platform)
    try:
        yield
    finally:
        configure(*before)


def defaults_from(source: Callable[[], Defaults]) -> None:
    """Have ``source`` called for the defaults, each time that a value is asked for which was not injected."""
    _in_force.defaults = source


def current() -> CommonSettings:
    """Return the common settings in force."""
    return _in_force.value or _defaults().common()


def platform() -> Any:
    """Return the ``GenAIPlatformConfig`` that was injected, or ``None``."""
    return _in_force.platform


def provider(slug: str) -> Any:
    """Return the provider's own ``Config`` value. Raises ``UnknownProvider``, ``ProviderBroken``."""
    # vars(): a slug may be the name of a method that models have.
    value = vars(_in_force.value).get(slug) if _in_force.value is not None and slug not in _COMMON else None
    return value if value is not None else _defaults().provider(slug)


def refresh_margin(slug: str) -> float:
    """Return how many seconds before its end an access token of this provider is refreshed."""
    own = getattr(provider(slug), "refresh_margin_s", None)
    return float(own) if own is not None else current().refresh_margin_s


def user_agent() -> str:
    """Return how Maestro names itself to every provider."""
    return f"Maestro/{_version()}"


def _defaults() -> Defaults:
    assert _in_force.defaults is not None, "the package names them when it is imported"
    return _in_force.defaults()


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # here, because it is slow to load

    try:
        return version("maestro")
    except PackageNotFoundError:
        return "0"

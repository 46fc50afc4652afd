"""The settings in force in this process: injected at start by ``maestro_site``, or the defaults.

Knows no model and no provider package, so that every layer may ask it: ``registry.settings`` has the models, and builds
a default when it is asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from providers_app.registry.settings import ProvidersConfig


class Defaults(Protocol):
    """The source of values that were not injected: the module ``registry.settings``."""

    def common(self) -> "ProvidersConfig": ...

    def provider(self, slug: str) -> Any: ...


class _InForce:
    value: "ProvidersConfig | None" = None
    platform: Any = None
    redis_url = ""
    defaults: Callable[[], Defaults] | None = None


def configure(value: "ProvidersConfig | None", platform: Any = None) -> None:
    """Inject the settings of this process; ``None`` goes back to the defaults.

    ``value`` may have the settings of providers as further fields, by slug. ``platform`` is a ``GenAIPlatformConfig``.
    """
    _InForce.value, _InForce.platform = value, platform


@contextmanager
def use(value: "ProvidersConfig", platform: Any = None) -> Iterator[None]:
    """Put the given settings in force inside the block, and the earlier ones after it."""
    before = _InForce.value, _InForce.platform
    configure(value, platform)
    try:
        yield
    finally:
        configure(*before)


def defaults_from(source: Callable[[], Defaults]) -> None:
    """Have ``source`` called for the defaults, each time that a value is asked for which was not injected."""
    _InForce.defaults = source


def current() -> "ProvidersConfig":
    """Return the common settings in force."""
    return _InForce.value or _defaults().common()


def platform() -> Any:
    """Return the ``GenAIPlatformConfig`` that was injected, or ``None``."""
    return _InForce.platform


def share_through(redis_url: str) -> None:
    """Let the processes of the installation share limits and circuits through a Redis; an empty address: not."""
    _InForce.redis_url = redis_url


def redis_url() -> str:
    """Return the address of the Redis through which processes share limits and circuits, empty for none."""
    return _InForce.redis_url


def provider(slug: str) -> Any:
    """Return the provider's own ``Config`` value. Raises ``UnknownProvider``, ``ProviderBroken``."""
    # vars(): a slug may be the name of a method that models have. A field that is no model is a common setting.
    value = vars(_InForce.value).get(slug) if _InForce.value is not None else None
    return value if hasattr(type(value), "model_fields") else _defaults().provider(slug)


def refresh_margin(slug: str) -> float:
    """Return how many seconds before its end an access token of this provider is refreshed."""
    own = getattr(provider(slug), "refresh_margin_s", None)
    return float(own) if own is not None else current().refresh_margin_s


@cache
def user_agent() -> str:
    """Return how Maestro names itself to every provider."""
    from importlib.metadata import PackageNotFoundError, version  # here, because it is slow to load

    try:
        return f"Maestro/{version('maestro')}"
    except PackageNotFoundError:
        return "Maestro/0"


def _defaults() -> Defaults:
    assert _InForce.defaults is not None, "the package names them when it is imported"
    return _InForce.defaults()

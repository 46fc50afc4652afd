"""The models of the settings: what holds for every provider, and joined with it what each package declares.

``maestro_site`` reads the environment into ``build_model()``: ``MAESTRO_PROVIDERS__IDLE_TIMEOUT_S``,
``MAESTRO_PROVIDERS__ANTHROPIC__BASE_URL`` ... What is in force is kept in ``conf``; without an injected value, the
defaults declared here.
"""

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, field_validator, model_validator

from providers_app.errors import ProviderBroken
from providers_app.model_data.overrides import parse
from providers_app.registry.discovery import registry
from providers_app.setting_types import Names
from providers_app.wire.guard import Guard

ConfiguredModels = Annotated[dict[str, Any], BeforeValidator(parse)]
"""Values are ``Entry`` by model id, by ``provider`` or ``provider/session``."""


DAY_S = 86400


def _positive(default: float, most: float, description: str) -> Any:
    return Field(default=default, gt=0, le=most, description=description)


def _span(default: float, least: float, most: float, description: str) -> Any:
    return Field(default=default, ge=least, le=most, description=description)


def _bytes(mebibytes: int, description: str) -> Any:
    return Field(default=mebibytes * 1024 * 1024, ge=1024, description=description)


class ProvidersConfig(BaseModel):
    """``MAESTRO_PROVIDERS__...``: what holds for every provider."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    allowed_private_hosts: Names = Field(
        default=(),
        description="Hosts, host:port pairs and CIDR ranges of private networks that base URLs may point to.",
    )
    connect_timeout_s: float = _positive(10.0, 300, "Seconds to wait for a connection.")
    idle_timeout_s: float = _positive(120.0, 3600, "Seconds of silence after which a streamed answer is given up.")
    request_timeout_s: float = _positive(600.0, 7200, "Seconds for a whole answer that is not streamed.")
    lookup_timeout_s: float = _positive(30.0, 600, "Seconds for listing models, testing a key and counting tokens.")
    max_answer_bytes: int = _bytes(64, "Largest body of one answer, streamed or whole, in bytes.")
    max_answer_text_bytes: int = _bytes(
        8, "Most text of one streamed answer, in bytes; reasoning and the arguments of tool calls included."
    )
    max_request_bytes: int = _bytes(32, "Largest body of a request, in bytes; larger ones are not sent.")
    max_file_bytes: int = _bytes(
        20, "Largest picture, document or recording in a message, in bytes; an address counts nothing."
    )
    models_cache_s: float = _span(300.0, 0, DAY_S, "Seconds for which a session's list of models is kept.")
    models_stale_s: float = _span(
        7.0 * DAY_S,
        0,
        90 * DAY_S,
        "Seconds for which an old list of models is still shown, with its age, while it is asked for anew.",
    )
    model_data_dir: str = Field(
        default="",
        description="Folder with model files of your own (`<provider>.json`), which add to and correct those that ship "
        "with Maestro. Without it, `models` in the data folder.",
    )
    configured_models: ConfiguredModels = Field(
        default_factory=dict,
        description="Models and figures that beat everything else, as JSON: "
        '`{"remote": {"my-model": {"context_window": 32768}}}`; `remote/my_session` for one session.',
    )
    refresh_margin_s: float = _span(300.0, 0, DAY_S, "Seconds before its end at which an access token is refreshed.")
    refresh_timeout_s: float = _positive(20.0, 120, "Seconds for one request to a provider's token endpoint.")
    refresh_lease_s: float = _positive(
        60.0, 600, "Seconds for which one process has the turn to refresh a login; at least twice the time-out."
    )
    login_ttl_s: float = _span(600.0, 30, 3600, "Seconds for which a sign-in waits for its answer.")
    device_login_ttl_s: float = _span(900.0, 30, 3600, "Seconds for which a sign-in by device code waits.")
    strict_parameters: bool = Field(
        default=False,
        description="Refuse a request whose parameters would not be sent as they are, instead of leaving them out and "
        "saying so.",
    )
    ca_file: str = Field(default="", description="A PEM file with further certificate authorities to trust.")

    @model_validator(mode="after")
    def _lease_outlives_the_request(self) -> "ProvidersConfig":
        if self.refresh_lease_s < 2 * self.refresh_timeout_s:
            raise ValueError("refresh_lease_s must be at least twice refresh_timeout_s")
        return self

    @field_validator("allowed_private_hosts")
    @classmethod
    def _valid_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Guard(value)
        return value


@cache
def common() -> ProvidersConfig:
    """Return the defaults of what holds for every provider."""
    return ProvidersConfig()


def provider(slug: str) -> BaseModel:
    """Return the defaults of one provider. Raises ``UnknownProvider``, ``ProviderBroken``."""
    return _default(config_class(slug))


def config_class(slug: str) -> type[BaseModel]:
    """Return the ``Config`` model of a provider's ``config.py``. Raises ``UnknownProvider``, ``ProviderBroken``."""
    module = registry.load(slug, "config")
    found = getattr(module, "Config", None)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ProviderBroken(f"The provider {slug!r} is broken: {module.__name__} defines no pydantic model Config.")
    return found


def build_model() -> type[ProvidersConfig]:
    """Return one model with the common fields and, named by its slug, a field per provider that loads.

    A broken provider is left out; ``check`` names it.
    """
    fields: dict[str, Any] = {}
    for slug in registry.packages():
        if reserved(slug):
            continue
        try:
            config = config_class(slug)
            config()
        except (ProviderBroken, ValueError, TypeError):
            continue
        fields[slug] = (config, Field(default_factory=config, description=f"Settings of the provider {slug}."))
    return create_model("Providers", __base__=ProvidersConfig, **fields)


def reserved(slug: str) -> bool:
    """Return whether a provider of this slug would hide a common setting."""
    return slug in ProvidersConfig.model_fields or hasattr(BaseModel, slug)


@cache
def _default(config: type[BaseModel]) -> BaseModel:
    return config()

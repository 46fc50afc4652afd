"""The models of the settings: what holds for every provider, and joined with it what each package declares.

``maestro_site`` reads the environment into ``build_model()`` (``MAESTRO_PROVIDERS__ANTHROPIC__BASE_URL`` ...), and
``conf`` keeps what is in force.
"""

from contextlib import suppress
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    create_model,
    field_validator,
    model_validator,
)

from providers_app.errors import ProviderBroken
from providers_app.model_data.file import read_configured
from providers_app.registry.discovery import registry
from providers_app.setting_types import KEEPS_EMPTY, URL_WITH_SECRET, Env, Names, setting
from providers_app.types.credentials import Secret
from providers_app.wire.guard import Guard
from providers_app.wire.proxy import Proxy

ConfiguredModels = Annotated[dict[str, Any], BeforeValidator(read_configured)]
"""Values are ``Entry`` by model id, by ``provider`` or ``provider/session``."""
DAY_S, MIB = 86400, 1024 * 1024


class ProvidersConfig(BaseModel):
    """``MAESTRO_PROVIDERS__...``: what holds for every provider."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    allowed_private_hosts: Names = setting(
        (),
        "Hosts, host:port pairs and CIDR ranges of private networks that base URLs may point to, beside those that an "
        "owner allowed (`manage.py addresses`). Never metadata services.",
    )
    connect_timeout_s: float = setting(10.0, "Seconds to wait for a connection.", gt=0, le=300)
    idle_timeout_s: float = setting(
        120.0, "Seconds of silence after which a streamed answer is given up.", gt=0, le=3600
    )
    first_byte_timeout_s: float | None = setting(
        None, "Seconds until an answer begins, where that is to be less than `idle_timeout_s`.", gt=0, le=3600
    )
    total_timeout_s: float | None = setting(
        None, "Seconds for all of a streamed answer, from its begin on; without it there is no limit.", gt=0, le=86_400
    )
    request_timeout_s: float = setting(600.0, "Seconds for a whole answer that is not streamed.", gt=0, le=7200)
    lookup_timeout_s: float = setting(
        30.0, "Seconds for listing models, testing a key and counting tokens.", gt=0, le=600
    )
    max_answer_bytes: int = setting(64 * MIB, "Largest body of one answer, streamed or whole, in bytes.", ge=1024)
    max_answer_text_bytes: int = setting(
        8 * MIB,
        "Most text of one answer, in bytes; reasoning, tool calls, sources and results of server tools included.",
        ge=1024,
    )
    max_answer_events: int = setting(500_000, "Most events of one answer.", ge=100)
    max_running_bytes: int = setting(
        112 * MIB,
        "Most memory of all running answers of one process, in bytes; above three eighths of it, those that hold more "
        "than their share are read one after the other.",
        ge=8 * MIB,
    )
    max_request_bytes: int = setting(
        32 * MIB, "Largest body of a request, in bytes; larger ones are not sent.", ge=1024
    )
    max_file_bytes: int = setting(
        20 * MIB, "Largest picture, document or recording in a message, in bytes; an address counts nothing.", ge=1024
    )
    models_cache_s: float = setting(300.0, "Seconds for which a session's list of models is kept.", ge=0, le=DAY_S)
    models_stale_s: float = setting(
        7.0 * DAY_S,
        "Seconds for which an old list of models is still shown, with its age, while it is asked for anew.",
        ge=0,
        le=90 * DAY_S,
    )
    model_data_dir: str = setting(
        "",
        "Folder with model files of your own (`<provider>.json`), which add to and correct those that ship "
        "with Maestro. Without it, `models` in the data folder.",
    )
    configured_models: ConfiguredModels = setting(
        {},
        "Models and figures that beat everything else, as JSON: "
        '`{"remote": {"my-model": {"context_window": 32768}}}`; `remote/my_session` for one session.',
    )
    refresh_margin_s: float = setting(
        300.0, "Seconds before its end at which an access token is refreshed.", ge=0, le=DAY_S
    )
    refresh_timeout_s: float = setting(20.0, "Seconds for one request to a provider's token endpoint.", gt=0, le=120)
    refresh_lease_s: float = setting(
        60.0,
        "Seconds for which one process has the turn to refresh a login; at least twice the time-out.",
        gt=0,
        le=600,
    )
    login_ttl_s: float = setting(600.0, "Seconds for which a sign-in waits for its answer.", ge=30, le=3600)
    device_login_ttl_s: float = setting(900.0, "Seconds for which a sign-in by device code waits.", ge=30, le=3600)
    max_retries: int = setting(
        2, "Attempts after the first one that fails before any output; 0 turns retries off.", ge=0, le=10
    )
    longest_retry_wait_s: float = setting(
        60.0, "Seconds; a provider that asks to wait longer is not retried.", ge=0, le=600
    )
    enable_stream_replay: bool = setting(
        True,
        "Go on with an answer that broke off, by itself, where the provider sends the rest of the same answer or the "
        "model goes on behind its own text.",
    )
    max_continuations: int = setting(
        3, "Most requests that go on with one answer after it broke off; they share its deadline.", ge=0, le=20
    )
    max_buffer_events: int = setting(
        10_000,
        "Most events that are kept of an answer for that, with runs of deltas counted as one; one with more does not "
        "go on by itself.",
        ge=1,
        le=500_000,
    )
    max_concurrent_requests: int = setting(
        256, "Most requests of one session at once; fewer while its provider answers 429.", ge=1, le=10_000
    )
    max_queue_size: int = setting(1000, "Most requests that wait for one session.", ge=0, le=100_000)
    queue_timeout_seconds: float = setting(60.0, "Seconds that a request waits for its session.", ge=0, le=3600)
    requests_per_minute: float | None = setting(
        None, "Requests a minute of one session; without it, what the provider's headers say.", gt=0
    )
    tokens_per_minute: float | None = setting(
        None, "Tokens a minute of one session; without it, what the provider's headers say.", gt=0
    )
    requests_per_minute_per_person: float | None = setting(
        None,
        "Requests a minute of each person, over all their sessions, who has no limit of their own; without it, none.",
        gt=0,
    )
    tokens_per_minute_per_person: float | None = setting(
        None,
        "Tokens a minute of each person, over all their sessions, who has no limit of their own; without it, none.",
        gt=0,
    )
    strict_parameters: bool = setting(
        False,
        "Refuse a request whose parameters would not be sent as they are, instead of leaving them out and saying so.",
    )
    proxy: Annotated[SecretStr, Env("HTTPS_PROXY", "https_proxy"), URL_WITH_SECRET, KEEPS_EMPTY] = setting(
        SecretStr(""),
        "Outgoing proxy for https (`http://user:password@host:3128`), by CONNECT. What it reaches cannot be judged: it "
        "must not lead into networks that sessions may not reach. Set to nothing, it is off whatever HTTPS_PROXY says.",
    )
    no_proxy: Annotated[Names, Env("NO_PROXY", "no_proxy")] = setting(
        (), "Hosts that are reached without the proxy: names with what is below them, addresses, CIDR ranges, `*`."
    )
    ca_file: str = setting("", "A PEM file with further certificate authorities to trust.")

    @model_validator(mode="after")
    def _lease_outlives_the_request(self) -> "ProvidersConfig":
        if self.refresh_lease_s < 2 * self.refresh_timeout_s:
            raise ValueError("refresh_lease_s must be at least twice refresh_timeout_s")
        return self

    @field_validator("proxy")
    @classmethod
    def _valid_proxy(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            Proxy(Secret(value.get_secret_value()))
        return value

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
    """Return one model with the common fields and, named by its slug, a field per provider that loads."""
    fields: dict[str, Any] = {}
    for slug in (slug for slug in registry.packages() if not reserved(slug)):
        with suppress(ProviderBroken, ValueError, TypeError):
            config = config_class(slug)
            config()
            fields[slug] = (config, Field(default_factory=config, description=f"Settings of the provider {slug}."))
    return create_model("Providers", __base__=ProvidersConfig, **fields)


def reserved(slug: str) -> bool:
    """Return whether a provider of this slug would hide a common setting, or the aliases of the interface."""
    return slug == "alias" or slug in ProvidersConfig.model_fields or hasattr(BaseModel, slug)


@cache
def _default(config: type[BaseModel]) -> BaseModel:
    return config()

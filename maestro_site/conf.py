"""All settings as one typed tree, read once from the environment.

``MAESTRO_<NAME>``, ``MAESTRO_<APP>__<NAME>`` and ``MAESTRO_PROVIDERS__<SLUG>__<NAME>``; a secret may come from a file
named by ``<NAME>_FILE``. Below ``maestro_site`` nothing reads the environment: values are injected downwards. How a
variable is found and what is stronger than what: ``maestro_site.environment``.
"""

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from context_app.conf import ContextConfig
from maestro_site import environment
from maestro_site.environment import ENV_FILE, PREFIX, ROOT, ConfigError, Reading, Setting, env_name, walk
from providers_app.genai_platform.config import GenAIPlatformConfig
from providers_app.registry.settings import build_model
from providers_app.setting_types import URL_WITH_SECRET, Env, setting, split
from sessions_app.conf import SessionsConfig

# One field per provider that is installed: known only once they are discovered.
Providers = build_model()


class EmailConfig(BaseModel, frozen=True):
    """Settings under ``MAESTRO_EMAIL__``: the mail server that notices are sent through."""

    host: str = setting("", "Name of the mail server. Without it, nothing is sent by e-mail.")
    port: int = setting(587, "Port of the mail server.", ge=1, le=65535)
    user: str = setting("", "Name to sign in with at the mail server; empty for none.")
    password: SecretStr = setting(SecretStr(""), "Password for it; may come from a file.")
    tls: Literal["starttls", "tls", "none"] = setting(
        "starttls", "How the connection is protected: `starttls` (usually port 587), `tls` (465) or `none` (25)."
    )
    timeout_s: float = setting(10, "Seconds to wait for the mail server.", gt=0, le=120)


class MonitoringConfig(BaseModel, frozen=True):
    """Settings under ``MAESTRO_MONITORING__``: what `/metrics` and `/health` tell, and to whom."""

    metrics_token: SecretStr | None = setting(
        None,
        "Token (`Authorization: Bearer`) with which `/metrics` and `/health` give details; at least 16 characters. "
        "Without it, only to staff who are signed in.",
        min_length=16,
    )
    health_check_interval_seconds: float = setting(
        10.0,
        "Seconds between two looks at lanes, circuits and counts, which other processes see and `/health` shows.",
        ge=1,
        le=300,
    )
    max_lateness_ms: float = setting(
        250.0,
        "Milliseconds that the event loop of a server may be late before the log says what it is doing.",
        ge=20,
        le=60_000,
    )
    otel: bool = setting(
        False,
        "Record requests to models with OpenTelemetry (`pip install maestro[otel]`), exported as its own variables "
        "say, such as OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    otel_content: bool = setting(False, "Record messages and answers in those spans as well.")


class MaestroSettings(BaseModel):
    """The tree. A new group is one field here: a frozen model with a help sentence for each of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = setting(ROOT / "var", "Folder of the database, key files, queue and spools.")
    secret_key: SecretStr | None = setting(
        None, "Signs cookies and links. Without it, a file of its own in the data folder is used."
    )
    encryption_keys: SecretStr | None = setting(
        None,
        "Keys that seal credentials, comma-separated `id:base64`; the first is primary. Without it, a key "
        "file in the data folder is used.",
    )
    allowed_hosts: list[str] = setting(
        ["localhost", "127.0.0.1", "[::1]"], "Host names under which Maestro is reached, comma-separated."
    )
    trusted_origins: list[str] = setting(
        [], "Origins (`https://host`) whose forms are accepted behind a proxy, comma-separated."
    )
    behind_tls_proxy: bool = setting(False, "Trust X-Forwarded-Proto of a proxy in front, and mark cookies secure.")
    trusted_proxies: int = setting(
        0,
        "How many proxies in front add the address of their client to X-Forwarded-For. Wrong passwords are then "
        "counted for each client; with 0, for each address that connects.",
        ge=0,
        le=10,
    )
    debug: bool = setting(False, "Show Django's debug pages. Never in production.")
    log_level: str = setting("INFO", "Level of the log on stderr: DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = setting(False, "Write the log as one JSON object per line.")
    database_url: Annotated[SecretStr | None, Env("DATABASE_URL"), URL_WITH_SECRET] = setting(
        None, "`postgres://user:password@host:port/name`. Without it, SQLite in the data folder is used."
    )
    database_connections: int = setting(
        30,
        "Postgres connections that a web process opens at most. More requests than it has connections for wait, and "
        "are answered 503 after 15 seconds.",
        ge=16,
        le=1000,
    )
    redis_url: Annotated[SecretStr | None, Env("REDIS_URL"), URL_WITH_SECRET] = setting(
        None, "`redis://host:port/0`: broker, channel layer and shared state for several processes or machines."
    )
    public_url: str = setting(
        "",
        "Address under which people reach Maestro (`https://host`): links in e-mail, and the callback of "
        "sign-ins. Without it, the address of the request is used.",
    )
    from_email: str = setting("maestro@localhost", "Sender of e-mail.")
    email: EmailConfig = setting(EmailConfig(), "Mail server.")
    monitoring: MonitoringConfig = setting(MonitoringConfig(), "Metrics and health.")
    sessions: SessionsConfig = setting(SessionsConfig(), "Session store.")
    context: ContextConfig = setting(ContextConfig(), "Contexts and streams.")
    genai_platform: GenAIPlatformConfig = setting(
        GenAIPlatformConfig(), "An enterprise gateway in front of the providers."
    )
    providers: Providers = Field(default_factory=Providers, description="Providers.")  # type: ignore[valid-type]

    @field_validator("allowed_hosts", "trusted_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split(value)


@cache
def settings_list() -> tuple[Setting, ...]:
    """Return every setting of the tree."""
    return tuple(walk(MaestroSettings))


def load(environ: Mapping[str, str] | None = None) -> MaestroSettings:
    """Read the tree from the environment. Raises ``ConfigError`` with one line per wrong value (never the value)."""
    reading = environment.read(settings_list(), environment.of_process(environ))
    if reading.problems:
        raise ConfigError("; ".join(reading.problems.values()))
    try:
        return MaestroSettings.model_validate(reading.values)
    except ValidationError as error:
        raise ConfigError("; ".join(sentence for _, sentence in problems_of(error, reading))) from None


def problems_of(error: ValidationError, reading: Reading) -> list[tuple[tuple[str, ...], str]]:
    """Return path and sentence of each problem; a sentence names the variable to correct and never quotes a secret."""
    secrets = {each.path: each.secret for each in settings_list()}
    found = []
    for item in error.errors(include_input=False, include_url=False):
        location = tuple(str(part) for part in item["loc"])
        path = next((location[:end] for end in range(len(location), 0, -1) if location[:end] in secrets), location)
        used = reading.used.get(path)
        # A message of a validator may quote the value.
        message = "It cannot be used." if secrets.get(path) else item["msg"]
        name = used.place if used else env_name(path) if path else "The settings"
        instead = f" {env_name(path)} would be used instead of it." if used and used.kind != "own" else ""
        found.append((path, f"{name}: {message}{instead}"))
    return found


def known_names() -> set[str]:
    """Return every ``MAESTRO_`` variable that is read, the two that are no settings included."""
    names = {name for each in settings_list() for name in each.names if name.startswith(PREFIX)}
    return names | {ENV_FILE, "MAESTRO_RECORDINGS"}


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for each ``MAESTRO_`` variable that is not a setting, with the nearest name."""
    names = known_names()
    sentences = []
    for name in environment.of_process(environ).names():
        if name.startswith(PREFIX) and name.upper() not in names:
            near = difflib.get_close_matches(name.upper(), names, n=1)
            sentences.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "."))
    return sentences


def database(settings: MaestroSettings) -> dict[str, Any]:
    """Return Django's ``DATABASES["default"]``. Raises ``ConfigError`` for an address that is not Postgres's."""
    if settings.database_url is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(settings.data_dir / "maestro.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # DEFERRED loses writes under load: a read snapshot cannot be upgraded, and no time-out applies.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
            "TEST": {"NAME": str(settings.data_dir / "test.sqlite3")},
        }
    try:
        url = urlsplit(settings.database_url.get_secret_value())
        port = url.port
    except ValueError:  # its message may hold a piece of the password
        raise ConfigError("DATABASE_URL is not an address: its host or port is malformed.") from None
    if url.scheme not in {"postgres", "postgresql"}:
        raise ConfigError("DATABASE_URL must begin with postgres://. Leave it out to use SQLite.")
    # A host that does not answer is an error within seconds, not after minutes; so is one that falls silent later.
    options: dict[str, Any] = {
        "connect_timeout": "10",
        "keepalives_idle": "15",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
        **dict(parse_qsl(url.query)),
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": options.pop("host", None) or unquote(url.hostname or ""),
        "PORT": str(port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def redis_url(settings: MaestroSettings) -> str:
    """Return the address of Redis, blank for none. Raises ``ConfigError`` for one that can never work."""
    if settings.redis_url is None:
        return ""
    text = settings.redis_url.get_secret_value()
    try:
        url = urlsplit(text)
        well_formed = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # its message may hold a piece of the password
        well_formed = False
    if not text.startswith(("redis://", "rediss://")):
        raise ConfigError("REDIS_URL must begin with redis:// or rediss://. Leave it out to do without Redis.")
    if not well_formed:
        raise ConfigError("REDIS_URL is not an address: its host or port is malformed.")
    if not (url.path.strip("/") or "0").isdecimal():
        raise ConfigError("REDIS_URL must end with the number of a database, such as redis://host:6379/0.")
    return text

"""All settings as one typed tree, read once from the environment.

``MAESTRO_<NAME>``, ``MAESTRO_<APP>__<NAME>`` and ``MAESTRO_PROVIDERS__<SLUG>__<NAME>``; a secret may come from a file
named by ``<NAME>_FILE``. Below ``maestro_site`` nothing reads the environment: values are injected downwards.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from context_app.conf import ContextConfig
from providers_app.conf import ProvidersConfig, build_model
from providers_app.setting_types import split
from sessions_app.conf import SessionsConfig

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ("SECRET_KEY", "ENCRYPTION_KEYS", "EMAIL__PASSWORD")
EXTRA_NAMES = frozenset({"MAESTRO_RECORDINGS", *(f"MAESTRO_{name}_FILE" for name in SECRETS)})

# One field per provider that is installed: known only once they are discovered.
Providers = build_model()


class ConfigError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


class EmailConfig(BaseModel, frozen=True):
    """Settings under ``MAESTRO_EMAIL__``: the mail server that notices are sent through."""

    host: str = Field(default="", description="Name of the mail server. Without it, nothing is sent by e-mail.")
    port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    user: str = Field(default="", description="Name to sign in with at the mail server; empty for none.")
    password: SecretStr = Field(default=SecretStr(""), description="Password for it; may come from a file.")
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is protected: `starttls` (usually port 587), `tls` (465) or `none` (25).",
    )
    timeout_s: float = Field(default=10, gt=0, le=120, description="Seconds to wait for the mail server.")


class MaestroSettings(BaseSettings):
    """The tree."""

    model_config = SettingsConfigDict(
        env_prefix="MAESTRO_",
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    data_dir: Path = Field(default=ROOT / "var", description="Folder of the database, key files, queue and spools.")
    secret_key: SecretStr | None = Field(
        default=None, description="Signs cookies and links. Without it, a file of its own in the data folder is used."
    )
    encryption_keys: SecretStr | None = Field(
        default=None,
        description="Keys that seal credentials, comma-separated `id:base64`; the first is primary. Without it, a key "
        "file in the data folder is used.",
    )
    allowed_hosts: list[str] = Field(
        default=["localhost", "127.0.0.1", "[::1]"],
        description="Host names under which Maestro is reached, comma-separated.",
    )
    trusted_origins: list[str] = Field(
        default=[], description="Origins (`https://host`) whose forms are accepted behind a proxy, comma-separated."
    )
    behind_tls_proxy: bool = Field(
        default=False, description="Trust X-Forwarded-Proto of a proxy in front, and mark cookies secure."
    )
    debug: bool = Field(default=False, description="Show Django's debug pages. Never in production.")
    log_level: str = Field(default="INFO", description="Level of the log on stderr: DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(default=False, description="Write the log as one JSON object per line.")
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("MAESTRO_DATABASE_URL", "DATABASE_URL"),
        description="`postgres://user:password@host:port/name`. Without it, SQLite in the data folder is used.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("MAESTRO_REDIS_URL", "REDIS_URL"),
        description="`redis://host:port/0`: broker, channel layer and shared state for several processes or machines.",
    )
    public_url: str = Field(
        default="",
        description="Address under which people reach Maestro (`https://host`): links in e-mail, and the callback of "
        "sign-ins. Without it, the address of the request is used.",
    )
    from_email: str = Field(default="maestro@localhost", description="Sender of e-mail.")
    email: EmailConfig = Field(default=EmailConfig(), description="Mail server.")
    sessions: SessionsConfig = Field(default=SessionsConfig(), description="Session store.")
    context: ContextConfig = Field(default=ContextConfig(), description="Contexts and streams.")
    providers: Providers = Field(default_factory=Providers, description="Providers.")  # type: ignore[valid-type]

    @field_validator("allowed_hosts", "trusted_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split(value)


def load(environ: Mapping[str, str] | None = None) -> MaestroSettings:
    """Read the tree from the environment. Raises ``ConfigError`` with one line per wrong value (never the value)."""
    environ = os.environ if environ is None else environ
    overrides: dict[str, Any] = {}
    for name in SECRETS:
        path = environ.get(f"MAESTRO_{name}_FILE")
        if path and not environ.get(f"MAESTRO_{name}"):
            try:
                value: Any = SecretStr(Path(path).read_text().strip())
            except OSError as error:
                raise ConfigError(f"MAESTRO_{name}_FILE cannot be read: {error.strerror} ({path}).") from error
            *groups, leaf = name.lower().split("__")
            inner = overrides
            for group in groups:
                inner = inner.setdefault(group, {})
            inner[leaf] = value
    try:
        return MaestroSettings(**overrides)
    except ValidationError as error:
        lines = [f"{_env_name(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        raise ConfigError("; ".join(lines)) from None
    except Exception as error:  # noqa: BLE001 - pydantic-settings wraps a JSON error of one variable in its own type
        raise ConfigError(f"A MAESTRO_ variable cannot be read: {error}") from None


def _env_name(location: tuple[int | str, ...]) -> str:
    parts = [str(part).upper() for part in location]
    return parts[0] if parts[0].startswith("MAESTRO_") else "MAESTRO_" + "__".join(parts)


def known_names(model: type[BaseModel] = MaestroSettings, prefix: str = "MAESTRO_") -> set[str]:
    """Every variable name that the tree reads."""
    names: set[str] = set(EXTRA_NAMES)
    for name, field in model.model_fields.items():
        full = f"{prefix}{name}".upper()
        names.add(full)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= known_names(field.annotation, f"{full}__")
    return names


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """One sentence for each ``MAESTRO_`` variable that nothing reads, with the nearest name."""
    environ = os.environ if environ is None else environ
    names = known_names()
    sentences = []
    for name in sorted(environ):
        if name.startswith("MAESTRO_") and name.upper() not in names:
            near = difflib.get_close_matches(name.upper(), names, n=1)
            sentences.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "."))
    return sentences


def database(settings: MaestroSettings) -> dict[str, Any]:
    """Django's ``DATABASES["default"]``: SQLite with write transactions that wait for each other, or Postgres."""
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
    # A host that does not answer is an error within seconds, not after minutes.
    options: dict[str, Any] = {"connect_timeout": "10", **dict(parse_qsl(url.query))}
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


__all__ = ["ConfigError", "MaestroSettings", "ProvidersConfig", "database", "known_names", "load", "unknown_variables"]

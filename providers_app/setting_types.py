"""Kinds of settings that several ``Config`` models declare; imports neither Django nor the HTTP client.

A field says with these words, in ``Annotated``, what the environment reader of the site does for it::

    base_url: Annotated[str, Env("OPENAI_BASE_URL")] = setting("https://...", "Address of the API.")
"""

import json
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr


class Settings(BaseModel):
    """Base of the models of settings: values do not change, and a name that is not declared is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(default: Any, description: str, **limits: Any) -> Any:
    """Return a field with its default and its help sentence; ``limits`` are checks of pydantic's ``Field``."""
    return Field(default, description=description, **limits)


class Env:
    """Variables of other programs for the same thing, read in this order where ours is not set, as they are spelt."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.names!r}"


class KeepsEmpty:
    """Marks a text that may be set to nothing. Everywhere else an empty variable counts as one that is not set."""


class UrlWithSecret:
    """Marks a secret that is an address: who may see settings sees where it leads, without names and passwords."""


KEEPS_EMPTY = KeepsEmpty()
URL_WITH_SECRET = UrlWithSecret()

EnvironmentKey = SecretStr
"""A ``Config``'s field ``api_key``: a key in the environment, to be stored as a session before it signs anything."""


def key_field() -> Any:
    """Return default and help of such a field: ``api_key: Annotated[EnvironmentKey, Env(...)] = key_field()``."""
    return setting(
        SecretStr(""),
        "A key to store as a session with `manage.py import_sessions --env`. Nothing is asked with it before: requests "
        "are signed with sessions only.",
    )


def split(value: Any) -> Any:
    """Return the items of a text, comma-separated or a list in JSON; return another value as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # an address in brackets, [::1]
            if isinstance(items := json.loads(value), list):
                return items
    return [item.strip() for item in value.split(",") if item.strip()]


Names = Annotated[tuple[str, ...], BeforeValidator(split)]
Ports = Annotated[tuple[int, ...], BeforeValidator(split)]


class ProviderSettings(Settings):
    """Settings that nearly every provider has; its ``Config`` inherits them."""

    default_model: str = setting("", "The model that is asked when a call names none.")
    idle_timeout_s: float | None = setting(
        None, "Seconds of silence after which a stream is given up; empty: the common value.", gt=0
    )
    first_byte_timeout_s: float | None = setting(
        None, "Seconds until an answer begins; empty: the common value, else that of silence.", gt=0
    )
    total_timeout_s: float | None = setting(
        None, "Seconds for all of a streamed answer; empty: the common value, else no limit.", gt=0
    )


class LoginSettings(ProviderSettings):
    """The same of a provider whose logins are refreshed."""

    refresh_margin_s: float | None = setting(
        None, "Seconds before its end at which an access token is refreshed; empty: the common value.", ge=0, le=86400
    )


def one_of(*restricted: str) -> AfterValidator:
    """Return the check of a provider's ``enabled_flows``: ``Annotated[Names, one_of("codex", "device")]``."""

    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = next((name for name in value if name not in restricted), None)
        if unknown is not None:
            raise ValueError(f"there is no restricted flow {unknown!r}; there are {', '.join(restricted)}")
        return value

    return AfterValidator(check)

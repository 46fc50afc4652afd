"""Settings of OpenRouter. Addresses are those of https://openrouter.ai/docs/guides/overview/auth/oauth."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from providers_app.setting_types import KEEPS_EMPTY, DefaultModel, Env, EnvironmentKey, IdleTimeout, key_field

PRINTABLE = r"^[ -~]*$"
"""The characters that a header can carry."""


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__OPENROUTER__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Annotated[EnvironmentKey, Env("OPENROUTER_API_KEY")] = key_field()
    base_url: str = Field(default="https://openrouter.ai/api/v1", description="Address of the API, with /v1.")
    auth_url: str = Field(
        default="https://openrouter.ai/auth", description="The page where a person allows Maestro a key of its own."
    )
    keys_url: str = Field(
        default="", description="Where the code of a sign-in becomes a key; empty: /auth/keys below the base URL."
    )
    key_label: Annotated[str, KEEPS_EMPTY] = Field(
        default="Maestro",
        max_length=100,
        description="The name that OpenRouter shows for a key whose code was copied by hand; empty: its own choice.",
    )
    app_title: Annotated[str, KEEPS_EMPTY] = Field(
        default="Maestro",
        max_length=100,
        pattern=PRINTABLE,
        description="The application's name in the X-OpenRouter-Title header; empty sends none.",
    )
    app_url: str = Field(
        default="",
        max_length=300,
        pattern=PRINTABLE,
        description="The application's address in the HTTP-Referer header, by which OpenRouter counts applications; "
        "empty sends none, and nothing is counted.",
    )
    default_model: DefaultModel = ""
    idle_timeout_s: IdleTimeout = None

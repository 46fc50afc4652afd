"""Settings of OpenRouter. Addresses are those of https://openrouter.ai/docs/guides/overview/auth/oauth."""

from typing import Annotated

from providers_app.setting_types import KEEPS_EMPTY, Env, EnvironmentKey, ProviderSettings, key_field, setting

PRINTABLE = r"^[ -~]*$"
"""The characters that a header can carry."""


class Config(ProviderSettings):
    """``MAESTRO_PROVIDERS__OPENROUTER__...``"""

    api_key: Annotated[EnvironmentKey, Env("OPENROUTER_API_KEY")] = key_field()
    base_url: str = setting("https://openrouter.ai/api/v1", "Address of the API, with /v1.")
    auth_url: str = setting("https://openrouter.ai/auth", "The page where a person allows Maestro a key of its own.")
    keys_url: str = setting("", "Where the code of a sign-in becomes a key; empty: /auth/keys below the base URL.")
    key_label: Annotated[str, KEEPS_EMPTY] = setting(
        "Maestro",
        "The name that OpenRouter shows for a key whose code was copied by hand; empty: its own choice.",
        max_length=100,
    )
    app_title: Annotated[str, KEEPS_EMPTY] = setting(
        "Maestro",
        "The application's name in the X-OpenRouter-Title header; empty sends none.",
        max_length=100,
        pattern=PRINTABLE,
    )
    app_url: str = setting(
        "",
        "The application's address in the HTTP-Referer header, for OpenRouter's statistics; empty sends none.",
        max_length=300,
        pattern=PRINTABLE,
    )

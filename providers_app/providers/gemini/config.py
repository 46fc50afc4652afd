"""Settings of Gemini."""

from typing import Annotated

from pydantic import SecretStr

from providers_app.setting_types import Env, EnvironmentKey, LoginSettings, Settings, key_field, setting

CLOUD = "https://www.googleapis.com/auth/cloud-platform"


class OAuthConfig(Settings):
    """``MAESTRO_PROVIDERS__GEMINI__OAUTH__...``: sign-in with a Google account or a service account.

    Addresses are those of https://accounts.google.com/.well-known/openid-configuration.
    """

    client_id: str = setting("", "An OAuth client that all users share; empty: each user brings their own.")
    client_secret: SecretStr = setting(SecretStr(""), "The secret of that client.")
    issuer: str = setting("https://accounts.google.com", "Who signs id tokens.")
    authorize_url: str = setting("https://accounts.google.com/o/oauth2/v2/auth", "The page where access is allowed.")
    token_url: str = setting("https://oauth2.googleapis.com/token", "Exchanges codes and refresh tokens.")
    revoke_url: str = setting("https://oauth2.googleapis.com/revoke", "Where a login is ended.")
    jwks_url: str = setting("https://www.googleapis.com/oauth2/v3/certs", "The public keys of the issuer.")
    scopes: str = setting(
        f"openid email {CLOUD} https://www.googleapis.com/auth/generative-language.retriever",
        "Scopes of a Google account, with spaces between them.",
    )
    chat_scopes: str = setting(
        f"{CLOUD} https://www.googleapis.com/auth/generative-language",
        "Scopes of which one must have been granted, because nothing is answered without it.",
    )
    service_account_scopes: str = setting(CLOUD, "Scopes of a service account, with spaces between them.")


class Config(LoginSettings):
    """``MAESTRO_PROVIDERS__GEMINI__...``"""

    api_key: Annotated[EnvironmentKey, Env("GEMINI_API_KEY", "GOOGLE_API_KEY")] = key_field()
    base_url: Annotated[str, Env("GOOGLE_GEMINI_BASE_URL")] = setting(
        "https://generativelanguage.googleapis.com",
        "Address of the API; the version is added where the address does not end with one.",
    )
    api_version: str = setting("v1beta", "The version in the address: v1beta or v1.")
    oauth: OAuthConfig = setting(OAuthConfig(), "Sign-in with a Google account or a service account.")

"""Settings of Gemini."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from providers_app.setting_types import DefaultModel, Env, EnvironmentKey, IdleTimeout, RefreshMargin, key_field

CLOUD = "https://www.googleapis.com/auth/cloud-platform"


class OAuthConfig(BaseModel):
    """``MAESTRO_PROVIDERS__GEMINI__OAUTH__...``: sign-in with a Google account or a service account.

    Addresses are those of https://accounts.google.com/.well-known/openid-configuration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(
        default="", description="An OAuth client of yours for everybody here; empty: each person brings one."
    )
    client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that client.")
    issuer: str = Field(default="https://accounts.google.com", description="Who signs id tokens.")
    authorize_url: str = Field(
        default="https://accounts.google.com/o/oauth2/v2/auth", description="The page where access is allowed."
    )
    token_url: str = Field(
        default="https://oauth2.googleapis.com/token", description="Where codes and refresh tokens become tokens."
    )
    revoke_url: str = Field(default="https://oauth2.googleapis.com/revoke", description="Where a login is ended.")
    jwks_url: str = Field(
        default="https://www.googleapis.com/oauth2/v3/certs", description="The public keys of the issuer."
    )
    scopes: str = Field(
        default=f"openid email {CLOUD} https://www.googleapis.com/auth/generative-language.retriever",
        description="Scopes of a Google account, with spaces between them.",
    )
    chat_scopes: str = Field(
        default=f"{CLOUD} https://www.googleapis.com/auth/generative-language",
        description="Scopes of which one must have been granted, because nothing is answered without it.",
    )
    service_account_scopes: str = Field(
        default=CLOUD, description="Scopes of a service account, with spaces between them."
    )


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__GEMINI__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Annotated[EnvironmentKey, Env("GEMINI_API_KEY", "GOOGLE_API_KEY")] = key_field()
    base_url: Annotated[str, Env("GOOGLE_GEMINI_BASE_URL")] = Field(
        default="https://generativelanguage.googleapis.com",
        description="Address of the API; the version is added where the address does not end with one.",
    )
    api_version: str = Field(default="v1beta", description="The version in the address: v1beta or v1.")
    default_model: DefaultModel = ""
    idle_timeout_s: IdleTimeout = None
    refresh_margin_s: RefreshMargin = None
    oauth: OAuthConfig = Field(default=OAuthConfig(), description="Sign-in with a Google account or a service account.")

"""Settings of Gemini."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from providers_app.setting_types import Env, EnvironmentKey, key_field

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
    default_model: str = Field(default="", description="The model that is asked when a call names none.")
    idle_timeout_s: float | None = Field(
        default=None, gt=0, description="Seconds of silence after which a stream is given up; empty: the common value."
    )
    refresh_margin_s: float | None = Field(
        default=None,
        ge=0,
        le=86400,
        description="Seconds before its end at which an access token is refreshed; empty: the common value.",
    )
    oauth: OAuthConfig = Field(default=OAuthConfig(), description="Sign-in with a Google account or a service account.")

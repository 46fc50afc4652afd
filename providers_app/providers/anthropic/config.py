"""Settings of Anthropic. Addresses are those of the vendor's own clients, which moved once; each can be changed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from providers_app.setting_types import (
    KEEPS_EMPTY,
    DefaultModel,
    Env,
    EnvironmentKey,
    IdleTimeout,
    Names,
    RefreshMargin,
    key_field,
    one_of,
)


class OAuthConfig(BaseModel):
    """``MAESTRO_PROVIDERS__ANTHROPIC__OAUTH__...``: the flows ``claude`` and ``console_key``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(
        default="9d1c250a-e61b-44d9-88ed-5944d1962f5e", min_length=1, description="The public client that signs in."
    )
    authorize_url: str = Field(
        default="https://claude.ai/oauth/authorize", description="The page where a Claude account allows the access."
    )
    console_authorize_url: str = Field(
        default="https://console.anthropic.com/oauth/authorize",
        description="The page where an account of the console allows a key to be made.",
    )
    token_url: str = Field(
        default="https://console.anthropic.com/v1/oauth/token",
        description="Where codes and refresh tokens become tokens.",
    )
    redirect_uri: str = Field(
        default="https://console.anthropic.com/oauth/code/callback",
        description="The vendor's page that shows the code; the server takes no other address.",
    )
    scopes: str = Field(
        default="org:create_api_key user:profile user:inference", description="Scopes, with spaces between them."
    )
    create_key_url: str = Field(
        default="https://api.anthropic.com/api/oauth/claude_cli/create_api_key",
        description="Where a login of the console becomes an API key.",
    )
    profile_url: Annotated[str, KEEPS_EMPTY] = Field(
        default="https://api.anthropic.com/api/oauth/profile",
        description="Whose login it is, asked where the token endpoint does not say it; empty: never asked.",
    )
    beta: str = Field(
        default="oauth-2025-04-20",
        min_length=1,
        description="The name in the anthropic-beta header without which the API takes no access token.",
    )


class FederationConfig(BaseModel):
    """``MAESTRO_PROVIDERS__ANTHROPIC__FEDERATION__...``: the flow ``federation``, on once the first three are set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_file: str = Field(
        default="",
        description="File with this workload's identity token (a JWT), read anew for each access token. Everybody "
        "who uses this Maestro may sign in with it.",
    )
    federation_rule_id: str = Field(default="", description="The rule in the Anthropic console that takes the token.")
    organization_id: str = Field(default="", description="The organization's id (a UUID).")
    service_account_id: str = Field(default="", description="The service account to act as; empty: the rule's own.")
    workspace_id: str = Field(default="", description="The workspace to act in; empty: the rule's own.")
    token_url: str = Field(
        default="", description="Where the identity token becomes an access token; empty: below the base URL."
    )
    beta: str = Field(
        default="oidc-federation-2026-04-01",
        min_length=1,
        description="The further name in the anthropic-beta header of that one request.",
    )

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings without which there is no sign-in."""
        needed = ("token_file", "federation_rule_id", "organization_id")
        return tuple(name for name in needed if not getattr(self, name))


class Config(BaseModel):
    """``MAESTRO_PROVIDERS__ANTHROPIC__...``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: Annotated[EnvironmentKey, Env("ANTHROPIC_API_KEY")] = key_field()
    base_url: Annotated[str, Env("ANTHROPIC_BASE_URL")] = Field(
        default="https://api.anthropic.com", description="Address of the API, without /v1."
    )
    api_version: str = Field(
        default="2023-06-01", description="The anthropic-version header: which revision of the API is spoken."
    )
    beta: str = Field(default="", description="Comma-separated names for the anthropic-beta header; empty sends none.")
    default_model: DefaultModel = ""
    idle_timeout_s: IdleTimeout = None
    refresh_margin_s: RefreshMargin = None
    enabled_flows: Annotated[Names, one_of("claude", "console_key")] = Field(
        default=(),
        description="Restricted ways to sign in that are turned on, comma-separated: claude, console_key. Read the "
        "vendor's position first.",
    )
    oauth: OAuthConfig = Field(default=OAuthConfig(), description="Sign-in with an account of Anthropic.")
    federation: FederationConfig = Field(default=FederationConfig(), description="Workload identity federation.")

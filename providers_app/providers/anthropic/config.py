"""Settings of Anthropic. Addresses are those of the vendor's own clients, which moved once; each can be changed."""

from typing import Annotated

from providers_app.setting_types import (
    KEEPS_EMPTY,
    Env,
    EnvironmentKey,
    LoginSettings,
    Names,
    Settings,
    key_field,
    one_of,
    setting,
)


class OAuthConfig(Settings):
    """``MAESTRO_PROVIDERS__ANTHROPIC__OAUTH__...``: the flows ``claude`` and ``console_key``."""

    client_id: str = setting("9d1c250a-e61b-44d9-88ed-5944d1962f5e", "The public client that signs in.", min_length=1)
    authorize_url: str = setting("https://claude.ai/oauth/authorize", "The page where a Claude account allows access.")
    console_authorize_url: str = setting(
        "https://console.anthropic.com/oauth/authorize",
        "The page where an account of the console allows a key to be made.",
    )
    token_url: str = setting("https://console.anthropic.com/v1/oauth/token", "Exchanges codes and refresh tokens.")
    redirect_uri: str = setting(
        "https://console.anthropic.com/oauth/code/callback",
        "The vendor's page that shows the code; the server takes no other address.",
    )
    scopes: str = setting("org:create_api_key user:profile user:inference", "Scopes, with spaces between them.")
    create_key_url: str = setting(
        "https://api.anthropic.com/api/oauth/claude_cli/create_api_key",
        "Where a login of the console becomes an API key.",
    )
    profile_url: Annotated[str, KEEPS_EMPTY] = setting(
        "https://api.anthropic.com/api/oauth/profile",
        "Whose login it is, asked where the token endpoint does not say it; empty: never asked.",
    )
    beta: str = setting(
        "oauth-2025-04-20", "The anthropic-beta name that the API requires with access tokens.", min_length=1
    )


class FederationConfig(Settings):
    """``MAESTRO_PROVIDERS__ANTHROPIC__FEDERATION__...``: the flow ``federation``, on once the first three are set."""

    token_file: str = setting(
        "",
        "File with this workload's identity token (a JWT), read again for each access token. Every user here may sign "
        "in with it.",
    )
    federation_rule_id: str = setting("", "The rule in the Anthropic console that takes the token.")
    organization_id: str = setting("", "The organization's id (a UUID).")
    service_account_id: str = setting("", "The service account to act as; empty: the rule's own.")
    workspace_id: str = setting("", "The workspace to act in; empty: the rule's own.")
    token_url: str = setting("", "Where the identity token becomes an access token; empty: below the base URL.")
    beta: str = setting(
        "oidc-federation-2026-04-01", "Further name in the anthropic-beta header of that request.", min_length=1
    )

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings without which there is no sign-in."""
        needed = ("token_file", "federation_rule_id", "organization_id")
        return tuple(name for name in needed if not getattr(self, name))


class Config(LoginSettings):
    """``MAESTRO_PROVIDERS__ANTHROPIC__...``"""

    api_key: Annotated[EnvironmentKey, Env("ANTHROPIC_API_KEY")] = key_field()
    base_url: Annotated[str, Env("ANTHROPIC_BASE_URL")] = setting(
        "https://api.anthropic.com", "Address of the API, without /v1."
    )
    api_version: str = setting("2023-06-01", "The anthropic-version header: which revision of the API is spoken.")
    beta: str = setting("", "Comma-separated names for the anthropic-beta header; empty sends none.")
    enabled_flows: Annotated[Names, one_of("claude", "console_key")] = setting(
        (), "Restricted sign-ins to enable, comma-separated: claude, console_key. Read the vendor's position first."
    )
    oauth: OAuthConfig = setting(OAuthConfig(), "Sign-in with an account of Anthropic.")
    federation: FederationConfig = setting(FederationConfig(), "Workload identity federation.")

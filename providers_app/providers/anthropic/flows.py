"""The ways to sign in to Anthropic, and what the vendor says of each."""

from providers_app import conf
from providers_app.behaviours.oauth import OAuthFlow
from providers_app.providers.anthropic.config import Config

CLAUDE = "claude"
CONSOLE_KEY = "console_key"
FEDERATION = "federation"
PROFILE = "profile"

INFERENCE = "user:inference"
CREATE_KEY = "org:create_api_key"
SEE_PROFILE = "user:profile"

TERMS = "https://code.claude.com/docs/en/legal-and-compliance"
FEDERATION_PAGE = "https://platform.claude.com/docs/en/manage-claude/workload-identity-federation"
PROFILE_PAGE = "https://platform.claude.com/docs/en/cli-sdks-libraries/cli/authentication"
_POSITION = (
    "Anthropic allows this sign-in for ordinary use of Claude Code and its other own applications. Other products may "
    "not offer it, collect or keep its tokens, or send requests through the plans of their users (Free, Pro, Max); "
    "they are asked to use an API key of the console. Anthropic enforces this without notice."
)
_CONSENT = (
    "I know that Anthropic does not allow this sign-in to other applications, and that it may refuse its requests or "
    "act on my account."
)


def flows() -> tuple[OAuthFlow, ...]:
    """As configured, in the order in which they are offered."""
    config: Config = conf.provider("anthropic")
    return (
        OAuthFlow(
            name=CLAUDE,
            label="Claude account",
            methods=("paste_code",),
            rotation="single_use",
            description="Sign in with a Claude plan. The page shows a code, which you paste here.",
            position=_POSITION,
            position_url=TERMS,
            restricted=True,
            consent=_CONSENT,
            one_person=True,
            takes_over=True,
            paste_redirect=config.oauth.redirect_uri,
        ),
        OAuthFlow(
            name=CONSOLE_KEY,
            label="API key through the console's sign-in",
            methods=("paste_code",),
            rotation="none",
            description="Sign in to the console once; Maestro has an API key made and keeps that key only. Pasting a "
            "key from the console comes to the same, and is allowed.",
            position=_POSITION,
            position_url=TERMS,
            restricted=True,
            consent=_CONSENT,
            paste_redirect=config.oauth.redirect_uri,
        ),
        _federation(config),
        OAuthFlow(
            name=PROFILE,
            label="Profile of the Anthropic CLI",
            methods=(),
            rotation="single_use",
            description="Import the files of a profile that the program's login made. It cannot be begun here.",
            position="Anthropic documents it for development and scripts on one's own machine, billed as API usage.",
            position_url=PROFILE_PAGE,
            one_person=True,
        ),
    )


def _federation(config: Config) -> OAuthFlow:
    """Without its settings it has no method, and says which settings those are."""
    missing = config.federation.missing
    return OAuthFlow(
        name=FEDERATION,
        label="Workload identity federation",
        methods=() if missing else ("direct",),
        rotation="minted",
        description=unconfigured(missing)
        if missing
        else "Sign in as the workload that Maestro runs as. Nothing is typed, and no key is stored.",
        position="Anthropic documents it for workloads that have an identity token of their own.",
        position_url=FEDERATION_PAGE,
    )


def unconfigured(missing: tuple[str, ...]) -> str:
    """Name the settings that the operator has to set."""
    names = ", ".join(f"MAESTRO_PROVIDERS__ANTHROPIC__FEDERATION__{name.upper()}" for name in missing)
    return f"Not set up on this Maestro. It needs {names}."

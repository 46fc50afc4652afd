"""The OAuth clients that each vendor knows from the start."""

import re

from tests.vendors.auth.records import Client

CLAUDE_CODE = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
CODEX = "app_EMoamEEZ73f0CkXaXp7hrann"
SIWC_FIRST = "dynamic_agent_client"
GOOGLE_WEB = "1234-web.apps.googleusercontent.com"
GOOGLE_DESKTOP = "1234-desktop.apps.googleusercontent.com"
GOOGLE_SECRET = "GOCSPX-local-server-only"
SIWC_SCOPES = (*("openid", "profile", "email", "offline_access"), *("resource.invoke", "chatgpt.tokens.use.direct"))
GEMINI_SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/generative-language.retriever",
)


def siwc_client(client_id: str) -> Client:
    """A client of "Sign in with ChatGPT": 127.0.0.1 on any port, that one path, and no refresh before its time."""
    return Client(
        client_id,
        kind="siwc",
        redirects=("http://127.0.0.1:*/auth/callback",),
        scopes=SIWC_SCOPES,
        default_scopes=SIWC_SCOPES,
        early_window=360.0,
    )


def known_clients(style: str) -> dict[str, Client]:
    """By id."""
    scopes: tuple[str, ...]
    redirects: tuple[str, ...]
    match style:
        case "anthropic":
            scopes = ("org:create_api_key", "user:profile", "user:inference")
            later = ("user:sessions:claude_code", "user:mcp_servers", "user:file_upload")
            redirects = (
                "https://console.anthropic.com/oauth/code/callback",
                "https://platform.claude.com/oauth/code/callback",
                "{origin}/oauth/code/callback",
                "http://localhost:*/callback",
            )
            made = [Client(CLAUDE_CODE, "", "claude_code", redirects, (*scopes, *later), scopes)]
        case "openai":
            scopes = ("openid", "profile", "email", "offline_access")
            redirects = tuple(f"http://localhost:{port}/auth/callback" for port in (1455, 1457))
            connectors = ("api.connectors.read", "api.connectors.invoke")
            made = [Client(CODEX, "", "codex", redirects, (*scopes, *connectors), scopes), siwc_client(SIWC_FIRST)]
        case "google":
            scopes = (*GEMINI_SCOPES, "openid", "email", "profile", "https://www.googleapis.com/auth/userinfo.email")
            made = [
                # A web client has the addresses that its owner registered: none until a test does.
                Client(GOOGLE_WEB, GOOGLE_SECRET, "web", (), scopes, GEMINI_SCOPES),
                Client(GOOGLE_DESKTOP, GOOGLE_SECRET, "desktop", ("http://127.0.0.1:*/*",), scopes, GEMINI_SCOPES),
            ]
        case _:
            made = []
    return {client.id: client for client in made}


def redirect_fits(pattern: str, redirect_uri: str, origin: str) -> bool:
    """Is this one of the registered addresses, to the letter (see ``Client``)?"""
    pattern = pattern.replace("{origin}", origin)
    if "*" not in pattern:
        return redirect_uri == pattern
    parts = re.escape(pattern).replace(r":\*/", r"(?::\d{1,5})?/", 1)
    return (
        re.fullmatch(parts.removesuffix(r"\*") + (r"[^#]*" if pattern.endswith("/*") else ""), redirect_uri) is not None
    )

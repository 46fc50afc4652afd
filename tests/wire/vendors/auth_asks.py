"""Authorization requests of every flow as the real servers take them, and the calls that tests make again and again."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.vendors.auth.clients import CLAUDE_CODE, CODEX, GOOGLE_WEB, SIWC_FIRST
from tests.vendors.auth.hashes import challenge_of
from tests.vendors.server import VendorServer

VERIFIER = "v" * 60
STATE = "state-" + "s" * 20
CALLBACK = "http://localhost:1455/auth/callback"
CONSOLE = "https://console.anthropic.com/oauth/code/callback"
LOOPBACK = "http://127.0.0.1:5123/auth/callback"
RESOURCE = "https://api.openai.com/v1"
OAUTH = {"anthropic-version": "2023-06-01", "anthropic-beta": "oauth-2025-04-20"}
PKCE = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
CODEX_ASK = {
    **PKCE,
    "response_type": "code",
    "client_id": CODEX,
    "redirect_uri": CALLBACK,
    "scope": "openid profile email offline_access",
    "state": STATE,
}
CLAUDE_ASK = {
    **PKCE,
    "code": "true",
    "response_type": "code",
    "client_id": CLAUDE_CODE,
    "redirect_uri": CONSOLE,
    "scope": "user:profile user:inference",
    "state": STATE,
}
SIWC_ASK = {
    **CODEX_ASK,
    "client_id": SIWC_FIRST,
    "agent_name_hint": "Maestro",
    "ext_agent_host_id": "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e",
    "redirect_uri": LOOPBACK,
    "scope": "openid profile email offline_access resource.invoke chatgpt.tokens.use.direct",
    "resource": RESOURCE,
    "nonce": "n" * 20,
}
GOOGLE_ASK = {
    **PKCE,
    "response_type": "code",
    "client_id": GOOGLE_WEB,
    "redirect_uri": "https://maestro.example/oauth/callback/",
    "scope": "https://www.googleapis.com/auth/cloud-platform",
    "state": STATE,
    "access_type": "offline",
    "prompt": "consent",
}
Refresh = Callable[[str], httpx.Response]


def address(server: VendorServer, path: str, ask: dict[str, str], **changed: str | None) -> str:
    """The authorization address; ``None`` leaves a parameter out."""
    query = {name: value for name, value in {**ask, **changed}.items() if value is not None}
    return f"{server.origin}{path}?{urlencode(query)}"


def params(location: str) -> dict[str, str]:
    """What an address says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def codex_token(server: VendorServer, code: str, **changed: str) -> httpx.Response:
    """The exchange of the Codex client."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": CODEX}
    return httpx.post(f"{server.origin}/oauth/token", data={**form, "code_verifier": VERIFIER, **changed}, timeout=60)


def codex_refresh(server: VendorServer, read_s: float = 60) -> Refresh:
    """Refreshes with a token of the Codex client; the answer is waited for ``read_s`` seconds."""
    body = {"grant_type": "refresh_token", "client_id": CODEX}
    return lambda token: httpx.post(
        f"{server.origin}/oauth/token", json={**body, "refresh_token": token}, timeout=httpx.Timeout(60, read=read_s)
    )


def sign_in(server: VendorServer, **changed: str) -> str:
    """A code of the Codex client."""
    return params(server.auth.approve(address(server, "/oauth/authorize", CODEX_ASK, **changed)))["code"]


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}

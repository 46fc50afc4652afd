"""A login of every flow that has a refresh, at a strict server of its own, for the proof of outcomes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.proofs.installation import store_tokens
from tests.vendors.auth import clients
from tests.vendors.auth.anthropic import AnthropicAuth
from tests.vendors.auth.book import Book
from tests.vendors.auth.entra import EntraAuth
from tests.vendors.auth.front import AuthFront
from tests.vendors.auth.google import GoogleAuth
from tests.vendors.auth.openai import OpenAIAuth
from tests.vendors.auth.records import TokenSet
from tests.vendors.auth.workloads import add_rule, add_service_account, workload_token
from tests.vendors.server import VendorServer

FRONTS: dict[str, Callable[[Book], AuthFront]] = {
    "anthropic": AnthropicAuth,
    "openai": OpenAIAuth,
    "google": GoogleAuth,
    "entra": EntraAuth,
}
ENABLED = {
    "MAESTRO_PROVIDERS__ANTHROPIC__ENABLED_FLOWS": "claude",
    "MAESTRO_PROVIDERS__OPENAI__ENABLED_FLOWS": "codex,device",
}
TTL_S = 3600.0
Rotation = Literal["single use", "kept", "minted"]
Setting = tuple[str, str, str]
"""Provider, dotted name, value."""


@dataclass(frozen=True)
class Flow:
    """A flow of a provider; ``style`` is that of its server."""

    provider: str
    name: str
    style: str
    rotation: Rotation


FLOWS = (
    Flow("anthropic", "claude", "anthropic", "single use"),
    Flow("anthropic", "profile", "anthropic", "single use"),
    Flow("openai", "chatgpt", "openai", "single use"),
    Flow("openai", "codex", "openai", "single use"),
    Flow("openai", "device", "openai", "single use"),
    Flow("gemini", "google", "google", "kept"),
    Flow("vertex_ai", "adc", "google", "kept"),
    Flow("anthropic", "federation", "anthropic", "minted"),
    Flow("gemini", "service_account", "google", "minted"),
    Flow("vertex_ai", "service_account", "google", "minted"),
    Flow("azure_openai", "entra_client", "entra", "minted"),
)


@dataclass
class Login:
    """A stored login; ``settings`` are those with which a process refreshes it at its server."""

    flow: Flow
    session: Any
    first: TokenSet
    settings: list[Setting]


@dataclass
class Place:
    """The servers of one thread, started when they are needed, and what is made once for each."""

    folder: Path
    servers: dict[str, VendorServer] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)

    def server(self, style: str) -> VendorServer:
        """The server of this style, running."""
        if style not in self.servers:
            book = Book(style)
            book.access_ttl = TTL_S
            self.servers[style] = VendorServer(FRONTS[style](book)).start()
        return self.servers[style]

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()


def sign_in(place: Place, flow: Flow, owner: Any, name: str, *, ended: bool) -> Login:
    """Store a login whose refresh is due; ``ended``: its access is over as well, else it works for five minutes."""
    from providers_app.types.credentials import Secret

    server = place.server(flow.style)
    book, now = server.auth, time.time()
    client, account, more, settings = _FACTS[flow.provider, flow.name](place, server, name)
    if account not in book.accounts:
        book.add_account(account, f"{account}@example.com")
    issued = book.issue(account, client, ttl=1 if ended else 300, refreshable=flow.rotation != "minted")
    if ended:
        book.end_access(issued.access)
    tokens = more(issued, access=Secret(issued.access), expires_at=now - 1 if ended else issued.expires_at)
    return Login(flow, store_tokens(owner, flow.provider, tokens, name, now - 1), issued, settings)


Facts = tuple[str, str, Callable[..., Any], list[Setting]]


def _person(flow: str, client: str, account: str, issuer: str, **given: Any) -> Callable[..., Any]:
    from providers_app.types.credentials import Secret
    from providers_app.types.tokens import OAuthClient, Tokens

    def tokens(issued: TokenSet, **known: Any) -> Any:
        early: dict[str, Any] = {"earliest_refresh_at": issued.earliest_refresh_at} if flow == "chatgpt" else {}
        secret = Secret(clients.GOOGLE_SECRET if "googleusercontent" in client else "")
        return Tokens(
            flow=flow,
            refresh=Secret(issued.refresh),
            client=OAuthClient(id=issued.client_id, secret=secret),
            issuer=issuer,
            account_label=account,
            **early,
            **given,
            **known,
        )

    return tokens


def _claude(place: Place, server: VendorServer, name: str) -> Facts:
    at = [("anthropic", "oauth.token_url", f"{server.origin}/v1/oauth/token")]
    tokens = _person("claude", clients.CLAUDE_CODE, name, server.origin, account_id=name)
    return clients.CLAUDE_CODE, name, tokens, at


def _profile(place: Place, server: VendorServer, name: str) -> Facts:
    tokens = _person(
        "profile", clients.CLAUDE_CODE, name, server.origin, account_id=name, facts={"base_url": server.origin}
    )
    return clients.CLAUDE_CODE, name, tokens, []


def _chatgpt(place: Place, server: VendorServer, name: str) -> Facts:
    server.auth.add_account(name, f"{name}@example.com")
    at = f"{server.origin}/api/accounts/oauth/token"
    settings = [("openai", "siwc.token_url", at), ("openai", "siwc.issuer", server.origin)]
    return clients.SIWC_FIRST, name, _person("chatgpt", "", name, server.origin), settings


def _codex(flow: str) -> Callable[[Place, VendorServer, str], Facts]:
    def facts(place: Place, server: VendorServer, name: str) -> Facts:
        at = f"{server.origin}/oauth/token"
        settings = [("openai", "oauth.token_url", at), ("openai", "oauth.issuer", server.origin)]
        return clients.CODEX, name, _person(flow, clients.CODEX, name, server.origin), settings

    return facts


def _google(provider: str, flow: str) -> Callable[[Place, VendorServer, str], Facts]:
    def facts(place: Place, server: VendorServer, name: str) -> Facts:
        settings = [(provider, "oauth.token_url", f"{server.origin}/token")]
        tokens = _person(flow, clients.GOOGLE_DESKTOP, name, "https://accounts.google.com", account_id=name)
        return clients.GOOGLE_DESKTOP, name, tokens, settings

    return facts


def _service_account(provider: str) -> Callable[[Place, VendorServer, str], Facts]:
    def facts(place: Place, server: VendorServer, name: str) -> Facts:
        from providers_app.behaviours.credentials.google import Authority, service_account
        from providers_app.types.credentials import Secret

        email = "proof@local-project.iam.gserviceaccount.com"
        key_file = place.once("service account", lambda: add_service_account(server.auth, email))
        authority = Authority(token_url=f"{server.origin}/token")
        account = service_account.read(Secret(json.dumps(key_file)), authority)
        # Of its own account, so that each login has a lane of its own.
        bare: dict[str, Any] = {"flow": account.tokens().flow, "material": account.material, "account_label": email}

        def tokens(issued: TokenSet, **known: Any) -> Any:
            from providers_app.types.tokens import Tokens

            return Tokens(**bare, account_id="", **known)

        return email, email, tokens, [(provider, "oauth.token_url", f"{server.origin}/token")]

    return facts


def _entra(place: Place, server: VendorServer, name: str) -> Facts:
    vendor = server.vendor
    assert isinstance(vendor, EntraAuth)
    made = vendor.register()

    def tokens(issued: TokenSet, **known: Any) -> Any:
        from providers_app.types.credentials import Secret
        from providers_app.types.tokens import Tokens

        return Tokens(
            flow="entra_client",
            base_url="https://local.openai.azure.com",
            account_id=made.account,
            facts={"tenant": made.tenant, "client_id": made.client_id},
            material={"client_secret": Secret(made.secret)},
            **known,
        )

    return made.client_id, made.account, tokens, [("azure_openai", "entra.authority", server.origin)]


def _federation(place: Place, server: VendorServer, name: str) -> Facts:
    book = server.auth
    rule = add_rule(book, f"rule-{name}", f"org-{name}")
    file = place.folder / f"{name}.jwt"
    file.write_text(workload_token(book, rule, ttl=1e6, iat=int(time.time()) - 20_000))

    def tokens(issued: TokenSet, **known: Any) -> Any:
        from providers_app.types.tokens import OAuthClient, Tokens

        return Tokens(flow="federation", client=OAuthClient(id=rule.id), account_id=rule.organization_id, **known)

    values = {
        "token_file": str(file),
        "federation_rule_id": rule.id,
        "organization_id": rule.organization_id,
        "token_url": f"{server.origin}/v1/oauth/token",
    }
    settings = [("anthropic", f"federation.{key}", value) for key, value in values.items()]
    return f"federation-{rule.id}", book.signed_in, tokens, settings


_FACTS: dict[tuple[str, str], Callable[[Place, VendorServer, str], Facts]] = {
    ("anthropic", "claude"): _claude,
    ("anthropic", "profile"): _profile,
    ("anthropic", "federation"): _federation,
    ("openai", "chatgpt"): _chatgpt,
    ("openai", "codex"): _codex("codex"),
    ("openai", "device"): _codex("device"),
    ("gemini", "google"): _google("gemini", "google"),
    ("vertex_ai", "adc"): _google("vertex_ai", "adc"),
    ("gemini", "service_account"): _service_account("gemini"),
    ("vertex_ai", "service_account"): _service_account("vertex_ai"),
    ("azure_openai", "entra_client"): _entra,
}

"""OpenAI with its strict authorization server: signing in, and asking with what that gave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from providers_app import conf, loop, ports, provider
from providers_app.behaviours.oauth import LoginStart, Method, OAuthFlow, PendingLogin, answers
from providers_app.dispatch import clients
from providers_app.loop import on_provider_loop
from providers_app.ports import Owner, Session
from providers_app.providers.openai.config import Config, OAuthConfig, SiwcConfig
from providers_app.registry.resolver import resolve
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import Event
from providers_app.types.tokens import OAuthClient, Tokens
from tests.unit.providers.memory_refreshes import MemoryRefreshes
from tests.vendors.auth import Book
from tests.vendors.auth.device_codes import enter
from tests.vendors.server import VendorServer
from tests.wire.vendors.memory_store import MemorySessions

REDIRECTS = {"chatgpt": "http://127.0.0.1:50123/auth/callback", "codex": "http://localhost:1455/auth/callback"}
QUESTION = "Hello there."


class LoginSessions(MemorySessions):
    """Sessions whose tokens may be refreshed: what the refresh store has is what is used."""

    def __init__(self) -> None:
        super().__init__()
        self.refreshes = MemoryRefreshes()

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        session, credential = await super().lookup(owner, provider, ref, auth_type)
        row = self.refreshes.rows.get(session.id)
        if row is None:
            return session, credential
        return row.session, msgspec.structs.replace(credential, secret=row.tokens.signing, settings=row.tokens.facts)


class OpenAIDesk:
    """A person at the Connect page, and the two servers behind it."""

    def __init__(self, auth: VendorServer, api: VendorServer) -> None:
        self.server, self.api = auth, api
        self.sessions = LoginSessions()

    @property
    def book(self) -> Book:
        return self.server.auth

    def config(self, **changes: Any) -> Config:
        """Every address on the local servers; ``changes`` as the operator would make them."""
        origin = self.server.origin
        codex = {
            "issuer": origin,
            "authorize_url": f"{origin}/oauth/authorize",
            "token_url": f"{origin}/oauth/token",
            "revoke_url": f"{origin}/oauth/revoke",
            "device_code_url": f"{origin}/api/accounts/deviceauth/usercode",
            "device_token_url": f"{origin}/api/accounts/deviceauth/token",
            "device_page_url": f"{origin}/codex/device",
            "device_redirect_uri": f"{origin}/deviceauth/callback",
        }
        siwc = {
            "issuer": origin,
            "authorize_url": f"{origin}/api/accounts/authorize",
            "token_url": f"{origin}/api/accounts/oauth/token",
        }
        return Config(
            base_url=f"{self.api.origin}/v1",
            chatgpt_base_url=f"{self.api.origin}/backend-api/codex",
            enabled_flows=changes.pop("enabled_flows", ("codex", "device")),
            oauth=OAuthConfig(**{**codex, **changes.pop("oauth", {})}),
            siwc=SiwcConfig(**{**siwc, **changes.pop("siwc", {})}),
            **changes,
        )

    @contextmanager
    def configured(self, **changes: Any) -> Iterator[None]:
        """The settings of an installation that may reach these servers, and its stores."""
        settings = build_model()(
            allowed_private_hosts=("127.0.0.1",),
            idle_timeout_s=10,
            request_timeout_s=20,
            lookup_timeout_s=10,
            refresh_timeout_s=3,
            openai=self.config(**changes),
        )
        with conf.use(settings), ports.use(sessions=self.sessions, refreshes=self.sessions.refreshes):
            yield

    def flow(self, name: str) -> OAuthFlow:
        return next(flow for flow in resolve("openai", "oauth").flows if flow.name == name)

    @on_provider_loop
    async def _begin(self, name: str, method: Method, client: str, given: dict[str, str]) -> PendingLogin:
        fields = {key: Secret(value) for key, value in given.items()}
        redirect = REDIRECTS.get(name, "")
        behaviour = resolve("openai", "oauth")
        start = LoginStart(self.flow(name), method, OAuthClient(id=client), redirect, fields)
        return await behaviour.begin(start, clients.http())

    async def begin(self, name: str, *, client: str = "", **given: str) -> PendingLogin:
        return await self._begin(name, "device" if name == "device" else "paste_url", client, given)

    async def finish(self, pending: PendingLogin, pasted: str) -> Tokens:
        """What the person pastes, read and checked as the login flow does it, and exchanged."""
        answer = answers.parse(pasted)
        answers.check(pending, answer)

        async def exchange() -> Tokens:
            behaviour = resolve("openai", "oauth")
            tokens = await behaviour.exchange(pending, answer, clients.http())
            return await behaviour.identified(tokens, clients.http(), pending)

        return await loop.hand_over(exchange())

    async def poll(self, pending: PendingLogin) -> Tokens | PendingLogin:
        async def ask() -> Tokens | PendingLogin:
            behaviour = resolve("openai", "oauth")
            found = await behaviour.poll(pending, clients.http())
            return await behaviour.identified(found, clients.http(), pending) if isinstance(found, Tokens) else found

        return await loop.hand_over(ask())

    async def sign_in(self, name: str, *, client: str = "", **given: str) -> Tokens:
        """From the first click to the tokens and the key, for the account that the book has signed in."""
        tokens = await self._signed_in(name, client, given)
        key = (await self.credential(tokens)).secret
        return tokens if key == tokens.access else msgspec.structs.replace(tokens, api_key=key)

    async def _signed_in(self, name: str, client: str, given: dict[str, str]) -> Tokens:
        pending = await self.begin(name, client=client, **given)
        if name == "device":
            assert enter(self.book, pending.user_code, self.book.signed_in)
            tokens = await self.poll(pending)
            assert isinstance(tokens, Tokens)
            return tokens
        return await self.finish(pending, self.book.approve(pending.url))

    async def refresh(self, tokens: Tokens) -> Tokens:
        async def ask() -> Tokens:
            return await resolve("openai", "oauth").refresh(tokens, clients.http())

        return await loop.hand_over(ask())

    async def revoke(self, tokens: Tokens) -> bool:
        async def ask() -> bool:
            return await resolve("openai", "oauth").revoke(tokens, clients.http())

        return await loop.hand_over(ask())

    async def credential(self, tokens: Tokens) -> Credential:
        async def ask() -> Credential:
            return await resolve("openai", "oauth").api_credentials(tokens, clients.http())

        return await loop.hand_over(ask())

    async def connect(self, tokens: Tokens, name: str = "main") -> Session:
        """The session that these tokens become."""
        credential = await self.credential(tokens)
        session = await self.sessions.create(self.sessions.owner, "openai", "oauth", name, credential)
        session = msgspec.structs.replace(session, expires_at=tokens.expires_at)
        self.sessions.refreshes.add(session, tokens)
        return session

    async def stream(self, model: str = "gpt-5.6", messages: Any = QUESTION, **more: Any) -> list[Event]:
        """All events of one answer of the session ``main``."""
        return [event async for event in provider.stream_chat("openai", "main", messages, model=model, **more)]

"""A sign-in whose token endpoint is a function, and one session of it in stores in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from providers_app import errors, ports, provider
from providers_app.behaviours.oauth import OAuthFlow
from providers_app.behaviours.protocols import Unsupported
from providers_app.ports import Session
from providers_app.registry.discovery import registry
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import Rotation, Tokens
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.memory_store import MemorySessions
from tests.waiting import until

HOUR = 3600.0


class Login:
    """An ``oauth`` behaviour whose token endpoint is a function; access tokens are ``access-<generation>``."""

    def __init__(self) -> None:
        self.rotation: Rotation = "single_use"
        self.sent: list[str] = []
        self.answer: Callable[[Tokens], Any] = self.rotate
        self.keys = 0
        self.revoked: list[str] = []

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        return (OAuthFlow(name="page", label="Page", methods=("callback",), rotation=self.rotation),)

    def rotate(self, tokens: Tokens) -> Tokens:
        number = int(tokens.refresh.reveal().rpartition("-")[2]) + 1
        return msgspec.structs.replace(
            tokens,
            access=Secret(f"access-{number}"),
            refresh=Secret(f"refresh-{number}"),
            expires_at=time.time() + HOUR,
        )

    async def refresh(self, tokens: Tokens, http: Any) -> Tokens:
        self.sent.append(tokens.refresh.reveal())
        found = self.answer(tokens)
        return await found if asyncio.iscoroutine(found) else found

    async def begin(self, start: Any, http: Any) -> Any:
        raise errors.InvalidRequest("not here")

    async def exchange(self, pending: Any, answer: Any, http: Any) -> Tokens:
        raise errors.InvalidRequest("not here")

    async def identified(self, tokens: Tokens, http: Any, pending: Any = None) -> Tokens:
        return tokens

    async def poll(self, pending: Any, http: Any) -> Any:
        raise errors.InvalidRequest("not here")

    async def api_credentials(self, tokens: Tokens, http: Any) -> Credential:
        self.keys += 1
        return Credential(auth_type="oauth", secret=Secret(f"key-{self.keys}"))

    async def revoke(self, tokens: Tokens, http: Any) -> bool:
        self.revoked.append(tokens.refresh.reveal())
        return False

    def authorize(self, credential: Credential, request: Any) -> Any:
        return request.with_headers({"authorization": f"Bearer {credential.secret.reveal()}"}, secret=True)

    async def test(self, credential: Credential, http: Any) -> Account:
        return Account()

    def advise(self, chat: Any, credential: Credential) -> list[Advice]:
        return [Advice(level="hint", field="headers", what="A header was added.")]


@pytest.fixture
def login() -> AsyncIterator[Login]:
    """The provider ``remote`` with a sign-in of the test's own."""
    behaviour = Login()
    card = registry.card("remote")
    registry.remember("remote", "oauth", behaviour)
    registry._cards["remote"] = msgspec.structs.replace(card, auth_types=("api_key", "oauth"))
    yield behaviour
    registry.remember("remote", "oauth", Unsupported("no"))
    registry.reset()


@pytest.fixture
def store(sessions: MemorySessions) -> Any:
    memory = MemoryRefreshes()
    with ports.use(refreshes=memory):
        yield memory


@pytest.fixture
def row(store: MemoryRefreshes, sessions: MemorySessions, login: Login) -> Row:
    session = Session(
        id="s1",
        owner=1,
        provider="remote",
        auth_type="oauth",
        name="work",
        status="active",
        expires_at=time.time() + HOUR,
    )
    made = store.add(
        session,
        Tokens(flow="page", access=Secret("access-0"), refresh=Secret("refresh-0"), expires_at=time.time() + HOUR),
    )
    mirror(store, sessions)
    return made


def mirror(store: MemoryRefreshes, sessions: MemorySessions, base_url: str | None = None) -> None:
    """Look-ups see what the refresh store holds."""

    async def lookup(
        owner: Any, slug: Any, ref: str, auth_type: Any = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        found = next(each for each in store.rows.values() if ref in (each.session.id, each.session.name))
        return found.session, Credential(auth_type="oauth", secret=found.tokens.signing, base_url=base_url)

    sessions.lookup = lookup  # type: ignore[method-assign]


def ended(row: Row) -> None:
    row.tokens = msgspec.structs.replace(row.tokens, expires_at=time.time() - 1)
    row.session = msgspec.structs.replace(row.session, expires_at=time.time() - 1)


def refresh_failure(spent: Any, code: str) -> Any:
    from providers_app.types.refresh import RefreshFailure

    return RefreshFailure(spent=spent, code=code, message="It said so.")


def lost(tokens: Tokens) -> Tokens:
    raise errors.TokenOutcomeUnknown("lost", status=503)


def refused(tokens: Tokens) -> Tokens:
    raise errors.TokenRefused("spent", upstream_code="invalid_grant")


async def serve(raw_server: Any, valid: set[str], seen: list[str]) -> str:
    """A server that answers with a short stream to tokens in ``valid`` and with a 401 to others."""
    body = (
        b'data: {"id":"r","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
        b'data: {"id":"r","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await reader.read(65536)
        token = next(
            line.split()[-1].decode() for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")
        )
        seen.append(token)
        if token in valid:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + body)
        else:
            text = b'{"error":{"message":"expired","type":"invalid_request_error"}}'
            head_out = f"HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
            writer.write(head_out.encode() + text)
        await writer.drain()

    return await raw_server(answer, at_once=True)


async def chat() -> list[Any]:
    return [event async for event in provider.stream_chat("remote", "work", "hello", model="m", owner=1)]


async def outcomes_of(sessions: MemorySessions) -> list[type]:
    await until(lambda: sessions.outcomes)
    return [type(error) for _, error, _ in sessions.outcomes]

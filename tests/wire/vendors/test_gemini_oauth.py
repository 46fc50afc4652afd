"""Google sign-ins against the strict authorization server, each ending in an answer of the strict Gemini API."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from providers_app import conf, loop, ports, provider
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, Method, PendingLogin, answers
from providers_app.dispatch import clients
from providers_app.errors import (
    AuthenticationFailed,
    BadAnswer,
    ConnectionFailed,
    InvalidIdToken,
    InvalidLoginAnswer,
    LoginDenied,
    MissingScope,
    Overloaded,
    PermissionDenied,
    RateLimited,
    ServerError,
    TokenRefused,
    UpstreamTimeout,
)
from providers_app.providers.gemini.config import CLOUD, Config, OAuthConfig
from providers_app.providers.gemini.oauth import BEHAVIOUR
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Secret
from providers_app.types.events import StreamEnd
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http
from tests.vendors.auth import Book, Fault
from tests.vendors.auth.clients import GOOGLE_DESKTOP, GOOGLE_SECRET, GOOGLE_WEB
from tests.vendors.auth.workloads import add_service_account
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.memory_store import MemorySessions

T = TypeVar("T")

DESKTOP = OAuthClient(id=GOOGLE_DESKTOP, secret=Secret(GOOGLE_SECRET))
WEB = OAuthClient(id=GOOGLE_WEB, secret=Secret(GOOGLE_SECRET))
LOOPBACK = "http://127.0.0.1:50123/oauth/callback"
MODEL = "gemini-3-pro"


@pytest.fixture
def book(google_auth: VendorServer, gemini_server: VendorServer) -> Iterator[Book]:
    """The book of the authorization server; Maestro is configured for both servers."""
    origin = google_auth.origin
    urls = {"authorize": "/o/oauth2/v2/auth", "token": "/token", "revoke": "/revoke", "jwks": "/oauth2/v3/certs"}
    oauth = OAuthConfig(issuer=origin, **{f"{name}_url": origin + path for name, path in urls.items()})
    settings = build_model()(
        allowed_private_hosts=("127.0.0.1",),
        refresh_timeout_s=1.5,
        gemini=Config(base_url=gemini_server.base_url, oauth=oauth),  # type: ignore[call-arg]
    )
    conf.configure(settings)
    google_auth.auth.add_account("1170", "ada@example.com", project_id="ada-project")
    yield google_auth.auth
    conf.configure(None)


async def act(call: Callable[[Http], Awaitable[T]]) -> T:
    """One call of the behaviour on the provider loop, with the client of this process."""

    async def on_loop() -> T:
        return await call(clients.http())

    return await loop.hand_over(on_loop())


async def begin(
    method: Method = "loopback", client: OAuthClient = DESKTOP, redirect: str = LOOPBACK, project: str = "ada-project"
) -> PendingLogin:
    flow = BEHAVIOUR.flows[0]
    start = LoginStart(flow, method, client, redirect, {"project": Secret(project)})
    return await act(lambda http: BEHAVIOUR.begin(start, http))


async def finish(pending: PendingLogin, landed: str) -> Tokens:
    answer = answers.parse(landed)
    answers.check(pending, answer)
    tokens = await act(lambda http: BEHAVIOUR.exchange(pending, answer, http))
    return await act(lambda http: BEHAVIOUR.identified(tokens, http, pending))


async def sign_in(book: Book) -> Tokens:
    pending = await begin()
    return await finish(pending, book.approve(pending.url))


async def refresh(tokens: Tokens) -> Tokens:
    return await act(lambda http: BEHAVIOUR.refresh(tokens, http))


async def answer_of(tokens: Tokens) -> str:
    """A streamed answer with what the sign-in gave."""
    credential = await act(lambda http: BEHAVIOUR.api_credentials(tokens, http))
    store = MemorySessions()
    with ports.use(sessions=store):
        await store.create(store.owner, "gemini", "oauth", "main", credential)
        events = [event async for event in provider.stream_chat("gemini", "main", "Hello there.", model=MODEL)]
        assert isinstance(events[-1], StreamEnd), events[-1]
        assert await provider.list_models("gemini", "oauth", "main")
        await provider.test_session("gemini", "oauth", "main")
        counted = await provider.count_tokens("gemini", "main", "Hello there.", model=MODEL)
        assert counted.source == "provider"
    return text_of(events)


@pytest.mark.parametrize(
    ("method", "client", "redirect"),
    [
        ("loopback", DESKTOP, LOOPBACK),
        ("paste_url", DESKTOP, "http://127.0.0.1:61000/oauth/callback"),
        ("callback", WEB, "https://maestro.example/oauth/callback/"),
    ],
)
async def test_a_sign_in_ends_in_a_streamed_answer(
    book: Book, gemini_server: VendorServer, method: Method, client: OAuthClient, redirect: str
) -> None:
    book.add_client(GOOGLE_WEB, redirects=("https://maestro.example/oauth/callback/",))
    pending = await begin(method, client, redirect)
    landed = book.approve(pending.url)
    assert landed.startswith(redirect)
    tokens = await finish(pending, landed)
    assert (tokens.account_id, tokens.account_label) == ("1170", "ada@example.com")
    assert CLOUD in tokens.scopes
    assert await answer_of(tokens)
    for entry in gemini_server.ledger:
        assert entry.headers["x-goog-user-project"] == "ada-project"
        assert "x-goog-api-key" not in entry.headers
    assert len(gemini_server.ledger.of("streamGenerateContent")) == 1


async def test_a_quota_project_of_somebody_else(book: Book) -> None:
    pending = await begin(project="other-project")
    tokens = await finish(pending, book.approve(pending.url))
    credential = await act(lambda http: BEHAVIOUR.api_credentials(tokens, http))
    with pytest.raises(PermissionDenied):
        await act(lambda http: BEHAVIOUR.test(credential, http))


async def test_a_refresh_keeps_its_token_and_a_revoked_login_is_refused_for_good(book: Book) -> None:
    first = await sign_in(book)
    book.end_all_access()
    second = await refresh(first)
    assert (second.refresh, second.account_id) == (first.refresh, "1170")
    assert second.access != first.access
    assert await answer_of(second)
    third = await refresh(second)
    assert await act(lambda http: BEHAVIOUR.revoke(third, http)) is True
    assert await act(lambda http: BEHAVIOUR.revoke(third, http)) is True
    with pytest.raises(TokenRefused) as caught:
        await refresh(third)
    assert caught.value.upstream_code == "invalid_grant"


async def test_an_ended_token_is_an_authentication_error(book: Book) -> None:
    tokens = await sign_in(book)
    book.end_all_access()
    credential = await act(lambda http: BEHAVIOUR.api_credentials(tokens, http))
    with pytest.raises(AuthenticationFailed):
        await act(lambda http: BEHAVIOUR.test(credential, http))


async def test_denied(book: Book) -> None:
    pending = await begin()
    with pytest.raises(LoginDenied):
        await finish(pending, book.approve(pending.url, deny=True))


async def test_a_permission_that_was_unticked(book: Book) -> None:
    book.add_account("1171", "bob@example.com", scopes_withheld=(CLOUD,))
    pending = await begin()
    with pytest.raises(MissingScope, match="cloud-platform"):
        await finish(pending, book.approve(pending.url, account="1171"))


async def test_a_code_is_good_for_one_sign_in(book: Book) -> None:
    pending = await begin()
    landed = book.approve(pending.url)
    await finish(pending, landed)
    with pytest.raises(InvalidLoginAnswer, match="used already"):
        await finish(pending, landed)
    other = await begin()
    with pytest.raises(InvalidLoginAnswer, match="another sign-in"):
        await finish(other, book.approve((await begin()).url))


async def test_a_code_of_another_verifier(book: Book) -> None:
    pending, other = await begin(), await begin()
    landed = answers.parse(book.approve(other.url))
    with pytest.raises(InvalidLoginAnswer, match="used already or is too old"):
        await act(lambda http: BEHAVIOUR.exchange(pending, landed, http))


async def test_a_wrong_secret(book: Book) -> None:
    pending = await begin(client=OAuthClient(id=GOOGLE_DESKTOP, secret=Secret("wrong")))
    with pytest.raises(AuthenticationFailed, match="refused the OAuth client"):
        await finish(pending, book.approve(pending.url))


FAULTS: list[tuple[Fault, type[Exception]]] = [
    (Fault("hang", "after"), UpstreamTimeout),
    (Fault("reset", "after"), ConnectionFailed),
    (Fault("html", "after"), BadAnswer),
    (Fault("empty", "after"), BadAnswer),
    (Fault("garbage", "after"), BadAnswer),
    (Fault("status", "before", status=503), Overloaded),
    (Fault("status", "after", status=502), ServerError),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda value: getattr(value, "kind", ""))
async def test_a_refresh_that_fails_harms_nothing(book: Book, fault: Fault, kind: type[Exception]) -> None:
    tokens = await sign_in(book)
    book.faults.append(fault)
    with pytest.raises(kind):
        await refresh(tokens)
    assert (await refresh(tokens)).access != tokens.access


async def test_a_rate_limited_endpoint(book: Book) -> None:
    tokens = await sign_in(book)
    book.rate_limit(1, 7)
    with pytest.raises(RateLimited) as caught:
        await refresh(tokens)
    assert caught.value.retry_after == 7


async def test_a_server_whose_clock_is_ahead(book: Book) -> None:
    book.clock_offset = 3600
    with pytest.raises(InvalidIdToken, match="in the future"):
        await sign_in(book)


async def test_a_service_account_ends_in_a_streamed_answer(book: Book, gemini_server: VendorServer) -> None:
    key = add_service_account(book, "bot@local.iam.gserviceaccount.com")
    flow = BEHAVIOUR.flows[1]
    given = {"service_account": Secret(json.dumps(key))}
    pending = await act(lambda http: BEHAVIOUR.begin(LoginStart(flow, "direct", given=given), http))
    tokens = await act(lambda http: BEHAVIOUR.exchange(pending, LoginAnswer(), http))
    assert await answer_of(tokens)
    book.end_all_access()
    minted = await refresh(tokens)
    assert minted.access != tokens.access
    assert await answer_of(minted)
    del book.service_accounts["bot@local.iam.gserviceaccount.com"]
    with pytest.raises(TokenRefused, match="was deleted"):
        await refresh(minted)

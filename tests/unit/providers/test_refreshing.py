"""One refresh after the other, and many at once: what is sent, what is stored, what callers are told."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from providers_app import conf, errors, loop, ports, provider
from providers_app.behaviours.oauth import OAuthFlow
from providers_app.behaviours.protocols import Unsupported
from providers_app.ports import Session
from providers_app.refresh import service as refreshing
from providers_app.registry.discovery import registry
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import StreamEnd, StreamStart
from providers_app.types.tokens import Rotation, Tokens
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.memory_store import MemorySessions

pytestmark = pytest.mark.usefixtures("on_loop", "loopback")
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
    _mirror(store, sessions)
    return made


def _mirror(store: MemoryRefreshes, sessions: MemorySessions, base_url: str | None = None) -> None:
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


async def test_the_order_of_a_refresh(store: MemoryRefreshes, row: Row, login: Login) -> None:
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.generation) == ("refreshed", 1)
    assert store.steps == ["claim", "intent", "keep"]
    assert login.sent == ["refresh-0"]
    assert row.tokens.refresh == Secret("refresh-1") and row.lease == ""
    assert report.next_try_at == pytest.approx(time.time() + HOUR - 300, abs=5)


async def test_many_callers_of_one_process_are_one_request(store: MemoryRefreshes, row: Row, login: Login) -> None:
    async def slowly(tokens: Tokens) -> Tokens:
        await asyncio.sleep(0.05)
        return login.rotate(tokens)

    login.answer = slowly
    calls = [
        refreshing.refresh_session("s1", trigger="unauthorized" if number % 2 else "schedule", seen_generation=0)
        for number in range(40)
    ]
    reports = await asyncio.gather(*calls)
    assert login.sent == ["refresh-0"]
    assert {report.generation for report in reports} == {1}
    assert sorted({report.done for report in reports}) == ["refreshed", "waited"]


async def test_a_stronger_caller_is_not_put_off_by_a_weaker_one(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.due_at = time.time() + HOUR
    reports = await asyncio.gather(
        refreshing.refresh_session("s1", trigger="schedule", seen_generation=0),
        refreshing.refresh_session("s1", trigger="unauthorized", seen_generation=0),
    )
    assert [report.done for report in reports] == ["skipped", "refreshed"]
    assert login.sent == ["refresh-0"]


async def test_a_cancelled_caller_leaves_the_request_to_its_end(store: MemoryRefreshes, row: Row, login: Login) -> None:
    sent = asyncio.Event()

    async def slowly(tokens: Tokens) -> Tokens:
        sent.set()
        await asyncio.sleep(0.05)
        return login.rotate(tokens)

    login.answer = slowly
    caller = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await sent.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    for _ in range(100):
        if row.session.generation:
            break
        await asyncio.sleep(0.01)
    assert row.tokens.refresh == Secret("refresh-1")


async def test_the_loser_reads_the_winners_result(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "other", time.monotonic() + 30
    waiting = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await asyncio.sleep(0.15)
    row.session = msgspec.structs.replace(row.session, generation=1)
    report = await asyncio.wait_for(waiting, 2)
    assert (report.done, report.generation, login.sent) == ("waited", 1, [])


async def test_the_loser_reads_the_winners_failure(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "other", time.monotonic() + 30
    waiting = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await asyncio.sleep(0.15)
    row.failed_at = time.time()
    row.failure = refresh_failure("no", "upstream_rate_limit")
    assert (await asyncio.wait_for(waiting, 2)).code == "upstream_rate_limit"
    assert login.sent == []


def refresh_failure(spent: Any, code: str) -> Any:
    from providers_app.types.refresh import RefreshFailure

    return RefreshFailure(spent=spent, code=code, message="It said so.")


async def test_a_holder_that_died_is_followed(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "dead", time.monotonic() + 0.3
    report = await asyncio.wait_for(refreshing.refresh_session("s1", trigger="schedule"), 3)
    assert (report.done, login.sent) == ("refreshed", ["refresh-0"])


async def test_a_lost_lease_sends_nothing(store: MemoryRefreshes, row: Row, login: Login) -> None:
    store.lease_is_lost = True
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, login.sent) == ("skipped", [])


async def test_a_lease_that_is_too_short_sends_nothing(
    store: MemoryRefreshes, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.write_intent

    async def slowly(claim: Any) -> Any:
        marked = await write(claim)
        return msgspec.structs.replace(marked, claimed=marked.claimed - 50)

    monkeypatch.setattr(store, "write_intent", slowly)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, login.sent) == ("failed", [])
    assert not row.intent_open and row.presentations == 0


@pytest.mark.parametrize(
    ("answer", "done", "spent", "status"),
    [
        (errors.TokenRefused("no", upstream_code="invalid_grant"), "needs_person", "refused", "needs_reauth"),
        (errors.TokenOutcomeUnknown("lost"), "unknown", "unknown", "active"),
        (errors.RateLimited("wait", retry_after=77), "failed", "no", "active"),
        (errors.TokenOutcomeUnknown("oops", status=503, retry_after=77), "unknown", "unknown", "active"),
        (errors.BadRequest("what?"), "failed", "no", "active"),
        (errors.ConnectionFailed("no route"), "failed", "no", "active"),
        (errors.AddressRefused("private"), "failed", "no", "active"),
        (ValueError("a fault of the provider's code"), "unknown", "unknown", "active"),
    ],
)
async def test_how_a_refresh_fails(
    store: MemoryRefreshes, row: Row, login: Login, answer: Exception, done: str, spent: str, status: str
) -> None:
    def fail(tokens: Tokens) -> Tokens:
        raise answer

    login.answer = fail
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.session.status) == (done, status)
    assert row.failure is not None and row.failure.spent == spent
    assert row.lease == "" and row.session.generation == 0
    assert (row.lease_until > time.monotonic()) is (spent == "unknown"), "the lane rests after an unknown outcome"
    if isinstance(answer, errors.RateLimited):
        assert row.due_at is not None and row.due_at - time.time() > 70


async def test_silence_is_an_unknown_outcome(store: MemoryRefreshes, row: Row, login: Login) -> None:
    async def never(tokens: Tokens) -> Tokens:
        await asyncio.Event().wait()
        return tokens

    login.answer = never
    with conf.use(conf.current().model_copy(update={"refresh_timeout_s": 0.05})):
        report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.intent_open, row.presentations) == ("unknown", True, 1)
    assert row.due_at == pytest.approx(row.tokens.expires_at), "nothing is sent while the access token works"


def lost(tokens: Tokens) -> Tokens:
    raise errors.TokenOutcomeUnknown("lost", status=503)


def refused(tokens: Tokens) -> Tokens:
    raise errors.TokenRefused("spent", upstream_code="invalid_grant")


async def test_a_token_that_may_be_spent_is_kept_while_the_access_works_and_then_settled(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    row.lease_until = 0.0
    kept = await refreshing.refresh_session("s1", trigger="button")
    assert (kept.done, len(login.sent)) == ("kept", 1)
    login.answer = refused
    report = await refreshing.refresh_session("s1", trigger="unauthorized", seen_generation=0)
    assert report.done == "needs_person" and len(login.sent) == 2
    assert row.failure is not None and row.failure.reason == "answer_lost"
    assert "answer was lost" in row.session.status_reason


@pytest.mark.parametrize("trigger", ["schedule", "button", "command", "use", "unauthorized"])
async def test_nobody_presents_again_before_the_lease_of_the_intent_is_over(
    store: MemoryRefreshes, row: Row, login: Login, trigger: Any
) -> None:
    ended(row)
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    row.due_at = 0.0
    report = await refreshing.refresh_session("s1", trigger=trigger)
    assert (report.done, report.code, len(login.sent)) == ("unknown", "token_outcome_unknown", 1)
    assert report.next_try_at == pytest.approx(time.time() + conf.current().refresh_lease_s, abs=5)
    row.lease_until, login.answer = 0.0, login.rotate
    assert (await refreshing.refresh_session("s1", trigger=trigger)).done == "refreshed"


async def test_a_refused_access_token_is_not_good_for_use_while_the_lane_rests(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    assert (await refreshing.refresh_session("s1", trigger="button")).done == "kept"
    with pytest.raises(errors.TokenOutcomeUnknown, match="no known outcome"):
        await refreshing.renewed(1, row.session, errors.AuthenticationFailed("ended"))
    assert login.sent == ["refresh-0"]


async def test_an_outage_never_ends_a_login(store: MemoryRefreshes, row: Row, login: Login) -> None:
    """However long the token endpoint answers 503 and whoever asks meanwhile, the first final answer counts."""
    ended(row)
    login.answer = lost
    for number in range(40):
        row.lease_until, row.due_at = 0.0, 0.0
        report = await refreshing.refresh_session("s1", trigger="button" if number % 2 else "schedule")
        assert report.done == "unknown" and row.due_at is not None and row.due_at > time.time() + 20
    assert (row.session.status, len(login.sent)) == ("active", 40)
    row.lease_until, row.due_at, login.answer = 0.0, 0.0, login.rotate
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "refreshed"
    assert not row.intent_open


async def test_a_token_that_is_not_spent_by_a_refresh_has_no_unknown_outcome(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.rotation, login.answer = "none", lost
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.intent_open, row.lease_until) == ("failed", False, 0.0)
    assert row.due_at is not None and row.due_at < time.time() + 60
    login.answer = refused
    await refreshing.refresh_session("s1", trigger="button")
    assert row.failure is not None and row.failure.reason == "refused"


async def test_a_lost_answer_that_was_never_spent_is_saved(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.intent_open, row.presentations = True, 1
    ended(row)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, login.sent, row.session.status) == ("refreshed", ["refresh-0"], "active")


async def test_a_refusal_to_listen_does_not_count_as_a_presentation(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    row.intent_open, row.presentations = True, 1
    ended(row)
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.RateLimited("later", retry_after=1))
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "failed"
    assert (row.presentations, row.intent_open) == (1, True)
    login.answer, row.due_at = login.rotate, time.time()
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "refreshed"


async def test_a_database_that_does_not_answer_loses_nothing(store: MemoryRefreshes, row: Row, login: Login) -> None:
    store.down = 3
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.tokens.refresh) == ("refreshed", Secret("refresh-1"))


async def test_somebody_who_signed_in_meanwhile_wins(store: MemoryRefreshes, row: Row, login: Login) -> None:
    def overtaken(tokens: Tokens) -> Tokens:
        row.session = msgspec.structs.replace(row.session, generation=7)
        return login.rotate(tokens)

    login.answer = overtaken
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.generation) == ("waited", 7)
    assert row.tokens.refresh == Secret("refresh-0")
    assert login.revoked == ["refresh-1"], "nobody holds the pair that came too late"


async def test_a_pair_that_came_too_late_is_left_where_revoking_would_end_other_logins(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    def overtaken(tokens: Tokens) -> Tokens:
        row.session = msgspec.structs.replace(row.session, generation=7)
        return login.rotate(tokens)

    login.rotation, login.answer = "none", overtaken
    await refreshing.refresh_session("s1", trigger="schedule")
    assert login.revoked == []


async def test_the_lane_is_waited_for_and_given_back(store: MemoryRefreshes, row: Row, login: Login) -> None:
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tokens: Tokens) -> Tokens:
        sent.set()
        await go_on.wait()
        return login.rotate(tokens)

    login.answer = slowly
    refresh = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await sent.wait()

    async def hold() -> str:
        async with refreshing.lane_of("s1"):
            return row.tokens.refresh.reveal()

    held = asyncio.ensure_future(hold())
    await asyncio.sleep(0.15)
    assert not held.done()
    go_on.set()
    assert (await refresh).done == "refreshed" and await held == "refresh-1"
    assert (row.lease, row.intent_open) == ("", False)
    with conf.use(conf.current().model_copy(update={"refresh_timeout_s": 0.05})):
        row.lease, row.lease_until = "other", time.monotonic() + 30
        with pytest.raises(errors.RefreshFailed, match="under way"):
            await hold()
        row.lease = ""
        assert await hold() == "refresh-1", "a lane that only rests is not waited for"
        assert row.lease_until > time.monotonic()


async def test_the_key_that_was_obtained_with_the_tokens_is_renewed_with_them(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    row.tokens = msgspec.structs.replace(row.tokens, api_key=Secret("key-0"))
    await refreshing.refresh_session("s1", trigger="schedule")
    assert (row.tokens.api_key, login.keys) == (Secret("key-0"), 0), "a key that works is kept"
    await refreshing.refresh_session("s1", trigger="unauthorized", seen_generation=1)
    assert row.tokens.api_key == Secret("key-1")


async def test_refresh_tokens_of_the_interface(store: MemoryRefreshes, row: Row, login: Login) -> None:
    tokens = await provider.refresh_tokens("remote", "work", owner=1)
    assert tokens.access == Secret("access-1") and "access-1" not in repr(tokens)
    row.tokens = msgspec.structs.replace(row.tokens, read_only="another program holds it")
    with pytest.raises(errors.NotRefreshable, match="another program"):
        await provider.refresh_tokens("remote", "work", owner=1)


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


async def test_a_401_is_answered_with_one_refresh_and_one_retry(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    _mirror(store, sessions, await serve(raw_server, {"access-1"}, seen))
    events = await chat()
    assert isinstance(events[-1], StreamEnd)
    assert isinstance(events[0], StreamStart) and events[0].advice[0].message == "A header was added."
    assert seen == ["access-0", "access-1"] and login.sent == ["refresh-0"]
    result = await provider.complete_chat("remote", "work", "hello", model="m", owner=1)
    assert result.advice[0].field == "headers"


async def test_a_second_401_is_final(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    _mirror(store, sessions, await serve(raw_server, set(), seen))
    with pytest.raises(errors.AuthenticationFailed):
        await chat()
    assert seen == ["access-0", "access-1"]
    for _ in range(100):
        if sessions.outcomes:
            break
        await asyncio.sleep(0.01)
    assert [type(error) for _, error, _ in sessions.outcomes] == [errors.AuthenticationFailed]


async def outcomes_of(sessions: MemorySessions) -> list[type]:
    for _ in range(100):
        if sessions.outcomes:
            break
        await asyncio.sleep(0.01)
    return [type(error) for _, error, _ in sessions.outcomes]


async def test_a_401_while_the_token_endpoint_is_busy_says_so_and_is_recorded(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    _mirror(store, sessions, await serve(raw_server, set(), seen))
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.RateLimited("busy", retry_after=30))
    with pytest.raises(errors.RefreshFailed, match="busy") as caught:
        await chat()
    assert caught.value.retry_after == pytest.approx(30, abs=8)
    assert await outcomes_of(sessions) == [errors.AuthenticationFailed]


async def test_a_401_before_a_refresh_is_allowed_is_recorded_and_says_when(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    _mirror(store, sessions, await serve(raw_server, set(), seen))
    at = time.time() + 1200
    row.tokens = msgspec.structs.replace(row.tokens, earliest_refresh_at=at)
    with pytest.raises(errors.RefreshTooEarly, match=time.strftime("%H:%M UTC", time.gmtime(at))) as caught:
        await chat()
    assert "Sign in again" in caught.value.hint and login.sent == []
    assert await outcomes_of(sessions) == [errors.AuthenticationFailed]


async def test_an_ended_token_is_refreshed_before_it_is_used(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    _mirror(store, sessions, await serve(raw_server, {"access-1"}, seen))
    ended(row)
    await chat()
    assert seen == ["access-1"]


async def test_an_ended_login_that_needs_a_person_is_not_even_tried(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, raw_server: Any
) -> None:
    seen: list[str] = []
    _mirror(store, sessions, await serve(raw_server, set(), seen))
    ended(row)
    row.session = msgspec.structs.replace(row.session, status="needs_reauth")
    with pytest.raises(errors.NeedsReauth):
        await chat()
    assert seen == []


async def test_a_test_that_refreshed_tells_of_the_new_login(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int | None] = []

    async def record(session: Session, error: Any) -> None:
        told.append(session.generation)

    async def refuse_the_first(credential: Credential, http: Any) -> Account:
        if credential.secret == Secret("access-0"):
            raise errors.AuthenticationFailed("ended")
        return Account()

    _mirror(store, sessions)
    monkeypatch.setattr(sessions, "record_test", record)
    monkeypatch.setattr(login, "test", refuse_the_first)
    await provider.test_session("remote", "oauth", "work", owner=1)
    assert told == [1]


async def test_a_shutdown_waits_for_the_answer_to_a_request_that_was_sent(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    sent = asyncio.Event()

    async def slowly(tokens: Tokens) -> Tokens:
        sent.set()
        await asyncio.sleep(0.4)
        return login.rotate(tokens)

    login.answer = slowly
    caller = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await sent.wait()
    await loop.shutdown(0.1)
    assert (row.tokens.refresh, row.intent_open) == (Secret("refresh-1"), False)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)


async def test_a_shutdown_waits_for_nobody_who_only_waits(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "other", time.monotonic() + 30
    caller = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await loop.shutdown(0.1)
    assert time.monotonic() - began < 10 and login.sent == []
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)


async def test_a_use_does_not_ask_again_before_the_endpoint_wants_it(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    ended(row)
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.RateLimited("wait", retry_after=600))
    for _ in range(3):
        with pytest.raises(errors.RefreshFailed) as caught:
            await refreshing.fresh(1, row.session, Credential(auth_type="oauth", secret=Secret("access-0")))
        assert caught.value.retry_after is not None and caught.value.retry_after > 500
    assert login.sent == ["refresh-0"]
    report = await refreshing.refresh_session("s1", trigger="button")
    assert (report.done, len(login.sent)) == ("failed", 2), "a person may ask all the same"


async def test_the_second_presentation_does_not_follow_at_once(store: MemoryRefreshes, row: Row, login: Login) -> None:
    """A server that is silent for a minute must not end a login that is in use."""
    ended(row)
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.TokenOutcomeUnknown("lost"))
    for _ in range(3):
        with pytest.raises((errors.TokenOutcomeUnknown, errors.RefreshFailed)):
            await refreshing.fresh(1, row.session, Credential(auth_type="oauth", secret=Secret("access-0")))
    assert (login.sent, row.session.status) == (["refresh-0"], "active")


async def test_a_401_whose_refresh_could_not_begin_blames_nobody(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    store.lease_is_lost = True
    with pytest.raises(errors.RefreshFailed):
        await refreshing.renewed(1, row.session, errors.AuthenticationFailed("refused"))


async def test_a_key_that_was_obtained_with_the_tokens_outlives_them(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    ended(row)
    row.tokens = msgspec.structs.replace(row.tokens, api_key=Secret("key-0"))
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.ServerError("oops"))
    given = Credential(auth_type="oauth", secret=Secret("key-0"))
    assert await refreshing.fresh(1, row.session, given) == (row.session, given)


async def test_a_session_that_was_switched_off_during_its_refresh_is_not_used(
    store: MemoryRefreshes, row: Row, login: Login, sessions: MemorySessions
) -> None:
    ended(row)
    keep = store.keep

    async def kept_and_switched_off(*args: Any) -> Any:
        found = await keep(*args)
        row.session = msgspec.structs.replace(row.session, status="disabled")
        return found

    store.keep = kept_and_switched_off  # type: ignore[assignment, method-assign]
    with pytest.raises(errors.SessionDisabled):
        await refreshing.fresh(1, row.session, Credential(auth_type="oauth", secret=Secret("access-0")))


async def test_a_connection_that_is_not_made_in_time_spends_nothing(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    async def no_route(tokens: Tokens) -> Tokens:
        await asyncio.sleep(conf.current().refresh_timeout_s)  # as ``Http.send`` does, whose error says ``sent=False``
        raise errors.UpstreamTimeout("no connection")

    login.answer = no_route
    with conf.use(conf.current().model_copy(update={"refresh_timeout_s": 0.5})):
        report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.intent_open, row.presentations) == ("failed", False, 0)


async def test_tokens_that_end_at_once_are_not_refreshed_without_a_pause(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.answer = lambda tokens: msgspec.structs.replace(login.rotate(tokens), expires_at=time.time() - 60)
    await refreshing.refresh_session("s1", trigger="schedule")
    assert row.due_at is not None and row.due_at > time.time() + 20
    await refreshing.refresh_session("s1", trigger="schedule")
    assert login.sent == ["refresh-0"]

"""A request and its lane, circuit and retries, at servers that fail in each way before an answer begins."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from providers_app import conf, errors, measures, provider
from providers_app.dispatch import lanes
from providers_app.ports import Session
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.events import Event, StreamEnd, StreamFailed, TextDelta
from tests.unit.providers.memory_store import MemorySessions
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("on_loop", "retrying", "sessions")

Start = Callable[..., Awaitable[str]]
Step = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Script = list[bytes | Step]
OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
LIMITED = OK.replace(
    b"Connection: close", b"x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 0\r\nConnection: close"
)


def refused(status: int, *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status} No", "Content-Type: application/json", "Connection: close", *headers])
    return f'{head}\r\n\r\n{{"error":{{"message":"no {status}"}}}}'.encode()


IN_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
    b'data: {"error":{"message":"overloaded","code":503}}\n\n'
)


@pytest.fixture
def retrying(loopback: ProvidersConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProvidersConfig]:
    """Two retries, which wait no time of their own."""
    monkeypatch.setattr("providers_app.resilience.retry.BASE_S", 0.0)
    settings = loopback.model_copy(update={"max_retries": 2})
    with conf.use(settings):
        yield settings


class Server:
    """Answers one connection after the other as its script says, then with ``OK``; counts them."""

    def __init__(self) -> None:
        self.script: Script = []
        self.asked = 0
        self.held: list[asyncio.Event] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        step = self.script.pop(0) if self.script else OK
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        else:
            await step(reader, writer)

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin the answer when the test lets go."""
        go = asyncio.Event()
        self.held.append(go)
        await go.wait()
        writer.write(OK)
        await writer.drain()


@pytest.fixture
async def server(raw_server: Start) -> Server:
    made = Server()
    url = await raw_server(made.answer)
    await provider.create_session("remote", "api_key", name="box", api_key="sk-local-1234567890", base_url=url)
    made.asked = 0
    return made


async def ask(**options: Any) -> list[Event]:
    return [event async for event in provider.stream_chat("remote", "box", "Hello", model="m", **options)]


def text(events: list[Event]) -> str:
    assert isinstance(events[-1], StreamEnd)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def door() -> lanes.Door:
    (found,) = [
        door for door in lanes.current().doors.values() if door.lane.slots.used or len(lanes.current().doors) == 1
    ]
    return found


FAILURES = {
    "500": refused(500),
    "503": refused(503),
    "429 in seconds": refused(429, "Retry-After: 0"),
    "429 in ms": refused(429, "retry-after-ms: 1"),
    "409": refused(409),
    "408": refused(408),
    "reset": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "refusal inside 200": IN_STREAM,
    "x-should-retry": refused(400, "x-should-retry: true"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_a_failure_before_any_output_is_retried(server: Server, failure: bytes, sessions: MemorySessions) -> None:
    server.script = [failure, failure]
    assert text(await ask()) == "Hi" and server.asked == 3
    await until(lambda: sessions.outcomes)
    assert [error for _, error, _ in sessions.outcomes] == [None], "what was mended by a retry is no outcome"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refused(401), errors.AuthenticationFailed),
        (refused(404), errors.NotFound),
        (refused(500, "x-should-retry: false"), errors.ServerError),
        (refused(429, "Retry-After: 3600"), errors.RateLimited),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>", errors.BadAnswer),
    ],
)
async def test_what_another_try_does_not_mend_is_raised_at_once(
    server: Server, failure: bytes, kind: type[errors.ProviderError]
) -> None:
    server.script = [failure] * 3
    with pytest.raises(kind):
        await ask()
    assert server.asked == 1


async def test_a_whole_answer_is_retried_as_well(server: Server) -> None:
    body = '{"id":"1","model":"m","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    whole = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}".encode()
    server.script = [refused(503), whole]
    result = await provider.complete_chat("remote", "box", "Hello", model="m")
    assert (result.text, server.asked) == ("Hi", 2)


async def test_after_the_first_output_nothing_is_sent_again(server: Server) -> None:
    server.script = [OK.split(b'data: {"id":"1","choices":[{"index":0,"delta":{}')[0]]
    events = await ask()
    assert isinstance(events[-1], StreamFailed) and server.asked == 1


async def test_a_route_that_keeps_failing_is_not_asked_until_a_probe_succeeds(
    server: Server, sessions: MemorySessions
) -> None:
    server.script = [refused(500)] * 6
    for _ in range(2):
        with pytest.raises((errors.ServerError, errors.CircuitOpen)):
            await ask()
    assert server.asked == 5, "the fifth failure opens the circuit"
    with pytest.raises(errors.CircuitOpen, match="5 of 5 requests") as caught:
        await ask()
    assert server.asked == 5 and caught.value.retry_after is not None and caught.value.retry_after <= 1.0
    await until(lambda: sessions.outcomes)
    assert {type(error) for _, error, _ in sessions.outcomes} == {errors.ServerError}, "a refusal is no outcome"
    (circuit,) = lanes.current().breakers.values()
    circuit._probe_at = 0.0
    server.script = []
    assert text(await ask()) == "Hi" and text(await ask()) == "Hi" and server.asked == 7


async def test_a_limit_that_headers_tell_holds_the_next_request_back(server: Server) -> None:
    server.script = [LIMITED]
    assert text(await ask()) == "Hi"
    with pytest.raises(errors.LimitReached) as caught:
        await ask(timeout=0.2)
    assert server.asked == 1 and caught.value.retry_after is not None and caught.value.retry_after >= 0.2


async def test_who_waits_gets_the_slot_that_comes_free_and_a_cancelled_one_leaves_at_once(server: Server) -> None:
    server.script = [server.hold] * 3
    first = asyncio.create_task(ask())
    await until(lambda: len(server.held) == 1)
    door().lane.slots.slots = 1
    given_up, second = asyncio.create_task(ask()), asyncio.create_task(ask())
    await until(lambda: door().lane.queue.size == 2)
    given_up.cancel()
    await until(lambda: door().lane.queue.size == 1)
    assert server.asked == 1
    server.held[0].set()
    assert text(await first) == "Hi"
    await until(lambda: len(server.held) == 2)
    server.held[1].set()
    assert text(await second) == "Hi" and door().lane.slots.used == 0 and not door().busy


async def test_an_attempt_that_failed_leaves_no_connection_open_while_the_next_one_runs(server: Server) -> None:
    closed = asyncio.Event()

    async def refuses_and_stays(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(IN_STREAM)
        await writer.drain()
        await reader.read()
        closed.set()

    async def answers_then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed.wait()
        writer.write(OK)
        await writer.drain()

    server.script = [refuses_and_stays, answers_then]
    assert text(await ask()) == "Hi"


async def test_a_circuit_that_opens_meanwhile_refuses_who_waited_and_costs_nothing(
    server: Server, retrying: ProvidersConfig
) -> None:
    with conf.use(retrying.model_copy(update={"requests_per_minute": 60.0})):
        server.script = [server.hold]
        first = asyncio.create_task(ask())
        await until(lambda: len(server.held) == 1)
        lane, clock = door().lane, asyncio.get_running_loop()
        lane.slots.slots = 1
        second = asyncio.create_task(ask())
        await until(lambda: lane.queue.size == 1)
        (circuit,) = lanes.current().breakers.values()
        circuit._open(clock.time(), "it failed meanwhile", 50.0)
        server.held[0].set()
        assert text(await first) == "Hi"
        with pytest.raises(errors.CircuitOpen, match="it failed meanwhile"):
            await second
        assert lane.requests.level(clock.time()) >= 59.0 and server.asked == 1 and not door().busy


async def test_a_full_queue_and_an_impatient_request_are_refused_with_a_place(
    server: Server, retrying: ProvidersConfig
) -> None:
    with conf.use(retrying.model_copy(update={"max_queue_size": 1, "queue_timeout_seconds": 0.3})):
        server.script = [server.hold]
        first = asyncio.create_task(ask())
        await until(lambda: len(server.held) == 1)
        door().lane.slots.slots = 1
        impatient = asyncio.create_task(ask())
        await until(lambda: door().lane.queue.size == 1)
        with pytest.raises(errors.QueueFull, match="place 2"):
            await ask()
        with pytest.raises(errors.QueueTimeout):
            await impatient
        server.held[0].set()
        assert text(await first) == "Hi" and not door().busy


async def test_a_reader_that_stops_gives_the_slot_back(server: Server) -> None:
    stream = provider.stream_chat("remote", "box", "Hello", model="m")
    await anext(stream)
    assert door().lane.slots.used == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert door().lane.slots.used == 0


async def test_a_429_cuts_the_slots_and_is_logged_with_its_reason(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [refused(429, "Retry-After: 0")]
    with caplog.at_level("DEBUG", "maestro.dispatcher"):
        assert text(await ask()) == "Hi"
    assert door().lane.slots.slots < 16 and "the provider answered 429" in caplog.text


async def test_what_was_not_sent_costs_nothing_of_the_limit(server: Server, retrying: ProvidersConfig) -> None:
    with conf.use(retrying.model_copy(update={"requests_per_minute": 60.0})):
        with pytest.raises(errors.InvalidParameter):
            await ask(temperature=99)
        with (
            pytest.raises(errors.ContextTooLong),
            conf.use(conf.current().model_copy(update={"max_request_bytes": 1024})),
        ):
            await provider.complete_chat("remote", "box", "x" * 5000, model="m")
        clock = asyncio.get_running_loop()
        assert door().lane.requests.level(clock.time()) == 60.0
        assert text(await ask()) == "Hi" and door().lane.requests.level(clock.time()) < 60.0


async def test_lists_of_models_go_by_the_lane_and_are_retried(server: Server) -> None:
    listed = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"data":[{"id":"m"}]}'
    server.script = [refused(503), listed]
    found = await provider.list_models("remote", None, "box", refresh=True)
    assert [model.id for model in found] == ["m"] and server.asked >= 2


def test_models_that_differ_by_a_date_have_one_circuit() -> None:
    async def families() -> set[int]:
        every = lanes.Lanes()
        names = ("claude-x-20250929", "claude-x-latest", "claude-x", "claude-x@20250929", "claude-y")
        session = Session(id="s", owner=1, provider="p", auth_type="api_key", name="box", status="active")
        return {id(every.route(session, name).breaker) for name in names}

    assert len(asyncio.run(families())) == 2


async def test_tokens_are_estimated_only_where_a_limit_of_tokens_or_a_queue_asks_for_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimated: list[object] = []

    def counting(chat: object) -> int:
        estimated.append(chat)
        return 1

    monkeypatch.setattr("providers_app.dispatch.request.estimate", counting)
    server.script = [OK.replace(b"Connection: close", b"x-ratelimit-limit-requests: 6000\r\nConnection: close"), OK]
    await ask()
    await ask()
    assert not estimated and not door().lane.unlimited, "a limit of requests needs no count of tokens"
    server.script = [OK.replace(b"Connection: close", b"x-ratelimit-limit-tokens: 6000\r\nConnection: close"), OK]
    await ask()
    assert not estimated
    await ask()
    assert len(estimated) == 1


async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin an answer, and end with its reader."""
    head, _, events = OK.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n" + events.partition(b"\n\n")[0] + b"\n\n")
    while await reader.read(4096):
        pass


async def test_a_request_is_counted_once_whatever_became_of_it(server: Server) -> None:
    measures.here.clear()
    server.script = [refused(500), OK, refused(404), refused(500, "x-should-retry: false"), begin]
    assert text(await ask()) == "Hi"
    for _ in range(2):
        with pytest.raises(errors.UpstreamError):
            await ask()
    left = provider.stream_chat("remote", "box", "Hello", model="m")
    while not isinstance(await anext(left), TextDelta):
        pass
    await left.aclose()
    found = measures.here.snapshot()
    requests = {key[3:]: n for key, n in found.counters.items() if key[0] == measures.REQUESTS.name and key[3]}
    unknown, broken = errors.NotFound.code, errors.ServerError.code
    assert requests == {("m", "ok"): 1, ("m", unknown): 1, ("m", broken): 1, ("m", "stopped"): 1}
    retries = {key[2]: n for key, n in found.counters.items() if key[0] == measures.RETRIES.name}
    assert retries == {"backoff": 1, "never": 2}
    assert sum(found.histograms[measures.FIRST_OUTPUT.name, "remote"][:-1]) == 2

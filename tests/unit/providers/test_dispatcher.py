"""The dispatcher against a strict local server and against servers of raw bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from providers_app import conf, errors, provider
from providers_app.dispatch import prepare as opening
from providers_app.ports import Session
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import Event, StreamEnd, StreamFailed, StreamStart, TextDelta
from tests.unit.providers.memory_store import MemorySessions
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer
from tests.waiting import put_forward, until

pytestmark = pytest.mark.usefixtures("on_loop", "loopback")

Start = Callable[..., Awaitable[str]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXT = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
DONE = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def answering(body: str) -> Callable[..., Awaitable[None]]:
    """The server that answers one request with this JSON."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body.encode())
        await writer.drain()

    return answer


async def connect(url: str, key: str = VALID_KEY) -> None:
    await provider.create_session("remote", "api_key", name="box", api_key=key, base_url=url)


async def ask(model: str = "m", **options: Any) -> list[Event]:
    events: list[Event] = []
    async for event in provider.stream_chat("remote", "box", "Hello", model=model, **options):
        events.append(event)
        if isinstance(event, TextDelta) and model.endswith("silence"):
            put_forward(20)
    return events


async def outcomes(store: MemorySessions) -> list[Exception | None]:
    await until(lambda: store.outcomes)  # reports are detached
    await asyncio.sleep(0.01)  # none may follow
    return [error for _, error, _ in store.outcomes]


async def test_a_whole_answer_ends_once_and_the_session_is_reported_good(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url)
    events = await ask("local-large-text")
    assert isinstance(events[0], StreamStart)
    assert isinstance(events[-1], StreamEnd)
    assert sum(isinstance(event, StreamEnd | StreamFailed) for event in events) == 1
    assert await outcomes(sessions) == [None]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.AuthenticationFailed),
        (402, errors.BillingRequired),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (408, errors.RequestTimeout),
        (409, errors.Conflict),
        (413, errors.RequestTooLarge),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (503, errors.UpstreamError),
    ],
)
async def test_every_refusal_is_raised_typed_before_the_first_event_and_reported(
    chat_server: VendorServer, sessions: MemorySessions, status: int, kind: type[errors.UpstreamError]
) -> None:
    await connect(chat_server.base_url)
    with pytest.raises(kind) as caught:
        await ask(f"local-large-status-{status}-retry-after-7")
    assert caught.value.status == status
    assert (await outcomes(sessions)) == [caught.value]
    assert len(chat_server.ledger.of_model(f"local-large-status-{status}-retry-after-7")) == 1
    with pytest.raises(kind):
        await provider.complete_chat("remote", "box", "Hello", model=f"local-large-status-{status}")


async def test_html_and_empty_bodies_of_an_error_are_still_typed(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url)
    with pytest.raises(errors.ServerError) as caught:
        await ask("local-large-html-502")
    assert "<" not in caught.value.message
    with pytest.raises(errors.RateLimited):
        await ask("local-large-empty-429")


@pytest.mark.parametrize("fault", ["truncate", "truncate-clean", "reset", "silence", "midstream-error"])
async def test_an_answer_that_breaks_keeps_its_text_and_ends_with_a_failure(
    chat_server: VendorServer, sessions: MemorySessions, fault: str
) -> None:
    await connect(chat_server.base_url)
    events = await ask(f"local-large-{fault}")
    assert any(isinstance(event, TextDelta) and event.text for event in events)
    last = events[-1]
    assert isinstance(last, StreamFailed)
    assert not any(isinstance(event, StreamEnd) for event in events)
    expected = {"silence": "idle_timeout", "reset": "stream_interrupted"}
    assert last.error.code == expected.get(fault, last.error.code)
    reported = await outcomes(sessions)
    assert len(reported) == 1
    assert isinstance(reported[0], errors.UpstreamError)
    assert reported[0].code == last.error.code


async def test_leaving_the_iteration_closes_the_upstream_request(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url)
    stream = provider.stream_chat("remote", "box", "Hello", model="local-large-held")
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()
    assert (await chat_server.ledger.disconnect()).finished_at is None
    assert await outcomes(sessions) == [None]


async def test_cancelling_the_task_closes_the_upstream_request(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url)
    task = asyncio.create_task(ask("local-large-held"))
    await chat_server.ledger.until(lambda ledger: any(entry.sent_frames > 2 for entry in ledger))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await chat_server.ledger.disconnect()).finished_at is None


async def test_the_deadline_ends_a_request_that_is_never_answered(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url)
    asked = asyncio.create_task(ask("local-large-hang", timeout=19))
    await chat_server.ledger.until(lambda ledger: len(ledger) == 1)
    put_forward(19)
    with pytest.raises(errors.UpstreamTimeout, match="19 s"):
        await asked
    assert isinstance((await outcomes(sessions))[0], errors.UpstreamTimeout)


async def test_the_body_of_an_error_is_not_waited_for_longer_than_it_is_worth(
    raw_server: Start, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr(opening, "ERROR_BODY_S", 0.1)
    await connect(await raw_server(dripping))
    async with asyncio.timeout(60):
        with pytest.raises(errors.ServerError):
            await ask()


async def test_a_redirect_is_named_and_not_followed(raw_server: Start, sessions: MemorySessions) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 301 M\r\nLocation: https://elsewhere.example/login?token=x\r\nContent-Length: 0\r\n\r\n"
        )

    await connect(await raw_server(answer))
    with pytest.raises(errors.BadAnswer, match=r"https://elsewhere\.example;") as caught:
        await ask()
    assert "token" not in caught.value.message


async def test_nothing_follows_the_end_even_if_the_server_keeps_talking(
    raw_server: Start, sessions: MemorySessions
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(TEXT + DONE + TEXT) + chunk(TEXT))
        await reader.read()

    await connect(await raw_server(answer))
    events = await ask()
    assert isinstance(events[-1], StreamEnd)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi"]


async def test_frames_without_an_event_do_not_end_the_answer(raw_server: Start, sessions: MemorySessions) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for part in (b": keep-alive\n\n", TEXT[:20], TEXT[20:], b": keep-alive\n\n", DONE):
            writer.write(chunk(part))
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"0\r\n\r\n")

    await connect(await raw_server(answer))
    events = await ask()
    assert isinstance(events[-1], StreamEnd)


async def test_a_connection_carries_the_next_request_after_a_whole_answer(
    raw_server: Start, sessions: MemorySessions
) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            writer.write(HEAD + chunk(TEXT + DONE))
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(b"0\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n{")
            assert b"POST" in head

    await connect(await raw_server(answer))
    for _ in range(3):
        assert isinstance((await ask())[-1], StreamEnd)
    assert connections == 1


async def test_complete_gives_the_whole_result(chat_server: VendorServer, sessions: MemorySessions) -> None:
    await connect(chat_server.base_url)
    result = await provider.complete_chat("remote", "box", "Hello", model="local-large-text")
    assert result.complete
    assert result.text
    assert chat_server.ledger[-1].body["stream"] is False
    assert result.usage is not None


@pytest.mark.parametrize("whole", [True, False])
async def test_a_refusal_inside_a_200_is_raised_before_any_output_streamed_or_not(
    raw_server: Start, sessions: MemorySessions, chat_server: VendorServer, whole: bool
) -> None:
    async def way(name: str) -> Any:
        asked = provider.complete_chat("remote", "box", "Hello", model=name) if whole else ask(name)
        return await asked

    await connect(chat_server.base_url)
    with pytest.raises(errors.BadAnswer):
        await way("local-large-html-200")
    body = json.dumps({"error": {"message": "Slow down.", "code": 429, "type": "rate_limit_exceeded"}})
    await provider.delete_session("remote", "api_key", "box")
    await connect(await raw_server(answering(body)))
    with pytest.raises(errors.RateLimited, match="Slow down") as caught:
        await way("m")
    assert (await outcomes(sessions))[-1] is caught.value


async def test_a_whole_answer_that_has_text_and_an_error_keeps_both(
    raw_server: Start, sessions: MemorySessions
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Half"}, "finish_reason": "error"}
    body = json.dumps({"id": "1", "choices": [choice | {"error": {"code": 502, "message": "It broke."}}]})
    await connect(await raw_server(answering(body)))
    result = await provider.complete_chat("remote", "box", "Hello", model="m")
    assert (result.text, result.complete, result.error and result.error.message) == ("Half", False, "It broke.")
    assert isinstance((await outcomes(sessions))[-1], errors.UpstreamError)


async def test_a_request_that_is_too_large_is_not_sent(
    chat_server: VendorServer, sessions: MemorySessions, loopback: ProvidersConfig
) -> None:
    await connect(chat_server.base_url)
    with pytest.raises(errors.ContextTooLong):
        await provider.complete_chat("remote", "box", "x" * (loopback.max_request_bytes + 1), model="local-large")
    assert len(chat_server.ledger) == 0


async def test_a_private_address_without_allow_list_is_refused_and_reported(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url)
    with conf.use(ProvidersConfig()), pytest.raises(errors.AddressRefused):
        await ask("local-large")
    assert isinstance((await outcomes(sessions))[0], errors.AddressRefused)
    assert len(chat_server.ledger) == 0


async def test_a_store_that_fails_to_record_changes_nothing(
    chat_server: VendorServer, sessions: MemorySessions, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(session: Session, error: Exception | None) -> None:
        raise RuntimeError("the database is gone")

    sessions.report_outcome = fail  # type: ignore[method-assign]
    await connect(chat_server.base_url)
    assert isinstance((await ask("local-large-text"))[-1], StreamEnd)
    await until(lambda: "could not be recorded" in caplog.text)


@pytest.mark.parametrize(("limit", "size"), [("max_answer_bytes", 500_000), ("max_answer_text_bytes", 50_000)])
async def test_a_streamed_answer_without_end_is_cut_at_its_limit(
    raw_server: Start, sessions: MemorySessions, limit: str, size: int
) -> None:
    hung_up = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        try:
            while True:
                writer.write(chunk(TEXT))
                await writer.drain()
        except ConnectionError:
            hung_up.set()

    await connect(await raw_server(flood))
    with conf.use(conf.current().model_copy(update={limit: size})):
        events = await ask()
    failed = events[-1]
    assert isinstance(failed, StreamFailed) and failed.error.code == "answer_too_large"
    assert f"{size} bytes" in failed.error.message
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert 0 < len(text) <= size
    await asyncio.wait_for(hung_up.wait(), 60)
    assert [getattr(error, "code", None) for error in await outcomes(sessions)] == ["answer_too_large"]


async def test_a_key_that_another_process_replaced_is_used_after_one_refusal(
    chat_server: VendorServer, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect(chat_server.base_url, key="an-older-key")
    ((old, credential),) = sessions.all()
    new = msgspec.structs.replace(old, generation=1), msgspec.structs.replace(credential, secret=Secret(VALID_KEY))
    sessions.rows[old.id] = new
    asked_after: list[int] = []

    async def lookup(*given: Any, after: int = -1) -> tuple[Session, Credential]:
        asked_after.append(after)
        return (old, credential) if after < 0 else new

    monkeypatch.setattr(sessions, "lookup", lookup)
    assert isinstance((await ask("local-large-text"))[-1], StreamEnd)
    assert asked_after == [-1, 0]
    assert [entry.key for entry in chat_server.ledger] == ["wrong", "right"]
    assert await outcomes(sessions) == [None]


async def test_a_refused_key_that_nobody_replaced_is_refused_once(
    chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(chat_server.base_url, key="an-older-key")
    with pytest.raises(errors.AuthenticationFailed):
        await ask("local-large-text")
    assert len(chat_server.ledger) == 1
    assert [getattr(error, "status", None) for error in await outcomes(sessions)] == [401]


async def test_a_refusal_stays_one_when_the_store_is_away_afterwards(
    chat_server: VendorServer, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect(chat_server.base_url, key="an-older-key")
    (found,) = sessions.all()

    async def lookup(*given: Any, after: int = -1) -> tuple[Session, Credential]:
        if after >= 0:
            raise errors.NotConfigured("The database did not answer.")
        return found

    monkeypatch.setattr(sessions, "lookup", lookup)
    with pytest.raises(errors.AuthenticationFailed):
        await ask("local-large-text")
    assert [getattr(error, "status", None) for error in await outcomes(sessions)] == [401]

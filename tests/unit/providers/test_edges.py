"""Faults in the parts below the interface, and limits that are met rarely."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from providers_app import conf, errors, provider, providers
from providers_app.chat.counting import IMAGE_TOKENS, estimate
from providers_app.dispatch import clients
from providers_app.genai_platform.config import GenAIPlatformConfig
from providers_app.registry.discovery import registry
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.chat import ChatRequest, ImagePart, Message, TextPart, Tool, ToolCallPart, ToolResultPart
from providers_app.types.events import StreamFailed, TextDelta
from providers_app.wire.client import Http
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.packages import write_package

Start = Callable[..., Awaitable[str]]

FAULTY = """
from providers_app.behaviours.addresses import address
from providers_app.types.http import HttpRequest
from providers_app.dialects.openai_chat import DIALECT
from providers_app.types.events import TextDelta


class Reducer:
    def feed(self, data):
        if b"boom" in data:
            raise ZeroDivisionError("a fault of the reducer")
        return [TextDelta(data.decode())]

    def close(self):
        if MODE == "close":
            raise ZeroDivisionError("a fault of the reducer")
        return []


class Dialect:
    name = "faulty"
    build_body = staticmethod(DIALECT.build_body)
    error = staticmethod(DIALECT.error)

    def reducer(self):
        return Reducer()


class Streaming:
    dialect = Dialect()

    def build(self, chat, credential):
        return HttpRequest(method="POST", url=address("faulty", credential, "/x"), body=b"")


MODE = "feed"
BEHAVIOUR = Streaming()
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A provider whose reducer fails on chosen bytes and knows no end."""
    write_package(tmp_path, "faulty", {"streaming.py": FAULTY.replace("{", "{{").replace("}", "}}")})
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    registry.reset()
    yield registry.load("faulty", "streaming")
    registry.reset()


def chunked(*parts: bytes) -> Any:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in parts:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.write(b"0\r\n\r\n")

    return answer


async def ask(url: str) -> list[Any]:
    await provider.create_session("faulty", "api_key", name="box", api_key="sk-0123456789", base_url=url)
    return [event async for event in provider.stream_chat("faulty", "box", "Hello", model="m")]


@pytest.mark.usefixtures("on_loop", "loopback")
async def test_a_fault_of_a_reducer_after_the_first_event_ends_this_answer_as_failed(
    faulty: Any, raw_server: Start, sessions: MemorySessions, caplog: pytest.LogCaptureFixture
) -> None:
    events = await ask(await raw_server(chunked(b"fine", b"boom")))
    assert events[0] == TextDelta("fine")
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].error.code == "upstream_bad_answer"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.usefixtures("on_loop", "loopback")
async def test_a_fault_of_a_reducer_before_the_first_event_is_raised(
    faulty: Any, raw_server: Start, sessions: MemorySessions
) -> None:
    with pytest.raises(errors.BadAnswer):
        await ask(await raw_server(chunked(b"boom")))


@pytest.mark.usefixtures("on_loop", "loopback")
@pytest.mark.parametrize("mode", ["feed", "close"])
async def test_an_answer_whose_reducer_gives_no_end_is_not_complete(
    faulty: Any, raw_server: Start, sessions: MemorySessions, mode: str
) -> None:
    faulty.MODE = mode
    events = await ask(await raw_server(chunked(b"fine")))
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].finish_reason == "incomplete"


@pytest.mark.usefixtures("loopback")
async def test_other_settings_make_another_client(on_loop: Any) -> None:
    first = clients.http()
    assert clients.http() is first
    with conf.use(ProvidersConfig(idle_timeout_s=7)):
        second = clients.http()
        assert second is not first
        assert second.limits.idle_s == 7


@pytest.mark.usefixtures("on_loop")
async def test_other_settings_close_every_client_of_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: asyncio.Queue[Http] = asyncio.Queue()

    async def close(client: Http) -> None:
        await closed.put(client)

    monkeypatch.setattr(Http, "aclose", close)
    gateway = GenAIPlatformConfig(enabled=True, base_url="https://genai.example.com")
    with conf.use(ProvidersConfig(), gateway):
        direct, platform = clients.http(), clients.platform_of("openai")
        assert platform is not None and platform.http is not direct
    with conf.use(ProvidersConfig()):
        clients.http()
        assert clients.platform_of("openai") is None
        assert [await closed.get(), await closed.get()] == [direct, platform.http]
    clients.http()
    assert await closed.get() not in (direct, platform.http) and closed.empty()


@pytest.mark.usefixtures("on_loop")
async def test_a_test_that_takes_too_long_is_a_timeout_and_recorded(
    raw_server: Start, sessions: MemorySessions
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with conf.use(ProvidersConfig(allowed_private_hosts=("127.0.0.1",), lookup_timeout_s=0.1)):
        await provider.create_session("remote", "none", name="slow", base_url=await raw_server(silent))
        with pytest.raises(errors.UpstreamTimeout):
            await provider.test_session("remote", "none", "slow")
    assert [type(error) for _, error, tested in sessions.outcomes if tested] == [errors.UpstreamTimeout]


def test_an_estimate_counts_every_kind_of_part() -> None:
    call = ToolCallPart(id="1", name="add", arguments={"a": 1})
    messages = (
        Message("user", (TextPart("x" * 400), ImagePart(url="https://a.example/b.png"))),
        Message("assistant", (call,)),
        Message("tool", (ToolResultPart(call_id="1", name="add", content="2" * 40),)),
    )
    plain = estimate(ChatRequest(model="m", messages=messages))
    assert 110 + IMAGE_TOKENS < plain < 150 + IMAGE_TOKENS
    assert estimate(ChatRequest(model="m", messages=messages, tools=(Tool("add", "Adds."),))) > plain


def test_an_error_inside_a_stream_is_typed_again_by_its_code() -> None:
    original = errors.QuotaExhausted(
        "No more.", status=429, type="insufficient_quota", upstream_code="q", retry_after=3
    )
    again = errors.error_from(original.info())
    assert type(again) is errors.QuotaExhausted
    assert again.info() == original.info()
    assert type(errors.error_from(errors.ProviderError("odd").info())) is errors.UpstreamError

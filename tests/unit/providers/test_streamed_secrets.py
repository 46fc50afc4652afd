"""A key that a provider repeats in a streamed answer is masked, in however many pieces and events it comes."""

import asyncio
import json
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers_app import provider
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.dispatch.events import Annotator
from providers_app.ports import Session
from providers_app.types.chat import ChatRequest
from providers_app.types.events import (
    Citation,
    ErrorInfo,
    Event,
    GeneratedFile,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from providers_app.types.http import HttpRequest
from providers_app.wire.answer import Mask
from tests.unit.providers.memory_store import MemorySessions
from tests.vendors.chat import VALID_KEY

SESSION = Session(id="7", owner=1, provider="remote", auth_type="api_key", name="s", status="active")
CHAT = ChatRequest(model="m", messages=())
KEY = "sk-ant-api03-aB3+dE/fGhIjKlMnOpQr"
FORMS = (KEY, f"Bearer {KEY}", "aB3+dE/fGhIjKlMnOpQr", quote(KEY, safe=""))


def shown(events: list[list[Event]]) -> list[Event]:
    """What the caller gets of events that come in several reads."""
    request = HttpRequest(method="POST", url="https://x").with_headers({"Authorization": f"Bearer {KEY}"}, secret=True)
    annotator = Annotator(CHAT, SESSION, OpenAIChat(), mask=Mask(request))
    return [event for read in events for event in annotator.events(list(read))]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the code
@given(
    form=st.sampled_from(FORMS),
    before=st.text("sk-antB \n*", max_size=12),
    after=st.text("sk-antB \n*", max_size=12),
    cuts=st.lists(st.integers(0, 70), max_size=12),
    reads=st.booleans(),
)
def test_a_key_in_pieces_is_masked_and_all_other_text_is_whole(
    form: str, before: str, after: str, cuts: list[int], reads: bool
) -> None:
    text = before + form + after
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces: list[Event] = [TextDelta(text[start:end]) for start, end in pairwise(ends)]
    end: Event = StreamEnd(finish_reason="stop")
    found = shown([[piece] for piece in [*pieces, end]] if reads else [[*pieces, end]])
    assert "".join(event.text for event in found if isinstance(event, TextDelta)) == f"{before}***{after}"
    assert found[-1] == end


def test_pieces_of_different_texts_are_not_joined() -> None:
    half, rest = KEY[:20], KEY[20:]
    events: list[Event] = [
        TextDelta(half),
        ReasoningDelta(half, part=1),
        ReasoningDelta(rest, part=2),
        ToolCallDelta(0, "f", half),
        ToolCallDelta(0, "f", rest),
        TextDelta("", opaque={"signature": "x"}),
        TextDelta(half, aside=True),
        TextDelta(rest, opaque={"signature": "y"}),
    ]
    found = shown([[event] for event in events])
    assert [event for event in found if isinstance(event, ReasoningDelta)] == events[1:3]
    assert "".join(event.arguments for event in found if isinstance(event, ToolCallDelta)) == "***"
    assert [event.opaque for event in found if isinstance(event, TextDelta) and event.opaque] == [
        {"signature": "x"},
        {"signature": "y"},
    ]


def test_the_bare_part_of_a_key_that_is_not_continued_is_masked() -> None:
    key = "local-key-server-only-server-only-server-only-"  # which holds its own bare part twice
    request = HttpRequest(method="POST", url="https://x").with_headers({"x-api-key": key}, secret=True)
    for text in (key[:-12], f"{key[:-12]} and", f"{key} and"):
        annotator = Annotator(CHAT, SESSION, OpenAIChat(), mask=Mask(request))
        pieces: list[Event] = [TextDelta(letter) for letter in text]
        found = [event for piece in [*pieces, StreamEnd("stop")] for event in annotator.events([piece])]
        assert "server-only-server" not in "".join(event.text for event in found if isinstance(event, TextDelta))


def test_text_that_only_begins_like_a_key_is_whole_at_the_end() -> None:
    for end in (StreamEnd(finish_reason="stop"), Citation({}, url="https://x")):
        found = shown([[TextDelta("It is s")], [TextDelta("k-an")], [end]])
        assert "".join(event.text for event in found if isinstance(event, TextDelta)) == "It is sk-an"
        assert found[-1] == end


def test_a_key_in_any_other_event_is_masked_but_a_file_is_left_alone() -> None:
    call = ToolCall(0, "call_1", "f", {"key": [KEY]}, invalid_arguments=KEY)
    failed = StreamFailed(error=ErrorInfo(code="c", message=f"bad {KEY}", hint=KEY, type=KEY, status=401))
    image = GeneratedFile(media_type="image/png", data=KEY.encode())
    found = shown([[call, Citation({}, url=f"https://x/?key={quote(KEY, safe='')}", title=KEY), image, failed]])
    assert not any(KEY in str(event) or quote(KEY, safe="") in str(event) for event in found if event is not image)
    assert found[-1] == StreamFailed(error=ErrorInfo(code="c", message="bad ***", hint="***", type="***", status=401))
    assert found[0].arguments == {"key": ["***"]} and image in found  # type: ignore[union-attr]


@pytest.mark.usefixtures("on_loop", "loopback")
async def test_a_caller_never_sees_the_key_that_a_server_spells_letter_by_letter(
    raw_server: Any, sessions: MemorySessions
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for letter in f"Your key is {VALID_KEY}, is it?":
            writer.write(b"data: " + json.dumps({"choices": [{"delta": {"content": letter}}]}).encode() + b"\n\n")
        writer.write(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        await writer.drain()

    await provider.create_session("remote", "api_key", name="box", api_key=VALID_KEY, base_url=await raw_server(answer))
    events = [event async for event in provider.stream_chat("remote", "box", "Hello", model="m")]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Your key is ***, is it?"
    assert isinstance(events[-1], StreamEnd)

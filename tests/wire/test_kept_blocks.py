"""Sources, generated files, server tools and unknown blocks: each wire's form, read whole and byte by byte."""

import base64
import json
from typing import Any

import pytest

from providers_app import dialects, streaming
from providers_app.dialects import blocks
from providers_app.types.chat import BlockPart, ChatResult, ImagePart, TextPart
from providers_app.types.events import Citation, GeneratedFile, OpaqueBlock, ServerToolEvent
from tests.wire.cutting import events_of, single_bytes

PNG = b"\x89PNG picture"
DATA = base64.b64encode(PNG).decode()
IMAGE_ITEM = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "webp"}


def sse(*values: Any) -> bytes:
    return b"".join(f"event: {v.get('type', '')}\ndata: {json.dumps(v)}\n\n".encode() for v in values)


def chat(**delta: Any) -> bytes:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return sse({"id": "i", "model": "m", "choices": [{"index": 0, "delta": delta}]}, end) + b"data: [DONE]\n\n"


def responses(*items: dict[str, Any]) -> bytes:
    added = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]
    whole = {"id": "r", "model": "m", "status": "completed", "output": list(items)}
    return sse({"type": "response.created", "response": {"id": "r", "model": "m"}}, *added) + sse(
        {"type": "response.completed", "response": whole}
    )


def gemini(*parts: dict[str, Any]) -> bytes:
    return sse({"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}]})


def messages(*found: dict[str, Any]) -> bytes:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "i", "model": "m"}}]
    for index, one in enumerate(found):
        events.append({"type": "content_block_start", "index": index, "content_block": one})
        events.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    return sse(*events, end, {"type": "message_stop"})


def read(name: str, body: bytes) -> ChatResult:
    """The result, the same for the whole body and for single bytes."""
    results = [streaming.fold(events_of(dialects.by_name(name), cut)) for cut in ([body], single_bytes(body))]
    assert results[0] == results[1] and results[0].complete
    return results[0]


@pytest.mark.parametrize(
    ("name", "body", "media_type"),
    [
        ("openai_chat", chat(images=[{"image_url": {"url": f"data:image/jpeg;base64,{DATA}"}}]), "image/jpeg"),
        ("openai_responses", responses({**IMAGE_ITEM, "result": DATA}), "image/webp"),
        ("gemini_generate", gemini({"inlineData": {"mimeType": "image/png", "data": DATA}}), "image/png"),
    ],
)
def test_a_picture_is_a_file_once_and_goes_back_as_one(name: str, body: bytes, media_type: str) -> None:
    (picture,) = read(name, body).images
    assert (picture.media_type, picture.data, picture.size, picture.problem) == (media_type, PNG, len(PNG), "")
    assert [part for part in read(name, body).parts if isinstance(part, ImagePart)] == [ImagePart(media_type, DATA)]


def test_the_bytes_of_a_picture_are_in_no_other_event() -> None:
    found = read("openai_responses", responses({**IMAGE_ITEM, "result": DATA}))
    assert found.server_tools == (ServerToolEvent("image_generation_call", IMAGE_ITEM),)
    signed = {"inlineData": {"mimeType": "image/png", "data": DATA}, "thoughtSignature": "s"}
    assert read("gemini_generate", gemini(signed)).images[0].opaque == {"thoughtSignature": "s"}


def test_a_file_by_address_and_one_that_is_none() -> None:
    part = {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/f.pdf"}}
    assert read("gemini_generate", gemini(part)).images == (
        GeneratedFile("application/pdf", kind="fileData", url="gs://b/f.pdf"),
    )
    (broken,) = read("gemini_generate", gemini({"inlineData": {"mimeType": "image/png", "data": "!"}})).images
    assert broken.problem and broken.data == b""


def test_pieces_of_a_recording_are_one_file_and_its_words_are_text() -> None:
    first, rest = DATA[:4], DATA[4:]
    body = sse({"id": "i", "model": "m", "choices": [{"delta": {"audio": {"data": first, "transcript": "Hel"}}}]})
    found = read("openai_chat", body + chat(audio={"data": rest, "transcript": "lo"}))
    assert (found.text, found.images[0].data, found.images[0].media_type) == ("", PNG, "audio/wav")
    assert TextPart("Hello") in found.parts, "the transcript is shown and sent back"


@pytest.mark.parametrize(
    ("name", "make", "server_tool", "unknown"),
    [
        ("anthropic_messages", messages, {"type": "server_tool_use", "id": "s"}, {"type": "novel", "x": 1}),
        ("openai_responses", responses, {"type": "web_search_call", "id": "w"}, {"type": "novel", "x": 1}),
        ("gemini_generate", gemini, {"executableCode": {"code": "1"}}, {"novel": {"x": 1}}),
    ],
)
def test_blocks_are_told_apart_kept_whole_and_stand_in_their_order(
    name: str, make: Any, server_tool: dict[str, Any], unknown: dict[str, Any]
) -> None:
    found = read(name, make(server_tool, unknown))
    assert [event.data for event in found.server_tools] == [server_tool]
    assert found.opaque == (OpaqueBlock("novel", unknown),)
    assert [part.data for part in found.parts if isinstance(part, BlockPart)] == [server_tool, unknown]


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}, ("https://a", "A", "")),
        ({"type": "url_citation", "url": "https://a", "title": "A", "start_index": 1}, ("https://a", "A", "")),
        ({"type": "char_location", "document_title": "f.txt", "cited_text": "said"}, ("", "f.txt", "said")),
        ({"url": "https://a", "title": "A", "cited_text": "said"}, ("https://a", "A", "said")),
        ({"web": {"uri": "https://a", "title": "A"}}, ("https://a", "A", "")),
        ({"file_citation": {"filename": "f.pdf"}}, ("", "f.pdf", "")),
        ("https://a", ("https://a", "", "")),
        ({"url": 7, "title": None}, ("", "", "")),
    ],
)
def test_a_source_in_any_form_has_address_title_and_quote(given: Any, source: tuple[str, str, str]) -> None:
    found = blocks.cited(given)
    assert (found.url, found.title, found.quote) == source
    assert isinstance(found, Citation) and found.data == (given if isinstance(given, dict) else {"url": given})

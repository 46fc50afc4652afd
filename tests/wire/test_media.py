"""Documents, recordings and results with pictures: each wire's own form, and a clear error where it has none."""

import base64
import json
from typing import Any

import msgspec
import pytest

from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.errors import UnsupportedContent
from providers_app.types.chat import AudioPart, BlockPart, FilePart, ImagePart, TextPart, ToolCallPart, ToolResultPart
from providers_app.types.events import Origin
from tests.wire.asking import ALL, ask, body_of, say

DATA = base64.b64encode("Grüezi".encode()).decode()
PDF = FilePart(data=DATA, name="a.pdf")
WEB = FilePart(url="https://x.example/a.pdf")
NOTE = FilePart("text/plain", DATA, name="a.txt")


def content(dialect: Any, *parts: Any) -> Any:
    body = body_of(dialect, ask(say("user", *parts)))
    if "contents" in body:
        return body["contents"][0]["parts"]
    return (body.get("messages") or body["input"])[0]["content"]


def test_documents_in_each_form() -> None:
    assert content(OpenAIResponses(), PDF, WEB, NOTE) == [
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{DATA}"},
        {"type": "input_file", "file_url": WEB.url},
        {"type": "input_text", "text": "# a.txt\n\nGrüezi"},
    ]
    assert content(OpenAIChat(), PDF, NOTE) == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}},
        {"type": "text", "text": "# a.txt\n\nGrüezi"},
    ]
    source = {"type": "base64", "media_type": "application/pdf", "data": DATA}
    text = {"type": "text", "media_type": "text/plain", "data": "Grüezi"}
    assert content(AnthropicMessages(), PDF, WEB, NOTE) == [
        {"type": "document", "source": source, "title": "a.pdf"},
        {"type": "document", "source": {"type": "url", "url": WEB.url}},
        {"type": "document", "source": text, "title": "a.txt"},
    ]
    assert content(GeminiGenerate(), PDF, WEB, NOTE) == [
        {"inlineData": {"mimeType": "application/pdf", "data": DATA}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": WEB.url}},
        {"inlineData": {"mimeType": "text/plain", "data": DATA}},
    ]


def test_recordings_where_there_is_a_form() -> None:
    sound = AudioPart("audio/mpeg", DATA)
    assert content(OpenAIChat(), sound) == [{"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}]
    assert content(GeminiGenerate(), sound) == [{"inlineData": {"mimeType": "audio/mpeg", "data": DATA}}]


@pytest.mark.parametrize(
    ("dialect", "part", "words"),
    [
        (OpenAIChat(), WEB, "takes no document of type application/pdf by address"),
        (OpenAIChat(), AudioPart("audio/ogg", DATA), "takes no recording of type audio/ogg"),
        (OpenAIResponses(), AudioPart("audio/wav", DATA), "takes no recording"),
        (AnthropicMessages(), AudioPart("audio/wav", DATA), "takes no recording"),
        (AnthropicMessages(), FilePart("application/msword", DATA), "takes no document of type application/msword"),
    ],
)
def test_what_has_no_form_is_a_typed_error_that_says_what_to_do(dialect: Any, part: Any, words: str) -> None:
    with pytest.raises(UnsupportedContent, match=words) as caught:
        dialect.build_body(ask(say("user", part)))
    assert caught.value.code == "unsupported_content"
    assert "another provider" in caught.value.hint


@pytest.mark.parametrize("dialect", ALL)
def test_a_picture_of_the_model_stays_in_its_place_or_opens_the_next_question(dialect: Any) -> None:
    chat = ask(say("user", "draw"), say("assistant", ImagePart("image/png", DATA)), say("user", "make it blue"))
    body = body_of(dialect, chat)
    messages = body.get("messages") or body.get("input") or body["contents"]
    holders = [message["role"] for message in messages if DATA in json.dumps(message)]
    assert holders == (["model"] if isinstance(dialect, GeminiGenerate) else ["user"])
    assert json.dumps(messages[-1]).index("make it blue") > json.dumps(messages[-1]).find(DATA)


@pytest.mark.parametrize("dialect", ALL)
def test_an_assistant_holds_no_document_in_any_form(dialect: Any) -> None:
    with pytest.raises(UnsupportedContent, match="document"):
        dialect.build_body(ask(say("user", "q"), say("assistant", PDF)))


@pytest.mark.parametrize(
    ("dialect", "block"),
    [
        (AnthropicMessages(), {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        (OpenAIResponses(), {"type": "web_search_call", "id": "ws_1", "status": "completed"}),
        (GeminiGenerate(), {"executableCode": {"language": "PYTHON", "code": "1"}}),
    ],
)
def test_a_block_goes_back_in_its_place_to_the_session_that_made_it_alone(dialect: Any, block: dict[str, Any]) -> None:
    family = dialect.request.family if hasattr(dialect, "request") else dialect.family
    made = Origin(family, "m", "one")
    answer = say("assistant", TextPart("before"), BlockPart("b", block, made), TextPart("after"))
    chat = msgspec.structs.replace(ask(say("user", "q"), answer), model="m")
    sent = json.dumps(body_of(dialect, msgspec.structs.replace(chat, asked=made)))
    assert sent.index("before") < sent.index(json.dumps(block)) < sent.index("after")
    other = msgspec.structs.replace(chat, asked=Origin(family, "m", "two"))
    assert json.dumps(block) not in json.dumps(body_of(dialect, other))


def test_a_tools_picture_goes_where_it_can_and_is_said_as_left_out_elsewhere() -> None:
    result = ToolResultPart("c", "look", "seen", media=(ImagePart("image/png", DATA), PDF, NOTE))
    chat = ask(say("user", "q"), say("assistant", ToolCallPart("c", "look", {})), say("tool", result))
    blocks = body_of(AnthropicMessages(), chat)["messages"][2]["content"][0]["content"]
    assert [block["type"] for block in blocks] == ["text", "image", "document", "document"]
    output = body_of(OpenAIResponses(), chat)["input"][2]["output"]
    assert [part["type"] for part in output] == ["input_text", "input_image", "input_file", "input_text"]
    for dialect in (OpenAIChat(), GeminiGenerate()):
        said = json.dumps(body_of(dialect, chat), ensure_ascii=False)
        assert (
            "Left out, because this API takes only text from tools: picture (image/png), document (application" in said
        )
        assert "seen" in said and "Grüezi" in said
        assert DATA not in said

"""The Responses API, OpenAI's primary format: the dialect, and the bodies of its requests."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from providers_app.dialects import error_words, media, tool_forms
from providers_app.dialects.media import dropped
from providers_app.dialects.openai_responses.stream import ResponsesReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.request import Conversation, Replay, Turn, joined_text, leading_system, schema, to_bytes
from providers_app.dialects.tool_forms import OPENAI_NAMES, RESPONSES_IDS, IdForm, NameForm
from providers_app.errors import UpstreamError
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    ChatRequest,
    FilePart,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.continuing import UNDECLARED, Continuing, Way
from providers_app.types.rules import FormatRules
from providers_app.wire import payload
from providers_app.wire.status import error_of_answer

RULES = FormatRules(
    places={
        **{name: name for name in ("max_output_tokens", "temperature", "top_p", "parallel_tool_calls")},
        "reasoning_effort": "reasoning.effort",
        "response_schema": "text.format",
        "extra": "",
    },
    ranges={"max_output_tokens": (16, 100_000_000)},
    tool_name=r"[a-zA-Z0-9_-]{1,64}",
    tool_name_words="1 to 64 of A-Z, a-z, 0-9, _ and -",
    tool_tops=frozenset({"oneOf", "allOf", "anyOf", "enum", "not"}),
    schema="strict",
)


class OpenAIResponses(msgspec.Struct, frozen=True, kw_only=True):
    """The Responses API.

    ``family`` is the slug whose reasoning is replayed, ``encrypted_reasoning`` asks for it in a form that can be,
    ``unsupported`` names top-level fields that are never sent. ``background``: the server can make an answer in the
    background, which it stores and which is resumed by a cursor (developers.openai.com/api/docs/guides/background).
    """

    name: ClassVar[str] = "openai_responses"
    tool_names: ClassVar[NameForm] = OPENAI_NAMES
    continues: ClassVar[bool] = True

    family: str = "openai"
    background: bool = False
    encrypted_reasoning: bool = True
    ids: IdForm = RESPONSES_IDS
    unsupported: frozenset[str] = frozenset()

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return _rules(self.unsupported)

    def continuing(self, chat: ChatRequest) -> Continuing:
        """Return how a broken answer goes on: by its cursor where it was made in the background."""
        exact: tuple[Way, ...] = ("cursor",) if self.background and chat.resumable and chat.stream else ()
        return Continuing(ways=(*exact, "restart") if chat.params.response_schema else (*exact, *UNDECLARED.ways))

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON bytes of a request, with the whole history: only what is resumable is stored there."""
        chat = tool_forms.wired(chat, OPENAI_NAMES)
        system, turns = leading_system(chat, Conversation(chat, self.ids, Replay(self.family, fits=_fits)).turns())
        items = [item for turn in turns for item in _items(chat, turn)]
        params = chat.params
        body: dict[str, Any] = {"model": chat.model}
        if system:
            body["instructions"] = system
        body |= {"input": items, "stream": chat.stream, "store": False}
        if self.background and chat.resumable and chat.stream:
            body |= {"store": True, "background": True}
        if self.encrypted_reasoning:
            body["include"] = ["reasoning.encrypted_content"]
        body["max_output_tokens"] = params.max_output_tokens
        body |= {"temperature": params.temperature, "top_p": params.top_p}
        if (effort := params.reasoning_effort) is not None:
            body["reasoning"] = {"effort": effort, **({} if effort == "none" else {"summary": "auto"})}
        if (wanted := params.response_schema) is not None:
            name = OPENAI_NAMES.of(wanted.name)
            form = {"type": "json_schema", "name": name, "schema": wanted.schema, "strict": wanted.strict}
            body["text"] = {"format": form}
        if chat.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": schema(tool.parameters),
                    "strict": bool(tool.strict),  # left out, the server would switch strict checking on
                }
                for tool in chat.tools
            ]
            choice = chat.tool_choice
            named = {"type": "function", "name": choice.name}
            body["tool_choice"] = named if choice.mode == "tool" else choice.mode if choice.mode != "auto" else None
            body["parallel_tool_calls"] = params.parallel_tool_calls
        return to_bytes(body, params.extra, self.unsupported)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(ResponsesReading())

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return error_of_answer(status, headers, body, error_words.OPENAI_RESPONSES)


DIALECT = OpenAIResponses()


@lru_cache(maxsize=256)
def _rules(unsupported: frozenset[str]) -> FormatRules:
    return msgspec.structs.replace(RULES, refused_fields=unsupported)


def _items(chat: ChatRequest, turn: Turn) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [
            {"type": "function_call_output", "call_id": part.call_id, "output": _output(part)}
            for part in turn.parts
            if isinstance(part, ToolResultPart)
        ]
    if turn.role == "assistant":
        return _assistant(chat, turn)
    if turn.role == "system":
        return [{"role": "developer", "content": joined_text(turn.parts)}]
    content: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, TextPart) and part.text:
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ImagePart | FilePart | AudioPart):
            content.append(_media(part))
    return [{"role": "user", "content": content}] if content else []


def _media(part: ImagePart | FilePart | AudioPart) -> dict[str, Any]:
    """Return a picture or a document. Raise ``UnsupportedContent`` for a recording."""
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": media.image_address(part), "detail": "auto"}
    if isinstance(part, AudioPart):
        raise media.unsupported(part, "The Responses API")
    if media.is_text(part):
        return {"type": "input_text", "text": media.headed_text(part)}
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": media.file_name(part), "file_data": media.data_address(part)}


def _output(part: ToolResultPart) -> str | list[dict[str, Any]]:
    if not part.media:
        return part.content
    text = [{"type": "input_text", "text": part.content}] if part.content else []
    return [*text, *(_media(one) for one in part.media)]


def _fits(part: ReasoningPart | BlockPart) -> bool:
    if isinstance(part, BlockPart):
        return part.kind != "image_generation_call"  # refused without its bytes; the picture itself is sent
    return bool((part.opaque or {}).get("encrypted_content"))


def _assistant(chat: ChatRequest, turn: Turn) -> list[dict[str, Any]]:
    """Return the items of an answer in order; a reasoning item stays in front of the item it led to."""
    items: list[dict[str, Any]] = []
    parts = list(turn.parts)
    while parts and isinstance(parts[-1], ReasoningPart):
        dropped(chat, parts.pop(), "it led to nothing that is sent")  # the server would refuse it
    for part in parts:
        if isinstance(part, TextPart) and part.text:
            items.append({"role": "assistant", "content": [{"type": "output_text", "text": part.text}]})
        elif isinstance(part, ReasoningPart):
            items.append({"type": "reasoning", **(part.opaque or {})})
        elif isinstance(part, ToolCallPart):
            arguments = payload.encode(part.arguments).decode()
            items.append({"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments})
        elif isinstance(part, BlockPart):
            items.append(part.data)
    return items

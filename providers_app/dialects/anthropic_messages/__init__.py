"""The Messages API of Anthropic: the dialect, and the bodies of its requests."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from providers_app.dialects import error_words, media, tool_forms
from providers_app.dialects.anthropic_messages.stream import MessagesReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.request import (
    Conversation,
    Replay,
    Turn,
    described,
    leading_system,
    opened_by_user,
    to_bytes,
)
from providers_app.dialects.tool_forms import ANTHROPIC_IDS, ANTHROPIC_NAMES, IdForm, NameForm
from providers_app.errors import UpstreamError
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.continuing import UNDECLARED, Continuing, Way
from providers_app.types.rules import FormatRules
from providers_app.wire.status import error_of_answer

BUDGET_MODELS = (
    *("claude-3", "claude-sonnet-4-0", "claude-sonnet-4-2", "claude-sonnet-4-5"),
    *("claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2", "claude-opus-4-5", "claude-haiku-4-5"),
)
"""Models that know a budget of thinking tokens and no adaptive thinking, by the start of their names."""
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 6144, "high": 12_288, "xhigh": 15_360, "max": 15_360}
LEAST_BUDGET = 1024
EFFORTS = {"minimal": "low"}
"""Efforts that the format has no word for."""

PLACES = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop": "stop_sequences",
    "reasoning_effort": "thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "response_schema": "output_config.format",
    "extra": "",
}
RULES = FormatRules(
    places=PLACES,
    ranges={"temperature": (0.0, 1.0)},
    defaults={"parallel_tool_calls": True},
    renamed_efforts=EFFORTS,
    tool_name=r"[a-zA-Z0-9_-]{1,128}",
    tool_name_words="1 to 128 of A-Z, a-z, 0-9, _ and -",
    tool_tops=frozenset({"oneOf", "allOf", "anyOf"}),
    schema="object",
)
"""For the models with adaptive thinking."""


class AnthropicMessages(msgspec.Struct, frozen=True, kw_only=True):
    """The Messages API.

    ``default_max_tokens`` is sent where the caller names no limit (the field is required). ``budget_models`` are the
    models that know a budget of thinking tokens and no adaptive thinking, by the start of their names. ``unsupported``
    names top-level fields that are never sent.
    """

    name: ClassVar[str] = "anthropic_messages"
    pauses: ClassVar[bool] = True  # `pause_turn`: sent back as it is, the answer goes on
    tool_names: ClassVar[NameForm] = ANTHROPIC_NAMES
    continues: ClassVar[bool] = True

    family: str = "anthropic"
    default_max_tokens: int = 16_384
    budget_models: tuple[str, ...] = BUDGET_MODELS
    ids: IdForm = ANTHROPIC_IDS
    unsupported: frozenset[str] = frozenset()

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return _rules(self.unsupported, self.default_max_tokens, model.startswith(self.budget_models))

    def continuing(self, chat: ChatRequest) -> Continuing:
        """Return how a broken answer goes on: behind its own text up to Claude 4.5, and not while it thinks.

        Claude 4.6 and later refuse a conversation that ends with an assistant's message.
        """
        if chat.params.response_schema is not None:
            return Continuing(ways=("restart",))
        thinks = chat.params.reasoning_effort not in (None, "none") or "thinking" in chat.params.extra
        prefix: tuple[Way, ...] = ("prefix",) if chat.model.startswith(self.budget_models) and not thinks else ()
        return Continuing(ways=(*prefix, *UNDECLARED.ways))

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON bytes of a request. Raise ``UnsupportedContent``."""
        chat = tool_forms.wired(chat, self.tool_names)
        replay = Replay(self.family, fits=lambda part: _block(part) is not None)
        system, turns = leading_system(chat, Conversation(chat, self.ids, replay).turns(), everywhere=True)
        params = chat.params
        limit = self.default_max_tokens if params.max_output_tokens is None else params.max_output_tokens
        body: dict[str, Any] = {"model": chat.model, "max_tokens": limit, "system": system or None}
        body["messages"] = _messages(opened_by_user(chat, turns))
        body |= {"stream": chat.stream, "temperature": params.temperature, "top_p": params.top_p}
        body["stop_sequences"] = list(params.stop) or None
        body |= _thinking(chat, self.budget_models, limit)
        if params.response_schema is not None:
            output = body.setdefault("output_config", {})
            output["format"] = {"type": "json_schema", "schema": params.response_schema.schema}
        if chat.tools:
            body["tools"] = [described(tool, "input_schema") for tool in chat.tools]
            body["tool_choice"] = _tool_choice(chat)
        return to_bytes(body, params.extra, self.unsupported)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(MessagesReading())

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        words = error_words.ANTHROPIC_MISSING_MODEL if status == 404 else error_words.ANTHROPIC
        return error_words.refined(error_of_answer(status, headers, body, words))


DIALECT = AnthropicMessages()


@lru_cache(maxsize=256)
def _rules(unsupported: frozenset[str], default_max_tokens: int, budgeted: bool) -> FormatRules:
    rules = msgspec.structs.replace(RULES, refused_fields=unsupported, default_max_output=default_max_tokens)
    if not budgeted:
        return rules
    return msgspec.structs.replace(
        rules, renamed_efforts={}, budgets=BUDGETS, least_budget=LEAST_BUDGET, budget_in_output=True
    )


def _messages(turns: list[Turn]) -> list[dict[str, Any]]:
    """Only ``user`` and ``assistant``, alternating; tool results open the user message that follows their calls."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = [block for part in turn.parts if (block := _block(part)) is not None]
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": role, "content": blocks})
    last = messages[-1]["content"][-1] if messages else {}
    if messages and messages[-1]["role"] == "assistant" and last.get("type") == "text":
        last["text"] = last["text"].rstrip()  # trailing white space of a final assistant turn is refused
    return messages


def _block(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, ImagePart | FilePart | AudioPart):
        return _media(part)
    if isinstance(part, ToolCallPart):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
    if isinstance(part, ToolResultPart):
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.call_id, "content": _result(part)}
        return {**block, "is_error": True} if part.is_error else block
    if isinstance(part, BlockPart):
        return part.data if "type" in part.data else None  # a block of another format of this provider
    opaque = part.opaque or {}
    if opaque.get("type") == "redacted_thinking":
        return {"type": "redacted_thinking", "data": opaque.get("data", "")}
    signature = opaque.get("signature")
    return {"type": "thinking", "thinking": part.text, "signature": signature} if signature else None


def _media(part: ImagePart | FilePart | AudioPart) -> dict[str, Any]:
    """Return the block of a picture, a PDF or a text. Raise ``UnsupportedContent`` for everything else."""
    if isinstance(part, ImagePart):
        return {"type": "image", "source": _source(part)}
    if isinstance(part, AudioPart) or not (media.is_text(part) or part.media_type == "application/pdf"):
        raise media.unsupported(part, "The Messages API")
    source = _source(part)
    if media.is_text(part):
        source = {"type": "text", "media_type": "text/plain", "data": media.text_of(part)}
    return {"type": "document", "source": source, **({"title": part.name} if part.name else {})}


def _source(part: ImagePart | FilePart) -> dict[str, Any]:
    if part.url:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.media_type, "data": part.data or ""}


def _result(part: ToolResultPart) -> str | list[dict[str, Any]]:
    if not part.media:
        return part.content
    text = [{"type": "text", "text": part.content}] if part.content.strip() else []
    return [*text, *(_media(one) for one in part.media)]


def _thinking(chat: ChatRequest, budget_models: tuple[str, ...], max_tokens: int) -> dict[str, Any]:
    effort = chat.params.reasoning_effort
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if not chat.model.startswith(budget_models):
        return {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": EFFORTS.get(effort, effort)},
        }
    budget = min(BUDGETS.get(effort, LEAST_BUDGET), max_tokens - 1)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= LEAST_BUDGET else {}


def _tool_choice(chat: ChatRequest) -> dict[str, Any] | None:
    kinds = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
    choice: dict[str, Any] = {"type": kinds[chat.tool_choice.mode]}
    if chat.tool_choice.mode == "tool":
        choice["name"] = chat.tool_choice.name
    if chat.params.parallel_tool_calls is False and chat.tool_choice.mode != "none":
        choice["disable_parallel_tool_use"] = True
    return choice if choice != {"type": "auto"} else None

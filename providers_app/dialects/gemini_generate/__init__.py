"""generateContent, the native format of Gemini and Vertex AI: the dialect, and the bodies of its requests."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from providers_app.dialects import error_words, media, tool_forms
from providers_app.dialects.gemini_generate.stream import GenerateReading
from providers_app.dialects.media import note
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
from providers_app.dialects.tool_forms import GEMINI_IDS, GEMINI_NAMES, NameForm
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
from providers_app.types.continuing import UNDECLARED, Continuing
from providers_app.types.rules import FormatRules
from providers_app.wire import payload
from providers_app.wire.status import error_of_answer

BUDGET_MODELS = ("gemini-1", "gemini-2")
"""Models that know a budget of thinking tokens instead of a level, by the start of their names."""
BUDGETS = {"none": 0, "minimal": 512, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 24_576}
EFFORTS = {"none": "minimal", "max": "xhigh"}
"""Efforts that there is no level for."""

RULES = FormatRules(
    places={
        "max_output_tokens": "generationConfig.maxOutputTokens",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "stop": "generationConfig.stopSequences",
        "seed": "generationConfig.seed",
        "reasoning_effort": "generationConfig.thinkingConfig",
        "response_schema": "generationConfig.responseJsonSchema",
        "extra": "",
    },
    ranges={"seed": (-(2**31), 2**31 - 1)},
    max_stops=5,
    defaults={"parallel_tool_calls": True},
    renamed_efforts=EFFORTS,
    tool_name=r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
    tool_name_words="a letter or _, then up to 63 of A-Z, a-z, 0-9, _ - . and :",
    strict_tools=False,
)
"""For the models with thinking levels."""


class GeminiGenerate(msgspec.Struct, frozen=True, kw_only=True):
    """generateContent of the Gemini API and of Vertex AI; the model is in the address, not in the body.

    ``echo_call_ids`` sends the ids that the server gave to calls itself, and with them their results (Vertex AI knows
    none); ids of other providers mean nothing to it. ``budget_models``, by the start of their names, know a thinking
    budget instead of a level and do not check thought signatures. For the others a call that came without one (from
    another provider) carries ``placeholder_signature``. ``unsupported`` names top-level fields that are never sent.
    """

    name: ClassVar[str] = "gemini_generate"
    continues: ClassVar[bool] = False
    tool_names: ClassVar[NameForm] = GEMINI_NAMES

    family: str = "gemini"
    echo_call_ids: bool = True
    budget_models: tuple[str, ...] = BUDGET_MODELS
    placeholder_signature: str = "skip_thought_signature_validator"
    unsupported: frozenset[str] = frozenset()

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return _rules(self.unsupported, self._budgeted(model))

    def continuing(self, chat: ChatRequest) -> Continuing:
        """Return how a broken answer goes on: the format has no cursor, and takes no prefix for certain."""
        return Continuing(ways=("restart",)) if chat.params.response_schema is not None else UNDECLARED

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON bytes of a request."""
        chat = tool_forms.wired(chat, self.tool_names)
        replay = Replay(self.family, same_model=True, pictures=True, fits=lambda part: _part(part, set()) is not None)
        system, turns = leading_system(chat, Conversation(chat, GEMINI_IDS, replay).turns(), everywhere=True)
        params = chat.params
        budgeted = self._budgeted(chat.model)
        body: dict[str, Any] = {}
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        turns = opened_by_user(chat, turns)
        body["contents"] = _contents(chat, turns, self.echo_call_ids, "" if budgeted else self.placeholder_signature)
        if chat.tools:
            body["tools"] = [
                {"functionDeclarations": [described(tool, "parametersJsonSchema", strict=False) for tool in chat.tools]}
            ]
            choice = chat.tool_choice
            calling: dict[str, Any] = {"mode": "NONE" if choice.mode == "none" else "ANY"}
            if choice.mode == "tool":
                calling["allowedFunctionNames"] = [choice.name]
            body["toolConfig"] = {"functionCallingConfig": calling} if choice.mode != "auto" else None
        config: dict[str, Any] = {
            "temperature": params.temperature,
            "topP": params.top_p,
            "maxOutputTokens": params.max_output_tokens,
            "stopSequences": list(params.stop) or None,
            "seed": params.seed,
        }
        if (effort := params.reasoning_effort) is not None:
            level = {"thinkingLevel": EFFORTS.get(effort, effort).upper()}
            thinking: dict[str, Any] = {"thinkingBudget": BUDGETS[effort]} if budgeted else level
            config["thinkingConfig"] = {"includeThoughts": effort != "none", **thinking}
        if params.response_schema is not None:
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = params.response_schema.schema
        body["generationConfig"] = {name: value for name, value in config.items() if value is not None} or None
        return to_bytes(body, params.extra, self.unsupported)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(GenerateReading())

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return error_of_answer(status, headers, body, error_words.GEMINI)

    def _budgeted(self, model: str) -> bool:
        return model.removeprefix("models/").startswith(self.budget_models)


DIALECT = GeminiGenerate()


@lru_cache(maxsize=256)
def _rules(unsupported: frozenset[str], budgeted: bool) -> FormatRules:
    rules = msgspec.structs.replace(RULES, refused_fields=unsupported)
    return msgspec.structs.replace(rules, renamed_efforts={}, budgets=BUDGETS) if budgeted else rules


def _contents(chat: ChatRequest, turns: list[Turn], echo: bool, placeholder: str) -> list[dict[str, Any]]:
    """``user`` and ``model`` in turn; the results of one step stay together in one content."""
    contents: list[dict[str, Any]] = []
    echoed = {
        part.id for turn in turns for part in turn.parts if echo and isinstance(part, ToolCallPart) and part.provider_id
    }
    for turn in turns:
        role = "model" if turn.role == "assistant" else "user"
        parts = [wired for part in turn.parts if (wired := _part(part, echoed)) is not None]
        if turn.role == "assistant":
            _sign(chat, turn, parts, placeholder)
        if contents and contents[-1]["role"] == role and turn.role != "tool":
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _sign(chat: ChatRequest, turn: Turn, parts: list[dict[str, Any]], placeholder: str) -> None:
    calls = [part for part in parts if "functionCall" in part]
    if placeholder and calls and not any("thoughtSignature" in call for call in calls):
        calls[0]["thoughtSignature"] = placeholder
        first = next(part for part in turn.parts if isinstance(part, ToolCallPart))
        note(chat, first, "part_inserted", "A placeholder is sent for the signature of the tool call, which has none.")


def _part(part: Part, echoed: set[str]) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"text": part.text, **_signature(part.opaque)} if part.text or _signature(part.opaque) else None
    if isinstance(part, AudioPart):
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    if isinstance(part, ImagePart | FilePart):
        if part.url:
            return {"fileData": {"mimeType": part.media_type, "fileUri": part.url}}
        signed = _signature(part.opaque) if isinstance(part, ImagePart) else {}
        return {"inlineData": {"mimeType": part.media_type, "data": part.data or ""}, **signed}
    if isinstance(part, ToolCallPart):
        own: dict[str, Any] = {"id": part.id} if part.id in echoed else {}
        return {"functionCall": {"name": part.name, "args": part.arguments, **own}, **_signature(part.opaque)}
    if isinstance(part, ToolResultPart):
        own = {"id": part.call_id} if part.call_id in echoed else {}
        return {"functionResponse": {"name": part.name, "response": _response(part), **own}}
    if isinstance(part, BlockPart):
        return None if "type" in part.data else part.data  # a block of another format of this provider
    signature = _signature(part.opaque)
    return {"text": part.text, "thought": True, **signature} if signature else None


def _signature(opaque: dict[str, Any] | None) -> dict[str, Any]:
    value = (opaque or {}).get("thoughtSignature")
    return {"thoughtSignature": value} if value else {}


def _response(part: ToolResultPart) -> dict[str, Any]:
    """Wrap a result into an object, which the format demands; a JSON object goes as it is."""
    content = media.result_text(part)
    if part.is_error:
        return {"error": content}
    try:
        value = payload.decode(content.encode("utf-8", "replace"))
    except ValueError:
        return {"result": content}
    return value if isinstance(value, dict) else {"result": content}

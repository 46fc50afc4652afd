"""Chat Completions, spoken by nearly every server: the dialect, and the bodies of its requests."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, ClassVar, Literal

import msgspec

from providers_app.dialects import error_words, media, tool_forms
from providers_app.dialects.media import dropped
from providers_app.dialects.openai_chat.stream import ChatReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.request import Conversation, Replay, Turn, described, joined_text, leading_system, to_bytes
from providers_app.dialects.tool_forms import OPENAI_IDS, OPENAI_NAMES, IdForm, NameForm
from providers_app.errors import InvalidRequest, UpstreamError
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from providers_app.types.continuing import UNDECLARED, Continuing, Way
from providers_app.types.rules import FormatRules
from providers_app.wire import payload
from providers_app.wire.error_body import fields_of_body
from providers_app.wire.status import ErrorWords, error_of_answer

RULES = FormatRules(
    places={
        "max_output_tokens": "max_completion_tokens",
        **{name: name for name in ("temperature", "top_p", "stop", "seed", "reasoning_effort", "parallel_tool_calls")},
        "response_schema": "response_format",
        "extra": "",
    },
    max_stops=4,
    tool_name=r"[a-zA-Z0-9_-]{1,64}",
    tool_name_words="1 to 64 of A-Z, a-z, 0-9, _ and -",
    tool_tops=frozenset({"oneOf", "allOf", "anyOf", "enum", "not"}),
    schema="strict",
)
"""As OpenAI itself speaks it."""


class RequestForm(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Facts about a server whose requests differ from OpenAI's own.

    ``family`` is the slug that is asked: its own ids and reasoning go back to it. ``reasoning_replay`` says how:
    ``details`` are bound to their model; text is sent within a tool loop only, and only to the session it came from.
    ``unsupported`` names top-level fields that are never sent.
    ``system_everywhere`` moves all system text to the front, which many local templates insist on.
    ``renamed`` are fields that the server calls otherwise. ``named_tool_choice``: it can be told which tool to call;
    ``image_urls``: it fetches pictures from their address. ``prefix`` says how an answer goes on behind its own text:
    always, where an assistant's message comes ``last``; by the ``flag`` prefix on it; by vLLM's fields (``final``); or
    not at all. ``echo``: the text is then repeated at the beginning of the answer.
    """

    family: str = ""
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    system_role: Literal["system", "developer"] = "system"
    system_everywhere: bool = False
    include_usage: bool = True
    reasoning_field: Literal["reasoning_effort", "reasoning"] = "reasoning_effort"
    reasoning_replay: Literal["none", "details", "content", "reasoning"] = "none"
    structured: Literal["json_schema", "json_object"] = "json_schema"
    ids: IdForm = OPENAI_IDS
    unsupported: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()
    named_tool_choice: bool = True
    image_urls: bool = True
    prefix: Literal["", "last", "flag", "final"] = ""
    echo: bool = False


REASONING_TEXT = {"content": "reasoning_content", "reasoning": "reasoning"}
"""The field of a message that carries earlier reasoning as text, by ``reasoning_replay``."""


class OpenAIChat(msgspec.Struct, frozen=True, kw_only=True):
    """Chat Completions; what a compatible server does differently is declared in the fields.

    ``request`` says how its requests differ, ``think_tags`` whether its reasoning lies between ``<think>`` tags in the
    text (``opened``: the template already wrote the opening tag), ``words`` what its error words mean, ``own_limits``
    that OpenAI's limits hold there: other servers take more, or less. ``continues``: an answer can go on behind its
    own text, as ``request.prefix`` says.
    """

    name: ClassVar[str] = "openai_chat"
    tool_names: ClassVar[NameForm] = OPENAI_NAMES

    request: RequestForm = RequestForm()
    think_tags: Literal["off", "tags", "opened"] = "off"
    words: ErrorWords = error_words.OPENAI_CHAT
    own_limits: bool = False
    continues: bool = False

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return _rules(self.request, self.own_limits)

    def continuing(self, chat: ChatRequest) -> Continuing:
        """Return how a broken answer goes on."""
        if chat.params.response_schema is not None:
            return Continuing(ways=("restart",))
        prefix: tuple[Way, ...] = ("prefix",) if self.request.prefix else ()
        return Continuing(ways=(*prefix, *UNDECLARED.ways), echo=self.request.echo)

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON bytes of a request. Raise ``InvalidRequest``, ``UnsupportedContent``."""
        form = self.request
        chat = tool_forms.wired(_prepared(chat, form), OPENAI_NAMES)
        kind = form.reasoning_replay
        replay = Replay(form.family, same_model=kind not in REASONING_TEXT, fits=partial(_fits, kind))
        turns = Conversation(chat, form.ids, replay).turns()
        messages: list[dict[str, Any]] = []
        if form.system_everywhere:
            system, turns = leading_system(chat, turns, everywhere=True)
            if system:
                messages.append({"role": form.system_role, "content": system})
        last_question = max((number for number, turn in enumerate(turns) if turn.role == "user"), default=-1)
        for number, turn in enumerate(turns):
            messages += _messages(chat, turn, form, in_loop=number > last_question)
        params = chat.params
        body: dict[str, Any] = {"model": chat.model, "messages": messages, "stream": chat.stream}
        if chat.stream and form.include_usage:
            body["stream_options"] = {"include_usage": True}
        body[form.max_tokens_field] = params.max_output_tokens
        body |= {"temperature": params.temperature, "top_p": params.top_p}
        body |= {"stop": list(params.stop) or None, "seed": params.seed}
        if params.reasoning_effort is not None:
            effort = params.reasoning_effort
            body[form.reasoning_field] = effort if form.reasoning_field == "reasoning_effort" else {"effort": effort}
        if (wanted := params.response_schema) is not None:
            body["response_format"] = {"type": form.structured}
            if form.structured == "json_schema":
                shape = {"name": OPENAI_NAMES.of(wanted.name), "schema": wanted.schema, "strict": wanted.strict}
                body["response_format"]["json_schema"] = shape
        if chat.tools:
            body["tools"] = [{"type": "function", "function": described(tool, "parameters")} for tool in chat.tools]
            choice = chat.tool_choice
            named = {"type": "function", "function": {"name": choice.name}}
            body["tool_choice"] = named if choice.mode == "tool" else choice.mode if choice.mode != "auto" else None
            body["parallel_tool_calls"] = params.parallel_tool_calls
        if chat.prefilled and form.prefix == "flag":
            messages[-1]["prefix"] = True
        elif chat.prefilled and form.prefix == "final":
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        for ours, theirs in form.renamed:
            body[theirs] = body.pop(ours, None)
        return to_bytes(body, params.extra, form.unsupported)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(ChatReading(self.think_tags))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        missing = status == 404 and fields_of_body(body).type in error_words.OPENAI_MISSING_MODEL.refining
        return error_of_answer(status, headers, body, error_words.OPENAI_MISSING_MODEL if missing else self.words)


DIALECT = OpenAIChat()


@lru_cache(maxsize=256)
def _rules(form: RequestForm, own_limits: bool) -> FormatRules:
    fields = {"max_output_tokens": form.max_tokens_field, "reasoning_effort": form.reasoning_field}
    return msgspec.structs.replace(
        RULES,
        places={**RULES.places, **fields, **dict(form.renamed)},
        refused_fields=form.unsupported,
        named_tool_choice=form.named_tool_choice,
        fewer_tools=True,
        schema="unsent" if form.structured == "json_object" else RULES.schema,
        lenient=not own_limits,
    )


def _messages(chat: ChatRequest, turn: Turn, form: RequestForm, *, in_loop: bool) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [
            {"role": "tool", "tool_call_id": part.call_id, "content": media.result_text(part)}
            for part in turn.parts
            if isinstance(part, ToolResultPart)
        ]
    if turn.role == "assistant":
        return [_assistant(chat, turn, form, in_loop=in_loop)]
    role = form.system_role if turn.role == "system" else "user"
    if all(isinstance(part, TextPart) for part in turn.parts):
        return [{"role": role, "content": joined_text(turn.parts)}]
    content: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, TextPart) and part.text:
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart | FilePart | AudioPart):
            content.append(_media(part))
    return [{"role": role, "content": content}]


def _media(part: ImagePart | FilePart | AudioPart) -> dict[str, Any]:
    """Return a picture, an inline document, or a recording as WAV or MP3. Raise ``UnsupportedContent`` otherwise."""
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": media.image_address(part)}}
    if isinstance(part, AudioPart):
        if part.media_type not in media.AUDIO_FORMATS:
            raise media.unsupported(part, "Chat Completions")
        sound = {"data": part.data, "format": media.AUDIO_FORMATS[part.media_type]}
        return {"type": "input_audio", "input_audio": sound}
    if media.is_text(part):
        return {"type": "text", "text": media.headed_text(part)}
    if part.url:
        raise media.unsupported(part, "Chat Completions")
    return {"type": "file", "file": {"filename": media.file_name(part), "file_data": media.data_address(part)}}


def _fits(kind: str, part: ReasoningPart | BlockPart) -> bool:
    if isinstance(part, BlockPart) or kind == "none":
        return False
    return bool((part.opaque or {}).get("reasoning_details") if kind == "details" else part.text)


def _assistant(chat: ChatRequest, turn: Turn, form: RequestForm, *, in_loop: bool) -> dict[str, Any]:
    calls = [part for part in turn.parts if isinstance(part, ToolCallPart)]
    message: dict[str, Any] = {"role": "assistant", "content": joined_text(turn.parts) or (None if calls else "")}
    replayed = [part for part in turn.parts if isinstance(part, ReasoningPart)]
    if form.reasoning_replay == "details":
        details = [item for part in replayed for item in (part.opaque or {}).get("reasoning_details", ())]
        if details:
            message["reasoning_details"] = details
    elif replayed and in_loop and calls:
        message[REASONING_TEXT[form.reasoning_replay]] = "".join(part.text for part in replayed)
    else:
        for part in replayed:
            dropped(chat, part, "this server takes it back only while tools are called")
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": payload.encode(call.arguments).decode()},
                **{name: value for name, value in (call.opaque or {}).items() if name == "extra_content"},
            }
            for call in calls
        ]
    return message


SCHEMA = "Answer with one JSON object and nothing else. It must be valid against this JSON Schema:\n"
"""The instruction in front, where a server takes no schema but only the wish for JSON; some insist on the word."""


def _prepared(chat: ChatRequest, form: RequestForm) -> ChatRequest:
    """Return the request as the server can take it.

    A picture's address is refused where only its bytes are taken. A choice among tools that the server has no word for
    is made by giving it fewer tools: none, or the named one alone. A schema that cannot be sent stands in words.
    """
    parts = () if form.image_urls else (part for message in chat.messages for part in message.parts)
    if any(isinstance(part, ImagePart) and part.url and not part.url.startswith("data:") for part in parts):
        raise InvalidRequest(
            "This server takes pictures only as data, not by their address.",
            hint="Attach the picture itself, or set the session's option image_urls to true if the server fetches "
            "addresses.",
        )
    if chat.tools:
        chat = _fewer_tools(chat, form)
    wanted = chat.params.response_schema
    if wanted is None or form.structured != "json_object":
        return chat
    instruction = Message("system", (TextPart(SCHEMA + payload.encode(wanted.schema).decode()),))
    return msgspec.structs.replace(chat, messages=(instruction, *chat.messages))


def _fewer_tools(chat: ChatRequest, form: RequestForm) -> ChatRequest:
    choice, silent = chat.tool_choice, "tool_choice" in form.unsupported
    if choice.mode == "none" and silent:
        return msgspec.structs.replace(chat, tools=(), tool_choice=ToolChoice())
    if choice.mode == "tool" and (silent or not form.named_tool_choice):
        named = tuple(tool for tool in chat.tools if tool.name == choice.name)
        return msgspec.structs.replace(chat, tools=named, tool_choice=ToolChoice("required"))
    return chat

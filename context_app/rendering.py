"""Render turns as HTML: the user's message, and the answer in every state.

The page, the ``turn`` frame and the ``end`` frame all use ``render_user`` and ``render_answer``, so that an answer
looks the same live and reloaded. Both read ``turn.chunks`` and ``turn.stream``; prefetch them for many turns. All text
of a person or a model passes through ``context_app.markup`` or Django's escaping.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from django.template.loader import render_to_string

from context_app import markup
from context_app.models import ContextChunk, Stream, Turn
from context_app.session_models import monogram
from context_app.tokens import estimate
from context_app.tool_intents import PURPOSE_LABELS, SOURCE_LABELS, stored_intent
from providers_app.advice.draft import CHANGES
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatResult

MAX_ARGUMENT_CHARS = 20_000
ADVICE_ICONS = {"error": "warning", "warning": "warning", "hint": "lightbulb"}


@dataclass(frozen=True, slots=True)
class AdviceView:
    """One piece of advice; ``use`` is the nearest valid value as a form field takes it, if it is a plain one."""

    level: str
    field: str
    what: str
    why: str
    icon: str
    word: str
    use: str = ""
    use_label: str = ""


@dataclass(slots=True)
class ToolCallView:
    """One tool call as a card."""

    name: str
    arguments_html: str
    purpose: str = ""
    scope: str = ""
    risk: str = ""
    source: str = ""
    intent_error: str = ""
    status: str = "Requested"
    status_kind: str = "mute"
    result: str = ""
    result_line: str = ""
    result_tokens: int = 0


@dataclass(slots=True)
class Failure:
    """The reason why an answer is incomplete, the next step, and a code to copy."""

    title: str
    text: str
    hint: str = ""
    code: str = ""
    kind: str = "bad"


@dataclass(slots=True)
class AnswerView:
    """The data of an answer's template."""

    turn: Turn
    state: str
    stream_id: str
    monogram: str
    model: str
    body_html: str = ""
    source: str = ""
    reasoning_html: str = ""
    reasoning_tokens: int = 0
    calls: list[ToolCallView] = field(default_factory=list)
    changes: list[AdviceView] = field(default_factory=list)
    failure: Failure | None = None
    output_tokens: int | None = None
    usage_is_exact: bool = False

    @property
    def running(self) -> bool:
        """True while the answer is being written."""
        return self.state == Stream.State.RUNNING


def turn_frame(context_id: UUID, turn_id: UUID) -> dict[str, Any] | None:
    """Return the ``turn`` frame of a turn; ``None`` for one that has no stream or is gone. Reads the database."""
    rows = Turn.objects.filter(context_id=context_id, stream__isnull=False).select_related("stream")
    turn = rows.prefetch_related("chunks").filter(pk=turn_id).first()
    if turn is None or turn.stream_id is None:
        return None
    return {
        "type": "turn",
        "turn": turn.pk,
        "stream": turn.stream_id,
        "client_id": turn.client_id,
        "attempt": turn.attempt,
        "user_html": render_user(turn),
        "answer_html": render_answer(turn, None),
    }


def render_end(stream: UUID, result: dict[str, Any]) -> tuple[UUID | None, str]:
    """Return the turn of an ended stream and its answer as HTML; no turn when it is gone. Reads the database."""
    turn = Turn.objects.filter(stream_id=stream).select_related("stream").prefetch_related("chunks").first()
    return (None, "") if turn is None else (turn.pk, render_answer(turn, result))


def render_user(turn: Turn) -> str:
    """Return the user's message of ``turn`` as sanitised HTML."""
    chunks = [chunk for chunk in turn.chunks.all() if chunk.kind == ContextChunk.Kind.USER]
    text = "\n\n".join(chunk.content for chunk in chunks)
    gone = bool(chunks) and all(chunk.deleted_at is not None or chunk.excluded for chunk in chunks)
    return _drawn("chats/_user.html", {"turn": turn, "html": markup.to_html(text, breaks=True), "not_sent": gone})


def render_answer(turn: Turn, result: ChatResult | Mapping[str, Any] | None) -> str:
    """Return the answer of ``turn`` as sanitised HTML; ``result`` is ``None`` before anything was stored."""
    return _drawn("chats/_answer.html", {"answer": answer_view(turn, result)})


def render_turns(turns: list[Turn]) -> list[dict[str, Any]]:
    """Return each turn with its two pieces of HTML."""
    found = []
    for turn in turns:
        result = turn.stream.result if turn.stream is not None else None
        found.append({"turn": turn, "user": render_user(turn), "answer": render_answer(turn, result or None)})
    return found


def _drawn(template: str, data: dict[str, Any]) -> str:
    # Plain text, not Django's SafeString: frames are encoded by an encoder that knows exact types only.
    return "".join((render_to_string(template, data).strip(),))


def answer_view(turn: Turn, result: ChatResult | Mapping[str, Any] | None) -> AnswerView:
    """Return the template data of an answer."""
    data: Mapping[str, Any] = result.to_dict() if isinstance(result, ChatResult) else (result or {})
    chunks = list(turn.chunks.all())
    stream = turn.stream
    state = _state(stream, data, chunks)
    source = str(data.get("text") or "")
    if not source and not data:
        answers = (c for c in chunks if c.kind == ContextChunk.Kind.ASSISTANT and c.deleted_at is None)
        source = "\n\n".join(chunk.content for chunk in answers)
    running = state == Stream.State.RUNNING
    usage = data.get("usage") or {}
    reasoning = str(data.get("reasoning_text") or "")
    return AnswerView(
        turn=turn,
        state=state,
        stream_id=str(stream.pk) if stream is not None else "",
        monogram=monogram(turn.provider),
        model=str(turn.model or data.get("model") or "Model"),
        # A running answer is drawn by the page from the events, from the first one on.
        body_html="" if running else markup.to_html(source),
        source="" if running else source,
        reasoning_html="" if running else markup.to_html(reasoning),
        reasoning_tokens=usage.get("reasoning_tokens") or estimate(reasoning),
        calls=[] if running else _calls(data, chunks),
        changes=[] if running else changes(data.get("advice") or ()),
        failure=None if running else _failure(state, data, bool(source)),
        output_tokens=usage.get("output_tokens") or (estimate(source) if source else None),
        usage_is_exact=usage.get("source") == "provider",
    )


def _state(stream: Stream | None, data: Mapping[str, Any], chunks: list[ContextChunk]) -> str:
    if stream is not None:
        # The row may still say "running" in a reader that holds the finished result.
        if stream.state == Stream.State.RUNNING and data.get("complete"):
            return Stream.State.COMPLETE
        return stream.state
    partial = any(chunk.state == ContextChunk.State.PARTIAL for chunk in chunks)
    return Stream.State.INTERRUPTED if partial or not chunks else Stream.State.COMPLETE


def _failure(state: str, data: Mapping[str, Any], has_text: bool) -> Failure | None:
    error = data.get("error") or {}
    kept = "What arrived is kept." if has_text else "Nothing had arrived yet."
    match state:
        case Stream.State.CANCELLED:
            return Failure("You stopped this answer", kept, kind="mute")
        case Stream.State.INTERRUPTED:
            text = str(error.get("message") or "The server stopped while this answer was being written.")
            return Failure(
                "The answer was interrupted",
                f"{text} {kept}",
                code=str(error.get("code") or "interrupted"),
                kind="warn",
            )
        case Stream.State.FAILED:
            title = "The answer broke off" if has_text else "No answer came"
            text = str(error.get("message") or "The provider did not say why.")
            return Failure(
                title,
                text + (f" {kept}" if has_text else ""),
                str(error.get("hint") or ""),
                str(error.get("code") or ""),
            )
    reasons = {
        "length": Failure(
            "The answer reached its length limit", "Raise “Max output” in Parameters for a longer one.", kind="warn"
        ),
        "content_filter": Failure(
            "The provider's content filter ended the answer", "What it let through is kept.", kind="warn"
        ),
    }
    return reasons.get(str(data.get("finish_reason")))


def _calls(data: Mapping[str, Any], chunks: list[ContextChunk]) -> list[ToolCallView]:
    """Return the tool calls of the result, with intent and result from their chunks."""
    # A retried answer leaves deleted chunks with the same ids; those of the answer that stands come last and win.
    chunks = sorted(chunks, key=lambda chunk: chunk.deleted_at is None)
    rows = {str(c.metadata.get("call_id")): c for c in chunks if c.kind == ContextChunk.Kind.TOOL_CALL}
    results = {str(c.metadata.get("call_id")): c for c in chunks if c.kind == ContextChunk.Kind.TOOL_RESULT}
    found = data.get("tool_calls")
    if not found:
        found = [{"id": key, "name": c.metadata.get("name"), **c.metadata} for key, c in rows.items()]
    return [_call(call, rows.get(str(call.get("id"))), results.get(str(call.get("id")))) for call in found]


def _call(call: Mapping[str, Any], row: ContextChunk | None, result: ContextChunk | None) -> ToolCallView:
    name = str(call.get("name") or "tool")
    intent = stored_intent((row.intent if row is not None else None) or call.get("intent"), name)
    error = call.get("intent_error") or {}
    invalid = call.get("invalid_arguments")
    view = ToolCallView(
        name=name,
        arguments_html=arguments_html(invalid if invalid else call.get("arguments")),
        purpose=PURPOSE_LABELS[intent.purpose],
        scope=intent.scope,
        risk=intent.risk_level,
        source=SOURCE_LABELS[intent.source],
        intent_error=str(error.get("message") or "") if isinstance(error, Mapping) else str(error),
    )
    if invalid:
        view.status, view.status_kind = "Invalid arguments", "bad"
    elif result is not None:
        wrong = bool(result.metadata.get("is_error"))
        view.status, view.status_kind = ("Failed", "bad") if wrong else ("Answered", "ok")
        view.result = result.content[:MAX_ARGUMENT_CHARS]
        view.result_line = next((line for line in result.content[:500].splitlines() if line.strip()), "Result")[:120]
        view.result_tokens = result.tokens
    return view


def arguments_html(arguments: Any) -> str:
    """Return a tool call's arguments, indented and highlighted; plain text if they are not JSON."""
    if isinstance(arguments, str):
        return markup.inline_code_html(arguments[:MAX_ARGUMENT_CHARS], "")
    text = json.dumps(arguments or {}, ensure_ascii=False)
    if len(text) > 72:
        text = json.dumps(arguments, ensure_ascii=False, indent=2)
    return markup.inline_code_html(text[:MAX_ARGUMENT_CHARS], "json")


def advice_view(item: Advice) -> AdviceView:
    """Return one piece of advice for a template."""
    plain = isinstance(item.nearest, str | int | float) and not isinstance(item.nearest, bool)
    use = f"{item.nearest:g}" if isinstance(item.nearest, float) else str(item.nearest)
    label = f"{item.nearest:,}" if isinstance(item.nearest, int) else use
    return AdviceView(
        level=item.level,
        field=item.field,
        what=item.what,
        why=item.why,
        icon=ADVICE_ICONS[item.level],
        word=item.level.capitalize(),
        use=use if plain else "",
        use_label=label if plain else "",
    )


def changes(advice: Iterable[Any]) -> list[AdviceView]:
    """Return what was left out of a request or changed in it, from the advice of a stored result."""
    views = []
    for item in advice:
        if isinstance(item, Mapping) and item.get("code") in CHANGES:
            with suppress(msgspec.ValidationError):
                views.append(advice_view(msgspec.convert(item, Advice)))
    return views

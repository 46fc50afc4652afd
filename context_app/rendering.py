"""Render turns as HTML: the user's message, and the answer in every state.

The page, the ``turn`` frame and the ``end`` frame all use ``render_user`` and ``render_answer``, so that an answer
looks the same live and reloaded. Both read ``turn.chunks`` and ``turn.stream``; prefetch them for many turns. All text
of a person or a model passes through ``context_app.markup`` or Django's escaping.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from django.template.loader import render_to_string

from context_app import answer_view, markup_worker, next_step, seams
from context_app.models import ContextChunk, Stream, Turn
from context_app.session_models import monogram
from context_app.tokens import estimate
from providers_app.advice.draft import CHANGES
from providers_app.types.advice import Advice


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
    return (None, "") if turn is None else (turn.pk, render_answer(turn, result or {}))


def render_user(turn: Turn) -> str:
    """Return the user's message of ``turn`` as HTML: their own words as typed, not as Markdown."""
    chunks = [chunk for chunk in turn.chunks.all() if chunk.role == ContextChunk.Role.USER]
    pictures = [answer_view.image(chunk.metadata) for chunk in chunks if chunk.kind == ContextChunk.Kind.IMAGE]
    text = "\n\n".join(chunk.content for chunk in chunks if chunk.kind != ContextChunk.Kind.IMAGE)
    gone = bool(chunks) and all(chunk.not_sent for chunk in chunks)
    return _drawn("chats/_user.html", {"turn": turn, "text": text, "pictures": pictures, "not_sent": gone})


def render_answer(turn: Turn, result: Mapping[str, Any] | None) -> str:
    """Return the answer of ``turn`` as sanitised HTML; ``result`` is ``None`` before anything was stored."""
    return _drawn("chats/_answer.html", {"answer": _answer(turn, result or {})})


def render_turns(turns: list[Turn]) -> list[dict[str, Any]]:
    """Return each turn with its two pieces of HTML."""
    results = [turn.stream.result if turn.stream is not None else None for turn in turns]
    return [
        {"turn": turn, "user": render_user(turn), "answer": render_answer(turn, result)}
        for turn, result in zip(turns, results, strict=True)
    ]


def _drawn(template: str, data: dict[str, Any]) -> str:
    # Plain text, not Django's SafeString: frames are encoded by an encoder that knows exact types only.
    return "".join((render_to_string(template, data).strip(),))


def _answer(turn: Turn, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template data of an answer; while it is running, the page draws its text from the events."""
    chunks, stream = answer_view.chunks_of(turn), turn.stream
    state = _state(stream, data, chunks)
    source = answer_view.text_of(chunks)
    usage = data.get("usage") or {}
    reasoning = str(data.get("reasoning_text") or "")
    view = {
        "turn": turn,
        "state": state,
        "stream_id": str(stream.pk) if stream is not None else "",
        "monogram": monogram(turn.provider),
        "model": str(turn.model or data.get("model") or "Model"),
        "output_tokens": usage.get("output_tokens") or (estimate(source) if source else None),
        "usage_is_exact": usage.get("source") == "provider",
    }
    if state == Stream.State.RUNNING:
        return view | {"running": True}
    view["routing"] = data.get("routing")
    sources = answer_view.sources(chunks)
    failure = _failure(turn, state, data, chunks)
    if failure is not None and data.get("finish_reason") != "content_filter":
        failure["continues"] = answer_view.continues(turn, chunks)
        if failure["continues"] and data.get("finish_reason") == "length":
            failure["text"] = "Continue for the rest, or raise “Max output” in Parameters."
    return view | {
        "pieces": answer_view.pieces(turn, chunks),
        "sources": sources,
        "quoted": any(source["quotes"] for source in sources),
        "source": source,
        "reasoning_html": markup_worker.to_html(reasoning),
        "reasoning_tokens": usage.get("reasoning_tokens") or estimate(reasoning),
        "changes": changes(data.get("advice") or ()),
        "continued": seams.all_in_words(chunks),
        "failure": failure,
    }


def _state(stream: Stream | None, data: Mapping[str, Any], chunks: list[ContextChunk]) -> str:
    if stream is not None:
        # The row may still say "running" in a reader that holds the finished result.
        if stream.state == Stream.State.RUNNING and data.get("complete"):
            return Stream.State.COMPLETE
        return stream.state
    partial = any(chunk.state == ContextChunk.State.PARTIAL for chunk in chunks)
    return Stream.State.INTERRUPTED if partial or not chunks else Stream.State.COMPLETE


def _failure(turn: Turn, state: str, data: Mapping[str, Any], chunks: list[ContextChunk]) -> dict[str, Any] | None:
    """Return why an answer is incomplete, with the next step and a code to copy; ``None`` for a whole one."""
    error = data.get("error") or {}
    told, code = str(error.get("message") or ""), str(error.get("code") or "")
    kept = "What was received has been saved." if chunks else "Nothing was received."
    match state:
        case Stream.State.CANCELLED:
            return {"kind": "mute", "title": "You stopped this answer", "text": kept}
        case Stream.State.INTERRUPTED:
            text = f"{told or 'The server stopped while this answer was being written.'} {kept}"
            return {"kind": "warn", "title": "The answer was interrupted", "text": text, "code": code or "interrupted"}
        case Stream.State.FAILED:
            title = "The answer was cut short" if chunks else "No response"
            text = f"{told or 'The provider gave no reason.'}{f' {kept}' if chunks else ''}"
            return {"kind": "bad", "title": title, "text": text, "code": code, **_way_on(turn, error)}
    finish = str(data.get("finish_reason"))
    title, text = {
        "length": ("The answer reached its length limit", "Raise “Max output” in Parameters for a longer one."),
        "content_filter": ("The provider's content filter ended the answer", "What was received has been saved."),
        "pause": ("The provider paused the answer", "It was continued as often as is allowed. Ask it to go on."),
        "error": ("The provider ended the answer with an error", str(data.get("finish_reason_raw") or "")),
    }.get(finish, ("", ""))
    if not any(chunk.kind in answer_view.PRODUCTS and chunk.content.strip() for chunk in chunks):
        came = f"{'Only reasoning' if data.get('reasoning_text') else 'No text, tool call or image'} was received."
        title, text = title or "The answer is empty", came if finish == "content_filter" else f"{came} {text}".strip()
    return {"kind": "warn", "title": title, "text": text} if title else None


def _way_on(turn: Turn, error: Mapping[str, Any]) -> dict[str, Any]:
    """Return the next step after an error, and its hint where that says more than the button."""
    code, hint, after = str(error.get("code") or ""), str(error.get("hint") or ""), error.get("retry_after")
    ended = turn.stream.ended_at if turn.stream is not None else None
    kind = next_step.step_of(code)
    step = next_step.next_step(kind, turn.session, failed_at=ended, retry_after=float(after) if after else None)
    return {"step": step, "hint": "" if step and hint == next_step.default_hint_of(code) else hint}


def advice_view(item: Advice) -> dict[str, str]:
    """Return one piece of advice for a template; ``use`` is the nearest valid value in a form field, if it is plain."""
    view = {"level": item.level, "field": item.field, "what": item.what, "why": item.why}
    view["icon"] = "lightbulb" if item.level == "hint" else "warning"
    if isinstance(item.nearest, str | int | float) and not isinstance(item.nearest, bool):
        view["use"] = f"{item.nearest:g}" if isinstance(item.nearest, float) else str(item.nearest)
        view["use_label"] = f"{item.nearest:,}" if isinstance(item.nearest, int) else view["use"]
    return view


def changes(advice: Iterable[Any]) -> list[dict[str, str]]:
    """Return what was left out of a request or changed in it, from the advice of a stored result."""
    views = []
    for item in advice:
        if isinstance(item, Mapping) and item.get("code") in CHANGES:
            with suppress(msgspec.ValidationError):
                views.append(advice_view(msgspec.convert(item, Advice)))
    return views

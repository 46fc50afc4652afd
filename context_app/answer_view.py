"""Turn the chunks of an answer into what the page shows of it, in their order: text, calls, server tools, files."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from context_app import markup, markup_worker, media_store, seams, server_tools
from context_app.models import Context, ContextChunk, Turn
from context_app.tool_intents import shown_intent, stored_intent

MAX_ARGUMENT_CHARS = 20_000
Kind = ContextChunk.Kind
PRODUCTS = frozenset({Kind.ASSISTANT, Kind.TOOL_CALL, Kind.IMAGE})
"""Kinds without any of which an answer is empty: a search or reasoning alone answers nothing."""


def chunks_of(turn: Turn) -> list[ContextChunk]:
    """Return the chunks of the turn's latest answer in order, those too that were deleted from the next request."""
    stream = str(turn.stream_id)
    return [
        chunk
        for chunk in turn.chunks.all()
        if chunk.role == ContextChunk.Role.ASSISTANT
        and (chunk.provenance.get("stream") == stream if turn.stream_id else chunk.deleted_at is None)
    ]


def continues(turn: Turn, chunks: Iterable[ContextChunk]) -> bool:
    """Say whether an incomplete answer can be continued, and the chat is set to.

    It can where the provider keeps it, or where there is text and no whole tool call.
    """
    if turn.context.continuing in (Context.Continuing.RESTART, Context.Continuing.NEVER) or turn.session is None:
        return False
    if turn.stream is not None and (turn.stream.result or {}).get("resumable"):
        return True
    rows = list(chunks)
    called = any(row.kind == Kind.TOOL_CALL and not row.metadata.get("invalid_arguments") for row in rows)
    refused = any(row.metadata.get("refusal") for row in rows)
    written = any(row.kind == Kind.ASSISTANT and row.content.strip() for row in rows)
    return written and not called and not refused


def text_of(chunks: Iterable[ContextChunk]) -> str:
    """Return the text of an answer as Markdown."""
    return "\n\n".join(chunk.content for chunk in chunks if chunk.kind == Kind.ASSISTANT and chunk.content.strip())


def pieces(turn: Turn, chunks: Iterable[ContextChunk]) -> list[dict[str, Any]]:
    """Return template data for each piece of an answer, with its ``kind``; results stand with their calls."""
    # Of an answer that was asked for again, the results that stand come last and win.
    rows = sorted(turn.chunks.all(), key=lambda chunk: chunk.deleted_at is None)
    results = {str(row.metadata.get("call_id")): row for row in rows if row.kind == Kind.TOOL_RESULT}
    found: list[dict[str, Any]] = []
    tools: dict[str, dict[str, Any]] = {}
    for chunk in chunks:
        data, call_id = chunk.metadata, str(chunk.metadata.get("call_id") or "")
        if chunk.kind == Kind.ASSISTANT:
            if chunk.content.strip():
                found.append({"kind": "text", "html": seams.to_html(chunk)})
        elif chunk.kind == Kind.TOOL_CALL:
            found.append({"kind": "tool_call", **_call(chunk, results.get(call_id))})
        elif chunk.kind == Kind.IMAGE:
            found.append({"kind": "image", **image(data)})
        elif chunk.kind == Kind.SERVER_TOOL:
            kind, block = str(data.get("kind") or ""), data.get("data") or {}
            if server_tools.is_result(kind) and call_id in tools:
                tools[call_id].update(server_tools.result(kind, block))
                continue
            tools[call_id] = {"kind": "server_tool", **server_tool(kind, block)}
            found.append(tools[call_id])
        else:
            found.append({"kind": "block", "name": chunk.content})
    return found


def server_tool(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return template data of a block of a server tool."""
    told = "" if server_tools.is_result(kind) else server_tools.asked(kind, data)
    view = {"title": server_tools.title(kind, data), "detail": " ".join(told[:500].split())[:160]}
    return (
        view | {"asked": told[:MAX_ARGUMENT_CHARS] if told != view["detail"] else ""} | server_tools.result(kind, data)
    )


def image(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return template data of a generated file: shown, to be downloaded, at an address, or why it was not kept."""
    media_type, ref = str(data.get("media_type") or ""), str(data.get("ref") or "")
    is_image = media_type.startswith("image/")
    url = str(data.get("url") or "")
    return {
        "ref": ref,
        "shown": bool(ref) and media_type in media_store.SHOWN,
        "is_image": is_image,
        "name": str(data.get("name") or ("Generated image" if is_image else "Generated file")),
        "media_type": media_type,
        "size": data.get("size") or 0,
        "width": data.get("width") or 0,
        "height": data.get("height") or 0,
        "url": url if markup.is_web(url) else "",
        "host": markup.host_of(url),
        "problem": str(data.get("problem") or "The provider gave neither its content nor its address."),
    }


def sources(chunks: Iterable[ContextChunk]) -> list[dict[str, Any]]:
    """Return the numbered sources of an answer, each once, with the passages quoted from it."""
    found: dict[str, dict[str, Any]] = {}
    for chunk in chunks:
        for item in chunk.metadata.get("citations") or ():
            if not isinstance(item, Mapping):
                continue
            url = str(item.get("url") or "")
            title = str(item.get("title") or item.get("document_title") or "")
            host = markup.host_of(url).removeprefix("www.") if markup.is_web(url) else ""
            source = found.setdefault(
                url or title or str(item),
                {
                    "number": len(found) + 1,
                    "url": url if host else "",
                    "host": host,
                    "title": title or host or url or "Source",
                    "quotes": [],
                },
            )
            quote = str(item.get("quote") or "").strip()
            if quote and quote not in source["quotes"]:
                source["quotes"].append(quote)
    return list(found.values())


def _call(chunk: ContextChunk, answer: ContextChunk | None) -> dict[str, Any]:
    data = chunk.metadata
    name = str(data.get("name") or "tool")
    invalid = data.get("invalid_arguments")
    view = {
        "name": name,
        "arguments_html": arguments_html(invalid or data.get("arguments")),
        **shown_intent(stored_intent(chunk.intent, name)),
        "intent_error": str(data.get("intent_error") or ""),
    }
    if invalid:
        return view | {"status": "Invalid arguments", "status_kind": "bad"}
    if answer is None:
        return view | {"status": "Requested", "status_kind": "mute"}
    wrong = bool(answer.metadata.get("is_error"))
    return view | {
        "status": "Failed" if wrong else "Answered",
        "status_kind": "bad" if wrong else "ok",
        "result": answer.content[:MAX_ARGUMENT_CHARS],
        "result_line": next((line for line in answer.content[:500].splitlines() if line.strip()), "Result")[:120],
        "result_tokens": answer.tokens,
    }


def arguments_html(arguments: Any) -> str:
    """Return a tool call's arguments, indented and highlighted; plain text if they are not JSON."""
    if isinstance(arguments, str):
        return markup_worker.inline_code_html(arguments[:MAX_ARGUMENT_CHARS], "")
    text = json.dumps(arguments or {}, ensure_ascii=False)
    if len(text) > 72:
        text = json.dumps(arguments, ensure_ascii=False, indent=2)
    return markup_worker.inline_code_html(text[:MAX_ARGUMENT_CHARS], "json")

"""Format kinds of chunks, ages, tokens and money for the chat pages. Load with ``{% load chat_tags %}``."""

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from context_app import server_tools, session_models
from context_app.answer_view import image, server_tool
from context_app.models import ContextChunk
from context_app.tool_intents import intent_of_chunk, shown_intent

register = template.Library()

KIND_ICONS = {"assistant": "sparkle", "tool_call": "wrench", "tool_result": "return"}
KIND_ICONS |= {"server_tool": "globe", "block": "lock"}
KIND_ICONS |= {kind: kind for kind in ("system", "note", "user", "summary", "image")}
_AGES = ((86_400 * 365, "y"), (86_400, "d"), (3_600, "h"), (60, "m"))


@register.filter
def kind_icon(kind: str) -> str:
    """Return the icon of a kind of chunk."""
    return KIND_ICONS.get(kind, "file")


@register.filter
def of_field(advice: dict[str, list[dict[str, str]]] | None, name: str) -> list[dict[str, str]]:
    """Return the advice about one field of the parameters."""
    return (advice or {}).get(name, [])


@register.filter
def first_line(chunk: ContextChunk) -> str:
    """Return the title of a row of the panel: the name of a file or a call, else the first line with text."""
    name = chunk.metadata.get("name") if isinstance(chunk.metadata, dict) else None
    head = chunk.content[:2000]
    line = next((line.strip() for line in head.splitlines() if line.strip()), "")[:200]
    if chunk.role == "assistant":  # a person's words are no Markdown
        line = line.lstrip("#>*` ").replace("**", "").replace("`", "") or line
    if chunk.kind == "server_tool":
        return _server_tool(str(chunk.metadata.get("kind") or ""), chunk.metadata.get("data") or {})
    if chunk.kind == "image":
        return str(image(chunk.metadata)["name"])
    if chunk.kind == "file" and name:
        return str(name)
    if chunk.kind == "tool_call" and name:
        return f"{name} · {_arguments(chunk.metadata.get('arguments'))}".rstrip(" ·")
    return line or ("(empty)" if chunk.state != "streaming" else "…")


def _server_tool(kind: str, data: dict[str, Any]) -> str:
    view = server_tool(kind, data)
    if not server_tools.is_result(kind):
        return f"{view['title']} · {view['detail']}".rstrip(" ·")
    found = view["facts"] or ("Failed" if view["failed"] else view["output"][:200].strip().split("\n")[0] or "Result")
    return f"{found} · {server_tools.name_of(kind, data)}"


@register.filter
def completes(chunk: ContextChunk) -> bool:
    """Return whether a chunk is the result of the call before it."""
    return chunk.kind == "tool_result" or server_tools.is_result(str(chunk.metadata.get("kind") or ""))


@register.simple_tag
def intent_of(chunk: ContextChunk) -> dict[str, str] | None:
    """Return the intent of a tool call for its row in the panel; ``None`` for any other chunk."""
    return shown_intent(intent_of_chunk(chunk)) if chunk.kind == "tool_call" else None


def _arguments(arguments: Any) -> str:
    if not isinstance(arguments, dict):
        return ""
    return ", ".join(f"{key}={value}" for key, value in arguments.items())[:120]


@register.filter
def age(value: datetime) -> SafeString:
    """Return an age in few characters ("26 m"), with the exact time on hover."""
    seconds = (timezone.now() - value).total_seconds()
    text = next((f"{int(seconds // size)} {letter}" for size, letter in _AGES if seconds >= size), "now")
    return format_html(
        '<time class="num" datetime="{}" title="{}">{}</time>',
        value.astimezone(UTC).isoformat(timespec="seconds"),
        timezone.localtime(value).strftime("%a %d %b %Y, %H:%M:%S %Z").strip(),
        text,
    )


@register.filter
def thousands(value: int | None) -> str:
    """Return ``80407`` as ``80,407``."""
    return "–" if value is None else f"{value:,}"


@register.filter
def dollars(value: float | None) -> str:
    """Return an amount in dollars: cents, with more digits below one cent."""
    if not value:
        return "" if value is None else "$0"
    if value < 0.0001:
        return "< $0.0001"
    return f"${value:.2f}" if value >= 0.01 else f"${value:.4f}"


@register.filter
def price(value: float | None) -> str:
    """Return dollars per million tokens: ``$3``, ``$0.25``."""
    if value is None:
        return "–"
    return "free" if value == 0 else f"${value:g}"


register.filter("monogram", session_models.monogram)

"""The rest of an answer beside text and calls: sources, generated files, server tools, blocks of unknown kinds."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from providers_app.types.events import Citation, GeneratedFile, OpaqueBlock, ServerToolEvent
from providers_app.wire import payload

_NESTED = ("url_citation", "file_citation", "web", "retrievedContext", "maps")
_URL = ("url", "uri", "source")
_TITLE = ("title", "document_title", "filename", "name")
_QUOTE = ("cited_text", "quote", "snippet", "text", "content")
_SERVER_KINDS = frozenset(
    {"executableCode", "codeExecutionResult", "toolCall", "toolResponse", "container_upload", "compaction"}
)
_SERVER_ENDS = ("_call", "_output", "_tool_use", "_tool_result")


def cited(data: Any) -> Citation:
    """Return the source that a provider describes: an object in the form of any provider, or a bare address."""
    if not isinstance(data, dict):
        return Citation({"url": data}, payload.text(data))
    inner = next((value for name in _NESTED if isinstance(value := data.get(name), dict)), data)
    return Citation(data, *(_first(inner, names) for names in (_URL, _TITLE, _QUOTE)))


def all_cited(found: Any) -> Iterable[Citation]:
    """Return the sources in a list of descriptions, without those that say nothing."""
    return (cited(one) for one in payload.sequence(found) if isinstance(one, dict | str) and one)


def block(kind: str, data: dict[str, Any]) -> ServerToolEvent | OpaqueBlock:
    """Return a block that is neither text nor a call: a server tool's by its kind, else one that is not known."""
    known = kind in _SERVER_KINDS or kind.endswith(_SERVER_ENDS) or kind.startswith("mcp_")
    return ServerToolEvent(kind, data) if known else OpaqueBlock(kind, data)


def generated(
    kind: str, media_type: Any, data: Any, *, name: str = "", opaque: dict[str, Any] | None = None
) -> GeneratedFile:
    """Return a file from its base64; the event says so where that is none."""
    media_type = payload.text(media_type) or "image/png"
    try:
        content = base64.b64decode(payload.text(data), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    problem = "" if content else "The provider sent a file that is empty or not base64."
    return GeneratedFile(
        media_type, kind=kind, name=name, size=len(content), problem=problem, opaque=opaque, data=content
    )


def picture_at(kind: str, url: str, media_type: Any = None) -> GeneratedFile:
    """Return a picture (or another file) from its address, or from a ``data:`` URL that holds it."""
    if not url.startswith("data:"):
        return GeneratedFile(payload.text(media_type) or "image/png", kind=kind, url=url)
    head, _, data = url[5:].partition(",")
    return generated(kind, head.partition(";")[0], data)


def _first(source: dict[str, Any], names: Iterable[str]) -> str:
    return next((text for name in names if (text := payload.text(source.get(name)))), "")

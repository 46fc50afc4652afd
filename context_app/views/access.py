"""How a view gets what it works on: always through the signed-in person, else 404."""

from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest

from context_app import selectors
from context_app.models import Context, ContextChunk


def typed(request: HttpRequest, name: str, length: int) -> str:
    """What the address says for ``name``, without NUL, which no database looks for, and at most ``length`` long."""
    return request.GET.get(name, "").replace("\x00", "").strip()[:length]


def owner(request: HttpRequest) -> Any:
    """The signed-in person (every view of this package requires one)."""
    return cast(Any, request.user)


def context_or_404(request: HttpRequest, pk: UUID) -> Context:
    """The person's chat. Raises ``Http404`` for a foreign, deleted or missing one alike."""
    try:
        return selectors.get_context(owner(request).pk, pk)
    except Context.DoesNotExist:
        raise Http404("There is no such chat.") from None


def chunk_or_404(request: HttpRequest, pk: UUID, chunk_id: UUID) -> ContextChunk:
    """A chunk of the person's chat. Raises ``Http404``."""
    try:
        return selectors.get_chunk(owner(request).pk, pk, chunk_id)
    except ContextChunk.DoesNotExist:
        raise Http404("There is no such chunk.") from None

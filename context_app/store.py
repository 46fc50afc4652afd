"""The provider core's ``ContextStore``: contexts in Django's database, read and written on the store pool."""

from contextlib import suppress
from uuid import UUID

from context_app import assembly, selectors
from context_app.models import Context, ContextChunk
from context_app.services import chunks as chunk_services
from context_app.tool_intents import intent_of_chunk
from providers_app.errors import UnknownContext
from providers_app.ports import SYSTEM, Chunk, Owner
from providers_app.types.chat import Message
from sessions_app.stores.pool import on_pool


class DjangoContextStore:
    """Contexts of their owner only; every method may be awaited on any loop, and raises ``UnknownContext``."""

    @on_pool
    def messages(self, owner: Owner, context_id: str) -> tuple[Message, ...]:
        """Return the messages that would be sent, in order."""
        return assembly.build_messages(selectors.chunks(_context(owner, context_id)))

    @on_pool
    def list_chunks(
        self, owner: Owner, context_id: str, *, query: str = "", kinds: frozenset[str] = frozenset()
    ) -> list[Chunk]:
        """Return the chunks that are not deleted, in order, filtered by text (in any case) and kind."""
        rows = ContextChunk.objects.filter(context=_context(owner, context_id), deleted_at=None)
        if query:
            rows = rows.filter(content__icontains=query)
        if kinds:
            rows = rows.filter(kind__in=kinds)
        return [_as_chunk(row) for row in rows.order_by("order", "created_at")]

    @on_pool
    def delete_chunk(self, owner: Owner, context_id: str, chunk_id: str) -> None:
        """Delete a chunk (and the other half of a tool call) as an edit."""
        owner_id = _context(owner, context_id).owner_id if owner is SYSTEM else owner
        try:
            chunk = selectors.get_chunk(owner_id, UUID(str(context_id)), UUID(str(chunk_id)))
        except (ValueError, ContextChunk.DoesNotExist):
            chunk = None
        if chunk is None or chunk.deleted_at is not None:
            raise UnknownContext("There is no such chunk in this chat.")
        chunk_services.delete(chunk=chunk, actor=owner_id)


def _context(owner: Owner, context_id: str) -> Context:
    rows = Context.objects.filter(deleted_at=None) if owner is SYSTEM else selectors.owned(owner)
    with suppress(ValueError):
        if found := rows.filter(pk=UUID(str(context_id))).first():
            return found
    raise UnknownContext("There is no such chat.")


def _as_chunk(row: ContextChunk) -> Chunk:
    return Chunk(
        id=str(row.pk),
        order=row.order,
        role=row.role,
        kind=row.kind,
        content=row.content,
        tokens=row.tokens,
        pinned=row.pinned,
        excluded=row.excluded,
        metadata=row.metadata,
        intent=intent_of_chunk(row) if row.kind == ContextChunk.Kind.TOOL_CALL else None,
        intent_error=str(row.metadata.get("intent_error") or ""),
    )

"""The provider core's ``ContextStore``: contexts in Django's database, read and written on the store pool."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, Q, QuerySet, Sum

from context_app import assembly, selectors, sending
from context_app.models import Context, ContextChunk
from context_app.services import chunks, contexts
from context_app.tool_intents import intent_of_chunk
from providers_app.chat import stored_media
from providers_app.errors import (
    InvalidRequest,
    MediaRefused,
    ModelRequired,
    OwnerRequired,
    ProviderError,
    TurnRunning,
    UnknownContext,
)
from providers_app.ports import SYSTEM, Chunk, Owner
from providers_app.types.chat import Message, NewTurn, StoredContext
from providers_app.types.events import Event, GeneratedFile
from providers_app.types.intent import ToolIntent
from sessions_app.models import Pk
from sessions_app.stores.pool import in_store, on_pool

HINTS: dict[type[ProviderError], str] = {
    UnknownContext: "Make one with provider.create_context(), or find yours with provider.list_contexts().",
    ModelRequired: "Pass model=.",
    TurnRunning: "Wait until that answer ends, or stop it: close its iteration, or press Stop on the chat page.",
}
"""The next step for a program, in place of the page's."""


class DjangoContextStore:
    """Contexts of their owner only; every method may be awaited on any loop.

    One that names a context raises ``UnknownContext``.
    """

    @on_pool
    def create_context(self, owner: Owner, *, title: str, system: str) -> StoredContext:
        """Create a context, always a new one. Raises ``InvalidRequest``, ``OwnerRequired``."""
        _check_length(system)
        made = contexts.create_new(owner=_person(owner), title=title, system=system)
        return _as_context(_described(Context.objects.filter(pk=made.pk)).get())

    @on_pool
    def list_contexts(self, owner: Owner, *, query: str, archived: bool, limit: int) -> list[StoredContext]:
        """Return the contexts with ``query`` in title or text, the one that changed last first."""
        rows = selectors.matching(_owned(owner), query=query, archived=archived)
        return [_as_context(row) for row in _described(rows).order_by("-updated_at")[:limit]]

    @on_pool
    def get_context(self, owner: Owner, context_id: str) -> StoredContext:
        """Return a context. Raises ``UnknownContext``."""
        return _as_context(_described(Context.objects.filter(pk=_context(owner, context_id).pk)).get())

    @on_pool
    def delete_context(self, owner: Owner, context_id: str) -> None:
        """Delete a context, which can be restored for a day. Raises ``UnknownContext``."""
        contexts.delete(context=_context(owner, context_id))

    @on_pool
    def append_chunk(self, owner: Owner, context_id: str, content: str, **columns: str) -> Chunk:
        """Append a chunk with its ``kind``, ``role`` and ``name`` as an edit. Raises ``InvalidRequest``."""
        context = _context(owner, context_id)
        _check_length(content)
        name = columns.pop("name", "")
        given: dict[str, Any] = {**columns, "metadata": {"name": name} if name else {}}
        try:
            return _as_chunk(chunks.add(context=context, actor=context.owner_id, content=content, **given))
        except chunks.ChunkRefused as error:
            raise InvalidRequest(str(error)) from None

    async def ask(self, owner: Owner, turn: NewTurn) -> tuple[str, AsyncGenerator[Event, None]]:
        """Store the question and begin the answer; return the context's id and the events of the answer.

        A process that died while it answered here does not keep the context busy. Raises as ``turns.ask``.
        """
        # Only here, because what runs an answer imports every sign-in, and no command should start with that.
        from context_app.services import turns
        from context_app.services.questions import question_of
        from context_app.streams import runtime

        question = question_of(turn)
        try:
            person, key = await in_store(_place, owner, turn.context_id)
            await _keep_pictures(person, (*question.before, *question.pictures))
            try:
                started = await turns.ask(owner=person, context_id=key, question=question)
            except TurnRunning:
                await in_store(runtime.current().take_over)
                started = await turns.ask(owner=person, context_id=key, question=question)
        except ProviderError as error:
            error.hint = HINTS.get(type(error), error.hint)
            raise
        return str(started.context_id), turns.events(person, started)

    @on_pool
    def messages(self, owner: Owner, context_id: str) -> tuple[Message, ...]:
        """Return the messages that would be sent, in order."""
        return assembly.build_messages(sending.completed(selectors.chunks(_context(owner, context_id))))

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
        chunk = _chunk(owner, context_id, chunk_id)
        chunks.delete(chunk=chunk, actor=chunk.context.owner_id)

    @on_pool
    def state_intent(self, owner: Owner, context_id: str, chunk_id: str, said: ToolIntent) -> Chunk:
        """Store what a person says a tool call is for. Raises ``InvalidRequest`` for what has no intent to set."""
        chunk = _chunk(owner, context_id, chunk_id)
        try:
            chunks.state_intent(chunk=chunk, actor=chunk.context.owner_id, said=said)
        except chunks.ChunkRefused as error:
            raise InvalidRequest(str(error)) from None
        return _as_chunk(_chunk(owner, context_id, chunk_id))


async def _keep_pictures(person: Pk, chunks: Iterable[dict[str, Any]]) -> None:
    """Store inline pictures, and name them in their chunks. Raises ``MediaRefused``."""
    from context_app.streams.answer_chunks import file_columns

    for data in [chunk["metadata"] for chunk in chunks if "data" in chunk["metadata"] and chunk["kind"] == "image"]:
        content = await asyncio.to_thread(base64.b64decode, data.pop("data"))
        given = GeneratedFile(data["media_type"], name=data["name"], data=content)
        file = cast(GeneratedFile, (await stored_media.keep(person, [given]))[0])
        if file.problem:
            raise MediaRefused(file.problem)
        data |= file_columns(file)


def _place(owner: Owner, context_id: str | None) -> tuple[Pk, UUID | None]:
    """Return the person for whom a question is stored, and the key of the context."""
    if context_id is None:
        return _person(owner), None
    context = _context(owner, context_id)
    return context.owner_id, context.pk


def _person(owner: Owner) -> Pk:
    """Return the key of an active person. Raises ``OwnerRequired``."""
    if not isinstance(owner, int | str):
        raise OwnerRequired("A context belongs to a person, not to the installation.")
    if not get_user_model().objects.filter(pk=owner, is_active=True).exists():
        raise OwnerRequired("There is no such user, or the account is disabled.")
    return owner


def _owned(owner: Owner) -> "QuerySet[Context]":
    return Context.objects.filter(deleted_at=None) if owner is SYSTEM else selectors.owned(owner)


def _context(owner: Owner, context_id: str) -> Context:
    with suppress(ValueError):
        if found := _owned(owner).filter(pk=UUID(str(context_id))).first():
            return found
    raise UnknownContext("There is no such context.", hint=HINTS[UnknownContext])


def _chunk(owner: Owner, context_id: str, chunk_id: str) -> ContextChunk:
    mine = ContextChunk.objects.filter(context__in=_owned(owner), deleted_at=None).select_related("context")
    with suppress(ValueError):
        if found := mine.filter(context=UUID(str(context_id)), pk=UUID(str(chunk_id))).first():
            return found
    _context(owner, context_id)  # whichever of the two is missing is named
    raise UnknownContext("There is no such chunk in this context.", hint="See provider.list_context_chunks().")


def _check_length(text: str) -> None:
    if len(text) > (limit := settings.MAESTRO.context.max_chunk_chars):
        raise InvalidRequest(f"The text has {len(text):,} characters; a chunk has at most {limit:,}.")


def _described(rows: "QuerySet[Context]") -> "QuerySet[Context]":
    present = Q(chunks__deleted_at=None)
    return rows.annotate(n_chunks=Count("chunks", filter=present), n_tokens=Sum("chunks__tokens", filter=present))


def _as_context(row: Any) -> StoredContext:
    return StoredContext(
        id=str(row.pk),
        title=row.title,
        session=str(row.session_id) if row.session_id else None,
        model=row.model,
        pinned=row.pinned,
        archived=row.archived_at is not None,
        created_at=row.created_at.timestamp(),
        updated_at=row.updated_at.timestamp(),
        chunks=row.n_chunks,
        tokens=row.n_tokens or 0,
    )


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
        not_sent=row.not_sent,
        metadata=row.metadata,
        intent=intent_of_chunk(row) if row.kind == ContextChunk.Kind.TOOL_CALL else None,
        intent_error=str(row.metadata.get("intent_error") or ""),
    )

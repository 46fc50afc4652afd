"""Edits of one chat at the same time: each sees what the one before it wrote, for which it waited."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction

from context_app import selectors
from context_app.models import Context, ContextChunk, ContextEdit, Turn
from context_app.services import chunks, undo
from providers_app.types.intent import ToolIntent

pytestmark = pytest.mark.django_db
Edit = Callable[[Context, ContextChunk], Any]


def deleted(context: Context, chunk: ContextChunk) -> Any:
    return chunks.delete(chunk=chunk, actor=context.owner)


def pinned(context: Context, chunk: ContextChunk) -> Any:
    return chunks.set_pinned(chunk=chunk, actor=context.owner, pinned=True)


def excluded(context: Context, chunk: ContextChunk) -> Any:
    return chunks.set_excluded(chunk=chunk, actor=context.owner, excluded=True)


def excluded_with_others(context: Context, chunk: ContextChunk) -> Any:
    return chunks.exclude_many(context=context, actor=context.owner, ids=[chunk.pk])


def appended(context: Context, chunk: ContextChunk) -> Any:
    return chunks.append(context=context, kind="user", role="user", content="more").order


def with_system_text(context: Context, chunk: ContextChunk) -> Any:
    return chunks.set_system(context=context, actor=context.owner, content="Be brief.")


def with_intent(context: Context, chunk: ContextChunk) -> Any:
    said = ToolIntent("test_pass", risk_level="low")
    try:
        return chunks.state_intent(chunk=chunk, actor=context.owner, said=said).edit_id
    except chunks.ChunkRefused:
        return "refused"


def undone(context: Context, chunk: ContextChunk) -> Any:
    return undo.undo(context=context)


def redone(context: Context, chunk: ContextChunk) -> Any:
    return undo.redo(context=context)


CASES: dict[str, tuple[Edit, Edit, Any]] = {
    "deleted": (excluded, deleted, chunks.Edited([], None)),
    "pinned": (excluded_with_others, pinned, chunks.Edited([], None)),
    "appended": (appended, appended, 3 * chunks.STEP),
    "refused": (with_intent, deleted, "refused"),
    "undone": (undone, undone, None),
    "redone": (redone, redone, None),
}
"""The edit, what another one writes while it waits, and what comes of it then."""


@pytest.fixture
def context() -> Context:
    return Context.objects.create(owner=get_user_model().objects.create_user("ada"))


@pytest.fixture
def chunk(context: Context) -> ContextChunk:
    turn = Turn.objects.create(context=context)
    metadata = {"call_id": "c", "name": "look"}
    return chunks.append(
        context=context, kind="tool_call", role="assistant", content="{}", turn=turn, metadata=metadata
    )


def before(monkeypatch: pytest.MonkeyPatch, other: Callable[[], Any]) -> list[Any]:
    """Another edit holds the lock at first and ends when the one that waits gets it; returns the chats waited for."""
    lock, waited = chunks.lock, list[Any]()

    def waits(context_id: Any) -> None:
        assert connection.in_atomic_block, "a lock ends with its transaction"
        waited.append(context_id)
        if len(waited) == 1:
            other()
        lock(context_id)

    monkeypatch.setattr(chunks, "lock", waits)
    monkeypatch.setattr(undo, "lock", waits)
    return waited


@pytest.mark.parametrize("case", CASES)
def test_an_edit_sees_what_the_one_before_it_wrote(
    context: Context, chunk: ContextChunk, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    edit, other, seen = CASES[case]
    if case in ("undone", "redone"):
        excluded(context, chunk)
    if case == "redone":
        undone(context, chunk)
    waited = before(monkeypatch, lambda: other(context, chunk))
    assert edit(context, chunk) == seen
    assert set(waited) == {context.pk} and len(waited) == 2


def test_two_system_texts_at_once_leave_one(
    context: Context, chunk: ContextChunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other() -> None:
        chunks.set_system(context=context, actor=context.owner, content="Be kind.")

    before(monkeypatch, other)
    with_system_text(context, chunk)
    assert [row.content for row in selectors.chunks(context)] == ["Be brief.", "{}"]
    assert list(ContextEdit.objects.order_by("id").values_list("action", flat=True)) == ["add", "edit"]


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("edit", [excluded, excluded_with_others, with_system_text, with_intent, undone, redone])
def test_an_edit_waits_for_the_transaction_of_another(context: Context, chunk: ContextChunk, edit: Edit) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: a transaction waits before it begins")
    excluded(context, chunk)
    if edit is redone:
        undone(context, chunk)
    done = threading.Event()

    def run() -> None:
        try:
            edit(context, chunk)
        finally:
            done.set()
            connections.close_all()

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0])

    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            chunks.lock(context.pk)
            ended = thread.submit(run)
            while not (waiting := waits()) and not done.wait(0.01):
                pass
        ended.result(60)
    assert waiting, "it went on beside a transaction that holds the chat"

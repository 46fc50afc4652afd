"""The provider core's view of contexts: through their owner only."""

import uuid
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

from context_app.models import ContextEdit
from context_app.services import chunks
from context_app.store import DjangoContextStore
from providers_app import ports, provider
from providers_app.errors import UnknownContext
from providers_app.ports import SYSTEM
from providers_app.types.chat import TextPart
from providers_app.types.intent import ToolIntent
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, open_desk


@pytest.fixture
async def talked(desk: Desk) -> Desk:
    await desk.answer("Where is the Stripe webhook?")
    await desk.answer("And the tests?")
    return desk


async def test_installed_store_is_djangos(talked: Desk) -> None:
    assert isinstance(ports.context_store(), DjangoContextStore)


async def test_chunks_by_text_and_kind(talked: Desk) -> None:
    async def listed(**fields: Any) -> list[str]:
        found = await provider.list_context_chunks(
            "demo", "ada_demo", str(talked.context.pk), owner=talked.user, **fields
        )
        return [chunk.kind for chunk in found]

    assert await listed() == ["user", "assistant", "user", "assistant"]
    assert await listed(query="stripe WEBHOOK", kinds=["user"]) == ["user"]
    assert await listed(kinds=["tool_call"]) == []


async def test_messages_are_what_would_be_sent(talked: Desk) -> None:
    messages = await DjangoContextStore().messages(talked.user.pk, str(talked.context.pk))
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    (first,) = messages[0].parts
    (question, *_) = await DjangoContextStore().list_chunks(talked.user.pk, str(talked.context.pk))
    assert first == TextPart("Where is the Stripe webhook?", source=question.id)


async def test_deleted_chunk_is_gone_and_can_be_undone(talked: Desk) -> None:
    store = DjangoContextStore()
    listed = await store.list_chunks(talked.user.pk, str(talked.context.pk))
    await provider.delete_context_chunk("demo", "ada_demo", str(talked.context.pk), listed[0].id, owner=talked.user)
    left = await store.list_chunks(talked.user.pk, str(talked.context.pk))
    assert [chunk.id for chunk in left] == [chunk.id for chunk in listed[1:]]
    assert await in_store(ContextEdit.objects.count) == 1
    with pytest.raises(UnknownContext):
        await store.delete_chunk(talked.user.pk, str(talked.context.pk), listed[0].id)


async def test_the_deletion_of_a_chunk_takes_few_queries(talked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = await DjangoContextStore().list_chunks(talked.user.pk, str(talked.context.pk))
    statements: list[str] = []
    original = CursorWrapper.execute

    def execute(cursor: CursorWrapper, sql: Any, params: Any = None) -> Any:
        statements.append(sql)
        return original(cursor, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", execute)  # of every thread; a capture sees one connection only
    await provider.delete_context_chunk("demo", "ada_demo", str(talked.context.pk), listed[0].id, owner=talked.user)
    monkeypatch.undo()
    mine = [sql for sql in statements if "context_app_stream" not in sql]
    # The session, the chunk, BEGIN or the lock, the chunk again, its change, the edit, what could be redone.
    assert len(mine) <= 7, mine


async def test_what_is_foreign_does_not_exist(talked: Desk) -> None:
    bob = await open_desk(talked.kit, "bob")
    store = DjangoContextStore()
    (chunk, *_) = await store.list_chunks(talked.user.pk, str(talked.context.pk))
    for context in (str(talked.context.pk), str(uuid.uuid4()), "nonsense", ""):
        with pytest.raises(UnknownContext):
            await store.messages(bob.user.pk, context)
        with pytest.raises(UnknownContext):
            await store.list_chunks(bob.user.pk, context)
        with pytest.raises(UnknownContext):
            await store.delete_chunk(bob.user.pk, context, chunk.id)
    with pytest.raises(UnknownContext):
        await store.delete_chunk(bob.user.pk, str(bob.context.pk), chunk.id)
    assert len(await store.messages(SYSTEM, str(talked.context.pk))) == 4


async def test_tool_calls_are_listed_with_their_intent(talked: Desk) -> None:
    def add() -> None:
        metadata = {"call_id": "c1", "name": "deploy", "intent_error": "No intent: soon."}
        intent = {"purpose": "test_pass", "scope": "staging", "risk_level": "high", "source": "model"}
        common: dict[str, Any] = {"context": talked.context, "kind": "tool_call", "role": "assistant", "content": "{}"}
        chunks.append(**common, metadata=metadata, intent=intent)
        chunks.append(**common, metadata={"call_id": "c2", "name": "look"})

    await in_store(add)
    listed = await provider.list_context_chunks("demo", "ada_demo", str(talked.context.pk), owner=talked.user)
    found = [(chunk.intent, chunk.intent_error) for chunk in listed if chunk.kind == "tool_call"]
    assert found == [
        (ToolIntent("test_pass", "staging", "high", "model"), "No intent: soon."),
        (ToolIntent(None, "look", "medium"), ""),
    ]
    assert {chunk.intent for chunk in listed if chunk.kind != "tool_call"} == {None}

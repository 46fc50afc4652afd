"""Edits of a context: what they change, what goes along, and how they are taken back."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from context_app import selectors
from context_app.models import Context, ContextChunk, ContextEdit, Turn
from context_app.services import chunks, undo
from providers_app.types.intent import ToolIntent

pytestmark = [pytest.mark.django_db, pytest.mark.both]


@pytest.fixture
def context() -> Context:
    person = get_user_model().objects.create_user("ada")
    return Context.objects.create(owner=person, title="Chat")


def add(context: Context, kind: str = "user", content: str = "hello", **fields: Any) -> ContextChunk:
    return chunks.append(context=context, kind=kind, role="user", content=content, **fields)


def pair(context: Context) -> tuple[ContextChunk, ContextChunk]:
    turn = Turn.objects.create(context=context)
    data = {"call_id": "c1", "name": "look", "arguments": {}}
    call = add(context, "tool_call", json.dumps({}), turn=turn, metadata=data)
    return call, add(context, "tool_result", "found", turn=turn, metadata=data)


def sent(context: Context) -> list[ContextChunk]:
    return [row for row in selectors.chunks(context) if not row.not_sent]


def listed(context: Context) -> list[str]:
    return [row.content for row in selectors.chunks(context)]


def test_a_person_states_the_intent_of_a_call_and_takes_it_back(context: Context) -> None:
    call, result = pair(context)
    declared = {"purpose": "best_practice", "scope": "docs", "risk_level": "medium", "source": "tool"}
    ContextChunk.objects.filter(pk=call.pk).update(intent=declared)
    edited = chunks.state_intent(chunk=call, actor=context.owner, said=ToolIntent(scope="tests/", risk_level="high"))
    assert [row.pk for row in edited.chunks] == [call.pk]
    call.refresh_from_db()
    assert call.intent == {**declared, "scope": "tests/", "risk_level": "high", "source": "person"}
    chunks.state_intent(chunk=call, actor=context.owner, said=ToolIntent("test_pass", risk_level="low"))
    call.refresh_from_db()
    raised = {"purpose": "test_pass", "scope": "tests/", "risk_level": "high", "source": "person"}
    assert call.intent == raised, "a statement lowers no risk, not even that of an earlier one"
    again = chunks.state_intent(chunk=call, actor=context.owner, said=ToolIntent("test_pass", risk_level="low"))
    assert again.edit_id is None
    undo.undo(context=context)
    undo.undo(context=context)
    call.refresh_from_db()
    assert call.intent == declared
    undo.redo(context=context)
    call.refresh_from_db()
    assert call.intent["source"] == "person"
    result.refresh_from_db()
    assert result.intent == {}


def test_only_a_call_of_a_finished_answer_has_an_intent_to_set(context: Context) -> None:
    call, result = pair(context)
    running = add(context, "tool_call", "{}", state="streaming")
    gone = add(context, "tool_call", "{}", deleted_at=timezone.now())
    for chunk in (result, running, gone):
        with pytest.raises(chunks.ChunkRefused, match="finished answer"):
            chunks.state_intent(chunk=chunk, actor=context.owner, said=ToolIntent("test_pass"))
    assert not ContextEdit.objects.exists()
    assert chunks.state_intent(chunk=call, actor=context.owner, said=ToolIntent()).chunks[0].intent == {
        "purpose": None,
        "scope": "look",
        "risk_level": "medium",
        "source": "person",
    }


def test_append_keeps_the_order_and_leaves_room(context: Context) -> None:
    first, second = add(context, content="one"), add(context, content="two")
    assert second.order - first.order == chunks.STEP
    assert listed(context) == ["one", "two"]
    assert first.tokens == 1
    assert not ContextEdit.objects.exists()


def test_append_takes_a_given_token_count(context: Context) -> None:
    assert add(context, tokens=0).tokens == 0
    assert add(context, tokens=812).tokens == 812


@pytest.mark.django_db(transaction=True)
def test_chunks_that_are_appended_at_once_get_places_of_their_own(context: Context) -> None:
    def several(number: int) -> None:
        try:
            for _ in range(6):
                add(context, content=str(number))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(several, range(6)))
    orders = [row.order for row in selectors.chunks(context)]
    assert orders == [chunks.STEP * number for number in range(1, 37)]


def test_exclude_and_include_are_journalled_and_undone(context: Context) -> None:
    chunk = add(context)
    chunks.set_excluded(chunk=chunk, actor=context.owner, excluded=True)
    assert sent(context) == []
    assert undo.history(context) == (ContextEdit.objects.get().pk, False)
    undo.undo(context=context)
    assert len(sent(context)) == 1
    assert undo.history(context) == (None, True)
    undo.redo(context=context)
    assert sent(context) == []


def test_doing_the_same_twice_is_one_edit(context: Context) -> None:
    chunk = add(context)
    for _ in range(2):
        chunks.set_pinned(chunk=chunk, actor=context.owner, pinned=True)
    assert ContextEdit.objects.count() == 1


@pytest.mark.parametrize("half", [0, 1])
def test_a_call_and_its_result_leave_and_return_together(context: Context, half: int) -> None:
    halves = pair(context)
    gone = chunks.delete(chunk=halves[half], actor=context.owner).chunks
    assert {row.pk for row in gone} == {row.pk for row in halves}
    assert listed(context) == []
    undo.undo(context=context)
    assert len(listed(context)) == 2
    chunks.set_excluded(chunk=halves[half], actor=context.owner, excluded=True)
    assert all(row.excluded for row in selectors.chunks(context))


def test_restore_brings_both_halves_back(context: Context) -> None:
    call, _ = pair(context)
    chunks.delete(chunk=call, actor=context.owner)
    chunks.restore(chunk=ContextChunk.objects.get(pk=call.pk), actor=context.owner)
    assert len(listed(context)) == 2


def test_calls_of_other_turns_with_the_same_id_stay(context: Context) -> None:
    first, _ = pair(context)
    pair(context)
    chunks.delete(chunk=first, actor=context.owner)
    assert len(listed(context)) == 2


def test_pinned_and_excluded_exclude_each_other(context: Context) -> None:
    chunk = add(context)
    chunks.set_pinned(chunk=chunk, actor=context.owner, pinned=True)
    chunks.set_excluded(chunk=chunk, actor=context.owner, excluded=True)
    chunk.refresh_from_db()
    assert (chunk.pinned, chunk.excluded) == (False, True)
    undo.undo(context=context)
    chunk.refresh_from_db()
    assert (chunk.pinned, chunk.excluded) == (True, False)


def test_bulk_edits_are_one_step_and_spare_what_is_pinned(context: Context) -> None:
    plain, pinned = add(context, content="plain"), add(context, content="pinned")
    chunks.set_pinned(chunk=pinned, actor=context.owner, pinned=True)
    call, result = pair(context)
    gone = chunks.delete_many(context=context, actor=context.owner, ids=[plain.pk, pinned.pk, result.pk]).chunks
    assert {row.pk for row in gone} == {plain.pk, call.pk, result.pk}
    assert listed(context) == ["pinned"]
    undo.undo(context=context)
    assert len(listed(context)) == 4


def test_a_note_is_checked_added_and_undone(context: Context) -> None:
    with pytest.raises(chunks.ChunkRefused):
        chunks.add(context=context, actor=context.owner, content="  \n")
    with pytest.raises(chunks.ChunkRefused, match="at most 10"):
        chunks.add(context=context, actor=context.owner, content="x" * 11, max_chars=10)
    chunks.add(context=context, actor=context.owner, content=" mind the gap \r\n", role="system")
    assert listed(context) == ["mind the gap"]
    undo.undo(context=context)
    assert listed(context) == []
    undo.redo(context=context)
    assert listed(context) == ["mind the gap"]


def test_system_text_stands_first_and_can_be_changed_and_cleared(context: Context) -> None:
    add(context, content="question")
    chunks.set_system(context=context, actor=context.owner, content="Be brief.")
    assert listed(context) == ["Be brief.", "question"]
    chunks.set_system(context=context, actor=context.owner, content="Be very brief indeed.")
    assert selectors.chunks(context)[0].tokens == 6
    undo.undo(context=context)
    assert listed(context)[0] == "Be brief."
    assert selectors.chunks(context)[0].tokens == 3, "as before the change"
    chunks.set_system(context=context, actor=context.owner, content="")
    assert listed(context) == ["question"]


def test_a_new_edit_ends_the_line_of_redo(context: Context) -> None:
    first, second = add(context, content="one"), add(context, content="two")
    chunks.delete(chunk=first, actor=context.owner)
    undo.undo(context=context)
    chunks.delete(chunk=second, actor=context.owner)
    assert undo.redo(context=context) is None
    assert listed(context) == ["one"]


def test_undo_takes_back_the_named_edit_only_once(context: Context) -> None:
    first, second = add(context, content="one"), add(context, content="two")
    chunks.delete(chunk=first, actor=context.owner)
    edit = ContextEdit.objects.get()
    chunks.delete(chunk=second, actor=context.owner)
    assert undo.undo(context=context, edit_id=edit.pk) is not None
    assert undo.undo(context=context, edit_id=edit.pk) is None
    assert listed(context) == ["one"]


def test_a_deletion_that_is_done_again_is_as_old_as_it_was(context: Context) -> None:
    chunk = add(context)
    chunks.delete(chunk=chunk, actor=context.owner)
    at = ContextChunk.objects.get().deleted_at
    undo.undo(context=context)
    undo.redo(context=context)
    assert at is not None and ContextChunk.objects.get().deleted_at == at


def test_undo_never_reaches_into_another_chat(context: Context) -> None:
    other = Context.objects.create(owner=context.owner)
    chunk = add(other)
    chunks.delete(chunk=chunk, actor=context.owner)
    edit = ContextEdit.objects.get()
    assert undo.undo(context=context) is None
    assert undo.undo(context=context, edit_id=edit.pk) is None
    assert listed(other) == []


def test_a_retry_in_the_journal_is_not_undone(context: Context) -> None:
    ContextEdit.objects.create(context=context, action="retry", before={"chunks": []}, after={})
    assert undo.history(context) == (None, False)
    assert undo.undo(context=context) is None


def test_undo_ignores_columns_that_no_edit_may_touch(context: Context) -> None:
    chunk = add(context)
    before = {str(chunk.pk): {"context_id": "x", "role": "system", "excluded": True}}
    ContextEdit.objects.create(context=context, action="exclude", before=before, after={})
    undo.undo(context=context)
    chunk.refresh_from_db()
    assert (chunk.role, chunk.excluded, chunk.context_id) == ("user", True, context.pk)


def test_two_tabs_that_delete_the_same_chunk_leave_one_edit(context: Context) -> None:
    chunk = add(context)
    here, there = ContextChunk.objects.get(pk=chunk.pk), ContextChunk.objects.get(pk=chunk.pk)
    assert chunks.delete(chunk=here, actor=context.owner).chunks
    assert chunks.delete(chunk=there, actor=context.owner) == ([], None)
    assert chunks.set_pinned(chunk=there, actor=context.owner, pinned=True).chunks == [], "what is gone is not pinned"
    assert ContextEdit.objects.count() == 1
    undo.undo(context=context)
    assert listed(context) == ["hello"]
    assert chunks.restore(chunk=here, actor=context.owner) == ([], None)
    assert undo.history(context) == (None, True)


def test_an_edit_looks_at_the_chunk_as_it_is_not_as_the_tab_remembers_it(context: Context) -> None:
    chunk = add(context)
    stale = ContextChunk.objects.get(pk=chunk.pk)
    chunks.set_excluded(chunk=chunk, actor=context.owner, excluded=True)
    assert chunks.set_excluded(chunk=stale, actor=context.owner, excluded=True) == ([], None)
    undo.undo(context=context)
    assert not ContextChunk.objects.get().excluded, "one click too many does not need two undos"


def test_many_chunks_change_in_a_few_statements(
    context: Context, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ids = [add(context).pk for _ in range(60)]
    with django_assert_max_num_queries(8):
        assert len(chunks.exclude_many(context=context, actor=context.owner, ids=ids).chunks) == 60

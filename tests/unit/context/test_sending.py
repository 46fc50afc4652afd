"""Whether a row is sent is written with the row, by every service that writes one."""

import importlib
import random
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

from context_app import selectors, sending
from context_app.models import Context, ContextChunk, Turn
from context_app.services import chunks, turn_writes, undo
from context_app.streams import writes
from context_app.streams.live import AnswerChunk, Ending
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk

KINDS = ("user", "assistant", "note", "tool_call", "tool_result", "image", "block")


@pytest.fixture
def context(db: Any) -> Context:
    return Context.objects.create(owner=get_user_model().objects.create_user("ada"))


def judged(context: Context) -> list[tuple[str, str, str]]:
    """Kind, written reason, and the reason by the rules, of every row, deleted ones too."""
    rows = list(ContextChunk.objects.filter(context=context).order_by("order", "created_at"))
    written = [row.not_sent for row in rows]
    sending.decide(rows)
    return [(row.kind, reason, str(row.not_sent)) for row, reason in zip(rows, written, strict=True)]


def metadata_of(kind: str, dice: random.Random) -> dict[str, Any]:
    if kind in sending.CALL_KINDS:
        broken = {"invalid_arguments": "{"} if dice.random() < 0.2 else {}
        return {"call_id": dice.choice(["a", "b", ""]), "name": dice.choice(["look", "look", ""]), **broken}
    return dice.choice([{}, {"data": {"type": "x"}, "ref": "r"}])


def act(context: Context, some_turns: list[Turn | None], dice: random.Random) -> None:
    """Do one thing that a person or a program may do."""
    owner, rows = context.owner, list(ContextChunk.objects.filter(context=context))
    kind = dice.choice(KINDS)
    chosen: Any = dice.choice(rows) if rows else None
    some = [row.pk for row in rows if dice.random() < 0.3]
    match dice.randrange(11) if chosen else 0:
        case 0 | 1:
            content = dice.choice(["", " ", "{}", "text"])
            metadata = metadata_of(kind, dice)
            chunks.append(
                context=context,
                kind=kind,
                role="user",
                content=content,
                turn=dice.choice(some_turns),
                metadata=metadata,
            )
        case 2:
            chunks.set_excluded(chunk=chosen, actor=owner, excluded=dice.random() < 0.6)
        case 3:
            chunks.set_pinned(chunk=chosen, actor=owner, pinned=dice.random() < 0.6)
        case 4:
            chunks.delete(chunk=chosen, actor=owner)
        case 5:
            chunks.restore(chunk=chosen, actor=owner)
        case 6:
            chunks.exclude_many(context=context, actor=owner, ids=some)
        case 7:
            chunks.delete_many(context=context, actor=owner, ids=some)
        case 8:
            undo.undo(context=context)
        case 9:
            undo.redo(context=context)
        case 10:
            chunks.set_system(context=context, actor=owner, content=dice.choice(["", "Be brief."]))


@pytest.mark.both
@pytest.mark.parametrize("seed", range(12))
def test_every_edit_leaves_the_reasons_as_the_rules_have_them(context: Context, seed: int) -> None:
    dice = random.Random(seed)
    some = [None, *(Turn.objects.create(context=context) for _ in range(2))]
    for _ in range(40):
        act(context, some, dice)
        assert all(written == right for _, written, right in judged(context)), judged(context)
    totals = selectors.totals(context)
    rows = selectors.chunks(context)
    assert sum(total.count for total in totals) == len(rows)
    assert sum(total.tokens for total in totals if not total.not_sent) == sum(r.tokens for r in rows if not r.not_sent)
    assert sum(total.pinned for total in totals) == sum(row.pinned for row in rows)


def test_a_retry_takes_the_results_of_its_calls_wherever_they_stand() -> None:
    kinds = ("tool_call", "user", "assistant", "tool_result", "tool_result")
    metadata = [{"call_id": name, "name": "look"} for name in ("a", "", "", "a", "b")]
    rows = [ContextChunk(order=n, kind=kind, metadata=metadata[n]) for n, kind in enumerate(kinds)]
    assert [row.order for row in turn_writes.until(rows[1].order, rows)] == [0, 1, 3]


def test_rows_of_an_earlier_version_are_decided_by_the_migration(context: Context) -> None:
    turn = Turn.objects.create(context=context)
    call = chunks.append(
        context=context,
        kind="tool_call",
        role="assistant",
        content="{",
        turn=turn,
        metadata={"call_id": "a", "name": "x"},
    )
    chunks.append(context=context, kind="tool_result", role="tool", content="r", turn=turn, metadata=call.metadata)
    chunks.append(context=context, kind="user", role="user", content="Hi")
    ContextChunk.objects.update(not_sent="")
    importlib.import_module("context_app.migrations.0005_not_sent").decide(apps, None)
    assert [row.not_sent for row in selectors.chunks(context)] == ["invalid_arguments", "no_call", ""]


async def test_a_turn_that_goes_on_without_a_result_leaves_a_row_that_says_so(desk: Desk) -> None:
    started, _ = await desk.answer(model="demo-tool-empty-args")
    call = next(row for row in await desk.chunks() if row.kind == "tool_call")
    assert not [row for row in await desk.chunks() if row.kind == "tool_result"], "it may still come"
    await desk.answer("Go on", model="demo-instant-n12")
    rows = await desk.chunks()
    (result,) = [row for row in rows if row.kind == "tool_result"]
    assert (result.content, result.turn_id, result.not_sent) == (sending.NOT_RUN, started.turn_id, "")
    assert rows.index(result) > rows.index(call) and rows.index(result) < len(rows) - 2, "in front of the next question"
    await desk.answer("Once more", model="demo-instant-n12")
    assert len([row for row in await desk.chunks() if row.kind == "tool_result"]) == 1
    await in_store(lambda: chunks.delete(chunk=result, actor=desk.user))
    left = await in_store(lambda: selectors.chunks(desk.context))
    assert not [row for row in left if row.kind in sending.CALL_KINDS]


async def test_answers_retries_and_take_overs_leave_the_reasons_as_the_rules_have_them(desk: Desk) -> None:
    started, _ = await desk.answer(model="demo-tool-bad-args")
    found = await in_store(judged, desk.context)
    assert ("tool_call", "invalid_arguments", "invalid_arguments") in found
    call = next(row for row in await desk.chunks() if row.kind == "tool_call")
    await in_store(lambda: chunks.set_excluded(chunk=call, actor=desk.user, excluded=True))
    pieces = tuple(
        AnswerChunk(kind=row.kind, content=row.content, metadata=row.metadata, intent=row.intent)
        for row in await desk.chunks()
        if row.role == "assistant"
    )
    ending = Ending(state="complete", result={}, chunks=pieces, at=timezone.now())
    await in_store(writes.write_chunks, started.stream_id, ending)  # as a take-over does with a longer answer
    assert ("tool_call", "excluded", "excluded") in await in_store(judged, desk.context)
    turn = await desk.turn(started.turn_id)
    await in_store(turn_writes.delete_answer, desk.context, turn, desk.user.pk)  # as a retry does first
    found = await in_store(judged, desk.context)
    assert ("tool_call", "deleted", "deleted") in found
    assert all(written == right for _, written, right in found), found

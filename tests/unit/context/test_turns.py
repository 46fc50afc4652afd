"""Sending, stopping and asking again, through the real interface to the demo provider."""

import asyncio
import uuid
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from context_app.conf import ContextConfig
from context_app.errors import SessionRequired, UnknownTurn
from context_app.models import Context, ContextChunk, ContextEdit, Stream, Turn
from context_app.services import chunks, turns
from context_app.streams.reader import UnknownStream
from providers_app.errors import (
    ContextTooLong,
    EmptyPrompt,
    InvalidRequest,
    ModelRequired,
    SessionDisabled,
    ShuttingDown,
    TooManyRunning,
    TurnRunning,
    UnknownContext,
    UnknownSession,
)
from sessions_app import disk
from sessions_app.errors import DiskFull
from sessions_app.models import AuthSession
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, open_desk, state_of
from tests.unit.context.streams_kit import make_turn, until, watch


@pytest.mark.both
async def test_message_and_answer_are_stored_in_order_with_session_and_model(desk: Desk) -> None:
    started, seen = await desk.answer("What is a monad?")
    assert state_of(seen) == "complete"
    question, answer = await desk.chunks()
    assert (question.kind, question.content, question.turn_id) == ("user", "What is a monad?", started.turn_id)
    assert (answer.kind, answer.content, answer.turn_id) == ("assistant", seen.text, started.turn_id)
    turn = await desk.turn(started.turn_id)
    assert (turn.provider, turn.model, turn.session_label) == ("demo", "demo-instant-n12", "demo/ada_demo")
    context = await in_store(lambda: Context.objects.get(pk=desk.context.pk))
    assert (context.model, context.title, context.session_id) == (
        "demo-instant-n12",
        "What is a monad?",
        desk.session.pk,
    )


async def test_second_message_goes_to_the_chosen_model_of_the_chat(desk: Desk) -> None:
    await desk.answer("One")
    started = await turns.start(owner=desk.user, context_id=desk.context.pk, text="Two")
    await watch(started.stream_id)
    assert (await desk.turn(started.turn_id)).model == "demo-instant-n12"
    assert [chunk.kind for chunk in await desk.chunks()] == ["user", "assistant", "user", "assistant"]
    assert [chunk.order for chunk in await desk.chunks()] == [1024, 1025, 2049, 2050]


async def test_model_of_another_session_is_not_taken_over(desk: Desk) -> None:
    await desk.answer("One")
    from providers_app import provider

    other = await provider.create_session("demo", "none", name="other_demo", owner=desk.user)
    started = await turns.start(owner=desk.user, context_id=desk.context.pk, text="Two", session=other.id)
    assert (await desk.turn(started.turn_id)).model == "demo", "the provider's default"
    await turns.stop(owner=desk.user, stream_id=started.stream_id)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"text": ""}, EmptyPrompt),
        ({"text": " \n\t "}, EmptyPrompt),
        ({"text": None}, EmptyPrompt),
        ({"text": "x" * 2_000_001}, InvalidRequest),
        ({"context_id": "not-an-id"}, UnknownContext),
        ({"context_id": uuid.uuid4()}, UnknownContext),
        ({"session": str(uuid.uuid4())}, UnknownSession),
        ({"session": "nobody_knows"}, UnknownSession),
        ({"model": "x" * 500}, InvalidRequest),
        ({"model": 7}, InvalidRequest),
        ({"params": {"temperature": 99}}, InvalidRequest),
        ({"params": {"tempo": 1}}, InvalidRequest),
        ({"params": ["temperature"]}, InvalidRequest),
        ({"client_id": "x" * 65}, InvalidRequest),
        ({"text": "word " * 150_000}, ContextTooLong),
    ],
)
async def test_refused_message_writes_nothing(desk: Desk, fields: dict[str, Any], error: type[Exception]) -> None:
    given = {"owner": desk.user, "context_id": desk.context.pk, "text": "Hello", "model": "demo", **fields}
    with pytest.raises(error):
        await turns.start(**given)
    assert await desk.counts() == (0, 0, 0)
    assert (await in_store(lambda: Context.objects.get(pk=desk.context.pk))).title == ""


async def test_foreign_chat_session_stream_and_turn_do_not_exist(desk: Desk) -> None:
    bob = await open_desk(desk.kit, "bob")
    started, _ = await desk.answer()
    with pytest.raises(UnknownContext):
        await turns.start(owner=bob.user, context_id=desk.context.pk, text="Hi")
    with pytest.raises(UnknownSession):
        await turns.start(owner=bob.user, context_id=bob.context.pk, text="Hi", session=str(desk.session.pk))
    with pytest.raises(UnknownStream):
        await turns.stop(owner=bob.user, stream_id=started.stream_id)
    with pytest.raises(UnknownContext):
        await turns.retry(owner=bob.user, context_id=desk.context.pk, turn_id=started.turn_id)
    with pytest.raises(UnknownTurn):
        await turns.retry(owner=bob.user, context_id=bob.context.pk, turn_id=started.turn_id)


async def test_chat_without_session_asks_for_one(desk: Desk) -> None:
    bare = await in_store(lambda: Context.objects.create(owner=desk.user))
    with pytest.raises(SessionRequired):
        await turns.start(owner=desk.user, context_id=bare.pk, text="Hi")


async def test_provider_without_default_model_asks_for_one(desk: Desk) -> None:
    def remote() -> AuthSession:
        return AuthSession.objects.create(owner=desk.user, provider="remote", auth_type="none", name="local_llm")

    session = await in_store(remote)
    with pytest.raises(ModelRequired):
        await turns.start(owner=desk.user, context_id=desk.context.pk, text="Hi", session=str(session.pk))


async def test_disabled_session_is_refused(desk: Desk) -> None:
    await in_store(lambda: AuthSession.objects.filter(pk=desk.session.pk).update(status="disabled"))
    with pytest.raises(SessionDisabled):
        await desk.send()


@pytest.mark.both
async def test_same_client_id_is_the_same_turn_however_often_and_at_once(desk: Desk) -> None:
    sent = await asyncio.gather(*(desk.send("Once", client_id="page-1") for _ in range(8)))
    assert len({started.turn_id for started in sent}) == 1
    assert sorted(started.created for started in sent) == [False] * 7 + [True]
    await watch(sent[0].stream_id)
    assert (await desk.counts())[:2] == (1, 1)
    later = await desk.send("Once", client_id="page-1")
    assert later.stream_id == sent[0].stream_id


async def test_sender_that_goes_away_does_not_take_the_turn_with_it(desk: Desk) -> None:
    for delay in (0, 0.001, 0.004, 0.01):
        sending = asyncio.create_task(desk.send("Still here?", client_id=f"c{delay}"))
        await asyncio.sleep(delay)
        sending.cancel()
        await asyncio.wait([sending])
    await until(lambda: not desk.kit.runtime.running() and len(desk.kit.runtime._streams) >= 3)
    states = await in_store(lambda: set(Stream.objects.values_list("state", flat=True)))
    assert states == {"complete"}


async def test_limit_of_running_answers(desk: Desk) -> None:
    desk.kit.runtime.config = ContextConfig(max_running_per_owner=2)
    running = [await desk.send(model="demo-long-d20") for _ in range(2)]
    with pytest.raises(TooManyRunning):
        await desk.send()
    await turns.stop(owner=desk.user, stream_id=running[0].stream_id)
    await watch(running[0].stream_id)
    await desk.answer()
    await turns.stop(owner=desk.user, stream_id=running[1].stream_id)


async def test_a_full_disk_refuses_new_answers_until_there_is_space(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, _ = await desk.answer("One")
    with monkeypatch.context() as full:
        full.setattr(disk, "free_bytes", lambda: 1_500_000)
        for refused in (
            desk.send("Two"),
            turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id),
        ):
            with pytest.raises(DiskFull, match="full: 1 MB free, 32 MB needed"):
                await refused
    assert [chunk.kind for chunk in await desk.chunks()] == ["user", "assistant"], "nothing was written"
    await desk.answer("Two")


@pytest.mark.both
async def test_the_same_message_sent_twice_for_the_last_place_is_one_turn(desk: Desk) -> None:
    desk.kit.runtime.config = ContextConfig(max_running_per_owner=1)
    sent = await asyncio.gather(*(desk.send(model="demo-long-d20", client_id="c1") for _ in range(6)))
    assert len({started.turn_id for started in sent}) == 1
    await turns.stop(owner=desk.user, stream_id=sent[0].stream_id)


@pytest.mark.both
@pytest.mark.parametrize(
    "fields", [{"client_id": "a\x00"}, {"session": "a\x00b"}, {"params": {"stop": ["\x00"]}}, {"model": "m\x00"}]
)
async def test_text_that_no_database_holds_is_refused_by_name(desk: Desk, fields: dict[str, Any]) -> None:
    before = await desk.counts()
    with pytest.raises((InvalidRequest, UnknownSession)):
        await turns.start(owner=desk.user, context_id=desk.context.pk, text="x", **({"model": "demo"} | fields))
    assert await desk.counts() == before


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_stop_is_bound_to_the_chat_and_to_its_owner(desk: Desk, where: str) -> None:
    bob = await open_desk(desk.kit, "bob")
    other = await in_store(lambda: Context.objects.create(owner=desk.user, session=desk.session))
    if where == "here":
        stream_id = (await desk.send(model="demo-long-d20")).stream_id
    else:
        stream, context = await in_store(make_turn, "ada", "elsewhere")
        stream_id, desk.context = stream.pk, context
    for owner, context_id in ((desk.user, other.pk), (bob.user, None), (bob.user, desk.context.pk)):
        with pytest.raises(UnknownStream):
            await turns.stop(owner=owner, stream_id=stream_id, context_id=context_id)
    live = desk.kit.runtime.find(stream_id)
    assert live is None or not live.cancel_reason
    row = await in_store(Stream.objects.get, pk=stream_id)
    assert (row.state, row.cancel_requested_at) == ("running", None)
    await turns.stop(owner=desk.user, stream_id=stream_id, context_id=desk.context.pk)
    if where == "here":
        assert state_of(await watch(stream_id)) == "cancelled"
    else:
        assert (await in_store(Stream.objects.get, pk=stream_id)).cancel_requested_at is not None


async def test_stop_through_the_service_keeps_what_came(desk: Desk) -> None:
    started = await desk.send(model="demo-long-d20")
    live = desk.kit.runtime.find(started.stream_id)
    assert live is not None
    await until(lambda: live.accepted > 10)
    await turns.stop(owner=desk.user, stream_id=str(started.stream_id), context_id=desk.context.pk)
    seen = await watch(started.stream_id)
    assert state_of(seen) == "cancelled"
    await turns.stop(owner=desk.user, stream_id=started.stream_id)
    assert (await desk.chunks())[-1].state == "partial"


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("demo-error-401", "upstream_authentication"),
        ("demo-error-429", "upstream_rate_limit"),
        ("demo-error-529", "upstream_overloaded"),
        ("demo-html-502", None),
        ("demo-unreachable", "connection_failed"),
        ("demo-midstream-error", None),
        ("demo-truncated", "stream_interrupted"),
    ],
)
async def test_provider_failure_is_a_failed_answer_with_a_typed_error(desk: Desk, model: str, code: str | None) -> None:
    _, seen = await desk.answer(model=model)
    assert state_of(seen) == "failed"
    error = seen.last.result["error"]  # type: ignore[union-attr]
    assert error["code"]
    assert code is None or error["code"] == code
    assert all(chunk.state == "partial" for chunk in (await desk.chunks())[1:])


@pytest.mark.both
async def test_retry_replaces_the_answer_undoably(desk: Desk) -> None:
    started, _ = await desk.answer(model="demo-truncated")
    before = await desk.chunks()
    await in_store(lambda: Turn.objects.filter(pk=started.turn_id).update(model="demo-instant-n12"))
    again = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    assert again.turn_id == started.turn_id
    assert again.stream_id != started.stream_id
    assert again.attempt == 2
    seen = await watch(again.stream_id)
    assert state_of(seen) == "complete"
    present = [chunk for chunk in await desk.chunks() if chunk.deleted_at is None]
    assert [chunk.kind for chunk in present] == ["user", "assistant"]
    assert present[1].content == seen.text
    edit = await in_store(lambda: ContextEdit.objects.get(action="retry"))
    gone = [str(chunk.pk) for chunk in before if chunk.kind != "user"]
    assert sorted(edit.before) == sorted(gone)
    assert all(value == {"deleted_at": None} for value in edit.before.values())


async def test_retry_in_the_middle_asks_only_what_stood_before_it(desk: Desk) -> None:
    first, _ = await desk.answer("First")
    await desk.answer("Second")
    again = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=first.turn_id)
    await watch(again.stream_id)
    present = [chunk for chunk in await desk.chunks() if chunk.deleted_at is None]
    assert [(chunk.kind, chunk.turn_id == first.turn_id) for chunk in present] == [
        ("user", True),
        ("assistant", True),
        ("user", False),
        ("assistant", False),
    ]


async def test_running_answer_is_not_asked_again_and_two_retries_are_one(desk: Desk) -> None:
    started = await desk.send(model="demo-long-d20")
    with pytest.raises(TurnRunning):
        await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    await turns.stop(owner=desk.user, stream_id=started.stream_id)
    await watch(started.stream_id)
    results = await asyncio.gather(
        *(turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, turns.Started) for result in results) == 1
    assert sum(isinstance(result, TurnRunning) for result in results) == 3
    (winner,) = [result for result in results if isinstance(result, turns.Started)]
    await turns.stop(owner=desk.user, stream_id=winner.stream_id)


async def test_deleted_question_is_not_asked_again(desk: Desk) -> None:
    started, _ = await desk.answer()
    await in_store(lambda: ContextChunk.objects.filter(kind="user").update(deleted_at="2026-01-01T00:00Z"))
    with pytest.raises(EmptyPrompt):
        await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)


async def test_stopping_server_begins_nothing(desk: Desk) -> None:
    desk.kit.runtime.closing = True
    with pytest.raises(ShuttingDown):
        await desk.send()
    assert await desk.counts() == (0, 0, 0)


async def test_excluded_chunks_are_not_sent(desk: Desk) -> None:
    await desk.answer("Secret: 12345")
    ids = [row.pk for row in await desk.chunks()]
    await in_store(lambda: chunks.exclude_many(context=desk.context, actor=desk.user, ids=ids))
    started = await desk.send("Next")
    prepared = desk.kit.runtime.find(started.stream_id)
    assert prepared is not None
    from context_app.store import DjangoContextStore

    messages = await DjangoContextStore().messages(desk.user.pk, str(desk.context.pk))
    assert "12345" not in str(messages)
    await watch(started.stream_id)


async def test_chat_deleted_in_the_middle_ends_quietly(desk: Desk) -> None:
    started = await desk.send(model="demo-long-d20")
    live = desk.kit.runtime.find(started.stream_id)
    assert live is not None
    await until(lambda: live.committed > 3)
    await in_store(lambda: Context.objects.get(pk=desk.context.pk).delete())
    desk.kit.runtime.cancel(started.stream_id)
    seen = await watch(started.stream_id)
    assert state_of(seen) == "cancelled"
    assert await in_store(lambda: get_user_model().objects.count()) == 1

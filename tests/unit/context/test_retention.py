"""What is removed in time, and what a reader of it still gets."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from context_app import rendering, tasks
from context_app.models import Context, MediaFile, Stream, StreamSegment, Turn
from context_app.services import contexts, retention, turns
from context_app.streams import spool
from context_app.streams.reader import Ended
from context_app.streams.runtime import Runtime
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import encoded, watch, words
from tests.unit.context.test_streams_takeover import EVENTS, dead_spool

pytestmark = pytest.mark.both

LONG_AGO = timedelta(days=8)


def age(stream: UUID, by: timedelta = LONG_AGO) -> None:
    """Let a stream have ended longer ago."""
    Stream.objects.filter(pk=stream).update(ended_at=timezone.now() - by)


def segments(stream: UUID) -> int:
    return StreamSegment.objects.filter(stream_id=stream).count()


async def test_events_of_old_answers_go_and_readers_still_end_with_the_whole_answer(desk: Desk) -> None:
    started, seen = await desk.answer()
    await in_store(age, started.stream_id)
    desk.kit.runtime._release(desk.kit.runtime.find(started.stream_id))  # type: ignore[arg-type]
    await in_store(tasks.prune)
    assert await in_store(segments, started.stream_id) == 0
    assert isinstance(seen.last, Ended)
    for cursor in (0, 3, seen.last.last_seq):
        again = await watch(started.stream_id, cursor)
        assert again.events == [] and again.last == seen.last
    assert (await watch(started.stream_id, seen.last.last_seq + 1)).last.length == seen.last.last_seq  # type: ignore[union-attr]
    _, html = await in_store(rendering.render_end, started.stream_id, seen.last.result)
    assert seen.text.split()[-1] in html
    answer = (await desk.chunks())[-1]
    assert answer.content.strip() == seen.text.strip(), "the text stays in the chat"


async def test_recent_running_and_interrupted_answers_keep_their_events(desk: Desk) -> None:
    recent, _ = await desk.answer("one")
    interrupted, _ = await desk.answer("two")
    await in_store(age, recent.stream_id, timedelta(days=6))
    await in_store(age, interrupted.stream_id)
    await in_store(lambda: Stream.objects.filter(pk=interrupted.stream_id).update(state="interrupted"))
    live = await desk.kit.begin(words(1000, every=0.01), owner="bob")
    assert await in_store(retention.prune) == (0, 0, 0, 0)
    assert await in_store(segments, recent.stream_id) > 0
    assert await in_store(segments, interrupted.stream_id) > 0
    desk.kit.runtime.cancel(live.id)


async def test_a_spool_that_turns_up_after_the_pruning_changes_nothing(desk: Desk) -> None:
    started, seen = await desk.answer()
    await in_store(age, started.stream_id)
    await in_store(retention.prune)
    dead_spool(desk.kit.folder, "dead-9", spool.frame(started.stream_id, 1, spool.join(EVENTS)))
    await in_store(Runtime(desk.kit.folder, desk.kit.runtime.config).take_over)
    row = await in_store(lambda: Stream.objects.get(pk=started.stream_id))
    assert isinstance(seen.last, Ended)
    assert (row.state, row.last_seq) == ("complete", seen.last.last_seq)
    assert await in_store(segments, started.stream_id) == 0


async def test_the_earlier_answer_of_a_retry_goes_in_time(desk: Desk) -> None:
    first, _ = await desk.answer()
    second = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=first.turn_id)
    await watch(second.stream_id)
    await in_store(age, first.stream_id)
    assert (await in_store(retention.prune)).streams == 1
    left = await in_store(lambda: list(Stream.objects.values_list("pk", flat=True)))
    assert left == [second.stream_id]


@pytest.mark.django_db
def test_a_chat_deleted_a_day_ago_goes_with_every_word_of_its_answers() -> None:
    owner = get_user_model().objects.create_user("ada")
    now = timezone.now()

    def chat(deleted_for: timedelta, state: str = "complete") -> Context:
        context = Context.objects.create(owner=owner, deleted_at=now - deleted_for)
        stream = Stream.objects.create(
            owner=owner, state=state, heartbeat_at=now, ended_at=now, result={"text": "secret words"}
        )
        StreamSegment.objects.create(stream=stream, first_seq=1, last_seq=4, payload=spool.join(EVENTS))
        Turn.objects.create(context=context, stream=stream)
        return context

    day = timedelta(hours=24)  # as the pages and the admin say
    old, fresh = chat(day + timedelta(hours=1)), chat(day - timedelta(hours=1))
    running = chat(day + timedelta(hours=1), "running")
    assert retention.prune().contexts == 1
    assert set(Context.objects.values_list("pk", flat=True)) == {fresh.pk, running.pk}
    assert Stream.objects.count() == StreamSegment.objects.count() == 2, "no row keeps what was deleted"
    assert not Turn.objects.filter(context_id=old.pk).exists()


@pytest.mark.django_db
def test_many_are_pruned_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    owner = get_user_model().objects.create_user("ada")
    context = Context.objects.create(owner=owner)
    then = timezone.now() - LONG_AGO
    for _ in range(10):
        made = Stream.objects.create(owner=owner, state="complete", heartbeat_at=then, ended_at=then)
        Turn.objects.create(context=context, stream=made)
        StreamSegment.objects.create(stream=made, first_seq=1, last_seq=4, payload=spool.join(encoded([])))
    assert retention.prune() == (0, 0, 10, 0)
    assert retention.prune() == (0, 0, 0, 0)
    assert not StreamSegment.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("older", [timedelta(hours=1), timedelta(hours=-1)], ids=["older", "younger"])
def test_each_kind_goes_once_it_is_older_than_its_retention(older: timedelta) -> None:
    owner = get_user_model().objects.create_user("ada")
    now, config = timezone.now(), settings.MAESTRO.context
    ended = now - timedelta(days=config.segment_retention_days) - older
    made = now - timedelta(days=config.media_retention_days) - older
    gone = older > timedelta()
    for state in Stream.State:
        Stream.objects.create(owner=owner, state=state, heartbeat_at=ended, ended_at=ended)
    files = [MediaFile.objects.create(owner=owner, media_type="image/png", size=3) for _ in range(2)]
    MediaFile.objects.update(created_at=made)
    MediaFile.objects.filter(pk=files[1].pk).update(context=Context.objects.create(owner=owner))
    assert retention.prune().streams == (len(Stream.State) - 1 if gone else 0)
    assert set(Stream.objects.values_list("state", flat=True)) == ({"running"} if gone else set(Stream.State.values))
    assert set(MediaFile.objects.values_list("pk", flat=True)) == {file.pk for file in (files[1:] if gone else files)}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n  # Hello   there \nmore", "Hello there"),
        ("> - quoted", "quoted"),
        ("#\n", ""),
        ("a" * contexts.TITLE_CHARS, "a" * contexts.TITLE_CHARS),
        (f"{'word, ' * contexts.TITLE_CHARS}", None),
    ],
)
def test_a_title_is_the_first_line_cut_at_a_word(text: str, title: str | None) -> None:
    context = Context.objects.create(owner=get_user_model().objects.create_user("ada"))
    assert contexts.title_from(context, text) == (title != "")
    if title is None:
        assert context.title.endswith("word…") and len(context.title) <= contexts.TITLE_CHARS
        assert len(context.title) > contexts.TITLE_CHARS - len("word, word")
    else:
        assert context.title == title
    context.refresh_from_db()
    assert bool(context.title) == (title != "")
    assert not contexts.title_from(context, "Another") or title == "", "a title stays"

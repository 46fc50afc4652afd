"""Continue: an answer that broke off goes on in a new stream that holds all of it, with its seam."""

import asyncio
import json
from typing import Any

import pytest

from context_app import answer_view, rendering, seams
from context_app.errors import UnknownTurn
from context_app.management.commands.contexts import as_markdown
from context_app.models import Context, ContextChunk, Stream, Turn
from context_app.services import contexts, turns
from context_app.streams.runtime import current
from context_app.streams.transcript import decode
from providers_app import provider
from providers_app.errors import CannotContinue, TurnRunning
from providers_app.providers.demo.script import numbered
from providers_app.types.events import StreamContinued, StreamEnd, StreamStart
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, state_of
from tests.unit.context.streams_kit import Seen, until, watch

WHOLE = numbered(60)
CUT = "demo-instant-truncated-n60"


async def go_on(desk: Desk, turn: Any) -> tuple[turns.Started, Seen]:
    started = await turns.go_on(owner=desk.user, context_id=desk.context.pk, turn_id=turn)
    return started, await watch(started.stream_id)


async def html_of(desk: Desk, turn: Any) -> str:
    def draw() -> str:
        found = Turn.objects.select_related("stream", "session").prefetch_related("chunks").get(pk=turn)
        assert found.stream is not None
        return rendering.render_answer(found, found.stream.result)

    return await in_store(draw)


async def choose(desk: Desk, continuing: str) -> None:
    await in_store(lambda: Context.objects.filter(pk=desk.context.pk).update(continuing=continuing))


async def standing(desk: Desk) -> list[ContextChunk]:
    return [chunk for chunk in await desk.chunks() if chunk.deleted_at is None]


@pytest.mark.both
async def test_an_answer_that_broke_off_goes_on_in_one_text_with_its_seam(desk: Desk) -> None:
    started, broken = await desk.answer("Count.", model=CUT)
    assert state_of(broken) == "failed" and WHOLE.startswith(broken.text) and broken.text != WHOLE
    assert 'data-continue="' in await html_of(desk, started.turn_id)
    again, seen = await go_on(desk, started.turn_id)
    assert (again.turn_id, again.attempt, state_of(seen)) == (started.turn_id, 2, "complete")
    events = [decode(data) for data in seen.events]
    assert sum(isinstance(event, StreamStart) for event in events) == 1 and isinstance(events[-1], StreamEnd)
    (seam,) = [event for event in events if isinstance(event, StreamContinued)]
    assert (seam.way, seam.at) == ("instruct", len(broken.text)) and seen.text == WHOLE
    question, answer = await standing(desk)
    assert (question.kind, answer.kind, answer.content) == ("user", "assistant", WHOLE), "this is what is sent"
    assert [(one["way"], one["at"]) for one in answer.metadata["seams"]] == [("instruct", len(broken.text))]
    drawn = await html_of(desk, started.turn_id)
    assert "characters: the model was asked to continue. Cause: The answer broke off before its end." in drawn
    assert 'class="seam"' in drawn and "the model was asked to continue" in drawn and "data-continue" not in drawn
    usage = (await desk.turn(started.turn_id)).stream.result["usage"]  # type: ignore[union-attr]
    assert len(usage["raw"]["rounds"]) == 2


async def test_what_a_stopped_answer_and_one_at_its_limit_have_goes_on_too(desk: Desk) -> None:
    started, seen = await desk.answer("Count.", model="demo-instant-length-n60")
    drawn = await html_of(desk, started.turn_id)
    assert state_of(seen) == "complete" and "data-continue" in drawn and "Continue for the rest, or raise" in drawn
    _, seen = await go_on(desk, started.turn_id)
    assert seen.text == WHOLE
    started = await desk.send("Count.", model="demo-n60")
    await until(lambda: (live := current().find(started.stream_id)) is not None and live.accepted > 5)
    await turns.stop(owner=desk.user, stream_id=started.stream_id)
    stopped = await watch(started.stream_id)
    assert state_of(stopped) == "cancelled" and stopped.text
    _, seen = await go_on(desk, started.turn_id)
    assert (state_of(seen), seen.text) == ("complete", WHOLE)


async def test_an_answer_whose_events_were_dropped_goes_on_from_its_chunks(desk: Desk) -> None:
    started, broken = await desk.answer("Count.", model=CUT)
    await in_store(lambda: Stream.objects.filter(pk=started.stream_id).update(pruned_at="2026-01-01T00:00:00Z"))
    _, seen = await go_on(desk, started.turn_id)
    assert seen.text == WHOLE and broken.text


async def test_the_choice_of_the_chat_decides(desk: Desk) -> None:
    started, _ = await desk.answer("Count.", model=CUT)
    await choose(desk, "never")
    assert "data-continue" not in await html_of(desk, started.turn_id)
    with pytest.raises(CannotContinue, match="not continued"):
        await turns.go_on(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    assert len(await standing(desk)) == 2, "nothing was taken away"
    await choose(desk, "restart")
    assert "data-continue" not in await html_of(desk, started.turn_id)
    _, seen = await go_on(desk, started.turn_id)
    assert state_of(seen) == "failed" and not any(isinstance(decode(one), StreamContinued) for one in seen.events)
    await choose(desk, "instruct")
    _, seen = await go_on(desk, started.turn_id)
    assert seen.text == WHOLE


def test_the_choice_is_an_argument_of_each_request() -> None:
    found = {choice: contexts.lasting(Context(continuing=choice)) for choice in Context.Continuing.values}
    off = {"enable_stream_replay": False}
    assert found == {"auto": {}, "exact": {"resumable": True}, "instruct": off, "restart": off, "never": off}


async def test_the_preview_shows_that_an_answer_would_be_stored(desk: Desk) -> None:
    made = await provider.create_session(
        "openai", "api_key", name="gpt", api_key="sk-proj-" + "a" * 100, owner=desk.user
    )
    for resumable in (True, False):
        request = await provider.preview_request(
            "openai", made.id, "Hi", model="gpt-5.6", resumable=resumable, owner=desk.user
        )
        body = json.loads(request.body)
        assert (body["store"], body.get("background", False)) == (resumable, resumable)


async def test_refusals_leave_the_answer_as_it_is(desk: Desk) -> None:
    started, _ = await desk.answer("Weather?", model="demo-instant-tools")
    with pytest.raises(CannotContinue, match="tool call"):
        await turns.go_on(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    with pytest.raises(UnknownTurn):
        await turns.go_on(owner=desk.user, context_id=desk.context.pk, turn_id=started.stream_id)
    running = await desk.send("Count.", model="demo-silence")
    with pytest.raises(TurnRunning):
        await turns.go_on(owner=desk.user, context_id=desk.context.pk, turn_id=running.turn_id)
    await turns.stop(owner=desk.user, stream_id=running.stream_id)


async def test_of_two_at_once_one_goes_on(desk: Desk) -> None:
    started, _ = await desk.answer("Count.", model=CUT)
    asked = {"owner": desk.user, "context_id": desk.context.pk, "turn_id": started.turn_id}
    found = await asyncio.gather(*(turns.go_on(**asked) for _ in range(3)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Started", "TurnRunning", "TurnRunning"]
    (one,) = [one for one in found if isinstance(one, turns.Started)]
    assert (await watch(one.stream_id)).text == WHOLE


async def test_exports_and_the_list_of_chunks_name_the_seam(desk: Desk) -> None:
    started, _ = await desk.answer("Count.", model=CUT)
    await go_on(desk, started.turn_id)
    stored = await provider.get_context(str(desk.context.pk), owner=desk.user)
    chunks = await provider.list_context_chunks("demo", str(desk.session.pk), stored.id, owner=desk.user)
    text = as_markdown(stored, chunks)
    assert "*Continued after " in text and "the model was asked to continue" in text


@pytest.mark.parametrize(
    ("text", "at", "place"),
    [
        ("one two", 5, 7),
        ("one two three", 5, 7),
        ("one two", 3, 3),
        ("a\n```python\nprint(1)\nb", 4, 20),
        ("~~~", 1, 3),
        ("x", 99, 1),
    ],
)
def test_the_mark_of_a_seam_stands_behind_a_word_and_in_no_fence(text: str, at: int, place: int) -> None:
    assert seams.place_of(text, at) == place


def test_a_seam_is_drawn_where_it_is_and_never_inside_a_tag() -> None:
    def drawn(text: str, *at: int) -> str:
        chunk = ContextChunk(kind="assistant", content=text)
        chunk.metadata = {"seams": [{"at": one, "way": "prefix", "reason": "<b>cut"} for one in at]}
        return seams.to_html(chunk)

    html = drawn("One **two** three", 8)
    assert html.count('class="seam"') == 1 and html.index("two") < html.index("seam") < html.index("three")
    assert "<b>cut" not in html and "&lt;b&gt;cut" in html
    assert drawn("[a](https://e.test/x-y) end", 14).count("seam") == 1
    assert drawn("one two three", 1, 6).count('class="seam"') == 2
    assert seams.MARK not in drawn("one", 2)
    assert answer_view.text_of([]) == ""

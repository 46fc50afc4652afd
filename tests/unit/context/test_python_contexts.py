"""Contexts through the universal interface: make, fill, list, read, delete, and answers that are stored in them."""

import asyncio
import base64
import struct
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from context_app import rendering
from context_app.media_store import DjangoMediaStore
from context_app.models import Context, ContextChunk, ContextEdit, MediaFile, Stream, Turn
from context_app.services import contexts, turns, undo
from context_app.streams import runner
from context_app.streams.runtime import Runtime
from providers_app import errors, ports, provider
from providers_app.chat import stored_media
from providers_app.streaming import fold
from providers_app.types.chat import (
    BlockPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Event, Origin, StreamEnd, StreamFailed, StreamStart, TextDelta
from providers_app.types.intent import ToolIntent
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, open_desk
from tests.unit.context.streams_kit import watch
from tests.waiting import put_forward, until

MODEL = "demo-instant-n12"
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 64, 48) + bytes(30)
SLOW = "demo-long"


async def ask(desk: Desk, messages: Any = "Hello", *, model: str = MODEL, **options: Any) -> list[Any]:
    """All events of a stored answer."""
    options = {"store": True, "owner": desk.user, "model": model, **options}
    return [event async for event in provider.stream_chat("demo", "ada_demo", messages, **options)]


async def kinds(desk: Desk, context_id: str, **fields: Any) -> list[tuple[str, str]]:
    found = await provider.list_context_chunks("demo", "ada_demo", context_id, owner=desk.user, **fields)
    return [(chunk.kind, chunk.content) for chunk in found]


async def all_of(model: Any) -> list[Any]:
    return await in_store(lambda: list(model.objects.all()))


@pytest.mark.both
async def test_a_context_is_made_filled_listed_read_and_deleted(desk: Desk) -> None:
    made = await provider.create_context(title=" On  call ", system="Be brief.", owner=desk.user)
    assert (made.title, made.chunks, made.session, made.archived) == ("On call", 1, None, False)
    added = await provider.append_chunk(made.id, "Disk is full", owner=desk.user)
    await provider.append_chunk(made.id, "Clean it", role="assistant", owner=desk.user)
    await provider.append_chunk(made.id, "print()", kind="file", name="a.py", owner=desk.user)
    assert (added.kind, added.role, added.content) == ("user", "user", "Disk is full")
    assert await kinds(desk, made.id) == [
        ("system", "Be brief."),
        ("user", "Disk is full"),
        ("assistant", "Clean it"),
        ("file", "print()"),
    ]
    found = await provider.get_context(made.id, owner=desk.user)
    assert found.chunks == 4 and found.tokens > 0 and found.updated_at >= found.created_at > 1.7e9
    assert [one.id for one in await provider.list_contexts(query="DISK", owner=desk.user)] == [made.id]
    assert [one.id for one in await provider.list_contexts(limit=1, owner=desk.user)] == [made.id]
    assert await provider.list_contexts(archived=True, owner=desk.user) == []
    await provider.delete_context(made.id, owner=desk.user)
    with pytest.raises(errors.UnknownContext, match="no such context"):
        await provider.get_context(made.id, owner=desk.user)
    await in_store(lambda: contexts.restore(context=Context.objects.get(pk=made.id)))
    assert (await provider.get_context(made.id, owner=desk.user)).chunks == 4, "as one that was deleted on the page"


async def test_a_context_from_python_is_never_the_pages_empty_chat(desk: Desk) -> None:
    empty = await in_store(lambda: contexts.create(owner=desk.user))
    made = {(await provider.create_context(owner=desk.user)).id for _ in range(2)}
    assert len(made) == 2 and str(empty.pk) not in made


async def test_appended_chunks_can_be_undone_on_the_page(desk: Desk) -> None:
    made = await provider.create_context(owner=desk.user)
    await provider.append_chunk(made.id, "one", owner=desk.user)
    await provider.append_chunk(made.id, "two", kind="note", role="system", owner=desk.user)
    assert [edit.action for edit in await all_of(ContextEdit)] == ["add", "add"]
    await in_store(lambda: undo.undo(context=Context.objects.get(pk=made.id)))
    assert await kinds(desk, made.id) == [("user", "one")]


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "  "},
        {"content": 7},
        {"content": "x" * 2_000_001},
        {"kind": "tool_call"},
        {"kind": ["user"]},
        {"role": "tool"},
        {"role": "user", "kind": "assistant"},
        {"name": 1},
    ],
)
async def test_what_is_no_chunk_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    made = await provider.create_context(owner=desk.user)
    with pytest.raises(errors.InvalidRequest):
        await provider.append_chunk(made.id, **{"content": "text", "owner": desk.user, **fields})
    assert await kinds(desk, made.id) == []


async def test_text_that_no_database_takes_is_stored_readably(desk: Desk) -> None:
    made = await provider.create_context(title="a\x00b", system="c\ud800d", owner=desk.user)
    await provider.append_chunk(made.id, "e\x00f\ud800", owner=desk.user)
    assert made.title == "a\ufffdb"
    assert await kinds(desk, made.id) == [("system", "c?d"), ("user", "e\ufffdf?")]


async def test_foreign_and_missing_contexts_do_not_exist_and_the_hint_says_how_to_make_one(desk: Desk) -> None:
    bob = await open_desk(desk.kit, "bob")
    made = await provider.create_context(owner=desk.user)
    await provider.append_chunk(made.id, "mine", owner=desk.user)
    calls: list[Callable[[str], Any]] = [
        lambda key: provider.get_context(key, owner=bob.user),
        lambda key: provider.delete_context(key, owner=bob.user),
        lambda key: provider.append_chunk(key, "x", owner=bob.user),
        lambda key: provider.list_context_chunks("demo", "bob_demo", key, owner=bob.user),
        lambda key: provider.delete_context_chunk("demo", "bob_demo", key, str(uuid.uuid4()), owner=bob.user),
        lambda key: provider.state_intent(key, str(uuid.uuid4()), owner=bob.user),
        lambda key: provider.complete_chat("demo", "bob_demo", "Hi", context_id=key, owner=bob.user),
        lambda key: provider.complete_chat("demo", "bob_demo", "Hi", context_id=key, store=True, owner=bob.user),
    ]
    for call in calls:
        for key in (made.id, str(uuid.uuid4()), "nonsense", "", 7):
            with pytest.raises(errors.UnknownContext) as caught:
                await call(key)  # type: ignore[arg-type]
            assert "create_context" in caught.value.hint
    assert made.id not in {one.id for one in await provider.list_contexts(owner=bob.user)}
    assert await all_of(Turn) == [] and len(await kinds(desk, made.id)) == 1


@pytest.mark.both
async def test_a_person_states_the_intent_of_a_call_and_can_undo_it(desk: Desk) -> None:
    tools = [{"name": "wipe", "parameters": {"type": "object", "properties": {}}, "destructive": True}]
    events = await ask(desk, "Clean up", model="demo-tool-empty-args-d0", tools=tools)
    context_id = events[0].context_id
    asked, call = await only_chunk(desk, context_id, "user"), await only_chunk(desk, context_id, "tool_call")
    assert (call.intent.source, call.intent.risk_level) == ("rule", "high")
    stated = await provider.state_intent(context_id, call.id, purpose="maintenance", scope="/tmp", owner=desk.user)
    assert stated.intent == ToolIntent("maintenance", "/tmp", "high", "person"), "the risk does not fall"
    assert (await only_chunk(desk, context_id, "tool_call")).intent == stated.intent
    again = await provider.state_intent(context_id, call.id, purpose="test_pass", owner=desk.user)
    assert again.intent == ToolIntent("test_pass", "/tmp", "high", "person"), "what is left out stays"
    for wrong in ({"purpose": "fun"}, {"risk_level": "none"}, {"scope": "x" * 201}):
        with pytest.raises(errors.InvalidIntent):
            await provider.state_intent(context_id, call.id, owner=desk.user, **wrong)
    with pytest.raises(errors.InvalidRequest, match="Only a tool call"):
        await provider.state_intent(context_id, asked.id, purpose="maintenance", owner=desk.user)
    with pytest.raises(errors.UnknownContext, match="no such chunk"):
        await provider.state_intent(context_id, str(uuid.uuid4()), owner=desk.user)
    await in_store(lambda: undo.undo(context=Context.objects.get(pk=context_id)))
    assert (await only_chunk(desk, context_id, "tool_call")).intent == stated.intent


async def only_chunk(desk: Desk, context_id: str, kind: str) -> Any:
    """The only chunk of this kind."""
    (found,) = await provider.list_context_chunks("demo", "ada_demo", context_id, kinds=[kind], owner=desk.user)
    return found


@pytest.mark.both
async def test_the_specifications_own_story(desk: Desk) -> None:
    events = await ask(desk, "Where is the webhook?")
    assert isinstance(events[0], StreamStart) and isinstance(events[-1], StreamEnd)
    context_id = events[0].context_id
    listed = await provider.list_context_chunks("demo", "ada_demo", context_id, owner=desk.user)
    assert [chunk.kind for chunk in listed] == ["user", "assistant"]
    assert listed[1].content == fold(events).text and fold(events).context_id == context_id
    await provider.delete_context_chunk("demo", "ada_demo", context_id, listed[0].id, owner=desk.user)
    result = await provider.complete_chat(
        "demo", "ada_demo", "And the tests?", context_id=context_id, store=True, owner=desk.user
    )
    assert result.complete and result.context_id == context_id
    assert [kind for kind, _ in await kinds(desk, context_id)] == ["assistant", "user", "assistant"]
    first, second = await all_of(Turn)
    assert (first.model, second.model) == (MODEL, MODEL), "the model of the chat stays its own"
    assert str(first.context_id) == context_id and first.provider == "demo"
    found = await provider.get_context(context_id, owner=desk.user)
    assert (found.title, found.session, found.model) == ("Where is the webhook?", str(desk.session.pk), MODEL)


async def test_the_answer_is_a_stream_that_the_page_can_read(desk: Desk) -> None:
    events = await ask(desk)
    (stream,) = await all_of(Stream)
    seen = await watch(stream.pk)
    assert stream.state == "complete" and stream.result["text"] == seen.text == fold(events).text
    assert len(seen.events) == len(events)


async def test_without_store_the_start_names_the_context_and_nothing_is_written(desk: Desk) -> None:
    made = await provider.create_context(system="Be brief.", owner=desk.user)
    stream = provider.stream_chat("demo", "ada_demo", "Hi", context_id=made.id, model=MODEL, owner=desk.user)
    events = [event async for event in stream]
    assert isinstance(events[0], StreamStart) and events[0].context_id == made.id
    assert fold(events).context_id == made.id
    assert await kinds(desk, made.id) == [("system", "Be brief.")] and await all_of(Turn) == []


async def test_earlier_messages_and_the_system_text_are_stored_in_front(desk: Desk) -> None:
    history = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]
    context_id = (await ask(desk, history, system="Be brief."))[0].context_id
    await ask(desk, "Four", context_id=context_id, system="Be brief.")
    found = await kinds(desk, context_id)
    assert found[:4] == [("system", "Be brief."), ("user", "One"), ("assistant", "Two"), ("user", "Three")]
    assert [kind for kind, _ in found[4:]] == ["assistant", "user", "assistant"]
    (turn, _) = await all_of(Turn)
    assert next(chunk.content for chunk in await all_of(ContextChunk) if chunk.turn_id == turn.pk) == "Three"


async def test_every_part_of_the_messages_in_front_is_stored_and_sent_as_it_was(desk: Desk) -> None:
    origin = Origin("demo", MODEL, str(desk.session.pk))
    intent = ToolIntent("best_practice", "the station", "high", "tool")
    call = ToolCallPart("call_1", "get_weather", {"city": "Rīga"}, "up_1", {"signature": "c"}, origin, intent)
    answer = (
        ReasoningPart("Let me think.", {"signature": "r"}, origin),
        TextPart("Looking.", {"signature": "t"}, origin),
        BlockPart("web_search", {"query": "x"}, origin),
        call,
    )
    history = (
        Message("user", (TextPart("Weather?"),)),
        Message("assistant", answer),
        Message("tool", (ToolResultPart("call_1", "get_weather", "No station.", is_error=True),)),
        Message("assistant", (TextPart("It is unknown."),)),
    )
    context_id = (await ask(desk, [*history, Message("user", (TextPart("And now?"),))]))[0].context_id
    sent = await ports.context_store().messages(desk.user.pk, context_id)
    bare = [Message(one.role, tuple(replace(part, source="") for part in one.parts)) for one in sent]
    assert tuple(bare[:4]) == history and bare[4].parts == (TextPart("And now?"),)
    shown = dict(await kinds(desk, context_id))
    assert (shown["tool_call"], shown["block"]) == ('{\n  "city": "Rīga"\n}', "web_search")


async def test_a_tools_result_goes_on_with_the_stored_call(desk: Desk) -> None:
    tools = [{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    events = await ask(desk, "Weather?", model="demo-tool-empty-args-d0", tools=tools)
    context_id, (call,) = events[0].context_id, fold(events).tool_calls
    answer = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    await ask(desk, [answer], context_id=context_id, model=MODEL)
    rows = await in_store(lambda: list(ContextChunk.objects.filter(context=context_id).order_by("order")))
    made = next(row for row in rows if row.kind == "tool_call")
    result = next(row for row in rows if row.kind == "tool_result")
    assert (result.content, result.turn_id, result.role) == ("Rain.", made.turn_id, "tool")
    messages = await provider.preview_request(
        "demo", "ada_demo", "x", context_id=context_id, model=MODEL, owner=desk.user
    )
    assert b"Rain." in messages.body and b"was not run" not in messages.body
    asked, going_on = await in_store(lambda: list(Turn.objects.prefetch_related("chunks").order_by("created_at")))
    assert "bubble" in rendering.render_user(asked) and "bubble" not in rendering.render_user(going_on)
    await ask(desk, "And tomorrow?", context_id=context_id, model=MODEL)
    sent: list[Any] = []
    stream_chat = runner.provider.stream_chat

    def noting(slug: str, session: str, messages: Any, **more: Any) -> Any:
        sent.append([message.role for message in messages])
        return stream_chat(slug, session, messages, **more)

    with patch.object(runner.provider, "stream_chat", noting):
        again = await turns.retry(owner=desk.user, context_id=context_id, turn_id=going_on.pk)
        await watch(again.stream_id)
    assert sent == [["user", "assistant", "tool"]], "what is asked again ends with the result"
    present = ContextChunk.objects.filter(context=context_id, deleted_at=None).order_by("order")
    order = await in_store(lambda: list(present.values_list("kind", flat=True)))
    assert order[-4:] == ["tool_result", "assistant", "user", "assistant"], "in its own place"
    with pytest.raises(errors.InvalidRequest, match="answers no tool call"):
        await ask(desk, [{**answer, "tool_call_id": "call_nobody"}], context_id=context_id)


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Iterator[None]:
    """A media store of the test's own, with a small limit."""
    settings.DATA_DIR = tmp_path
    context = settings.MAESTRO.context.model_copy(update={"max_media_bytes": 4096})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"context": context})
    with ports.use(media=DjangoMediaStore()), patch.object(runner.TurnRequest, "open", seen_picture):
        yield


async def seen_picture(request: runner.TurnRequest) -> AsyncGenerator[Event, None]:
    """Answer as a model does that reads pictures; the demo's read text only."""
    yield StreamStart(request.model)
    yield TextDelta("A cat.")
    yield StreamEnd("stop")


async def test_pictures_of_a_question_are_stored_sent_and_shown(desk: Desk, media: None) -> None:
    picture = ImagePart("image/png", base64.b64encode(PNG).decode())
    earlier = Message("user", (ImagePart(url="https://x.example/a.png"), TextPart("Once.")))
    asked = Message("user", (TextPart("What is "), picture, TextPart("this?")))
    events = await ask(desk, [earlier, Message("assistant", (TextPart("A cat."),)), asked])
    context_id = events[0].context_id
    rows = await in_store(lambda: list(ContextChunk.objects.filter(context=context_id).order_by("order")))
    assert [row.kind for row in rows] == ["image", "user", "assistant", "image", "user", "assistant"]
    file = await in_store(MediaFile.objects.get)
    assert (file.owner_id, str(file.context_id), file.size) == (desk.user.pk, context_id, len(PNG))
    data = rows[3].metadata
    assert (data["ref"], data["width"], data["height"], "data" in data) == (str(file.pk), 64, 48, False)
    assert rows[3].role == "user" and rows[3].tokens == 1000 and rows[4].content == "What is this?"
    sent = await ports.context_store().messages(desk.user.pk, context_id)
    own = [type(part) for message in sent for part in message.parts if message.role == "user"]
    assert own == [ImagePart, TextPart, ImagePart, TextPart]
    loaded = await stored_media.load(desk.user.pk, sent)
    assert picture.data in [part.data for message in loaded for part in message.parts if isinstance(part, ImagePart)]
    turn = await in_store(Turn.objects.prefetch_related("chunks").get)
    html = await in_store(rendering.render_user, turn)
    assert f'{file.pk}/" alt="Attached image" width="64" height="48"' in html and "What is this?" in html
    again = await turns.retry(owner=desk.user, context_id=context_id, turn_id=turn.pk)
    await watch(again.stream_id)
    present = ContextChunk.objects.filter(context=context_id, deleted_at=None)
    assert await in_store(present.count) == 6, "a new answer keeps the picture"


async def test_a_picture_alone_is_a_question_and_one_over_the_limit_leaves_nothing(desk: Desk, media: None) -> None:
    large = base64.b64encode(bytes(8_000)).decode()
    with pytest.raises(errors.MediaRefused, match="at most 4,096"):
        await ask(desk, [Message("user", (TextPart("See"), ImagePart("image/png", large)))])
    assert await all_of(Turn) == [] and await all_of(MediaFile) == []
    events = await ask(desk, [Message("user", (ImagePart("image/png", base64.b64encode(PNG).decode()),))])
    assert [kind for kind, _ in await kinds(desk, events[0].context_id)] == ["image", "assistant"]


@pytest.mark.parametrize(
    ("messages", "options", "error"),
    [
        (None, {}, errors.EmptyPrompt),
        ("  ", {}, errors.EmptyPrompt),
        ([{"role": "assistant", "content": "x"}], {}, errors.InvalidRequest),
        ([Message("user", (FilePart("application/pdf", "JVBERi0="),))], {}, errors.UnsupportedContent),
        ("Hi", {"temperature": 99}, errors.InvalidParameter),
        ("Hi", {"tools": 7}, errors.InvalidRequest),
        ("Hi", {"tool_choice": "required"}, errors.InvalidRequest),
        ("Hi", {"timeout": "soon"}, errors.InvalidRequest),
        ("Hi", {"system": 7}, errors.InvalidRequest),
        ("Hi", {"model": 7}, errors.InvalidRequest),
        ("Hi", {"auth_type": "oauth"}, errors.UnsupportedOperation),
        ("word " * 150_000, {}, errors.ContextTooLong),
        ("Hi", {"owner": provider.SYSTEM}, errors.OwnerRequired),
    ],
)  # fmt: skip
async def test_a_refused_question_leaves_nothing_behind(
    desk: Desk, messages: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    made = await provider.create_context(owner=desk.user)
    with pytest.raises(error):
        await ask(desk, messages, **options)
    if "owner" not in options:
        with pytest.raises(error) as caught:
            await ask(desk, messages, context_id=made.id, **options)
        assert caught.value.context_id == made.id  # type: ignore[attr-defined]
        with pytest.raises(error):
            await provider.complete_chat(
                "demo", "ada_demo", messages, **{"store": True, "owner": desk.user, "model": MODEL, **options}
            )
    assert await all_of(Turn) == [] and len(await all_of(Context)) == 2 and await all_of(ContextChunk) == []


@pytest.mark.parametrize("function", ["stream", "complete"])
async def test_a_failure_before_the_first_event_is_the_same_error_and_names_the_context(
    desk: Desk, function: str
) -> None:
    with pytest.raises(errors.RateLimited) as plain:
        await provider.complete_chat("demo", "ada_demo", "Hi", model="demo-error-429", owner=desk.user)
    with pytest.raises(errors.RateLimited) as caught:
        if function == "stream":
            await ask(desk, "Hi", model="demo-error-429")
        else:
            await provider.complete_chat("demo", "ada_demo", "Hi", model="demo-error-429", store=True, owner=desk.user)
    assert caught.value.info() == plain.value.info()
    assert [kind for kind, _ in await kinds(desk, caught.value.context_id or "")] == ["user"]
    (stream,) = await all_of(Stream)
    assert stream.state == "failed"


async def test_a_failure_keeps_its_type_also_where_it_is_no_upstreams_or_was_left_in_the_database(desk: Desk) -> None:
    def unfit(request: runner.TurnRequest) -> AsyncGenerator[Event, None]:
        raise errors.NeedsReauth("The login has ended.")

    with patch.object(runner.TurnRequest, "open", unfit), pytest.raises(errors.NeedsReauth, match="has ended"):
        await ask(desk)
    with patch.object(Runtime, "find", lambda *_: None), pytest.raises(errors.RateLimited):
        await ask(desk, "Hi", model="demo-error-429")


async def test_a_late_answer_is_stopped_and_names_the_context(desk: Desk) -> None:
    asked = asyncio.create_task(
        provider.complete_chat("demo", "ada_demo", "Hi", model="demo-silence", store=True, timeout=19, owner=desk.user)
    )
    await until(lambda: desk.kit.runtime.running())
    put_forward(19)
    with pytest.raises(errors.UpstreamTimeout) as caught:
        await asked
    assert await provider.get_context(caught.value.context_id or "", owner=desk.user)
    (stream,) = await all_of(Stream)
    assert stream.state in ("cancelled", "failed")


async def test_an_answer_that_breaks_ends_with_its_failure(desk: Desk) -> None:
    events = await ask(desk, model="demo-truncated-d0")
    assert isinstance(events[0], StreamStart) and isinstance(events[-1], StreamFailed)
    assert not fold(events).complete


async def test_closing_the_iterator_is_stop(desk: Desk) -> None:
    async with aclosing(
        provider.stream_chat("demo", "ada_demo", "Hi", model=SLOW, store=True, owner=desk.user)
    ) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    (stream,) = await all_of(Stream)
    assert stream.state == "cancelled" and stream.result["finish_reason"] == "cancelled"
    (_, answer) = await desk_chunks(stream)
    assert answer.state == "partial" and answer.content.startswith(event.text.strip())


async def desk_chunks(stream: Stream) -> list[ContextChunk]:
    context = await in_store(lambda: Turn.objects.get(stream=stream).context_id)
    return await in_store(lambda: list(ContextChunk.objects.filter(context=context).order_by("order")))


async def test_a_cancelled_reader_is_stop_from_another_loop_too(desk: Desk) -> None:
    done: list[str] = []

    async def script() -> None:
        async def read() -> None:
            async for event in provider.stream_chat("demo", "ada_demo", "Hi", model=SLOW, store=True, owner=desk.user):
                if isinstance(event, TextDelta):
                    begun.set()

        begun = asyncio.Event()
        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        done.append("cancelled" if task.cancelled() else "ended")

    await asyncio.to_thread(asyncio.run, script())
    (stream,) = await all_of(Stream)
    assert done == ["cancelled"] and stream.state == "cancelled"


async def test_a_second_answer_in_the_same_context_is_refused_while_one_runs(desk: Desk) -> None:
    first = provider.stream_chat("demo", "ada_demo", "One", model=SLOW, store=True, owner=desk.user)
    context_id = (await anext(first)).context_id  # type: ignore[union-attr]
    with pytest.raises(errors.TurnRunning) as caught:
        await ask(desk, "Two", context_id=context_id)
    assert caught.value.context_id == context_id and "Stop" in caught.value.hint
    await ask(desk, "Elsewhere")
    started = await turns.start(owner=desk.user, context_id=context_id, text="A tab", model=MODEL)
    await watch(started.stream_id)  # two tabs of the page may ask at the same time
    await first.aclose()
    await ask(desk, "Three", context_id=context_id)
    asked = [text for kind, text in await kinds(desk, context_id or "") if kind == "user"]
    assert asked == ["One", "A tab", "Three"]


async def test_many_scripts_at_once_get_one_answer(desk: Desk) -> None:
    made = await provider.create_context(owner=desk.user)
    asked = [ask(desk, f"{n}", context_id=made.id, model="demo-n20") for n in range(4)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["TurnRunning"] * 3 + ["list"]


async def test_a_dead_process_does_not_keep_a_context_busy(desk: Desk) -> None:
    made = await provider.create_context(owner=desk.user)
    await ask(desk, "One", context_id=made.id)
    await in_store(lambda: Stream.objects.update(state="running", process="gone-1-abc", heartbeat_at="2020-01-01T00Z"))
    assert isinstance((await ask(desk, "Two", context_id=made.id))[-1], StreamEnd)
    assert [stream.state for stream in await all_of(Stream)] == ["complete", "complete"], "its end was stored"


async def test_the_acting_user_owns_what_is_stored(desk: Desk) -> None:
    bob = await open_desk(desk.kit, "bob")
    with provider.acting_as(bob.user):
        stream = provider.stream_chat("demo", "bob_demo", "Hi", model=MODEL, store=True)
    events = [event async for event in stream]
    found = await provider.get_context(events[0].context_id or "", owner=bob.user)  # type: ignore[union-attr]
    assert found.title == "Hi"
    with pytest.raises(errors.OwnerRequired):
        await provider.create_context(owner=999_999)
    with pytest.raises(errors.OwnerRequired):
        await provider.create_context(owner=provider.SYSTEM)
    assert len(await provider.list_contexts(owner=provider.SYSTEM)) == 3

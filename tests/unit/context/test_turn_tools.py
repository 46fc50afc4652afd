"""Tools that are offered with a message: what is sent, what a retry repeats, and the intent that reaches the chunks."""

from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import patch

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from context_app.models import Context, ContextChunk
from context_app.services import turn_writes, turns
from context_app.services.questions import Offer
from context_app.streams import runner, writes
from context_app.streams.live import AnswerChunk, Ending
from context_app.views.panel import frame
from providers_app import provider
from providers_app.chat.request import parse_tools
from providers_app.errors import ContextTooLong, InvalidRequest
from providers_app.types.chat import Tool, ToolChoice
from providers_app.types.events import StreamStart, ToolCall
from providers_app.types.intent import ToolIntent
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import make_turn, watch

DECLARED = Tool("deploy", intent=ToolIntent("best_practice", "staging", "high"))
ASKED = Tool("migrate", intent=ToolIntent("maintenance", "", "medium"), ask_intent=True)
UNSAID = {
    "name": "look",
    "annotations": {"readOnlyHint": True},
    "parameters": {"properties": {"q": {"type": "string"}}},
}


async def calls(desk: Desk) -> list[ContextChunk]:
    return [chunk for chunk in await desk.chunks() if chunk.kind == "tool_call" and chunk.deleted_at is None]


@pytest.mark.both
async def test_the_declared_intent_and_that_of_the_rule_travel_from_the_tools_into_the_chunks(desk: Desk) -> None:
    started, _ = await desk.answer(model="demo-tools", tools=[DECLARED, UNSAID])
    intents = {
        "deploy": {"purpose": "best_practice", "scope": "staging", "risk_level": "high", "source": "tool"},
        "look": {"purpose": None, "scope": "look", "risk_level": "low", "source": "rule"},
    }
    assert {chunk.metadata["name"]: chunk.intent for chunk in await calls(desk)} == intents
    turn = await desk.turn(started.turn_id)
    assert [tool["name"] for tool in turn.tools] == ["deploy", "look"]
    assert turn.tool_choice == {"mode": "auto", "name": None}


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_stored_again_stores_the_intents_of_its_calls_again() -> None:
    stream, context = make_turn("ada", "here")
    for scope in ("first", "last"):
        call = AnswerChunk(kind="tool_call", content="{}", metadata={"name": "f"}, intent={"scope": scope})
        writes.write_chunks(stream.pk, Ending(state="complete", result={}, chunks=(call,), at=timezone.now()))
    assert ContextChunk.objects.get(context=context, kind="tool_call").intent == {"scope": "last"}


async def test_what_the_model_states_of_a_call_is_stored_as_its_own_and_lowers_no_risk(desk: Desk) -> None:
    # The demo model fills in the argument that asks for its intent: purpose test_pass, risk low.
    await desk.answer(model="demo-tools", tools=[ASKED], params={"parallel_tool_calls": False})
    (call,) = await calls(desk)
    assert call.intent == {"purpose": "test_pass", "scope": "demo scope", "risk_level": "medium", "source": "model"}
    assert "maestro_intent" not in call.metadata["arguments"]


async def test_tools_offered_from_python_leave_their_intents_in_the_listed_chunks(desk: Desk) -> None:
    options: dict[str, Any] = {"model": "demo-tools", "tools": [DECLARED, UNSAID], "store": True, "owner": desk.user}
    events = [event async for event in provider.stream_chat("demo", "ada_demo", "Hello", **options)]
    assert isinstance(events[0], StreamStart) and events[0].context_id
    listed = await provider.list_context_chunks("demo", "ada_demo", events[0].context_id, owner=desk.user)
    called = {event.name: event.intent for event in events if isinstance(event, ToolCall)}
    assert {chunk.metadata["name"]: chunk.intent for chunk in listed if chunk.kind == "tool_call"} == called
    assert called == {
        "deploy": ToolIntent("best_practice", "staging", "high", "tool"),
        "look": ToolIntent(None, "look", "low", "rule"),
    }


async def test_a_retry_offers_the_same_tools_and_the_same_choice(desk: Desk) -> None:
    asked: list[tuple[Any, Any]] = []
    stream_chat = runner.provider.stream_chat

    def noting(*args: Any, **options: Any) -> AsyncGenerator[Any, None]:
        asked.append((options["tools"], options["tool_choice"]))
        return stream_chat(*args, **options)

    with patch.object(runner.provider, "stream_chat", noting):
        started, _ = await desk.answer(model="demo-tools", tools=iter([DECLARED, UNSAID]), tool_choice="deploy")
        again = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
        await watch(again.stream_id)
        await desk.answer("And without tools")
    first, second, third = asked
    assert first == second
    assert [tool.name for tool in first[0]] == ["deploy", "look"]
    assert (first[0][0].intent, first[0][1].read_only) == (ToolIntent("best_practice", "staging", "high", "tool"), True)
    assert first[1] == ToolChoice("tool", "deploy")
    assert third == ((), ToolChoice())
    assert [chunk.metadata["name"] for chunk in await calls(desk)] == ["deploy", "look"]


async def test_the_meter_says_what_the_tools_of_the_last_request_took(desk: Desk) -> None:
    async def meter() -> dict[str, Any]:
        found: dict[str, Any] = (await in_store(lambda: frame(Context.objects.get(pk=desk.context.pk))))["meter"]
        return found

    started, _ = await desk.answer(model="demo-tools", tools=[DECLARED, UNSAID])
    offered = Offer((DECLARED, parse_tools([UNSAID])[0])).tokens
    sent = [chunk for chunk in await desk.chunks() if not chunk.not_sent]
    shown = await meter()
    assert shown["tools"] == offered > 0 and shown["used"] == sum(chunk.tokens for chunk in sent)
    page = await in_store(render_to_string, "chats/_meter.html", {"meter": shown, "context": desk.context})
    assert f'+ <span class="num">{offered:,}</span> tokens of tools in the last request' in page
    await desk.answer("And without tools")
    assert (await meter())["tools"] == 0, "a message without tools sends none"
    again = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    await watch(again.stream_id)
    assert (await meter())["tools"] == offered, "asking again offers them again"


async def test_the_choice_reaches_the_provider(desk: Desk) -> None:
    await desk.answer(model="demo-tools-n3", tools=[DECLARED], tool_choice="none")
    assert [chunk.kind for chunk in await desk.chunks()] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"tools": [{"name": "two words"}]}, InvalidRequest),
        ({"tools": [{"name": "f", "intent": {"purpose": "fun"}}]}, InvalidRequest),
        ({"tools": "deploy"}, InvalidRequest),
        ({"tools": [{"name": "f", "description": "x" * 600_000}]}, InvalidRequest),
        ({"tools": [{"name": "f", "description": "\x00"}]}, InvalidRequest),
        ({"tools": [{"name": "f", "parameters": {"default": object()}}]}, InvalidRequest),
        ({"tool_choice": "deploy"}, InvalidRequest),
        ({"tools": [DECLARED], "tool_choice": "look"}, InvalidRequest),
        ({"tools": [{"name": "f", "description": "x" * 400_000}], "text": "word " * 32_000}, ContextTooLong),
    ],
)
async def test_an_offer_that_cannot_be_sent_or_stored_writes_nothing(
    desk: Desk, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await desk.send(**{"text": "Hello", "model": "demo", **fields})
    assert await desk.counts() == (0, 0, 0)


async def test_a_turn_from_before_tools_were_stored_can_be_asked_again(desk: Desk) -> None:
    started, _ = await desk.answer()
    turn = await desk.turn(started.turn_id)
    turn.tools, turn.tool_choice = [], {}
    await in_store(turn.save)
    again = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    assert (await watch(again.stream_id)).text


def test_a_result_belongs_to_the_latest_call_with_its_id() -> None:
    def chunk(kind: str, call_id: str) -> ContextChunk:
        return ContextChunk(kind=kind, metadata={"call_id": call_id})

    older, call, *others = (chunk("tool_call", one) for one in ("c2", "c2", "c1", "c3"))
    rows = [older, call, *others, *(chunk(kind, "c2") for kind in ("tool_result", "server_tool", "user"))]
    assert turn_writes._call(rows, "c2") is call
    for missing in ("c", "c4", ""):
        with pytest.raises(InvalidRequest, match="answers no tool call"):
            turn_writes._call(rows, missing)

"""Any conversation becomes one that the wire accepts: calls and results pair, roles alternate, ids fit."""

import json
import re

import pytest

from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.dialects.request import INTERRUPTED_RESULT, LEFT_OUT
from providers_app.dialects.tool_forms import NINE_ALPHANUMERICS
from providers_app.types.chat import ReasoningPart, ToolCallPart, ToolResultPart
from providers_app.types.dialect import Dialect
from providers_app.types.events import Origin
from tests.wire.asking import ALL, NAMES, TOOL_TURN, ask, body_of, say


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_orphaned_calls_are_answered_and_orphaned_results_dropped(dialect: Dialect) -> None:
    chat = ask(
        say("user", "hi"),
        say("assistant", ToolCallPart("lost", "weather", {})),
        say("user", ToolResultPart("nobody", "weather", "ORPHAN"), "and?"),
        say("assistant", ToolCallPart("last", "weather", {})),
    )
    built = dialect.build_body(chat).decode()
    assert built.count(INTERRUPTED_RESULT) == 2
    assert "ORPHAN" not in built


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_a_late_result_still_answers_its_call(dialect: Dialect) -> None:
    chat = ask(
        say("user", "hi"),
        say("assistant", ToolCallPart("a", "weather", {})),
        say("user", "are you there?"),
        say("tool", ToolResultPart("a", "weather", "SUN")),
    )
    built = dialect.build_body(chat).decode()
    assert INTERRUPTED_RESULT not in built
    assert built.index("SUN") < built.index("are you there?")


def test_ids_that_repeat_over_turns_become_unique_and_still_pair() -> None:
    turn = (
        say("assistant", ToolCallPart("call_0", "weather", {})),
        say("tool", ToolResultPart("call_0", "weather", "1")),
    )
    body = body_of(OpenAIChat(), ask(say("user", "a"), *turn, say("user", "b"), *turn))
    calls = [message["tool_calls"][0]["id"] for message in body["messages"] if "tool_calls" in message]
    results = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
    assert calls == results
    assert len(set(calls)) == 2


def test_a_server_that_wants_nine_alphanumerics_gets_them() -> None:
    dialect = OpenAIChat(request=RequestForm(ids=NINE_ALPHANUMERICS))
    messages = body_of(dialect, ask(*TOOL_TURN))["messages"]
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", call["id"]) for call in messages[2]["tool_calls"])
    assert messages[3]["tool_call_id"] == messages[2]["tool_calls"][0]["id"]


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_neighbours_of_one_role_become_one_message(dialect: Dialect) -> None:
    body = body_of(dialect, ask(say("user", "one"), say("user", "two", ""), say("user", "")))
    sent = body.get("messages") or body.get("input") or body["contents"]
    assert len(sent) == 1
    assert "one" in json.dumps(sent)
    assert "two" in json.dumps(sent)


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_an_answer_of_foreign_reasoning_alone_leaves_no_empty_message(dialect: Dialect) -> None:
    lonely = say("assistant", ReasoningPart("hm", {"signature": "s"}, Origin("elsewhere")))
    body = body_of(dialect, ask(say("user", "one"), lonely, say("user", "two")))
    assert len(body.get("messages") or body.get("input") or body["contents"]) == 1


@pytest.mark.parametrize(
    ("name", "stands_in"),
    [("anthropic_messages", True), ("gemini_generate", True), ("openai_chat", False), ("openai_responses", False)],
)
def test_where_the_wire_wants_a_user_first_a_line_stands_in_for_what_was_left_out(name: str, stands_in: bool) -> None:
    dialect = ALL[NAMES.index(name)]
    cut = ask(say("system", "Be brief."), say("assistant", "Earlier answer."), say("user", "And now?"))
    whole = ask(say("user", "First."), say("assistant", "Earlier answer."), say("user", "And now?"))
    assert (LEFT_OUT in dialect.build_body(cut).decode()) is stands_in
    assert LEFT_OUT not in dialect.build_body(whole).decode()

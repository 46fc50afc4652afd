"""Ids and names of tools in every wire's form: unique, the same for a call and its result, and leading back."""

import re

import pytest

from providers_app.dialects import tool_forms
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.dialects.tool_forms import ANTHROPIC_IDS, NINE_ALPHANUMERICS, OPENAI_IDS, CallIds, IdForm
from providers_app.types.chat import ChatRequest, Tool, ToolCallPart, ToolChoice, ToolResultPart
from providers_app.types.dialect import Dialect
from providers_app.types.events import Origin
from providers_app.types.intent_rules import INTENT_PROPERTY
from tests.wire.asking import ALL, NAMES, ask, body_of, say

FORMS = {"openai": OPENAI_IDS, "anthropic": ANTHROPIC_IDS, "mistral": NINE_ALPHANUMERICS}
WEIRD = ("functions.look:0", "x" * 200, "x" * 201, "", "call 1", "Zürich", "a", "\ud800", "call_0")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_any_id_gets_an_accepted_one_and_no_two_the_same(form: IdForm) -> None:
    def wired() -> list[str]:
        ids = CallIds(form, "here")
        return [ids.of(ToolCallPart(one, "f", {}))[1] for one in (*WEIRD, *WEIRD)]

    found = wired()
    assert found == wired()
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(form.pattern, one) for one in found)


def test_an_id_goes_back_only_to_the_provider_that_gave_it() -> None:
    call = ToolCallPart("call_ours", "f", {}, "theirs_1", origin=Origin("there", "m", "7"))
    assert CallIds(OPENAI_IDS, "there").of(call) == (True, "theirs_1")
    assert CallIds(OPENAI_IDS, "here").of(call) == (False, "call_ours")
    assert CallIds(OPENAI_IDS, "").of(call) == (False, "call_ours")


def test_an_id_that_a_server_repeats_is_told_apart_by_ours() -> None:
    ids = CallIds(OPENAI_IDS, "there")
    calls = [ToolCallPart(f"call_{n}", "f", {}, "functions.f:0", origin=Origin("there")) for n in range(3)]
    assert [ids.of(call) for call in calls] == [(True, "functions.f:0"), (False, "call_1"), (False, "call_2")]


def test_a_result_answers_the_newest_call_of_its_id_and_a_second_one_is_dropped() -> None:
    chat = ask(
        say("user", "q"),
        say("assistant", ToolCallPart("call_0", "f", {"n": 1})),
        say("user", "again"),
        say("assistant", ToolCallPart("call_0", "f", {"n": 2}), ToolCallPart("call_0", "f", {"n": 3})),
        say("tool", *(ToolResultPart("call_0", "f", text) for text in ("TWO", "THREE", "FOUR"))),
    )
    messages = body_of(OpenAIChat(), chat)["messages"]
    answers = {message["tool_call_id"]: message["content"] for message in messages if message["role"] == "tool"}
    made = [call for message in messages for call in message.get("tool_calls", ())]
    by_number = {call["function"]["arguments"]: answers[call["id"]] for call in made}
    assert "interrupted" in by_number['{"n":1}']
    assert (by_number['{"n":2}'], by_number['{"n":3}'], len(answers)) == ("TWO", "THREE", 3)


NASTY = ("fs.read:v1", "fs_read_v1", "läs", "9lives", "x" * 100)


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_a_name_that_the_wire_does_not_take_has_another_one_there_and_leads_back(dialect: Dialect) -> None:
    form: tool_forms.NameForm = dialect.tool_names  # type: ignore[attr-defined]
    chat = ask(
        say("user", "q"),
        say("assistant", *(ToolCallPart(f"call_{n}", name, {}) for n, name in enumerate(NASTY))),
        tools=tuple(Tool(name) for name in NASTY),
        tool_choice=ToolChoice("tool", NASTY[0]),
    )
    wired, back = tool_forms.wired(chat, form), tool_forms.own_names(chat, form)
    sent = [tool.name for tool in wired.tools]
    assert all(map(form.fits, sent))
    assert [back.get(name, name) for name in sent] == list(NASTY)
    assert wired.tool_choice.name == sent[0]
    built = dialect.build_body(chat).decode()
    assert all(f'"{name}"' in built for name in sent)
    assert all(f'"{name}"' not in built for name in set(NASTY) - set(sent))
    assert tool_forms.wired(wired, form) is wired


def test_a_made_name_never_is_another_tools_own() -> None:
    form = tool_forms.OPENAI_NAMES
    made = form.made("fs.read", 0)
    chat = ask(say("user", "q"), tools=(Tool("fs.read"), Tool(made)))
    sent = [tool.name for tool in tool_forms.wired(chat, form).tools]
    assert len(set(sent)) == 2
    assert sent[1] == made


def test_each_wire_takes_the_names_that_its_provider_takes() -> None:
    dotted, long, digit = "a.b:c", "x" * 100, "1st"
    fits = {dialect.name: [dialect.tool_names.fits(name) for name in (dotted, long, digit)] for dialect in ALL}  # type: ignore[attr-defined]
    assert fits == {
        "openai_chat": [False, False, True],
        "openai_responses": [False, False, True],
        "anthropic_messages": [False, True, True],
        "gemini_generate": [True, False, False],
    }


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_the_place_for_the_models_intent_is_on_the_wire_and_its_statement_goes_back_as_it_was(dialect: Dialect) -> None:
    stated = {"purpose": "test_pass", "scope": "s", "risk_level": "low"}
    family = {"openai_chat": "", "openai_responses": "openai", "anthropic_messages": "anthropic"}
    origin = Origin(family.get(dialect.name, "gemini"), "m-1")
    call = ToolCallPart("c", "f", {"a": 1}, None, {INTENT_PROPERTY: stated}, origin)
    asking, silent = Tool("f", ask_intent=True), Tool("f")
    chat = ask(say("user", "q"), say("assistant", call))
    with_place = dialect.build_body(ChatRequest(model="m-1", messages=chat.messages, tools=(asking,))).decode()
    without = dialect.build_body(ChatRequest(model="m-1", messages=chat.messages, tools=(silent,))).decode()
    assert with_place.count(INTENT_PROPERTY) == 2
    assert INTENT_PROPERTY not in without


@pytest.mark.parametrize("dialect", [AnthropicMessages(), GeminiGenerate(), OpenAIChat(), OpenAIResponses()])
def test_one_request_gives_one_body_whatever_was_built_before(dialect: Dialect) -> None:
    chat = ask(say("user", "q"), say("assistant", ToolCallPart("é", "f", {}), ToolCallPart("é", "f", {})))
    assert body_of(dialect, chat) == body_of(dialect, chat)

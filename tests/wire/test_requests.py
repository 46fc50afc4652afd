"""What every dialect makes of one conversation: exact, deterministic bytes that the wire accepts."""

import json
import re
from typing import Any

import pytest

from providers_app import dialects
from providers_app.behaviours.streaming import Dialect
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.gemini_generate import RequestForm as GeminiForm
from providers_app.dialects.history import INTERRUPTED_RESULT, NINE_ALPHANUMERICS
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.types.chat import (
    ChatParams,
    ChatRequest,
    ImagePart,
    JsonSchema,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

ALL = list(dialects.DIALECTS.values())
NAMES = list(dialects.DIALECTS)
WEATHER = Tool("weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
LONG_ID = "chatcmpl-tool-0123456789abcdef0123456789abcdef.0:1"


def say(role: Any, *parts: Part | str) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model=fields.pop("model", "m-1"), messages=messages, **fields)


def body_of(dialect: Dialect, chat: ChatRequest) -> dict[str, Any]:
    built = dialect.build_body(chat)
    assert built == dialect.build_body(chat), "the same request gives the same bytes"
    found: dict[str, Any] = json.loads(built)
    return found


TOOL_TURN = (
    say("system", "Be brief."),
    say("user", "Weather?"),
    say(
        "assistant",
        "I look.",
        ToolCallPart("a", "weather", {"city": "Zürich"}, LONG_ID),
        ToolCallPart("b", "weather", {"city": "Bern"}, "b:1"),
    ),
    say("tool", ToolResultPart("b", "weather", "rain"), ToolResultPart("a", "weather", '{"sky":"clear"}', True)),
    say("user", "Thanks."),
)


def test_chat_completions_body() -> None:
    params = ChatParams(max_output_tokens=99, temperature=0.5, stop=("x",), seed=7, parallel_tool_calls=False)
    chat = ask(*TOOL_TURN, tools=(WEATHER,), tool_choice=ToolChoice("tool", "weather"), params=params)
    body = body_of(OpenAIChat(), chat)
    calls = body["messages"][2].pop("tool_calls")
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look."},
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": '{"sky":"clear"}'},
        {"role": "tool", "tool_call_id": calls[1]["id"], "content": "rain"},
        {"role": "user", "content": "Thanks."},
    ]
    assert calls[0]["function"] == {"name": "weather", "arguments": '{"city":"Zürich"}'}
    assert re.fullmatch(r"call_[0-9A-Za-z]{24}", calls[0]["id"])  # 40 characters are the limit
    assert calls[1]["id"] == "b:1"
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_completion_tokens"] == 99
    assert (body["temperature"], body["stop"], body["seed"]) == (0.5, ["x"], 7)
    assert body["tools"][0]["function"]["parameters"] == WEATHER.parameters
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["parallel_tool_calls"] is False


def test_responses_body() -> None:
    params = ChatParams(
        max_output_tokens=99, reasoning_effort="low", response_schema=JsonSchema("r", {"type": "object"})
    )
    body = body_of(OpenAIResponses(), ask(*TOOL_TURN, tools=(WEATHER,), params=params))
    assert body["instructions"] == "Be brief."
    assert [item.get("type", item.get("role")) for item in body["input"]] == [
        "user",
        "assistant",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        "user",
    ]
    assert body["input"][1]["content"] == [{"type": "output_text", "text": "I look."}]
    assert body["input"][2]["call_id"] == body["input"][4]["call_id"]
    assert body["input"][5] == {"type": "function_call_output", "call_id": "b:1", "output": "rain"}
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["text"]["format"] == {"type": "json_schema", "name": "r", "schema": {"type": "object"}, "strict": True}
    assert body["tools"][0]["name"] == "weather"
    assert (body["max_output_tokens"], body["stream"]) == (99, True)


def test_messages_body() -> None:
    params = ChatParams(parallel_tool_calls=False)
    body = body_of(
        AnthropicMessages(), ask(*TOOL_TURN, tools=(WEATHER,), tool_choice=ToolChoice("required"), params=params)
    )
    assert body["system"] == "Be brief."
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    text, *calls = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "I look."}
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", call["id"]) for call in calls)
    answers = body["messages"][2]["content"]
    assert answers == [
        {"type": "tool_result", "tool_use_id": calls[0]["id"], "content": '{"sky":"clear"}', "is_error": True},
        {"type": "tool_result", "tool_use_id": calls[1]["id"], "content": "rain"},
        {"type": "text", "text": "Thanks."},
    ]
    assert calls[0]["input"] == {"city": "Zürich"}
    assert body["max_tokens"] > 1024
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body["tools"][0]["input_schema"]["type"] == "object"


def test_gemini_body() -> None:
    params = ChatParams(max_output_tokens=99, top_p=0.9, stop=("x",), reasoning_effort="high")
    chat = ask(
        *TOOL_TURN, model="gemini-3-x", tools=(WEATHER,), tool_choice=ToolChoice("tool", "weather"), params=params
    )
    body = body_of(GeminiGenerate(), chat)
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
    call = body["contents"][1]["parts"][1]
    assert call["functionCall"] == {"name": "weather", "args": {"city": "Zürich"}, "id": LONG_ID}
    assert call["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in body["contents"][1]["parts"][2]
    first, second, thanks = body["contents"][2]["parts"]
    assert first["functionResponse"] == {"name": "weather", "response": {"error": '{"sky":"clear"}'}, "id": LONG_ID}
    assert second["functionResponse"]["response"] == {"result": "rain"}
    assert thanks == {"text": "Thanks."}
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["weather"]}
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "HIGH"}
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == WEATHER.parameters
    plain = body_of(GeminiGenerate(request=GeminiForm(echo_call_ids=False)), ask(*TOOL_TURN, model="gemini-2.5-x"))
    assert "id" not in plain["contents"][1]["parts"][1]["functionCall"]
    assert "thoughtSignature" not in plain["contents"][1]["parts"][1]


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


REASONING = {
    "openai_responses": ("openai", {"type": "reasoning", "summary": [], "encrypted_content": "OPAQUE"}),
    "anthropic_messages": ("anthropic", {"type": "thinking", "signature": "OPAQUE"}),
    "gemini_generate": ("gemini", {"thoughtSignature": "OPAQUE"}),
}


@pytest.mark.parametrize("name", REASONING)
def test_reasoning_goes_back_only_to_where_it_came_from(name: str) -> None:
    family, opaque = REASONING[name]
    for provider in (family, "elsewhere", None):
        part = ReasoningPart("secret thought", opaque, provider)
        built = dialects.by_name(name).build_body(ask(say("user", "q"), say("assistant", part, "a"), say("user", "r")))
        assert (b"OPAQUE" in built) is (provider == family)
        assert (b"secret thought" in built) is (provider == family and name != "openai_responses")


def test_reasoning_of_openrouter_and_deepseek_style_servers() -> None:
    part = ReasoningPart("hm", {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "there")
    chat = ask(say("user", "q"), say("assistant", part, "a"), say("user", "r"))
    for replay, field in (("details", "reasoning_details"), ("content", "reasoning_content"), ("none", None)):
        form = RequestForm(family="there", reasoning_replay=replay)  # type: ignore[arg-type]
        assistant = body_of(OpenAIChat(request=form), chat)["messages"][1]
        assert set(assistant) == {"role", "content"} | ({field} if field else set())


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_pictures_go_inline_and_by_address(dialect: Dialect) -> None:
    chat = ask(say("user", "see", ImagePart("image/png", data="QUJD"), ImagePart(url="https://pictures.test/a.png")))
    built = dialect.build_body(chat).decode()
    assert "QUJD" in built
    assert "https://pictures.test/a.png" in built


def test_quirks_of_compatible_servers_are_data() -> None:
    form = RequestForm(
        max_tokens_field="max_tokens",
        system_everywhere=True,
        include_usage=False,
        structured="json_object",
        reasoning_field="reasoning",
        unsupported=frozenset({"seed"}),
    )
    params = ChatParams(
        max_output_tokens=5, seed=1, reasoning_effort="low", response_schema=JsonSchema("r", {"type": "object"})
    )
    messages = (say("user", "a"), say("system", "late"), say("user", "b"))
    body = body_of(OpenAIChat(request=form), ask(*messages, params=params))
    assert body == {
        "model": "m-1",
        "messages": [{"role": "system", "content": "late"}, {"role": "user", "content": "a\n\nb"}],
        "stream": True,
        "max_tokens": 5,
        "reasoning": {"effort": "low"},
        "response_format": {"type": "json_object"},
    }


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_extra_fields_are_merged_into_the_body(dialect: Dialect) -> None:
    extra = {"new_field": [1], "generationConfig": {"topK": 3}, "metadata": {"user_id": "u"}}
    body = body_of(dialect, ask(say("user", "q"), params=ChatParams(temperature=0.1, extra=extra)))
    assert body["new_field"] == [1]
    assert body["generationConfig"]["topK"] == 3
    if dialect.name == "gemini_generate":
        assert body["generationConfig"]["temperature"] == 0.1


def test_thinking_of_models_that_take_a_budget_stays_below_the_limit() -> None:
    dialect = AnthropicMessages()

    def thinking(model: str, effort: Any, limit: int | None = None) -> Any:
        chat = ask(say("user", "q"), model=model, params=ChatParams(reasoning_effort=effort, max_output_tokens=limit))
        return body_of(dialect, chat).get("thinking")

    assert thinking("claude-sonnet-4-5-20250929", "high", 4000) == {"type": "enabled", "budget_tokens": 3999}
    assert thinking("claude-sonnet-4-5-20250929", "high", 900) is None
    assert thinking("claude-opus-4-6", "high") == {"type": "adaptive", "display": "summarized"}
    assert thinking("claude-opus-4-6", "none") == {"type": "disabled"}


def test_a_final_assistant_turn_ends_without_white_space() -> None:
    body = body_of(AnthropicMessages(), ask(say("user", "q"), say("assistant", "so far \n")))
    assert body["messages"][-1]["content"] == [{"type": "text", "text": "so far"}]


def test_an_unknown_dialect_is_named_with_the_known_ones() -> None:
    with pytest.raises(dialects.InvalidRequest, match="nonsense") as caught:
        dialects.by_name("nonsense")
    assert "openai_chat" in caught.value.hint

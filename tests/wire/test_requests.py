"""What every dialect makes of one conversation: exact, deterministic bytes that the wire accepts."""

import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from providers_app import dialects
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.openai_chat import SCHEMA as SCHEMA_INSTRUCTION
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.types.chat import (
    ChatParams,
    ChatRequest,
    ImagePart,
    JsonSchema,
    ReasoningPart,
    Tool,
    ToolCallPart,
    ToolChoice,
)
from providers_app.types.dialect import Dialect
from providers_app.types.events import Origin
from tests.wire.asking import ALL, NAMES, TOOL_TURN, WEATHER, ask, body_of, say


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


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_is_told_with_its_description_or_without_one(name: str) -> None:
    def tool_of(given: Tool) -> dict[str, Any]:
        tool = body_of(dialects.by_name(name), ask(say("Weather?"), tools=(given,)))["tools"][0]
        found: dict[str, Any] = tool.get("function") or tool.get("functionDeclarations", [tool])[0]
        return found

    assert tool_of(replace(WEATHER, description="Look at the sky."))["description"] == "Look at the sky."
    assert not tool_of(replace(WEATHER, description="")).get("description")


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
    assert call["functionCall"] == {"name": "weather", "args": {"city": "Zürich"}}  # the id is not one of Gemini's
    assert call["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in body["contents"][1]["parts"][2]
    first, second, thanks = body["contents"][2]["parts"]
    assert first["functionResponse"] == {"name": "weather", "response": {"error": '{"sky":"clear"}'}}
    assert second["functionResponse"]["response"] == {"result": "rain"}
    assert thanks == {"text": "Thanks."}
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["weather"]}
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "HIGH"}
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == WEATHER.parameters
    plain = body_of(GeminiGenerate(), ask(*TOOL_TURN, model="gemini-2.5-x"))
    assert "thoughtSignature" not in plain["contents"][1]["parts"][1]


def test_gemini_gets_its_own_ids_back_and_vertex_none() -> None:
    own = Origin("gemini", "gemini-3-x")
    calls = [ToolCallPart(f"call_{n}", "f", {}, f"opaque/{n}", None, own) for n in range(2)]
    chat = ask(say("user", "q"), say("assistant", *calls), model="gemini-3-x")
    made, answered = body_of(GeminiGenerate(), chat)["contents"][1:]
    assert [part["functionCall"]["id"] for part in made["parts"]] == ["opaque/0", "opaque/1"]
    assert [part["functionResponse"]["id"] for part in answered["parts"]] == ["opaque/0", "opaque/1"]
    silent = GeminiGenerate(echo_call_ids=False).build_body(chat)
    elsewhere = GeminiGenerate(family="vertex_ai").build_body(chat)
    assert b"opaque/" not in silent
    assert b"opaque/" not in elsewhere


REASONING = {
    "openai_responses": ("openai", {"type": "reasoning", "summary": [], "encrypted_content": "OPAQUE"}),
    "anthropic_messages": ("anthropic", {"type": "thinking", "signature": "OPAQUE"}),
    "gemini_generate": ("gemini", {"thoughtSignature": "OPAQUE"}),
}


@pytest.mark.parametrize("name", REASONING)
def test_reasoning_goes_back_only_to_where_it_came_from(name: str) -> None:
    family, opaque = REASONING[name]
    for provider in (family, "elsewhere", None):
        part = ReasoningPart("secret thought", opaque, Origin(provider) if provider else None)
        built = dialects.by_name(name).build_body(ask(say("user", "q"), say("assistant", part, "a"), say("user", "r")))
        assert (b"OPAQUE" in built) is (provider == family)
        assert (b"secret thought" in built) is (provider == family and name != "openai_responses")


def test_reasoning_of_openrouter_and_deepseek_style_servers() -> None:
    part = ReasoningPart("hm", {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, Origin("there"))
    calling = say("assistant", part, ToolCallPart("c", "f", {}))
    looping = ask(say("user", "q"), calling)
    over = ask(say("user", "q"), calling, say("user", "r"))

    def fields(replay: Any, chat: ChatRequest) -> set[str]:
        form = RequestForm(family="there", reasoning_replay=replay)
        return set(body_of(OpenAIChat(request=form), chat)["messages"][1]) - {"role", "content", "tool_calls"}

    assert fields("details", looping) == fields("details", over) == {"reasoning_details"}
    assert fields("content", looping) == {"reasoning_content"}
    assert fields("content", over) == fields("none", looping) == set()


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
        "messages": [
            {"role": "system", "content": f'{SCHEMA_INSTRUCTION}{{"type":"object"}}\n\nlate'},
            {"role": "user", "content": "a\n\nb"},
        ],
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


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def test_the_shape_of_the_answer_goes_where_each_format_has_it() -> None:
    chat = ask(say("user", "q"), params=ChatParams(response_schema=JsonSchema("r", SCHEMA), reasoning_effort="minimal"))
    chat_body = body_of(OpenAIChat(), chat)
    assert chat_body["response_format"]["json_schema"] == {"name": "r", "schema": SCHEMA, "strict": True}
    assert chat_body["reasoning_effort"] == "minimal"
    output = body_of(AnthropicMessages(), chat)["output_config"]
    assert output == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}
    config = body_of(GeminiGenerate(), chat)["generationConfig"]
    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", SCHEMA)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("auto", (None, None, None, None)),
        ("none", ("none", "none", {"type": "none"}, {"mode": "NONE"})),
        ("required", ("required", "required", {"type": "any"}, {"mode": "ANY"})),
    ],
)
def test_the_choice_of_tools_in_every_format(mode: Any, expected: tuple[Any, ...]) -> None:
    chat = ask(say("user", "q"), tools=(WEATHER,), tool_choice=ToolChoice(mode))
    bodies = [body_of(dialect, chat) for dialect in ALL]
    found = [body.get("tool_choice") for body in bodies[:3]]
    found.append(bodies[3].get("toolConfig", {}).get("functionCallingConfig"))
    assert tuple(found) == expected
    without = ask(say("user", "q"), tool_choice=ToolChoice(mode))
    assert all(
        "tool_choice" not in body and "toolConfig" not in body for body in (body_of(one, without) for one in ALL)
    )


def test_one_named_tool_and_its_strictness() -> None:
    tool = Tool("t", parameters={}, strict=True)
    chat = ask(say("user", "q"), tools=(tool,), tool_choice=ToolChoice("tool", "t"))
    responses, messages = body_of(OpenAIResponses(), chat), body_of(AnthropicMessages(), chat)
    assert (responses["tool_choice"], responses["tools"][0]["strict"]) == ({"type": "function", "name": "t"}, True)
    assert responses["tools"][0]["parameters"] == {"type": "object", "properties": {}}
    assert (messages["tool_choice"], messages["tools"][0]["strict"]) == ({"type": "tool", "name": "t"}, True)


def test_a_late_system_message_keeps_its_place_where_the_format_has_one() -> None:
    chat = ask(say("system", "first"), say("user", "a"), say("system", "late"), say("user", "b"))
    assert body_of(OpenAIResponses(), chat)["input"][1] == {"role": "developer", "content": "late"}
    assert body_of(OpenAIChat(), chat)["messages"][2] == {"role": "system", "content": "late"}
    for dialect, field in ((AnthropicMessages(), "system"), (GeminiGenerate(), "systemInstruction")):
        body = body_of(dialect, chat)
        assert "first\\n\\nlate" in json.dumps(body[field])
        assert len(body.get("messages") or body["contents"]) == 1

"""The vendor servers refuse what the real ones refuse, in their words, so that a test against them can fail."""

import json
from typing import Any

import httpx
import pytest

from tests.vendors import anthropic, chat, gemini, openai
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer

ANTHROPIC = {"model": "claude-opus-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
OPENAI = {"model": "gpt-5.6", "input": "hi"}
CHAT = {"model": "local-large", "messages": [{"role": "user", "content": "hi"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
USER = {"role": "user", "content": "hi"}
TOOL_USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]}
CHAT_CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
CALL_PART = {"functionCall": {"name": "f", "args": {}}}


def ask(server: VendorServer, body: dict[str, Any], *, model: str = "", key: str | None = None) -> httpx.Response:
    """The body at the server's chat endpoint, as the vendor's own client would send it."""
    match type(server.vendor).__name__:
        case "AnthropicVendor":
            path = "/v1/messages"
            headers = {"x-api-key": key or anthropic.VALID_KEY, "anthropic-version": "2023-06-01"}
        case "OpenAIVendor":
            path, headers = "/v1/responses", {"authorization": f"Bearer {key or openai.VALID_KEY}"}
        case "ChatVendor":
            path, headers = "/v1/chat/completions", {"authorization": f"Bearer {key or chat.VALID_KEY}"}
        case _:
            path = f"/v1beta/models/{model or 'gemini-3-pro'}:streamGenerateContent?alt=sse"
            headers = {"x-goog-api-key": key or gemini.VALID_KEY}
    if model and "contents" not in body:
        body = {**body, "model": model}
    return httpx.post(server.origin + path, headers=headers, json=body, timeout=60)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [USER, {"role": "assistant", "content": "so"}]}, "assistant message prefill"),
        ({"messages": [USER, TOOL_USE, USER]}, "without `tool_result` blocks immediately after: toolu_1"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "must be non-empty"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "not supported by this model"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "tools.0.name"),
        ({"temperature": 0.5, "thinking": {"type": "adaptive"}}, "may only be set to 1"),
    ],
)
def test_anthropic_refuses(anthropic_server: VendorServer, change: dict[str, Any], said: str) -> None:
    answer = ask(anthropic_server, {**ANTHROPIC, **change})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"max_tokens": 5}, "unknown_parameter", "'max_tokens'"),
        ({"max_output_tokens": 5}, "integer_below_min_value", ">= 16"),
        ({"temperature": 0.5}, "unsupported_parameter", "'temperature'"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "unknown_parameter", "tools[0].function"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
            "invalid_value",
            "output",
        ),
        (
            {"input": [{"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}]},
            None,
            "No tool output found for function call c1",
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c1", "output": "x"}]}, None, "No tool call found"),
    ],
)
def test_openai_refuses(openai_server: VendorServer, change: dict[str, Any], code: str | None, said: str) -> None:
    answer = ask(openai_server, {**OPENAI, **change})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert said in error["message"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_output_tokens": 5}, "'max_output_tokens'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "'developer'"),
        ({"messages": [USER, CHAT_CALL, USER]}, "call_1"),
        ({"messages": [USER, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}, "role 'tool'"),
        (
            {"messages": [USER, {**CHAT_CALL, "tool_calls": [{**CHAT_CALL["tool_calls"][0], "id": "x" * 41}]}]},  # type: ignore[index]
            "maximum length 40",
        ),
    ],
)
def test_chat_refuses(chat_server: VendorServer, change: dict[str, Any], said: str) -> None:
    answer = ask(chat_server, {**CHAT, **change})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"messages": []}, 'Unknown name "messages"'),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": [{"text": "x", **CALL_PART}]}]}, "oneof field 'data'"),
        ({"contents": [{"role": "user", "parts": [{"thought": True}]}]}, "oneof field 'data'"),
        (
            {"contents": [GEMINI["contents"][0], {"role": "model", "parts": [CALL_PART]}, GEMINI["contents"][0]]},
            "number of function response parts",
        ),
        (
            {
                "contents": [
                    GEMINI["contents"][0],
                    {"role": "model", "parts": [CALL_PART]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]},
                ]
            },
            "thought_signature",
        ),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object", "$ref": "#"}}]}]},
            'Unknown name "$ref"',
        ),
    ],
)
def test_gemini_refuses(gemini_server: VendorServer, change: dict[str, Any], said: str) -> None:
    answer = ask(gemini_server, {**GEMINI, **change})
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert said in answer.json()["error"]["message"]


def test_a_wrong_key_is_refused_in_each_vendors_way(
    anthropic_server: VendorServer, openai_server: VendorServer, chat_server: VendorServer, gemini_server: VendorServer
) -> None:
    assert ask(anthropic_server, ANTHROPIC, key="x").json()["error"]["type"] == "authentication_error"
    assert ask(openai_server, OPENAI, key="x").status_code == 401
    assert ask(chat_server, CHAT, key="x").json()["error"]["code"] == "invalid_api_key"
    answer = ask(gemini_server, GEMINI, key="x")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert gemini_server.ledger[0].key == "wrong"


def test_framing_is_the_vendors_own(
    anthropic_server: VendorServer, openai_server: VendorServer, chat_server: VendorServer, gemini_server: VendorServer
) -> None:
    text = ask(anthropic_server, {**ANTHROPIC, "stream": True}).text
    assert text.startswith("event: message_start\ndata: {")
    assert text.count("event: ping") == 2
    events = [
        json.loads(line[6:])
        for line in ask(openai_server, {**OPENAI, "stream": True}).content.split(b"\n")
        if line.startswith(b"data: ")
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    with_usage = ask(chat_server, {**CHAT, "stream": True, "stream_options": {"include_usage": True}}).text
    assert with_usage.endswith("data: [DONE]\n\n")
    assert '"choices":[],"usage":{' in with_usage
    assert '"usage"' not in ask(chat_server, {**CHAT, "stream": True}).text
    lines = ask(gemini_server, GEMINI).content.split(b"\r\n")
    assert {line[:6] for line in lines} == {b"data: ", b""}
    parts = [json.loads(line[6:])["candidates"][0]["content"]["parts"][0]["text"] for line in lines if line]
    assert "".join(parts) == expected_text("hi")


def test_an_unknown_token_is_an_unknown_model(anthropic_server: VendorServer, gemini_server: VendorServer) -> None:
    assert ask(anthropic_server, ANTHROPIC, model="claude-opus-5-mystery").status_code == 404
    assert ask(gemini_server, GEMINI, model="gemini-3-pro-mystery").json()["error"]["status"] == "NOT_FOUND"


def test_a_fault_can_end_after_n_requests(chat_server: VendorServer) -> None:
    model = "local-large-status-503-times-2"
    assert [ask(chat_server, CHAT, model=model).status_code for _ in range(3)] == [503, 503, 200]

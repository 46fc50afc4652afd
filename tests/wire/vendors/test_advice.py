"""Advice against the strict servers: what it takes out is what they refuse, and what it leaves in they take."""

import json
from typing import Any

import httpx
import pytest

from providers_app import conf, provider
from providers_app.chat.request import parse_params, parse_tools
from providers_app.errors import InvalidParameter, UnsupportedParameter
from providers_app.registry.resolver import authorizer, resolve
from providers_app.types.chat import ChatRequest, JsonSchema, Message, TextPart
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import StreamEnd, StreamStart
from tests.wire.vendors.connected import VENDORS, WEATHER, Vendor
from tests.wire.vendors.memory_store import MemorySessions

OPEN = {"type": "object", "properties": {"sky": {"type": "string"}}}
# provider, model, parameters, tools: each refused by the real server's rules when it is sent as it is.
TAKEN_OUT: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    ("openai", "gpt-5.6", {"temperature": 0.5}, []),
    ("openai", "gpt-5.6", {"top_p": 0.5, "reasoning_effort": "low"}, []),
    ("openai", "gpt-4.1", {"reasoning_effort": "low"}, []),
    ("openai", "gpt-4.1", {"response_schema": JsonSchema("answer", OPEN)}, []),
    ("openai", "gpt-4.1", {}, [{**WEATHER, "strict": True}]),
    ("anthropic", "claude-opus-5", {"temperature": 0.5}, []),
    ("anthropic", "claude-haiku-4-5", {"temperature": 0.5, "top_p": 0.5}, []),
    ("anthropic", "claude-haiku-4-5", {"temperature": 0.5, "reasoning_effort": "low"}, []),
]
REFUSED: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    ("openai", "gpt-4.1", {"max_output_tokens": 5}, []),
    ("openai", "gpt-4.1", {"response_schema": {"type": "array"}}, []),
    ("anthropic", "claude-haiku-4-5", {"temperature": 1.5}, []),
    ("anthropic", "claude-haiku-4-5", {}, [{"name": "a", "parameters": {"type": "object", "anyOf": []}}]),
    ("gemini", "gemini-3-pro", {"stop": list("abcdef")}, []),
    ("gemini", "gemini-3-pro", {"seed": 2**31, "stop": list("abcdef")}, []),
]
SENT_AS_THEY_ARE: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    ("openai", "gpt-4.1", {"temperature": 0.5, "top_p": 0.5, "max_output_tokens": 16}, [WEATHER]),
    ("openai", "gpt-5.6", {"temperature": 0.5, "reasoning_effort": "none"}, []),
    ("openai", "gpt-5.6", {"reasoning_effort": "max", "parallel_tool_calls": False}, [WEATHER]),
    ("anthropic", "claude-haiku-4-5", {"temperature": 1.0, "stop": ["x"], "reasoning_effort": "high"}, [WEATHER]),
    ("anthropic", "claude-opus-5", {"reasoning_effort": "xhigh", "parallel_tool_calls": False}, [WEATHER]),
    ("gemini", "gemini-3-pro", {"temperature": 2.0, "top_p": 1.0, "seed": 3, "stop": list("abcde")}, [WEATHER]),
    ("gemini", "gemini-2.5-flash", {"reasoning_effort": "none"}, [{**WEATHER, "name": "1st.look"}]),
    ("remote", "local-large", {"temperature": 0.1, "seed": 3, "stop": list("abcd")}, [WEATHER]),
]
CHANGED: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    *TAKEN_OUT,
    ("openai", "gpt-4.1", {"seed": 1, "stop": ["x"]}, []),
    ("anthropic", "claude-opus-5", {"seed": 1, "reasoning_effort": "minimal"}, []),
    ("anthropic", "claude-haiku-4-5", {"reasoning_effort": "high", "max_output_tokens": 2000}, []),
    ("anthropic", "claude-haiku-4-5", {"reasoning_effort": "high", "max_output_tokens": 1000}, []),
    ("gemini", "gemini-3-pro", {"reasoning_effort": "max"}, []),
    ("gemini", "gemini-3-pro", {"parallel_tool_calls": False}, [WEATHER]),
]


@pytest.fixture
def chosen(request: pytest.FixtureRequest, store: MemorySessions, slug: str, model: str) -> Vendor:
    """The provider that the case is about, with its server; started here, outside of the loop."""
    server, key, _, listed = VENDORS[slug]
    return Vendor(slug, request.getfixturevalue(server), key, model, listed, store)


def as_it_is(vendor: Vendor, params: dict[str, Any], tools: list[Any]) -> httpx.Response:
    """The server's answer to the request that nothing was taken out of."""
    chat = ChatRequest(
        model=vendor.model,
        messages=(Message("user", (TextPart("Hello"),)),),
        tools=parse_tools(tools),
        params=parse_params(params),
        stream=False,
    )
    login = Credential(auth_type="api_key", secret=Secret(vendor.key), base_url=vendor.server.base_url)
    built = authorizer(vendor.slug, "api_key")(login, resolve(vendor.slug, "streaming").build(chat, login))
    return httpx.post(built.url, headers=built.headers, content=built.body, timeout=60)


@pytest.mark.parametrize(("slug", "model", "params", "tools"), [*TAKEN_OUT, *REFUSED])
def test_what_is_taken_out_or_refused_would_be_refused_there(
    chosen: Vendor, slug: str, model: str, params: dict[str, Any], tools: list[Any]
) -> None:
    assert as_it_is(chosen, params, tools).status_code == 400


@pytest.mark.parametrize(("slug", "model", "params", "tools"), CHANGED)
async def test_what_is_left_is_accepted_and_the_answer_says_what_was_changed(
    chosen: Vendor, slug: str, model: str, params: dict[str, Any], tools: list[Any]
) -> None:
    events = await chosen.stream(tools=tools, **params)
    start = next(event for event in events if isinstance(event, StreamStart))
    assert isinstance(events[-1], StreamEnd)
    assert [item for item in start.advice if item.level == "warning" and item.code]
    result = await provider.complete_chat(slug, "main", "Hello", model=model, tools=tools, **params)
    assert result.complete and result.advice == start.advice
    prepared = await provider.preview_request(slug, "main", "Hello", model=model, tools=tools, **params)
    assert prepared.advice == start.advice
    asked = len(chosen.ledger)
    with pytest.raises(UnsupportedParameter) as refused:
        await provider.complete_chat(slug, "main", "Hello", model=model, tools=tools, strict=True, **params)
    with pytest.raises(UnsupportedParameter):
        await provider.preview_request(slug, "main", "Hello", model=model, tools=tools, strict=True, **params)
    assert len(chosen.ledger) == asked, "nothing was sent"
    assert all(item in start.advice for item in refused.value.advice)
    said = provider.validate_parameters(slug, model, params, tools=tools)
    assert {(item.field, item.code) for item in start.advice} <= {(item.field, item.code) for item in said}


@pytest.mark.parametrize(("slug", "model", "params", "tools"), REFUSED)
async def test_what_cannot_be_sent_is_refused_before_it_is_sent(
    chosen: Vendor, slug: str, model: str, params: dict[str, Any], tools: list[Any]
) -> None:
    asked = len(chosen.ledger)
    with pytest.raises(InvalidParameter) as refused:
        await chosen.stream(tools=tools, **params)
    assert not isinstance(refused.value, UnsupportedParameter)
    assert len(chosen.ledger) == asked
    said = provider.validate_parameters(slug, model, params, tools=tools)
    assert {item.code for item in refused.value.advice} == {item.code for item in said if item.level == "error"}


@pytest.mark.parametrize(("slug", "model", "params", "tools"), SENT_AS_THEY_ARE)
async def test_what_nothing_is_said_against_is_sent_as_it_is_and_accepted(
    chosen: Vendor, slug: str, model: str, params: dict[str, Any], tools: list[Any]
) -> None:
    events = await chosen.stream(tools=tools, strict=True, **params)
    assert isinstance(events[-1], StreamEnd)
    said = provider.validate_parameters(slug, model, params, tools=tools)
    assert not [item for item in said if item.level == "error"]
    chat = ChatRequest(
        model=model,
        messages=(Message("user", (TextPart("Hello there."),)),),
        tools=parse_tools(tools),
        params=parse_params(params),
    )
    dialect = resolve(slug, "streaming").dialect
    assert chosen.ledger[-1].body == json.loads(dialect.build_body(chat))


@pytest.mark.parametrize(("slug", "model"), [("openai", "gpt-4.1")])
async def test_a_setting_makes_every_request_strict(chosen: Vendor, slug: str, model: str) -> None:
    await chosen.connect()
    strict = conf.current().model_copy(update={"strict_parameters": True})
    with conf.use(strict):
        with pytest.raises(UnsupportedParameter):
            await provider.complete_chat(slug, "main", "Hello", model=model, seed=1)
        result = await provider.complete_chat(slug, "main", "Hello", model=model, seed=1, strict=False)
    assert result.complete and [item.field for item in result.advice] == ["seed"]

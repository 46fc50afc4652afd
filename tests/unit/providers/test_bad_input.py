"""Whatever a caller passes, the answer is a typed error with a stable code and a short message, never a traceback."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from providers_app import errors, provider
from providers_app.chat.messages import parse_messages
from providers_app.chat.request import parse_params, parse_tools
from providers_app.errors import InvalidRequest
from providers_app.text import LONGEST, quoted
from providers_app.types.chat import ImagePart, Message, TextPart, Tool, ToolCallPart, ToolResultPart
from tests.unit.providers.memory_store import MemoryContexts, MemorySessions

HUGE = 10**5000
LONE = "a\ud800b"
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


def calling(arguments: Any) -> list[dict[str, Any]]:
    function = {"name": "f", "arguments": arguments}
    return [{"role": "assistant", "tool_calls": [{"id": "1", "function": function}]}]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": ["user"], "content": "x"}],
        [{"role": {}, "content": "x"}],
        [{"role": "u" * 100_000, "content": "x"}],
        [{"role": "assistant", "content": "x", "tool_calls": 5}],
        [{"role": "assistant", "content": "x", "tool_calls": {"id": "1"}}],
        calling('{"a": "\ud800"}'),
        calling("[" * 100_000),
        Message("user", "hello"),  # type: ignore[arg-type]
        [Message("user", None)],  # type: ignore[arg-type]
        [Message("stranger", (TextPart("x"),))],  # type: ignore[arg-type]
        [Message("user", (TextPart(5),))],  # type: ignore[arg-type]
        [Message("user", (TextPart("x", opaque="y"),))],  # type: ignore[arg-type]
        [Message("user", (ImagePart(),))],
        [Message("user", (ImagePart(data=b"x"),))],  # type: ignore[arg-type]
        [Message("assistant", (ToolCallPart("1", "f", "{}"),))],  # type: ignore[arg-type]
        [Message("tool", (ToolResultPart("1", "f", None),))],  # type: ignore[arg-type]
        [{"role": "user", "content": [TextPart(None)]}],  # type: ignore[arg-type]
        b"bytes",
    ],
    ids=quoted,
)
def test_what_is_no_message_is_an_invalid_request(messages: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_messages(messages)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["max_output_tokens", "temperature", "seed", "reasoning_effort", "stop", "extra"])
@pytest.mark.parametrize(
    "value",
    [HUGE, -HUGE, float("inf"), float("nan"), [[]], "x" * 1_000_000, b"x", pytest.param(object(), id="object()")],
    ids=quoted,
)
def test_what_is_no_parameter_is_an_invalid_request(name: str, value: Any) -> None:
    if name == "stop" and isinstance(value, str):
        return
    with pytest.raises(InvalidRequest) as caught:
        parse_params({name: value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "tools",
    [
        5,
        [Tool(name=5)],  # type: ignore[arg-type]
        [Tool(name="a", parameters=5)],  # type: ignore[arg-type]
        [Tool(name="a", description=None)],  # type: ignore[arg-type]
        [{"name": "ä"}],
        [{"name": "a", "strict": "yes"}],
        [{"name": "a" * 129}],
    ],
    ids=quoted,
)
def test_what_is_no_tool_is_an_invalid_request(tools: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_tools(tools)


async def ask(**options: Any) -> Any:
    return await provider.complete_chat("demo", "box", **{"messages": "Hello", "model": "demo-instant", **options})


Unencodable = Callable[[], Awaitable[Any]]


@pytest.mark.usefixtures("on_loop")
@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: ask(messages=LONE), InvalidRequest),
        (lambda: ask(system=LONE), InvalidRequest),
        (lambda: ask(extra={"a": object()}), InvalidRequest),
        (lambda: ask(extra={"a": DEEP}), InvalidRequest),
        (lambda: ask(tools=[{"name": "a", "parameters": {"x": object()}}]), InvalidRequest),
        (lambda: ask(messages=calling({"x": object()})), InvalidRequest),
        (lambda: ask(timeout=10**400), InvalidRequest),
        (lambda: provider.count_tokens("demo", "box", LONE, model="m"), type(None)),
        (lambda: provider.count_tokens("demo", "box", calling({"x": object()}), model="m"), InvalidRequest),
        (lambda: provider.preview_request("demo", "box", LONE, model="m"), InvalidRequest),
        (lambda: provider.get_model("demo", "box", LONE), InvalidRequest),
        (lambda: provider.get_model("demo", "box", 5), InvalidRequest),  # type: ignore[arg-type]
        (lambda: provider.list_models("demo", None, "box", supports=5), InvalidRequest),  # type: ignore[arg-type]
        (lambda: provider.list_models("demo", None, "box", supports=[[]]), InvalidRequest),  # type: ignore[list-item]
        (lambda: provider.list_context_chunks("demo", "box", "c", kinds=5), InvalidRequest),  # type: ignore[arg-type]
        (lambda: provider.complete_chat(None, "box", "x"), errors.UnknownProvider),  # type: ignore[arg-type]
        (lambda: provider.complete_chat([], "box", "x"), errors.UnknownProvider),  # type: ignore[arg-type]
        (lambda: provider.complete_chat("p" * 1_000_000, "box", "x"), errors.UnknownProvider),
    ],
)
async def test_a_call_with_impossible_values_fails_with_a_stable_code(
    sessions: MemorySessions, contexts: MemoryContexts, call: Unencodable, kind: type[BaseException]
) -> None:
    await provider.create_session("demo", "none", name="box")
    if kind is type(None):
        await call()
        return
    with pytest.raises(kind) as caught:
        await call()
    assert isinstance(caught.value, errors.ProviderError)
    assert len(str(caught.value)) < 300


@pytest.mark.usefixtures("on_loop")
@pytest.mark.parametrize(
    "options",
    [
        {"settings": "abc"},
        {"settings": 5},
        {"settings": {"a": 5}},
        {"settings": {"organization": "a\r\nx-evil: 1"}},
        {"settings": {"organization": "x" * 501}},
        {"base_url": 5},
        {"base_url": f"https://example.com/{LONE}"},
        {"base_url": "https://example.com/a\x00b"},
        {"base_url": "https://example.com/a\u2028b"},
    ],
    ids=quoted,
)
async def test_a_session_of_impossible_parts_is_refused(sessions: MemorySessions, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        await provider.create_session("openai", "api_key", name="box", api_key="sk-0123456789", **options)
    assert not sessions.rows


@pytest.mark.usefixtures("on_loop")
async def test_one_wanted_capability_may_be_named_without_a_list(sessions: MemorySessions) -> None:
    await provider.create_session("demo", "none", name="box")
    assert await provider.list_models("demo", None, "box", supports="tools")


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize("value", [HUGE, "x" * 1_000_000, Unprintable(), [1] * 1000, b"\xff" * 1000, LONE], ids=quoted)
def test_a_quoted_value_is_short_and_never_fails(value: Any) -> None:
    text = quoted(value)
    assert len(text) <= LONGEST
    text.encode()

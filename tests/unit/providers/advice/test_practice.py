"""What works and can be done better: by what is known of the model, and by the parameters alone."""

from typing import Any

import msgspec
import pytest

from providers_app.advice.checks import CHECKS, ROOM, THINKING
from providers_app.advice.draft import KINDS, Draft
from providers_app.advice.fitting import LONGEST, advice_headers
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatRequest, ImagePart, JsonSchema, Message, Tool
from tests.unit.providers.advice.asking import CLOSED, WEATHER, ask, codes, plain_rules

KNOWN = ModelInfo(
    id="gpt-4.1",
    context_window=128_000,
    max_output_tokens=32_768,
    capabilities=("chat", "streaming", "tools", "reasoning", "structured_output"),
)


def said(facts: ModelInfo | None = KNOWN, **asked: Any) -> list[tuple[str, str, str]]:
    return codes(advise(ask("gpt-4.1", **asked), facts))


def advise(chat: ChatRequest, facts: ModelInfo | None) -> list[Advice]:
    """What is said of a request that is sent as it is."""
    draft = Draft(chat, msgspec.structs.replace(plain_rules("openai", "gpt-4.1"), facts=facts, listed=None))
    for check in CHECKS:
        about = check.about(draft.rules) if callable(check.about) else check.about
        if draft.values.keys() & set(about):
            for finding in check.find(draft):
                if KINDS[finding.code][1] == "keep" or finding.level:
                    draft.apply(finding)
    return draft.found


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"max_output_tokens": 1000}, []),
        ({"max_output_tokens": 40_000}, [("warning", "max_output_tokens", "above_model_output")]),
        ({"temperature": 0.5, "top_p": 0.5}, [("hint", "top_p", "both_samplings")]),
        ({"temperature": 0.5, "reasoning_effort": "low"}, [("hint", "temperature", "sampling_while_reasoning")]),
        ({"temperature": 0.5, "reasoning_effort": "none"}, []),
        (
            {"max_output_tokens": 1000, "reasoning_effort": "high"},
            [("warning", "max_output_tokens", "output_below_thinking")],
        ),
        ({"max_output_tokens": 20_000, "reasoning_effort": "high"}, []),
    ],
)
def test_limits_and_combinations(params: dict[str, Any], expected: list[Any]) -> None:
    assert said(**params) == expected


def test_the_window_is_shared() -> None:
    small = ModelInfo(id="m", context_window=8192)
    assert said(small, max_output_tokens=8192) == [("warning", "max_output_tokens", "above_window")]
    assert said(small, max_output_tokens=5000) == [("hint", "max_output_tokens", "half_window")]
    assert said(small, max_output_tokens=4096) == []


def test_the_nearest_limit_fits_the_model() -> None:
    chat = ask("gpt-4.1", max_output_tokens=500, reasoning_effort="max")
    (item,) = advise(chat, ModelInfo(id="m", max_output_tokens=8000))
    assert item.nearest == 8000
    (item,) = advise(chat, None)
    assert item.nearest == THINKING["max"] + ROOM


def test_what_is_not_known_says_nothing() -> None:
    assert said(None, max_output_tokens=10_000_000, tools=[WEATHER], reasoning_effort=None) == []
    assert said(ModelInfo(id="m"), max_output_tokens=10_000_000, tools=[WEATHER]) == []


def test_what_the_model_is_not_known_to_do() -> None:
    plain = ModelInfo(id="m", capabilities=("chat", "streaming"))
    assert said(plain, tools=[WEATHER]) == [("warning", "tools", "no_tools")]
    assert said(plain, reasoning_effort="low") == [("warning", "reasoning_effort", "no_reasoning")]
    assert said(plain, response_schema=JsonSchema("a", CLOSED)) == [
        ("warning", "response_schema", "no_structured_output")
    ]


def test_a_picture_for_a_model_that_sees_none() -> None:
    chat = msgspec.structs.replace(ask("m"), messages=(Message("user", (ImagePart(data="aGk="),)),))
    assert codes(advise(chat, KNOWN)) == [("warning", "messages", "no_images")]
    seeing = ModelInfo(id="m", capabilities=("chat", "images_in"))
    assert advise(chat, seeing) == []
    assert advise(chat, None) == []


def test_tools_that_do_not_travel() -> None:
    odd = Tool("1.b", "does", {"type": "object", "properties": {"a": {"$ref": "#/x"}}})
    assert said(tools=[odd]) == [("hint", "tools.1.b", "tool_schema_not_portable")]
    many = [Tool(f"t{number}", "does") for number in range(129)]
    assert said(tools=many) == [("warning", "tools", "many_tools")]
    endless: dict[str, Any] = {}
    for _ in range(90):
        endless = {"type": "array", "items": endless}
    assert said(tools=[Tool("t", "does", {"type": "object", "properties": {"a": endless}})]) == [
        ("warning", "tools.t", "schema_depth")
    ]


def test_a_large_schema() -> None:
    wide = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(300)}}
    assert said(response_schema=JsonSchema("a", wide)) == [("hint", "response_schema", "large_schema")]


def test_headers_are_ascii_bounded_and_cannot_be_broken_out_of() -> None:
    nasty = Advice(level="warning", field="seed\r\nset-cookie: a", what="Zürich | \x00\u2028 ok.", code="replaced")
    long = [Advice(level="hint", field="x", what="word " * 400, code="c")] * 20
    headers = advice_headers([nasty, Advice(level="error", field="", what="No.", why="So."), *long])
    assert headers["x-maestro-warnings"] == "replaced seed?set-cookie: a: Z?rich / ? ok."
    assert headers["x-maestro-errors"] == "advice No. So."
    assert headers["x-maestro-advice-count"] == "22"
    assert all(len(value) <= LONGEST and value.isascii() and value.isprintable() for value in headers.values())
    assert advice_headers([]) == {}

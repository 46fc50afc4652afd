"""Whatever parameters there are: judging them never fails, and an error is said exactly when the request is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers_app import provider
from providers_app.advice.draft import PARAMETERS
from providers_app.advice.fitting import refuse
from providers_app.chat.request import parse_params
from providers_app.errors import InvalidParameter, UnsupportedParameter
from providers_app.types.chat import ChatParams
from providers_app.types.rules import EFFORTS
from tests.unit.providers.advice.asking import WEATHER, ask, codes, fitted

SOUND: dict[str, Any] = {
    "max_output_tokens": st.integers(1, 200_000),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "stop": st.lists(st.text(min_size=1, max_size=4), max_size=16),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "reasoning_effort": st.sampled_from(EFFORTS),
    "parallel_tool_calls": st.booleans(),
    "response_schema": st.dictionaries(
        st.sampled_from(["type", "properties", "required", "additionalProperties", "anyOf", "items"]),
        st.recursive(
            st.none() | st.booleans() | st.sampled_from(["object", "string", "a"]) | st.integers(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "a", "b"]), inner),
            max_leaves=6,
        ),
    ),
}
ANY_VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
PARAMS = st.fixed_dictionaries({}, optional=SOUND)
MODELS = st.sampled_from(
    [
        ("openai", "gpt-5.6"),
        ("openai", "gpt-4.1"),
        ("openai", "o3"),
        ("anthropic", "claude-haiku-4-5"),
        ("anthropic", "claude-opus-5"),
        ("anthropic", "claude-3-opus"),
        ("gemini", "gemini-3-pro"),
        ("gemini", "gemini-2.5-pro"),
        ("remote", "m"),
        ("openrouter", "openai/gpt-5"),
        ("demo", "demo"),
    ]
)


def set_values(params: ChatParams) -> dict[str, Any]:
    return {name: value for name in PARAMETERS if (value := getattr(params, name)) not in (None, ())}


@settings(max_examples=150, deadline=None)
@given(MODELS, PARAMS, st.booleans())
def test_sound_parameters_are_fit_and_refused_exactly_for_errors(
    asked: tuple[str, str], params: dict[str, Any], tools: bool
) -> None:
    slug, model = asked
    values = set_values(parse_params(params))
    chat = ask(model, tools=[WEATHER] if tools else (), **values)
    made, advice = fitted(slug, chat)
    errors = [item for item in advice if item.level == "error"]
    try:
        refuse(advice)
        refused = False
    except InvalidParameter as error:
        refused = True
        assert list(error.advice) == errors
    assert refused == bool(errors)
    lost = {name for name, value in values.items() if set_values(made.params).get(name) != value}
    assert lost <= {item.field for item in advice}, "what changed is said"
    if lost - {item.field for item in advice if item.level == "hint"} and not errors:
        with pytest.raises(UnsupportedParameter):
            refuse(advice, strict=True)
    validated = provider.validate_parameters(slug, model, params, tools=[WEATHER] if tools else None)
    assert {item for item in codes(validated) if item[0] == "error"} == set(codes(errors))


@settings(max_examples=150, deadline=None)
@given(MODELS, st.dictionaries(st.sampled_from([*SOUND, "max_tokens", "extra", "nonsense", ""]), ANY_VALUE))
def test_any_parameters_at_all_are_judged_and_never_fail(asked: tuple[str, str], params: dict[str, Any]) -> None:
    found = provider.validate_parameters(*asked, params)
    try:
        parse_params(params)
    except InvalidParameter as error:
        assert set(codes(error.advice)) <= set(codes(found))
    levels = [item.level for item in found]
    assert levels == sorted(levels, key=["error", "warning", "hint"].index)
    assert {item.field for item in found} <= {*params, "response_schema", "model"}

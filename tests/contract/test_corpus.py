"""The corpus leaves nothing out: every provider that streams, every dialect, every parameter, every kind of part."""

import json
from typing import Any, get_args

import pytest

from providers_app import dialects
from providers_app.registry import discovery as registry
from providers_app.registry.resolver import resolve
from providers_app.types.chat import ChatParams, ChatRequest, Part, ToolChoice
from tests.contract import corpus

KINDS = {
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
    "anthropic.messages": "anthropic_messages",
    "gemini.generate": "gemini_generate",
}


def test_every_provider_that_answers_and_every_dialect_has_bodies_in_it() -> None:
    streaming = {card.slug for card in registry.list_providers() if hasattr(resolve(card.slug, "streaming"), "build")}
    assert {target.provider for target in corpus.TARGETS} == streaming
    assert {KINDS.get(target.kind, "openai_chat") for target in corpus.TARGETS} == set(dialects.NAMES)


@pytest.mark.parametrize("target", corpus.TARGETS, ids=[target.name for target in corpus.TARGETS])
def test_every_parameter_choice_and_part_is_asked(target: corpus.Target) -> None:
    asked = list(corpus.requests(target).values())
    default = ChatParams()
    for name in ChatParams.__struct_fields__:
        assert name in corpus.PARAMS
        assert name == "extra" or any(getattr(chat.params, name) != getattr(default, name) for chat in asked)
    modes = get_args(ToolChoice.__annotations__["mode"])
    assert {chat.tool_choice.mode for chat in asked} == set(modes)
    kinds = {type(part) for chat in asked for message in chat.messages for part in message.parts}
    assert kinds == set(get_args(Part))
    assert {chat.stream for chat in asked} == {True, False}


def test_bodies_are_built_and_what_has_no_form_is_named() -> None:
    built = corpus.build()
    assert len(built["cases"]) > 500
    assert all(isinstance(case["body"], dict) and case["body"] for case in built["cases"])
    assert all("recording" in one["name"] or "by address" in one["name"] for one in built["refused"])
    json.dumps(built)


def test_reasoning_goes_back_in_the_bodies_of_a_tool_loop_and_nowhere_else() -> None:
    marks: dict[str, str] = {
        "openai.responses": "encrypted_content",
        "anthropic.messages": "c2ln",
        "gemini.generate": "c2ln",
    }
    for target in corpus.TARGETS:
        asked: dict[str, ChatRequest] = corpus.requests(target)
        mark: Any = marks.get(target.kind) or ("hm" if target.name.startswith(("openrouter", "remote,")) else None)
        if mark is not None:
            assert mark in json.dumps(target.body(asked["tool loop"])[_where(target)])
            assert mark not in json.dumps(target.body(asked["elsewhere"])[_where(target)])


def _where(target: corpus.Target) -> str:
    return {"openai.responses": "input", "gemini.generate": "contents"}.get(target.kind, "messages")

"""Requests to be judged, and what a provider would send of them."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from providers_app.advice.draft import Rules, plain_credential, rules_of
from providers_app.advice.fitting import plan_of, run
from providers_app.registry.resolver import spoken
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatParams, ChatRequest, Message, TextPart, Tool, ToolChoice

WEATHER = Tool(
    "weather",
    "The weather of a place.",
    {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
)
CLOSED = {
    "type": "object",
    "properties": {"sky": {"type": "string"}},
    "required": ["sky"],
    "additionalProperties": False,
}


def ask(
    model: str, *, tools: Iterable[Tool] = (), choice: ToolChoice | None = None, strict: bool = False, **params: Any
) -> ChatRequest:
    """One question with these parameters."""
    return ChatRequest(
        model=model,
        messages=(Message("user", (TextPart("Hello"),)),),
        tools=tuple(tools),
        tool_choice=choice or ToolChoice(),
        params=ChatParams(**params),
        strict=strict,
    )


def plain_rules(slug: str, model: str) -> Rules:
    """The rules for a request over a session without settings of its own."""
    credential = plain_credential(slug)
    return rules_of(slug, model, credential, spoken(slug, model, credential))


def fit(chat: ChatRequest, rules: Rules) -> tuple[ChatRequest, tuple[Advice, ...]]:
    """The request as it can be sent under these rules, and what was said of it."""
    draft = run(plan_of(rules), chat, hints=False)
    return draft.finished(), tuple(draft.found)


def fitted(slug: str, chat: ChatRequest, facts: ModelInfo | None = None) -> tuple[ChatRequest, tuple[Advice, ...]]:
    """The request as this provider would be sent it, and what was said of it."""
    return fit(chat, msgspec.structs.replace(plain_rules(slug, chat.model), facts=facts))


def sent(slug: str, chat: ChatRequest) -> dict[str, Any]:
    """The body, in the wire format that the provider speaks."""
    body: dict[str, Any] = json.loads(spoken(slug, chat.model, plain_credential(slug)).build_body(chat))
    return body


def codes(advice: Iterable[Advice]) -> list[tuple[str, str, str]]:
    """Level, field and code of each finding."""
    return [(item.level, item.field, item.code) for item in advice]

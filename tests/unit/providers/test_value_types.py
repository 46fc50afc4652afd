"""The values that pass between the layers: what they say by themselves, and that secrets in them stay inside."""

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from itertools import product
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from providers_app import types
from providers_app.chat.request import TOOL_MODES
from providers_app.types.catalogue import CHAT, CapabilityName
from providers_app.types.chat import ChatParams, ToolChoice
from providers_app.types.credentials import Secret
from providers_app.types.events import Event
from providers_app.types.intent import PURPOSES, RISK_LEVELS, Purpose, RiskLevel, ToolIntent
from providers_app.types.rules import ANYTHING, EFFORTS
from providers_app.types.tokens import OAuthClient, Tokens, secrets_of

EMPTY = (None, "", 0, False, (), {}, [], frozenset(), b"", Secret(""))
INTENT = ToolIntent(None, "", "medium", "rule")
STATED: dict[str, Any] = {
    "ModelInfo.input_modalities": ("text",),
    "ModelInfo.output_modalities": ("text",),
    "ModelInfo.source": "provider",
    "ProviderInfo.base_url_editable": True,
    "ImagePart.media_type": "image/png",
    "FilePart.media_type": "application/pdf",
    "ToolCallPart.intent": INTENT,
    "ToolCall.intent": INTENT,
    "ResultToolCall.intent": INTENT,
    "ToolIntent.risk_level": "medium",
    "ToolIntent.source": "rule",
    "Tool.parameters": {"type": "object", "properties": {}},
    "ToolChoice.mode": "auto",
    "JsonSchema.strict": True,
    "ChatRequest.tool_choice": ToolChoice("auto"),
    "ChatRequest.params": ChatParams(),
    "ChatRequest.stream": True,
    "ChatResult.finish_reason": "incomplete",
    "Usage.source": "provider",
    "StreamFailed.finish_reason": "error",
    "ImportFormat.files": 1,
    "FormatRules.max_stops": 16,
    "FormatRules.tool_name": r"[A-Za-z0-9_.:-]{1,128}",
    "FormatRules.tool_name_words": "1 to 128 of A-Z, a-z, 0-9, _ - . and :",
    "FormatRules.strict_tools": True,
    "FormatRules.named_tool_choice": True,
    "FormatRules.schema": "any",
    "Tokens.client": OAuthClient(id="", secret=Secret("")),
}
"""Fields that mean something where nobody gave them; all others are empty then."""


def structs() -> Iterator[type[msgspec.Struct]]:
    for module in pkgutil.iter_modules(types.__path__, f"{types.__name__}."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.name:
                yield kind
                assert kind.__name__ == name


@pytest.mark.parametrize("kind", list(structs()), ids=lambda kind: kind.__name__)
def test_a_field_that_nobody_gave_says_nothing_but_what_is_stated_here(kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        made = field.default_factory is not msgspec.NODEFAULT
        value = field.default_factory() if made else field.default
        if value is not msgspec.NODEFAULT:
            name = f"{kind.__name__}.{field.name}"
            assert (value == STATED[name]) if name in STATED else (value in EMPTY), name


def test_the_closed_sets_of_words_are_those_of_their_types() -> None:
    efforts = get_args(get_type_hints(ChatParams)["reasoning_effort"])[0]
    assert (get_args(Purpose), get_args(RiskLevel), get_args(efforts)) == (PURPOSES, RISK_LEVELS, EFFORTS)
    assert {*TOOL_MODES, "tool"} == set(get_args(get_type_hints(ToolChoice)["mode"]))
    assert set(get_args(CapabilityName)) >= CHAT and "count_tokens" not in CHAT
    assert ANYTHING.places == {name: name for name in ChatParams.__struct_fields__} and ANYTHING.lenient


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_an_encoded_event_has_its_type_and_only_what_differs_from_its_defaults(kind: type[msgspec.Struct]) -> None:
    given = {field.name: None for field in msgspec.structs.fields(kind) if field.required}
    if "name" in given:
        given |= {"name": "x", "provider_id": None} if kind.__name__ == "ToolCallDelta" else {"name": "x"}
    event = kind(**given)
    shown = msgspec.to_builtins(event)
    assert shown.pop("type") == kind.__struct_config__.tag
    shown.pop("intent", None)
    assert {name for name, value in shown.items()} <= set(given)


def test_a_secret_shows_itself_to_reveal_alone_and_equals_its_like() -> None:
    secret = Secret("sk-1")
    assert (secret.reveal(), repr(secret), str(secret), f"{secret}") == ("sk-1", *["Secret('***')"] * 3)
    assert bool(secret) and not Secret("")
    assert secret == Secret("sk-1") != Secret("sk-2") and secret != "sk-1"
    assert hash(secret) == hash(Secret("sk-1")) != hash("sk-1")
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(secret)


def test_the_secrets_of_a_value_are_all_in_it_at_any_depth() -> None:
    names = [name for name, hint in get_type_hints(Tokens).items() if hint is Secret]
    tokens = Tokens(
        flow="x",
        client=OAuthClient(id="id", secret=Secret("client")),
        material={"key": Secret("key"), "none": Secret("")},
        **{name: Secret(name) for name in names},
    )
    assert sorted(secrets_of(tokens)) == sorted([*names, "client", "key"])
    assert secrets_of({"inner": tokens}) == secrets_of(tokens) and secrets_of("text") == []


@pytest.mark.parametrize(("left", "within"), list(product((-1, 0, 1, 9, 10, 11), (0, 10))))
def test_a_token_has_ended_at_its_end_and_before_it_where_that_is_asked_for(left: int, within: int) -> None:
    tokens = Tokens(flow="x", expires_at=1000.0 + left)
    assert tokens.expired(1000.0, within) == (left <= within)
    assert tokens.expired(1000.0) == (left <= 0)
    assert not Tokens(flow="x").expired(1000.0, within)

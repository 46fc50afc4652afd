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
from providers_app.errors import InvalidCredential
from providers_app.types.advice import Advice
from providers_app.types.catalogue import CHAT, CapabilityName, ModelInfo, ModelListing
from providers_app.types.chat import (
    ChatParams,
    ChatResult,
    Message,
    ReasoningPart,
    ResultToolCall,
    TextPart,
    ToolCallPart,
    ToolChoice,
)
from providers_app.types.credentials import Secret
from providers_app.types.events import Event, ToolCall
from providers_app.types.http import HttpRequest
from providers_app.types.intent import PURPOSES, RISK_LEVELS, Purpose, RiskLevel, ToolIntent
from providers_app.types.logins import read_login, unusable
from providers_app.types.rules import ANYTHING, EFFORTS, FormatRules, ModelRule
from providers_app.types.session_limits import PersonLimits, SessionLimits
from providers_app.types.tokens import OAuthClient, Tokens, from_plain, secrets_of, to_plain

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
    "Alias.sticky": True,
    "Session.limits": SessionLimits(),
    "Session.own": PersonLimits(),
    "Continuing.ways": ("instruct", "restart"),
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


RULE = ModelRule(models=("gpt-5", "o3"), params=("top_p",), why="x", but=("gpt-5-chat",), dialects=("openai_chat",))


@pytest.mark.parametrize(
    ("model", "dialect", "concerned"),
    [
        ("gpt-5", "openai_chat", True),
        ("GPT-5-mini", "openai_chat", True),
        ("models/o3", "openai_chat", True),
        ("gpt-5@2026", "openai_chat", True),
        ("gpt-5", "openai_responses", False),
        ("gpt-5-chat-latest", "openai_chat", False),
        ("gpt-5@chat", "openai_chat", False),
        ("my-gpt-5", "openai_chat", False),
    ],
)
def test_a_rule_concerns_the_models_and_formats_that_it_names(model: str, dialect: str, concerned: bool) -> None:
    assert RULE.concerns(model, dialect) == concerned
    assert ModelRule(models=("",), params=(), why="x").concerns(model, dialect)


def test_a_format_carries_what_has_a_place_in_fields_that_the_server_knows() -> None:
    rules = FormatRules(places={"seed": "generationConfig.seed", "stop": "stop"}, refused_fields=frozenset({"stop"}))
    assert [rules.carries(name) for name in ("seed", "stop", "top_p")] == [True, False, False]
    assert not msgspec.structs.replace(rules, refused_fields=frozenset({"generationConfig"})).carries("seed")


def test_a_model_is_found_in_a_list_by_its_id() -> None:
    first, second = ModelInfo(id="a"), ModelInfo(id="b")
    listing = ModelListing(models=(first, second))
    assert (listing.get("a"), listing.get("b"), listing.get("c")) == (first, second, None)


def test_a_request_shows_neither_secrets_nor_its_body() -> None:
    request = HttpRequest(method="POST", url="https://a.example/x", headers={"X-A": "1"}, body=b"said")
    signed = request.with_headers({"X-Key": "sk-1"}, secret=True).with_headers({"X-B": "2"})
    assert signed.headers == {"X-A": "1", "X-Key": "sk-1", "X-B": "2"} and signed.secret_headers == {"x-key"}
    assert repr(signed) == (
        "HttpRequest(POST https://a.example/x, headers={'X-A': '1', 'X-Key': '***', 'X-B': '2'}, body of 4 bytes)"
    )


@pytest.mark.parametrize("kind", [Tokens, OAuthClient])
def test_what_is_sealed_comes_back_as_it_was_and_nothing_else_does(kind: type[Any]) -> None:
    value = kind(**({"flow": "x", "refresh": Secret("r")} if kind is Tokens else {"id": "i", "secret": Secret("s")}))
    plain = to_plain(value)
    assert from_plain(plain, kind) == from_plain(plain, kind) == value and (b'"r"' in plain or b'"s"' in plain)
    for wrong in (b"{", b"[]", b'{"secret": 5, "flow": 5}'):
        with pytest.raises(ValueError, match=f"^this is no stored {kind.__name__}$") as caught:
            from_plain(wrong, kind)
        assert caught.value.__cause__ is None


def test_what_a_person_reads_of_advice_and_of_an_answer() -> None:
    assert Advice(level="hint", field="x", what="It is so.", why="That is why.").message == "It is so. That is why."
    assert Advice(level="hint", field="x", what="It is so.").message == "It is so."
    parts = (TextPart("\nOne.\n"), ReasoningPart("hm"), TextPart(""), TextPart("Two."))
    result = ChatResult(parts=parts)
    assert result.shown_text == "One.\n\nTwo." and result.message == Message("assistant", parts)
    assert "parts" not in result.to_dict() and result.to_dict()["finish_reason"] == "incomplete"


@pytest.mark.parametrize("kind", [ToolCallPart, ToolCall, ResultToolCall])
@pytest.mark.parametrize(
    ("scope", "name", "expected"),
    [("", "weather", "weather"), ("city", "weather", "city"), ("", "", "tool"), ("", "n" * 201, "n" * 200)],
)
def test_a_call_without_a_scope_has_its_tools_name(kind: type[Any], scope: str, name: str, expected: str) -> None:
    given: dict[str, Any] = {"id": "c", "name": name, "arguments": {}, "intent": ToolIntent(scope=scope)}
    made = kind(**given, **({"index": 0} if kind is ToolCall else {}))
    assert made.intent == ToolIntent(scope=expected)


def test_a_login_that_cannot_be_read_says_why_and_one_that_can_is_a_sign_in() -> None:
    tokens = Tokens(flow="x")

    def refuse(found: Any) -> Any:
        raise InvalidCredential("No.", hint="Try.")

    read = read_login("openai", "line 1", lambda found: (found, tokens), "name")
    assert (read.auth_type, read.name, read.tokens, read.where, read.problem) == ("oauth", "name", tokens, "line 1", "")
    wrong = read_login("openai", "line 1", refuse, "name")
    assert (wrong.auth_type, wrong.problem, wrong.provider, wrong.name) == ("oauth", "No. Try.", "openai", "")
    assert unusable("line 2", "No.").auth_type == "api_key"

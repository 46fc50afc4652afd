"""OpenRouter: addresses of its sign-in, entries of its list of models, keys, errors."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import ValidationError

from providers_app import conf, errors
from providers_app.behaviours.oauth import LoginStart, PendingLogin
from providers_app.providers.openrouter import api_key, models, oauth
from providers_app.providers.openrouter.config import Config
from providers_app.providers.openrouter.requests import DIALECT
from providers_app.registry.settings import build_model
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import StreamFailed
from providers_app.types.tokens import Tokens
from tests.wire.cutting import events_of

BEHAVIOUR = oauth.BEHAVIOUR
CREDENTIAL = Credential(auth_type="oauth", secret=Secret("sk-or-v1-" + "a" * 64))
ENTRY: dict[str, Any] = {
    "id": "vendor/model",
    "name": "Vendor: Model",
    "context_length": 200_000,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.00000125", "completion": "0.00001"},
    "top_provider": {"context_length": 100_000, "max_completion_tokens": 64_000},
    "supported_parameters": ["tools", "reasoning", "structured_outputs", "parallel_tool_calls"],
    "expiration_date": None,
}


async def begin(method: Any, redirect_uri: str) -> PendingLogin:
    return await BEHAVIOUR.begin(LoginStart(oauth.FLOW, method, redirect_uri=redirect_uri), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("redirect", "before"),
    [
        ("https://maestro.example/oauth/callback/", "https://maestro.example/oauth/callback/?state="),
        ("http://localhost:51423/oauth/callback", "http://localhost:51423/oauth/callback?state="),
        ("https://m.example/cb?next=1", "https://m.example/cb?next=1&state="),
    ],
)
async def test_the_state_travels_inside_the_callback(redirect: str, before: str) -> None:
    pending = await begin("callback", redirect)
    asked = dict(parse_qsl(urlsplit(pending.url).query))
    assert pending.url.startswith("https://openrouter.ai/auth?")
    assert asked["callback_url"] == before + pending.state.reveal()
    assert "key_label" not in asked and "state" not in asked
    assert len(asked["code_challenge"]) == 43 and pending.verifier.reveal() not in pending.url
    assert pending.redirect_uri == redirect


async def test_a_copied_code_has_a_label_and_no_callback() -> None:
    pending = await begin("paste_code", "")
    assert dict(parse_qsl(urlsplit(pending.url).query)).keys() == {
        "code_challenge",
        "code_challenge_method",
        "key_label",
    }
    with conf.use(build_model()(openrouter={"key_label": "", "auth_url": "https://o.example/a?b=c"})):
        other = await begin("paste_code", "")
    assert other.url.startswith("https://o.example/a?b=c&code_challenge=") and "key_label" not in other.url


@pytest.mark.parametrize(
    ("method", "redirect"), [("callback", ""), ("loopback", "nowhere"), ("device", "https://a.example")]
)
async def test_what_cannot_work_is_refused(method: str, redirect: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        await begin(method, redirect)


def test_the_key_comes_from_below_the_base_url_unless_told_otherwise() -> None:
    assert oauth.keys_url() == "https://openrouter.ai/api/v1/auth/keys"
    with conf.use(build_model()(openrouter={"keys_url": "https://o.example/keys"})):
        assert oauth.keys_url() == "https://o.example/keys"


async def test_there_is_nothing_to_refresh_or_to_end() -> None:
    tokens = Tokens(flow="openrouter", access=CREDENTIAL.secret)
    with pytest.raises(errors.NotRefreshable):
        await BEHAVIOUR.refresh(tokens, None)  # type: ignore[arg-type]
    assert await BEHAVIOUR.revoke(tokens, None) is False  # type: ignore[arg-type]
    assert (await BEHAVIOUR.api_credentials(tokens, None)).secret == CREDENTIAL.secret  # type: ignore[arg-type]


def test_every_header_that_names_the_application_is_said() -> None:
    chat = ChatRequest(model="vendor/model", messages=())
    with conf.use(build_model()(openrouter={"app_url": "https://maestro.example", "app_title": "Ours"})):
        said = {one.field: one.message for one in BEHAVIOUR.advise(chat, CREDENTIAL)}
    assert set(said) == {"HTTP-Referer", "X-OpenRouter-Title"}
    assert "https://maestro.example" in said["HTTP-Referer"] and "Ours" in said["X-OpenRouter-Title"]
    with conf.use(build_model()(openrouter={"app_title": ""})):
        assert BEHAVIOUR.advise(chat, CREDENTIAL) == []


@pytest.mark.parametrize(
    "given", [{"app_title": "a\r\nx: y"}, {"app_url": "https://ü.example"}, {"app_title": "x" * 101}]
)
def test_what_no_header_can_carry_stops_the_start(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Config(**given)


def test_an_entry_of_the_list() -> None:
    model = models.read(ENTRY)
    assert model is not None
    assert (model.id, model.name) == ("vendor/model", "Vendor: Model")
    assert (model.input_price, model.output_price) == (1.25, 10.0)
    assert (model.context_window, model.max_output_tokens) == (200_000, 64_000)
    assert model.input_modalities == ("text", "image") and model.retires_at is None
    assert set(model.capabilities) == {
        "chat",
        "images_in",
        "parallel_tools",
        "reasoning",
        "streaming",
        "structured_output",
        "tools",
    }


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"pricing": {"prompt": "-1", "completion": "-1"}}, "input_price", None),
        ({"pricing": {"prompt": "0", "completion": "0"}}, "input_price", 0.0),
        ({"pricing": None}, "output_price", None),
        ({"context_length": None}, "context_window", 100_000),
        ({"supported_parameters": None}, "capabilities", ("chat", "streaming")),
        ({"architecture": None, "supported_parameters": []}, "capabilities", ("chat", "streaming")),
        ({"expiration_date": "2027-01-31"}, "retires_at", "2027-01-31"),
    ],
)
def test_entries_that_say_less(change: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(models.read(ENTRY | change), field) == value


@pytest.mark.parametrize("change", [{"id": ""}, {"id": 7}, {"architecture": {"output_modalities": ["image"]}}])
def test_what_is_no_model_to_talk_to_is_left_out(change: dict[str, Any]) -> None:
    assert models.read(ENTRY | change) is None


@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("sk-or-v1-" + "a" * 64, None),
        ("sk-ant-api03-x", "warning"),
        ("sk-proj-x", "warning"),
        ("", "error"),
        ("a b", "error"),
    ],
)
def test_keys_by_their_shape(key: str, level: str | None) -> None:
    assert [advice.level for advice in api_key.BEHAVIOUR.validate(key)] == ([level] if level else [])


@pytest.mark.parametrize(
    ("status", "error", "kind", "word"),
    [
        (400, {"code": 400, "message": "x/y is not a valid model ID"}, errors.UnknownModel, None),
        (400, {"code": 400, "message": "bad"}, errors.BadRequest, None),
        (401, {"code": 401, "message": "User not found."}, errors.AuthenticationFailed, None),
        (402, {"code": 402, "message": "Insufficient credits"}, errors.BillingRequired, None),
        (403, {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}, errors.ContentRefused, None),
        (403, {"code": 403, "message": "blocked", "metadata": {"patterns": ["ignore"]}}, errors.PermissionDenied, None),
        (429, {"code": 429, "message": "slow", "metadata": {"error_type": "rate_limit_exceeded"}}, errors.RateLimited,
         "rate_limit_exceeded"),
        (400, {"code": 400, "message": "long", "metadata": {"error_type": "context_length_exceeded"}},
         errors.PromptTooLong, "context_length_exceeded"),
        (503, {"code": 503, "message": "none"}, errors.Overloaded, None),
    ],
)  # fmt: skip
def test_errors_by_status_and_by_openrouters_own_word(
    status: int, error: dict[str, Any], kind: type[errors.UpstreamError], word: str | None
) -> None:
    found = DIALECT.error(status, {}, json.dumps({"error": error, "user_id": "user_1"}).encode())
    assert (type(found), found.type, found.status) == (kind, word, status)
    assert found.message == error["message"]


@pytest.mark.parametrize(
    ("body", "kind", "hint"),
    [
        ({"code": 429, "message": "Provider returned error", "metadata": {"raw": '{"error":{"message":"Slow down"}}'}},
         errors.RateLimited, "Slow down"),
        ({"code": 502, "message": "Provider returned error", "metadata": {"raw": {"message": "Upstream broke"}}},
         errors.ServerError, "Upstream broke"),
        ({"code": 403, "message": "Input was flagged", "metadata": {"reasons": ["violence"], "flagged_input": "..."}},
         errors.ContentRefused, ""),
        ({"code": 402, "message": "Insufficient credits"}, errors.BillingRequired, "billing"),
        ({"code": 408, "message": "Timed out"}, errors.RequestTimeout, ""),
        ({"code": 503, "message": "No provider"}, errors.Overloaded, ""),
    ],
)  # fmt: skip
def test_an_error_is_its_number_whether_it_came_as_a_status_or_inside_a_success(
    body: dict[str, Any], kind: type[errors.UpstreamError], hint: str
) -> None:
    said = json.dumps({"error": body}).encode()
    outside = DIALECT.error(body["code"], {}, said)
    assert type(outside) is kind and hint in outside.hint and outside.upstream_code == str(body["code"])
    [failed] = [event for event in events_of(DIALECT, [said]) if isinstance(event, StreamFailed)]
    assert failed.error.code == kind.code and failed.error.upstream_code == str(body["code"])

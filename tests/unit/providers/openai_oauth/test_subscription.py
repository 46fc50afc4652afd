"""What a ChatGPT login changes in a request, and that every change is said."""

import json
from typing import Any

import pytest

from providers_app import conf
from providers_app.dialects.openai_responses import DIALECT
from providers_app.errors import UnsupportedOperation
from providers_app.providers.openai import counting, models, oauth, requests, streaming
from providers_app.providers.openai.config import Config
from providers_app.registry.settings import build_model
from providers_app.types.chat import ChatParams, ChatRequest, Message, TextPart, Tool
from providers_app.types.credentials import Credential, Secret

CHATGPT = Credential(
    auth_type="oauth",
    secret=Secret("local-access-token"),
    settings={"mode": "chatgpt", "account_id": "acct-1", "organization": "org-1", "project": "proj-1", "flow": "codex"},
)
PLAN = Credential(auth_type="oauth", secret=Secret("local-access-token"), settings={"mode": "plan", "flow": "chatgpt"})
KEY_LOGIN = Credential(
    auth_type="oauth",
    secret=Secret("sk-local"),
    settings={"mode": "api_key", "organization": "org-1", "project": "proj-1", "account_id": "acct-1"},
)
KEY = Credential(auth_type="api_key", secret=Secret("sk-local"))
LOGINS = {"chatgpt": CHATGPT, "plan": PLAN}
CONTROL = {"store": True, "stream_options": {"include_obfuscation": False}}


def chat(system: str = "Be brief.", stream: bool = True, **params: Any) -> ChatRequest:
    messages = [Message("system", (TextPart(system),))] if system else []
    messages.append(Message("user", (TextPart("Hello"),)))
    tool = Tool("weather", "", {"type": "object", "properties": {}})
    return ChatRequest(
        model="gpt-5.6", messages=tuple(messages), tools=(tool,), stream=stream, params=ChatParams(**params)
    )


FULL: dict[str, Any] = {
    "max_output_tokens": 500,
    "temperature": 0.5,
    "top_p": 0.9,
    "reasoning_effort": "low",
    "extra": {
        **{name: "x" for names in requests.REFUSED.values() for name in names},
        "prompt_cache_key": "chat-1",
        "store": True,
    },
}


def sent(request: ChatRequest, credential: Credential) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(streaming.BEHAVIOUR.build(request, credential).body)
    return body


@pytest.mark.parametrize("mode", LOGINS)
def test_nothing_that_is_refused_is_sent(mode: str) -> None:
    body = sent(chat(**FULL), LOGINS[mode])
    assert set(requests.REFUSED[mode]).isdisjoint(body)
    assert body["store"] is False and body["stream"] is True
    assert body["instructions"] == "Be brief."
    assert body["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    assert body["prompt_cache_key"] == "chat-1"
    assert body["reasoning"]["effort"] == "low" and body["tools"][0]["name"] == "weather"
    assert body["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("system", ["Be brief.", ""])
@pytest.mark.parametrize("params", [{}, FULL, {"temperature": 1.0}, {"extra": {"store": True, "user": "u"}}], ids=repr)
@pytest.mark.parametrize("mode", LOGINS)
def test_the_advice_names_every_difference_and_no_other(
    mode: str, params: dict[str, Any], system: str, stream: bool
) -> None:
    request = chat(system, stream, **params)
    plain: dict[str, Any] = json.loads(DIALECT.build_body(request))
    body = sent(request, LOGINS[mode])
    different = {name for name in plain.keys() | body.keys() if plain.get(name, ...) != body.get(name, ...)}
    advice = oauth.BEHAVIOUR.advise(request, LOGINS[mode])
    assert sorted(item.field for item in advice) == sorted(different)
    lost = {item.field for item in advice if item.level == "warning"}
    assert lost == {name for name in different if name in plain and name != "stream"}, "what is lost is a warning"


def test_an_ordinary_chat_loses_nothing() -> None:
    assert oauth.BEHAVIOUR.advise(chat(), PLAN) == []
    assert oauth.BEHAVIOUR.advise(chat(), CHATGPT) == []


def test_instructions_are_always_there_in_chatgpt_mode() -> None:
    assert sent(chat(""), CHATGPT)["instructions"] == ""
    assert "instructions" not in sent(chat(""), PLAN)


@pytest.mark.parametrize("credential", [KEY, KEY_LOGIN], ids=["key", "login"])
def test_a_key_s_body_is_the_dialect_s_to_the_byte(credential: Credential) -> None:
    for request in (chat(), chat(stream=False), chat(**FULL)):
        built = streaming.BEHAVIOUR.build(request, credential)
        assert built.body == DIALECT.build_body(request)
        assert oauth.BEHAVIOUR.advise(request, credential) == []


def test_a_mode_that_was_only_assumed_is_said_with_every_request() -> None:
    unsure = Credential(
        auth_type="oauth", secret=Secret("sk-local"), settings={"mode": "api_key", "mode_source": "unknown"}
    )
    assert [item.field for item in oauth.BEHAVIOUR.advise(chat(), unsure)] == ["mode"]


def headers_of(credential: Credential, stream: bool = True) -> dict[str, str]:
    built = oauth.BEHAVIOUR.authorize(credential, streaming.BEHAVIOUR.build(chat(stream=stream), credential))
    assert built.secret_headers == {"authorization"}
    return {name.lower(): value for name, value in built.headers.items()}


def test_chatgpt_mode_is_addressed_to_its_backend() -> None:
    built = streaming.BEHAVIOUR.build(chat(), CHATGPT)
    assert built.url == "https://chatgpt.com/backend-api/codex/responses"
    assert headers_of(CHATGPT) == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "chatgpt-account-id": "acct-1",
        "originator": "maestro",
        "authorization": "Bearer local-access-token",
    }


def test_the_plan_is_addressed_to_the_api_with_the_token_alone() -> None:
    assert streaming.BEHAVIOUR.build(chat(), PLAN).url == "https://api.openai.com/v1/responses"
    expected = {"content-type", "accept", "authorization"}
    assert set(headers_of(PLAN)) == expected
    beside = Credential(auth_type="oauth", secret=PLAN.secret, settings={**PLAN.settings, "organization": "org-1"})
    assert set(headers_of(beside)) == expected


def test_a_key_from_a_login_names_its_organization_and_project() -> None:
    assert streaming.BEHAVIOUR.build(chat(), KEY_LOGIN).url == "https://api.openai.com/v1/responses"
    found = headers_of(KEY_LOGIN)
    assert (found["openai-organization"], found["openai-project"]) == ("org-1", "proj-1")
    assert "chatgpt-account-id" not in found and "originator" not in found


def test_a_key_names_the_organization_and_project_of_its_session_else_of_the_configuration() -> None:
    asked = ("openai-organization", "openai-project")
    assert not set(asked) & set(headers_of(KEY))
    settings = {"organization": "org-2", "project": "proj-2"}
    own = Credential(auth_type="api_key", secret=KEY.secret, settings=settings)
    with conf.use(build_model()(openai=Config(organization="org-1", project="proj-1"))):  # type: ignore[call-arg]
        assert [headers_of(KEY)[name] for name in asked] == ["org-1", "proj-1"]
        assert [headers_of(own)[name] for name in asked] == ["org-2", "proj-2"]
        assert requests.get("/models", own).headers["OpenAI-Project"] == "proj-2"


@pytest.mark.parametrize("mode", LOGINS)
def test_an_answer_in_one_piece_is_asked_for_as_a_stream(mode: str) -> None:
    assert headers_of(LOGINS[mode], stream=False)["accept"] == "text/event-stream"
    assert headers_of(KEY_LOGIN, stream=False)["accept"] == "application/json"


@pytest.mark.parametrize("mode", ["chatgpt", "plan", "api_key"])
def test_tokens_of_a_login_never_go_to_an_address_of_the_session(mode: str) -> None:
    moved = Credential(
        auth_type="oauth", secret=Secret("t"), base_url="https://evil.example/v1", settings={"mode": mode}
    )
    assert "evil" not in streaming.BEHAVIOUR.build(chat(), moved).url
    assert "evil" not in models.listing(moved).url


@pytest.mark.parametrize("mode", LOGINS)
def test_only_a_key_counts(mode: str) -> None:
    with pytest.raises(UnsupportedOperation, match="for keys only"):
        counting.BEHAVIOUR.build(chat(), LOGINS[mode])
    assert counting.BEHAVIOUR.build(chat(), KEY_LOGIN).url.endswith("/responses/input_tokens")


def test_the_list_of_models_is_asked_for_with_a_version_in_chatgpt_mode_only() -> None:
    assert models.listing(CHATGPT).url == "https://chatgpt.com/backend-api/codex/models?client_version=1.0.0"
    assert models.listing(PLAN).url == models.listing(KEY_LOGIN).url == "https://api.openai.com/v1/models"


def test_hidden_models_are_left_out() -> None:
    shown = {"slug": "gpt-5.6", "display_name": "GPT-5.6", "visibility": "list", "context_window": 272000}
    found = models.read_slug({**shown, "base_instructions": "x" * 9000})
    assert found is not None
    assert (found.id, found.name, found.context_window) == ("gpt-5.6", "GPT-5.6", 272000)
    assert "base_instructions" not in found.raw
    for entry in (
        {**shown, "visibility": "hide"},
        {**shown, "slug": ""},
        {**shown, "slug": 5},
        {"slug": "gpt-5.6"},
        {},
    ):
        assert models.read_slug(entry) is None

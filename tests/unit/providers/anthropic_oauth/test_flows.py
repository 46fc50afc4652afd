"""What Anthropic's sign-ins are, how they are configured, and how a login signs a request."""

from typing import Any

import pytest
from pydantic import ValidationError

from maestro_site.conf import load
from providers_app import conf, errors
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, PendingLogin
from providers_app.providers.anthropic import oauth
from providers_app.providers.anthropic.config import Config
from providers_app.providers.anthropic.requests import get, post, with_beta
from providers_app.registry.settings import build_model
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import Tokens

BEHAVIOUR = oauth.BEHAVIOUR
CHAT = ChatRequest(model="claude-opus-5", messages=())
TOKEN = "sk-ant-oat01-" + "t" * 40


def configured(**given: Any) -> Any:
    return conf.use(build_model()(anthropic=given))


def flow(name: str) -> Any:
    return next(each for each in BEHAVIOUR.flows if each.name == name)


def credential(**settings: str) -> Credential:
    return Credential(auth_type="oauth", secret=Secret(TOKEN), settings=settings)


def test_the_flows_and_what_a_refresh_does_to_each() -> None:
    found = {each.name: (each.restricted, each.rotation, each.methods) for each in BEHAVIOUR.flows}
    assert found == {
        "claude": (True, "single_use", ("paste_code",)),
        "console_key": (True, "none", ("paste_code",)),
        "federation": (False, "minted", ()),
        "profile": (False, "single_use", ()),
    }
    for each in BEHAVIOUR.flows:
        assert each.position and each.position_url.startswith("https://") and each.description
        assert bool(each.consent) == each.restricted


async def test_the_defaults_are_those_of_the_specification() -> None:
    pending = await BEHAVIOUR.begin(LoginStart(flow("claude"), "paste_code"), None)  # type: ignore[arg-type]
    address, _, query = pending.url.partition("?")
    assert address == "https://claude.ai/oauth/authorize"
    assert query.startswith("code=true&client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e&response_type=code&")
    assert "redirect_uri=https%3A%2F%2Fconsole.anthropic.com%2Foauth%2Fcode%2Fcallback" in query
    assert "scope=org%3Acreate_api_key+user%3Aprofile+user%3Ainference" in query
    assert "code_challenge_method=S256" in query
    assert pending.verifier.reveal() not in pending.url and pending.verifier != pending.state
    key = await BEHAVIOUR.begin(LoginStart(flow("console_key"), "paste_code"), None)  # type: ignore[arg-type]
    assert key.url.startswith("https://console.anthropic.com/oauth/authorize?")
    assert key.state != pending.state and key.verifier != pending.verifier


async def test_every_part_can_be_configured() -> None:
    own = {"client_id": "mine", "authorize_url": "https://a.example/x?y=1", "redirect_uri": "https://a.example/cb"}
    with configured(oauth={**own, "scopes": "one two"}):
        pending = await BEHAVIOUR.begin(LoginStart(flow("claude"), "paste_code"), None)  # type: ignore[arg-type]
        assert flow("claude").paste_redirect == "https://a.example/cb"
    assert pending.url.startswith("https://a.example/x?y=1&code=true&client_id=mine&")
    assert "scope=one+two" in pending.url and pending.client.id == "mine"


@pytest.mark.parametrize(("name", "method"), [("claude", "callback"), ("claude", "device"), ("profile", "direct")])
async def test_what_cannot_be_begun_is_said(name: str, method: Any) -> None:
    with pytest.raises(errors.InvalidRequest):
        await BEHAVIOUR.begin(LoginStart(flow(name), method), None)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRequest):
        await BEHAVIOUR.poll(PendingLogin(flow=name, method=method), None)  # type: ignore[arg-type]


async def test_a_profile_takes_no_code_and_a_key_no_refresh() -> None:
    with pytest.raises(errors.InvalidRequest):
        await BEHAVIOUR.exchange(PendingLogin(flow="profile", method="direct"), LoginAnswer(), None)  # type: ignore[arg-type]
    with pytest.raises(errors.NotRefreshable):
        await BEHAVIOUR.refresh(Tokens(flow="console_key", api_key=Secret("sk-ant-api03-x")), None)  # type: ignore[arg-type]


def test_the_environment_turns_flows_on_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_PROVIDERS__ANTHROPIC__ENABLED_FLOWS", " claude, console_key ,")
    monkeypatch.setenv("MAESTRO_PROVIDERS__ANTHROPIC__OAUTH__TOKEN_URL", "https://platform.claude.com/v1/oauth/token")
    monkeypatch.setenv("MAESTRO_PROVIDERS__ANTHROPIC__REFRESH_MARGIN_S", "120")
    found = load().providers.anthropic
    assert found.enabled_flows == ("claude", "console_key")
    assert found.oauth.token_url == "https://platform.claude.com/v1/oauth/token"
    with conf.use(load().providers):
        assert conf.refresh_margin("anthropic") == 120
    assert Config().enabled_flows == () and conf.refresh_margin("openrouter") == 300


@pytest.mark.parametrize("given", [{"enabled_flows": "cluade"}, {"enabled_flows": "profile"}, {"oauth": {"beta": ""}}])
def test_a_wrong_setting_stops_the_start(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config(**given)


def test_federation_is_offered_once_its_three_settings_are_there() -> None:
    needed = {"token_file": "/run/token", "federation_rule_id": "fdrl_1", "organization_id": "org"}
    for missing in needed:
        with configured(federation={name: value for name, value in needed.items() if name != missing}):
            assert flow("federation").methods == () and missing.upper() in flow("federation").description
    with configured(federation=needed):
        assert flow("federation").methods == ("direct",) and "SERVICE" not in flow("federation").description


@pytest.mark.parametrize(
    ("before", "after"), [("", "b"), ("a", "a,b"), ("a, c ,", "a,c,b"), ("b", "b"), ("a,b,c", "a,b,c")]
)
def test_beta_names_are_joined_once_each(before: str, after: str) -> None:
    assert with_beta(before, "b") == after


def test_an_access_token_travels_with_its_beta_and_without_a_key() -> None:
    login = credential()
    request = HttpRequest(method="GET", url="https://x", headers={"Anthropic-Beta": "one", "X-Api-Key": "stray"})
    signed = BEHAVIOUR.authorize(login, request)
    assert signed.headers == {"anthropic-beta": "one,oauth-2025-04-20", "authorization": f"Bearer {TOKEN}"}
    assert signed.secret_headers == {"authorization"} and TOKEN not in repr(signed)
    assert [one.field for one in BEHAVIOUR.advise(CHAT, login)] == ["anthropic-beta"]


def test_a_key_out_of_a_login_signs_as_a_key() -> None:
    login = credential(signs_with="api_key")
    signed = BEHAVIOUR.authorize(login, get("/v1/models", login))
    assert signed.headers["x-api-key"] == TOKEN and "authorization" not in signed.headers
    assert "anthropic-beta" not in signed.headers and signed.secret_headers == {"x-api-key"}
    assert BEHAVIOUR.advise(CHAT, login) == []


def test_the_address_and_workspace_of_a_profile_hold_for_logins_only() -> None:
    facts = {"base_url": "https://eu.anthropic.com", "workspace_id": "wrkspc_1"}
    request = post("/v1/messages", credential(**facts), b"{}")
    assert request.url == "https://eu.anthropic.com/v1/messages"
    assert request.headers["anthropic-workspace-id"] == "wrkspc_1"
    assert [one.field for one in BEHAVIOUR.advise(CHAT, credential(**facts))] == [
        "anthropic-beta",
        "anthropic-workspace-id",
    ]
    # The settings of a session with a key are a person's own words: they lead nowhere.
    typed = Credential(auth_type="api_key", secret=Secret("k"), settings=facts)
    assert post("/v1/messages", typed, b"{}").url == "https://api.anthropic.com/v1/messages"
    assert "anthropic-workspace-id" not in post("/v1/messages", typed, b"{}").headers

"""The pages that sign-ins begin with: every parameter, and what is refused before anything is opened."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from providers_app import conf
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, OAuthFlow, PendingLogin, pkce
from providers_app.dispatch.clients import make
from providers_app.errors import FlowDisabled, InvalidLoginAnswer, InvalidRequest
from providers_app.providers.openai import flows, sign_in
from providers_app.providers.openai.config import Config, OAuthConfig, SiwcConfig
from providers_app.providers.openai.oauth import BEHAVIOUR
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient

LOCAL = "http://127.0.0.1:50123/auth/callback"


@pytest.fixture(autouse=True)
def settings() -> Any:
    """Everything is enabled, and no address is left to be discovered."""
    keys = {"jwks_url": "https://auth.openai.com/.well-known/jwks.json"}
    config = Config(enabled_flows=("codex", "device"), oauth=OAuthConfig(**keys), siwc=SiwcConfig(**keys))
    with conf.use(build_model()(openai=config)):
        yield config


def flow(name: str) -> OAuthFlow:
    return next(known for known in BEHAVIOUR.flows if known.name == name)


async def begin(name: str, *, client: str = "", redirect: str = LOCAL, **given: str) -> PendingLogin:
    """No flow that has a page asks anybody before it is opened, where every address is known."""
    http = make(conf.current())
    try:
        fields = {key: Secret(value) for key, value in given.items()}
        start = LoginStart(flow(name), "loopback", OAuthClient(id=client), redirect, fields)
        return await BEHAVIOUR.begin(start, http)
    finally:
        await http.aclose()


def page(pending: PendingLogin) -> tuple[str, dict[str, str]]:
    parts = urlsplit(pending.url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), "no parameter twice"
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(pairs)


async def test_the_first_sign_in_with_chatgpt_has_no_client_of_its_own(settings: Config) -> None:
    pending = await begin("chatgpt")
    address, params = page(pending)
    assert address == "https://auth.openai.com/api/accounts/authorize"
    assert params == {
        "response_type": "code",
        "client_id": "dynamic_agent_client",
        "agent_name_hint": "Maestro",
        "ext_agent_host_id": settings.siwc.host_id,
        "redirect_uri": LOCAL,
        "scope": "openid profile email offline_access resource.invoke chatgpt.tokens.use.direct",
        "resource": "https://api.openai.com/v1",
        "state": pending.state.reveal(),
        "nonce": pending.nonce.reveal(),
        "code_challenge": pkce.challenge_of(pending.verifier),
        "code_challenge_method": "S256",
        "prompt": "consent",
    }


async def test_later_sign_ins_use_the_client_that_was_given() -> None:
    _, params = page(await begin("chatgpt", client="oaiapp_7"))
    assert params["client_id"] == "oaiapp_7"
    assert "agent_name_hint" not in params
    assert page(await begin("chatgpt", client="dynamic_agent_client"))[1]["client_id"] == "dynamic_agent_client"


async def test_the_browser_page_of_the_public_client() -> None:
    pending = await begin("codex", redirect="http://localhost:1457/auth/callback", mode="api_key")
    address, params = page(pending)
    assert address == "https://auth.openai.com/oauth/authorize"
    assert params == {
        "response_type": "code",
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "redirect_uri": "http://localhost:1457/auth/callback",
        "scope": "openid profile email offline_access",
        "code_challenge": pkce.challenge_of(pending.verifier),
        "code_challenge_method": "S256",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "state": pending.state.reveal(),
        "nonce": pending.nonce.reveal(),
        "originator": "maestro",
    }
    assert len(pending.nonce.reveal()) == 43 and pending.nonce != pending.state
    assert pending.given == {"mode": Secret("api_key")}


@pytest.mark.parametrize(
    ("name", "redirect"),
    [
        ("chatgpt", "http://localhost:1455/auth/callback"),
        ("chatgpt", "http://127.0.0.1:1455/callback"),
        ("chatgpt", "https://127.0.0.1:1455/auth/callback"),
        ("chatgpt", "https://maestro.example/auth/callback"),
        ("chatgpt", "http://127.0.0.1/auth/callback"),
        ("chatgpt", "http://127.0.0.1:1455/auth/callback?x=1"),
        ("codex", "http://localhost:8080/auth/callback"),
        ("codex", "http://127.0.0.1:1455/auth/callback"),
        ("codex", "http://localhost:99999/auth/callback"),
    ],
)
async def test_addresses_that_the_server_does_not_take_are_refused_here(name: str, redirect: str) -> None:
    with pytest.raises(InvalidRequest, match=r"/auth/callback with"):
        await begin(name, redirect=redirect)


async def test_without_an_address_a_fitting_one_is_chosen() -> None:
    assert (await begin("chatgpt", redirect="")).redirect_uri == "http://127.0.0.1:1455/auth/callback"
    assert (await begin("codex", redirect="")).redirect_uri == "http://localhost:1455/auth/callback"


async def test_a_mode_that_there_is_not_is_refused_before_the_page() -> None:
    with pytest.raises(InvalidRequest, match="chatgpt or api_key"):
        await begin("codex", redirect="", mode="both")


@pytest.mark.parametrize("name", ["codex", "device"])
async def test_restricted_flows_are_off_until_the_operator_names_them(name: str) -> None:
    with conf.use(build_model()(openai=Config())), pytest.raises(FlowDisabled) as caught:
        await begin(name, redirect="")
    assert "MAESTRO_PROVIDERS__OPENAI__ENABLED_FLOWS" in caught.value.hint
    assert "Sign in with ChatGPT" in caught.value.message, "the vendor's position is said"


def test_the_official_flow_keeps_to_its_terms() -> None:
    official = flow("chatgpt")
    assert BEHAVIOUR.flows[0] is not None and BEHAVIOUR.flows[0].name == "chatgpt", "it is offered first"
    assert not official.restricted and official.one_person
    assert official.consent == "I use it for myself, on my own machine"
    assert official.redirect_host == "127.0.0.1" and official.ports == (0,)
    assert set(official.methods) == {"loopback", "paste_url"}, "its answer never goes to another host"
    assert official.position_url == "https://openai.com/policies/sign-in-with-chatgpt-terms/"
    assert [known.name for known in BEHAVIOUR.flows if known.restricted] == ["codex", "device"]
    assert all(known.rotation == "single_use" and known.one_person for known in BEHAVIOUR.flows)


def pending_of(client: str) -> PendingLogin:
    return PendingLogin(flow="chatgpt", method="paste_url", client=OAuthClient(id=client))


def answer(**params: str) -> LoginAnswer:
    return LoginAnswer(code=Secret("c"), params=params)


def test_the_issued_client_is_taken_from_the_callback() -> None:
    found = sign_in.client_of(pending_of(flows.DYNAMIC_CLIENT), answer(client_id="oaiapp_7"))
    assert found.id == "oaiapp_7"
    assert sign_in.client_of(pending_of("oaiapp_7"), answer(client_id="oaiapp_7")).id == "oaiapp_7"
    assert sign_in.client_of(pending_of("oaiapp_7"), answer()).id == "oaiapp_7"


@pytest.mark.parametrize("named", ["", "dynamic_agent_client", "a\nb", "x" * 201])
def test_a_callback_without_a_client_is_refused(named: str) -> None:
    with pytest.raises(InvalidLoginAnswer, match="does not name the client"):
        sign_in.client_of(pending_of(flows.DYNAMIC_CLIENT), answer(client_id=named))


def test_another_client_than_before_is_refused() -> None:
    with pytest.raises(InvalidLoginAnswer, match="another client"):
        sign_in.client_of(pending_of("oaiapp_7"), answer(client_id="oaiapp_8"))

"""The settings of OpenAI's sign-ins as an operator sets them, and what is refused."""

import pytest
from pydantic import ValidationError

from maestro_site import conf as site_conf
from providers_app.providers.openai.config import Config, OAuthConfig, SiwcConfig


def test_the_environment_reaches_every_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENABLED_FLOWS": "codex, device",
        "OAUTH__PORTS": "1457,1455",
        "OAUTH__CLIENT_ID": "app_own",
        "OAUTH__MODE": "chatgpt",
        "SIWC__AGENT_NAME": "Ours",
        "REFRESH_MARGIN_S": "240",
        "CHATGPT_BASE_URL": "https://chatgpt.example/codex",
    }.items():
        monkeypatch.setenv(f"MAESTRO_PROVIDERS__OPENAI__{name}", value)
    found = site_conf.load().providers.openai
    assert found.enabled_flows == ("codex", "device")
    assert found.oauth.ports == (1457, 1455)
    assert (found.oauth.client_id, found.oauth.mode, found.siwc.agent_name) == ("app_own", "chatgpt", "Ours")
    assert found.refresh_margin_s == 240
    assert found.oauth.token_url == "https://auth.openai.com/oauth/token", "what is not set keeps its default"
    assert site_conf.unknown_variables() == []


def test_the_defaults_are_those_of_the_vendor() -> None:
    config = Config()
    assert config.enabled_flows == ()
    assert config.oauth.client_id == "app_EMoamEEZ73f0CkXaXp7hrann"
    assert config.oauth.ports == (1455, 1457)
    assert config.oauth.scopes == "openid profile email offline_access"
    assert config.siwc.scopes.split()[-1] == "chatgpt.tokens.use.direct"


@pytest.mark.parametrize(
    "given",
    [
        {"enabled_flows": "codx"},
        {"oauth": {"ports": "0"}},
        {"oauth": {"ports": "70000"}},
        {"oauth": {"ports": ""}},
        {"oauth": {"mode": "both"}},
        {"oauth": {"originator": "a b"}},
        {"siwc": {"agent_host_id": "not-a-uuid"}},
        {"client_version": "latest"},
        {"oauth": {"unknown": "x"}},
    ],
    ids=repr,
)
def test_what_cannot_be_used_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(given)


def test_the_installation_has_one_id_that_stays() -> None:
    made = SiwcConfig().host_id
    assert made == SiwcConfig().host_id
    assert made.startswith("urn:uuid:") and made[23] == "4", "the server wants a version 4 UUID"
    own = "urn:uuid:3b241101-e2bb-4255-8caf-4136c566a962"
    assert SiwcConfig(agent_host_id=own).host_id == own
    assert SiwcConfig(agent_host_id=own.removeprefix("urn:uuid:")).host_id == own


def test_ports_are_numbers() -> None:
    assert OAuthConfig.model_validate({"ports": " 1455 "}).ports == (1455,)

"""Profiles of the Anthropic CLI: what is read from the two files, and what is refused without being quoted."""

from typing import Any

import pytest

from providers_app import conf, errors
from providers_app.providers.anthropic.imports import read_profile as read
from providers_app.registry.settings import build_model

ACCESS = "sk-ant-oat01-" + "a" * 40
REFRESH = "sk-ant-ort01-" + "r" * 40
CONFIG: dict[str, Any] = {
    "version": "1.0",
    "organization_id": "0c8d6a5e-org",
    "workspace_id": "wrkspc_01",
    "base_url": "https://api.anthropic.com/",
    "authentication": {"type": "user_oauth", "client_id": "cli-1", "scope": "user:inference"},
}
CREDENTIALS: dict[str, Any] = {
    "version": "1.0",
    "type": "oauth_token",
    "access_token": ACCESS,
    "refresh_token": REFRESH,
    "expires_at": 1_795_000_000,
}


def test_a_profile_is_a_login() -> None:
    tokens = read(CONFIG, CREDENTIALS)
    assert (tokens.flow, tokens.client.id, tokens.issuer) == ("profile", "cli-1", "https://api.anthropic.com")
    assert (tokens.access.reveal(), tokens.refresh.reveal(), tokens.expires_at) == (ACCESS, REFRESH, 1_795_000_000.0)
    assert tokens.facts == {
        "base_url": "https://api.anthropic.com",
        "organization_id": "0c8d6a5e-org",
        "workspace_id": "wrkspc_01",
    }
    assert tokens.read_only == "" and ACCESS not in repr(tokens) and REFRESH not in repr(tokens)


def test_the_smallest_profile() -> None:
    tokens = read({"authentication": {"type": "user_oauth"}}, {"access_token": ACCESS})
    assert tokens.facts == {} and tokens.expires_at is None and not tokens.refresh
    assert "names no client" in tokens.read_only


@pytest.mark.parametrize(
    "client", [{"client_id": "top"}, {"authentication": {"type": "user_oauth", "client_id": "top"}}]
)
def test_the_client_may_stand_in_either_place(client: dict[str, Any]) -> None:
    assert read({"authentication": {"type": "user_oauth"}} | client, CREDENTIALS).client.id == "top"


@pytest.mark.parametrize("seconds", [1_795_000_000, 1_795_000_000.5, "1795000000"])
def test_the_end_is_in_seconds(seconds: Any) -> None:
    found = read(CONFIG, CREDENTIALS | {"expires_at": seconds}).expires_at
    assert found is not None and int(found) == 1_795_000_000


@pytest.mark.parametrize(
    ("config", "credentials"),
    [
        ({}, {}),
        ({"authentication": None}, {}),
        ({"authentication": "user_oauth"}, {}),
        ({"authentication": {"type": "oidc_federation"}}, {}),
        ({"authentication": {"type": ["user_oauth"]}}, {}),
        (None, {"type": "service_account"}),
        (None, {"access_token": ""}),
        (None, {"access_token": 5}),
        (None, {"access_token": "two words of a secret"}),
        (None, {"access_token": "secret-ü"}),
        (None, {"access_token": "secret" * 20_000}),
        (None, {"refresh_token": {"secret": 1}}),
        (None, {"refresh_token": "secret\nline"}),
        (None, {"expires_at": "2026-11-20T00:00:00Z"}),
        (None, {"expires_at": 1_795_000_000_000}),
        (None, {"expires_at": -1}),
        (None, {"expires_at": True}),
        (None, {"expires_at": float("nan")}),
        (None, {"expires_at": 10**400}),
    ],
)
def test_junk_is_refused_and_not_quoted(config: dict[str, Any] | None, credentials: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidCredential) as caught:
        read(CONFIG if config is None else config, CREDENTIALS | credentials)
    assert "secret" not in caught.value.message + caught.value.hint and ACCESS not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_what_is_no_object_is_no_profile(value: Any) -> None:
    for pair in ((value, CREDENTIALS), (CONFIG, value)):
        with pytest.raises(errors.InvalidCredential):
            read(*pair)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "http://api.anthropic.com",
        "https://api.anthropic.com.evil.example",
        "https://evilanthropic.com",
        "https://me@api.anthropic.com",
        "https://api.anthropic.com@evil.example",
        "https://api.anthropic.com:8443",
        "https://api.anthropic.com/?x=1",
        "https://api.anthropic.com/#x",
        "https://[broken",
        "file:///etc/passwd",
        "https://169.254.169.254",
        7,
        ["https://api.anthropic.com"],
    ],
)
def test_a_profile_leads_tokens_nowhere_else(address: Any) -> None:
    with pytest.raises(errors.InvalidCredential, match="base_url"):
        read(CONFIG | {"base_url": address}, CREDENTIALS)


@pytest.mark.parametrize(
    "address", ["https://api.anthropic.com", "https://eu.api.claude.com:443/", "https://claude.com"]
)
def test_addresses_of_anthropic_are_taken(address: str) -> None:
    assert read(CONFIG | {"base_url": address}, CREDENTIALS).facts["base_url"] == address.rstrip("/")


def test_the_operators_own_address_is_taken() -> None:
    address = "http://127.0.0.1:9999"
    with conf.use(build_model()(anthropic={"base_url": address + "/"})):
        assert read(CONFIG | {"base_url": address}, CREDENTIALS).facts["base_url"] == address


def test_what_could_break_a_header_is_left_out() -> None:
    tokens = read(CONFIG | {"workspace_id": "a\r\nx: y", "organization_id": "ü"}, CREDENTIALS)
    assert set(tokens.facts) == {"base_url"}

"""Answers of Anthropic's token endpoint that leave something out, or say something else than before."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from providers_app import conf, errors
from providers_app.behaviours.oauth import LoginAnswer, PendingLogin
from providers_app.dispatch import clients
from providers_app.providers.anthropic.oauth import BEHAVIOUR
from providers_app.registry.settings import ProvidersConfig, build_model
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

Start = Callable[..., Awaitable[str]]
LOGIN = Tokens(
    flow="claude",
    access=Secret("access-1"),
    refresh=Secret("refresh-1"),
    expires_at=1.0,
    scopes=("user:inference",),
    client=OAuthClient(id="client-1"),
    account_id="acct-1",
    account_label="ada@example.com",
    facts={"organization_id": "org-1"},
)
PENDING = PendingLogin(flow="claude", method="paste_code", state=Secret("s"), verifier=Secret("v"))
CODE = LoginAnswer(code=Secret("code"))


@pytest.fixture
async def http(loopback: ProvidersConfig) -> AsyncIterator[Http]:
    made = clients.make(loopback)
    yield made
    await made.aclose()


def answering(*bodies: tuple[int, Any]) -> Any:
    """One answer after the other, each on a connection of its own."""
    left = list(bodies)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, body = left.pop(0)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data)
        await writer.drain()

    return answer


def at(url: str, **more: Any) -> Any:
    oauth = {name: f"{url}/{name}" for name in ("token_url", "profile_url", "create_key_url")} | more
    settings = conf.current().model_dump(include={"allowed_private_hosts", "connect_timeout_s", "lookup_timeout_s"})
    return conf.use(build_model()(**settings, anthropic={"base_url": url, "oauth": oauth}))


async def test_a_silent_refresh_keeps_what_was_known(raw_server: Start, http: Http) -> None:
    url = await raw_server(answering((200, {"access_token": "access-2", "expires_in": 28800})))
    with at(url):
        fresh = await BEHAVIOUR.refresh(LOGIN, http)
    assert (fresh.access.reveal(), fresh.refresh.reveal()) == ("access-2", "refresh-1")
    assert (fresh.scopes, fresh.account_id, fresh.facts) == (
        ("user:inference",),
        "acct-1",
        {"organization_id": "org-1"},
    )
    assert fresh.expires_at is not None and abs(fresh.expires_at - time.time() - 28800) < 30


async def test_a_refresh_never_changes_whose_login_it_is(raw_server: Start, http: Http) -> None:
    other = {"account": {"uuid": "acct-2", "email_address": "eve@example.com"}, "organization": {"uuid": "org-2"}}
    url = await raw_server(answering((200, {"access_token": "access-2", "refresh_token": "refresh-2", **other})))
    with at(url):
        fresh = await BEHAVIOUR.refresh(LOGIN, http)
    assert (fresh.account_id, fresh.account_label, fresh.facts) == ("acct-1", "ada@example.com", LOGIN.facts)
    assert fresh.refresh.reveal() == "refresh-2"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "Refresh token not found"}, errors.TokenRefused),
        (200, {}, errors.TokenOutcomeUnknown),
        (200, b"<html>ok</html>", errors.TokenOutcomeUnknown),
        (502, b"<html>bad gateway</html>", errors.TokenOutcomeUnknown),
        (503, {"error": "temporarily_unavailable"}, errors.TokenOutcomeUnknown),
        (429, {"type": "error", "error": {"type": "rate_limit_error"}}, errors.RateLimited),
    ],
)
async def test_what_a_refresh_comes_to(
    raw_server: Start, http: Http, status: int, body: Any, kind: type[errors.ProviderError]
) -> None:
    with at(await raw_server(answering((status, body)))), pytest.raises(kind) as caught:
        await BEHAVIOUR.refresh(LOGIN, http)
    assert type(caught.value) is kind and "refresh-1" not in caught.value.message


@pytest.mark.parametrize("flow", ["claude", "profile"])
async def test_an_end_that_is_not_said_is_an_hour_for_a_profile(raw_server: Start, http: Http, flow: str) -> None:
    tokens = Tokens(flow=flow, refresh=Secret("refresh-1"), client=OAuthClient(id="client-1"))
    with at(await raw_server(answering((200, {"access_token": "access-2"})))):
        fresh = await BEHAVIOUR.refresh(tokens, http)
    if flow == "claude":
        assert fresh.expires_at is None
    else:
        assert fresh.expires_at is not None and abs(fresh.expires_at - time.time() - 3600) < 30


async def test_an_unnamed_login_is_looked_up(raw_server: Start, http: Http) -> None:
    whose = {
        "account": {"uuid": "acct-1", "email": "ada@example.com"},
        "organization": {"uuid": "org-1", "name": "Org"},
    }
    with at(await raw_server(answering((200, {"access_token": "access-1"}), (200, whose)))):
        tokens = await BEHAVIOUR.exchange(PENDING, CODE, http)
    assert (tokens.account_id, tokens.account_label) == ("acct-1", "ada@example.com (Org)")


@pytest.mark.parametrize(
    "second", [(403, {"error": {"type": "permission_error"}}), (200, b"<html>"), (200, [1]), (500, b"")]
)
async def test_a_name_is_never_worth_a_login(raw_server: Start, http: Http, second: tuple[int, Any]) -> None:
    with at(await raw_server(answering((200, {"access_token": "access-1"}), second))):
        tokens = await BEHAVIOUR.exchange(PENDING, CODE, http)
    assert tokens.access.reveal() == "access-1" and tokens.account_id == ""


async def test_without_an_address_nobody_is_asked_for_the_name(raw_server: Start, http: Http) -> None:
    with at(await raw_server(answering((200, {"access_token": "access-1"}))), profile_url=""):
        assert (await BEHAVIOUR.exchange(PENDING, CODE, http)).account_id == ""


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        ((403, {"error": {"type": "permission_error", "message": "Keys are managed by admins."}}), errors.MissingScope),
        ((200, {"raw_key": ""}), errors.BadAnswer),
        ((200, {"raw_key": "two words"}), errors.BadAnswer),
        ((200, b"<html>"), errors.BadAnswer),
        ((500, b""), errors.ServerError),
    ],
)
async def test_a_key_that_is_not_made_is_a_step_of_its_own(
    raw_server: Start, http: Http, second: tuple[int, Any], kind: type[errors.ProviderError]
) -> None:
    named = {"access_token": "access-1", "account": {"uuid": "acct-1"}}
    pending = PendingLogin(flow="console_key", method="paste_code", state=Secret("s"), verifier=Secret("v"))
    with at(await raw_server(answering((200, named), second))), pytest.raises(kind) as caught:
        tokens = await BEHAVIOUR.exchange(pending, CODE, http)
        assert tokens.access.reveal() == "access-1" and not tokens.api_key
        await BEHAVIOUR.api_credentials(tokens, http)
    assert "access-1" not in caught.value.message

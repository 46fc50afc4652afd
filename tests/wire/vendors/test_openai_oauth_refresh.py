"""Refreshing and revoking OpenAI logins against the strict server: rotation, and what failures mean for a token."""

import time
from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest

from providers_app import errors, loop, provider
from providers_app.refresh.service import refresh_session
from providers_app.types.credentials import Secret
from providers_app.types.refresh import RefreshReport, Trigger
from providers_app.types.tokens import Tokens
from tests.vendors.auth import Fault
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.openai_logins import OpenAIDesk

FLOWS = ["chatgpt", "codex", "device"]


@pytest.fixture
def desk(openai_auth: VendorServer, openai_server: VendorServer) -> Iterator[OpenAIDesk]:
    found = OpenAIDesk(openai_auth, openai_server)
    found.book.add_account("acct-1", "ada@example.com", plan="plus")
    found.book.access_ttl = 300.0  # the whole life lies in the window in which a refresh is allowed
    with found.configured():
        yield found


@pytest.mark.parametrize("flow", FLOWS)
async def test_both_tokens_are_new_and_everything_else_stays(desk: OpenAIDesk, flow: str) -> None:
    before = await desk.sign_in(flow)
    after = await desk.refresh(before)
    assert after.access != before.access and after.refresh != before.refresh
    kept = ("flow", "client", "issuer", "account_id", "account_label", "facts", "scopes")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert after.expires_at is not None and abs(after.expires_at - time.time() - 300) < 5
    kind = desk.server.ledger[-1].headers["content-type"]
    assert kind == ("application/x-www-form-urlencoded" if flow == "chatgpt" else "application/json")
    again = await desk.refresh(after)
    assert again.refresh not in (before.refresh, after.refresh)
    assert desk.book.summary()["accepted"] == 2 and desk.book.summary()["burned"] == {}


@pytest.mark.parametrize("flow", FLOWS)
async def test_a_token_that_was_used_ends_the_login(desk: OpenAIDesk, flow: str) -> None:
    before = await desk.sign_in(flow)
    after = await desk.refresh(before)
    with pytest.raises(errors.TokenRefused) as caught:
        await desk.refresh(before)
    assert caught.value.upstream_code == "refresh_token_reused"
    with pytest.raises(errors.TokenRefused) as caught:
        await desk.refresh(after)
    assert caught.value.upstream_code == "refresh_token_invalidated"


async def test_too_early_is_not_asked(desk: OpenAIDesk) -> None:
    desk.book.access_ttl = 3600.0
    tokens = await desk.sign_in("chatgpt")
    session = await desk.connect(tokens)
    for trigger in get_args(Trigger):
        report = await refresh_on_loop(session.id, trigger)
        assert report.done == "skipped" and desk.book.summary()["presentations"] == 0
    with pytest.raises(errors.TokenRefused):
        await desk.refresh(tokens)
    assert list(desk.book.summary()["burned"].values()) == ["too_early"], "and had it been asked, the login were lost"


async def refresh_on_loop(session_id: str, trigger: Trigger) -> RefreshReport:
    return await loop.hand_over(refresh_session(session_id, trigger=trigger))


@pytest.mark.parametrize("flow", ["chatgpt", "codex"])
@pytest.mark.parametrize("kind", ["html", "empty", "garbage", "reset"])
async def test_an_answer_that_cannot_be_read_is_an_unknown_outcome(desk: OpenAIDesk, flow: str, kind: str) -> None:
    tokens = await desk.sign_in(flow)
    desk.book.faults.append(Fault(kind, "after"))  # type: ignore[arg-type]
    with pytest.raises(errors.TokenOutcomeUnknown):
        await desk.refresh(tokens)
    assert desk.book.summary()["lost_answers"], "the server had accepted it"


@pytest.mark.parametrize("flow", ["chatgpt", "codex"])
async def test_a_server_that_is_busy_has_spent_nothing(desk: OpenAIDesk, flow: str) -> None:
    tokens = await desk.sign_in(flow)
    desk.book.rate_limit(1, 7)
    with pytest.raises(errors.RateLimited) as limited:
        await desk.refresh(tokens)
    assert limited.value.retry_after == 7
    assert (await desk.refresh(tokens)).access != tokens.access


async def test_any_401_is_the_last_word_for_the_public_client(desk: OpenAIDesk) -> None:
    tokens = await desk.sign_in("codex")
    desk.book.faults.append(Fault("status", status=401))
    with pytest.raises(errors.TokenRefused):
        await desk.refresh(tokens)


@pytest.mark.parametrize("flow", ["chatgpt", "codex"])
async def test_a_client_that_the_server_does_not_know_is_not_the_end_of_the_login(desk: OpenAIDesk, flow: str) -> None:
    tokens = await desk.sign_in(flow)
    client = desk.book.clients.pop(tokens.client.id)
    with pytest.raises(errors.AuthenticationFailed, match="invalid_client") as caught:
        await desk.refresh(tokens)
    assert type(caught.value) is errors.AuthenticationFailed
    desk.book.clients[client.id] = client
    assert (await desk.refresh(tokens)).access != tokens.access


@pytest.mark.parametrize("flow", FLOWS)
async def test_tokens_of_another_account_are_not_taken(desk: OpenAIDesk, flow: str) -> None:
    tokens = await desk.sign_in(flow)
    session = await desk.connect(msgspec.structs.replace(tokens, account_id="acct-2/user-acct-2"))
    report = await refresh_on_loop(session.id, "command")
    assert report.done == "needs_person" and "another account" in report.why
    kept = desk.sessions.refreshes.rows[session.id]
    assert kept.session.status == "needs_reauth" and kept.tokens.access == tokens.access
    assert [family.burned for family in desk.book.families.values()] == ["revoked_by_client"], "nobody holds the pair"


@pytest.mark.parametrize("flow", FLOWS)
async def test_revoking_ends_everything(desk: OpenAIDesk, flow: str) -> None:
    tokens = await desk.sign_in(flow)
    await desk.connect(tokens)
    assert await desk.revoke(tokens) is True
    assert await desk.revoke(tokens) is True, "a second time is no error"
    with pytest.raises(errors.TokenRefused):
        await desk.refresh(tokens)
    with pytest.raises(errors.ProviderError):
        await desk.stream()


async def test_nothing_to_revoke(desk: OpenAIDesk) -> None:
    assert await desk.revoke(Tokens(flow="codex")) is False


@pytest.mark.parametrize("flow", FLOWS)
async def test_a_refused_access_token_is_refreshed_once_and_the_answer_streams(desk: OpenAIDesk, flow: str) -> None:
    tokens = await desk.sign_in(flow)
    await desk.connect(tokens)
    desk.book.end_access(tokens.access.reveal())
    assert text_of(await desk.stream())
    assert desk.book.summary()["accepted"] == 1
    listed = await provider.list_models("openai", "oauth", "main")
    assert [model.id for model in listed] == ["gpt-5.6", "gpt-5.6-mini"]
    assert desk.book.summary()["accepted"] == 1, "the new token is used from then on"


async def test_a_refused_key_is_exchanged_anew(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-w", "w@work.example", plan="edu", organization_id="org-w", project_id="proj-w")
    desk.book.signed_in = "acct-w"
    tokens = await desk.sign_in("codex")
    session = await desk.connect(tokens)
    after = await desk.refresh(tokens)
    assert after.api_key == tokens.api_key, "an ordinary refresh leaves the key as it is"
    desk.sessions.refreshes.rows[session.id].tokens = after
    desk.book.accesses[tokens.api_key.reveal()].revoked = "deleted at the platform"
    assert text_of(await desk.stream())
    kept = desk.sessions.refreshes.rows[session.id].tokens
    assert kept.api_key and kept.api_key != tokens.api_key and kept.api_key != Secret("")
    assert [spend.accepted for spend in desk.book.ledger if spend.kind == "exchange"] == [True, True]

"""Signing in to Anthropic over strict local servers by a pasted code, and using the login."""

import time
from typing import Any

import msgspec
import pytest

from providers_app import errors, loop, provider
from providers_app.sign_in import flow as login_flow
from providers_app.types.events import StreamEnd, StreamStart
from sessions_app.models import AuthSession, OAuthAttempt
from tests.vendors.anthropic.tokens import CLAUDE_CODE_ONLY, NOT_ALLOWED
from tests.vendors.auth import Fault
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.anthropic_desk import configured, desk
from tests.wire.vendors.connected import WEATHER, calls_of, text_of
from tests.wire.vendors.signing_in import Desk, secrets_in, settings

__all__ = ["desk"]
pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "claude-opus-5"
EXPECTED = expected_text("Hello there.")
CLIENT = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
BETA = "oauth-2025-04-20"


# Signing in


@pytest.mark.parametrize("form", ["code#state", "address", "query", "bare code", "spaces"])
def test_a_pasted_code_becomes_a_streamed_answer(desk: Desk, anthropic_server: VendorServer, form: str) -> None:
    pending = desk.begin("claude")
    assert (pending.method, pending.name) == ("paste_code", "work")
    code, _, state = desk.book.approve(pending.url).partition("#")
    answers = {
        "code#state": f"{code}#{state}",
        "address": f"https://console.anthropic.com/oauth/code/callback?code={code}&state={state}",
        "query": f"code={code}&state={state}",
        "bare code": code,
        "spaces": f"  {code}#{state}\n",
    }
    session = desk.complete(pending, answers[form])
    assert (session.auth_type, session.status, session.name) == ("oauth", "active", "work")
    events = desk.stream(MODEL)
    assert text_of(events) == EXPECTED and isinstance(events[-1], StreamEnd)
    sent = anthropic_server.ledger[-1].headers
    assert sent["authorization"].startswith("Bearer sk-ant-oat01-") and "x-api-key" not in sent
    assert sent["anthropic-beta"] == BETA and sent["user-agent"].startswith("Maestro/")
    tokens, row = desk.tokens(), desk.row()
    assert (tokens.account_id, tokens.flow, tokens.client.id) == ("acct-ada", "claude", CLIENT)
    assert row.account_label == "ada@example.com (Local organization)"
    assert tokens.facts == {"organization_id": "org-1", "organization": "Local organization"}
    assert tokens.expires_at is not None and 28_000 < tokens.expires_at - time.time() <= 28_800
    assert "user:inference" in tokens.scopes


def test_state_and_verifier_are_apart_and_never_shown(desk: Desk, anthropic_auth: VendorServer) -> None:
    pending = desk.begin("claude")
    code, _, state = desk.book.approve(pending.url).partition("#")
    desk.complete(pending, f"{code}#{state}")
    body = anthropic_auth.ledger.of("/v1/oauth/token")[-1].body
    assert set(body) == {"grant_type", "code", "state", "client_id", "redirect_uri", "code_verifier"}
    assert body["state"] == state and body["code_verifier"] not in pending.url and body["code_verifier"] != state
    assert body["redirect_uri"] == "https://console.anthropic.com/oauth/code/callback"
    assert not secrets_in(msgspec.structs.replace(pending, url=""), state, body["code_verifier"], code)
    attempt = OAuthAttempt.objects.get()
    assert not attempt.pending_key_id and body["code_verifier"].encode() not in bytes(attempt.sealed_pending)


def test_a_wrong_state_spends_nothing_and_the_right_answer_still_works(
    desk: Desk, anthropic_auth: VendorServer
) -> None:
    pending = desk.begin("claude")
    code, _, state = desk.book.approve(pending.url).partition("#")
    for wrong in (f"{code}#{state[:-1]}x", f"https://a.example/cb?code={code}&state=other", "two words", "#", ""):
        with pytest.raises(errors.InvalidLoginAnswer) as caught:
            desk.complete(pending, wrong)
        assert caught.value.hint and not secrets_in(caught.value, code, state)
    assert not anthropic_auth.ledger.of("/v1/oauth/token")
    assert desk.complete(pending, f"{code}#{state}").status == "active"


def test_a_code_of_another_login_is_refused_by_anthropic_and_the_way_on_is_named(desk: Desk) -> None:
    first, second = desk.begin("claude"), desk.begin("claude", "other")
    code = desk.book.approve(first.url).partition("#")[0]
    with pytest.raises(errors.InvalidLoginAnswer) as caught:
        desk.complete(second, code)
    assert "Begin the sign-in again" in caught.value.hint and code not in caught.value.message
    assert not AuthSession.objects.exists()


def test_a_replayed_code_is_refused(desk: Desk) -> None:
    pending = desk.begin("claude")
    answer = desk.book.approve(pending.url)
    desk.complete(pending, answer)
    with pytest.raises(errors.LoginUsed):
        desk.complete(pending, answer)
    again = desk.begin("claude", "again")
    with pytest.raises(errors.InvalidLoginAnswer):
        desk.complete(again, answer.partition("#")[0])
    assert AuthSession.objects.count() == 1


def test_a_denied_consent_is_said(desk: Desk) -> None:
    pending = desk.begin("claude")
    with pytest.raises(errors.LoginDenied):
        desk.complete(pending, desk.book.approve(pending.url, deny=True))
    with pytest.raises(errors.LoginUsed):
        desk.complete(pending, "code#state")


def test_a_withheld_scope_is_named_before_anything_is_stored(desk: Desk) -> None:
    desk.book.add_account("acct-locked", "locked@example.com", scopes_withheld=["user:inference"])
    pending = desk.begin("claude")
    with pytest.raises(errors.MissingScope, match="user:inference") as caught:
        desk.complete(pending, desk.book.approve(pending.url, account="acct-locked"))
    assert "console.anthropic.com" in caught.value.hint
    assert not AuthSession.objects.exists()


@pytest.mark.parametrize("kind", ["html", "empty", "garbage", "reset"])
def test_an_answer_that_is_none_ends_the_sign_in_with_a_clear_error(desk: Desk, kind: Any) -> None:
    pending = desk.begin("claude")
    answer = desk.book.approve(pending.url)
    desk.book.faults.append(Fault(kind, "before"))
    with pytest.raises(errors.UpstreamError) as caught:
        desk.complete(pending, answer)
    assert "<" not in caught.value.message and answer.partition("#")[0] not in caught.value.message
    assert not AuthSession.objects.exists()


@pytest.mark.parametrize("flow", ["claude", "console_key"])
def test_the_default_configuration_refuses_what_anthropic_restricts(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer, flow: str
) -> None:
    given = configured(anthropic_auth, anthropic_server)
    del given["enabled_flows"]
    with settings("anthropic", **given):
        offered = {each.flow.name: each for each in loop.run(login_flow.offered_flows("anthropic"), 5)}
        assert not offered[flow].enabled and "ENABLED_FLOWS" in offered[flow].why_not
        assert "Other products may not offer it" in offered[flow].flow.position
        with pytest.raises(errors.FlowDisabled, match="Other products may not offer it"):
            desk.begin(flow)
    assert not OAuthAttempt.objects.exists() and len(anthropic_auth.ledger) == 0


# Using the login


def test_models_counting_tools_and_the_test_are_signed_by_the_login(desk: Desk, anthropic_server: VendorServer) -> None:
    desk.sign_in("claude")
    assert len(loop.run(provider.list_models("anthropic", "oauth", "work", owner=desk.person.pk), 60)) == 45
    count = loop.run(provider.count_tokens("anthropic", "work", "Hello", model=MODEL, owner=desk.person.pk), 60)
    assert count.source == "provider"
    loop.run(provider.test_session("anthropic", "oauth", "work", owner=desk.person.pk), 60)
    assert len(calls_of(desk.stream(f"{MODEL}-tools", tools=[WEATHER]))) == 2
    assert {entry.key for entry in anthropic_server.ledger} == {"right"}
    assert all(entry.headers["anthropic-beta"] == BETA for entry in anthropic_server.ledger)
    assert desk.row().account_label.startswith("ada@example.com")


def test_the_beta_name_is_appended_to_the_configured_ones_and_said(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    desk.sign_in("claude")
    with settings("anthropic", **configured(anthropic_auth, anthropic_server, beta="context-1m-2025-08-07")):
        events = desk.stream(MODEL)
        assert anthropic_server.ledger[-1].headers["anthropic-beta"] == f"context-1m-2025-08-07,{BETA}"
        work = provider.preview_request("anthropic", "work", "Hello", model=MODEL, owner=desk.person.pk)
        prepared = loop.run(work, 60)
    assert isinstance(events[0], StreamStart)
    for advice in (events[0].advice, prepared.advice):
        assert [(one.level, one.field) for one in advice] == [("hint", "anthropic-beta")]
        assert BETA in advice[0].message
    token = desk.tokens().access.reveal()
    assert token not in str(prepared.headers) and prepared.headers["authorization"] == "***"


def test_a_login_that_only_claude_code_may_use_becomes_forbidden_with_the_way_out(desk: Desk) -> None:
    desk.sign_in("claude")
    desk.book.blocked = CLAUDE_CODE_ONLY
    with pytest.raises(errors.PermissionDenied) as caught:
        desk.stream(MODEL)
    assert caught.value.message == CLAUDE_CODE_ONLY and "Use an API key" in caught.value.hint
    assert desk.status() == "forbidden"
    assert desk.row().status_reason.startswith("This credential is only authorized for use with Claude Code")
    assert not [spend for spend in desk.book.ledger if spend.kind == "refresh"]


def test_an_organization_that_forbids_logins_is_no_reason_to_refresh(desk: Desk) -> None:
    desk.sign_in("claude")
    desk.book.blocked = NOT_ALLOWED
    with pytest.raises(errors.PermissionDenied) as caught:
        desk.ask(MODEL)
    assert "Use an API key" in caught.value.hint
    assert not [spend for spend in desk.book.ledger if spend.kind == "refresh"]


def test_a_beta_name_that_the_api_does_not_know_is_the_operators_to_mend(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    desk.sign_in("claude")
    given = configured(anthropic_auth, anthropic_server)
    given["oauth"] = {**given["oauth"], "beta": "oauth-2030-01-01"}
    with settings("anthropic", **given), pytest.raises(errors.BadRequest) as caught:
        desk.ask(MODEL)
    assert "OAUTH__BETA" in caught.value.hint
    assert desk.row().status == "active"

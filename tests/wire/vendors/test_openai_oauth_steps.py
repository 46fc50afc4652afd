"""The steps of an OpenAI sign-in beside the exchange, with the real stores: issuer, id token, and what is not kept."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from providers_app import errors, loop
from providers_app.behaviours.oauth import PendingLogin
from providers_app.sign_in import flow as login_flow
from providers_app.types.logins import LoginState
from sessions_app.models import AuthSession, Notice, OAuthAttempt
from sessions_app.stores.logins import prune_logins
from tests.unit.sessions.support import settle
from tests.vendors.auth import Book
from tests.vendors.server import VendorServer
from tests.waiting import wait_until
from tests.wire.vendors.openai_logins import OpenAIDesk
from tests.wire.vendors.signing_in import Desk, settings

pytestmark = pytest.mark.django_db(transaction=True)
FLOWS = ["chatgpt", "codex"]


@pytest.fixture
def configured(openai_auth: VendorServer, openai_server: VendorServer) -> dict[str, Any]:
    return OpenAIDesk(openai_auth, openai_server).config().model_dump()


@pytest.fixture
def desk(openai_auth: VendorServer, configured: dict[str, Any]) -> Iterator[Desk]:
    openai_auth.auth.add_account("acct-1", "ada@example.com", plan="plus")
    openai_auth.auth.access_ttl = 300.0  # the whole life lies in the window in which a refresh is allowed
    with settings("openai", **configured):
        forget()
        yield Desk("openai", openai_auth.auth, User.objects.create_user("ada"))
    settle()


def forget() -> None:
    """What is known of the issuer, as in a process that has just begun."""

    async def clear() -> None:
        for kept in ("openai-discovery", "oauth-jwks"):
            loop.local(kept, dict).clear()

    loop.run(clear())


def begin(desk: Desk, flow: str, **more: Any) -> PendingLogin:
    return desk.begin(flow, method="paste_url", **more)


def state_of(desk: Desk, pending: PendingLogin) -> LoginState:
    return loop.run(login_flow.login_state(pending.id, browser=desk.browser, owner=desk.person.pk), 20)


def confirm(desk: Desk, pending: PendingLogin) -> None:
    loop.run(login_flow.confirm_login(pending.id, browser=desk.browser, owner=desk.person.pk), 20)


def revoked(book: Book) -> list[str]:
    return [name for name, family in book.families.items() if family.burned == "revoked_by_client"]


# The issuer of an answer (RFC 9207)


@pytest.mark.parametrize(
    ("promised", "iss", "said"),
    [
        (False, "https://evil.example", "names another server"),
        (True, "https://evil.example", "names another server"),
        (True, "", "does not say that it comes from"),
    ],
)
def test_an_answer_of_another_issuer_is_not_ours(desk: Desk, promised: bool, iss: str, said: str) -> None:
    desk.book.promises_issuer, desk.book.iss = promised, iss
    pending = begin(desk, "chatgpt")
    for answer in (desk.book.approve(pending.url), f"{desk.book.approve(pending.url)}&error=access_denied"):
        with pytest.raises(errors.InvalidLoginAnswer, match=said) as caught:
            desk.complete(pending, answer)
        assert desk.book.origin in caught.value.message and "begin the sign-in again" in caught.value.hint
        assert (state_of(desk, pending).status, state_of(desk, pending).error) == ("waiting", caught.value.message)
    assert desk.book.ledger == [], "nothing was exchanged"
    desk.book.iss = None
    assert desk.complete(pending, desk.book.approve(pending.url)).status == "active"


@pytest.mark.parametrize("flow", FLOWS)
def test_an_answer_need_not_name_what_nobody_promised(desk: Desk, flow: str) -> None:
    """The page of Codex is not the one that the discovery document speaks of, and its answers name no issuer."""
    desk.book.promises_issuer, desk.book.iss = flow == "codex", ""
    assert desk.sign_in(flow, method="paste_url").status == "active"


def test_nobody_is_led_to_the_page_of_a_server_that_cannot_be_asked(desk: Desk, configured: dict[str, Any]) -> None:
    configured["siwc"] |= {"issuer": "http://127.0.0.1:9"}
    with settings("openai", **configured), pytest.raises(errors.ConnectionFailed):
        begin(desk, "chatgpt")


# The id token of a sign-in


@pytest.mark.parametrize("flow", FLOWS)
def test_an_id_token_of_another_sign_in_ends_this_one(desk: Desk, flow: str) -> None:
    pending = begin(desk, flow)
    landed = desk.book.approve(pending.url)
    desk.book.claims = {"nonce": "of-another-sign-in"}
    with pytest.raises(errors.InvalidIdToken, match="nonce differs") as caught:
        desk.complete(pending, landed)
    assert "only the page that it opens" in caught.value.hint
    state = state_of(desk, pending)
    assert (state.status, state.code, state.hint) == ("failed", "invalid_id_token", caught.value.hint)
    wait_until(lambda: revoked(desk.book) == ["fam-1"])
    assert not AuthSession.objects.exists()


@pytest.mark.parametrize("flow", FLOWS)
def test_keys_that_are_away_cost_no_sign_in(desk: Desk, flow: str) -> None:
    pending = begin(desk, flow)
    desk.book.keys_away = 2
    with pytest.raises(errors.UpstreamError, match="keys could not be fetched") as caught:
        desk.complete(pending, desk.book.approve(pending.url))
    assert "need not sign in again" in caught.value.hint
    assert (state_of(desk, pending).status, state_of(desk, pending).step) == ("confirm", "finish")
    with pytest.raises(errors.UpstreamError, match="keys could not be fetched"):
        confirm(desk, pending)
    confirm(desk, pending)
    assert desk.row().status == "active" and desk.tokens().account_label == "ada@example.com"
    assert [spend.kind for spend in desk.book.ledger] == ["code"] and revoked(desk.book) == []


def test_a_wrong_clock_costs_no_sign_in(desk: Desk) -> None:
    desk.book.clock_offset = 7200
    pending = begin(desk, "codex")
    with pytest.raises(errors.InvalidIdToken, match=r"clock of this machine is 7[12]\d\d s behind") as caught:
        desk.complete(pending, desk.book.approve(pending.url))
    assert "Set the clock of this machine forward by 7" in caught.value.hint
    assert "need not sign in again" in caught.value.hint
    assert state_of(desk, pending).status == "confirm"
    desk.book.clock_offset = 0  # as if it were ours that was set
    row = OAuthAttempt.objects.get(pk=pending.id)
    assert row.error_hint == caught.value.hint and bytes(row.sealed_tokens)


# What was obtained and is not kept


def declined(desk: Desk) -> PendingLogin:
    """Ada's session is signed in again by another person, whose tokens wait for a word."""
    desk.sign_in("codex", method="paste_url")
    desk.book.add_account("acct-2", "eve@example.com")
    desk.book.signed_in = "acct-2"
    pending = begin(desk, "codex", session="work", name="")
    with pytest.raises(errors.WrongAccount):
        desk.complete(pending, desk.book.approve(pending.url))
    return pending


def test_what_is_declined_is_revoked(desk: Desk) -> None:
    pending = declined(desk)
    loop.run(login_flow.cancel_login(pending.id, browser=desk.browser, owner=desk.person.pk), 20)
    wait_until(lambda: revoked(desk.book) == ["fam-2"])
    assert desk.refresh().access, "the session keeps the login that it had"


@pytest.mark.parametrize("by", ["the page", "the schedule"])
def test_what_nobody_confirms_in_time_is_revoked(desk: Desk, by: str) -> None:
    pending = declined(desk)
    OAuthAttempt.objects.filter(pk=pending.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    if by == "the page":
        assert state_of(desk, pending).status == "failed"
    else:
        assert prune_logins() == 1
    wait_until(lambda: not bytes(OAuthAttempt.objects.get(pk=pending.id).sealed_tokens))
    assert revoked(desk.book) == ["fam-2"]


def test_a_revocation_that_fails_hides_nothing(
    desk: Desk, configured: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    configured["oauth"] |= {"revoke_url": "http://127.0.0.1:9/revoke"}
    with settings("openai", **configured):
        pending = begin(desk, "codex")
        desk.book.claims = {"aud": ["another-client"]}
        with pytest.raises(errors.InvalidIdToken, match=r"another client \(aud\)") as caught:
            desk.complete(pending, desk.book.approve(pending.url))
        assert "configured client id" in caught.value.hint
        assert state_of(desk, pending).code == "invalid_id_token"
        wait_until(lambda: "was not revoked: connection_failed" in caplog.text)
    assert not [token for token in desk.book.refreshes if token in caplog.text]
    row = OAuthAttempt.objects.get()
    assert row.status == "failed" and bytes(row.sealed_tokens) and not bytes(row.sealed_pending)
    prune_logins()
    assert revoked(desk.book) == [], "not before its time"
    OAuthAttempt.objects.update(revoke_at=timezone.now())
    prune_logins()
    row.refresh_from_db()
    assert revoked(desk.book) == ["fam-1"] and (bytes(row.sealed_tokens), row.revoke_at) == (b"", None)


# The id token of a refresh


def test_a_refresh_takes_the_plan_of_a_verified_id_token(desk: Desk) -> None:
    desk.sign_in("codex", method="paste_url")
    before, desk.book.accounts["acct-1"].plan = desk.tokens(), "pro"
    report = desk.report()
    assert (report.done, report.why) == ("refreshed", "refreshed")
    assert desk.row().settings["plan"] == desk.tokens().facts["plan"] == "pro"
    assert desk.tokens().id_token != before.id_token


def test_keys_that_are_away_cost_no_refresh(desk: Desk) -> None:
    desk.sign_in("codex", method="paste_url")
    before, desk.book.accounts["acct-1"].plan = desk.tokens(), "pro"
    forget()
    desk.book.keys_away = 1
    report = desk.report()
    assert report.done == "refreshed" and "keys could not be fetched" in report.why
    after = desk.tokens()
    assert after.refresh != before.refresh and after.facts == before.facts and desk.row().settings["plan"] == "plus"
    assert desk.refresh().refresh, "the new pair is the one that is used"
    assert desk.book.summary()["burned"] == {}


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": ["another"]}, "(aud)"),
        ({"iss": "https://evil.example"}, "(iss)"),
        ({"exp": 5}, "ended"),
        ({}, "publish"),
    ],
)
def test_an_id_token_that_is_refused_costs_no_refresh(desk: Desk, claims: dict[str, Any], said: str) -> None:
    desk.sign_in("codex", method="paste_url")
    before, desk.book.accounts["acct-1"].plan, desk.book.claims = desk.tokens(), "pro", claims
    if not claims:
        desk.book.signer.sign = lambda found, real=desk.book.signer.sign: f"{real(found)[:-20]}{'A' * 20}"  # type: ignore[method-assign,misc]
        said = "signature"
    out = StringIO()
    try:
        call_command("refresh_tokens", "--session", "work", stdout=out)
    finally:
        vars(desk.book.signer).pop("sign", None)
    assert "its id token was not verified" in out.getvalue() and said in out.getvalue()
    after = desk.tokens()
    assert after.refresh != before.refresh and (after.facts, after.id_token) == (before.facts, before.id_token)
    assert desk.row().status == "active"


def test_tokens_of_another_account_are_not_taken_and_ended(desk: Desk) -> None:
    desk.sign_in("codex", method="paste_url")
    before, desk.book.claims = desk.tokens(), {"sub": "user-of-somebody-else"}
    report = desk.report()
    assert report.done == "needs_person" and "another account" in report.why
    row = desk.row()
    assert (row.status, desk.tokens().account_id) == ("needs_reauth", before.account_id)
    assert Notice.objects.get().text == report.why
    assert revoked(desk.book) == ["fam-1"], "the pair is ended, since nobody holds it"

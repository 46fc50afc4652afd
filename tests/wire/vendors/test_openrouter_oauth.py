"""Signing in to OpenRouter over its strict server: our own callback, a listener on this machine, a copied code."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User

from providers_app import errors, loop, provider
from providers_app.sign_in import flow as login_flow
from providers_app.types.events import StreamEnd, StreamStart
from sessions_app.models import AuthSession, OAuthAttempt
from tests.unit.sessions.support import settle
from tests.vendors.auth import Fault
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.signing_in import HERE, Desk, secrets_in, settings

pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "openai/gpt-5.6"
EXPECTED = expected_text("Hello there.")
KEYS = "/api/v1/auth/keys"


@pytest.fixture
def desk(openrouter_server: VendorServer) -> Iterator[Desk]:
    """Ada, in front of a Maestro whose only difference from the default are OpenRouter's addresses."""
    ada = User.objects.create_user("ada")
    openrouter_server.auth.add_account("acct-ada", "ada@example.com")
    with settings("openrouter", base_url=openrouter_server.base_url, auth_url=f"{openrouter_server.origin}/auth"):
        yield Desk("openrouter", openrouter_server.auth, ada)
    settle()


def params_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


def test_the_callback_finds_its_sign_in_and_the_key_streams(desk: Desk, openrouter_server: VendorServer) -> None:
    pending = desk.begin("openrouter", method="callback", origin=HERE)
    asked = params_of(pending.url)
    assert set(asked) == {"callback_url", "code_challenge", "code_challenge_method"}
    assert (
        asked["callback_url"].startswith(f"{HERE}/oauth/callback/?state=") and asked["code_challenge_method"] == "S256"
    )
    landed = desk.book.approve(pending.url)
    session = desk.callback(params_of(landed))
    assert (session.name, session.auth_type, session.status) == ("work", "oauth", "active")
    exchange = openrouter_server.ledger.of(KEYS)[-1]
    assert set(exchange.body) == {"code", "code_verifier", "code_challenge_method"}
    assert "authorization" not in exchange.headers
    tokens = desk.tokens()
    assert tokens.access.reveal().startswith("sk-or-v1-") and not tokens.refresh and tokens.expires_at is None
    assert tokens.account_id == "user_acct-ada" and desk.row().next_refresh_at is None
    events = desk.stream(MODEL)
    assert text_of(events) == EXPECTED and isinstance(events[-1], StreamEnd)
    assert openrouter_server.ledger[-1].headers["authorization"] == f"Bearer {tokens.access.reveal()}"
    assert isinstance(events[0], StreamStart)
    assert [(one.level, one.field) for one in events[0].advice] == [("hint", "X-OpenRouter-Title")]
    assert not secrets_in((pending, tokens, session), tokens.access.reveal(), exchange.body["code_verifier"])


def test_a_listener_on_this_machine_takes_the_code(desk: Desk) -> None:
    pending = desk.begin("openrouter", method="loopback")
    assert urlsplit(params_of(pending.url)["callback_url"]).hostname == "localhost"
    landed = desk.book.approve(pending.url)
    assert httpx.get(landed, follow_redirects=False, trust_env=False, timeout=60).status_code < 400
    session = loop.run(login_flow.wait_login(pending.id, browser=desk.browser, owner=desk.person.pk), 60)
    assert session.status == "active"
    assert text_of(desk.stream(MODEL)) == EXPECTED


def test_a_copied_code_needs_no_address_of_ours(desk: Desk) -> None:
    pending = desk.begin("openrouter", method="paste_code")
    asked = params_of(pending.url)
    assert "callback_url" not in asked and asked["key_label"] == "Maestro"
    assert pending.redirect_uri == ""
    code = desk.book.approve(pending.url)
    assert desk.complete(pending, f" {code}\n").status == "active"
    assert text_of(desk.stream(MODEL)) == EXPECTED
    account = loop.run(provider.test_session("openrouter", "oauth", "work", owner=desk.person.pk), 60)
    assert account.label.startswith("sk-or-v1-") and "..." in account.label
    # The account's own list, which leaves out what its settings do not allow.
    assert len(loop.run(provider.list_models("openrouter", "oauth", "work", owner=desk.person.pk), 60)) == 2


def test_an_answer_of_another_sign_in_is_not_taken(desk: Desk, openrouter_server: VendorServer) -> None:
    pending = desk.begin("openrouter", method="callback", origin=HERE)
    landed = params_of(desk.book.approve(pending.url))
    with pytest.raises(errors.UnknownLogin):
        desk.callback(landed | {"state": "x" * 43})
    with pytest.raises(errors.UnknownLogin):
        desk.callback({"code": landed["code"]})
    desk.browser = "browser-2"
    with pytest.raises(errors.UnknownLogin):
        desk.callback(landed)
    assert not openrouter_server.ledger.of(KEYS)
    desk.browser = "browser-1"
    assert desk.callback(landed).status == "active"
    with pytest.raises(errors.LoginError):
        desk.callback(landed)


@pytest.mark.parametrize("how", ["unknown", "other sign-in", "used", "too old"])
def test_a_code_that_is_not_taken_names_the_way_on(desk: Desk, how: str) -> None:
    pending = desk.begin("openrouter", method="paste_code")
    code = "not-a-code" if how == "unknown" else desk.book.approve(pending.url)
    if how == "other sign-in":
        pending = desk.begin("openrouter", "other", method="paste_code")
    elif how == "used":
        desk.complete(pending, code)
        pending = desk.begin("openrouter", "other", method="paste_code")
    elif how == "too old":
        desk.book.clock_offset = 601
    with pytest.raises(errors.InvalidLoginAnswer) as caught:
        desk.complete(pending, code)
    assert "Begin the sign-in again" in caught.value.hint
    assert not secrets_in(caught.value, code)
    assert AuthSession.objects.count() == (1 if how == "used" else 0)


def test_a_denied_consent_is_said(desk: Desk) -> None:
    pending = desk.begin("openrouter", method="callback", origin=HERE)
    with pytest.raises(errors.LoginDenied):
        desk.callback(params_of(desk.book.approve(pending.url, deny=True)))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status"), errors.Overloaded),
        (Fault("status", status=405), errors.LoginError),
        (Fault("html"), errors.BadAnswer),
        (Fault("html", status=502), errors.ServerError),
        (Fault("empty"), errors.BadAnswer),
        (Fault("garbage"), errors.BadAnswer),
    ],
)
def test_an_answer_that_is_no_key_is_a_typed_error(desk: Desk, fault: Fault, kind: type[errors.ProviderError]) -> None:
    pending = desk.begin("openrouter", method="paste_code")
    code = desk.book.approve(pending.url)
    desk.book.faults.append(fault)
    with pytest.raises(kind) as caught:
        desk.complete(pending, code)
    assert not secrets_in(caught.value, code) and "<" not in caught.value.message
    assert not AuthSession.objects.exists()


def test_a_rate_limit_says_how_long(desk: Desk) -> None:
    pending = desk.begin("openrouter", method="paste_code")
    code = desk.book.approve(pending.url)
    desk.book.rate_limit(1, 30)
    with pytest.raises(errors.RateLimited) as caught:
        desk.complete(pending, code)
    assert caught.value.retry_after == 30


def test_the_key_neither_ends_nor_is_ended_here(desk: Desk) -> None:
    desk.sign_in("openrouter", method="paste_code")
    with pytest.raises(errors.NotRefreshable):
        desk.refresh()
    assert loop.run(login_flow.revoke_session("openrouter", "work", owner=desk.person.pk), 60) is False
    assert desk.row().status == "active"


def test_a_key_that_its_owner_deleted_needs_a_new_sign_in(desk: Desk) -> None:
    desk.sign_in("openrouter", method="paste_code")
    desk.book.revoke(desk.tokens().access.reveal())
    with pytest.raises(errors.AuthenticationFailed):
        desk.ask(MODEL)
    assert desk.status() == "needs_reauth"
    again = desk.begin("openrouter", method="paste_code", session="work")
    desk.complete(again, desk.book.approve(again.url))
    assert desk.row().status == "active" and desk.ask(MODEL).text == EXPECTED
    assert OAuthAttempt.objects.filter(pending_key_id="").count() == 2

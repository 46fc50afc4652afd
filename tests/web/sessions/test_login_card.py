"""The session page of a sign-in: what it says, what can be done, and that no token is on it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import conf
from providers_app.providers.gemini.config import Config, OAuthConfig
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from sessions_app import credentials
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import notices, oauth, trail
from tests.unit.sessions.logins import ACCESS, REFRESH, ago, ahead, make_login
from tests.unit.sessions.support import fresh, make, settle
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GOOGLE_DESKTOP, GOOGLE_SECRET
from tests.vendors.server import VendorServer
from tests.web.sessions.support import HTMX, messages_of, signed_in, text_of


@pytest.fixture
def store(transactional_db: Any) -> Iterator[None]:
    """The provider loop reaches the database on threads of its own; none of them is busy when the test is over."""
    yield
    settle()


def url(name: str, session: AuthSession) -> str:
    return reverse(f"sessions:{name}", args=[session.pk])


def test_the_card_says_what_is_stored_and_when_what_happens(alice: User) -> None:
    session = make_login(alice, generation=17, earliest_refresh_at=ahead(minutes=5), refreshed_at=ago(minutes=50))
    trail.note(session, trail.REFRESHED, "generation 17")
    page = signed_in(alice).get(url("detail", session))
    text = text_of(page)
    for words in (
        "alice@example.com", "Mode chatgpt", "Plan plus", "Access ends in 1 h", "Next refresh in 1 h", "Not before",
        "Last refresh 50 m ago", "Generation 17", "generation 17", "Sign in with ChatGPT", "Login Stored, never shown",
    ):  # fmt: skip
        assert words in text, words
    assert session.lane is not None and session.lane.key[:12] in text and session.lane.key not in text
    for name in ("refresh", "reauthorize", "revoke", "delete"):
        assert url(name, session) in page.content.decode()
    assert ACCESS not in page.content.decode() and REFRESH not in page.content.decode()
    assert session.token_print not in page.content.decode()
    assert "Base URL" not in text, "its address is the provider's"


def test_a_session_with_a_key_has_no_such_card(alice: User) -> None:
    page = signed_in(alice).get(url("detail", make(alice))).content.decode()
    assert 'id="session-login"' not in page and "/revoke/" not in page


def test_a_read_only_login_says_why_and_offers_no_refresh(alice: User) -> None:
    session = make_login(alice, read_only_reason="Codex refreshes it.", next_refresh_at=None)
    page = signed_in(alice).get(url("detail", session))
    assert "never refreshes it: Codex refreshes it." in text_of(page) and "never, read-only" in text_of(page)
    assert url("refresh", session) not in page.content.decode()
    assert url("reauthorize", session) in page.content.decode()


def test_a_failing_refresh_shows_its_error_with_a_code_to_copy(alice: User) -> None:
    session = make_login(
        alice, refresh_error_code="upstream_server_error", refresh_error="The token endpoint answered 503.",
        refresh_failed_at=ago(minutes=1),
    )  # fmt: skip
    page = signed_in(alice).get(url("detail", session))
    assert "Last refresh failed 1 m ago" in text_of(page) and "The token endpoint answered 503." in text_of(page)
    assert 'data-copy="upstream_server_error"' in page.content.decode()


def test_what_is_done_answers_with_the_status_and_the_card(alice: User, store: None) -> None:
    session = make_login(alice, read_only_reason="Codex refreshes it.", next_refresh_at=None)
    client = signed_in(alice)
    answer = client.post(url("refresh", session), {"part": "detail"}, headers=HTMX)
    page = answer.content.decode()
    assert 'id="session-status"' in page and 'id="session-login"' in page and "Codex refreshes it." in page
    assert "was not refreshed" in answer["HX-Trigger"] and "refresh-asked" in page
    row = client.post(url("refresh", session), {"part": "row"}, headers=HTMX).content.decode()
    assert row.strip().startswith("<tr") and "session-login" not in row
    plain = client.post(url("refresh", session))
    assert plain.status_code == 302 and "was not refreshed" in messages_of(plain)
    assert SessionEvent.objects.filter(action=trail.REFRESH_ASKED, actor=alice).count() == 3


def test_a_refresh_that_fails_is_told_with_its_reason(alice: User, store: None) -> None:
    session = make_login(alice)  # no address beyond this machine is reached in tests
    answer = signed_in(alice).post(url("refresh", session), {"part": "detail"}, headers=HTMX)
    assert "could not be refreshed" in answer["HX-Trigger"] and '"refresh_failed"' in answer["HX-Trigger"]
    assert fresh(session).refresh_error_code and "Refresh failing" in text_of(answer)


def test_where_a_login_cannot_be_revoked_nothing_is_changed(alice: User, store: None) -> None:
    session = make_login(alice, provider="openrouter")
    answer = signed_in(alice).post(url("revoke", session), {"part": "detail"}, headers=HTMX)
    assert "no way to revoke" in answer["HX-Trigger"] and credentials.has_secret(fresh(session))
    assert fresh(session).status == "active"


def test_where_the_provider_is_not_reached_nothing_is_changed(alice: User, store: None) -> None:
    session = make_login(alice)
    answer = signed_in(alice).post(url("revoke", session))
    assert "was not revoked, and nothing was changed" in messages_of(answer)
    assert credentials.has_secret(fresh(session)) and fresh(session).status == "active"


def test_the_row_offers_refresh_and_a_new_sign_in_where_they_help(alice: User) -> None:
    session = make_login(alice)
    key = make(alice)
    page = signed_in(alice).get(reverse("sessions:list")).content.decode()
    for name in ("refresh", "reauthorize"):
        assert url(name, session) in page and url(name, key) not in page
    AuthSession.objects.filter(pk=session.pk).update(status="needs_reauth", next_refresh_at=None)
    page = signed_in(alice).get(reverse("sessions:list")).content.decode()
    assert url("refresh", session) not in page and "Sign in again" in page


@pytest.mark.parametrize("name", ["refresh", "revoke"])
def test_deeds_are_posts_of_the_owner(alice: User, bob: User, client: Any, name: str) -> None:
    session = make_login(alice)
    assert signed_in(alice).get(url(name, session)).status_code == 405
    assert signed_in(bob).post(url(name, session)).status_code == 404
    assert client.post(url(name, session))["Location"].startswith("/login/")
    assert credentials.has_secret(fresh(session))


def test_the_address_of_a_sign_in_cannot_be_changed(alice: User) -> None:
    session = make_login(alice)
    answer = signed_in(alice).post(url("address", session), {"base_url": "https://evil.example/v1"})
    assert answer.status_code == 404 and credentials.has_secret(fresh(session)) and not fresh(session).base_url


@pytest.fixture
def google(google_auth: VendorServer, store: None) -> Iterator[Book]:
    """The strict authorization server, and Maestro configured for it."""
    origin = google_auth.origin
    urls = OAuthConfig(issuer=origin, token_url=f"{origin}/token", revoke_url=f"{origin}/revoke")
    google_auth.auth.add_account("1170", "ada@example.com")
    with conf.use(build_model()(allowed_private_hosts=("127.0.0.1",), gemini=Config(oauth=urls))):  # type: ignore[call-arg]
        yield google_auth.auth


def issued(book: Book, owner: User) -> AuthSession:
    """A login that the server knows, stored."""
    given = book.issue("1170", GOOGLE_DESKTOP)
    tokens = Tokens(
        flow="google",
        access=Secret(given.access),
        refresh=Secret(given.refresh),
        expires_at=given.expires_at,
        client=OAuthClient(id=GOOGLE_DESKTOP, secret=Secret(GOOGLE_SECRET)),
        account_id="1170",
    )
    row = oauth.create(
        owner_id=owner.pk, provider="gemini", name="ada", tokens=tokens, next_refresh_at=given.expires_at - 600
    )
    return fresh(row)


def test_the_button_refreshes_and_settles_what_was_said(alice: User, google: Book) -> None:
    session = issued(google, alice)
    notices.raise_notice(session, notices.REFRESH_FAILING, "ada cannot be refreshed")
    answer = signed_in(alice).post(url("refresh", session), {"part": "detail"}, headers=HTMX)
    assert "ada is refreshed." in answer["HX-Trigger"] and "Generation 1" in text_of(answer)
    assert [spend.accepted for spend in google.ledger if spend.kind == "refresh"] == [True]
    assert fresh(session).refreshed_at is not None and not notices.open_notices(alice.pk)


def test_a_revoked_login_ends_there_and_here_and_keeps_its_trail(alice: User, google: Book) -> None:
    session = issued(google, alice)
    answer = signed_in(alice).post(url("revoke", session), {"part": "detail"}, headers=HTMX)
    assert "is revoked at the provider and switched off here" in answer["HX-Trigger"]
    assert [family.burned for family in google.families.values()] == ["revoked_by_client"], "the server ended it"
    after = AuthSession.objects.get(pk=session.pk)
    assert after.status == "disabled" and not credentials.has_secret(after) and not after.sealed_credential
    last = SessionEvent.objects.filter(session=session).first()
    assert last is not None and (last.action, last.actor) == (trail.REVOKED, alice)
    text = text_of(signed_in(alice).get(url("detail", session)))
    assert "Sign in again" in text and "Revoke at the provider" not in text and "Refresh now" not in text

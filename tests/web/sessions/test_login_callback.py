"""Where providers lead back to: what is spent, what is refused, and that nothing of it is kept, shown or logged."""

import logging
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from maestro_site.logs import formatter
from providers_app import loop
from sessions_app.models import AuthSession
from sessions_app.views import oauth
from tests.vendors.auth.clients import GOOGLE_SECRET, GOOGLE_WEB
from tests.vendors.auth.records import Fault
from tests.web.sessions.login_support import Browser, Vendors, attempt, begin, browser_at, url_of
from tests.web.sessions.support import copyable, text_of

pytestmark = pytest.mark.django_db(transaction=True)
CALLBACK = reverse("oauth-callback")
LOST = reverse("sessions:login-lost")


def waiting(client: Browser, vendors: Vendors, **approval: Any) -> tuple[str, str]:
    """A sign-in by callback: its page, and where the provider leads back to (path and query)."""
    page = begin(client, "openrouter", method="callback")
    location = urlsplit(vendors.openrouter.approve(url_of(client, page), **approval))
    assert location.netloc == "localhost:8000" and location.path == CALLBACK
    return page, f"{location.path}?{location.query}"


def test_what_came_back_is_spent_and_leaves_the_address_bar(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page, back = waiting(client, vendors)
    answer = client.get(back)
    assert answer.status_code == 303 and answer["Location"] == page
    assert answer["Referrer-Policy"] == "no-referrer" and "no-store" in answer["Cache-Control"]
    assert answer.content == b"" and AuthSession.objects.get().flow == "openrouter"
    shown = client.get(page)
    assert shown.context["view"].phase == "done" and back.partition("code=")[2][:20] not in shown.content.decode()


def test_a_web_client_at_google_comes_back_here(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page, back = google(client, vendors)
    assert client.get(back)["Location"] == page
    assert client.get(page).context["view"].phase == "done", text_of(client.get(page))
    again = client.post(reverse("sessions:reauthorize", args=[AuthSession.objects.get().pk]))["Location"]
    assert GOOGLE_WEB in url_of(client, again), "the client and the project of the stored login are used again"


def google(client: Browser, vendors: Vendors) -> tuple[str, str]:
    """A sign-in at Google by callback: its page, and the path that Google leads back to."""
    vendors.google.add_client(GOOGLE_WEB, redirects=[f"http://localhost:8000{CALLBACK}"])
    given = {"flow_project": "proj-1", "client_id": GOOGLE_WEB, "client_secret": GOOGLE_SECRET, "method": "callback"}
    page = begin(client, "gemini", "google", **given)
    location = urlsplit(vendors.google.approve(url_of(client, page)))
    return page, f"{location.path}?{location.query}"


def test_an_answer_of_another_issuer_is_shown_and_the_page_waits_on(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    vendors.google.iss = "https://evil.example"
    page, back = google(client, vendors)
    client.get(back)
    shown = client.get(page)
    assert shown.context["view"].phase == "open" and vendors.google.ledger == []
    assert "names another server as the one that it comes from" in text_of(shown)
    assert "begin the sign-in again" in text_of(shown) and "evil" not in text_of(shown)


def test_keys_that_are_away_are_a_step_to_take_again(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page, back = google(client, vendors)
    vendors.google.keys_away = 1
    loop.run(forget_keys())
    client.get(back)
    shown = client.get(page)
    assert shown.context["view"].phase == "confirm"
    for words in ("not finished yet", "keys could not be fetched", "need not sign in again", "Try again"):
        assert words in text_of(shown), words
    client.post(reverse("sessions:login-confirm", args=[attempt().pk]))
    assert client.get(page).context["view"].phase == "done" and AuthSession.objects.get().account_label


async def forget_keys() -> None:
    loop.local("oauth-jwks", dict).clear()


def test_the_same_answer_twice_is_one_session(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page, back = waiting(client, vendors)
    assert [client.get(back)["Location"] for _ in range(2)] == [page, page]
    assert AuthSession.objects.count() == 1 and len(vendors.openrouter.ledger) == 1


def test_an_error_callback_ends_the_sign_in_with_a_way_on(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page, back = waiting(client, vendors, deny=True)
    assert "error=access_denied" in back and client.get(back)["Location"] == page
    shown = client.get(page)
    assert shown.context["view"].phase == "failed" and "login_denied" in copyable(shown)
    assert "Begin again" in text_of(shown) and not AuthSession.objects.exists()


@pytest.mark.parametrize("kind", ["html", "empty", "status"])
def test_a_provider_that_fails_is_told_on_the_page(alice: User, vendors: Vendors, kind: str) -> None:
    client = browser_at(alice)
    page, back = waiting(client, vendors)
    vendors.openrouter.faults.append(Fault(kind, "before"))
    assert client.get(back)["Location"] == page
    shown = client.get(page)
    assert shown.context["view"].phase == "failed" and copyable(shown) and "Begin again" in text_of(shown)


@pytest.mark.parametrize(
    ("query", "why", "status", "words"),
    [
        ("", "empty", 422, "Nothing came along with it"),
        ("code=abc", "stateless", 422, "without saying which sign-in"),
        ("code=abc&state=nobodys", "unknown", 404, "No sign-in of this browser waits"),
        ("error=access_denied&state=nobodys", "unknown", 404, "No sign-in of this browser waits"),
        ("code=a&code=b&state=x", "unreadable", 422, "could not be read"),
        ("code=" + "x" * 20_000, "unreadable", 422, "could not be read"),
        ("&".join(f"p{n}=1" for n in range(20_000)), "unreadable", 422, "could not be read"),
    ],
)
def test_what_fits_nothing_is_explained_at_an_address_without_it(
    alice: User, vendors: Vendors, query: str, why: str, status: int, words: str
) -> None:
    client = browser_at(alice)
    answer = client.get(f"{CALLBACK}?{query}")
    assert answer.status_code == 303 and answer["Location"] == f"{LOST}?why={why}"
    shown = client.get(answer["Location"])
    assert shown.status_code == status and words in text_of(shown) and "Connect" in text_of(shown)
    assert "abc" not in shown.content.decode() and not AuthSession.objects.exists()


def test_a_foreign_callback_is_refused_and_the_sign_in_waits_on(alice: User, bob: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page, back = waiting(client, vendors)
    for other in (browser_at(bob), browser_at(alice)):
        assert other.get(back)["Location"] == f"{LOST}?why=unknown"
    assert attempt().status == "waiting" and client.get(back)["Location"] == page
    assert AuthSession.objects.get().owner == alice


def test_the_answer_to_a_sign_in_of_another_kind_is_not_taken_here(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    page = begin(client, "openai", "chatgpt", method="paste_url", consent="on")
    query = urlsplit(vendors.openai.approve(url_of(client, page))).query
    client.get(f"{CALLBACK}?{query}")
    assert attempt().status == "waiting" and vendors.openai.ledger == []


def test_only_a_get_comes_from_a_provider(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    assert client.post(CALLBACK, {"code": "abc", "state": "x"}).status_code == 405


def test_who_was_signed_out_meanwhile_signs_in_and_goes_on(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    _, back = waiting(client, vendors)
    client.session.delete()  # it ended on the server: the browser still has its cookie
    answer = client.get(back)
    assert answer["Location"] == f"{reverse('login')}?next={CALLBACK.replace('/', '%2F')}"
    cookie = client.cookies[oauth.COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == CALLBACK
    assert "code=" not in cookie.value and not AuthSession.objects.exists()
    signed = client.post(answer["Location"], {"username": "alice", "password": "a long enough password"})
    assert signed["Location"] == CALLBACK
    done = client.get(CALLBACK)
    assert done["Location"] == reverse("sessions:detail", args=[AuthSession.objects.get().pk])
    assert client.cookies[oauth.COOKIE].value == "", "what was kept is gone"
    assert client.get(CALLBACK)["Location"] == f"{LOST}?why=empty"


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_what_was_kept_is_for_nobody_else(alice: User, bob: User, vendors: Vendors, who: str) -> None:
    client = browser_at(alice)
    _, back = waiting(client, vendors)
    if who == "alice":
        # Signed out on purpose: the cookie is gone, and with it the sign-in.
        client.logout()
    else:
        client.session.delete()
    client.get(back)
    client.post(reverse("login"), {"username": who, "password": "a long enough password"})
    assert client.get(CALLBACK)["Location"] == f"{LOST}?why=unknown"
    assert not AuthSession.objects.exists()


def test_a_cookie_that_was_made_up_is_nothing(alice: User, vendors: Vendors) -> None:
    client = browser_at(alice)
    client.cookies[oauth.COOKIE] = "made:up:value"
    assert client.get(CALLBACK)["Location"] == f"{LOST}?why=empty"


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_the_request_has_no_code_any_more_when_something_reports_it(factory: type[RequestFactory]) -> None:
    request = factory().get(f"{CALLBACK}?code=canary-code&state=canary-state")
    assert oauth._take_query(request) == "code=canary-code&state=canary-state"
    held = (request.META, getattr(request, "environ", {}), getattr(request, "scope", {}), request.GET)
    assert "canary" not in f"{request!r}{request.get_full_path()}{held}"


def test_an_error_report_of_a_failing_callback_has_no_code(
    alice: User, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reports: list[str] = []

    def report(request: Any, **kwargs: Any) -> None:
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    client = browser_at(alice)
    client.raise_request_exception = False
    _, back = waiting(client, vendors)
    code = parse_qs(urlsplit(back).query)["code"][0]
    got_request_exception.connect(report)
    try:
        # Deep inside, where the answer is a local variable of many frames.
        monkeypatch.setattr("providers_app.sign_in.exchange.next_refresh_at", None)
        assert client.get(back).status_code == 500
        monkeypatch.setattr("sessions_app.sign_in.service.find_callback", None)
        assert client.get(back).status_code == 500
    finally:
        got_request_exception.disconnect(report)
    assert len(reports) == 2 and all("TypeError" in text and CALLBACK in text for text in reports)
    lines = [formatter().format(record) for record in caplog.records]
    assert any(CALLBACK in line for line in lines)
    assert not any(code in text for text in (*reports, *lines))


def test_a_log_line_about_the_address_has_no_code_either() -> None:
    text = "Not ready: <ASGIRequest: GET '/oauth/callback/?code=canary&state=canary'> in https://h/oauth/callback?code=canary"
    line = formatter().format(logging.LogRecord("django", logging.ERROR, "", 1, text, None, None))
    assert "canary" not in line and "/oauth/callback/?***'" in line

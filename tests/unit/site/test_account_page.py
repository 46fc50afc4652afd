"""The account page: what it says after each thing that is done on it, and which browsers it lists."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from maestro_site.accounts import browsers, views
from maestro_site.accounts.models import BrowserSession

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
NEW = "another horse battery staple"


@pytest.fixture
def nora() -> User:
    return User.objects.create_user("nora", password=PASSWORD)


def signed_in(person: User, agent: str = "") -> Client:
    client = Client(headers={"User-Agent": agent})
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    client.get(reverse("account"))
    return client


def told(answer: HttpResponse) -> list[str]:
    """The messages that wait for the next page."""
    return [str(message) for message in get_messages(answer.wsgi_request)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("has_password", [True, False])
def test_the_page_says_whether_there_is_a_password(nora: User, has_password: bool) -> None:
    if not has_password:
        nora.set_unusable_password()
        nora.save()
    page = signed_in(nora).get(reverse("account")).content.decode()
    assert ("Changing it signs out every other browser." in page) is has_password
    assert ("Change password" in page, "Set password" in page) == (has_password, not has_password)
    assert ("old_password" in page) is has_password


def test_a_saved_password_is_said_and_a_refused_one_is_not(nora: User) -> None:
    client = signed_in(nora)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    refused = client.post(reverse("account"), form | {"old_password": "wrong"})
    assert (refused.status_code, told(refused)) == (422, [])
    saved = client.post(reverse("account"), form)
    assert (saved.status_code, told(saved)) == (302, ["Password saved. Other browsers were signed out."])


def test_a_browser_that_was_signed_out_is_said_and_one_that_was_not_is_not(nora: User) -> None:
    client, other = signed_in(nora), signed_in(nora)
    key = other.session.session_key
    browser = BrowserSession.objects.get(session_key=key)
    url = reverse("account-sign-out-browser", args=[browser.pk])
    stranger = signed_in(User.objects.create_user("stranger"))
    assert told(stranger.post(url)) == [] and BrowserSession.objects.filter(pk=browser.pk).exists()
    answer = client.post(url)
    assert (answer.status_code, told(answer)) == (302, ["That browser was signed out."])
    assert not BrowserSession.objects.filter(pk=browser.pk).exists() and not other.session.exists(key)
    assert told(client.post(url)) == ["That browser was signed out."], "the message of before still waits"
    assert browsers.sign_out(nora, browser.pk) is False


def test_the_current_browser_is_marked_and_the_latest_is_first(nora: User) -> None:
    first = signed_in(nora, "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    second = signed_in(nora, "Mozilla/5.0 (iPhone) Safari/605")
    BrowserSession.objects.filter(session_key=first.session.session_key).update(last_seen_at=timezone.now())
    listed = browsers.listing(nora, second.session.session_key)
    assert [(one["agent"], one["current"]) for one in listed] == [
        ("Firefox on Linux", False),
        ("Safari on iPhone", True),
    ]
    assert {one["id"] for one in listed} == set(BrowserSession.objects.values_list("pk", flat=True))
    assert all(one["last_seen"] for one in listed)


@pytest.mark.parametrize(("seconds", "noted"), [(299.9, False), (300, True)])
def test_a_browser_is_noted_again_from_five_minutes_on(
    nora: User, monkeypatch: pytest.MonkeyPatch, seconds: float, noted: bool
) -> None:
    client = signed_in(nora)
    then = client.session[browsers.NOTED]
    now = timezone.datetime.fromtimestamp(then, timezone.get_default_timezone()) + timedelta(seconds=seconds)
    monkeypatch.setattr(browsers, "timezone", SimpleNamespace(now=lambda: now))
    client.get(reverse("account"))
    assert (BrowserSession.objects.get().last_seen_at == now) is noted


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Chrome/150 Safari/537 OPR/120 (Windows NT)", "Opera on Windows"),
        ("Chrome/150 Safari/537 (Linux; Android 16)", "Chrome on Android"),
        ("Safari/605 (iPad)", "Safari on iPad"),
        ("Safari/605 (Macintosh; Mac OS X)", "Safari on macOS"),
        ("Firefox/140", "Firefox"),
        ("(Linux)", "A browser on Linux"),
        ("", "A browser"),
    ],
)
def test_a_browser_is_named_by_what_it_says_of_itself(agent: str, words: str) -> None:
    assert browsers.describe(agent) == words


def test_too_many_wrong_passwords_say_when_to_come_back(nora: User) -> None:
    request = signed_in(nora).get(reverse("account")).wsgi_request  # type: ignore[attr-defined]
    answer = views.locked_out(request)
    assert (answer.status_code, answer["Retry-After"]) == (429, str(15 * 60))

"""Getting in and out: the welcome link, passwords, throttling, and signed-in browsers."""

import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from maestro_site.accounts import browsers, welcome
from maestro_site.accounts.models import BrowserSession
from maestro_site.celery import prune_browsers

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def nora() -> User:
    return User.objects.create_user("nora", password=PASSWORD)


def test_looking_at_the_link_spends_nothing_and_the_button_signs_in_once(client: Client) -> None:
    owner = welcome.ensure_owner()
    address = reverse("welcome", args=[welcome.create(owner)])
    for _ in range(3):
        assert client.get(address).status_code == 200
    assert client.post(address).url == "/"  # type: ignore[attr-defined]
    assert client.get("/").status_code == 200
    again = Client()
    assert again.post(address).status_code == 410
    assert again.get("/").status_code == 302
    assert not welcome.path().exists()


def test_the_link_runs_out_after_fifteen_minutes(client: Client) -> None:
    address = reverse("welcome", args=[welcome.create(welcome.ensure_owner())])
    record = json.loads(welcome.path().read_text())
    assert record["expires"] - time.time() <= 15 * 60
    welcome.path().write_text(json.dumps({**record, "expires": time.time() - 1}))
    answer = client.post(address)
    assert answer.status_code == 410
    assert "15 minutes" in answer.content.decode()


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "../../etc"])
def test_another_token_is_refused(client: Client, token: str) -> None:
    welcome.create(welcome.ensure_owner())
    assert client.get(f"/welcome/{token}").status_code in {404, 410}
    assert welcome.path().exists(), "a wrong guess spends nothing"


@pytest.mark.django_db(transaction=True)
def test_of_two_that_press_at_once_one_gets_in() -> None:
    token = welcome.create(welcome.ensure_owner())
    outcomes: list[str] = []

    def press() -> None:
        try:
            welcome.spend(token)
            outcomes.append("in")
        except welcome.WelcomeError:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in"] + ["refused"] * 7


def test_the_command_prints_a_link_for_anybody_active(nora: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("welcome", "nora", "--base", "https://maestro.example/")
    out = capsys.readouterr().out
    assert out.startswith("Open https://maestro.example/welcome/")
    client = Client()
    assert client.post(out.split()[1].removeprefix("https://maestro.example")).status_code == 302
    assert client.session["_auth_user_id"] == str(nora.pk)
    User.objects.filter(pk=nora.pk).update(is_active=False)
    with pytest.raises(CommandError, match="disabled"):
        call_command("welcome", "nora")
    with pytest.raises(CommandError, match="no user"):
        call_command("welcome", "somebody")


def test_the_command_names_the_address_that_is_served_now_else_the_configured_one(
    nora: User, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def address() -> str:
        call_command("welcome", "nora")
        return capsys.readouterr().out.split()[1].partition("/welcome/")[0]

    settings.DATA_DIR = tmp_path
    assert address() == "http://127.0.0.1:8000", "nothing ran yet, and nothing is configured"
    with welcome.serving("http://127.0.0.1:8124"):
        assert address() == "http://127.0.0.1:8124"
        with pytest.raises(welcome.AlreadyServed) as second, welcome.serving("http://127.0.0.1:8126"):
            pass
        assert second.value.address == address() == "http://127.0.0.1:8124", "the second leaves the first's address"
    assert address() == "http://127.0.0.1:8124", "the one that was served last"
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"public_url": "https://maestro.example/"})
    assert address() == "https://maestro.example"
    with welcome.serving("http://127.0.0.1:8125"):
        call_command("welcome", "nora")
        told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Open http://127.0.0.1:8125/welcome/")
    assert told[1] == "From other machines: https://maestro.example/welcome/" + told[0].rpartition("/")[2]


def test_name_and_password(client: Client, nora: User) -> None:
    assert client.get("/").url == "/login/?next=/"  # type: ignore[attr-defined]
    wrong = client.post("/login/", {"username": "nora", "password": "no"})
    assert wrong.status_code == 200 and "correct" in wrong.content.decode()
    assert client.post("/login/", {"username": "nora", "password": PASSWORD}).status_code == 302
    assert client.get("/logout/").status_code == 405, "a link cannot sign somebody out"
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_five_wrong_passwords_lock_the_name_and_address(client: Client, nora: User) -> None:
    for _ in range(5):
        answer = client.post("/login/", {"username": "nora", "password": "no"})
    assert answer.status_code == 429 and answer["Retry-After"] == "900"
    assert client.post("/login/", {"username": "nora", "password": PASSWORD}).status_code == 429
    other = client.post("/login/", {"username": "nora", "password": PASSWORD}, REMOTE_ADDR="10.1.2.3")
    assert other.status_code == 302, "nora herself, from elsewhere, still gets in"


def test_behind_a_proxy_a_client_locks_out_itself_alone(client: Client, nora: User, settings: Any) -> None:
    def post(client_address: str, password: str) -> int:
        headers = {"X-Forwarded-For": f"6.6.6.6, {client_address}"}
        return client.post("/login/", {"username": "nora", "password": password}, headers=headers).status_code

    settings.MAESTRO = settings.MAESTRO.model_copy(update={"trusted_proxies": 1})
    assert [post("203.0.113.7", "no") for _ in range(5)][-1] == 429
    assert post("203.0.113.7", PASSWORD) == 429 and post("203.0.113.8", PASSWORD) == 302


def test_a_lock_out_does_not_close_the_welcome_link(client: Client) -> None:
    owner = welcome.ensure_owner()
    for _ in range(6):
        locked = client.post("/login/", {"username": owner.get_username(), "password": "no"})
    assert locked.status_code == 429
    for _ in range(10):
        assert client.post("/welcome/a-wrong-guess").status_code == 410
    address = reverse("welcome", args=[welcome.create(owner)])
    assert client.get(address).status_code == 200 and client.post(address).status_code == 302
    assert client.get("/").status_code == 200


def test_a_person_without_a_password_chooses_one(client: Client) -> None:
    owner = welcome.ensure_owner()
    client.force_login(owner)
    page = client.get("/account/").content.decode()
    assert "new_password1" in page and "old_password" not in page
    refused = client.post("/account/", {"new_password1": "short", "new_password2": "short"})
    assert refused.status_code == 422
    saved = client.post("/account/", {"new_password1": PASSWORD, "new_password2": PASSWORD})
    assert saved.status_code == 302
    assert client.get("/account/").status_code == 200, "this browser stays signed in"
    assert "old_password" in client.get("/account/").content.decode()


def test_browsers_are_listed_and_signed_out(client: Client, nora: User) -> None:
    client.force_login(nora)
    other = Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
    other.force_login(nora)
    client.get("/")
    other.get("/")
    assert BrowserSession.objects.filter(user=nora).count() == 2
    assert "Firefox on Linux" in client.get("/account/").content.decode()
    pk = BrowserSession.objects.get(session_key=other.session.session_key).pk
    stranger = Client()
    stranger.force_login(User.objects.create_user("stranger"))
    stranger.post(reverse("account-sign-out-browser", args=[pk]))
    assert other.get("/").status_code == 200, "nobody signs out somebody else"
    client.post(reverse("account-sign-out-browser", args=[pk]))
    assert other.get("/").status_code == 302
    assert client.get("/").status_code == 200


def test_a_browser_is_recorded_again_after_five_minutes_at_the_earliest(
    client: Client, nora: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(nora)
    start = timezone.now()
    for minutes, seen in ((0, 0), (4, 0), (6, 6), (9, 6)):
        now = start + timedelta(minutes=minutes)
        monkeypatch.setattr(browsers, "timezone", SimpleNamespace(now=lambda now=now: now))
        client.get("/account/")
        assert BrowserSession.objects.get().last_seen_at == start + timedelta(minutes=seen)


def test_after_a_new_password_only_this_browser_is_signed_in_and_listed(client: Client, nora: User) -> None:
    firefox, safari = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Mozilla/5.0 (iPhone) Version/18 Safari/605"
    client.force_login(nora)
    client.get("/", headers={"User-Agent": firefox})
    other = Client(headers={"User-Agent": safari})
    other.force_login(nora)
    other.get("/")
    new = "another horse battery staple"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/account/", form | {"old_password": "wrong"}).status_code == 422
    assert "Safari on" in client.get("/account/").content.decode(), "a refused change signs nobody out"
    page = client.post("/account/", form, follow=True, headers={"User-Agent": firefox}).content.decode()
    assert "Firefox on Linux" in page and "Safari on" not in page and page.count("This one") == 1
    assert BrowserSession.objects.get().session_key == client.session.session_key
    assert other.get("/").status_code == 302 and client.get("/").status_code == 200
    assert not User.objects.get(pk=nora.pk).check_password(PASSWORD)


def test_the_account_page_puts_the_cursor_nowhere(client: Client, nora: User) -> None:
    client.force_login(nora)
    page = client.get("/account/").content.decode()
    assert "old_password" in page and "autofocus" not in page


def test_signing_out_says_so_and_offers_to_sign_in(client: Client, nora: User) -> None:
    client.force_login(nora)
    page = client.post("/logout/", follow=True)
    assert page.redirect_chain == [("/login/?signed-out=1", 302)]
    text = page.content.decode()
    assert "<h1>You are signed out</h1>" in text and 'name="password"' in text
    assert "signed out" not in client.get("/login/").content.decode().casefold()


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/150.0 Safari/537 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X) Version/18 Safari/605", "Safari on macOS"),
        ("curl/8", "A browser"),
    ],
)
def test_agents_in_words(agent: str, said: str) -> None:
    assert browsers.describe(agent) == said


def test_pages_carry_the_security_headers(client: Client) -> None:
    answer = client.get("/login/")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert (
        "frame-ancestors 'none'" in policy
        and answer["X-Frame-Options"] == "DENY"
        and answer["X-Content-Type-Options"] == "nosniff"
    )
    assert answer["Referrer-Policy"] == "same-origin" and answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_cookies_stay_on_this_site_and_out_of_scripts(client: Client, nora: User) -> None:
    client.get("/login/")
    client.post("/login/", {"username": "nora", "password": PASSWORD})
    session, csrf = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert session["httponly"] and session["samesite"] == csrf["samesite"] == "Lax"


def test_browser_sessions_that_are_over_are_forgotten(client: Client, nora: User) -> None:
    client.force_login(nora, backend="django.contrib.auth.backends.ModelBackend")
    client.get("/account/")
    long_ago = timezone.now() - timedelta(days=40)
    BrowserSession.objects.create(user=nora, session_key="over", last_seen_at=long_ago)
    Session.objects.create(session_key="over", session_data="", expire_date=long_ago)
    prune_browsers()
    assert BrowserSession.objects.get().session_key == client.session.session_key == Session.objects.get().pk


@pytest.mark.django_db(transaction=True)
def test_two_first_starts_make_one_owner_and_a_disabled_one_is_not_replaced() -> None:
    made: list[User] = []

    def start() -> None:
        try:
            made.append(welcome.ensure_owner())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({user.pk for user in made}) == User.objects.count() == 1 and len(made) == 6
    User.objects.update(is_active=False)
    with pytest.raises(welcome.WelcomeError, match="createsuperuser"):
        welcome.ensure_owner()
    assert User.objects.count() == 1

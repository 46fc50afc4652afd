"""One session: its page, its models, and the deeds on it; always through its owner."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app.types.credentials import Secret
from sessions_app import crypto, throttle
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import lifecycle
from tests.unit.sessions.support import CANARY, fresh, make, make_remote
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer
from tests.web.sessions.support import HTMX, codes_of, copyable, messages_of, signed_in, text_of

POSTS = ("test", "rename", "key", "address", "enable", "disable", "delete", "restore")


def url(name: str, session: AuthSession) -> str:
    return reverse(f"sessions:{name}", args=[session.pk])


def toast_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer["HX-Trigger"])["toast"]
    return found


@pytest.mark.parametrize("name", [*POSTS, "detail", "status", "models", "trail"])
def test_a_foreign_session_is_not_found_anywhere(alice: User, bob: User, name: str) -> None:
    session = make(bob, "his_own", secret=Secret(CANARY))
    before = AuthSession.objects.values().get()
    client = signed_in(alice)
    for headers in ({}, HTMX):
        answer = client.post(url(name, session), {"name": "stolen", "key": "x" * 20}, headers=headers)
        if name == "restore" and not headers:
            assert answer.status_code == 302 and "unknown_session" in codes_of(answer)
        else:
            assert answer.status_code == (404 if name in POSTS else 405)
        if name not in POSTS:
            answer = client.get(url(name, session), headers=headers)
            assert answer.status_code == 404
        assert "his_own" not in answer.content.decode()
    assert AuthSession.objects.values().get() == before and SessionEvent.objects.count() == 1


@pytest.mark.parametrize("name", ["test", "key", "address", "enable", "disable", "delete", "restore"])
def test_a_deed_is_never_a_get(alice: User, name: str) -> None:
    assert signed_in(alice).get(url(name, make(alice))).status_code == 405


def test_the_page_shows_what_is_known_and_no_key(alice: User) -> None:
    session = make(alice, "work_claude", secret=Secret(CANARY), base_url="https://proxy.example/v1")
    page = signed_in(alice).get(url("detail", session))
    words = text_of(page)
    for part in ("work_claude", "Anthropic", "Stored, never shown", "https://proxy.example/v1", "created", "alice"):
        assert part in words
    assert CANARY not in page.content.decode() and "tools" in words
    sealed = bytes(AuthSession.objects.get().sealed_credential)
    assert sealed.hex() not in page.content.decode()


def test_a_session_of_a_provider_that_is_gone_can_be_seen_and_deleted(alice: User) -> None:
    session = make(alice)
    AuthSession.objects.update(provider="no_longer")
    client = signed_in(alice)
    page = client.get(url("detail", session))
    assert page.status_code == 200 and "not installed, or broken" in text_of(page)
    assert client.get(reverse("sessions:list")).status_code == 200
    assert client.post(url("delete", session)).status_code == 302
    assert AuthSession.objects.get().deleted_at


@pytest.mark.django_db(transaction=True)
def test_the_test_button_shows_the_result_at_once(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor)
    client = signed_in(alice)
    answer = client.post(url("test", session), {"part": "detail"}, headers=HTMX)
    assert 'id="session-status"' in answer.content.decode() and "local_llama works" in toast_of(answer)["message"]
    assert "tested succeeded" in text_of(client.get(url("trail", session), headers=HTMX))
    row = client.post(url("test", session), {"part": "row"}, headers=HTMX)
    assert row.content.decode().startswith(f'<tr id="session-row-{session.pk}"')
    plain = client.post(url("test", session))
    assert plain["Location"] == url("detail", session) and "works" in messages_of(plain)
    assert client.post(url("test", session), {"part": "row"})["Location"] == reverse("sessions:list")


@pytest.mark.django_db(transaction=True)
def test_a_failed_test_is_a_toast_with_a_code_and_a_new_state(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor, key=CANARY)
    answer = signed_in(alice).post(url("test", session), {"part": "row"}, headers=HTMX)
    toast = toast_of(answer)
    assert (toast["code"], toast["level"]) == ("upstream_authentication", "bad")
    assert "Needs re-auth" in text_of(answer) and "Replace key" in text_of(answer)
    assert CANARY not in answer.content.decode() + str(toast)


@pytest.mark.django_db(transaction=True)
def test_models_are_listed_searched_and_refreshed(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor)
    client = signed_in(alice)
    page = client.get(url("models", session), headers=HTMX)
    assert "local-large" in text_of(page) and "131.1k" in text_of(page) and "<html" not in page.content.decode()
    assert "local-small" not in text_of(client.get(url("models", session), {"q": "LARGE"}, headers=HTMX))
    assert "No model matches" in text_of(client.get(url("models", session), {"q": "zzz"}, headers=HTMX))
    asked = len(vendor.ledger)
    client.get(url("models", session), headers=HTMX)
    assert len(vendor.ledger) == asked, "the list is kept"
    client.get(url("models", session), {"refresh": "1"}, headers=HTMX)
    assert len(vendor.ledger) == asked + 1
    assert "<html" in client.get(url("models", session)).content.decode(), "without scripts it is a page"


@pytest.mark.django_db(transaction=True)
def test_models_that_cannot_be_listed_say_why(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor, key=CANARY)
    client = signed_in(alice)
    page = client.get(url("models", session), headers=HTMX)
    assert page.status_code == 200 and "upstream_authentication" in text_of(page) and CANARY not in text_of(page)
    lifecycle.disable(session)
    assert "session_disabled" in text_of(client.get(url("models", session), headers=HTMX))


def test_renaming_in_the_row(alice: User) -> None:
    session = make(alice, "before")
    make(alice, "taken")
    client = signed_in(alice)
    form = client.get(url("rename", session), {"part": "row"}, headers=HTMX)
    assert 'value="before"' in form.content.decode() and "autofocus" in form.content.decode()
    wrong = client.post(url("rename", session), {"part": "row", "name": "taken"}, headers=HTMX)
    assert wrong.status_code == 422 and "duplicate_session" in copyable(wrong)
    right = client.post(url("rename", session), {"part": "row", "name": "after"}, headers=HTMX)
    assert "after" in text_of(right) and toast_of(right)["message"] == "before is now after."
    cancelled = client.get(url("rename", session), {"part": "row", "cancel": "1"}, headers=HTMX)
    assert "<form" in cancelled.content.decode() and 'name="name"' not in cancelled.content.decode()
    same = client.post(url("rename", session), {"part": "row", "name": "after"}, headers=HTMX)
    assert "HX-Trigger" not in same


def test_renaming_on_the_page(alice: User) -> None:
    session = make(alice, "before")
    client = signed_in(alice)
    assert client.get(url("rename", session))["Location"] == url("detail", session)
    wrong = client.post(url("rename", session), {"name": "no spaces!"})
    assert wrong.status_code == 422 and "invalid_name" in copyable(wrong) and "[invalid_name]" not in text_of(wrong)
    assert client.post(url("rename", session), {"name": "after"}).status_code == 302
    assert fresh(session).name == "after"


@pytest.mark.django_db(transaction=True)
def test_a_replaced_key_is_tested(alice: User, vendor: VendorServer) -> None:
    session = make_remote(alice, vendor, key=CANARY)
    client = signed_in(alice)
    good = client.post(url("key", session), {"key": VALID_KEY})
    assert "it works" in messages_of(good) and fresh(session).status == "active"
    bad = client.post(url("key", session), {"key": f"wrong-{CANARY}"})
    assert codes_of(bad) == ["upstream_authentication"] and CANARY not in messages_of(bad)
    refused = client.post(url("key", session), {"key": "two words"})
    assert refused.status_code == 422 and "invalid_credential" in copyable(refused)
    assert client.post(url("key", session), {"key": ""}).status_code == 422


def test_changing_the_address_drops_the_key(alice: User) -> None:
    session = make(alice)
    client = signed_in(alice)
    wrong = client.post(url("address", session), {"base_url": "http://10.0.0.1/"})
    assert wrong.status_code == 422 and "address_refused" in copyable(wrong)
    right = client.post(url("address", session), {"base_url": "https://proxy.example"})
    assert "key is gone" in messages_of(right)
    page = client.get(url("detail", session))
    assert "None stored" in text_of(page) and "Store key" in text_of(page)
    same = client.post(url("address", session), {"base_url": "https://proxy.example"})
    assert same.status_code == 302


def test_disabling_and_enabling(alice: User) -> None:
    session = make(alice)
    client = signed_in(alice)
    off = client.post(url("disable", session), {"part": "row"}, headers=HTMX)
    assert "Disabled" in text_of(off) and toast_of(off)["undo"] == url("enable", session)
    undo = client.post(url("enable", session), headers=HTMX)
    assert undo.status_code == 204 and "sessions-reload" in undo["HX-Trigger"]
    client.post(url("disable", session))
    on = client.post(url("enable", session), {"part": "detail"}, headers=HTMX)
    assert 'id="session-status"' in on.content.decode()
    assert 'id="session-status"' in client.get(url("status", session)).content.decode()


def test_deleting_and_undoing_in_the_row(alice: User) -> None:
    session = make(alice, "contested")
    client = signed_in(alice)
    gone = client.post(url("delete", session), {"part": "row"}, headers=HTMX)
    assert gone.content == b"" and toast_of(gone)["undo"] == url("restore", session)
    assert client.get(url("detail", session)).status_code == 404
    make(alice, "contested")
    taken = client.post(url("restore", session), headers=HTMX)
    assert taken.status_code == 204 and toast_of(taken)["code"] == "duplicate_session"
    assert codes_of(client.post(url("restore", session))) == ["duplicate_session"]
    lifecycle.rename(AuthSession.objects.get(deleted_at__isnull=True), "another")
    back = client.post(url("restore", session), headers=HTMX)
    assert back.status_code == 204 and "sessions-reload" in back["HX-Trigger"]
    on_page = client.post(url("delete", session), {"part": "detail"}, headers=HTMX)
    assert on_page["HX-Redirect"] == f"{reverse('sessions:list')}?deleted={session.pk}"


def test_a_missing_key_ring_is_said_and_breaks_no_page(alice: User) -> None:
    session = make(alice)
    crypto.configure(None)
    client = signed_in(alice)
    assert client.get(url("detail", session)).status_code == 200
    assert toast_of(client.post(url("test", session), headers=HTMX))["code"] == "not_configured"


def test_the_ceiling_counts_per_person_and_window() -> None:
    assert [throttle.allow("x", "one", limit=2, window_s=3600) for _ in range(3)] == [True, True, False]
    assert throttle.allow("x", "two", limit=2, window_s=3600)

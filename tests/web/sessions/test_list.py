"""The table: what it shows, filters, pages, and how many queries that takes."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from providers_app.types.credentials import Secret
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle, notices
from tests.unit.sessions.logins import make_login
from tests.unit.sessions.support import CANARY, make
from tests.web.sessions.support import HTMX, signed_in, text_of

LIST = reverse("sessions:list")


def test_a_stranger_is_sent_to_the_sign_in(db: Any, client: Any) -> None:
    for url in (LIST, reverse("sessions:connect")):
        answer = client.get(url)
        assert answer.status_code == 302 and answer["Location"].startswith("/login/")


def test_without_sessions_the_page_says_what_to_do(alice: User) -> None:
    answer = signed_in(alice).get(LIST)
    assert "No sessions yet" in text_of(answer) and reverse("sessions:connect") in answer.content.decode()


def test_every_state_is_said_in_words_with_one_next_action(alice: User) -> None:
    now = timezone.now()
    states: list[tuple[dict[str, Any], str, str]] = [
        ({"tested_at": now}, "Active", "None needed"),
        ({"status": "needs_reauth", "status_reason": "It was revoked"}, "Needs re-auth", "Replace key"),
        ({"status": "forbidden", "status_reason": "A role is missing"}, "Forbidden", "How to fix"),
        ({"status": "misconfigured", "status_reason": "No such page"}, "Misconfigured", "Edit"),
        ({"status": "disabled"}, "Disabled", "Enable"),
        ({"limited_until": now + timedelta(minutes=6)}, "Limited", "See why"),
        ({"last_error_code": "connection_failed", "last_error": "Refused"}, "Unreachable", "Test again"),
        ({"expires_at": now + timedelta(minutes=41)}, "Expiring", "Replace key"),
    ]
    for number, (values, _, _) in enumerate(states):
        AuthSession.objects.filter(pk=make(alice, f"session_{number}").pk).update(**values)
    page = text_of(signed_in(alice).get(LIST))
    for values, label, action in states:
        assert label in page and action in page
        for reason in ("status_reason", "last_error"):
            assert values.get(reason, "") in page
    assert "Needs attention 3" in page and "All 8" in page


def test_filters_chips_and_search_narrow_the_table(alice: User) -> None:
    make(alice, "work_claude")
    make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    lifecycle.disable(make(alice, "old_claude"))
    client = signed_in(alice)

    def names(**query: str) -> set[str]:
        answer = client.get(LIST, query)
        assert answer.status_code == 200
        return {row["session"].name for row in answer.context["rows"]}

    assert names() == {"work_claude", "try_demo", "old_claude"}
    assert names(status="disabled") == {"old_claude"}
    assert names(status="active", provider="anthropic") == {"work_claude"}
    assert names(auth_type="none") == {"try_demo"}
    assert names(q="claude") == {"work_claude", "old_claude"}
    assert names(status="nonsense", page="nonsense") == {"work_claude", "try_demo", "old_claude"}
    assert names(q="x" * 5000) == set()
    assert "No session matches" in text_of(client.get(LIST, {"q": "zzz"}))
    chips = client.get(LIST, {"provider": "anthropic"}).context["chips"]
    assert {(slug, count) for slug, _, count, _ in chips} == {("all", 2), ("active", 1), ("disabled", 1)}
    assert all("provider=anthropic" in query for _, _, _, query in chips)


def test_htmx_gets_the_results_and_the_chips_alone(alice: User) -> None:
    make(alice)
    client = signed_in(alice)
    results = client.get(LIST, headers=HTMX | {"HX-Target": "sessions-results"}).content.decode()
    assert "<html" not in results and 'id="sessions-results"' in results and 'hx-swap-oob="true"' in results
    chips = client.get(LIST, headers=HTMX | {"HX-Target": "session-chips"}).content.decode()
    assert "<table" not in chips and 'id="session-chips"' in chips and "hx-swap-oob" not in chips
    history = client.get(LIST, headers=HTMX | {"HX-History-Restore-Request": "true"}).content.decode()
    assert "<html" in history


def test_two_hundred_sessions_are_paged_with_a_bounded_number_of_queries(alice: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(LIST).status_code == 200
        return len(captured)

    client = signed_in(alice)
    make(alice, "first_one")
    client.get(LIST)
    few = queries()
    AuthSession.objects.bulk_create(
        AuthSession(owner=alice, provider="anthropic", auth_type="api_key", name=f"session_{n}") for n in range(204)
    )
    assert queries() == few <= 12
    page = client.get(LIST, {"page": 5, "provider": "anthropic"})
    assert len(page.context["rows"]) == 5 and "Page 5 of 5" in text_of(page)
    assert "provider=anthropic" in page.content.decode()


def test_a_thousand_sessions_with_notices_are_listed_with_the_same_queries(alice: User) -> None:
    def look() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(LIST).status_code == 200
        return len(captured)

    client = signed_in(alice)
    notices.raise_notice(make_login(alice, "first_one", status="needs_reauth"), notices.NEEDS_REAUTH, "It needs you")
    client.get(LIST)
    few = look()
    soon, now = timezone.now() + timedelta(minutes=30), timezone.now()
    kinds: list[dict[str, Any]] = [
        {"expires_at": soon, "next_refresh_at": now + timedelta(minutes=10)},
        {"status": "needs_reauth", "refresh_error_code": "answer_lost"},
        {"expires_at": soon, "intent_generation": 0, "intent_at": now - timedelta(hours=1)},
        {"expires_at": soon, "next_refresh_at": now, "refresh_error_code": "x", "refresh_error": "503"},
        {"status": "disabled"},
    ]
    made = AuthSession.objects.bulk_create(
        AuthSession(owner=alice, provider="openai", auth_type="oauth", name=f"session_{n}", **kinds[n % len(kinds)])
        for n in range(999)
    )
    for session in made[:100]:
        notices.raise_notice(session, notices.NEEDS_REAUTH, "It needs you")
    assert {look() for _ in range(3)} == {few} and few <= 12


def test_other_peoples_sessions_are_not_there(alice: User, bob: User) -> None:
    make(bob, "his_secret_name")
    answer = signed_in(alice).get(LIST, {"q": "secret"})
    assert "his_secret_name" not in text_of(answer) and "No session matches" in text_of(answer)


def test_the_key_is_on_no_list(alice: User) -> None:
    make(alice, secret=Secret(CANARY))
    assert CANARY not in signed_in(alice).get(LIST).content.decode()


def test_a_deleted_row_offers_undo_where_it_led(alice: User, bob: User) -> None:
    session = make(alice, "gone_soon")
    client = signed_in(alice)
    answer = client.post(reverse("sessions:delete", args=[session.pk]))
    assert answer.status_code == 302 and answer["Location"] == f"{LIST}?deleted={session.pk}"
    page = client.get(answer["Location"])
    assert "gone_soon is deleted" in text_of(page)
    assert reverse("sessions:restore", args=[session.pk]) in page.content.decode()
    foreign = signed_in(bob).get(answer["Location"])
    assert "gone_soon" not in text_of(foreign)
    assert client.get(LIST, {"deleted": "nonsense"}).status_code == 200
    back = client.post(reverse("sessions:restore", args=[session.pk]))
    assert back["Location"] == reverse("sessions:detail", args=[session.pk])


def test_reading_the_list_purges_what_is_due(alice: User) -> None:
    lifecycle.trash(make(alice))
    AuthSession.objects.update(deleted_at=timezone.now() - timedelta(hours=1))
    signed_in(alice).get(LIST)
    assert not AuthSession.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_list_is_only_read(alice: User, method: str) -> None:
    assert getattr(signed_in(alice), method)(LIST).status_code == 405


def test_asking_for_a_part_after_signing_out_leads_the_whole_page_to_the_sign_in(alice: User, client: Any) -> None:
    headers = HTMX | {"HX-Current-URL": "http://testserver/sessions/?status=active"}
    session = make(alice)
    for url in (LIST, reverse("sessions:status", args=[session.pk])):
        answer = client.get(url, headers=headers)
        assert answer["HX-Redirect"] == "/login/?next=%2Fsessions%2F%3Fstatus%3Dactive"
    answer = client.post(reverse("sessions:delete", args=[session.pk]), headers=HTMX)
    assert answer["HX-Redirect"] == "/login/?next=%2Fsessions%2F" and AuthSession.objects.get().deleted_at is None

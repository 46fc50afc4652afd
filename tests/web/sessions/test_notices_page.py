"""Notices on their page and on Home: what is said, what to do, dismissing with undo, and the number in the menu."""

import re
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from maestro_site.conf import EmailConfig
from sessions_app.models import Notice
from sessions_app.services import notices
from tests.unit.sessions.logins import make_login
from tests.web.sessions.support import HTMX, signed_in, text_of

PAGE = reverse("sessions:notices")
HOME = reverse("home")


def told(owner: User, name: str = "mine", **columns: Any) -> Notice:
    session = make_login(owner, name, **({"status": "needs_reauth", "status_reason": "Refused."} | columns))
    return notices.raise_notice(session, notices.NEEDS_REAUTH, f"{name} needs a new sign-in", "It was <revoked>.")


def badge(page: Any) -> str:
    found = re.search(r'id="nav-attention"[^>]*>(\d*)', page.content.decode())
    assert found, "the menu has a place for the number"
    return found[1]


def test_without_a_notice_the_page_says_what_it_is_for(alice: User) -> None:
    page = signed_in(alice).get(PAGE)
    assert "Nothing needs your attention" in text_of(page) and badge(page) == ""
    assert "MAESTRO_EMAIL__HOST" in text_of(page)


def test_a_notice_says_what_why_and_what_to_do(alice: User) -> None:
    notice = told(alice)
    client = signed_in(alice)
    for url in (PAGE, HOME):
        page = client.get(url)
        text = text_of(page)
        assert "mine needs a new sign-in" in text and "It was <revoked>." in text and "Sign in again" in text
        assert "<revoked>" not in page.content.decode()
        assert reverse("sessions:reauthorize", args=[notice.session_id]) in page.content.decode()
        assert badge(page) == "1"
    assert "New" in text_of(client.get(PAGE)) or Notice.objects.get().seen_at is not None


def test_looking_at_a_notice_marks_it_as_seen_by_its_owner_alone(alice: User, bob: User) -> None:
    notice = told(alice)
    for url in (PAGE, HOME):
        assert "mine needs" not in text_of(signed_in(bob).get(url))
    assert Notice.objects.get().seen_at is None
    first = signed_in(alice).get(PAGE)
    assert "New" in text_of(first) and Notice.objects.get().seen_at is not None
    assert "New" not in text_of(signed_in(alice).get(PAGE))
    Notice.objects.update(seen_at=None)
    signed_in(alice).get(reverse("sessions:detail", args=[notice.session_id]))
    assert Notice.objects.get().seen_at is not None, "its session's page says the same"


def test_dismissing_answers_with_the_list_the_number_and_an_undo(alice: User) -> None:
    notice = told(alice, status="disabled")
    client = signed_in(alice)
    answer = client.post(reverse("sessions:notice-dismiss", args=[notice.pk]), {"part": ""}, headers=HTMX)
    assert "Nothing needs your attention" in text_of(answer) and badge(answer) == ""
    assert 'hx-swap-oob="true"' in answer.content.decode()
    undo = reverse("sessions:notice-reopen", args=[notice.pk])
    assert undo in answer["HX-Trigger"]
    back = client.post(undo, headers=HTMX)
    assert back.status_code == 204 and "notices-reload" in back["HX-Trigger"]
    part = client.get(PAGE, headers=HTMX)
    assert "<html" not in part.content.decode() and "mine needs a new sign-in" in text_of(part) and badge(part) == "1"


def test_without_htmx_dismissing_leads_back_to_where_it_was(alice: User) -> None:
    client = signed_in(alice)
    answer = client.post(reverse("sessions:notice-dismiss", args=[told(alice).pk]), {"part": "home"})
    assert answer["Location"] == HOME
    answer = client.post(reverse("sessions:notice-dismiss", args=[told(alice, "other").pk]))
    assert answer["Location"] == PAGE
    assert not notices.open_notices(alice.pk)


def test_another_persons_notice_does_not_exist(alice: User, bob: User, client: Any) -> None:
    notice = told(alice)
    for name in ("notice-dismiss", "notice-reopen"):
        url = reverse(f"sessions:{name}", args=[notice.pk])
        assert signed_in(bob).post(url).status_code == 404
        assert signed_in(alice).get(url).status_code == 405
        assert client.post(url).status_code == 302
    assert client.get(PAGE)["Location"].startswith("/login/")
    assert Notice.objects.get().resolved_at is None


def test_home_shows_the_worst_ones_first_and_how_many_more_there_are(alice: User) -> None:
    for number in range(5):
        told(alice, f"login_{number}")
    mild = make_login(alice, "mild", status="disabled")
    notices.raise_notice(mild, notices.SWITCHED_OFF, "mild was switched off")
    page = signed_in(alice).get(HOME)
    assert page.content.decode().count("notice-row") == 3 and "3 more notices" in text_of(page)
    assert "mild was switched off" not in text_of(page)
    part = signed_in(alice).get(PAGE, {"part": "home"}, headers=HTMX)
    assert part.content.decode().count("notice-row") == 3 and "3 more notices" in text_of(part)


def test_dismissing_at_home_answers_with_the_part_of_home(alice: User) -> None:
    rows = [told(alice, f"login_{number}") for number in range(5)]
    client = signed_in(alice)
    url = reverse("sessions:notice-dismiss", args=[rows[0].pk])
    part = client.post(url, {"part": "home"}, headers=HTMX)
    assert part.content.decode().count("notice-row") == 3 and "1 more notice" in text_of(part)
    url = reverse("sessions:notice-dismiss", args=[rows[1].pk])
    page = client.post(url, {"part": ""}, headers=HTMX)
    assert page.content.decode().count("notice-row") == 3 and "more notice" not in text_of(page)


def test_the_page_says_whether_and_where_notices_are_sent(alice: User, settings: Any) -> None:
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"email": EmailConfig(host="mail.example")})
    assert "your account has no address" in text_of(signed_in(alice).get(PAGE))
    alice.email = "alice@example.com"
    alice.save()
    assert "sent to alice@example.com" in text_of(signed_in(alice).get(PAGE))


def test_many_notices_take_no_more_queries(alice: User) -> None:
    def queries() -> int:
        client.get(PAGE)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(PAGE).status_code == 200
        return len(captured)

    client = signed_in(alice)
    told(alice, "first")
    few = queries()
    for number in range(20):
        told(alice, f"login_{number}")
    assert queries() == few <= 6

"""The audit trail of one session: its page, its filter, its CSV."""

import csv
import io
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import trail
from tests.unit.sessions.support import make
from tests.web.sessions.support import HTMX, signed_in, text_of


def url(name: str, session: AuthSession) -> str:
    return reverse(f"sessions:{name}", args=[session.pk])


def rows_of(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.content.decode())))


def test_the_page_shows_every_line_newest_first_in_pages(alice: User) -> None:
    session = make(alice)
    for number in range(60):
        trail.note(session, trail.REFRESHED, f"generation <{number}>", actor_id=alice.pk if number % 2 else None)
    client = signed_in(alice)
    page = client.get(url("trail", session))
    text = text_of(page)
    assert "generation <59>" in text and "generation <9>" not in text and "Page 1 of 2" in text and "61 lines" in text
    assert "<59>" not in page.content.decode() and "alice" in text and "Maestro" in text
    second = text_of(client.get(url("trail", session), {"page": 2}))
    assert "generation <9>" in second and "created" in second
    assert "All of it" in text_of(client.get(url("detail", session)))


def test_one_action_is_picked_out_and_an_unknown_one_is_none(alice: User) -> None:
    session = make(alice)
    trail.note(session, trail.REFRESHED, "one")
    trail.note(session, trail.TESTED, "two")
    client = signed_in(alice)
    text = text_of(client.get(url("trail", session), {"action": "refreshed"}))
    assert "one" in text and "two" not in text and "1 line." in text
    assert "3 lines" in text_of(client.get(url("trail", session), {"action": "<nonsense>"}))
    assert rows_of(client.get(url("trail-csv", session), {"action": "refreshed"}))[1][1:3] == ["refreshed", "one"]


def test_the_csv_has_every_line_and_no_formula(alice: User) -> None:
    session = make(alice)
    trail.note(session, trail.RENAMED, '=HYPERLINK("https://evil.example")', actor_id=alice.pk)
    trail.note(session, trail.RENAMED, 'with "quotes", and a comma')
    answer = signed_in(alice).get(url("trail-csv", session))
    assert answer["Content-Type"].startswith("text/csv") and "my_key-trail.csv" in answer["Content-Disposition"]
    head, *rows = rows_of(answer)
    assert head == ["at", "action", "detail", "by", "session"] and len(rows) == 3
    assert rows[0][2] == 'with "quotes", and a comma' and rows[0][3] == "Maestro"
    assert rows[1][2].startswith("'=HYPERLINK") and rows[1][3] == "alice"


def test_it_is_the_owners_alone(alice: User, bob: User, client: Any) -> None:
    session = make(alice)
    for name in ("trail", "trail-csv"):
        assert signed_in(bob).get(url(name, session)).status_code == 404
        assert client.get(url(name, session))["Location"].startswith("/login/")


def test_htmx_gets_the_card_and_the_page_takes_a_bounded_number_of_queries(alice: User) -> None:
    session = make(alice)
    client = signed_in(alice)
    card = client.get(url("trail", session), headers=HTMX).content.decode()
    assert 'id="session-trail"' in card and "<html" not in card
    SessionEvent.objects.bulk_create(
        SessionEvent(session=session, owner=alice, actor=alice, session_label="x", action="tested") for _ in range(200)
    )
    with CaptureQueriesContext(connection) as captured:
        client.get(url("trail", session))
    assert len(captured) <= 8

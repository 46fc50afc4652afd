"""What the use of a sign-in teaches: a refusal that comes through is final, unless a refresh is still open."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from providers_app import errors
from sessions_app import selectors
from sessions_app.models import AuthSession, Notice
from sessions_app.presenters.status import describe
from sessions_app.services import notices
from sessions_app.services.outcomes import record
from tests.unit.sessions.logins import ago, ahead, make_login
from tests.unit.sessions.support import fresh

pytestmark = pytest.mark.both

REFUSED = errors.AuthenticationFailed("The token is not valid.", status=401)


def test_a_refusal_that_comes_through_needs_a_person_and_an_answer_that_works_ends_it(alice: User) -> None:
    session = make_login(alice)
    for _ in range(2):
        record(session.pk, REFUSED, tested=False, generation=0)
    assert fresh(session).status == "needs_reauth"
    notice = Notice.objects.get()
    assert (notice.kind, notice.text) == (notices.NEEDS_REAUTH, "The token is not valid.")
    assert "sign-in" in notice.title
    record(session.pk, None, tested=False, generation=0)
    assert fresh(session).status == "active" and Notice.objects.get().resolved_at is not None


def test_a_refusal_of_an_older_login_says_nothing_about_the_one_that_is_stored(alice: User) -> None:
    session = make_login(alice, generation=4)
    record(session.pk, REFUSED, tested=False, generation=3)
    assert fresh(session).status == "active" and not Notice.objects.exists()


def test_while_the_outcome_of_a_refresh_is_open_a_refusal_proves_nothing(alice: User) -> None:
    session = make_login(alice, intent_generation=0, intent_at=ago(minutes=5), presentations=1)
    record(session.pk, REFUSED, tested=False, generation=0)
    after = fresh(session)
    assert after.status == "active" and after.last_error_code == "upstream_authentication"
    assert not Notice.objects.exists()
    AuthSession.objects.update(generation=1)
    record(session.pk, REFUSED, tested=False, generation=1)
    assert fresh(session).status == "needs_reauth", "the intent belonged to the login before"


EARLY = {"earliest_refresh_at": ahead(hours=1), "next_refresh_at": ahead(hours=1)}
FAILING = {"refresh_error_code": "upstream_rate_limit", "next_refresh_at": ahead(minutes=9)}
UNKNOWN = {"intent_generation": 0, "intent_at": ago(minutes=5), "presentations": 1}


@pytest.mark.parametrize("to_come", [EARLY, FAILING, UNKNOWN], ids=["too early", "failing", "unknown"])
def test_a_refusal_that_a_later_refresh_may_mend_is_recorded_and_never_shown_as_well(
    alice: User, client: Client, to_come: dict[str, Any]
) -> None:
    session = make_login(alice, **to_come)
    record(session.pk, REFUSED, tested=False, generation=0)
    after = fresh(session)
    view = describe(after)
    assert (after.status, view.state, view.label, view.action) == ("active", "refused", "Access refused", "reauth")
    assert view.when == max(filter(None, (after.earliest_refresh_at, after.next_refresh_at))) and view.urgent
    assert selectors.attention_count(alice.pk) == 1
    client.force_login(alice)
    page = client.get(reverse("sessions:detail", args=[session.pk])).content.decode()
    assert "Access refused" in page and "the next refresh is possible" in page and "Sign in again" in page
    record(session.pk, None, tested=False, generation=0)
    assert describe(fresh(session)).state != "refused"


def test_a_refusal_is_not_final_where_the_core_waits_for_a_refresh_although_the_wall_clock_was_set_forward(
    alice: User,
) -> None:
    session = make_login(alice, earliest_refresh_at=ago(minutes=5), next_refresh_at=ago(minutes=5))
    refused = errors.AuthenticationFailed("The token is not valid.", status=401)
    refused.mendable = True
    record(session.pk, refused, tested=False, generation=0)
    assert fresh(session).status == "active" and describe(fresh(session)).state == "refused"


@pytest.mark.parametrize(
    "error",
    [
        errors.TokenOutcomeUnknown("no answer could be read"),
        errors.RefreshFailed("not now"),
        errors.ServerError("oops", status=500),
    ],
)
def test_trouble_with_a_refresh_is_not_a_refusal(alice: User, error: errors.UpstreamError) -> None:
    session = make_login(alice)
    record(session.pk, error, tested=False, generation=0)
    assert fresh(session).status == "active" and not Notice.objects.exists()


def test_what_is_left_of_a_login_that_was_lost_in_a_refresh_is_no_sign_of_health(alice: User) -> None:
    session = make_login(
        alice, status="needs_reauth", refresh_error_code="answer_lost", next_refresh_at=None, expires_at=ahead(hours=1)
    )
    record(session.pk, None, tested=True, generation=0)
    assert fresh(session).status == "needs_reauth" and fresh(session).tested_at is not None


def test_what_it_may_not_do_is_told_once_and_over_when_it_may(alice: User) -> None:
    session = make_login(alice)
    for _ in range(2):
        record(session.pk, errors.PermissionDenied("A role is missing.", status=403), tested=False, generation=0)
    assert fresh(session).status == "forbidden" and Notice.objects.get().kind == notices.FORBIDDEN
    record(session.pk, None, tested=False, generation=0)
    assert fresh(session).status == "active" and Notice.objects.get().resolved_at is not None

"""What uses and tests of a session teach about it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from providers_app import errors
from providers_app.types.credentials import Secret
from sessions_app import crypto
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.presenters.status import describe
from sessions_app.services import connect, lifecycle
from sessions_app.services.outcomes import record
from tests.unit.sessions.support import CANARY, fresh, make

pytestmark = pytest.mark.both

REFUSED = errors.AuthenticationFailed("The key is not valid.", status=401)


def last_action() -> str:
    event = SessionEvent.objects.first()
    return event.action if event else ""


@pytest.mark.parametrize(
    ("error", "tested", "state"),
    [
        (errors.AuthenticationFailed("no", status=401), False, "needs_reauth"),
        (errors.PermissionDenied("no", status=403), False, "forbidden"),
        (errors.BillingRequired("pay", status=402), False, "forbidden"),
        (errors.AddressRefused("private"), False, "misconfigured"),
        (errors.BadAnswer("HTML"), True, "misconfigured"),
        (errors.NotFound("no such page", status=404), True, "misconfigured"),
        (errors.BadAnswer("HTML"), False, "active"),
        (errors.UnknownModel("no such model", status=404), True, "active"),
        (errors.RateLimited("slow down", retry_after=30), False, "limited"),
        (errors.QuotaExhausted("used up"), False, "limited"),
        (errors.ConnectionFailed("refused"), False, "unreachable"),
        (errors.UpstreamTimeout("silence"), False, "unreachable"),
        (errors.ServerError("oops", status=500), False, "active"),
        (errors.BadRequest("your fault", status=400), False, "active"),
        (errors.Cancelled("stopped"), False, "active"),
        (ValueError("a bug of ours"), False, "active"),
    ],
)
def test_an_error_proves_a_state(alice: User, error: Exception, tested: bool, state: str) -> None:
    session = make(alice)
    record(session.pk, error, tested=tested)
    assert fresh(session).state == state  # type: ignore[attr-defined]
    record(session.pk, None, tested=False)
    after = fresh(session)
    assert after.state == "active" and not after.last_error_code and after.limited_until is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [REFUSED, errors.PermissionDenied("no", status=403)])
@pytest.mark.parametrize("tested", [True, False])
def test_a_session_without_a_key_is_never_asked_for_another_one(
    alice: User, error: errors.UpstreamError, tested: bool
) -> None:
    session = make(alice, provider="remote", auth_type="none", secret=Secret(""), base_url="https://llm.example/v1")
    record(session.pk, error, tested=tested)
    view = describe(fresh(session))
    assert (view.state, view.action, view.action_label, view.urgent) == ("misconfigured", "test", "Test again", False)
    record(session.pk, None, tested=True)
    assert describe(fresh(session)).state == "active"


@pytest.mark.parametrize("status", ["needs_reauth", "forbidden"])
def test_a_stored_refusal_of_a_session_without_a_key_is_told_the_same_way(alice: User, status: str) -> None:
    session = make(alice, provider="demo", auth_type="none", secret=Secret(""))
    AuthSession.objects.filter(pk=session.pk).update(status=status)
    view = describe(fresh(session))
    assert (view.action, view.words) == ("test", "The server asks for a key, and this session has none")


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        errors.PermissionDenied("no", status=403),
        errors.BillingRequired("pay", status=402),
        errors.ConnectionFailed("refused"),
        errors.UpstreamTimeout("silence"),
        errors.RateLimited("slow down", retry_after=30),
    ],
)
def test_what_a_provider_of_this_process_plays_says_nothing_about_its_session(
    alice: User, error: errors.UpstreamError
) -> None:
    session = make(alice, provider="demo", auth_type="none", secret=Secret(""))
    record(session.pk, error, tested=False)
    row = fresh(session)
    assert row.state == "active" and row.last_used_at and not row.last_error_code  # type: ignore[attr-defined]


def test_a_refusal_is_noted_once_however_often_it_happens(alice: User) -> None:
    session = make(alice)
    for _ in range(3):
        record(session.pk, REFUSED, tested=False)
    row = fresh(session)
    assert (row.status, row.status_reason, row.last_error_code) == (
        "needs_reauth",
        "The key is not valid.",
        "upstream_authentication",
    )
    assert list(SessionEvent.objects.values_list("action", flat=True)) == ["used-failed", "created"]
    record(session.pk, None, tested=False)
    assert last_action() == "recovered" and fresh(session).status_reason == ""


def test_a_test_is_always_noted(alice: User) -> None:
    session = make(alice)
    record(session.pk, None, tested=True, account="Acme")
    record(session.pk, REFUSED, tested=True)
    details = list(SessionEvent.objects.filter(action="tested").values_list("detail", flat=True))
    assert details == ["failed: upstream_authentication", "succeeded"]
    assert fresh(session).account_label == "Acme" and fresh(session).tested_at


def test_a_persons_decision_is_not_undone_by_an_answer(alice: User) -> None:
    session = make(alice)
    lifecycle.disable(session)
    record(session.pk, None, tested=True)
    assert fresh(session).status == "disabled"
    record(session.pk, REFUSED, tested=True)
    assert fresh(session).status == "disabled"


def test_what_an_older_key_did_says_nothing_about_the_new_one(alice: User) -> None:
    session = make(alice)
    connect.replace_key(session, Secret(CANARY))
    record(session.pk, REFUSED, tested=False, generation=0)
    assert fresh(session).status == "active"
    record(session.pk, REFUSED, tested=False, generation=1)
    assert fresh(session).status == "needs_reauth"


def test_a_session_that_is_gone_is_ignored(alice: User) -> None:
    session = make(alice)
    lifecycle.trash(session)
    record(session.pk, REFUSED, tested=True)
    row = AuthSession.objects.get(pk=session.pk)
    assert row.status == "active" and row.last_used_at is None


def test_use_is_written_at_most_once_a_minute(alice: User) -> None:
    session = make(alice)
    record(session.pk, None, tested=False)
    first = fresh(session).last_used_at
    assert first
    with CaptureQueriesContext(connection) as queries:
        record(session.pk, None, tested=False)
    assert len(queries) == 1 and queries[0]["sql"].startswith("SELECT"), "a use that teaches nothing writes nothing"
    AuthSession.objects.filter(pk=session.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    record(session.pk, None, tested=False)
    assert fresh(session).last_used_at > first - timedelta(seconds=61)  # type: ignore[operator]
    assert fresh(session).last_used_at != first


@pytest.mark.parametrize(
    ("error", "low", "high"),
    [
        (errors.RateLimited("slow down", retry_after=30), 25, 31),
        (errors.RateLimited("slow down"), 50, 61),
        (errors.RateLimited("slow down", retry_after=-5), -2, 1),
        (errors.RateLimited("slow down", retry_after=10**9), 86_000, 86_401),
        (errors.QuotaExhausted("used up"), 3_500, 3_601),
    ],
)
def test_a_limit_ends_when_the_provider_says_within_reason(
    alice: User, error: errors.RateLimited, low: float, high: float
) -> None:
    session = make(alice)
    record(session.pk, error, tested=False)
    until = fresh(session).limited_until
    assert until is not None and low <= (until - timezone.now()).total_seconds() <= high


def test_a_provider_that_repeats_the_key_does_not_get_it_stored(alice: User) -> None:
    session = make(alice, secret=Secret(CANARY))
    record(session.pk, errors.AuthenticationFailed(f"Bad key {CANARY}", status=401), tested=True)
    row = fresh(session)
    assert row.status_reason == "Bad key ***" and row.last_error == "Bad key ***"
    assert CANARY not in str(list(SessionEvent.objects.values_list("detail", flat=True)))
    crypto.configure(None)
    record(session.pk, errors.PermissionDenied(f"Bad key {CANARY}", status=403), tested=True)
    assert fresh(session).status_reason == "", "what cannot be cleaned is not kept"

"""What is written: the intent before anything is sent, then new tokens by a swap, or why there are none."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers_app import loop
from providers_app.types.credentials import Secret
from sessions_app import credentials, selectors
from sessions_app.models import AuthSession, Notice, RefreshLane, SessionEvent
from sessions_app.services import lifecycle, notices, trail
from tests.fixtures_atomic import short_transactions
from tests.unit.sessions.refresh.support import (
    busy,
    fail,
    intend,
    keep,
    lease_over,
    make_login,
    row_of,
    store,
    take,
    tokens_of,
)

__all__ = ["short_transactions"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both, pytest.mark.usefixtures("short_transactions")]


def actions(session: AuthSession) -> list[str]:
    return list(SessionEvent.objects.filter(session=session).order_by("pk").values_list("action", flat=True))


def free() -> bool:
    lane = RefreshLane.objects.get()
    return (lane.lease_token, lane.lease_until, lane.holder) == ("", None, "")


# The intent


def test_the_intent_is_counted_and_the_lease_renewed(alice: User) -> None:
    session = make_login(alice)
    claim = take(session, lease_s=60)
    RefreshLane.objects.update(lease_until=timezone.now() + timedelta(seconds=5))
    marked = loop.run(store.write_intent(claim), 60)
    assert marked is not None and (marked.presentations, marked.intent_written) == (1, True)
    assert marked.claimed >= claim.claimed and not marked.intent_open
    row = row_of(session)
    assert (row.intent_generation, row.presentations) == (0, 1) and row.intent_at is not None
    assert RefreshLane.objects.get().lease_until > timezone.now() + timedelta(seconds=50)  # type: ignore[operator]


def test_an_open_intent_is_found_by_the_next_claim(alice: User) -> None:
    session = make_login(alice)
    intend(session)
    lease_over(session)
    claim = take(session)
    assert (claim.intent_open, claim.presentations) == (True, 1)
    marked = loop.run(store.write_intent(claim), 60)
    assert marked is not None and (marked.presentations, marked.intent_open) == (2, True)


@pytest.mark.parametrize("change", ["disabled", "deleted", "signed in again"])
def test_nothing_may_be_sent_for_a_session_that_moved_on(alice: User, change: str) -> None:
    session = make_login(alice)
    claim = take(session)
    if change == "disabled":
        lifecycle.disable(session)
    elif change == "deleted":
        lifecycle.trash(session)
    else:
        assert credentials.swap(session.pk, 0, tokens_of(7), {})
    assert loop.run(store.write_intent(claim), 60) is None
    row = row_of(session)
    assert (row.intent_generation, row.presentations) == (None, 0)
    assert free()


def test_an_intent_of_an_older_login_says_nothing(alice: User) -> None:
    session = make_login(alice)
    intend(session)
    assert credentials.swap(session.pk, 0, tokens_of(7), {})
    lease_over(session)
    claim = take(session)
    assert (claim.intent_open, claim.presentations, claim.generation) == (False, 0, 1)


# New tokens


def test_new_tokens_are_stored_with_all_that_follows(alice: User) -> None:
    session = make_login(alice)
    fail(intend(session), "unknown", next_try_at=time.time())
    lease_over(session)
    claim = intend(session)
    new = tokens_of(2, facts={"plan": "max"}, account_label="ada@new.example", earliest_refresh_at=time.time() + 60)
    kept = keep(claim, new, due_in=3000)
    row = row_of(session)
    assert kept is not None and kept.generation == row.generation == 1
    assert credentials.open_tokens(row) == new
    assert credentials.open_credential(row).secret == new.access
    assert (row.settings, row.account_label, row.status) == ({"plan": "max"}, "ada@new.example", "active")
    assert (row.intent_generation, row.intent_at, row.presentations, row.refresh_attempts) == (None, None, 0, 0)
    assert (row.refresh_error_code, row.refresh_error, row.refresh_failed_at) == ("", "", None)
    assert row.refreshed_at is not None and row.token_print != session.token_print
    assert abs(row.expires_at.timestamp() - (new.expires_at or 0)) < 0.001  # type: ignore[union-attr]
    assert row.next_refresh_at.timestamp() - time.time() > 2900  # type: ignore[union-attr]
    assert row.earliest_refresh_at is not None
    assert actions(session) == [trail.REFRESH_UNKNOWN, trail.REFRESHED] and free()


def test_a_refresh_loses_against_a_new_sign_in(alice: User) -> None:
    session = make_login(alice)
    claim = intend(session)
    theirs = tokens_of(9)
    assert credentials.swap(session.pk, 0, theirs, {})
    assert keep(claim) is None
    assert credentials.open_tokens(row_of(session)) == theirs
    assert trail.REFRESHED not in actions(session) and free()


def test_the_swap_decides_even_when_the_lease_ran_out(alice: User) -> None:
    session = make_login(alice)
    slow = intend(session)
    lease_over(session)
    second = take(session)
    assert keep(slow) is not None
    assert RefreshLane.objects.get().lease_token == second.lease, "only one's own lease is given back"
    assert loop.run(store.write_intent(second), 60) is None, "the token of that generation is spent"


def test_storing_twice_is_storing_once(alice: User) -> None:
    """The answer of the database to a commit can be lost; the caller then tries again."""
    session = make_login(alice)
    claim, new = intend(session), tokens_of(2)
    first, again = keep(claim, new), keep(claim, new)
    assert first == again and first is not None and row_of(session).generation == 1
    assert actions(session) == [trail.REFRESHED]


def test_a_session_in_the_waste_basket_keeps_its_new_tokens(alice: User) -> None:
    session = make_login(alice)
    claim, new = intend(session), tokens_of(2)
    lifecycle.trash(session)
    assert keep(claim, new) is not None
    lifecycle.restore(alice.pk, session.pk)
    assert credentials.open_tokens(row_of(session)) == new


def test_a_destroyed_session_stays_destroyed(alice: User) -> None:
    session = make_login(alice)
    claim = intend(session)
    AuthSession.objects.filter(pk=session.pk).update(**credentials.DESTROYED)
    assert keep(claim) is None and not row_of(session).key_id
    lifecycle.delete(session)
    assert keep(claim) is None


def test_a_refresh_that_works_ends_the_need_of_a_person(alice: User) -> None:
    session = make_login(alice)
    first = intend(session)
    lease_over(session)
    second = intend(session)
    fail(second, "refused", reason="refused")
    assert Notice.objects.filter(resolved_at=None).count() == 1
    assert keep(first) is not None
    row = row_of(session)
    assert (row.status, row.status_reason) == ("active", "")
    assert Notice.objects.filter(resolved_at=None).count() == 0
    assert actions(session)[-1] == trail.RECOVERED


@pytest.mark.parametrize(
    ("code", "left"), [("upstream_authentication", ""), ("connection_failed", "connection_failed")]
)
def test_a_refresh_ends_the_refusal_of_the_token_before_it(alice: User, code: str, left: str) -> None:
    session = make_login(alice)
    AuthSession.objects.filter(pk=session.pk).update(last_error_code=code, last_error="It said so.")
    keep(intend(session))
    assert row_of(session).last_error_code == left


def test_a_disabled_session_keeps_its_tokens_and_stays_disabled(alice: User) -> None:
    session = make_login(alice)
    claim, new = intend(session), tokens_of(2)
    lifecycle.disable(session)
    assert keep(claim, new) is not None
    row = row_of(session)
    assert row.status == "disabled" and credentials.open_tokens(row) == new


def test_a_key_is_added_unless_the_session_moved_on(alice: User) -> None:
    session = make_login(alice)
    new = tokens_of(2)
    keep(intend(session), new)
    keyed = tokens_of(2, refresh=new.refresh, api_key=Secret("sk-made"))
    assert not loop.run(store.keep_key(str(session.pk), 0, keyed), 60)
    assert loop.run(store.keep_key(str(session.pk), 1, keyed), 60)
    row = row_of(session)
    assert credentials.open_credential(row).secret.reveal() == "sk-made" and row.generation == 2


def test_no_key_is_added_while_the_next_refresh_is_under_way(alice: User) -> None:
    session = make_login(alice)
    new = tokens_of(2)
    keep(intend(session), new)
    under_way = intend(session)
    assert not loop.run(store.keep_key(str(session.pk), 1, tokens_of(2, api_key=Secret("sk-made"))), 60)
    assert keep(under_way, tokens_of(3)) is not None


def test_a_login_that_may_only_be_read_is_not_due_again(alice: User) -> None:
    session = make_login(alice)
    keep(intend(session), tokens_of(2, read_only="Another program holds it."))
    row = row_of(session)
    assert row.next_refresh_at is None and row.read_only_reason == "Another program holds it."


def test_long_values_fit(alice: User) -> None:
    session = make_login(alice)
    long = "x" * 5000
    kept = keep(intend(session), tokens_of(2, account_label=long, account_id=long, facts={"a": long}))
    assert kept is not None
    fail(intend(session), "refused", code=long, message=long, reason=long)
    row = row_of(session)
    assert (len(row.refresh_error), len(row.refresh_error_code), len(row.status_reason)) == (500, 60, 300)


# Failures


def test_a_failure_that_spent_nothing_takes_the_intent_back(alice: User) -> None:
    session = make_login(alice)
    at = time.time() + 77
    fail(intend(session), "no", code="upstream_rate_limit", message="Slow down.", next_try_at=at)
    row = row_of(session)
    assert (row.intent_generation, row.presentations, row.refresh_attempts) == (None, 0, 1)
    assert (row.refresh_error_code, row.refresh_error, row.status) == ("upstream_rate_limit", "Slow down.", "active")
    assert abs(row.next_refresh_at.timestamp() - at) < 0.001 and row.refresh_failed_at is not None  # type: ignore[union-attr]
    assert actions(session) == [trail.REFRESH_FAILED] and free() and not Notice.objects.exists()


@pytest.mark.parametrize(
    ("code", "spent", "told"),
    [
        ("upstream_permission", "no", 1),
        ("a_code_of_nobody", "no", 1),
        ("connection_failed", "no", 0),
        ("upstream_server_error", "no", 0),
        ("token_outcome_unknown", "unknown", 0),
    ],
)
def test_a_person_is_told_of_refreshes_that_keep_failing_unless_it_is_an_outage(
    alice: User, code: str, spent: str, told: int
) -> None:
    session = make_login(alice)
    for _ in range(7):
        fail(intend(session), spent, code=code)
        lease_over(session)
    found = Notice.objects.filter(kind=notices.REFRESH_FAILING, resolved_at=None)
    assert found.count() == told == selectors.attention_count(alice.pk)


def test_an_intent_that_was_open_before_stays_open(alice: User) -> None:
    session = make_login(alice)
    fail(intend(session), "unknown")
    lease_over(session)
    fail(intend(session), "no")
    row = row_of(session)
    assert (row.intent_generation, row.presentations, row.refresh_attempts) == (0, 1, 2)


def test_an_unknown_outcome_leaves_the_intent(alice: User) -> None:
    session = make_login(alice)
    fail(intend(session), "unknown", code="token_outcome_unknown")
    row = row_of(session)
    assert (row.intent_generation, row.presentations, row.status) == (0, 1, "active")
    state = loop.run(store.peek(str(session.pk)), 60)
    assert state.intent_open and state.resting and 50 < state.lease_left <= 60
    found = busy(session)
    assert found.resting and 50 < found.lease_left <= 60, "nobody presents again before the lease is over"
    assert actions(session) == [trail.REFRESH_UNKNOWN]
    lease_over(session)
    assert take(session).intent_open


@pytest.mark.parametrize(("reason", "kind"), [("refused", "needs-reauth"), ("answer_lost", "answer-lost")])
def test_a_refusal_needs_a_person(alice: User, reason: str, kind: str) -> None:
    session = make_login(alice)
    begun = timezone.now()
    fail(intend(session), "refused", code="token_refused", message="Sign in again.", reason=reason)
    row = row_of(session)
    assert (row.status, row.status_reason, row.refresh_error_code) == ("needs_reauth", "Sign in again.", reason)
    assert row.status_changed_at >= begun and row.next_refresh_at is None and row.intent_generation is None
    notice = Notice.objects.get()
    assert (notice.kind, notice.session_id, notice.owner_id) == (kind, session.pk, alice.pk)
    assert "my_login" in notice.title and "Sign in again." in notice.text
    assert actions(session) == [trail.REFRESH_REFUSED] and free()


def test_a_refusal_after_an_unknown_outcome_keeps_the_intent_open(alice: User) -> None:
    """So that no later caller sends the same token a third time."""
    session = make_login(alice)
    fail(intend(session), "unknown")
    lease_over(session)
    fail(intend(session), "refused", reason="answer_lost")
    claim = take(session)
    assert (claim.intent_open, claim.presentations, claim.status) == (True, 2, "needs_reauth")


def test_a_disabled_session_is_not_asked_for(alice: User) -> None:
    session = make_login(alice)
    claim = intend(session)
    lifecycle.disable(session)
    fail(claim, "refused", reason="refused")
    assert row_of(session).status == "disabled" and not Notice.objects.exists()


def test_a_failure_of_an_older_login_is_not_the_newer_ones(alice: User) -> None:
    session = make_login(alice)
    claim = intend(session)
    assert credentials.swap(session.pk, 0, tokens_of(9), {})
    for spent in ("no", "unknown", "refused"):
        fail(claim, spent, reason="refused")
    row = row_of(session)
    assert (row.status, row.refresh_error, row.refresh_attempts) == ("active", "", 0) and not Notice.objects.exists()


def test_a_former_holder_does_not_undo_what_the_new_one_does(alice: User) -> None:
    session = make_login(alice)
    first = intend(session)
    lease_over(session)
    second = intend(session)
    fail(first, "no")
    row = row_of(session)
    assert (row.intent_generation, row.presentations) == (0, 2)
    assert RefreshLane.objects.get().lease_token == second.lease


def test_a_person_is_told_of_troubles_that_last(alice: User) -> None:
    session = make_login(alice)
    for number in range(1, 8):
        fail(intend(session), "no")
        assert Notice.objects.count() == (1 if number >= 5 else 0)
    assert actions(session) == [trail.REFRESH_FAILED], "one line per trouble"
    keep(intend(session))
    assert not Notice.objects.filter(resolved_at=None).exists()


def test_a_postponed_refresh_sent_nothing(alice: User) -> None:
    session = make_login(alice)
    at = time.time() + 500
    loop.run(store.postpone(intend(session), at, "not yet"), 60)
    row = row_of(session)
    assert (row.intent_generation, row.presentations, row.refresh_attempts) == (None, 0, 0) and free()
    assert abs(row.next_refresh_at.timestamp() - at) < 0.001  # type: ignore[union-attr]
    loop.run(store.postpone(take(session), float("inf"), "never"), 60)
    assert row_of(session).next_refresh_at is None


def test_no_secret_is_logged_or_shown(alice: User, caplog: Any) -> None:
    session = make_login(alice, refresh=Secret("canary-refresh-1"), access=Secret("canary-access-1"))
    with caplog.at_level("DEBUG"):
        claim = intend(session)
        loop.run(store.postpone(claim, None, "not yet"), 60)
        keep(intend(session), tokens_of(2, refresh=Secret("canary-refresh-2")))
    assert "canary" not in caplog.text + repr(claim)

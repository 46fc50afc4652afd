"""What is said of a sign-in: in each of its states, with the one thing to do about it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app import selectors
from sessions_app.models import AuthSession
from sessions_app.presenters.status import describe
from tests.unit.sessions.logins import make_login
from tests.unit.sessions.support import fresh

pytestmark = pytest.mark.both


def at(minutes: float) -> timedelta:
    """A time seen from when the test runs."""
    return timedelta(minutes=minutes)


def now_is(values: dict[str, Any]) -> dict[str, Any]:
    """The same values with their times counted from now."""
    now = timezone.now()
    return {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}


NOW = at(0)


LOST = {"status": "needs_reauth", "refresh_error_code": "answer_lost", "next_refresh_at": None}
OPEN = {"intent_generation": 0, "intent_at": at(-5), "presentations": 1}
FAILED = {"refresh_error_code": "upstream_server_error", "refresh_error": "The token endpoint answered 503."}
READ_ONLY = {"read_only_reason": "Codex refreshes it.", "next_refresh_at": None}
# what is stored -> state, label, action, a piece of the words, a piece of what else is said
TABLE: list[tuple[str, dict[str, Any], tuple[str, str, str, str, str]]] = [
    ("healthy", {}, ("active", "Active", "", "Refreshes by itself", "")),
    ("soon refreshed", {"expires_at": at(20), "next_refresh_at": at(10)},
     ("active", "Active", "", "Refreshes by itself", "")),
    ("due this minute", {"expires_at": at(10), "next_refresh_at": at(-1)},
     ("active", "Active", "", "Refreshes by itself", "")),
    ("overdue", {"expires_at": at(20), "next_refresh_at": at(-30)},
     ("failing", "Refresh overdue", "refresh", "Refresh was due", "/readyz")),
    ("overdue for days", {"expires_at": None, "next_refresh_at": at(-3000)},
     ("failing", "Refresh overdue", "refresh", "Refresh was due", "schedule")),
    ("planned too late", {"expires_at": at(20), "next_refresh_at": at(25)},
     ("expiring", "Expiring", "reauth", "Ends", "")),
    ("failing", {**FAILED, "expires_at": at(8), "next_refresh_at": at(2)},
     ("failing", "Refresh failing", "refresh", "Refresh failed; next try", "503")),
    ("failing with days left", {**FAILED, "expires_at": at(9000), "next_refresh_at": at(2)},
     ("failing", "Refresh failing", "refresh", "Refresh failed; next try", "503")),
    ("ended while failing", {**FAILED, "expires_at": at(-8), "next_refresh_at": at(2)},
     ("retrying", "Expired", "refresh", "Trying again", "The last refresh failed: The token endpoint answered 503.")),
    ("ended, never refreshed", {"expires_at": at(-60), "next_refresh_at": at(-70)},
     ("expired", "Expired", "refresh", "Access ended", "schedule")),
    ("under way", {"intent_generation": 0, "intent_at": NOW, "presentations": 1},
     ("active", "Active", "", "Refreshes by itself", "")),
    ("no known outcome", {**OPEN, "expires_at": at(90), "next_refresh_at": at(90)},
     ("unknown", "Outcome unknown", "reauth", "Last refresh has no known outcome; still works, ends", "final answer")),
    ("no known outcome, just now", {**OPEN, "intent_at": NOW, "refresh_error_code": "token_outcome_unknown"},
     ("unknown", "Outcome unknown", "reauth", "Last refresh has no known outcome", "final answer")),
    ("an intent of an older login", {**OPEN, "generation": 3}, ("active", "Active", "", "Refreshes by itself", "")),
    ("no known outcome, and ended", {**OPEN, "expires_at": at(-1), "next_refresh_at": at(-1)},
     ("expired", "Expired", "refresh", "Access ended", "final answer")),
    ("no known outcome, ended, tried again", {**OPEN, **FAILED, "expires_at": at(-1), "next_refresh_at": at(4)},
     ("retrying", "Expired", "refresh", "Trying again", "final answer")),
    ("answer lost", {**LOST, "status_reason": "Its answer was lost."},
     ("needs_reauth", "Needs re-auth", "reauth", "The answer to a refresh was lost", "never arrived")),
    ("answer lost, as a code", {**LOST, "refresh_error_code": "", "status_reason": "answer_lost"},
     ("needs_reauth", "Needs re-auth", "reauth", "The answer to a refresh was lost", "never arrived")),
    ("refused", {"status": "needs_reauth", "status_reason": "It was revoked.", "next_refresh_at": None},
     ("needs_reauth", "Needs re-auth", "reauth", "It was revoked", "")),
    ("refused without words", {"status": "needs_reauth"},
     ("needs_reauth", "Needs re-auth", "reauth", "no longer accepts", "")),
    ("read-only", {**READ_ONLY, "expires_at": at(9000)},
     ("active", "Active", "", "Never refreshed here, ends", "Codex refreshes it.")),
    ("read-only, nearly over", {**READ_ONLY, "expires_at": at(20)},
     ("expiring", "Expiring", "reauth", "Ends", "Codex refreshes it.")),
    ("read-only, over", {**READ_ONLY, "expires_at": at(-20)},
     ("expired", "Expired", "reauth", "Ended", "Codex refreshes it.")),
    ("a key that never ends", {"expires_at": None, "next_refresh_at": None},
     ("active", "Active", "", "Signed in", "")),
    ("forbidden", {"status": "forbidden", "status_reason": "A role is missing."},
     ("forbidden", "Forbidden", "details", "A role is missing", "")),
    ("misconfigured", {"status": "misconfigured", "status_reason": "Wrong project."},
     ("misconfigured", "Misconfigured", "details", "Wrong project", "")),
    ("switched off", {"status": "disabled"}, ("disabled", "Disabled", "enable", "Switched off", "")),
    ("switched off without secrets", {"status": "disabled", "key_id": "", "status_reason": "Revoked."},
     ("disabled", "Disabled", "reauth", "Switched off", "Revoked.")),
    ("limited", {"limited_until": at(5)}, ("limited", "Limited", "details", "free again", "")),
    ("unreachable", {"last_error_code": "connection_failed", "last_error": "Refused.", "last_error_at": NOW},
     ("unreachable", "Unreachable", "test", "Refused", "")),
    ("stuck and limited", {**FAILED, "limited_until": at(5)},
     ("failing", "Refresh failing", "refresh", "Refresh failed", "503")),
]  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_sign_in_is_described(alice: User, values: dict[str, Any], expected: tuple[str, ...]) -> None:
    session = make_login(alice, **now_is(values))
    view = describe(session)
    state, label, action, words, more = expected
    assert (view.state, view.label, view.action) == (state, label, action), view
    assert words in view.words and more in view.more and bool(more) == bool(view.more), view
    assert (view.action_label == "None needed") == (not action)
    if state != "active":
        assert state in "".join(sum(selectors.GROUPS.values(), ())), "each state belongs to a chip"
        assert view.tone != "ok"


def test_the_time_beside_the_words_is_the_one_they_speak_of(alice: User) -> None:
    session = make_login(alice, **now_is({"expires_at": at(90), "next_refresh_at": at(40)}))
    assert describe(session).when == session.next_refresh_at
    AuthSession.objects.filter(pk=session.pk).update(**now_is(OPEN))
    assert describe(fresh(session)).when == session.expires_at
    since = timezone.now() - timedelta(minutes=7)
    AuthSession.objects.filter(pk=session.pk).update(**LOST, status_changed_at=since)
    assert describe(fresh(session)).when == since


def test_counts_and_the_number_that_needs_a_person_agree_with_the_table(
    alice: User, django_assert_num_queries: Any
) -> None:
    for number, (_, values, _) in enumerate(TABLE):
        make_login(alice, f"login_{number}", **now_is(values))
    expected = {group: sum(row[2][0] in states for row in TABLE) for group, states in selectors.GROUPS.items()}
    with django_assert_num_queries(1):
        counts = selectors.counts(alice.pk)
    assert counts == {"all": len(TABLE), **expected}
    with django_assert_num_queries(1):
        assert selectors.attention_count(alice.pk) == expected["attention"]

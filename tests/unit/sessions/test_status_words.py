"""What is said of a session in each of its states: tone, words, their age, and the one thing to do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from sessions_app.models import AuthSession
from sessions_app.presenters.status import describe

SINCE, ENDS, NEXT, EARLIEST, FAILED, LIMITED, TESTED, USED, INTENT = (
    datetime(2000 + number, 5, 6, tzinfo=UTC) for number in range(1, 10)
)
NEVER = {"next_refresh_at": None, "earliest_refresh_at": None}
DONE = ("", "None needed")
KEY, AGAIN, FIX, TEST = (
    ("key", "Replace key"), ("reauth", "Sign in again"), ("details", "How to fix"), ("test", "Test again"),
)  # fmt: skip


def session(state: str, **columns: Any) -> AuthSession:
    values: dict[str, Any] = {
        "auth_type": "api_key", "key_id": "k", "status_changed_at": SINCE, "last_error_at": FAILED,
        "limited_until": LIMITED, "tested_at": TESTED, "last_used_at": USED, "intent_at": INTENT,
    }  # fmt: skip
    made = AuthSession(**(values | columns))
    made.state = state  # type: ignore[attr-defined]
    return made


def login(state: str, **columns: Any) -> AuthSession:
    values = {"auth_type": "oauth", "expires_at": ENDS, "next_refresh_at": NEXT, "earliest_refresh_at": EARLIEST}
    return session(state, **(values | columns))


TABLE: list[tuple[AuthSession, tuple[Any, ...]]] = [
    (session("needs_reauth"), ("Needs re-auth", "bad", "The provider refused the key", SINCE, *KEY)),
    (session("needs_reauth", status_reason=" It is gone. "), ("Needs re-auth", "bad", "It is gone", SINCE, *KEY)),
    (login("needs_reauth"), ("Needs re-auth", "bad", "The provider no longer accepts the login", SINCE, *AGAIN)),
    (session("forbidden"), ("Forbidden", "bad", "The login may not do this", SINCE, *FIX)),
    (session("misconfigured"), ("Misconfigured", "mute", "The address is not right", SINCE, "address", "Edit")),
    (login("misconfigured"), ("Misconfigured", "mute", "The address is not right", SINCE, *FIX)),
    (session("disabled"), ("Disabled", "mute", "Switched off", SINCE, "enable", "Enable")),
    (session("disabled", key_id=""), ("Disabled", "mute", "Switched off", SINCE, *KEY)),
    (login("disabled", key_id=""), ("Disabled", "mute", "Switched off", SINCE, *AGAIN)),
    (session("disabled", key_id="", auth_type="none"), ("Disabled", "mute", "Switched off", SINCE, "enable", "Enable")),
    (session("expired", expires_at=ENDS), ("Expired", "bad", "Ended", ENDS, *KEY)),
    (login("expired"), ("Expired", "bad", "Access ended", ENDS, "refresh", "Refresh now")),
    (login("refused"), (
        "Access refused", "bad", "The provider refused the access token; the next refresh is possible", EARLIEST,
        *AGAIN,
    )),
    (login("refused", **NEVER), ("Access refused", "bad", "The provider refused the access token", None, *AGAIN)),
    (login("unknown"), (
        "Outcome unknown", "warn", "Last refresh has no known outcome; still works, ends", ENDS, *AGAIN,
    )),
    (login("unknown", expires_at=None), (
        "Outcome unknown", "warn", "Last refresh has no known outcome, sent", INTENT, *AGAIN,
    )),
    (login("failing"), ("Refresh overdue", "warn", "Refresh was due", NEXT, "refresh", "Refresh now")),
    (login("failing", refresh_error_code="x"), (
        "Refresh failing", "warn", "Refresh failed; next try", NEXT, "refresh", "Refresh now",
    )),
    (session("limited"), ("Limited", "warn", "429 from the service, free again", LIMITED, "details", "See why")),
    (session("limited", last_error_code="upstream_quota"), (
        "Limited", "warn", "Quota used up, free again", LIMITED, "details", "See why",
    )),
    (session("unreachable"), ("Unreachable", "bad", "The provider did not answer", FAILED, *TEST)),
    (session("unreachable", last_error="No route."), ("Unreachable", "bad", "No route", FAILED, *TEST)),
    (session("expiring", expires_at=ENDS), ("Expiring", "warn", "Ends", ENDS, *KEY)),
    (login("active"), ("Active", "ok", "Refreshes by itself", NEXT, *DONE)),
    (login("active", read_only_reason="x"), ("Active", "ok", "Never refreshed here, ends", ENDS, *DONE)),
    (login("active", tested_at=None, last_used_at=None, expires_at=None), (
        "Active", "ok", "Signed in", SINCE, *DONE,
    )),
    (session("active"), ("Active", "ok", "Tested", TESTED, *DONE)),
    (session("active", tested_at=None), ("Active", "ok", "Worked", USED, *DONE)),
    (session("active", tested_at=None, last_used_at=None), (
        "Active", "ok", "Not tested yet", None, "test", "Test",
    )),
]  # fmt: skip
URGENT = {"needs_reauth", "expired", "retrying", "refused"}
REASONED = {"needs_reauth", "forbidden", "misconfigured", "unreachable"}


@pytest.mark.parametrize(("row", "said"), TABLE)
def test_what_is_said_of_a_state(row: AuthSession, said: tuple[Any, ...]) -> None:
    view = describe(row)
    state = row.state  # type: ignore[attr-defined]
    assert (view.label, view.tone, view.words, view.when, view.action, view.action_label) == said
    assert (view.state, view.urgent) == (state, state in URGENT)
    assert view.joint == (" · " if state in REASONED else " ")


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("needs_reauth", "", "The server asks for a key, and this session has none"),
        ("forbidden", "", "The server asks for a key, and this session has none"),
        ("misconfigured", "upstream_authentication", "The server asks for a key, and this session has none"),
        ("misconfigured", "upstream_permission", "The server asks for a key, and this session has none"),
        ("misconfigured", "other", "The address is not right"),
    ],
)
def test_a_session_without_a_key_is_not_told_to_replace_it(state: str, code: str, words: str) -> None:
    view = describe(session(state, auth_type="none", last_error_code=code))
    assert (view.label, view.tone, view.words, view.when) == ("Misconfigured", "mute", words, SINCE)
    assert (view.state, view.action) == ("misconfigured", "address" if code == "other" else "test")


@pytest.mark.parametrize(
    ("row", "more"),
    [
        (session("disabled"), ""),
        (session("disabled", key_id=""), "Its secrets were destroyed."),
        (session("disabled", key_id="", status_reason="Revoked."), "Revoked."),
        (login("needs_reauth", refresh_error_code="answer_lost"), "A refresh was sent and its answer never arrived"),
        (login("needs_reauth"), ""),
        (login("refused", refresh_error="It said no.", last_error="x"), "It said no."),
        (login("refused", last_error="401"), "401"),
        (login("failing", refresh_error_code="busy"), "busy"),
        (login("failing", refresh_error_code="busy", refresh_error="It is busy."), "It is busy."),
        (login("expired", refresh_error="It is busy."), "The last refresh failed: It is busy."),
        (login("expired", intent_generation=0), "A refresh was sent and its outcome is unknown."),
        (login("unknown"), "A refresh was sent and its outcome is unknown."),
        (login("expiring", read_only_reason="The CLI does."), "Maestro does not refresh it: The CLI does."),
        (login("active", read_only_reason="The CLI does."), "Maestro does not refresh it: The CLI does."),
    ],
)
def test_what_else_there_is_to_know(row: AuthSession, more: str) -> None:
    said = describe(row).more
    assert said.startswith(more) and bool(said) == bool(more)


@pytest.mark.parametrize(
    ("code", "ahead", "words"), [("busy", 60, "Trying again"), ("busy", -60, "Access ended"), ("", 60, "Access ended")]
)
def test_an_ended_login_is_tried_again_while_a_next_try_is_planned(code: str, ahead: int, words: str) -> None:
    planned = timezone.now() + timedelta(seconds=ahead)
    view = describe(login("retrying", refresh_error_code=code, next_refresh_at=planned))
    assert (view.words, view.when) == (words, planned if words == "Trying again" else ENDS)
    assert (view.state, view.label, view.action) == ("retrying", "Expired", "refresh")

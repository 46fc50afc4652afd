"""Answers of a strict token server that do not prove whether the token was spent: what is sent, stored and shown."""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers_app import conf, errors, loop
from providers_app.refresh.rules import failure_of
from sessions_app import credentials, selectors
from sessions_app.models import AuthSession, Notice, RefreshLane
from sessions_app.presenters.status import StatusView, describe
from sessions_app.services import refresh
from tests.unit.sessions.commands import Run
from tests.unit.sessions.refresh.support import intend, lease_over, make_login, row_of, store, take
from tests.unit.sessions.refresh.test_schedule import auth, book_of, signed_in
from tests.vendors.auth.records import Fault, FaultKind
from tests.vendors.server import VendorServer
from tests.waiting import wait_until

__all__ = ["auth"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

UNPROVEN: list[tuple[FaultKind, int | None]] = [
    ("status", 500),
    ("status", 503),
    ("status", 409),
    ("status", 200),
    ("reset", None),
    ("empty", None),
]


@pytest.fixture(params=UNPROVEN, ids=lambda fault: f"{fault[0]}-{fault[1]}")
def fault(request: pytest.FixtureRequest) -> Iterator[tuple[FaultKind, int | None]]:
    yield request.param


def end_access(session: AuthSession) -> None:
    """Let the access token have ended a moment ago, and the refresh be due."""
    tokens = credentials.open_tokens(AuthSession.objects.get(pk=session.pk))
    assert tokens is not None
    tokens = msgspec.structs.replace(tokens, expires_at=time.time() - 1)
    columns = credentials.sealed_columns(session.pk, tokens.signing, tokens)
    now = timezone.now()
    AuthSession.objects.filter(pk=session.pk).update(**columns, expires_at=now, next_refresh_at=now)


def due_now(session: AuthSession) -> None:
    lease_over(session)
    AuthSession.objects.filter(pk=session.pk).update(next_refresh_at=timezone.now())


def shown(session: AuthSession) -> StatusView:
    return describe(selectors.get(session.owner_id, session.pk))


def told(run: Run, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = run("refresh_tokens", *arguments, "--json")
    (row,) = json.loads(out)
    return code, row


def test_an_outage_that_commits_nothing_costs_no_login(
    alice: User, auth: VendorServer, run: Run, fault: tuple[FaultKind, int | None]
) -> None:
    session, book = signed_in(alice, auth), book_of(auth)
    end_access(session)
    book.faults.extend(Fault(fault[0], "before", status=fault[1]) for _ in range(6))
    for number in range(6):
        due_now(session)
        if number % 2:
            assert refresh.refresh_now(row_of(session), actor_id=alice.pk).done == "unknown"
        else:
            code, row = told(run)
            assert (code, row["done"]) == (3, "unknown") and row["next_try"], row
    view = shown(session)
    assert (view.state, view.words, view.action) == ("retrying", "Trying again", "refresh")
    assert selectors.attention_count(alice.pk) == 0 and not Notice.objects.exists(), "nothing that a person can do"
    assert view.when is not None and view.when > timezone.now()
    due_now(session)
    assert refresh.refresh_due()[0].done == "refreshed"
    assert (shown(session).state, book.summary()["burned"]) == ("active", {})
    assert not Notice.objects.filter(resolved_at=None).exists()


def test_a_committed_answer_that_is_lost_is_presented_again_only_after_the_access_has_ended(
    alice: User, auth: VendorServer, run: Run, fault: tuple[FaultKind, int | None]
) -> None:
    session, book = signed_in(alice, auth), book_of(auth)
    book.faults.append(Fault(fault[0], "after", status=fault[1]))
    assert refresh.refresh_due()[0].done == "unknown"
    for rests in (True, False):
        if not rests:
            due_now(session)
        assert refresh.refresh_now(row_of(session), actor_id=alice.pk).done == "kept"
        code, row = told(run, "--session", "my_login")
        assert (code, row["done"]) == (3, "kept")
    assert shown(session).state == "unknown" and book.summary()["presentations"] == 1
    end_access(session)
    due_now(session)
    code, row = told(run)
    assert (code, row["done"], row["code"]) == (1, "needs_person", "token_refused"), row
    row_now = row_of(session)
    assert (row_now.status, row_now.refresh_error_code) == ("needs_reauth", "answer_lost")
    view = shown(session)
    assert (view.state, view.action, view.words) == ("needs_reauth", "reauth", "The answer to a refresh was lost")
    assert Notice.objects.get(resolved_at=None).kind == "answer-lost"
    assert told(run)[0] == 1 and book.summary()["presentations"] == 2


def test_an_answer_that_comes_after_the_deadline_is_not_overtaken(alice: User, auth: VendorServer) -> None:
    """The server is still at work when the deadline is over; a second request would meet the first there."""
    session, book = signed_in(alice, auth), book_of(auth)
    other = signed_in(alice, auth, "same_account")
    book.lane_check = True
    book.faults.append(Fault("delay", "before", seconds=60))
    end_access(session)
    before = conf.current()
    conf.configure(before.model_copy(update={"refresh_timeout_s": 3}))
    assert refresh.refresh_many([session.pk], trigger="schedule")[0].done == "unknown"
    conf.configure(before)
    assert refresh.refresh_now(row_of(session), actor_id=alice.pk).done == "unknown"
    report = refresh.refresh_now(row_of(other), actor_id=alice.pk)
    assert (report.done, report.code) == ("failed", "refresh_failed")
    book.go_on.set()
    wait_until(lambda: book.summary()["presentations"])
    assert (book.summary()["overlaps"], book.summary()["presentations"], book.summary()["burned"]) == (0, 1, {})


@pytest.mark.parametrize(
    ("presented", "reason"), [(True, "answer_lost"), (False, "refused")], ids=["presented", "claimed alone"]
)
def test_the_refusal_of_a_token_that_another_process_presented_meanwhile_is_a_lost_answer(
    alice: User, presented: bool, reason: str
) -> None:
    session = make_login(alice)
    frozen = intend(session)
    lease_over(session)
    second = take(session)
    if presented:
        assert loop.run(store.write_intent(second), 60) is not None
    failure = failure_of(errors.TokenRefused("reused", status=400), frozen, "single_use", "schedule", now=time.time())
    loop.run(store.fail(frozen, failure), 60)
    row = row_of(session)
    assert (row.status, row.refresh_error_code) == ("needs_reauth", reason)
    assert row.intent_generation == (0 if presented else None), "the intent of the other process stays open"
    assert ("its answer was lost" in row.status_reason) is presented
    assert RefreshLane.objects.get().lease_token == second.lease

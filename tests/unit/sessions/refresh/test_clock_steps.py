"""Leases and the schedule under a clock that is set; a step of the database's clock is a changed ``lease_until``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.utils import timezone

from providers_app import loop
from providers_app.refresh import clock
from sessions_app.models import AuthSession, RefreshLane
from sessions_app.services import refresh
from sessions_app.stores import lanes
from tests.processes import ROOT, environment
from tests.unit.sessions.refresh.support import busy, fail, intend, lease_over, make_login, row_of, store, take

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

HOUR = timedelta(hours=1)
OTHER = "another machine"
HOLDER = """
import sys, django
django.setup()
from django.db import connection
from sessions_app.stores import lanes
connection.settings_dict["NAME"] = sys.argv[1]
print(lanes.take(sys.argv[2], "l", "holder", 60.0), flush=True)
sys.stdin.read()
"""


def step(by: timedelta) -> None:
    """Set the clock of the database forward (back, if negative) while a lease lasts."""
    RefreshLane.objects.update(lease_until=F("lease_until") - by)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Any]:
    """Starts a process that takes the lane of a session, and lives until the test ends."""
    children: list[subprocess.Popen[str]] = []

    def start(session: AuthSession) -> None:
        server = {"DATABASE_URL": os.environ["TEST_POSTGRES"]} if connection.vendor == "postgresql" else {}
        name, lane = str(connection.settings_dict["NAME"]), row_of(session).lane
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, name, lane.key],  # type: ignore[union-attr]
            cwd=ROOT,
            env=environment(tmp_path, DJANGO_SETTINGS_MODULE="maestro_site.settings", **server),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stdout is not None and child.stdout.readline() == "True\n"

    yield start
    for child in children:
        child.communicate()


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_holder_on_this_machine_is_respected_for_as_long_as_its_lease(
    alice: User, by: timedelta, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_login(alice)
    holder(session)
    step(by)
    assert 0 < busy(session).lease_left <= 60 and not busy(session).resting
    assert lanes.held_by("holder") and 0 < loop.run(store.peek(str(session.pk)), 60).lease_left <= 60
    real = clock.elapsed
    monkeypatch.setattr(clock, "elapsed", lambda: real() + 60)
    assert not lanes.held_by("holder") and take(session), "one that hangs does not block for ever"


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_lane_rests_as_long_as_it_would_have(alice: User, by: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_login(alice)
    fail(intend(session), "unknown")
    step(by)
    assert busy(session).resting and busy(session).lease_left <= 60
    real = clock.elapsed
    monkeypatch.setattr(clock, "elapsed", lambda: real() + 60)
    assert take(session).intent_open


@pytest.mark.parametrize(("by", "over"), [(timedelta(0), False), (HOUR, True), (-HOUR, True), (-HOUR / 12, False)])
@pytest.mark.parametrize("rests", [False, True])
def test_the_lease_of_another_machine_is_over_when_it_is_longer_than_one_can_be(
    alice: User, by: timedelta, over: bool, rests: bool
) -> None:
    session = make_login(alice)
    claim = intend(session)
    if rests:
        fail(claim, "unknown")
    RefreshLane.objects.update(boot=OTHER, boot_until=clock.elapsed() + (-HOUR if over else HOUR).total_seconds())
    step(by)
    assert lanes.held_by("test") is (not over and not rests)
    assert (loop.run(store.peek(str(session.pk)), 60).lease_left == 0) is over
    if over:
        assert take(session).intent_open
    else:
        assert busy(session).resting is rests


def test_a_former_start_of_this_machine_says_nothing_of_a_lease(alice: User) -> None:
    session = make_login(alice)
    take(session)
    RefreshLane.objects.update(boot_until=clock.elapsed() + 10_000)
    assert take(session), "where starts have no name, the time since them may be of another one"
    lease_over(session)
    assert take(session)


def test_what_was_stored_before_the_clock_was_set_back_is_due(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    real, now, ahead = time.time, timezone.now(), [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    monkeypatch.setattr(refresh, "_watch", clock.Watch())
    monkeypatch.setattr(refresh, "due", lambda *given, **narrowed: [])
    before = {"next_refresh_at": now + 1.9 * HOUR}
    made: dict[str, dict[str, Any]] = {
        "refreshed": before | {"created_at": now - HOUR, "refreshed_at": now + HOUR},
        "failed": before | {"refreshed_at": now - HOUR, "refresh_failed_at": now + HOUR},
        "signed in": before | {"created_at": now + HOUR},
        "stored since": before | {"created_at": now + HOUR, "refreshed_at": now},
        "never": {"created_at": now + HOUR, "next_refresh_at": None},
        "dead": before | {"created_at": now + HOUR, "status": "needs_reauth"},
    }
    for name, columns in made.items():
        AuthSession.objects.filter(pk=make_login(alice, name, account_id=name).pk).update(**columns)

    def due() -> list[str]:
        refresh.refresh_due()
        return sorted(refresh.due_sessions().values_list("name", flat=True))

    assert due() == [], "nothing was set"
    ahead[0] = HOUR.total_seconds()
    assert due() == [], "set forward"
    ahead[0] = 0.0
    assert due() == ["failed", "refreshed", "signed in"]

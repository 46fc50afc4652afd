"""Outcomes of calls: judged in memory, written in batches, and not lost while the database is away."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from providers_app import loop
from providers_app.errors import AuthenticationFailed, RateLimited, UpstreamTimeout
from providers_app.ports import Session
from sessions_app.errors import StoreUnavailable
from sessions_app.models import AuthSession
from sessions_app.services import outcomes
from sessions_app.stores import outcome_queue as module
from sessions_app.stores.outcome_queue import Outcome, OutcomeQueue
from sessions_app.stores.sessions import DjangoSessionStore
from tests.processes import ROOT, environment
from tests.unit.sessions.support import fresh, make, settle


def session(**changes: object) -> Session:
    values: dict[str, object] = {"id": "s1", "owner": 1, "provider": "remote", "auth_type": "api_key", "name": "box"}
    return Session(**{**values, "status": "active", **changes})  # type: ignore[arg-type]


class Desk:
    """Runs what the queue hands over when the test says so."""

    def __init__(self) -> None:
        self.written: list[list[Outcome]] = []
        self.jobs: list[Callable[[], None]] = []
        self.away = False
        self.queue = OutcomeQueue(self.write, self.jobs.append)
        self.queue._hurry.set()  # a test waits for nothing

    def write(self, batch: list[Outcome]) -> None:
        if self.away:
            raise StoreUnavailable("The database did not answer.")
        self.written.append(batch)

    def work(self) -> None:
        jobs, self.jobs[:] = list(self.jobs), []
        for job in jobs:
            self.queue._hurry.set()
            job()


def test_a_success_that_changes_nothing_is_not_queued() -> None:
    desk = Desk()
    desk.queue.add(session(last_used_at=timezone.now().timestamp() - 5), None)
    assert desk.jobs == []


@pytest.mark.parametrize(
    "changes", [{"status": "needs_reauth"}, {"troubled": True}, {"last_used_at": 1000.0}, {"last_used_at": None}]
)
def test_a_success_that_ends_trouble_or_is_the_first_in_a_minute_is_written(changes: dict[str, object]) -> None:
    desk = Desk()
    desk.queue.add(session(**{"last_used_at": timezone.now().timestamp(), **changes}), None)
    desk.work()
    assert [len(batch) for batch in desk.written] == [1]


def test_what_was_queued_is_known_before_it_is_written() -> None:
    desk = Desk()
    for _ in range(3):
        desk.queue.add(session(), None)
    desk.work()
    assert [len(batch) for batch in desk.written] == [1]
    desk.queue.add(session(), None)
    assert desk.jobs == []
    desk.queue.add(session(), UpstreamTimeout("silence"))
    desk.queue.add(session(), None)  # it ends the trouble
    desk.work()
    assert [outcome.error is None for outcome in desk.written[1]] == [False, True]


def test_equal_outcomes_are_kept_once_and_the_last_kind_is_written_last() -> None:
    desk = Desk()
    for error in (UpstreamTimeout("a"), RateLimited("b"), UpstreamTimeout("c"), None, UpstreamTimeout("d")):
        desk.queue.add(session(), error)
    desk.work()
    assert [str(outcome.error) for outcome in desk.written[0]] == ["b", "None", "d"]


def test_a_flush_hurries_one_batch_and_the_next_ones_wait_again() -> None:
    desk = Desk()
    desk.queue.add(session(), UpstreamTimeout("silence"))
    desk.queue._hurry.clear()
    assert desk.queue.flush(0) is False and desk.queue._hurry.is_set()
    for job in desk.jobs:
        job()
    assert not desk.queue._hurry.is_set() and len(desk.written) == 1


def test_outcomes_wait_while_the_database_is_away_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    desk = Desk()
    desk.away = True
    for number in range(5):
        desk.queue.add(session(id=f"s{number}"), UpstreamTimeout("silence"))
        desk.work()
    desk.away = False
    desk.work()
    assert [outcome.session.id for outcome in desk.written[0]] == ["s2", "s3", "s4"]


def test_what_came_during_an_outage_is_written_after_what_came_before_it() -> None:
    desk = Desk()
    refused = AuthenticationFailed("The key is not valid.", status=401)

    def away(batch: list[Outcome]) -> None:
        desk.queue.add(session(), None)  # while the write fails
        raise StoreUnavailable("The database did not answer.")

    desk.queue.add(session(), refused)
    desk.queue._write = away
    desk.work()
    desk.queue._write = desk.write
    desk.work()
    assert [outcome.error is None for outcome in desk.written[0]] == [False, True]


def test_a_waiting_outcome_keeps_no_request_in_memory() -> None:
    desk = Desk()
    try:
        raise UpstreamTimeout("silence", status=504, body=b"x" * 1000)
    except UpstreamTimeout as error:
        desk.queue.add(session(), error)
        desk.work()
        kept = desk.written[0][0].error
        assert isinstance(kept, UpstreamTimeout) and (kept.message, kept.status) == ("silence", 504)
        assert kept.__traceback__ is None and kept.body == b"" and error.body


def test_what_no_thread_takes_any_more_is_written_when_the_process_ends(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()

    def refuse(job: Callable[[], None]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    desk.queue._run = refuse
    desk.queue.add(session(), UpstreamTimeout("one"))
    desk.queue.drain()
    desk.queue.drain()
    assert [str(batch[0].error) for batch in desk.written] == ["one"] and caplog.text == ""
    desk.queue.add(session(), UpstreamTimeout("two"))
    desk.away = True
    desk.queue.drain()
    assert "1 outcomes are lost: the process ends (StoreUnavailable)" in caplog.text
    desk.queue._run, desk.away = desk.jobs.append, False
    desk.queue.add(session(), UpstreamTimeout("three"))
    desk.work()
    assert [str(batch[0].error) for batch in desk.written] == ["one", "three"]


def test_a_write_that_fails_as_a_bug_is_logged_and_the_queue_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    failing = [True]

    def write(batch: list[Outcome]) -> None:
        if failing.pop() if failing else False:
            raise ValueError("a bug")
        desk.written.append(batch)

    desk.queue._write = write
    desk.queue.add(session(), UpstreamTimeout("one"))
    desk.work()
    desk.queue.add(session(), UpstreamTimeout("two"))
    desk.work()
    assert [str(batch[0].error) for batch in desk.written] == ["two"]
    assert "could not be written" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.both
def test_the_thread_writes_what_was_reported(alice: User) -> None:
    row = make(alice)
    store = DjangoSessionStore()
    try:
        found, _ = loop.run(store.lookup(alice.pk, None, "my_key"), 60)
        threads = [
            threading.Thread(target=store.report_outcome, args=(found, error))
            for error in (None, AuthenticationFailed("The key is not valid.", status=401))
        ]
        for thread in threads:
            thread.start()
            thread.join()
    finally:
        settle()
    stored = fresh(row)
    assert (stored.status, stored.last_error_code) == ("needs_reauth", "upstream_authentication")
    assert stored.last_used_at is not None


@pytest.mark.django_db
@pytest.mark.both
def test_a_hundred_plain_uses_take_two_queries(alice: User) -> None:
    rows = [make(alice, f"key_{number}") for number in range(100)]
    now = timezone.now().replace(second=30)
    batch = [Outcome(session(id=str(row.pk)), None, now - timedelta(milliseconds=n)) for n, row in enumerate(rows)]
    with CaptureQueriesContext(connection) as queries:
        outcomes.record_all(batch)
    assert len(queries) == 2
    assert set(AuthSession.objects.values_list("last_used_at", flat=True)) == {now}


@pytest.mark.django_db
@pytest.mark.parametrize(("ago_s", "written"), [(-30, False), (0, False), (59, False), (60, True)])
def test_a_use_within_a_minute_of_the_stored_one_is_not_written(alice: User, ago_s: int, written: bool) -> None:
    row, now = make(alice), timezone.now()
    stored = now - timedelta(seconds=ago_s)
    AuthSession.objects.update(last_used_at=stored)
    outcomes.record_all([Outcome(session(id=str(row.pk)), None, now)])
    assert fresh(row).last_used_at == (now if written else stored)


@pytest.mark.django_db
def test_a_batch_says_nothing_of_a_newer_credential_or_a_session_that_is_gone(alice: User) -> None:
    row = make(alice)
    refused = AuthenticationFailed("The key is not valid.", status=401)
    old = session(id=str(row.pk), generation=row.generation + 1)
    gone = session(id="00000000-0000-4000-8000-000000000000")
    outcomes.record_all([Outcome(old, refused, timezone.now()), Outcome(gone, refused, timezone.now())])
    assert fresh(row).status == "active"


@pytest.mark.django_db
def test_a_later_outcome_of_a_batch_is_judged_by_what_the_one_before_left(alice: User) -> None:
    row = make(alice)
    known = session(id=str(row.pk))
    refused = AuthenticationFailed("The key is not valid.", status=401)
    now = timezone.now()
    outcomes.record_all([Outcome(known, refused, now), Outcome(known, None, now + timedelta(seconds=1))])
    assert (fresh(row).status, fresh(row).last_error_code) == ("active", "")


@pytest.mark.django_db
def test_an_outcome_that_waited_does_not_overrule_what_came_later(alice: User) -> None:
    row = make(alice)
    long_ago = timezone.now() - timedelta(minutes=5)
    outcomes.record(row.pk, None, tested=True)
    refused = AuthenticationFailed("The key is not valid.", status=401)
    outcomes.record_all([Outcome(session(id=str(row.pk)), refused, long_ago)])
    assert (fresh(row).status, fresh(row).last_error_code) == ("active", "")


@pytest.mark.django_db
def test_an_outcome_that_cannot_be_written_costs_no_other(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [make(alice, f"key_{number}") for number in range(2)]
    written = outcomes._record

    def record(found: object, stored: AuthSession, *given: object, **options: object) -> None:
        if stored.name == "key_0":
            raise ValueError("a bug")
        written(found, stored, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(outcomes, "_record", record)
    silent = UpstreamTimeout("silence")
    outcomes.record_all([Outcome(session(id=str(row.pk)), silent, timezone.now()) for row in rows])
    assert [fresh(row).last_error_code for row in rows] == ["", "upstream_timeout"]
    assert "could not be written" in caplog.text


SCRIPT = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0)
from providers_app import errors, loop, provider
from sessions_app.stores.sessions import DjangoSessionStore
user = get_user_model().objects.create(username="ann")
made = loop.run(
    provider.create_session("anthropic", "api_key", name="my_key", api_key="sk-ant-api03-" + "x" * 40, owner=user)
)
for text in ("first", "second", "last"):
    DjangoSessionStore().report_outcome(made, errors.UpstreamTimeout(text))
"""


def test_an_interpreter_that_ends_writes_what_was_reported_before(tmp_path: Path) -> None:
    def run(code: str) -> str:
        command, given = [sys.executable, "-c", code], environment(tmp_path)
        done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run(SCRIPT)
    show = "from sessions_app.models import AuthSession; print(AuthSession.objects.get().last_error)"
    assert run(SCRIPT.split("from django.contrib")[0] + show) == "last"

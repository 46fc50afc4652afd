"""What is due, in which order, and what the schedule, the command and the button do with it at a real server."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from providers_app import conf
from providers_app.registry.resolver import resolve
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient
from sessions_app import credentials, crypto, tasks
from sessions_app.models import AuthSession, Notice, RefreshLane, SessionEvent
from sessions_app.services import lifecycle, refresh, trail
from tests.unit.sessions.commands import Run
from tests.unit.sessions.refresh.support import fail, intend, make_login, row_of
from tests.unit.sessions.support import make
from tests.vendors.auth.clients import CLAUDE_CODE
from tests.vendors.server import VendorServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture
def auth(anthropic_auth: VendorServer) -> Iterator[VendorServer]:
    """The strict server, to which the provider is told to send its refresh tokens."""
    before = conf.current()
    own = conf.provider("anthropic")
    oauth = own.oauth.model_copy(update={"token_url": anthropic_auth.origin + "/v1/oauth/token", "profile_url": ""})
    changed = own.model_copy(update={"oauth": oauth, "enabled_flows": ("claude",)})
    conf.configure(before.model_copy(update={"anthropic": changed}))
    yield anthropic_auth
    conf.configure(before)


def book_of(server: VendorServer) -> Any:
    return server.vendor.book  # type: ignore[attr-defined]


def signed_in(
    owner: User, server: VendorServer, name: str = "my_login", *, account: str = "acct-1", **given: Any
) -> AuthSession:
    """A session with a login that the server issued."""
    book = book_of(server)
    if account not in book.accounts:
        book.add_account(account, f"{account}@example.com")
    issued = book.issue(account, CLAUDE_CODE)
    values: dict[str, Any] = {
        "flow": "claude",
        "access": Secret(issued.access),
        "refresh": Secret(issued.refresh),
        "client": OAuthClient(id=CLAUDE_CODE),
        "issuer": server.origin,
        "account_id": account,
    }
    return make_login(owner, name, **(values | given))


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run these on threads of their own that start at one moment; their results."""
    found: list[Any] = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def call(number: int) -> None:
        barrier.wait(10)
        try:
            found[number] = functions[number]()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


# Which


def test_the_longest_due_come_first_and_nothing_else(alice: User, bob: User) -> None:
    late = make_login(alice, "late", due_in=-500)
    soon = make_login(alice, "soon", account_id="b", due_in=300)
    just = make_login(bob, "just", account_id="c", due_in=-5)
    make_login(alice, "never", account_id="d", due_in=None)
    make_login(alice, "dead", account_id="e", status="needs_reauth")
    make_login(alice, "off", account_id="f", status="disabled")
    gone = make_login(alice, "gone", account_id="g")
    AuthSession.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())
    make(alice, "a_key")
    assert refresh.due(10) == [late.pk, just.pk]
    assert refresh.due(1) == [late.pk]
    assert refresh.due(10, within_s=600) == [late.pk, just.pk, soon.pk]
    assert refresh.due(10, provider="openai") == []
    assert refresh.due(10, now=timezone.now() - timedelta(hours=1)) == []
    usable = set(refresh.refreshable().values_list("pk", flat=True))
    assert usable >= {late.pk, soon.pk, just.pk}
    assert len(usable) == 4, "all that work, but for those that need a person or are off"


def test_the_partial_index_answers(alice: User) -> None:
    from tests.benchmarks.refresh import fill

    fill(alice.pk, 5000, due=40)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE sessions_app_authsession")
    with CaptureQueriesContext(connection) as seen:
        assert len(refresh.due(100)) == 40
    (query,) = [each["sql"] for each in seen.captured_queries if "next_refresh_at" in each["sql"]]
    plan = refresh.due_sessions().values_list("pk", flat=True)[:100].explain()
    assert "auth_session_refresh_due" in plan, plan
    assert "TEMP B-TREE" not in plan and "Sort" not in plan, plan
    assert "LIMIT 100" in query


# The schedule


def test_one_look_refreshes_what_is_due(alice: User, auth: VendorServer) -> None:
    due = [signed_in(alice, auth, f"due_{n}", account=f"acct-{n}") for n in range(12)]
    later = signed_in(alice, auth, "later", account="acct-x", due_in=900)
    reports = refresh.refresh_due()
    assert [report.session_id for report in reports] == [str(session.pk) for session in due]
    assert {report.done for report in reports} == {"refreshed"}
    assert all(row_of(session).generation == 1 for session in due) and row_of(later).generation == 0
    assert book_of(auth).summary()["accepted"] == 12
    assert refresh.refresh_due() == []


def test_two_looks_at_once_spend_one_token(alice: User, auth: VendorServer) -> None:
    book_of(auth).latency = 0.3
    session = signed_in(alice, auth)
    at_once(tasks.refresh_due, tasks.refresh_due)
    assert book_of(auth).summary()["presentations"] == 1 and row_of(session).generation == 1


def test_the_schedule_and_the_command_at_once_spend_one_token(alice: User, auth: VendorServer, run: Run) -> None:
    book_of(auth).latency = 0.3
    sessions = [signed_in(alice, auth, f"login_{n}", account=f"acct-{n}") for n in range(3)]
    _, (code, _, err) = at_once(tasks.refresh_due, lambda: run("refresh_tokens", "--all"))
    assert code == 0, err
    assert book_of(auth).summary()["presentations"] == 3
    assert [row_of(session).generation for session in sessions] == [1, 1, 1]


def test_two_sessions_of_one_account_and_client_do_not_burn_each_other(
    alice: User, bob: User, auth: VendorServer
) -> None:
    book = book_of(auth)
    book.lane_check, book.latency = True, 0.2
    mine, theirs = signed_in(alice, auth, "mine"), signed_in(bob, auth, "theirs")
    reports = refresh.refresh_due()
    assert [report.done for report in reports] == ["refreshed", "refreshed"], reports
    summary = book.summary()
    assert (summary["overlaps"], summary["burned"], summary["accepted"]) == (0, {}, 2)
    assert row_of(mine).generation == row_of(theirs).generation == 1


def test_a_session_that_cannot_be_opened_stops_nobody_and_is_not_due_for_a_while(
    alice: User, auth: VendorServer
) -> None:
    broken = signed_in(alice, auth, "broken", account="acct-b", due_in=-100)
    ring = crypto.current()
    crypto.configure(crypto.KeyRing.parse(crypto.KeyRing.generate()))
    good = signed_in(alice, auth, "good")
    reports = refresh.refresh_due()
    assert [(report.done, report.code) for report in reports] == [("failed", "key_ring"), ("refreshed", "")]
    assert row_of(good).generation == 1
    again = row_of(broken).next_refresh_at
    assert again is not None and again > timezone.now() + timedelta(minutes=20)
    crypto.configure(ring)


def test_a_look_ends_in_time(alice: User, auth: VendorServer) -> None:
    signed_in(alice, auth)
    assert refresh.refresh_many(refresh.due(), trigger="schedule", run_s=-1.0) == []
    assert book_of(auth).summary()["presentations"] == 0


# The button


def test_the_button_refreshes_what_is_not_due(alice: User, auth: VendorServer) -> None:
    session = signed_in(alice, auth, due_in=3000)
    report = refresh.refresh_now(session, actor_id=alice.pk)
    assert (report.done, report.generation) == ("refreshed", 1)
    line = SessionEvent.objects.get(action=trail.REFRESH_ASKED)
    assert line.actor_id == alice.pk and line.detail.startswith("refreshed")
    again = refresh.refresh_now(row_of(session), actor_id=alice.pk)
    assert again.done == "waited" and book_of(auth).summary()["presentations"] == 1, "two clicks are one refresh"


def test_the_button_is_throttled_and_never_raises(
    alice: User, auth: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = refresh.refresh_now(make(alice, "a_key"), actor_id=alice.pk)
    assert (report.done, report.code) == ("needs_person", "not_refreshable")
    monkeypatch.setattr(refresh, "REFRESHES_PER_MINUTE", 0)
    report = refresh.refresh_now(signed_in(alice, auth), actor_id=alice.pk)
    assert (report.done, report.code) == ("skipped", "throttled")
    assert book_of(auth).summary()["presentations"] == 0


def test_a_revoke_waits_for_the_refresh_that_is_under_way(
    alice: User, auth: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pair that it brings is the one to end; before, it arrived after the revoke and nobody ended it."""
    session = signed_in(alice, auth)
    first = credentials.open_tokens(session)
    ended: list[str] = []

    async def end(tokens: Any, http: Any) -> bool:
        ended.append(tokens.refresh.reveal())
        return True

    monkeypatch.setattr(type(resolve("anthropic", "oauth")), "revoke", lambda self, tokens, http: end(tokens, http))
    book_of(auth).latency = 1.0
    begun = threading.Event()

    def refreshed() -> Any:
        begun.set()
        return refresh.refresh_due()

    def revoked() -> bool:
        begun.wait(5)
        while not RefreshLane.objects.filter(lease_until__isnull=False).exists():
            time.sleep(0.01)
        return lifecycle.revoke(session)

    reports, done = at_once(refreshed, revoked)
    assert reports[0].done == "refreshed" and done is True
    assert first is not None and ended != [first.refresh.reveal()] and len(ended) == 1
    row = row_of(session)
    assert (row.status, row.key_id) == ("disabled", "") and row.lane.lease_until is None  # type: ignore[union-attr]


# The command


def test_the_command_says_what_was_done(alice: User, auth: VendorServer, run: Run) -> None:
    signed_in(alice, auth, "due_one")
    signed_in(alice, auth, "later", account="acct-2", due_in=500)
    code, out, err = run("refresh_tokens")
    lines = out.splitlines()
    assert (code, err) == (0, "") and len(lines) == 2
    assert lines[0].split() == ["SESSION", "DONE", "WHY", "EXPIRES", "NEXT", "TRY"]
    assert lines[1].split()[:2] == ["anthropic/oauth:due_one", "refreshed"]
    code, out, _ = run("refresh_tokens", "--within", "10m", "--json")
    (row,) = json.loads(out)
    assert (code, row["session"], row["done"], row["generation"]) == (0, "anthropic/oauth:later", "refreshed", 1)
    assert row["expires"] and row["next_try"] and row["code"] is None
    assert run("refresh_tokens") == (0, "Nothing is due. `--all` refreshes every login.\n", "")


def test_the_exit_code_says_that_a_person_is_needed(alice: User, auth: VendorServer, run: Run) -> None:
    session = signed_in(alice, auth)
    book_of(auth).burn("fam-1", "revoked")
    code, out, _ = run("refresh_tokens")
    assert code == 1 and "needs a person" in out
    assert row_of(session).status == "needs_reauth"
    assert run("refresh_tokens", "--provider", "anthropic")[0] == 1, "until somebody signs in again"
    assert run("refresh_tokens", "--provider", "openai")[0] == 0
    assert book_of(auth).summary()["presentations"] == 1


def test_a_named_session_is_refreshed_although_it_is_not_due(
    alice: User, bob: User, auth: VendorServer, run: Run
) -> None:
    session = signed_in(alice, auth, due_in=3000)
    other = signed_in(bob, auth, account="acct-2", due_in=3000)
    code, out, err = run("refresh_tokens", "--session", "my_login", "--owner", "alice")
    assert code == 0 and "refreshed" in out, err
    assert (row_of(session).generation, row_of(other).generation) == (1, 0)
    code, _, _ = run("refresh_tokens", "--session", str(other.pk))
    assert code == 0 and row_of(other).generation == 1


def rows_of(run: Run, *arguments: str) -> tuple[int, dict[str, str]]:
    """Exit code, and what was done with each session; each has one row."""
    code, out, _ = run("refresh_tokens", *arguments, "--json")
    listed = [(row["session"].split(":")[1], row["done"]) for row in json.loads(out)]
    assert len(dict(listed)) == len(listed), listed
    return code, dict(listed)


def test_the_exit_code_is_that_of_the_session_in_the_worst_state(alice: User, auth: VendorServer, run: Run) -> None:
    book = book_of(auth)
    signed_in(alice, auth, "well", account="a")
    assert rows_of(run, "--session", "well") == (0, {"well": "refreshed"})
    limited = signed_in(alice, auth, "limited", account="b")
    book.rate_limit(1, 60)
    assert rows_of(run, "--session", "limited") == (3, {"limited": "failed"})
    assert rows_of(run) == (3, {"limited": "failed"}), "named until it is well, though it is not due"
    AuthSession.objects.filter(pk=limited.pk).update(next_refresh_at=timezone.now())
    revoked = signed_in(alice, auth, "revoked", account="c", due_in=900)
    book.burn(list(book.families)[-1], "revoked")
    assert rows_of(run, "--all") == (1, {"well": "waited", "limited": "refreshed", "revoked": "needs_person"})
    assert rows_of(run, "--session", "revoked") == (1, {"revoked": "needs_person"})
    AuthSession.objects.filter(pk=limited.pk).update(refresh_error_code="upstream_rate_limit")
    assert rows_of(run) == (1, {"limited": "failed", "revoked": "needs_person"}), "1 wins over 3"
    AuthSession.objects.filter(pk=limited.pk).update(refresh_error_code="")
    AuthSession.objects.filter(pk=revoked.pk).update(status="disabled")
    assert rows_of(run) == (0, {}) and rows_of(run, "--session", "revoked") == (1, {"revoked": "skipped"})


@pytest.mark.parametrize("arguments", [(), ("--all",), ("--session", "keyless")])
def test_a_login_that_ended_without_a_refresh_token_is_named_and_told(
    alice: User, auth: VendorServer, run: Run, arguments: tuple[str, ...]
) -> None:
    given: dict[str, Any] = {"refresh": Secret(""), "expires_at": time.time() - 5, "due_in": None}
    session = signed_in(alice, auth, "keyless", **given)
    assert rows_of(run, *arguments, "--dry-run") == (1, {"keyless": "needs_person"})
    assert rows_of(run, *arguments) == (1, {"keyless": "needs_person"})
    assert row_of(session).status == "needs_reauth"
    assert Notice.objects.get(resolved_at=None).session_id == session.pk
    assert book_of(auth).summary()["presentations"] == 0
    assert rows_of(run, *arguments) == (1, {"keyless": "needs_person"})


@pytest.mark.parametrize(
    "arguments", [("--provider", "nonsense"), ("--session", "nobody"), ("--owner", "nobody"), ("--session", "my_key")]
)
def test_what_is_not_understood_is_exit_code_2(alice: User, run: Run, arguments: tuple[str, ...]) -> None:
    make(alice, "my_key")
    code, out, err = run("refresh_tokens", *arguments)
    assert (code, out) == (2, "") and err.startswith("error[")


def test_a_dry_run_says_and_does_nothing(alice: User, auth: VendorServer, run: Run) -> None:
    signed_in(alice, auth, "due_one")
    signed_in(alice, auth, "read_only", account="acct-2", read_only="The CLI holds it.", next_refresh_at=timezone.now())
    fail(intend(signed_in(alice, auth, "half", account="acct-3")), "unknown", next_try_at=time.time() - 1)
    early = time.time() + 999
    signed_in(alice, auth, "early", account="acct-4", earliest_refresh_at=early)
    make_login(alice, "dead", account_id="x", status="needs_reauth")
    before = list(AuthSession.objects.order_by("pk").values())
    code, out, _ = run("refresh_tokens", "--dry-run", "--json")
    rows = {row["session"].split(":")[1]: row["done"] for row in json.loads(out)}
    assert rows == {
        "due_one": "would refresh",
        "read_only": "would skip",
        "half": "would keep",
        "early": "would skip",
        "dead": "needs_person",
    }
    assert code == 1 and book_of(auth).summary()["presentations"] == 0
    assert list(AuthSession.objects.order_by("pk").values()) == before


def test_a_dry_run_and_the_real_one_agree(alice: User, auth: VendorServer, run: Run) -> None:
    signed_in(alice, auth, "one")
    signed_in(alice, auth, "two", account="acct-2", due_in=900)
    foreseen = [row["done"] for row in json.loads(run("refresh_tokens", "--all", "--dry-run", "--json")[1])]
    assert foreseen == ["would refresh", "would refresh"]
    done = [row["done"] for row in json.loads(run("refresh_tokens", "--all", "--json")[1])]
    assert done == ["refreshed", "refreshed"]


def test_the_schedule_looks_as_often_as_configured() -> None:
    from maestro_site.celery import app

    entry = app.conf.beat_schedule["refresh-due-sessions"]
    assert (entry["task"], entry["schedule"], entry["options"]["expires"]) == (tasks.refresh_due.name, 30, 30)


def test_nothing_shows_a_token(alice: User, auth: VendorServer, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    session = signed_in(alice, auth)
    old = credentials.open_tokens(session)
    with caplog.at_level("DEBUG"):
        (report,) = refresh.refresh_due()
        _, out, err = run("refresh_tokens", "--all", "--json")
    new = credentials.open_tokens(row_of(session))
    assert old is not None and new is not None and old.refresh != new.refresh
    lines = "".join(SessionEvent.objects.values_list("detail", flat=True))
    shown = repr(report) + out + err + caplog.text + lines
    for secret in (old.access, old.refresh, new.access, new.refresh):
        assert secret.reveal() not in shown


@pytest.mark.parametrize(
    ("status", "looked_at"),
    [("active", True), ("forbidden", True), ("misconfigured", True), ("needs_reauth", False), ("disabled", False)],
)
def test_a_login_that_may_not_do_something_now_is_kept_alive(
    alice: User, auth: VendorServer, status: str, looked_at: bool
) -> None:
    row = signed_in(alice, auth, "some")
    AuthSession.objects.filter(pk=row.pk).update(status=status)
    assert (row.pk in refresh.due()) is looked_at

"""The race: many processes refresh the same sessions at the same moment, again and again.

Every round ends the access of every session; then each process asks for each of them at one moment, half of them
because of a 401, half as the schedule does. A strict server, which ends a login whose token comes twice, keeps the
ledger.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.processes import ROOT
from tests.proofs.installation import (
    Installation,
    open_installation,
    provider_settings,
    store_login,
    stored_access,
    token_url,
)
from tests.vendors.auth.anthropic import AnthropicAuth
from tests.vendors.auth.book import Book
from tests.vendors.server import VendorServer

SESSIONS = 10
ANSWER_S = 2.0
LEAD_S = 0.05
Say = Callable[[str], None]


class Worker:
    """One process of the race."""

    def __init__(self, environment: dict[str, str], trigger: str) -> None:
        self.trigger = trigger
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.race_worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | {"trigger": self.trigger}) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the race ended with exit code {self._process.wait()}")
        return json.loads(line)

    def stop(self) -> None:
        """Let it end; what does not is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()


def run(processes: int, expiries: int, database: str, say: Say = print) -> bool:
    """Run it; the last line said is its verdict. ``False`` when anything was not as it must be."""
    book = Book("anthropic")
    # Two refreshes of one account and client that meet end both logins, as some servers do.
    book.lane_check, book.latency = True, 0.02
    with VendorServer(AnthropicAuth(book)) as server:
        settings = provider_settings(token_url(server))
        with open_installation(database, settings) as installation:
            return _race(installation, server, book, processes, expiries, database, say)


def _race(
    installation: Installation, server: VendorServer, book: Book, processes: int, expiries: int, database: str, say: Say
) -> bool:
    sessions = min(SESSIONS, expiries)
    rows = {}
    for number in range(sessions):
        # The last two belong to one account: they share a lane.
        account = f"acct-{min(number, max(sessions - 2, 0))}"
        row = store_login(installation.owner, book, account, f"session_{number}", server.origin)
        rows[str(row.pk)] = row
    workers = [
        Worker(installation.environment, "unauthorized" if number % 2 == 0 else "schedule")
        for number in range(processes)
    ]
    begun = time.monotonic()
    wrong: list[str] = []
    done: Counter[str] = Counter()
    delays: list[float] = []
    try:
        for worker in workers:
            worker.hear()
        forced = 0
        while forced < expiries:
            names = list(rows)[: expiries - forced]
            forced += len(names)
            answers = _round(workers, book, rows, names)
            wrong += _judge(answers, names, done, delays)
    finally:
        for worker in workers:
            worker.stop()
    seconds = time.monotonic() - begun
    summary = book.summary()
    lost = sum(not _alive(book, row) for row in rows.values())
    wrong += _judge_ledger(book, summary, expiries, lost)
    say(f"database {database}, {processes} processes, {sessions} sessions, {seconds:.0f} s")
    say(f"what the processes were told: {', '.join(f'{what} {n}' for what, n in sorted(done.items()))}")
    say(f"losers after their winner: median {_ms(delays, 0.5)}, p99 {_ms(delays, 0.99)}, longest {_ms(delays, 1.0)}")
    for name in ("presentations", "accepted", "refused", "early", "overlaps"):
        say(f"ledger, {name}: {summary[name]}")
    for name in ("accepted_twice", "second_presentations", "unexplained", "lost_answers", "burned"):
        say(f"ledger, {name.replace('_', ' ')}: {len(summary[name])}")
    for line in wrong[:20]:
        say(f"wrong: {line}")
    say(f"race: {expiries} expiries, {summary['accepted']} accepted, {lost} lost")
    return not wrong


def _round(workers: list[Worker], book: Book, rows: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Let these sessions expire, and every process refresh all of them at one moment."""
    from django.utils import timezone

    from sessions_app.models import AuthSession

    book.end_all_access()
    past = timezone.now() - timedelta(seconds=1)
    AuthSession.objects.filter(pk__in=names).update(next_refresh_at=past, expires_at=past)
    seen = {str(pk): n for pk, n in AuthSession.objects.filter(pk__in=names).values_list("pk", "generation")}
    order = {"at": time.monotonic() + LEAD_S, "sessions": seen}
    for worker in workers:
        worker.tell(order)
    return [answer for worker in workers for answer in worker.hear()]


def _judge(answers: list[dict[str, Any]], names: list[str], done: Counter[str], delays: list[float]) -> list[str]:
    wrong = []
    for name in names:
        mine = [answer for answer in answers if answer["session"] == name]
        done.update(answer["done"] for answer in mine)
        won = [answer for answer in mine if answer["done"] == "refreshed"]
        if len(won) != 1:
            wrong.append(f"{len(won)} winners for one expiry: {mine}")
            continue
        late = [answer["ended"] - won[0]["ended"] for answer in mine if answer is not won[0]]
        delays += late
        if late and max(late) > ANSWER_S:
            wrong.append(f"a loser was answered {max(late):.2f} s after its winner")
        wrong += [f"told {answer}" for answer in mine if answer["done"] not in ("refreshed", "waited", "skipped")]
        wrong += [f"an older one: {answer}" for answer in mine if answer["generation"] != won[0]["generation"]]
    return wrong


def _judge_ledger(book: Book, summary: dict[str, Any], expiries: int, lost: int) -> list[str]:
    wrong = []
    spends = summary["accepted_spends"]
    generations = {
        f"{family.id}:{number}" for family in book.families.values() for number in range(1, family.generation)
    }
    if set(spends) != generations or any(count != 1 for count in spends.values()) or len(spends) != expiries:
        wrong.append(f"{len(spends)} generations were spent, of {expiries}: not each of them exactly once")
    if summary["presentations"] != expiries or summary["refused"]:
        wrong.append(f"{summary['presentations']} presentations, {summary['refused']} refused")
    never = ("accepted_twice", "second_presentations", "unexplained", "lost_answers", "burned", "overlaps")
    wrong += [f"{name}: {summary[name]}" for name in never if summary[name]]
    if lost:
        wrong.append(f"{lost} sessions are lost")
    return wrong


def _alive(book: Book, row: Any) -> bool:
    """Does the stored login work, here and at the server?"""
    row.refresh_from_db()
    return row.status == "active" and book.access(stored_access(row))[0] == "valid"


def _ms(values: list[float], share: float) -> str:
    if not values:
        return "none"
    return f"{sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1000:.0f} ms"

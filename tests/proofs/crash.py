"""The crash: a process is ended with SIGKILL at every step of a refresh, and fresh processes take over.

Each run has a login of its own whose access is over. One process dies at its point; then another one refreshes as the
schedule does (it waits for the lease to end), and a third one after it, which must find nothing more to send. Once at a
server whose refresh tokens rotate and end the login when they come twice, once at one where they stay.
"""

import os
import queue
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.proofs.crash_worker import AFTER_ANSWER, DURING_POST, POINTS
from tests.proofs.installation import (
    Installation,
    open_installation,
    provider_settings,
    store_login,
    stored_access,
    token_url,
)
from tests.proofs.zygote import Zygote
from tests.vendors.auth.anthropic import AnthropicAuth
from tests.vendors.auth.book import Book
from tests.vendors.auth.records import Fault
from tests.vendors.server import VendorServer

LEASE_S, TIMEOUT_S = 6.0, 3.0
PATIENCE_S = 90.0
UNKNOWN = "token_outcome_unknown"
LOST = (DURING_POST, AFTER_ANSWER)
"""Where the server has answered and nothing is stored."""
COLUMNS = ("point", "server", "runs", "presentations", "accepted", "session afterwards", "reason")
Say = Callable[[str], None]


class TooSlow(Exception):
    """This machine did not get a request to its own server and back in time: another case than the one to be shown."""


@dataclass
class Row:
    """All runs of one point at one server."""

    point: str
    rotates: bool
    runs: int = 0
    presentations: Counter[int] = field(default_factory=Counter)
    accepted: Counter[int] = field(default_factory=Counter)
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    repeated: int = 0

    @property
    def expected(self) -> tuple[str, str]:
        """The only case that cannot be saved: the server took the token and its answer was not stored."""
        return ("needs_reauth", "answer_lost") if self.rotates and self.point in LOST else ("active", "")

    def cells(self) -> tuple[str, ...]:
        states, reasons = zip(*self.states, strict=True) if self.states else ((), ())
        return (
            self.point,
            "rotates" if self.rotates else "does not rotate",
            str(self.runs),
            _spread(self.presentations),
            _spread(self.accepted),
            ", ".join(states),
            ", ".join(reason or "-" for reason in reasons),
        )


def run(runs: int, database: str, say: Say = print) -> bool:
    """Run it; the last line said is its verdict. ``False`` when anything was not as it must be."""
    settings = provider_settings("http://127.0.0.1:9/never") | {
        "MAESTRO_PROVIDERS__REFRESH_LEASE_S": str(LEASE_S),
        "MAESTRO_PROVIDERS__REFRESH_TIMEOUT_S": str(TIMEOUT_S),
    }
    rows = [Row(point, rotates) for rotates in (True, False) for point in POINTS]
    begun = time.monotonic()
    with open_installation(database, settings) as installation:
        zygote = Zygote("tests.proofs.crash_worker", installation.environment)
        try:
            with ThreadPoolExecutor(len(rows)) as pool:
                shares = [runs // len(rows) + (number < runs % len(rows)) for number in range(len(rows))]
                list(pool.map(lambda row, share: _cell(installation, zygote, row, share), rows, shares))
        finally:
            zygote.stop()
    wrong = [f"{row.point}, {row.cells()[1]}: {line}" for row in rows for line in row.wrong]
    repeated = sum(row.repeated for row in rows)
    say(f"database {database}, lease {LEASE_S:g} s, {time.monotonic() - begun:.0f} s, {repeated} slow runs repeated")
    for line in table([COLUMNS, *(row.cells() for row in rows if row.runs)]):
        say(line)
    for text in wrong[:20]:
        say(f"wrong: {text}")
    say(f"crash: {sum(row.runs for row in rows)} runs, {len(wrong)} not as they must be")
    return not wrong


def _cell(installation: Installation, zygote: Zygote, row: Row, runs: int) -> None:
    from django.db import connections

    book = Book("anthropic")
    book.rotates = row.rotates
    with VendorServer(AnthropicAuth(book)) as server:
        numbers = count()
        while row.runs < runs:
            number = next(numbers)
            try:
                _one(installation, zygote, row, book, server, number)
            except TooSlow:
                row.repeated += 1
                if row.repeated > runs:
                    row.wrong.append("this machine is too slow for the proof")
                    break
                continue
            except Exception as error:
                row.wrong.append(f"run {number}: {error!r}")
            row.runs += 1
    connections.close_all()


def _one(installation: Installation, zygote: Zygote, row: Row, book: Book, server: VendorServer, number: int) -> None:
    name = f"{'r' if row.rotates else 's'}{POINTS.index(row.point)}_{number:05}"
    session = store_login(installation.owner, book, f"acct-{name}", f"crash_{name}", server.origin, ended=True)
    family = next(reversed(book.families))
    order = {"session": str(session.pk), "token_url": token_url(server), "trigger": "schedule"}
    if row.point == DURING_POST:
        book.faults.append(Fault("hang", "after"))
    code = _die(zygote, order | {"die": row.point}, book, family, killed_outside=row.point == DURING_POST)
    if code != -signal.SIGKILL:
        row.wrong.append(f"run {number}: the process ended with {code}, not by SIGKILL")
    saved = [_report(zygote.start(order)) for _ in range(2)]
    if any(report.get("code") == UNKNOWN for report in saved):
        raise TooSlow
    session.refresh_from_db()
    spends = [spend for spend in tuple(book.ledger) if spend.kind == "refresh" and spend.family == family]
    row.presentations[len(spends)] += 1
    row.accepted[sum(spend.accepted for spend in spends)] += 1
    state = (session.status, session.refresh_error_code if session.status != "active" else "")
    row.states[state] += 1
    if state != row.expected:
        row.wrong.append(f"run {number}: {state}, told {saved}")
    if len(spends) > 2 or any(spend.generation != 1 for spend in spends):
        row.wrong.append(f"run {number}: presented {[(spend.generation, spend.reason) for spend in spends]}")
    if state == ("active", "") and (book.access(stored_access(session))[0] != "valid" or session.generation != 1):
        row.wrong.append(f"run {number}: active, and its access token is not good, told {saved}")
    if state[0] == "needs_reauth" and not (session.status_reason and session.notices.filter(resolved_at=None).exists()):
        row.wrong.append(f"run {number}: lost in silence")


def _die(zygote: Zygote, order: dict[str, Any], book: Book, family: str, *, killed_outside: bool) -> int:
    """Start the process that dies; its exit code."""
    heard = zygote.start(order)
    pid, ends = 0, time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        try:
            said = heard.get(timeout=0.005)
        except queue.Empty:
            said = {}
        if said.get("report", {}).get("code") == UNKNOWN:
            raise TooSlow
        if "exit" in said:
            return int(said["exit"])
        pid = said.get("pid", pid)
        spent = any(spend.family == family and spend.kind == "refresh" for spend in tuple(book.ledger))
        if pid and spent and killed_outside:
            os.kill(pid, signal.SIGKILL)
            pid = 0
    raise TimeoutError("the process that was to die is still there")


def _report(heard: "queue.SimpleQueue[dict[str, Any]]") -> dict[str, Any]:
    found: dict[str, Any] = {}
    while "exit" not in (said := heard.get(timeout=PATIENCE_S)):
        found = said.get("report", found)
    return found


def _spread(counts: Counter[int]) -> str:
    """``1`` where every run had one, else ``1 (x30), 2 (x4)``."""
    if len(counts) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{number} (x{times})" for number, times in sorted(counts.items()))


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """The lines of a table whose first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]

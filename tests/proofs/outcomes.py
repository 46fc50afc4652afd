"""The outcomes: a token server answers in every wrong way, before and after it has committed, in random schedules.

Each schedule has a login of its own, of one of the flows that have a refresh. Processes refresh it as the schedule, a
button, the command, a use or a refused access token would; they are killed, stopped for longer than the lease, and the
clock of the machine jumps by an hour under them (libfaketime: the wall clock alone, not the monotonic one). The strict
server keeps a ledger of every presentation, which an oracle judges by the rules alone. At the end the server is well
again, and each login must be shown as what it is in truth: by its state, by `refresh_tokens` and by its page.
"""

import queue
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from tests.proofs.crash import table
from tests.proofs.installation import Installation, open_installation
from tests.proofs.outcome_logins import ENABLED, FLOWS, Place
from tests.proofs.outcome_machine import Result
from tests.proofs.outcome_oracle import Presentation
from tests.proofs.outcome_run import Run
from tests.proofs.outcome_schedule import LEASE_S, PATIENT_S, Schedule, schedule
from tests.proofs.zygote import Zygote

LIBRARY = "*/faketime/libfaketimeMT.so.1"
AT_ONCE = 7
ATTEMPTS = 3
WHOLE = 100
COLUMNS = ("answer of the server", "committed", "presentations", "forbidden", "named", "dead logins", "expected")
OUTAGE_COLUMNS = ("outage of the token endpoint", "logins", "presentations", "logins lost")
OUTAGES_S = (300.0, 6 * 3600.0)
REVOKED = ("ended by its owner", "-")
Say = Callable[[str], None]


def run(schedules: int, database: str, say: Say = print, *, seed: int = 1, only: int | None = None) -> bool:
    """Run it; the last line said is its verdict. ``False`` when anything was not as it must be."""
    if not (found := sorted(Path("/usr/lib").glob(LIBRARY))):
        say(f"outcomes: /usr/lib/{LIBRARY} is missing: install the system package libfaketime, by which clocks jump")
        return False
    begun = time.monotonic()
    settings = ENABLED | {
        "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "MAESTRO_PROVIDERS__ANTHROPIC__OAUTH__PROFILE_URL": "",
        "MAESTRO_PROVIDERS__REFRESH_LEASE_S": str(LEASE_S),
        "MAESTRO_PROVIDERS__REFRESH_TIMEOUT_S": str(PATIENT_S),
    }
    folder = Path(tempfile.mkdtemp(prefix="maestro-outcomes-"))
    with open_installation(database, settings) as installation:
        zygote = Zygote("tests.proofs.outcome_worker", installation.environment | _faked(folder, found[0]))
        try:
            plans = [schedule(seed, number) for number in (range(schedules) if only is None else [only])]
            outages = _outages(schedules) if only is None else []
            results = _play(installation, zygote, folder, plans + outages)
        finally:
            zygote.stop()
            shutil.rmtree(folder, ignore_errors=True)
    if only is not None:
        for result in results:
            say(f"{result.schedule}")
            for line in (*result.log, *map(str, result.presentations), str(result.judgement)):
                say(line)
    say(f"database {database}, lease {LEASE_S:g} s, seed {seed}, {time.monotonic() - begun:.0f} s")
    _tables(results, say)
    for result in results:
        flow = result.schedule.flow
        for line in result.wrong:
            say(f"wrong: {result.schedule.number} ({flow.provider} {flow.name}): {line}")
    bad = sum(bool(result.wrong) for result in results)
    say(f"outcomes: {len(plans)} schedules and {len(outages)} outages, {bad} not as they must be")
    return not bad


def _faked(folder: Path, library: Path) -> dict[str, str]:
    """The environment in which a process takes the wall clock from a file, and the monotonic one as it is."""
    (folder / "clock").write_text("+0\n")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
        # The times of files are faked under a lock that all processes share: one that is killed there would stop all.
        "NO_FAKE_STAT": "1",
    }


def _play(installation: Installation, zygote: Zygote, folder: Path, plans: list[Schedule]) -> list[Result]:
    """Play these, some at a time; each thread has servers of its own, so that no two share one at one time."""
    from django.db import connections

    free: queue.SimpleQueue[Place] = queue.SimpleQueue()
    places = [Place(folder) for _ in range(AT_ONCE)]
    for place in places:
        free.put(place)

    def one(plan: Schedule) -> Result:
        place = free.get()
        playing = None
        try:
            for attempt in range(ATTEMPTS):
                playing = Run(installation, zygote, place, plan, attempt)
                done = playing.play_all()
                if not done.slow:
                    break
            return done
        except Exception as error:
            result = playing.result if playing else Result(plan)
            result.wrong.append(repr(error)[:500])
            return result
        finally:
            connections.close_all()
            free.put(place)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, plans))
    finally:
        for place in places:
            place.stop()


def _outages(schedules: int) -> list[Schedule]:
    """A short and a long outage for every flow; at a small size a short one for the first flow."""
    cases = list(product(OUTAGES_S, FLOWS)) if schedules >= WHOLE else [(OUTAGES_S[0], FLOWS[0])]
    return [Schedule(90_000 + number, flow, False, outage_s=seconds) for number, (seconds, flow) in enumerate(cases)]


def _kind(one: Presentation) -> tuple[str, str]:
    """The row of a presentation: what the server answered, and whether it had committed."""
    if one.fault:
        return one.fault, "yes" if one.committed else "no"
    if not one.committed:
        return "refused", "no"
    return "tokens" if one.recorded_at is not None else "tokens, and the process was gone", "yes"


def _rows(results: list[Result]) -> list[tuple[str, ...]]:
    columns: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in COLUMNS[2:]}
    for result in results:
        kinds = [_kind(one) for one in result.presentations]
        columns["presentations"].update(kinds)
        columns["forbidden"].update(kinds[number] for number in result.judgement.forbidden)
        columns["named"].update(kinds[number] for number in result.judgement.named)
        causes = [kinds[number] for number in result.judgement.lost or result.judgement.named]
        if not causes:
            causes = [REVOKED]
        columns["dead logins"][causes[-1]] += result.dead
        columns["expected"][causes[-1]] += result.expected
    every = sorted({kind for counted in columns.values() for kind in counted if counted[kind]})
    return [(*kind, *(str(counted[kind]) for counted in columns.values())) for kind in every]


def _tables(results: list[Result], say: Say) -> None:
    for line in table([COLUMNS, *_rows([result for result in results if not result.schedule.outage_s])]):
        say(line)
    rows = []
    for seconds in OUTAGES_S:
        if found := [result for result in results if result.schedule.outage_s == seconds]:
            spent, lost = sum(len(result.presentations) for result in found), sum(result.dead for result in found)
            rows.append((f"{seconds / 60:g} minutes", str(len(found)), str(spent), str(lost)))
    if rows:
        say("")
        for line in table([OUTAGE_COLUMNS, *rows]):
            say(line)

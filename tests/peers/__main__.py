"""``make bench-peers``: run every peer against one mock upstream, round by round, and print one table.

The mock is ``mock_upstream.c`` of the folder that ``MAESTRO_BENCH`` names (``../shared/bench`` without it), built here
with the machine's C compiler. Peers run in an environment of their own, one process after the other, interleaved, so
that noise hits all of them; a figure is the median of the rounds. What is promised is a ratio to the OpenAI SDK in the
same run; the exit code is 1 when one is missed. ``--write FILE`` also writes the table.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = {"openai": "openai_sdk.py", "litellm": "litellm_sdk.py", "any-llm": "any_llm_sdk.py", "maestro": "maestro.py"}
PHASES = {
    "plain": "plain call, 1 at a time",
    "plain_at_once": "plain call, 16 at once",
    "stream": "stream of 100 chunks",
}
ANCHOR = "openai"
GOALS = {"plain": (0.56, 0.7), "plain_at_once": (0.55, 0.7), "stream": (0.20, 2.5)}
"""Maestro's CPU at most: as a ratio to the OpenAI SDK of the same run, and in ms on the machine of the first table."""

Figures = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("python", help="the interpreter of the peers' environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PEERS), help="these peers")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    rounds: dict[str, list[Figures]] = {name: [] for name in options.only}
    with mock_upstream() as base_url:
        for number in range(options.rounds):
            for name, found in rounds.items():
                print(f"... round {number + 1}: {name}", file=sys.stderr, flush=True)
                python = sys.executable if name == "maestro" else options.python
                found.append(measure(python, PEERS[name], base_url))
    table = {name: medians(found) for name, found in rounds.items()}
    missed = judge(table)
    text = "\n".join([*lines(table), "", *(missed or ["every goal is reached"])])
    print(text)
    if options.write:
        options.write.write_text(page(text))
    return 1 if missed else 0


@contextmanager
def mock_upstream() -> Iterator[str]:
    """Build and start the mock; yield its base URL."""
    source = Path(os.environ.get("MAESTRO_BENCH") or ROOT.parent / "shared" / "bench") / "mock_upstream.c"
    if not source.is_file():
        sys.exit(f"error: there is no {source.name} at {source.parent}; name its folder in MAESTRO_BENCH")
    with tempfile.TemporaryDirectory(prefix="maestro-peers-") as folder:
        binary = Path(folder) / "mock"
        subprocess.run(["cc", "-O2", "-o", binary, source, "-lpthread"], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        with subprocess.Popen([binary, "-p", str(port)], stdout=subprocess.DEVNULL) as mock:
            try:
                wait_for(port)
                yield f"http://127.0.0.1:{port}/v1"
            finally:
                mock.terminate()


def wait_for(port: int, seconds: float = 10.0) -> None:
    """Wait until something listens there."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("error: the mock upstream did not start")


def measure(python: str, script: str, base_url: str) -> Figures:
    """Run one peer's script in a process of its own; return what it printed."""
    with tempfile.TemporaryDirectory(prefix="maestro-peers-") as data:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAESTRO_")}
        environment |= {
            "MAESTRO_DATA_DIR": data,
            "MAESTRO_ENV_FILE": os.devnull,
            "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            "PYTHONPATH": f"{HERE}{os.pathsep}{ROOT}" if script == PEERS["maestro"] else str(HERE),
        }
        command = [python, str(HERE / script), base_url]
        done = subprocess.run(command, env=environment, cwd=data, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: {script} failed; see above")
    found: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def medians(rounds: list[Figures]) -> dict[str, float]:
    """Return the median CPU of each phase in ms, and of the memory in MB."""
    found = {phase: statistics.median(each[phase]["cpu_ms"] for each in rounds) for phase in PHASES}
    return {**found, "rss_mb": statistics.median(each["rss_mb"] for each in rounds)}


def judge(table: dict[str, dict[str, float]]) -> list[str]:
    """Return a sentence for every ratio that Maestro misses."""
    if "maestro" not in table or ANCHOR not in table:
        return []
    missed = []
    for phase, (ratio, _) in GOALS.items():
        found = table["maestro"][phase] / table[ANCHOR][phase]
        if found > ratio:
            missed.append(
                f"missed: {PHASES[phase]} takes {found:.2f} of the OpenAI SDK's CPU, at most {ratio} is the goal"
            )
    return missed


def lines(table: dict[str, dict[str, float]]) -> list[str]:
    """Return the table, CPU of the whole process in ms per call, with the ratio to the OpenAI SDK."""
    heads = ("CPU per call", *PHASES.values(), "RSS")
    rows = [heads, tuple("---" for _ in heads)]
    for name, row in table.items():
        cells = [f"{row[phase]:.2f} ms{ratio_to(table, name, phase)}" for phase in PHASES]
        rows.append((name, *cells, f"{row['rss_mb']:.0f} MB"))
    goals = (f"{ms} ms ({ratio})" for ratio, ms in GOALS.values())
    rows.append(("goal", *(f"< {goal}" for goal in goals), ""))
    return ["| " + " | ".join(row) + " |" for row in rows]


def ratio_to(table: dict[str, dict[str, float]], name: str, phase: str) -> str:
    """Return a peer's CPU over the anchor's, in brackets; nothing for the anchor itself."""
    if name == ANCHOR or ANCHOR not in table:
        return ""
    return f" ({table[name][phase] / table[ANCHOR][phase]:.2f})"


def page(text: str) -> str:
    """Return the page of the docs."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return (
        "# Beside the peers\n\n"
        "`make bench-peers` prints this table: the same work, as a library, against one mock upstream in one run.\n"
        "CPU is user and system time of the whole process per call, to two seconds after the last one; Maestro's\n"
        "includes the stored session, its sealed key, advice, and the report to the store. In brackets, the ratio to\n"
        "the OpenAI SDK.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}, {machine}.\n\n{text}\n"
    )


if __name__ == "__main__":
    sys.exit(main())

"""Ten times as many clients as a provider takes, at the real dispatcher in a process of its own.

The provider takes 8 requests at once, half a second each, and answers others with 429; 80 clients of one person ask
again as soon as they are answered, and obey `Retry-After`. Goodput is the share of the provider's capacity that was
answered; the oracle knows the true rate.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.processes import ROOT
from tests.proofs.chaos.dispatcher import Try, ask, dispatcher, make_session
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.chaos.upstream import SSE_HEAD, Play, Upstream, Writing, frames

SLOTS, SERVICE_S, SECONDS = 8, 0.5, 60.0
PAGE = 4096
MIB = 1024 * 1024
MOST_GROWTH_MIB = 8.0
TOKEN = "word "
"""About a token, by the estimate of four characters."""


class Order(msgspec.Struct, kw_only=True):
    """What a process of clients does; ``people`` has, for each person, clients, tokens of a prompt, and a pause."""

    base_url: str
    seconds: float
    queue: int
    people: dict[str, tuple[int, int, float]]


class Report(msgspec.Struct, kw_only=True):
    """What came of it: by person the tries of each request that was answered, and the MiB of the process."""

    answered: dict[str, list[list[Try]]] = {}
    memory: list[float] = []


async def _client(person: int, number: int, tokens: int, pause_s: float, until: float, done: list[list[Try]]) -> None:
    prompt, tries = f"client {number} of {person} " + TOKEN * tokens, list[Try]()
    await asyncio.sleep(0.1 * (number % 10) / 10)
    while time.monotonic() < until:
        tries.append(found := await ask("load", prompt, person))
        if found.code:
            await asyncio.sleep(found.retry_after or 1.0)
            continue
        done.append(tries)
        tries = []
        await asyncio.sleep(pause_s)


async def _run(order: Order) -> Report:
    report = Report(answered={person: [] for person in order.people})
    async with dispatcher(max_queue_size=order.queue):
        await make_session("load", order.base_url)
        until = time.monotonic() + order.seconds
        clients = [
            asyncio.create_task(_client(person, number, tokens, pause_s, until, report.answered[name]))
            for person, (name, (count, tokens, pause_s)) in enumerate(order.people.items(), 1)
            for number in range(count)
        ]
        while time.monotonic() < until:
            await asyncio.sleep(0.5)
            report.memory.append(_resident())
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    return report


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MIB


def capacity(slots: int, service_s: float, *headers: bytes) -> Play:
    """Return a provider that answers so many requests at once, each in this time, and others with 429."""
    body, busy = b"".join(frames(5)), 0
    refusal = b"\r\n".join((b"HTTP/1.1 429 No", b"Content-Length: 2", *headers, b"Connection: close", b"", b"{}"))

    async def play(writing: Writing) -> None:
        nonlocal busy
        if busy >= slots:
            await writing.raw(refusal)
            return
        busy += 1
        try:
            await asyncio.sleep(service_s)
        finally:
            busy -= 1
        await writing.raw(SSE_HEAD)
        await writing.body(body)
        writing.asked.healthy = True

    return play


def _clients(order: Order) -> Report:
    done = subprocess.run(
        [sys.executable, "-c", "from tests.proofs.chaos import overload; overload.main()"],
        cwd=ROOT,
        input=msgspec.json.encode(order),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Report)


def _overloaded(table: Table, name: str, seconds: float, *headers: bytes) -> None:
    rate = SLOTS / SERVICE_S
    with Upstream() as upstream:
        provider = upstream.provider("load")
        provider.fail(capacity(SLOTS, SERVICE_S, *headers))
        people = {"ada": (10 * SLOTS, 20, 0.0)}
        report = _clients(Order(base_url=provider.base_url, seconds=seconds, queue=2 * SLOTS, people=people))
        attempts, served = len(provider.asked), sum(one.healthy for one in provider.asked)
    requests = report.answered["ada"]
    tries = Counter(len(one) for one in requests)
    again = sum(count for number, count in tries.items() if number > 1)
    told = [(one.retry_after, one.position) for many in requests for one in many if one.retry_after and one.position]
    right = statistics.median(max(1.0, position / rate) for _, position in told)
    over = statistics.median(wait for wait, _ in told) / right
    quarter = len(report.memory) // 4
    growth = statistics.median(report.memory[-quarter:]) - statistics.median(report.memory[quarter : 2 * quarter])
    goodput, first = served / (rate * seconds), tries[2] / again if again else 1.0
    problems = [
        *([f"goodput is {goodput:.0%} of the capacity"] if goodput < 0.9 else []),
        *([f"{attempts} attempts for {served} requests"] if attempts > 1.2 * served else []),
        *([f"{first:.1%} succeeded on the first retry"] if first < 0.99 else []),
        *([f"the median Retry-After is {over:.2f} of the oracle's"] if over > 1.5 else []),
        *([f"{growth:.1f} MiB more memory"] if growth > MOST_GROWTH_MIB else []),
    ]
    figures = (
        f"goodput {goodput:.0%}; {attempts / served:.2f} attempts a request; {first:.1%} of {again} refused ones "
        f"served on the first retry; median Retry-After {over:.2f} of the oracle's; {growth:+.1f} MiB"
    )
    table.row(name, figures, problems=problems)


def _flooded(table: Table, name: str, seconds: float) -> None:
    firsts = []
    for flood in (0, 2 * SLOTS):
        with Upstream() as upstream:
            provider = upstream.provider("load")
            provider.fail(capacity(SLOTS, SERVICE_S))
            people = {"bob": (1, 1000, 0.3), **({"flood": (flood, 200_000, 0.0)} if flood else {})}
            report = _clients(Order(base_url=provider.base_url, seconds=seconds, queue=1000, people=people))
        firsts.append([many[-1].first - many[0].began for many in report.answered["bob"]])
    alone, beside = (statistics.median(one) for one in firsts)
    most = 2 * alone + SERVICE_S
    figures = f"first output {alone:.2f} s alone, {beside:.2f} s beside the flood, at most {most:.2f} s"
    table.row(name, figures, problems=[f"first output after {beside:.2f} s"] if beside > most else [])


CELLS = ("429 with Retry-After", "429 without headers", "a flood of prompts of 200,000 tokens")


def _play(names: Sequence[str], full: bool, say: Say) -> bool:
    seconds = SECONDS if full else SECONDS / 4
    table = Table(say, "load", "figures")
    if CELLS[0] in names:
        _overloaded(table, CELLS[0], seconds, b"Retry-After: 1")
    if CELLS[1] in names:
        _overloaded(table, CELLS[1], seconds)
    if CELLS[2] in names:
        _flooded(table, CELLS[2], seconds / 3)
    return table.end()


PART = Part(name="overload", title="Ten times the load", about=__doc__, cells=CELLS, play=_play)


def main() -> None:
    """Do what the order on stdin says, and write the report."""
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_run(given))))

"""The work that every peer does, and what of it is measured: CPU of the whole process, per call.

A script of this folder calls ``main`` with two coroutine functions: ``plain(number)`` asks for one whole answer,
``stream(number)`` reads a streamed answer of 100 chunks and returns how many pieces of text it saw. Each figure is user
and system time of the process over all calls of the phase, divided by their number; the two seconds after the last
call belong to it, so that what is deferred is paid for as well. One JSON line is printed.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable

PLAIN = int(os.environ.get("PEERS_PLAIN", "400"))
STREAMS = int(os.environ.get("PEERS_STREAMS", "60"))
WARM = 20
AT_ONCE = 16
CHUNKS = 100
SETTLE_S = 2.0

Work = Callable[[int], Awaitable[object]]


def cpu() -> float:
    """Return user and system seconds of this process and of its ended children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


async def phase(work: Work, calls: int, at_once: int) -> dict[str, float]:
    """Run ``calls`` calls, ``at_once`` of them side by side; return milliseconds of CPU and of wall time per call."""
    numbers = iter(range(calls))

    async def lane() -> None:
        for number in numbers:
            await work(number)

    idle = cpu()
    await asyncio.sleep(SETTLE_S)
    idle = cpu() - idle  # what the process uses while nothing is asked of it
    begun, at = cpu(), time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(at_once)))
    wall = time.perf_counter() - at
    await asyncio.sleep(SETTLE_S)
    used = cpu() - begun - idle * (1 + wall / SETTLE_S)
    return {"cpu_ms": used / calls * 1000, "wall_ms": wall / calls * 1000}


async def main(plain: Work, stream: Work) -> None:
    """Warm up, run the phases, print the figures."""
    for number in range(WARM):
        await plain(number)
    pieces = [await stream(number) for number in range(3)]
    if any(count != CHUNKS for count in pieces):
        sys.exit(f"a stream of {CHUNKS} chunks gave {pieces} pieces of text")
    figures = {
        "plain": await phase(plain, PLAIN, 1),
        "plain_at_once": await phase(plain, PLAIN, AT_ONCE),
        "stream": await phase(stream, STREAMS, 1),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures), flush=True)

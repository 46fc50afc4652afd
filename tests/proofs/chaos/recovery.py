"""How long until a provider that comes back is asked again, after a fault of 1, 10 and 60 seconds.

A new request comes every quarter of a second, as from people who do not know of each other, so that one that still
waits for an answer from before holds no other back. The time counts from the fault's end to the request that was
answered; the number is that of the requests that reached the provider during the fault.
"""

import asyncio
import time
from collections.abc import Sequence

from tests.proofs.chaos.dispatcher import ask, dispatcher, make_session
from tests.proofs.chaos.faults import FAULTS, Fault
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.chaos.upstream import Provider, Upstream

BOUNDS = {1.0: 5.0, 10.0: 10.0, 60.0: 60.0}
"""Seconds within which a provider answers again, by how many its fault lasted."""
KINDS = ("connection refused", "no first byte", "500", "529", "429, Retry-After in seconds", "HTML")
EVERY_S = 0.25
SILENCE_S = 10.0


async def _recovered(provider: Provider, fault: Fault, lasts_s: float) -> tuple[float | None, int]:
    """Return after how many seconds the provider answered again, and how often it was asked during the fault."""
    await make_session(provider.name, provider.base_url)
    over = asyncio.Event()
    tasks: set[asyncio.Task[object]] = set()

    async def people() -> None:
        number = 0
        while not over.is_set():
            number += 1
            tasks.add(task := asyncio.create_task(ask(provider.name, f"question {number}")))
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(EVERY_S)

    coming = asyncio.create_task(people())
    await asyncio.sleep(1.0)
    await asyncio.to_thread(provider.fail, fault.play)
    began = len(provider.asked)
    await asyncio.sleep(lasts_s)
    healed = await asyncio.to_thread(provider.heal)
    asked, until = len(provider.asked) - began, healed + BOUNDS[lasts_s] + 10.0
    while (back := provider.healthy_since(healed)) is None and time.monotonic() < until:  # noqa: ASYNC110  a thread sets it
        await asyncio.sleep(0.05)
    over.set()
    await coming
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return (None if back is None else back - healed), asked


async def _all(upstream: Upstream, cells: Sequence[tuple[str, float]]) -> list[tuple[float | None, int]]:
    faults = {fault.name: fault for fault in FAULTS}
    async with dispatcher(idle_timeout_s=SILENCE_S, connect_timeout_s=2.0):
        providers = [await asyncio.to_thread(upstream.provider, f"cell-{number}") for number in range(len(cells))]
        each = zip(providers, cells, strict=True)
        return await asyncio.gather(*(_recovered(one, faults[kind], lasts) for one, (kind, lasts) in each))


def _play(names: Sequence[str], full: bool, say: Say) -> bool:
    cells = [(kind, lasts) for kind in KINDS for lasts in BOUNDS if _name(kind, lasts) in names]
    if not full:
        cells = [("500", 1.0), ("connection refused", 1.0)]
    with Upstream() as upstream:
        found = asyncio.run(_all(upstream, cells))
    table = Table(say, "fault", "lasts", "asked meanwhile", "answers again after", "at most")
    for (kind, lasts), (seconds, asked) in zip(cells, found, strict=True):
        late = seconds is None or seconds > BOUNDS[lasts]
        problems = [f"it answered again after {seconds} s"] if late else []
        shown = "never" if seconds is None else f"{seconds:.1f} s"
        table.row(kind, f"{lasts:g} s", str(asked), shown, f"{BOUNDS[lasts]:g} s", problems=problems)
    return table.end()


def _name(kind: str, lasts: float) -> str:
    return f"{kind} for {lasts:g} s"


PART = Part(
    name="recovery",
    title="Providers that come back",
    about=__doc__,
    cells=tuple(_name(kind, lasts) for kind in KINDS for lasts in BOUNDS),
    play=_play,
)

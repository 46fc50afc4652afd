"""The part of the matrix that is about providers: every fault on every surface, against its declared behaviour."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from tests.proofs.chaos.faults import FAULTS, FIRST_BYTE_S, IDLE_S, RECOVERED_S, Fault, cut_at
from tests.proofs.chaos.installation import Installation, open_installation
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.chaos.surfaces import SURFACES, Seen
from tests.proofs.chaos.upstream import WORDS, Asked, Provider, Upstream, frames, text_of

AT_ONCE = 3
ASK_AGAIN_S = 0.25
CUTS = 20
MACHINE_S = 2.0
"""Seconds added to declared times for a busy machine: the start of an answer, a page, a read of the journal."""


class Cell(msgspec.Struct, kw_only=True):
    """A fault on one surface: what was seen, how long until the provider was asked again after its end, and what does
    not hold."""

    fault: str
    surface: str
    declared: str
    seconds: float = 0.0
    recovered_s: float | None = None
    problems: list[str] = []

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problems.append(otherwise)


def judge(fault: Fault, seen: Seen, asked: Sequence[Asked]) -> Cell:
    """Compare what a reader saw of a broken answer with what is declared, and with what was sent for it."""
    cell = Cell(fault=fault.name, surface=seen.surface, declared=fault.code, problems=[])
    sent = text_of(asked[-1].body) if asked else ""
    cell.expect(seen.code == fault.code, f"the error was {seen.code or 'none'}")
    cell.expect(not seen.complete and seen.state != "complete", "it was shown as complete")
    cell.expect(len(sent.split()) == fault.words, f"{len(sent.split())} words were sent")
    cell.expect(seen.text == sent, f"{len(seen.text)} of {len(sent)} characters that were sent were shown")
    cell.expect(seen.stored == seen.text, f"{len(seen.text)} characters were shown and {len(seen.stored)} stored")
    if fault.play is not None:
        # Each provider's retries have a budget, so that there may be fewer of them.
        cell.expect(1 <= len(asked) <= fault.attempts, f"the provider was asked {len(asked)} times")
    since = seen.began
    if asked:
        since = asked[-1].sent[-1][0] if fault.words else asked[0].at
    cell.seconds = seen.ended - since
    cell.expect(cell.seconds < fault.within_s + MACHINE_S, f"the error came after {cell.seconds:.1f} s")
    return cell


async def _play(at: Installation, provider: Provider, fault: Fault, surfaces: Sequence[str]) -> list[Cell]:
    session = await at.session(f"chaos-{provider.name}", provider.base_url)
    provider.fail(fault.play)
    found = await asyncio.gather(*(_fail(at, provider, session, fault, surface) for surface in surfaces))
    cells = [cell for one in found for cell in one]
    healed = provider.heal()
    times = await asyncio.gather(*(_recover(at, provider, session, name, healed) for name in surfaces))
    for name, seconds in zip(surfaces, times, strict=True):
        for cell in cells:
            if cell.surface in NAMES[name]:
                cell.recovered_s = seconds
                cell.expect(seconds is not None and seconds <= RECOVERED_S, f"it recovered after {seconds} s")
    return cells


NAMES = {
    "socket": ("chat page, socket", "journal reader"),
    "sse": ("chat page, SSE",),
    "command": ("command",),
    "script": ("script",),
}


async def _fail(at: Installation, provider: Provider, session: str, fault: Fault, surface: str) -> list[Cell]:
    prompt = f"{fault.name} at {surface}"
    seen = await SURFACES[surface](at, session, prompt)
    asked = [one for one in provider.asked if one.prompt.endswith(prompt)]
    return [judge(fault, one, asked) for one in seen]


async def _recover(at: Installation, provider: Provider, session: str, surface: str, healed: float) -> float | None:
    """Ask until an answer is whole; return how long after the cause's end the provider was asked for it.

    The start of a command's process is its own, and not counted.
    """
    until = time.monotonic() + 4 * RECOVERED_S
    while time.monotonic() < until:
        prompt = f"again at {surface} {time.monotonic()}"
        with suppress(RuntimeError):
            seen = await SURFACES[surface](at, session, prompt)
            if all(one.complete and len(one.text.split()) == WORDS for one in seen):
                asked = next(one.at for one in provider.asked if one.prompt.endswith(prompt))
                return (seen[0].began if surface == "command" else asked) - healed
        await asyncio.sleep(ASK_AGAIN_S)
    return None


def cut_faults() -> list[Fault]:
    """Return faults that end the body at twenty places, the ends of the text and of the frames among them."""
    body = b"".join(frames())
    places = [1 + number * (len(body) - 16) // CUTS for number in range(CUTS)]
    found = []
    for place in places:
        words = len(text_of(body[:place]).split())
        found.append(
            Fault(name=f"truncated at byte {place}", code="stream_interrupted", play=cut_at(place), words=words)
        )
    return found


async def _play_all(
    at: Installation, upstream: Upstream, faults: Sequence[Fault], surfaces: Sequence[str]
) -> list[Cell]:
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, fault: Fault) -> list[Cell]:
        async with free:
            return await _play(at, upstream.provider(str(number)), fault, surfaces)

    found = await asyncio.gather(*(one(number, fault) for number, fault in enumerate(faults)))
    return [cell for cells in found for cell in cells]


def play(faults: Sequence[Fault] = FAULTS, surfaces: Sequence[str] = tuple(SURFACES)) -> list[Cell]:
    """Play faults on surfaces, and return the cells in the order of the faults."""
    with Upstream() as upstream, open_installation() as at:
        return asyncio.run(_play_all(at, upstream, faults, surfaces))


def tell(faults: Sequence[Fault], cells: Sequence[Cell], say: Say) -> bool:
    """Say the table of played cells, a row for each fault; ``True`` when everything held."""
    table = Table(say, "fault", "error", "kept", "after at most", "works again after", "readers")
    for fault in faults:
        own = [cell for cell in cells if cell.fault == fault.name]
        again = max(cell.recovered_s if cell.recovered_s is not None else float("inf") for cell in own)
        table.row(
            fault.name,
            f"`{fault.code}`",
            f"{fault.words} of {fault.words} words" if fault.words else "",
            f"{max(cell.seconds for cell in own):.1f} s",
            f"{again:.1f} s",
            f"{sum(not cell.problems for cell in own)} of {len(own)}",
            problems=[f"{cell.surface}: {problem}" for cell in own for problem in cell.problems],
        )
    return table.end()


def _play_faults(names: Sequence[str], full: bool, say: Say) -> bool:
    faults = [fault for fault in FAULTS if fault.name in names and (full or fault.name in SMALL)]
    return tell(faults, play(faults), say)


def _play_cuts(names: Sequence[str], full: bool, say: Say) -> bool:
    faults = [fault for fault in cut_faults() if fault.name in names]
    return tell(faults, play(faults), say)


SMALL = ("429, Retry-After in seconds", "reset in the middle")
_READERS = (
    "Five readers each: the chat page by its socket and by server-sent events, a page in another process that reads "
    "the journal, `manage.py chat`, and a script with `provider.stream_chat`. The time of an error counts from the "
    "request that came to the provider (of a broken answer: from its last byte), that of working again from the "
    "fault's end to the request that was answered whole."
)
PARTS = (
    Part(
        name="provider",
        title="Providers that fail",
        about=f"{_READERS} One retry, {FIRST_BYTE_S:g} s to a first output, {IDLE_S:g} s of silence.",
        cells=tuple(fault.name for fault in FAULTS),
        play=_play_faults,
    ),
    Part(
        name="cut",
        title="Answers cut at twenty places",
        about="The body of the same answer ends properly after so many bytes; the same five readers.",
        cells=tuple(fault.name for fault in cut_faults()),
        play=_play_cuts,
    ),
)

"""The part of the matrix that is about providers: every fault on every surface, against its declared behaviour."""

import asyncio
import itertools
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
"""Seconds added to declared times: the start of an answer, a page, a read of the journal."""


class Control(msgspec.Struct):
    """What this machine takes for answers that nothing breaks, asked all the while: the most seconds on each surface.

    ``late_s`` is from an answer's last byte until its end was shown, ``whole_s`` from the question on.
    """

    late_s: dict[str, float] = {}
    whole_s: dict[str, float] = {}

    def add(self, surface: str, seen: Seen, asked: Asked) -> None:
        """Note an answer."""
        late, whole = seen.ended - asked.sent[-1][0], seen.ended - seen.began
        self.late_s[seen.surface] = max(late, self.late_s.get(seen.surface, 0.0))
        self.whole_s[surface] = max(whole, self.whole_s.get(surface, 0.0))

    @property
    def row(self) -> tuple[str, ...]:
        """Its row of the table."""
        late, whole = max(self.late_s.values(), default=0.0), max(self.whole_s.values(), default=0.0)
        return CONTROL, "", "whole", f"{late:.1f} s", f"{whole:.1f} s", f"{len(self.late_s)} of {len(self.late_s)}"


CONTROL = "no fault (control)"


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


def judge(fault: Fault, seen: Seen, asked: Sequence[Asked], late_s: float = 0.0) -> Cell:
    """Compare what a reader saw of a broken answer with what is declared, and with what was sent for it.

    ``late_s`` is what the machine takes there to show the end of an answer that nothing breaks.
    """
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
    declared_s = fault.within_s + MACHINE_S + late_s
    cell.expect(cell.seconds < declared_s, f"the error came after {cell.seconds:.1f} s")
    return cell


class Played(msgspec.Struct, frozen=True):
    """What came of a fault on a surface: what its readers saw, the requests, and the seconds until it worked again."""

    fault: Fault
    surface: str
    seen: list[Seen]
    asked: list[Asked]
    recovered_s: float | None

    def cells(self, control: Control) -> list[Cell]:
        """Judge it, beside answers that nothing broke."""
        cells = [judge(self.fault, one, self.asked, control.late_s.get(one.surface, 0.0)) for one in self.seen]
        for cell in cells:
            cell.recovered_s = seconds = self.recovered_s
            # The answer that was being asked for when the cause ended comes before the one that is whole.
            most = RECOVERED_S + control.whole_s.get(self.surface, 0.0)
            cell.expect(seconds is not None and seconds <= most, f"it recovered after {seconds} s")
        return cells


async def _play(at: Installation, provider: Provider, fault: Fault, surfaces: Sequence[str]) -> list[Played]:
    session = await at.session(f"chaos-{provider.name}", provider.base_url)
    provider.fail(fault.play)
    prompts = [f"{fault.name} at {surface}" for surface in surfaces]
    asks = (SURFACES[name](at, session, prompt) for name, prompt in zip(surfaces, prompts, strict=True))
    found = await asyncio.gather(*asks)
    asked = [[one for one in provider.asked if one.prompt.endswith(prompt)] for prompt in prompts]
    healed = provider.heal()
    times = await asyncio.gather(*(_recover(at, provider, session, name, healed) for name in surfaces))
    return [Played(fault, *each) for each in zip(surfaces, found, asked, times, strict=True)]


async def _control(at: Installation, provider: Provider, surfaces: Sequence[str], over: asyncio.Event) -> Control:
    """Ask on one surface after the other, each at least once, until it is ``over``; nothing is broken."""
    session, control = await at.session("chaos-control", provider.base_url), Control({}, {})
    for number, surface in enumerate(itertools.cycle(surfaces)):
        if over.is_set() and number >= len(surfaces):
            return control
        prompt = f"control {number}"
        seen = await SURFACES[surface](at, session, prompt)
        (asked,) = [one for one in provider.asked if one.prompt.endswith(prompt)]
        for one in seen:
            if not one.complete:
                raise RuntimeError(f"an answer that nothing broke ended with {one.code or one.state}")
            control.add(surface, one, asked)
    raise AssertionError


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
) -> tuple[Control, list[Cell]]:
    free, over = asyncio.Semaphore(AT_ONCE), asyncio.Event()

    async def one(number: int, fault: Fault) -> list[Played]:
        async with free:
            return await _play(at, upstream.provider(str(number)), fault, surfaces)

    controlling = asyncio.create_task(_control(at, upstream.provider("control"), surfaces, over))
    found = await asyncio.gather(*(one(number, fault) for number, fault in enumerate(faults)))
    over.set()
    control = await controlling
    return control, [cell for many in found for played in many for cell in played.cells(control)]


def play(faults: Sequence[Fault] = FAULTS, surfaces: Sequence[str] = tuple(SURFACES)) -> tuple[Control, list[Cell]]:
    """Play faults on surfaces, and return the cells in the order of the faults, and what the machine takes itself."""
    with Upstream() as upstream, open_installation() as at:
        return asyncio.run(_play_all(at, upstream, faults, surfaces))


def tell(faults: Sequence[Fault], control: Control, cells: Sequence[Cell], say: Say) -> bool:
    """Say the table of played cells, a row for each fault; ``True`` when everything held."""
    table = Table(say, "fault", "error", "kept", "after at most", "works again after", "readers")
    table.row(*control.row)
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
    return tell(faults, *play(faults), say)


def _play_cuts(names: Sequence[str], full: bool, say: Say) -> bool:
    faults = [fault for fault in cut_faults() if fault.name in names]
    return tell(faults, *play(faults), say)


SMALL = ("429, Retry-After in seconds", "reset in the middle")
_READERS = (
    "Five readers each: the chat page by its socket and by server-sent events, a page in another process that reads "
    "the journal, `manage.py chat`, and a script with `provider.stream_chat`. The time of an error counts from the "
    "request that came to the provider (of a broken answer: from its last byte), that of working again from the "
    "fault's end to the request that was answered whole. The first row is of answers that nothing breaks, asked all "
    "the while: the most from the last byte, and for a whole one. A fault may take that on top of what is declared."
)
PARTS = (
    Part(
        name="provider",
        title="Providers that fail",
        about=f"{_READERS} One retry, {FIRST_BYTE_S:g} s to a first output, {IDLE_S:g} s of silence.",
        cells=tuple(fault.name for fault in FAULTS),
        always=(CONTROL,),
        play=_play_faults,
    ),
    Part(
        name="cut",
        title="Answers cut at twenty places",
        about="The body of the same answer ends properly after so many bytes; the same five readers.",
        cells=tuple(fault.name for fault in cut_faults()),
        always=(CONTROL,),
        play=_play_cuts,
    ),
)

"""Stop in every state of a request, on the chat page, in another process, and in a script.

The request waits in the queue of its session, for the provider's first byte, or before a retry, or its answer is in the
middle. The times count from Stop (of the script: from leaving the iteration) until the provider saw its connection
closed, and until the answer's end was shown or the iteration was over: each at most one second, beside what the machine
was late then. Nothing is sent for it afterwards. What may have cost something has its usage, as the provider counted it
so far (`partial`) or as estimated; what the provider refused or never got has none.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial

import msgspec

from tests.proofs.chaos.cuts import Lateness
from tests.proofs.chaos.faults import refusal
from tests.proofs.chaos.installation import Installation, open_installation
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.chaos.surfaces import new_chat, next_frame, open_socket, socket_frames
from tests.proofs.chaos.upstream import MODEL, SSE_HEAD, Asked, Play, Provider, Upstream, Writing, frames

STOPPED_S = 1.0
PATIENCE_S = 30.0
RETRY_AFTER_S = 4
SETTINGS = {"MAESTRO_PROVIDERS__IDLE_TIMEOUT_S": "60", "MAESTRO_PROVIDERS__REQUEST_TIMEOUT_S": "60"}
SMALL = ("in the middle, chat page", "before a retry, script")


class Ended(msgspec.Struct, frozen=True):
    """When a question was stopped, and when its end was shown (seconds of ``time.monotonic()``)."""

    stopped: float
    shown: float


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A state of a request: how the provider answers it, and what is to be seen before it is stopped.

    ``queued``: the session sends one request at a time, and has one already. ``text``: the answer has begun.
    ``usage``: where it may be from, ``""`` for none.
    """

    name: str
    play: Play
    usage: frozenset[str]
    queued: bool = False
    text: bool = False


async def _refused(writing: Writing) -> None:
    await writing.raw(refusal(429, f"Retry-After: {RETRY_AFTER_S}"))


async def _silent(writing: Writing) -> None:
    await asyncio.sleep(PATIENCE_S)


async def _endless(writing: Writing) -> None:
    await writing.raw(SSE_HEAD)
    for frame in frames(10_000):
        await writing.body(frame)
        await asyncio.sleep(0.05)


COUNTED, NONE = frozenset({"partial", "estimated"}), frozenset({""})
STATES = (
    State(name="in the queue", play=_endless, usage=NONE, queued=True),
    State(name="before the first byte", play=_silent, usage=COUNTED),
    State(name="in the middle", play=_endless, usage=COUNTED, text=True),
    State(name="before a retry", play=_refused, usage=NONE),
)

Reached = Callable[[], Awaitable[None]]


async def _by_page(at: Installation, session: str, prompt: str, state: State, reached: Reached) -> Ended:
    """Press Stop on the chat page, whose process runs the answer."""
    return await _stopped_on(at, at.web.base, session, prompt, state, reached)


async def _by_other(at: Installation, session: str, prompt: str, state: State, reached: Reached) -> Ended:
    """Press Stop on a page of another process."""
    return await _stopped_on(at, at.other, session, prompt, state, reached)


async def _stopped_on(at: Installation, base: str, session: str, prompt: str, state: State, reached: Reached) -> Ended:
    async with at.client(at.web.base) as client:
        chat = await new_chat(client)
        asked = await client.post(f"/chats/{chat}/send/", json={"text": prompt, "session": session, "model": MODEL})
        stream = asked.json()["stream"]
    async with open_socket(at, base, chat) as page, aclosing(socket_frames(page)) as found:
        await page.send(json.dumps({"type": "attach", "stream": stream, "after": 0}))
        if state.text:
            await next_frame(found, "events")
        await reached()
        stopped = time.monotonic()
        await page.send(json.dumps({"type": "stop", "stream": stream}))
        await next_frame(found, "end")
        return Ended(stopped, time.monotonic())


async def _by_script(at: Installation, session: str, prompt: str, state: State, reached: Reached) -> Ended:
    """Leave the iteration of ``provider.stream_chat`` in a script."""
    asking = asyncio.create_task(at.script.order(do="ask", session=session, prompt=prompt, model=MODEL))
    await reached()
    began = (await at.script.order(do="stop", prompt=prompt))["began"]
    return Ended(began, (await asking)["ended"])


WAYS = {"chat page": _by_page, "page of another process": _by_other, "script": _by_script}


async def _reached(provider: Provider, state: State, prompt: str) -> None:
    """Return once the request is in its state."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        own = _own(provider, prompt)
        if state.queued or (own and (own[0].body or not state.text)):
            break
        await asyncio.sleep(0.02)
    # The rest of its way there is inside the server, and not to be seen from here.
    await asyncio.sleep(0.5)


def _own(provider: Provider, prompt: str) -> list[Asked]:
    return [one for one in provider.asked if one.prompt.endswith(prompt)]


async def _row(at: Installation, upstream: Upstream, name: str, table: Table, lateness: Lateness) -> None:
    state_name, _, way = name.partition(", ")
    state = next(one for one in STATES if one.name == state_name)
    provider = await asyncio.to_thread(upstream.provider, name)
    provider.fail(state.play)
    slots = {"max_concurrent_requests": "1"} if state.queued else {}
    session = await at.session(name.replace(", ", "-").replace(" ", "-"), provider.base_url, **slots)
    holding = None
    if state.queued:
        # The lanes are of a process: the one that holds the slot must be where the other one waits.
        if way == "script":
            holding = asyncio.create_task(at.script.order(do="ask", session=session, prompt="first", model=MODEL))
        else:
            async with at.client(at.web.base) as client:
                chat = await new_chat(client)
                first = {"text": "first", "session": session, "model": MODEL}
                await client.post(f"/chats/{chat}/send/", json=first)
        await _reached(provider, STATES[2], "first")
    prompt = f"{name} {time.monotonic()}"
    ended = await WAYS[way](at, session, prompt, state, partial(_reached, provider, state, prompt))
    await asyncio.sleep(RETRY_AFTER_S + 1 if state.usage == NONE else 0.5)
    stored, source = await asyncio.to_thread(at.settled, prompt)
    own, late_s = _own(provider, prompt), lateness.at(ended.shown)
    problems, closed = [], ""
    if state.usage == COUNTED:
        left_s = own[0].left - ended.stopped if own and own[0].left else float("inf")
        closed = f"{left_s:.2f} s"
        if left_s > STOPPED_S + late_s:
            problems.append(f"upstream was closed after {left_s:.2f} s")
    if ended.shown - ended.stopped > STOPPED_S + late_s:
        problems.append(f"it had ended after {ended.shown - ended.stopped:.2f} s")
    if len(own) != (0 if state.queued else 1):
        problems.append(f"the provider was asked {len(own)} times")
    if stored != "cancelled":
        problems.append(f"it is stored as {stored}")
    if source not in state.usage:
        problems.append(f"its usage is from {source or 'nowhere'}")
    if holding is not None:
        await at.script.order(do="stop", prompt="first")
        await holding
    table.row(name, closed, f"{ended.shown - ended.stopped:.2f} s", source or "none", problems=problems)


async def _rows(at: Installation, upstream: Upstream, names: Sequence[str], table: Table) -> None:
    lateness = Lateness()
    watch = asyncio.create_task(lateness.run())
    for name in names:
        await _row(at, upstream, name, table, lateness)
    watch.cancel()


def _play(names: Sequence[str], full: bool, say: Say) -> bool:
    table = Table(say, "stopped", "upstream closed after", "ended after", "usage")
    with Upstream() as upstream, open_installation(**SETTINGS) as at:
        asyncio.run(_rows(at, upstream, names if full else [name for name in names if name in SMALL], table))
    return table.end()


PART = Part(
    name="stop",
    title="Stop",
    about=__doc__,
    cells=tuple(f"{state.name}, {way}" for state in STATES for way in WAYS),
    play=_play,
)

"""The ASGI application: reads a request, asks the vendor for its answer, delivers it with the planned faults."""

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.plan import Plan

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass
class Request:
    """One HTTP request; header names are lower case, ``number`` counts the requests of this server."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    number: int


@dataclass
class Reply:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    plan: Plan = field(default_factory=Plan)


@dataclass
class Frame:
    """One piece of a stream as the vendor writes it; ``visible`` when it carries output."""

    data: bytes
    visible: bool = False


@dataclass
class Streamed:
    """A streamed answer; ``error`` is what the vendor sends instead of the rest when it breaks in the middle."""

    headers: dict[str, str]
    frames: list[Frame]
    error: list[bytes]
    plan: Plan


@dataclass
class Broken:
    """No answer: the connection is reset."""

    plan: Plan = field(default_factory=Plan)


Answer = Reply | Streamed | Broken


class Vendor(Protocol):
    """What differs between the vendors."""

    ledger: Ledger

    def key_state(self, request: Request) -> KeyState:
        """Was the key sent in the vendor's way, and right?"""
        ...

    def answer(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        """The vendor's answer, at once or after a while; notes the model in the entry."""
        ...


HELD_S = 60.0
"""After so long a held answer ends by itself, so that a test that forgets it does not wait for ever."""


class Gate:
    """Keeps the ends of held answers back; shut and opened from the test's thread."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.shut, self.open = self._opened.clear, self._opened.set

    async def passed(self) -> None:
        """Return once the gate is open, or after ``HELD_S`` seconds."""
        limit = time.monotonic() + HELD_S
        while not self._opened.is_set() and time.monotonic() < limit:  # noqa: ASYNC110  it is set on another thread
            await asyncio.sleep(0.005)


class VendorApp:
    """An ASGI application around one vendor."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.gate = Gate()
        self._numbers = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self._numbers += 1
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers={name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            number=self._numbers,
        )
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = body
        entry = Entry(request.method, request.path, request.query, request.headers, parsed)
        entry.key = self.vendor.key_state(request)
        answer = self.vendor.answer(request, entry)
        self.vendor.ledger.add(entry)
        delivery = _Delivery(entry, send, scope["reset"], self.gate, len(self.vendor.ledger.of_model(entry.model)))
        work = asyncio.ensure_future(delivery.run(answer))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                entry.disconnected_at = time.monotonic()
            else:
                work.result()
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Delivery:
    """Writes one answer, with its plan's timing, packets and breaks."""

    def __init__(self, entry: Entry, send: Send, reset: Callable[[], None], gate: Gate, number: int) -> None:
        self.entry, self._send, self._reset, self._gate, self._number = entry, send, reset, gate, number

    async def run(self, later: Answer | Awaitable[Answer]) -> None:
        answer: Answer = await later if inspect.isawaitable(later) else later
        if answer.plan.hang:
            await asyncio.Event().wait()
        if isinstance(answer, Broken):
            await self._break()
            # Time for the connection to be lost, so that uvicorn does not miss an answer.
            await asyncio.sleep(0.05)
        elif isinstance(answer, Reply):
            await self._whole(answer)
        else:
            await self._stream(answer)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self.entry.status = status
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _write(self, data: bytes, plan: Plan) -> None:
        step = 1 if plan.one_byte else max(len(data), 1)
        for at in range(0, len(data), step):
            await self._send({"type": "http.response.body", "body": data[at : at + step], "more_body": True})
            await asyncio.sleep(0)

    async def _end(self) -> None:
        self.entry.finished_at = time.monotonic()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _break(self) -> None:
        # The bytes before the break must leave the socket first; a reset discards what is still unread.
        await asyncio.sleep(0.05)
        self.entry.finished_at = time.monotonic()
        self._reset()

    async def _whole(self, reply: Reply) -> None:
        await self._start(reply.status, reply.headers)
        plan = reply.plan
        half = reply.body[: len(reply.body) // 2]
        if plan.cut in ("truncate", "truncate-clean", "reset", "silence"):
            await self._write(half, plan)
            if plan.cut == "reset":
                await self._break()
                return
            if plan.cut == "silence":
                await asyncio.Event().wait()
        else:
            await self._write(reply.body, plan)
        await self._end()

    async def _stream(self, streamed: Streamed) -> None:
        plan = streamed.plan
        await self._start(200, streamed.headers)
        visible = [position for position, frame in enumerate(streamed.frames) if frame.visible]
        middle = visible[len(visible) // 2] if visible else len(streamed.frames) // 2
        if plan.at is not None and visible:
            middle = visible[0] + 1 + plan.at * (len(streamed.frames) - visible[0] - 2) // 1000
        for position, frame in enumerate(streamed.frames):
            if position == middle and await self._interrupted(streamed, frame):
                return
            if plan.comments:
                await self._write(b": keep-alive\n\n", plan)
            await self._write(frame.data, plan)
            self.entry.sent_frames += 1
            if plan.slow_ms:
                await asyncio.sleep(plan.slow_ms / 1000)
            if plan.holding(self._number) and position == (visible[-1] if visible else 0):
                await self._gate.passed()
        await self._end()

    async def _interrupted(self, streamed: Streamed, frame: Frame) -> bool:
        """Do what the plan has for the middle; true when nothing may follow."""
        plan = streamed.plan
        if plan.pause_ms:
            await asyncio.sleep(plan.pause_ms / 1000)
        match plan.cut:
            case None:
                return False
            case "truncate":
                await self._write(frame.data[: len(frame.data) // 2], plan)
                await self._end()
            case "truncate-clean":
                await self._end()
            case "reset":
                await self._break()
            case "silence":
                await asyncio.Event().wait()
            case _:
                for data in streamed.error:
                    await self._write(data, plan)
                await self._end()
        return True

"""One connection to a chat, independent of its transport (socket or server-sent events).

The transport passes ``send`` (awaited, so that a slow one slows only itself) and ``disconnect`` (takes a WebSocket
close code), and calls ``open``, ``handle`` for each client frame, and ``close``. Each stream is read by a task of its
own that holds a cursor.
"""

import asyncio
import contextvars
import datetime
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

import msgspec
from django.utils import timezone

from context_app import access, frames, rendering
from context_app.access import Viewer
from context_app.errors import SignedOut
from context_app.models import Stream, Turn
from context_app.services import turns
from context_app.streams import pubsub
from context_app.streams.reader import Batch, Ended, Reset, UnknownStream, read
from context_app.streams.runtime import current
from providers_app.errors import ProviderError, UnknownContext
from sessions_app.errors import StoreUnavailable
from sessions_app.stores.pool import in_store

logger = logging.getLogger(__name__)

SIGNED_OUT, FOREIGN, RESTART = 4401, 4403, 1012
CHECK_S = 10.0
"""Interval of the check of sign-in and, for want of a channel layer, of new turns."""
OVERLAP_S = 60.0
"""Seconds by which a query for new turns overlaps the last one: transactions commit late, clocks differ."""
MAX_READERS = 32
"""Streams that one connection may read at a time."""
SEND_S = 60.0
"""Seconds that one frame may wait for a page that does not read. It is disconnected then, and comes back with its
cursor, so nothing is kept for it."""
FRAME_S = 1 / 60
"""The least time between two ``events`` frames of one stream on one connection."""
RENDER_TRIES = 5
READ_FAILED = "The answer could not be read because of an error inside Maestro. Reload the page to try again."


def close_code(error: SignedOut | UnknownContext) -> int:
    """Return the WebSocket close code for a person who may no longer read the chat."""
    return SIGNED_OUT if isinstance(error, SignedOut) else FOREIGN


class Disconnected(Exception):
    """The other end of the connection is gone."""


class ChatConnection:
    """A person's connection to one chat: what it reads, and what it is told."""

    def __init__(
        self,
        person: Viewer,
        context_id: UUID,
        send: Callable[[str], Awaitable[None]],
        disconnect: Callable[[int], Coroutine[Any, Any, None]],
    ) -> None:
        self._person = person
        self._context = context_id
        self._transmit = send
        self._disconnect = disconnect
        self._lock = asyncio.Lock()
        self._stalled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: dict[UUID, asyncio.Task[None]] = {}
        self._announced: dict[UUID, UUID] = {}  # turn -> stream
        self._ticket: object | None = None
        self._listener: pubsub.Listener | None = None
        self._opened_at = self._since = timezone.now()

    async def open(self) -> None:
        """Send ``hello`` and listen from now on.

        Raises ``TooManyConnections``, ``SignedOut``, ``UnknownContext``, ``StoreUnavailable``.
        """
        # Subscribed before the database is read: a turn that starts in between is heard of twice rather than never.
        here = current()
        most = here.config.max_connections_per_owner
        self._ticket = here.hub.subscribe(self._context, self._on_message, self._person.user_id, most)
        try:
            running = await in_store(_running, self._person, self._context)
        except BaseException:
            await self.close()
            raise
        self._announced |= {item["turn"]: item["stream"] for item in running}
        await self.send(frames.encode({"type": "hello", "context": self._context, "running": running}))
        self._listener = pubsub.Listener(f"chat.{self._context}", self._on_remote_message)
        self._spawn(self._check_regularly)

    async def close(self) -> None:
        """Stop reading and listening. Answers go on being written."""
        if self._ticket is not None:
            current().hub.unsubscribe(self._ticket)
            self._ticket = None
        tasks = [task for task in {*self._tasks, *self._readers.values()} if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        if self._listener is not None:
            await self._listener.close()
            self._listener = None

    async def send(self, text: str) -> None:
        """Send one frame at a time. Raises ``Disconnected``."""
        async with self._lock:
            if self._stalled:
                raise Disconnected("stalled")
            try:
                async with asyncio.timeout(SEND_S):
                    await self._transmit(text)
            except Exception as error:  # servers name a lost connection in different ways
                if isinstance(error, TimeoutError):
                    self._stalled = True
                    self._spawn(self._disconnect, RESTART)
                raise Disconnected(type(error).__name__) from error

    def pong(self) -> str:
        """Return a ``pong`` frame: the streams that are read, by which the page notices that one no longer is."""
        return frames.encode({"type": "pong", "streams": list(self._readers)})

    async def handle(self, frame: frames.ClientFrame) -> None:
        """Carry out a client frame after checking the person's access. Raises ``ProviderError`` for a refusal."""
        if isinstance(frame, frames.Ping):
            await self.send(self.pong())
            return
        await in_store(access.check, self._person, self._context)
        if isinstance(frame, frames.Attach):
            await self.attach(frame.stream, frame.after)
        elif started := await carry_out(self._person, self._context, frame):
            await self._announce(started.turn_id, again=not started.created)

    async def attach(self, stream: UUID, after: int) -> None:
        """Read a stream of this chat from a cursor on, replacing an earlier reader of it. Raises ``UnknownStream``."""
        await in_store(_require_stream, self._context, stream)
        self._read(stream, after)

    def _read(self, stream: UUID, after: int) -> None:
        earlier = self._readers.get(stream)
        if earlier is None and len(self._readers) >= MAX_READERS:
            raise UnknownStream(f"At most {MAX_READERS} answers are read on one connection.")
        if earlier is not None:
            earlier.cancel()
        # Registered before anything is awaited: the next caller replaces this reader instead of adding a second one.
        task = _create_task(self._guarded(READ_FAILED, self._pump, stream, after, earlier), f"read {stream}")
        self._readers[stream] = task
        task.add_done_callback(lambda task: self._read_ended(stream, task))

    def _read_ended(self, stream: UUID, task: asyncio.Task[None]) -> None:
        if self._readers.get(stream) is task:  # one that was replaced leaves its successor alone
            del self._readers[stream]

    async def _pump(self, stream: UUID, after: int, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        async with aclosing(read(stream, after)) as items:
            async for item in items:
                match item:
                    case Batch():
                        await self.send(frames.events(stream, item))
                        # A screen shows no more frames than this; events that come meanwhile go together.
                        await asyncio.sleep(FRAME_S)
                    case Reset():
                        await self.send(frames.encode({"type": "reset", "stream": stream, "length": item.length}))
                    case Ended():
                        await self.send(await self._end(stream, item))

    async def _end(self, stream: UUID, ended: Ended) -> str:
        delay = 0.1
        for _ in range(RENDER_TRIES):
            try:
                turn, html = await in_store(rendering.render_end, stream, ended.result)
                return frames.end(stream, turn, ended, html)
            except StoreUnavailable:
                await asyncio.sleep(delay)
                delay *= 2
        raise StoreUnavailable("The answer is stored, but it could not be read back to be shown.")

    async def _announce(self, turn: UUID, *, again: bool = False) -> None:
        """Send the ``turn`` frame and read its stream from the start; once per stream unless ``again``."""
        frame = await in_store(rendering.turn_frame, self._context, turn)
        if frame is None:
            return
        stream: UUID = frame["stream"]
        if self._announced.get(turn) == stream and not again:
            return
        self._announced[turn] = stream
        await self.send(frames.encode(frame))
        self._read(stream, 0)

    def _on_message(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "turn":
                self._spawn(self._announce, UUID(message["turn"]))
            case "shutdown":
                self._spawn(self._disconnect, RESTART)

    def _on_remote_message(self, message: dict[str, Any]) -> None:
        if message.get("process") != current().process:
            self._on_message(message)

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                now = timezone.now()
                for turn, stream in await in_store(_turns_since, self._person, self._context, self._since):
                    if self._announced.get(turn) != stream:
                        await self._announce(turn)
                self._since = max(self._opened_at, now - datetime.timedelta(seconds=OVERLAP_S))
            except (SignedOut, UnknownContext) as error:
                await self._disconnect(close_code(error))
                return
            except StoreUnavailable:
                continue
            except ProviderError as error:
                # Told, and no more: this loop must still notice that the person signs out.
                await self._try_send(frames.error(error))
            except Disconnected:
                return
            except Exception:
                logger.exception("looking for new turns of a chat failed")

    async def _try_send(self, text: str) -> None:
        with suppress(Disconnected):
            await self.send(text)

    def _spawn(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        task = _create_task(self._guarded("", work, *args), "chat connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, failure: str, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Do a task's work and send its refusal, or ``failure`` after an error inside Maestro (blank: nothing)."""
        try:
            await work(*args)
        except ProviderError as error:
            await self._try_send(frames.error(error))
        except Disconnected as error:
            logger.debug("a task of a chat's connection ended (%s)", error)
        except Exception:
            logger.exception("a task of a chat's connection failed (%s)", asyncio.current_task())
            if failure:
                await self._try_send(frames.error(ProviderError(failure)))


async def carry_out(
    person: Viewer, context_id: UUID, frame: frames.Send | frames.Retry | frames.Continue | frames.Stop
) -> turns.Started | None:
    """Do what a frame asks for, for a person whose access was checked. Returns the turn that was started."""
    match frame:
        case frames.Send():
            return await turns.start(owner=person.user_id, context_id=context_id, **msgspec.structs.asdict(frame))
        case frames.Retry():
            return await turns.retry(owner=person.user_id, context_id=context_id, turn_id=frame.turn)
        case frames.Continue():
            return await turns.go_on(owner=person.user_id, context_id=context_id, turn_id=frame.turn)
        case frames.Stop():
            await turns.stop(owner=person.user_id, stream_id=frame.stream, context_id=context_id)
            return None


def _create_task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Return a task of this loop with an empty context: a copied request context would cost a thread each."""
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


def _running(person: Viewer, context_id: UUID) -> list[dict[str, Any]]:
    access.check(person, context_id)
    rows = Turn.objects.filter(context_id=context_id, stream__state=Stream.State.RUNNING).order_by("created_at")
    runtime = current()
    found = []
    for turn, stream, last in rows.values_list("id", "stream_id", "stream__last_seq"):
        live = runtime.find(stream)
        found.append({"stream": stream, "turn": turn, "last_seq": live.accepted if live else last})
    return found


def _turns_since(person: Viewer, context_id: UUID, since: datetime.datetime) -> list[tuple[UUID, UUID]]:
    access.check(person, context_id)
    rows = Turn.objects.filter(context_id=context_id, stream__created_at__gte=since).order_by("created_at")
    return list(rows.values_list("id", "stream_id"))


def _require_stream(context_id: UUID, stream: UUID) -> None:
    if not Turn.objects.filter(context_id=context_id, stream_id=stream).exists():
        raise UnknownStream("There is no such answer in this chat.")

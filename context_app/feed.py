"""Everything one connection hears of one chat, whatever carries it (socket or server-sent events).

The carrier gives ``send`` (awaited, so that a slow one slows only itself) and ``close`` (a WebSocket close code), and
calls ``open``, ``handle`` for each client frame, and ``shut``. Each stream is read by a task of its own that holds a
cursor.
"""

import asyncio
import contextvars
import datetime
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

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
"""How often sign-in is checked and, for want of a channel layer, new turns are looked for."""
OVERLAP_S = 60.0
"""How far a look for new turns reaches back before the last one: transactions commit late, clocks differ."""
MAX_READERS = 32
"""Streams that one connection may read at a time."""
FRAME_S = 1 / 60
"""The least time between two ``events`` frames of one stream on one connection."""
RENDER_TRIES = 5
READ_FAILED = "The answer could not be read because of an error inside Maestro. Reload the page to try again."


class Disconnected(Exception):
    """The other end of the connection is gone."""


class ChatFeed:
    """See the module's docstring."""

    def __init__(
        self,
        who: Viewer,
        context_id: UUID,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int], Coroutine[Any, Any, None]],
    ) -> None:
        self._who = who
        self._context = context_id
        self._carry = send
        self._close = close
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: dict[UUID, asyncio.Task[None]] = {}
        self._announced: dict[UUID, UUID] = {}  # turn -> stream
        self._ticket: object | None = None
        self._listener: pubsub.Listener | None = None
        self._opened_at = self._since = timezone.now()

    async def open(self) -> None:
        """Say hello and listen from now on. Raises ``SignedOut``, ``UnknownContext``, ``StoreUnavailable``."""
        # Listening begins before looking: a turn that starts in between is heard of twice rather than never.
        hub = current().hub
        self._ticket = hub.subscribe(self._context, self._heard)
        try:
            running = await in_store(_running, self._who, self._context)
        except BaseException:
            await self.shut()
            raise
        for item in running:
            self._announced[UUID(item["turn"])] = UUID(item["stream"])
        await self.send(frames.encode({"type": "hello", "context": self._context, "running": running}))
        self._listener = pubsub.Listener(f"chat.{self._context}", self._heard_elsewhere)
        self._spawn(self._guard())

    async def shut(self) -> None:
        """Stop reading and listening. Answers go on being written."""
        if self._ticket is not None:
            current().hub.unsubscribe(self._context, self._ticket)
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
            try:
                await self._carry(text)
            except Exception as error:  # servers name a lost connection in different ways
                raise Disconnected(type(error).__name__) from error

    async def handle(self, frame: frames.ClientFrame) -> None:
        """Do what a client frame asks, after checking who asks. Raises ``ProviderError`` for what is refused."""
        if isinstance(frame, frames.Ping):
            await self.send(frames.encode({"type": "pong"}))
            return
        await in_store(access.check, self._who, self._context)
        match frame:
            case frames.Send():
                started = await turns.start(
                    owner=self._who.user_id,
                    context_id=self._context,
                    text=frame.text,
                    session=frame.session,
                    model=frame.model,
                    params=frame.params,
                    client_id=frame.client_id,
                )
                await self._announce(started.turn_id, again=not started.created)
            case frames.Retry():
                started = await turns.retry(owner=self._who.user_id, context_id=self._context, turn_id=frame.turn)
                await self._announce(started.turn_id)
            case frames.Stop():
                await turns.stop(owner=self._who.user_id, stream_id=frame.stream, context_id=self._context)
            case frames.Attach():
                await self.attach(frame.stream, frame.after)

    async def attach(self, stream: UUID, after: int) -> None:
        """Read a stream of this chat from a cursor on; replaces an earlier reading of it. Raises ``UnknownStream``."""
        await in_store(_require_stream, self._context, stream)
        self._read(stream, after)

    def _read(self, stream: UUID, after: int) -> None:
        earlier = self._readers.get(stream)
        if earlier is None and len(self._readers) >= MAX_READERS:
            raise UnknownStream(f"At most {MAX_READERS} answers are read on one connection.")
        if earlier is not None:
            earlier.cancel()
        # Registered before anything is awaited: the next caller replaces this reader instead of adding a second one.
        task = _detached(self._pump(stream, after, earlier), f"read {stream}")
        self._readers[stream] = task
        task.add_done_callback(lambda task: self._read_ended(stream, task))

    def _read_ended(self, stream: UUID, task: asyncio.Task[None]) -> None:
        if self._readers.get(stream) is task:
            del self._readers[stream]

    async def _pump(self, stream: UUID, after: int, earlier: asyncio.Task[None] | None) -> None:
        try:
            if earlier is not None:
                await asyncio.wait([earlier])
            async with aclosing(read(stream, after)) as items:
                async for item in items:
                    match item:
                        case Batch():
                            await self.send(frames.events(stream, item))
                            # Faster than a screen shows is only more frames; what comes meanwhile goes together.
                            await asyncio.sleep(FRAME_S)
                        case Reset():
                            frame = {"type": "reset", "stream": stream, "length": item.length}
                            await self.send(frames.encode(frame))
                        case Ended():
                            await self.send(await self._end(stream, item))
        except ProviderError as error:
            await self._try_send(frames.error(error))
        except Disconnected as error:
            logger.debug("a reader of %s ended (%s)", stream, error)
        except Exception:
            logger.exception("reading the stream %s failed", stream)
            await self._try_send(frames.error(ProviderError(READ_FAILED)))

    async def _end(self, stream: UUID, ended: Ended) -> str:
        delay = 0.1
        for _ in range(RENDER_TRIES):
            try:
                turn, html = await in_store(_render_end, stream, ended.result)
                return frames.end(stream, turn, ended, html)
            except StoreUnavailable:
                await asyncio.sleep(delay)
                delay *= 2
        raise StoreUnavailable("The answer is stored, but it could not be read back to be shown.")

    async def _announce(self, turn: UUID, *, again: bool = False) -> None:
        """Send the ``turn`` frame and read its stream from the start; once per stream unless ``again``."""
        found = await in_store(_render_turn, self._context, turn)
        if found is None:
            return
        stream, frame = found
        if self._announced.get(turn) == stream and not again:
            return
        self._announced[turn] = stream
        await self.send(frames.encode(frame))
        self._read(stream, 0)

    def _heard(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "turn":
                self._spawn(self._announce(UUID(message["turn"])))
            case "shutdown":
                self._spawn(self._close(RESTART))

    def _heard_elsewhere(self, message: dict[str, Any]) -> None:
        if message.get("process") != current().process:
            self._heard(message)

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                now = timezone.now()
                for turn, stream in await in_store(_look, self._who, self._context, self._since):
                    if self._announced.get(turn) != stream:
                        await self._announce(turn)
                self._since = max(self._opened_at, now - datetime.timedelta(seconds=OVERLAP_S))
            except SignedOut:
                await self._close(SIGNED_OUT)
                return
            except UnknownContext:
                await self._close(FOREIGN)
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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = _detached(self._quiet(work), "chat feed")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quiet(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ProviderError as error:
            await self._try_send(frames.error(error))
        except Disconnected as error:
            logger.debug("a task of a chat's connection ended (%s)", error)
        except Exception:
            logger.exception("a task of a chat's connection failed")


def _detached(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """A task of this loop with a context of its own: a copied request context would cost a thread each."""
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


def _running(who: Viewer, context_id: UUID) -> list[dict[str, Any]]:
    access.check(who, context_id)
    rows = Turn.objects.filter(context_id=context_id, stream__state=Stream.State.RUNNING).order_by("created_at")
    runtime = current()
    found = []
    for turn, stream, last in rows.values_list("id", "stream_id", "stream__last_seq"):
        live = runtime.find(stream)
        last_seq = live.accepted if live is not None else last
        found.append({"stream": str(stream), "turn": str(turn), "last_seq": last_seq})
    return found


def _look(who: Viewer, context_id: UUID, since: Any) -> list[tuple[UUID, UUID]]:
    access.check(who, context_id)
    rows = Turn.objects.filter(context_id=context_id, stream__created_at__gte=since).order_by("created_at")
    return list(rows.values_list("id", "stream_id"))


def _require_stream(context_id: UUID, stream: UUID) -> None:
    if not Turn.objects.filter(context_id=context_id, stream_id=stream).exists():
        raise UnknownStream("There is no such answer in this chat.")


def _render_turn(context_id: UUID, turn_id: UUID) -> tuple[UUID, dict[str, Any]] | None:
    turns_here = Turn.objects.filter(context_id=context_id, stream__isnull=False).select_related("stream")
    turn = turns_here.prefetch_related("chunks").filter(pk=turn_id).first()
    if turn is None or turn.stream_id is None:
        return None
    return turn.stream_id, {
        "type": "turn",
        "turn": turn.pk,
        "stream": turn.stream_id,
        "client_id": turn.client_id,
        "attempt": turn.attempt,
        "user_html": rendering.render_user(turn),
        "answer_html": rendering.render_answer(turn, None),
    }


def turn_frame(context_id: UUID, turn_id: UUID) -> dict[str, Any] | None:
    """The ``turn`` frame of a turn; ``None`` for one that has no stream or is gone. Reads the database."""
    found = _render_turn(context_id, turn_id)
    return found[1] if found is not None else None


def _render_end(stream: UUID, result: dict[str, Any]) -> tuple[UUID | None, str]:
    turn = Turn.objects.filter(stream_id=stream).select_related("stream").prefetch_related("chunks").first()
    if turn is None:
        return None, ""
    return turn.pk, rendering.render_answer(turn, result)

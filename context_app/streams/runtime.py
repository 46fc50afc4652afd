"""Join the parts that one process needs for its streams: spool, journal, running answers, and open connections."""

import asyncio
import atexit
import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from context_app.conf import ContextConfig
from context_app.streams import pubsub, takeover
from context_app.streams.journal import Journal
from context_app.streams.live import LiveStream
from context_app.streams.runner import LOST, SHUTDOWN, STOPPED, Runner, Source
from context_app.streams.spool import Spool
from providers_app import loop as provider_loop
from providers_app.types.events import Usage

logger = logging.getLogger(__name__)

RELEASE_S = 30.0
"""Seconds that a finished answer stays in memory, so that readers end on it instead of on the database."""
TELL_S = 0.1
"""The least time between two announcements of news of one stream to other processes."""
EXIT_S = 1.0
INTEREST_S = 60.0
"""Seconds that the announcement of a reader in another process is valid."""


class Runtime:
    """The streams of one process. Every method but ``start`` may be called from any thread."""

    def __init__(self, folder: Path, config: ContextConfig) -> None:
        self.pid = os.getpid()
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32]
        self.process = f"{host}-{self.pid}-{secrets.token_hex(4)}"  # no other process ever has this name
        self.folder = folder
        self.config = config
        self.hub = pubsub.Hub()
        self.closing = False
        self.spool = Spool(folder, self.process)
        self.journal = Journal(
            self.process,
            config.commit_interval_ms / 1000,
            self.spool,
            committed=self._committed,
            cancelled=self.cancel,
            lost=self._lost,
        )
        self._lock = threading.Condition()  # told when a runner has ended
        self._streams: dict[UUID, LiveStream] = {}
        self._tasks: dict[UUID, asyncio.Task[Any]] = {}
        self._dirty: set[LiveStream] = set()
        self._flush_at: asyncio.AbstractEventLoop | None = None
        self._interest: dict[UUID, float] = {}
        self._sent_at: dict[UUID, float] = {}

    def find(self, stream: UUID) -> LiveStream | None:
        """Return the stream if this process has it in memory."""
        return self._streams.get(stream)

    def running(self) -> list[LiveStream]:
        """Return the streams that this process runs."""
        return self.journal.open_streams()

    def prepare(self) -> None:
        """Make the spool, whose lock tells others that this process lives. Call it off the event loop."""
        try:
            self.spool.open()
        except OSError as error:  # then the heartbeat alone says that it lives
            logger.error("the spool cannot be made (%s)", error)

    def start(self, live: LiveStream, source: Source, slug: str, used: Callable[[int], Usage] | None = None) -> None:
        """Run a stream that is in the database as running; ``used`` as in ``Runner``. Call it on the provider loop."""
        runner = Runner(live, source, slug, self._changed, used)
        with self._lock:
            self._streams[live.id] = live
        self.journal.add(live)
        task = provider_loop.spawn(runner.run(), name=f"answer {live.id}")
        with self._lock:
            self._tasks[live.id] = task
        task.add_done_callback(lambda _: self._ended(live, runner))
        if self.closing:
            self.cancel(live.id, SHUTDOWN)

    def cancel(self, stream: UUID, reason: str = STOPPED) -> bool:
        """Stop a stream of this process and close its upstream at once. ``False`` when it does not run here."""
        with self._lock:
            live, task = self._streams.get(stream), self._tasks.get(stream)
            if live is None or task is None or task.done():
                return False
            # The first reason counts: an answer that a person stopped stays stopped when the server stops too.
            live.cancel_reason = live.cancel_reason or reason
        provider_loop.cancel(task)
        return True

    def cancel_all(self, reason: str) -> None:
        """Stop every stream of this process."""
        for live in self.running():
            self.cancel(live.id, reason)

    async def runners_ended(self, seconds: float) -> None:
        """Wait at most ``seconds`` until no runner is left. Call it on the provider loop."""
        with self._lock:
            tasks = [task for task in self._tasks.values() if not task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def wait_for_runners(self, seconds: float) -> bool:
        """Block as ``runners_ended`` waits; return whether none is left. Call it on a thread without the loop."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._tasks, seconds)

    def note_interest(self, stream: UUID) -> None:
        """Announce news of this stream to a reader in another process, for ``INTEREST_S``."""
        if stream in self._streams:
            self._interest[stream] = time.monotonic() + INTEREST_S

    def take_over(self) -> list[UUID]:
        """End the streams of dead processes. Uses the database: call it on the store pool or a worker's thread."""
        own = frozenset(live.id for live in self.running())
        return takeover.run(self.folder, own=own, process=self.process, timeout_s=self.config.heartbeat_timeout_s)

    def stop(self, timeout: float) -> bool:
        """Flush spool and journal and release them; ``True`` when everything is stored. Blocks up to ``timeout``."""
        self._flush()
        clean = self.journal.stop(timeout)
        self.spool.close(clean=clean)
        return clean

    def _changed(self, live: LiveStream) -> None:
        """Write all events of one iteration of the provider loop at once. Called on that loop."""
        self._dirty.add(live)
        loop = asyncio.get_running_loop()
        if live.finish is not None:
            self._flush()
            self.journal.poke()
        elif self._flush_at is not loop:
            self._flush_at = loop
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_at = None
        dirty, self._dirty = self._dirty, set()
        if dirty and not self.spool.write(dirty):
            # Not lost: the journal takes the events from memory, and the next write contains them too.
            self.journal.poke()

    def _ended(self, live: LiveStream, runner: Runner) -> None:
        runner.abandon()
        with self._lock:
            self._tasks.pop(live.id, None)
            self._lock.notify_all()
        with suppress(RuntimeError):
            asyncio.get_running_loop().call_later(RELEASE_S, self._release, live)

    def _release(self, live: LiveStream) -> None:
        if not live.stored and not live.fenced:
            with suppress(RuntimeError):  # the database is away; keep it in memory
                asyncio.get_running_loop().call_later(RELEASE_S, self._release, live)
            return
        with self._lock:
            self._streams.pop(live.id, None)
            self._interest.pop(live.id, None)
            self._sent_at.pop(live.id, None)
        live.release()

    def _lost(self, live: LiveStream) -> None:
        """Let go of a stream that belongs to another process or cannot be stored. Called on the journal's thread."""
        self.cancel(live.id, LOST)
        try:
            # The process that took over did not have the events that were stored just now.
            takeover.refresh(live.id)
        except Exception as error:  # noqa: BLE001 - the segments are stored, only the chunk is behind
            logger.warning("the partial chunk of %s could not be renewed (%s)", live.id, type(error).__name__)
        with self._lock:
            self._streams.pop(live.id, None)
        live.release()

    def _committed(self, streams: list[LiveStream]) -> None:
        """Announce news to readers in other processes. Called on the journal's thread."""
        if not self._interest:
            return
        now = time.monotonic()
        due = []
        for live in streams:
            if self._interest.get(live.id, 0) > now and (live.stored or now - self._sent_at.get(live.id, 0) >= TELL_S):
                self._sent_at[live.id] = now
                due.append(live.id)
        if due:
            loop = provider_loop.current()
            with suppress(RuntimeError):
                asyncio.run_coroutine_threadsafe(self._announce(due), loop)

    @staticmethod
    async def _announce(streams: list[UUID]) -> None:
        for stream in streams:
            await pubsub.send(f"stream.{stream}", {"type": "more"})


_lock = threading.Lock()
_runtime: Runtime | None = None
_registered = False


def current() -> Runtime:
    """Return the runtime of this process, made on first use and anew in a forked child."""
    global _runtime, _registered
    runtime = _runtime
    if runtime is not None and runtime.pid == os.getpid():
        return runtime
    with _lock:
        runtime = _runtime
        if runtime is None or runtime.pid != os.getpid():
            if runtime is not None:
                runtime.spool.forget_in_child()
            _runtime = runtime = Runtime(Path(settings.DATA_DIR) / "spool", settings.MAESTRO.context)
            if not _registered:
                _registered = True
                atexit.register(_at_exit)
        return runtime


def existing() -> Runtime | None:
    """Return the runtime of this process if there is one already."""
    return _runtime if _runtime is not None and _runtime.pid == os.getpid() else None


def _at_exit() -> None:
    """Flush at exit, for servers without a lifespan. After a clean shutdown there is nothing to flush."""
    runtime = replace(None)
    if runtime is None or runtime.pid != os.getpid() or not runtime.running():
        return
    runtime.closing = True
    runtime.cancel_all(SHUTDOWN)
    runtime.wait_for_runners(EXIT_S)
    runtime.stop(EXIT_S)


def replace(runtime: Runtime | None) -> Runtime | None:
    """Make ``runtime`` the runtime of this process (``None``: the next use makes one). Returns the earlier one."""
    global _runtime
    with _lock:
        before, _runtime = _runtime, runtime
        return before

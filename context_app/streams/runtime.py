"""The streams of this process: one spool, one journal, the running answers, and the hub of open chats, joined
together.
"""

import asyncio
import atexit
import logging
import os
import re
import secrets
import socket
import threading
import time
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
from sessions_app.stores.pool import in_store

logger = logging.getLogger(__name__)

RELEASE_S = 30.0
"""How long a finished answer stays in memory, so that readers end on it instead of on the database."""
TELL_S = 0.1
"""At most one "there is more" per stream and this time."""
EXIT_S = 1.0
INTEREST_S = 60.0
"""How long an announced reader of another process is believed to be there."""


def process_name() -> str:
    """A name that no other process has or will have: host, process id, and chance."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


class Runtime:
    """See the module's docstring. Everything but ``start`` may be called from any thread."""

    def __init__(self, folder: Path, config: ContextConfig) -> None:
        self.process = process_name()
        self.pid = os.getpid()
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
            cancelled=lambda stream: self.cancel(stream),
            lost=self._lost,
        )
        self._lock = threading.Lock()
        self._streams: dict[UUID, LiveStream] = {}
        self._tasks: dict[UUID, asyncio.Task[Any]] = {}
        self._dirty: set[LiveStream] = set()
        self._flush_at: asyncio.AbstractEventLoop | None = None
        self._interest: dict[UUID, float] = {}
        self._told: dict[UUID, float] = {}

    def find(self, stream: UUID) -> LiveStream | None:
        """The stream, when this process has it in memory."""
        return self._streams.get(stream)

    def running(self) -> list[LiveStream]:
        """The streams that this process runs."""
        return self.journal.open_streams()

    def prepare(self) -> None:
        """Make the spool before a stream is this process's: others know by its lock that the process lives.

        Works on files: call it off the event loop.
        """
        try:
            self.spool.open()
        except OSError as error:  # then the heartbeat alone says that it lives
            logger.error("the spool cannot be made (%s)", error)

    def start(self, live: LiveStream, source: Source, slug: str) -> None:
        """Run a stream that is in the database as running. Call it on the provider loop."""
        runner = Runner(live, source, slug, self._changed)
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
        """Stop a stream of this process: upstream is closed at once. ``False`` when it does not run here."""
        with self._lock:
            live, task = self._streams.get(stream), self._tasks.get(stream)
            if live is None or task is None or task.done():
                return False
            # The first reason counts: what was stopped by a person stays stopped when the server goes too.
            live.cancel_reason = live.cancel_reason or reason
        provider_loop.cancel(task)
        return True

    def cancel_all(self, reason: str) -> None:
        """Stop every stream of this process."""
        for live in self.running():
            self.cancel(live.id, reason)

    async def runners_ended(self, seconds: float) -> bool:
        """Wait until no runner is left, at most so many ``seconds``. Call it on the provider loop."""
        with self._lock:
            tasks = [task for task in self._tasks.values() if not task.done()]
        return not tasks or not (await asyncio.wait(tasks, timeout=seconds))[1]

    def note_interest(self, stream: UUID) -> None:
        """A reader in another process wants to hear of this stream."""
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
        """Called on the provider loop. All that one turn of the loop brought goes into one write."""
        self._dirty.add(live)
        loop = asyncio.get_running_loop()
        if live.ending is not None:
            self._flush()
            self.journal.poke()
        elif self._flush_at is not loop:
            self._flush_at = loop
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_at = None
        dirty, self._dirty = self._dirty, set()
        if dirty and not self.spool.write(dirty):
            # Not lost: the journal takes them from memory, and the next write tries again.
            self.journal.poke()

    def _ended(self, live: LiveStream, runner: Runner) -> None:
        runner.abandon()
        with self._lock:
            self._tasks.pop(live.id, None)
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
            self._told.pop(live.id, None)
        live.release()

    def _lost(self, live: LiveStream) -> None:
        """On the journal's thread: the stream is not ours any more, or cannot be stored."""
        self.cancel(live.id, LOST)
        try:
            # The one who took over did not have what was stored just now; its partial chunk has to grow.
            takeover.refresh(live.id)
        except Exception as error:  # noqa: BLE001 - the segments are stored; only the chunk is behind them
            logger.warning("the partial chunk of %s could not be renewed (%s)", live.id, type(error).__name__)
        with self._lock:
            self._streams.pop(live.id, None)
        live.release()

    def _committed(self, streams: list[LiveStream]) -> None:
        """On the journal's thread: other processes can read more now."""
        if not self._interest:
            return
        now = time.monotonic()
        due = []
        for live in streams:
            if self._interest.get(live.id, 0) > now and (live.stored or now - self._told.get(live.id, 0) >= TELL_S):
                self._told[live.id] = now
                due.append(live.id)
        if due:
            loop = provider_loop.current()
            with suppress(RuntimeError):
                asyncio.run_coroutine_threadsafe(self._tell(due), loop)

    @staticmethod
    async def _tell(streams: list[UUID]) -> None:
        for stream in streams:
            await pubsub.send(f"stream.{stream}", {"type": "more"})


class _Current:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runtime: Runtime | None = None
        self.registered = False


_current = _Current()


def current() -> Runtime:
    """The runtime of this process; made on first use, and anew in a forked child."""
    runtime = _current.runtime
    if runtime is not None and runtime.pid == os.getpid():
        return runtime
    with _current.lock:
        runtime = _current.runtime
        if runtime is None or runtime.pid != os.getpid():
            if runtime is not None:
                runtime.spool.forget_in_child()
            runtime = Runtime(Path(settings.DATA_DIR) / "spool", settings.MAESTRO.context)
            _current.runtime = runtime
            if not _current.registered:
                _current.registered = True
                atexit.register(_at_exit)
        return runtime


def _at_exit() -> None:
    """For servers that know no lifespan: flush what there is. A clean shutdown has left nothing to do here."""
    runtime = replace(None)
    if runtime is None or runtime.pid != os.getpid() or not runtime.running():
        return
    runtime.closing = True
    runtime.cancel_all(SHUTDOWN)
    deadline = time.monotonic() + EXIT_S
    while any(live.ending is None for live in runtime.running()) and time.monotonic() < deadline:
        time.sleep(0.01)
    runtime.stop(EXIT_S)


def replace(runtime: Runtime | None) -> Runtime | None:
    """Make ``runtime`` the one of this process (``None``: the next use makes one). Returns the earlier one."""
    with _current.lock:
        before, _current.runtime = _current.runtime, runtime
        return before


async def take_over() -> list[UUID]:
    """``Runtime.take_over`` on the store pool."""
    return await in_store(current().take_over)

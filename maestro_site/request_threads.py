"""Django's handler on a fixed number of threads, so that a process opens a fixed number of database connections.

Django gives each request a thread of its own, and each thread opens a connection: a burst of requests takes every
connection that the database allows. Here a request borrows one of a few threads, whose connection stays open, and gives
it back once its response begins to be sent. A request that gets no thread in time is answered 503 with ``Retry-After``;
so is one that waits for a database that has fallen silent, unless it may have written something.
"""

import asyncio
import logging
from contextvars import ContextVar
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler

from maestro_site import database_silence, health
from sessions_app.stores import pool

logger = logging.getLogger(__name__)

PATIENCE_S = 15.0
"""Seconds that a request waits for a thread."""
LONG_S = 2.0
"""Seconds after which a request that is not answered yet asks whether the database has fallen silent."""
SAFE = frozenset({"GET", "HEAD"})
OTHERS = pool.THREADS + 5
"""Connections of a web process beside those of requests: stores, deferred writes, journal, health, sockets' sign-in,
and the question whether the database has fallen silent."""


async def _until_silent() -> None:
    """Return once the database has fallen silent."""
    silent = False
    while not silent:
        await asyncio.sleep(LONG_S)
        silent = await database_silence.silent()
    logger.warning("a request was given up, because the database does not answer")


async def _expire_when_silent(patience: asyncio.Timeout) -> None:
    await _until_silent()
    patience.reschedule(asyncio.get_running_loop().time())


class RequestThreads:
    """The threads of one event loop. The one that was returned last is borrowed first, so that few are in use."""

    def __init__(self, count: int) -> None:
        self._idle = [ThreadSensitiveContext() for _ in range(count)]
        self._free = asyncio.Semaphore(count)

    async def borrow(self, patience_s: float) -> ThreadSensitiveContext:
        """Return an unused thread.

        Raises ``TimeoutError`` when there is none for ``patience_s`` seconds, or before, where all of them wait for a
        database that has fallen silent.
        """
        async with asyncio.timeout(patience_s) as patience:
            watch = asyncio.create_task(_expire_when_silent(patience)) if self._free.locked() else None
            try:
                await self._free.acquire()
            finally:
                if watch is not None:
                    watch.cancel()
        return self._idle.pop()

    def give_back(self, thread: ThreadSensitiveContext) -> None:
        """Let others use the thread, once it has done its work: a cancelled request leaves its view running."""
        executor = SyncToAsync.context_to_thread_executor.get(thread)
        if executor is None:  # nothing ever ran on it
            self._returned(thread)
            return
        loop = asyncio.get_running_loop()
        # The loop may be closed by then.
        executor.submit(int).add_done_callback(
            lambda _: None if loop.is_closed() else loop.call_soon_threadsafe(self._returned, thread)
        )

    def _returned(self, thread: ThreadSensitiveContext) -> None:
        self._idle.append(thread)
        self._free.release()


class _Loan:
    """The thread of one request, until it is given back. ``given_up``: its client was answered 503 through ``send``."""

    def __init__(self, threads: RequestThreads, send: Any) -> None:
        self._threads, self.send = threads, send
        self.given_up = False
        self._thread: ThreadSensitiveContext | None = None

    async def begin(self, patience_s: float) -> None:
        """Run the request's synchronous code on a borrowed thread from now on. Raises ``TimeoutError``."""
        self._thread = await self._threads.borrow(patience_s)
        SyncToAsync.thread_sensitive_context.set(self._thread)

    def end(self) -> None:
        """Give the thread back, if it was not before."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._threads.give_back(thread)


class _Busy(Exception):
    """No thread became free in time."""


_loan: ContextVar[_Loan] = ContextVar("request_thread")


class Handler(ASGIHandler):
    """Django's handler, with a borrowed thread from the moment a request is read until its response begins."""

    def __init__(self, threads: RequestThreads) -> None:
        super().__init__()
        self._threads = threads

    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        loan = _Loan(self._threads, send)
        _loan.set(loan)
        try:
            await super().handle(scope, receive, send)
        except _Busy:
            logger.warning("a request found no free thread in time")
            await self.send_response(health.unavailable(), send)
        finally:
            loan.end()

    async def read_body(self, receive: Any) -> Any:
        """Return the whole body, once the request has its thread: a slow upload must not occupy one."""
        body = await super().read_body(receive)
        try:
            await _loan.get().begin(PATIENCE_S)
        except TimeoutError:
            body.close()
            raise _Busy from None
        return body

    async def run_get_response(self, request: Any) -> Any:
        """Return the response of the view. While it waits for a silent database, the client is answered 503 before.

        A request that may write is waited for: its outcome is not known before.
        """
        if request.method not in SAFE:
            return await super().run_get_response(request)
        loan = _loan.get()
        watch = asyncio.create_task(self._give_up_when_silent(loan))
        try:
            return await super().run_get_response(request)
        finally:
            if loan.given_up:
                await watch
            watch.cancel()

    async def _give_up_when_silent(self, loan: _Loan) -> None:
        """Answer 503 once the database has fallen silent. Nothing can end its query, which keeps the thread."""
        await _until_silent()
        loan.given_up = True
        await super().send_response(health.unavailable(), loan.send)

    async def send_response(self, response: Any, send: Any) -> None:
        """Send, with the thread given back first: an event stream, or a slow client, lasts as long as it likes."""
        if loan := _loan.get(None):
            loan.end()
            if loan.given_up:  # the client has its answer
                return
        await super().send_response(response, send)

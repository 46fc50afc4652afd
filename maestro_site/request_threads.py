"""Django's handler on a fixed number of threads, so that a process opens a fixed number of database connections.

Django gives each request a thread of its own, and each thread opens a connection: a burst of requests takes every
connection that the database allows. Here a request borrows one of a few threads, whose connection stays open, and gives
it back once its response begins to be sent. A request that gets no thread in time is answered 503 with ``Retry-After``.
"""

import asyncio
import logging
from contextvars import ContextVar
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler

from maestro_site import health
from sessions_app.stores import pool

logger = logging.getLogger(__name__)

PATIENCE_S = 15.0
"""Seconds that a request waits for a thread."""
OTHERS = pool.THREADS + 4
"""Connections of a web process beside those of requests: stores, deferred writes, journal, health, sockets' sign-in."""


class RequestThreads:
    """The threads of one event loop. The one that was returned last is borrowed first, so that few are in use."""

    def __init__(self, count: int) -> None:
        self._idle = [ThreadSensitiveContext() for _ in range(count)]
        self._free = asyncio.Semaphore(count)

    async def borrow(self, patience_s: float) -> ThreadSensitiveContext:
        """Return an unused thread. Raises ``TimeoutError`` when there is none for ``patience_s`` seconds."""
        async with asyncio.timeout(patience_s):
            await self._free.acquire()
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
    """The thread of one request, until it is given back."""

    def __init__(self, threads: RequestThreads) -> None:
        self._threads = threads
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
        loan = _Loan(self._threads)
        _loan.set(loan)
        try:
            await super().handle(scope, receive, send)
        except _Busy:
            logger.warning("a request found no free thread within %.0f s", PATIENCE_S)
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

    async def send_response(self, response: Any, send: Any) -> None:
        """Send, with the thread given back first: an event stream, or a slow client, lasts as long as it likes."""
        if loan := _loan.get(None):
            loan.end()
        await super().send_response(response, send)

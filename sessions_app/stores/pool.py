"""The thread pool on which stores read and write, so that no coroutine ever waits for a database.

It is not asgiref's thread-sensitive pool: everything off a request would share that one thread.
"""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    close_old_connections,
    connection,
    connections,
)

from providers_app.errors import InvalidRequest, NotConfigured
from sessions_app.errors import DiskFull, StoreUnavailable

THREADS = 8
MIGRATE = "Call maestro_site.setup(), or run `manage.py migrate`."

Store = TypeVar("Store")
T = TypeVar("T")
P = ParamSpec("P")


class _Pool:
    """One executor per process; a forked child makes its own, because threads do not survive a fork."""

    def __init__(self, threads: int, name: str) -> None:
        self.lock = threading.Lock()
        self.executor: ThreadPoolExecutor | None = None
        self.process = 0
        self._threads, self._name = threads, name

    def get(self) -> ThreadPoolExecutor:
        with self.lock:
            if self.executor is None or self.process != os.getpid():
                self.executor = ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
                self.process = os.getpid()
            return self.executor

    def shutdown(self) -> None:
        """End the threads once their work is done, each with its connections closed."""
        with self.lock:
            executor, self.executor = self.executor, None
            if executor is None or self.process != os.getpid():
                return
        barrier = threading.Barrier(self._threads)

        def close() -> None:
            connections.close_all()
            # Holds this thread until all of them had their turn.
            with suppress(threading.BrokenBarrierError):
                barrier.wait(5)

        for _ in range(self._threads):
            executor.submit(close)
        executor.shutdown(wait=True)


_pool = _Pool(THREADS, "store")
_behind = _Pool(1, "store-behind")


async def in_store(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that uses the database on a thread of the pool, and await its result.

    A caller that is cancelled leaves the function running to its end: a half-done write would be worse. Raises
    ``StoreUnavailable`` when the database does not answer (``DiskFull`` for want of space), ``NotConfigured`` when it
    was never migrated, and ``InvalidRequest`` for a value that no column holds; its other errors are bugs and are
    raised as they are.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    return await loop.run_in_executor(_pool.get(), lambda: context.run(call, function, *args, **kwargs))


def on_pool(method: Callable[Concatenate[Store, P], T]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """Make a store's method awaitable on any loop: it runs by ``in_store``, in one hop."""

    @wraps(method)
    async def wrapper(self: Store, *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_store(method, self, *args, **kwargs)

    return wrapper


def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that uses the database on this thread. Raises as ``in_store``."""
    try:
        # An unusable connection is dropped before and after; a good one persists.
        close_old_connections()
        # A driver's own exception, as the closing of a server-side cursor raises it, becomes Django's.
        with connection.wrap_database_errors:
            return function(*args, **kwargs)
    except (UnicodeEncodeError, OverflowError, DataError) as error:
        if isinstance(error, DataError) and "NUL" not in str(error):
            raise
        raise InvalidRequest(f"The database does not take a value of this call ({type(error).__name__}).") from error
    except IntegrityError:
        raise
    except (DatabaseError, InterfaceError) as error:
        # A table or a column is missing, in the words of SQLite or the codes of Postgres.
        missing = str(error).startswith(("no such table", "no such column"))
        if missing or getattr(error.__cause__, "sqlstate", None) in ("42P01", "42703"):
            raise NotConfigured("The database has no tables, or old ones.", hint=MIGRATE) from error
        if isinstance(error, ProgrammingError):
            raise
        if "disk is full" in str(error) or getattr(error.__cause__, "sqlstate", None) == "53100":
            raise DiskFull("The disk of the database is full, so nothing could be stored.") from error
        text = f"The database did not answer ({type(error).__name__}), so nothing could be read or written."
        raise StoreUnavailable(text) from error
    finally:
        with suppress(DatabaseError, InterfaceError):
            close_old_connections()


def behind(function: Callable[[], None]) -> None:
    """Run a function on the one thread of deferred writes, after those given before; the interpreter waits for it."""
    _behind.get().submit(function)


def shutdown() -> None:
    """Finish deferred writes, end every thread and close its connections; the next call starts new ones."""
    _behind.shutdown()
    _pool.shutdown()

"""Detect a database that neither answers nor refuses, for a request that takes long.

A server that is stopped with its connections open (a suspended machine) neither answers nor refuses. Its kernel
acknowledges what is sent, so that no keep-alive and no timeout of the driver ends a query, and the server's own
timeouts stand still with it. A query that runs long looks the same from outside; a second query tells them apart.
"""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

SILENT_S = 3.0
"""Seconds without an answer to ``SELECT 1`` after which the database counts as silent."""

_thread = ThreadPoolExecutor(1, thread_name_prefix="database-silence")


class _Probe:
    """The last probe: its end, and when it was sent (seconds of ``time.monotonic()``)."""

    end: "Future[None] | None" = None
    sent_at = 0.0


async def silent() -> bool:
    """Return whether a probe of the database is without an answer for ``SILENT_S``. An error is an answer.

    There is one probe at a time, however many requests ask: one that was sent long ago answers for all of them at once.
    """
    if _Probe.end is None or _Probe.end.done():
        _Probe.end, _Probe.sent_at = _thread.submit(_select), time.monotonic()
    left_s = _Probe.sent_at + SILENT_S - time.monotonic()
    done, _ = await asyncio.wait({asyncio.wrap_future(_Probe.end)}, timeout=max(0.0, left_s))
    return not done


def _select() -> None:
    with suppress(DatabaseError, InterfaceError):
        close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

"""Sessions and their opened credentials, kept for two seconds in this process.

A request finds its session here instead of in the database. A write of this process takes everything out at once
(``AuthSessions`` in the models calls ``forget_sessions``); what another process
writes is seen after ``SECONDS`` at most. A credential is never given out past its end.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from django.db import transaction

from providers_app.ports import Owner, Session
from providers_app.types.credentials import Credential

SECONDS: Final = 2.0
ENTRIES: Final = 512

# Owner, provider, reference, auth type: what a lookup was asked for. Lookups never cross owners, nor do entries.
Key = tuple[Owner, str | None, str, str | None]
Found = tuple[Session, Credential]


class SessionCache:
    """Thread-safe; the oldest entries make room for new ones."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._wall_clock = clock, wall_clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[float, Found]] = OrderedDict()
        self.version = 0
        """Counts the writes. A value that was read before a write must not be kept after it."""

    def get(self, key: Key) -> Found | None:
        """Return the entry, unless it is older than ``SECONDS`` or its credential has ended."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires_at = entry[1][0].expires_at
        if self._clock() < entry[0] and (expires_at is None or self._wall_clock() < expires_at):
            return entry[1]
        with self._lock:
            self._entries.pop(key, None)
        return None

    def put(self, key: Key, found: Found, version: int) -> None:
        """Keep what was read while ``version`` was the count of writes; drop it if there was one since."""
        now = self._clock()
        with self._lock:
            if version != self.version:
                return
            self._entries[key] = (now + SECONDS, found)
            self._entries.move_to_end(key)
            while len(self._entries) > ENTRIES or now >= next(iter(self._entries.values()))[0]:
                self._entries.popitem(last=False)

    def forget(self) -> None:
        """Drop everything: a session was written."""
        with self._lock:
            self.version += 1
            self._entries.clear()


session_cache = SessionCache()  # the one of this process


def forget_sessions() -> None:
    """Take every session out of this process's cache, now and when the transaction under way is committed."""
    session_cache.forget()
    transaction.on_commit(session_cache.forget)

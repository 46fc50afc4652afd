"""The format of log lines: one readable line for people, or one JSON object."""

import logging
import re
import sys
import threading
import time
from typing import Any

from providers_app import request_id

# structlog imports these where they are installed, for features that are not used here; None makes an import fail.
_LEFT_OUT = {"rich", "twisted"} - sys.modules.keys()
for _name in _LEFT_OUT:
    sys.modules[_name] = None  # type: ignore[assignment]
import structlog  # noqa: E402

for _name in _LEFT_OUT:
    del sys.modules[_name]


def _add_request_id(logger: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Add the id of the request that is being served, where there is one."""
    if said := request_id.current.get():
        event["request_id"] = said
    return event


SHARED = (
    structlog.contextvars.merge_contextvars,
    _add_request_id,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

# A welcome link and the parameters of an OAuth callback are logins until they are spent, and Django logs the address
# of every request that it refuses.
_IN_ADDRESSES = re.compile(r"(/welcome/)[\w-]+|(/oauth/callback/?\?)[^\s'\"<>]+")


def mask_addresses(text: str) -> str:
    """Return the text with the sign-in tokens in its addresses replaced."""
    return _IN_ADDRESSES.sub(r"\1\2***", text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Mask sign-in tokens in addresses anywhere in the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_addresses(super().format(record))


class OutageFilter(logging.Filter):
    """Keep an outage of the database or of Redis to a few lines.

    Every request, task and connection reports it, many with a traceback of pages. Such a record is cut to one line, and
    of those of one logger with one message only the first within ``EVERY_S`` seconds passes, with the number of those
    that were left out before it.
    """

    EVERY_S = 30.0
    # Errors of an outage by the package and name of their class, so that no driver is imported for the sake of the log.
    PACKAGES = frozenset({"django", "psycopg", "sqlite3", "redis", "kombu", "sessions_app"})
    NAMES = frozenset({"OperationalError", "InterfaceError", "ConnectionError", "TimeoutError", "StoreUnavailable"})
    # These report an outage in their own words, without an exception.
    LOGGERS = ("celery.worker.consumer", "celery.beat", "kombu")

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged; a record of an outage loses its traceback."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None and _is_of_outage(error):
            name = type(error).__name__
        elif getattr(record, "status_code", 0) == 503 or record.name.startswith(self.LOGGERS):
            name = ""
        else:
            return True
        key = (record.name, name or str(record.msg))
        now = time.monotonic()
        with self._lock:
            at, left_out = self._told.get(key, (-self.EVERY_S, 0))
            if now - at < self.EVERY_S:
                self._told[key] = (at, left_out + 1)
                return False
            self._told[key] = (now, 0)
        reason = f" ({name}: {next(iter(str(error).strip().splitlines()), '')})" if name else ""
        more = f" [{left_out} more like it were not logged]" if left_out else ""
        record.msg, record.args = " ".join(f"{record.getMessage()}{reason}{more}".split()), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def _is_of_outage(error: BaseException) -> bool:
    """Return whether an error says that the database or Redis is away."""
    return any(
        each.__name__ in OutageFilter.NAMES and each.__module__.partition(".")[0] in OutageFilter.PACKAGES
        for each in type(error).__mro__
    )


def be_quiet() -> None:
    """Leave out what a server logs of its circuits, for a command or a script, unless everything is logged."""
    if logging.getLogger().level > logging.DEBUG:
        logging.getLogger("maestro.dispatcher").setLevel(logging.WARNING)


def formatter(json: bool = False) -> logging.Formatter:
    """Return the formatter of the stderr handler, which records of every library pass."""
    chain: list[structlog.types.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if json:
        # People get the traceback as lines below the message; a JSON line carries it as one string.
        chain += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        traceback = structlog.dev.plain_traceback
        chain.append(structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=traceback))
    return _Formatter(foreign_pre_chain=list(SHARED), processors=chain)

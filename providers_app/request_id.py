"""The id of the request that is being served, for log lines: made at the edge, carried by the context.

What runs later, on another thread or in another process, is given it where it is handed over: detached tasks by
``loop.spawn``, stores by their pool, tasks of the worker by their headers.
"""

import re
import secrets
from contextvars import ContextVar, Token

HEADER = "x-request-id"
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,127}")

current: ContextVar[str] = ContextVar("request_id", default="")
"""The id of this context; empty outside of requests."""


def begin(given: str = "") -> Token[str]:
    """Give this context the id that a client sent, where it is a plain one of 8 to 128 characters, else a new one."""
    return current.set(given if _VALID.fullmatch(given) else secrets.token_hex(8))

"""The limits that a person sets for the requests of one session: a minute's, slots, retries and the deadline.

Those of a session are options that every session has, beside those that its provider declares.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from providers_app.types.catalogue import SettingField

_COUNT, _NUMBER = r"[1-9]\d{0,8}", r"\d{1,6}(\.\d{1,3})?"


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a session; ``None``: those of the settings. ``timeout_s`` is the deadline of a request in seconds.

    ``max_retries`` and ``timeout_s`` of 0 turn retries, and the deadline, off.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrent_requests: int | None = None
    max_retries: int | None = None
    timeout_s: float | None = None


class PersonLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits a minute of one person over all their sessions. ``None``: those of the settings; 0: none."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


NO_LIMITS: Final = SessionLimits()
NO_OWN_LIMITS: Final = PersonLimits()
NEVER_S: Final = 10 * 365 * 86400.0
"""The seconds of a deadline that was turned off."""
FIELDS: Final = (
    SettingField(
        name="requests_per_minute",
        label="Requests per minute",
        help="Most requests that this session sends in a minute. Empty: what the provider says.",
        pattern=_COUNT,
        problem="Requests per minute must be a whole number from 1.",
        advanced=True,
    ),
    SettingField(
        name="tokens_per_minute",
        label="Tokens per minute",
        help="Most tokens, input and output, that this session uses in a minute. Empty: what the provider says.",
        pattern=_COUNT,
        problem="Tokens per minute must be a whole number from 1.",
        advanced=True,
    ),
    SettingField(
        name="max_concurrent_requests",
        label="Concurrent requests",
        help="Most requests of this session at the same time. Others wait in its queue.",
        pattern=r"[1-9]\d{0,3}",
        problem="Concurrent requests must be a whole number from 1 to 9999.",
        advanced=True,
    ),
    SettingField(
        name="max_retries",
        label="Retries",
        help="How often a request that fails before any output is sent again. 0 turns retries off.",
        pattern=r"\d|10",
        problem="Retries must be a whole number from 0 to 10.",
        advanced=True,
    ),
    SettingField(
        name="timeout_s",
        label="Deadline in seconds",
        help="An answer must begin within this time, retries included. 0 turns the deadline off.",
        pattern=_NUMBER,
        problem="The deadline must be a number of seconds.",
        advanced=True,
    ),
)
"""The options that hold the limits, in the order of the page."""
NAMES: Final = frozenset(field.name for field in FIELDS)


def limits_of(options: Mapping[str, object]) -> SessionLimits:
    """Return the limits among the options of a session; a value that cannot be read counts as none."""
    if NAMES.isdisjoint(options):
        return NO_LIMITS
    given = {name: value for name, value in options.items() if name in NAMES}
    with suppress(msgspec.ValidationError):
        return msgspec.convert(given, SessionLimits, strict=False)
    return NO_LIMITS


def lowest(asked: float | None, own: float) -> float:
    """Return the lower one of the deadlines of a request (``None``: it has none) and of its session; 0 is off."""
    return min((seconds for seconds in (asked, own) if seconds), default=NEVER_S)

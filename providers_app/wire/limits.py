"""The limits a minute that an answer's headers tell.

OpenAI and its like: ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``, resets as durations (``6m0s``,
``20ms``) [https://platform.openai.com/docs/guides/rate-limits]. Anthropic: ``anthropic-ratelimit-{requests,tokens}-``
with the same, resets as RFC 3339 times [https://docs.claude.com/en/api/rate-limits].
"""

import datetime
import re
import time
from collections.abc import Mapping

import msgspec

Seen = tuple[float | None, float | None, float | None]
"""Units a minute, units that are left, and the seconds until all are there again."""
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
TOLD = frozenset(
    {
        *("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"),
        *("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"),
        *("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-tokens-limit"),
    }
)
"""An answer without any of these headers tells nothing."""
NOTHING: Seen = (None, None, None)


class SeenLimits(msgspec.Struct, frozen=True):
    """Both limits as one answer tells them."""

    requests: Seen = NOTHING
    tokens: Seen = NOTHING


def seen_limits(headers: Mapping[str, str], *, now: float | None = None) -> SeenLimits:
    """Return the limits in ``headers``, whose names are in lower case."""
    for form in ("x-ratelimit-{1}-{0}", "anthropic-ratelimit-{0}-{1}"):
        found = SeenLimits(*(_seen(headers, form, kind, now) for kind in ("requests", "tokens")))
        if found != SeenLimits():
            return found
    return SeenLimits()


def _seen(headers: Mapping[str, str], form: str, kind: str, now: float | None) -> Seen:
    limit, left, reset = (headers.get(form.format(kind, what), "") for what in ("limit", "remaining", "reset"))
    return _number(limit), _number(left), _seconds(reset, now)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e12 else None


def _seconds(text: str, now: float | None) -> float | None:
    """Return the seconds of a duration, a plain number or a time; ``None`` for anything else."""
    if (number := _number(text)) is not None:
        return number
    if (parts := _PART.findall(text)) and "".join(map("".join, parts)) == text:
        return sum(float(count) * _UNITS[unit] for count, unit in parts)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))

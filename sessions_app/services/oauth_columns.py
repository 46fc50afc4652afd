"""How the tokens of an OAuth login look in the columns of its session, for whoever stores some; no secret is in them.

The tokens themselves go through ``credentials.sealed_columns``, ``replace`` or ``swap``; the lane is ``lanes.lane_of``.
"""

import math
from datetime import UTC, datetime
from typing import Any

from providers_app.types.tokens import Tokens
from sessions_app.lanes import token_print

MAX_LABEL = 200
MAX_REASON = 300


def oauth_columns(tokens: Tokens, next_refresh_at: float | None) -> dict[str, Any]:
    """Column values that follow from ``tokens``; ``next_refresh_at`` is seconds since the epoch, ``None`` for never."""
    return {
        "settings": dict(tokens.facts),
        "base_url": tokens.base_url,
        "flow": tokens.flow,
        "account_id": tokens.account_id[:MAX_LABEL],
        "account_label": tokens.account_label[:MAX_LABEL],
        "expires_at": as_time(tokens.expires_at),
        "earliest_refresh_at": as_time(tokens.earliest_refresh_at),
        "next_refresh_at": None if tokens.read_only else as_time(next_refresh_at),
        "read_only_reason": tokens.read_only[:MAX_REASON],
        "token_print": token_print(tokens),
    }


def fresh_refresh_columns() -> dict[str, Any]:
    """Column values of a login that was never refreshed: no open intent, no presentation, no error."""
    return {
        "refreshed_at": None,
        "intent_generation": None,
        "intent_at": None,
        "presentations": 0,
        "refresh_attempts": 0,
        "refresh_error_code": "",
        "refresh_error": "",
        "refresh_failed_at": None,
    }


def as_time(seconds: float | None) -> datetime | None:
    """Seconds since the epoch as a time; ``None`` for nothing, for infinity and for what no calendar has."""
    if seconds is None or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None

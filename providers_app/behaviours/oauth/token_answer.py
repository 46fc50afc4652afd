"""From a token endpoint's answer to ``Tokens``: RFC 6749 section 5.1, with the liberties that servers take. Pure."""

import datetime
import math
from typing import Any

import msgspec

from providers_app.errors import BadAnswer, TokenOutcomeUnknown
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens

MAX_TOKEN = 64 * 1024
LONGEST_S = 10 * 366 * 86400.0
MILLISECONDS = 1e11
"""A number this large is no time in seconds (that would be the year 5138) but one in milliseconds."""
A_DURATION = 1e8
"""A number this small is no moment (that would be 1973) but a number of seconds from now."""


def tokens_from(
    answer: dict[str, Any],
    *,
    flow: str = "",
    client: OAuthClient | None = None,
    issuer: str = "",
    now: float,
    before: Tokens | None = None,
    default_ttl: float | None = None,
) -> Tokens:
    """Return the tokens in an answer; ``now`` is seconds since the epoch, ``default_ttl`` holds where it names no end.

    What neither the answer nor an argument says stays as in ``before``. Raises ``BadAnswer`` when there is no bearer
    token in it (RFC 6750); with ``before`` (a refresh) ``TokenOutcomeUnknown``.
    """
    access = token_in(answer, "access_token")
    bearer = str(answer.get("token_type") or "bearer").lower() == "bearer"
    if not access or not bearer:
        message = "The token endpoint answered without an access token that can be used."
        if not bearer:
            message = "The token endpoint answered with a token that is no bearer token, which is not supported."
        if before is not None:
            raise TokenOutcomeUnknown(message)
        raise BadAnswer(message, hint="Check the configured address of the token endpoint.")
    base = before if before is not None else Tokens(flow=flow)
    ttl = default_ttl if (told := _ttl(answer, now)) is None else told
    lasts = seconds(answer.get("refresh_token_expires_in"))
    return msgspec.structs.replace(
        base,
        flow=flow or base.flow,
        client=client or base.client,
        issuer=issuer or base.issuer,
        access=access,
        refresh=token_in(answer, "refresh_token") or base.refresh,
        id_token=token_in(answer, "id_token") or base.id_token,
        expires_at=now + ttl if ttl is not None else None,
        earliest_refresh_at=moment(answer.get("earliest_refresh_at"), now),
        refresh_until=now + lasts if lasts else base.refresh_until,
        scopes=scopes_in(answer) or base.scopes,
    )


def token_in(answer: dict[str, Any], name: str) -> Secret:
    """Return a token that fits into a header (visible ASCII, of bounded length); empty where there is none."""
    value = answer.get(name)
    fit = isinstance(value, str) and 0 < len(value) <= MAX_TOKEN and all("!" <= char <= "~" for char in value)
    return Secret(value) if fit and isinstance(value, str) else Secret("")


def scopes_in(answer: dict[str, Any]) -> tuple[str, ...]:
    """Return the granted scopes from a text with spaces (RFC 6749 section 3.3), or a list."""
    value = answer.get("scope", answer.get("scopes"))
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(dict.fromkeys(word for word in words if isinstance(word, str) and word))


def seconds(value: Any) -> float | None:
    """Return a duration in seconds, also from a text, from 0 to ten years; ``None`` for a value that is none."""
    number = _number(value)
    return None if number is None else min(max(number, 0.0), LONGEST_S)


def moment(value: Any, now: float) -> float | None:
    """Return a time as seconds since the epoch; ``None`` for a value that is none.

    It is read from a number (seconds, milliseconds, or seconds from now), also as text, or from an RFC 3339 date.
    """
    number = _number(value)
    if number is not None:
        if number >= MILLISECONDS:
            number /= 1000
        return now + number if number < A_DURATION else number
    if not isinstance(value, str):
        return None
    try:
        date = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp()


def _ttl(answer: dict[str, Any], now: float) -> float | None:
    """Return the end from ``expires_in``, else from ``expires_on`` or ``expires_at`` (times; Azure and some others)."""
    if (found := seconds(answer.get("expires_in"))) is not None:
        return found
    ends = (moment(answer.get(name), now) for name in ("expires_on", "expires_at"))
    return next((min(max(end - now, 0.0), LONGEST_S) for end in ends if end is not None), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return number if math.isfinite(number := float(value)) else None
    except (ValueError, OverflowError):
        return None

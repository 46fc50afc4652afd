"""Values that the refresh of a session passes between the core and the store."""

from typing import Literal

import msgspec

from providers_app.types.tokens import Tokens

Trigger = Literal["schedule", "command", "button", "use", "unauthorized"]
"""The cause of a refresh: the schedule, ``refresh_tokens``, a person, a use of an ended token, a 401 in a request."""

Done = Literal["refreshed", "waited", "skipped", "kept", "failed", "unknown", "needs_person"]
"""``refreshed`` by this call; ``waited`` for another one that did; ``skipped``: nothing was due; ``kept``: an earlier
refresh has no known outcome and the access token still works; ``failed``: to be tried again; ``unknown``: sent, and no
answer could be read; ``needs_person``: only a new sign-in helps."""


class RefreshReport(msgspec.Struct, frozen=True, kw_only=True):
    """One session's refresh. Times are seconds since the epoch; ``generation`` is the one that is stored now."""

    session_id: str
    done: Done
    why: str
    generation: int = 0
    expires_at: float | None = None
    next_try_at: float | None = None
    code: str = ""


class RefreshClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose lane is ours until the lease ends, ``lease_s`` after ``claimed`` (``clock.elapsed()``).

    ``presentations`` counts how often the refresh token of this ``generation`` was (or may have been) sent before;
    ``intent_open``: the outcome of the last time is not known. ``due_at`` is the stored time of the next refresh,
    ``refreshed_at`` of the last good one, ``failed_at`` of the last failure. ``intent_written`` is set by
    ``write_intent``, which counts a presentation.
    """

    session_id: str
    provider: str
    name: str
    status: str
    generation: int
    tokens: Tokens
    lease: str
    lane: str
    claimed: float
    lease_s: float
    presentations: int = 0
    intent_open: bool = False
    attempts: int = 0
    due_at: float | None = None
    refreshed_at: float | None = None
    failed_at: float | None = None
    intent_written: bool = False


class RefreshBusy(msgspec.Struct, frozen=True, kw_only=True):
    """Another process holds the lease (``lease_left`` in seconds), or it is ``resting`` after an unknown outcome."""

    lease_left: float
    generation: int
    resting: bool = False


class RefreshState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a refresh, for a caller that waits for it; without secrets. ``failed_at``: of the last attempt."""

    generation: int
    status: str
    lease_left: float
    failed_at: float | None = None
    error_code: str = ""
    error: str = ""
    status_reason: str = ""
    expires_at: float | None = None
    next_try_at: float | None = None
    intent_open: bool = False
    resting: bool = False


class RefreshFailure(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a refresh failed.

    ``spent``: ``no`` (certainly not accepted: the presentation does not count), ``unknown`` (the intent stays open, and
    the lane rests until its lease ends) or ``refused`` (the session needs a person). ``next_try_at`` is seconds since
    the epoch, ``None`` for never. ``reason`` is the stored status reason of a terminal failure. ``overtaken`` is the
    message where another process took the lane over and presented the token as well; empty where it may come twice.
    """

    spent: Literal["no", "unknown", "refused"]
    code: str
    message: str
    next_try_at: float | None = None
    reason: str = ""
    overtaken: str = ""

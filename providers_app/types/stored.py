"""Stored sessions and aliases as values, and the owner on whose behalf they are found."""

import msgspec

from providers_app.types.advice import Advice
from providers_app.types.catalogue import AuthType
from providers_app.types.session_limits import NO_LIMITS, NO_OWN_LIMITS, PersonLimits, SessionLimits


class _System:
    """The installation itself as owner (health checks, refresh); sees every session, and is always explicit."""

    def __repr__(self) -> str:
        return "SYSTEM"


SYSTEM = _System()
Owner = int | str | _System


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A stored named login without its secret. ``owner`` is the owner's primary key, ``status`` as stored.

    ``generation`` counts its credentials: the outcome of a call with an older one does not concern a newer one.
    ``expires_at`` is the end of its credential (``None``: never, or not known), ``last_used_at`` to the minute; both in
    seconds since the epoch. ``flow`` is the sign-in that gave it (empty: a key), ``account`` its ``Tokens.account_id``.
    ``troubled``: its last use failed, or it is limited. ``page``: the address where a person mends it. ``own``
    are the limits of its owner, where they have some of their own. ``advice`` is what was doubtful at its creation; not
    stored.
    """

    id: str
    owner: int | str
    provider: str
    auth_type: AuthType
    name: str
    status: str
    status_reason: str = ""
    base_url: str | None = None
    generation: int = 0
    expires_at: float | None = None
    flow: str = ""
    account: str = ""
    last_used_at: float | None = None
    troubled: bool = False
    page: str = ""
    limits: SessionLimits = NO_LIMITS
    own: PersonLimits = NO_OWN_LIMITS
    advice: tuple[Advice, ...] = ()


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A name for several routes, in the order in which they are tried: sessions, with the model that each is asked for.

    ``sticky``: the route that answered a conversation last is tried first for it. ``page``: where a person changes it.
    """

    id: str
    owner: int | str
    name: str
    routes: tuple[tuple[Session, str], ...] = ()
    sticky: bool = True
    page: str = ""

"""The routes of an alias for one request: which are tried, in which order, and which were left for what reason."""

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from providers_app import errors, ports
from providers_app.ports import SYSTEM, Alias, Owner, Session
from providers_app.resilience.course import Attempt
from providers_app.text import quoted
from providers_app.types.events import Event, LeftRoute, Routing, StreamStart

logger = logging.getLogger("maestro.dispatcher")

ALIAS: Final = "alias"
"""Takes the place of a provider's slug in a call; no provider has it as its slug."""
_UNUSABLE = {"disabled": "session_disabled", "needs_reauth": "needs_reauth"}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The routes of one request, in the order in which they are tried, and those that cannot be asked."""

    alias: Alias
    routes: tuple[tuple[Session, str], ...]
    unusable: tuple[LeftRoute, ...] = ()


async def plan(owner: Owner, name: str, model: str | None = None, auth_type: str | None = None) -> Plan:
    """Return the routes of the owner's alias.

    Raises ``UnknownAlias``, ``NoUsableRoute``, ``InvalidRequest`` (no name; a ``model`` or an ``auth_type``, which the
    routes name; the installation itself as the owner), and as the store does.
    """
    if model or auth_type:
        named = "model" if model else "auth_type"
        raise errors.InvalidRequest(f"An alias names its own routes, so {named}= cannot be given with it.")
    if not isinstance(name, str) or not name.strip():
        raise errors.InvalidRequest(f"An alias is given by its name, not as {quoted(name)}.")
    if owner is SYSTEM:
        raise errors.InvalidRequest("An alias belongs to a person.", hint="Pass owner=.")
    alias = await ports.alias_store().find_alias(owner, name)
    usable = tuple(route for route in alias.routes if route[0].status not in _UNUSABLE)
    unusable = tuple(
        left(session, model, _UNUSABLE[session.status], session.status_reason or f"It is {session.status}.")
        for session, model in alias.routes
        if session.status in _UNUSABLE
    )
    if not usable:
        raise _no_route(alias, unusable)
    return Plan(alias=alias, routes=usable, unusable=unusable)


def left(session: Session, model: str, code: str, message: str) -> LeftRoute:
    """Return a route that was left, with its reason."""
    return LeftRoute(provider=session.provider, session=session.name, model=model, code=code, message=message)


def answered(chosen: Plan, at: int, attempts: Sequence[Attempt]) -> Routing:
    """Return how the request was answered, by the route ``at``, after these attempts; log what was left."""
    session, model = chosen.routes[at]
    gone = _gone(chosen, attempts)
    if gone:
        reasons = "; ".join(f"{one.session} ({one.code})" for one in gone)
        logger.info("alias %s: answered by %s, after %s", chosen.alias.name, session.name, reasons)
    return Routing(alias=chosen.alias.name, provider=session.provider, session=session.name, model=model, left=gone)


def routing_words(routing: Routing) -> str:
    """Return in one line who answered, and why not the routes before."""
    gone = "; ".join(f"{one.session} ({one.model}): {one.message.rstrip('.')}" for one in routing.left)
    return f"answered by {routing.session} ({routing.model})" + (f". Not by {gone}." if gone else "")


def marked(events: list[Event], routing: Routing) -> list[Event]:
    """Put the routing into the start of the answer."""
    return [
        msgspec.structs.replace(event, routing=routing) if isinstance(event, StreamStart) else event for event in events
    ]


def unanswered(chosen: Plan, error: errors.ProviderError, attempts: Sequence[Attempt]) -> errors.ProviderError:
    """Return the error of a request that no route answered: it names each, and when the first of them may again."""
    error.left = _gone(chosen, attempts)
    if len(error.left) > 1:
        reasons = "; ".join(f"{one.session}: {one.message.rstrip('.')}" for one in error.left)
        error.hint = f"No route of the alias {chosen.alias.name!r} answered. {reasons}."
        logger.warning("alias %s: no route answered: %s", chosen.alias.name, reasons)
    waits = [wait for one in attempts if (wait := getattr(one.error, "retry_after", None)) is not None]
    if waits and isinstance(error, errors.UpstreamError):
        error.retry_after = min(waits)
    return error


def _gone(chosen: Plan, attempts: Sequence[Attempt]) -> tuple[LeftRoute, ...]:
    gone = (one for one in attempts if one.wait_s is None)
    return chosen.unusable + tuple(left(*chosen.routes[one.route], one.error.code, one.error.message) for one in gone)


def _no_route(alias: Alias, unusable: tuple[LeftRoute, ...]) -> errors.NoUsableRoute:
    if not alias.routes:
        error = errors.NoUsableRoute(f"The alias {alias.name!r} has no routes.", hint=f"Add one at {alias.page}.")
    else:
        reasons = "; ".join(f"{one.session}: {one.message.rstrip('.')}" for one in unusable)
        what = f"No route of the alias {alias.name!r} can be used. {reasons}."
        error = errors.NoUsableRoute(
            what, hint=f"Enable or sign in one of its sessions, or add a route at {alias.page}."
        )
    error.left = unusable
    return error

"""The routes of an alias for one request: which are tried, in which order, and which were left for what reason.

``resilience.ordering`` decides the order. Of a *sticky* alias the route that answered a conversation last comes first
before that, so that the provider's prompt cache is used: as this process remembers it, as the stored chat says, or as
the parts of the last answer do. A conversation is a stored context, else the owner's first message with the system
text.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

import msgspec

from providers_app import errors, loop, ports
from providers_app.dispatch import lanes
from providers_app.ports import SYSTEM, Alias, Owner, Session
from providers_app.resilience.course import Attempt
from providers_app.resilience.ordering import Standing, order
from providers_app.text import quoted
from providers_app.types.chat import ChatRequest
from providers_app.types.events import Event, LeftRoute, Routing, StreamStart

logger = logging.getLogger("maestro.dispatcher")

ALIAS: Final = "alias"
"""Takes the place of a provider's slug in a call; no provider has it as its slug."""
REMEMBERED = 4096
"""Conversations of which the last route is remembered, in each process."""
conversation: ContextVar[tuple[str, tuple[str, str] | None] | None] = ContextVar("conversation", default=None)
"""The stored context of a task that runs an answer, and the session and model that answered in it last."""
_UNUSABLE = {"disabled": "session_disabled", "needs_reauth": "needs_reauth"}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The routes of one request, in the order in which they are tried, and those that cannot be asked.

    ``passed`` are those that come later than the person's order says, since they are slow or have no room.
    ``conversation`` is what a sticky alias remembers the answering route by.
    """

    alias: Alias
    routes: tuple[tuple[Session, str], ...]
    unusable: tuple[LeftRoute, ...] = ()
    passed: tuple[tuple[tuple[Session, str], LeftRoute], ...] = ()
    conversation: str = ""


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


def ordered(found: Plan, owner: Owner, chat: ChatRequest) -> Plan:
    """Return the plan with its routes in the order in which this request tries them. Call it on the provider loop."""
    routes, key = list(found.routes), ""
    if found.alias.sticky:
        known = conversation.get()
        key = _key(owner, found.alias, chat, known[0] if known is not None else chat.context_id)
        last = _remembered().get(key) or (known[1] if known is not None else None) or _last_origin(chat)
        routes.sort(key=lambda route: (route[0].id, route[1]) != last)
    passed: tuple[tuple[tuple[Session, str], LeftRoute], ...] = ()
    if len(routes) > 1:
        now, every = asyncio.get_running_loop().time(), lanes.current()
        standings = [_standing(every.route(session, model), now) for session, model in routes]
        numbers = order(standings)
        passed = tuple((routes[one], _passed(*routes[one], standings[one])) for one in range(numbers[0]))
        routes = [routes[number] for number in numbers]
    return msgspec.structs.replace(found, routes=tuple(routes), passed=passed, conversation=key)


def _standing(route: lanes.Route, now: float) -> Standing:
    """Return how a route stands among others: its pace, and whether a request would have to wait."""
    lane, refused = route.door.lane, route.breaker.refused_for(now) is not None
    why = route.breaker.why or "Its circuit is open." if refused else lane.obstacle(now)
    return Standing(route.pace.seconds(now), bool(why), why)


def _passed(session: Session, model: str, standing: Standing) -> LeftRoute:
    if standing.blocked:
        return left(session, model, "route_busy", standing.why)
    return left(session, model, "route_slow", f"Its first output lately took {standing.seconds:.0f} s.")


def _key(owner: Owner, alias: Alias, chat: ChatRequest, context: str | None) -> str:
    if context:
        return f"{alias.id}/{context}"
    first = [message for message in chat.messages if message.role == "system"][:1]
    first += [message for message in chat.messages if message.role == "user"][:1]
    return hashlib.sha256(msgspec.json.encode((str(owner), alias.id, first))).hexdigest()


def _last_origin(chat: ChatRequest) -> tuple[str, str] | None:
    """Return the session and model of the last answer in the messages, where its parts say so."""
    for message in reversed(chat.messages):
        for part in reversed(message.parts):
            origin = getattr(part, "origin", None)
            if origin is not None and origin.session and origin.model:
                return origin.session, origin.model
    return None


def _remembered() -> OrderedDict[str, tuple[str, str]]:
    found: OrderedDict[str, tuple[str, str]] = loop.local("alias routes", OrderedDict)
    return found


def left(session: Session, model: str, code: str, message: str) -> LeftRoute:
    """Return a route that was left, with its reason."""
    return LeftRoute(provider=session.provider, session=session.name, model=model, code=code, message=message)


def answered(chosen: Plan, at: int, attempts: Sequence[Attempt]) -> Routing:
    """Return how the request was answered, by the route ``at``, after these attempts; log what was left."""
    session, model = chosen.routes[at]
    if chosen.conversation:
        kept = _remembered()
        kept[chosen.conversation] = session.id, model
        kept.move_to_end(chosen.conversation)
        while len(kept) > REMEMBERED:
            kept.popitem(last=False)
    asked = {one.route for one in attempts} | {at}
    passed = (gone for route, gone in chosen.passed if chosen.routes.index(route) not in asked)
    gone = (*chosen.unusable, *passed, *_gone(chosen, attempts))
    if gone:
        reasons = "; ".join(f"{one.session} ({one.code})" for one in gone)
        logger.info("alias %s: answered by %s, after %s", chosen.alias.name, session.name, reasons)
    return Routing(
        alias=chosen.alias.name,
        provider=session.provider,
        session=session.name,
        session_id=session.id,
        model=model,
        left=gone,
    )


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
    error.left = chosen.unusable + _gone(chosen, attempts)
    if len(error.left) > 1:
        reasons = "; ".join(f"{one.session}: {one.message.rstrip('.')}" for one in error.left)
        error.message = f"No route of the alias {chosen.alias.name!r} answered. {reasons}."
        error.args = (error.message,)
        logger.warning("alias %s: no route answered: %s", chosen.alias.name, reasons)
    waits = [wait for one in attempts if (wait := getattr(one.error, "retry_after", None)) is not None]
    if waits and isinstance(error, errors.UpstreamError):
        error.retry_after = min(waits)
    return error


def _gone(chosen: Plan, attempts: Sequence[Attempt]) -> tuple[LeftRoute, ...]:
    gone = (one for one in attempts if one.wait_s is None)
    return tuple(left(*chosen.routes[one.route], one.error.code, one.error.message) for one in gone)


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

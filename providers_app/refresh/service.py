"""Refreshes a session's tokens, so that no refresh token is spent twice and none is lost.

    join the flight of this process → claim the lane → decide (``rules``) → write the intent → send
    → store by compare-and-swap → release the lane

A process that loses the claim waits for the winner and reads its result. Cancelling a caller does not cancel the
flight: the answer to a request that was sent is always stored.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from providers_app import conf, errors, loop, measures, ports
from providers_app.loop import on_provider_loop
from providers_app.ownership import find_owner
from providers_app.ports import Owner, Session
from providers_app.refresh import clock, gate
from providers_app.refresh.flight import POLL_S, Flight, holder_of
from providers_app.refresh.rules import NOT_REFRESHABLE, USE_WITHIN_S
from providers_app.registry.resolver import lookup
from providers_app.types.catalogue import AuthType
from providers_app.types.credentials import Credential
from providers_app.types.refresh import RefreshClaim, RefreshReport, Trigger
from providers_app.types.tokens import Tokens

Landing = RefreshReport | errors.ProviderError
Flights = dict[str, "asyncio.Task[Landing]"]


@on_provider_loop
async def refresh_session(
    session_id: str, *, trigger: Trigger, seen_generation: int | None = None, within_s: float = 0.0
) -> RefreshReport:
    """Refresh one session if that is due or asked for; the provider's errors are in the report, not raised.

    ``seen_generation`` is that of the credential that the caller used: when a newer one is stored, nothing is sent.
    ``within_s`` lets the schedule come that many seconds early.

    Raises ``UnknownSession``, ``NotRefreshable`` (no OAuth session), ``NotConfigured``.
    """
    flights: Flights = loop.local("refresh-flights", dict)
    if seen_generation is None:
        seen_generation = (await ports.refresh_store().peek(session_id)).generation
    while (flight := flights.get(session_id)) is not None:
        report = _reported(await asyncio.shield(flight))
        _landed(flights, session_id, flight)
        if report.generation > seen_generation:
            return msgspec.structs.replace(report, done="waited", why="refreshed by another request")
        if report.done not in ("skipped", "kept"):
            return report
    work = _land(Flight(ports.refresh_store(), session_id, trigger, seen_generation, within_s))
    flight = flights[session_id] = loop.spawn(work, name=f"refresh-{session_id}")
    flight.add_done_callback(lambda task: _landed(flights, session_id, task))
    return _reported(await asyncio.shield(flight))


@asynccontextmanager
async def lane_of(session_id: str) -> AsyncIterator[None]:
    """Hold the session's lane for the block: wait for a refresh that is under way, but not for a lane that only rests.

    Raises ``RefreshFailed``, and as ``claim``.
    """
    store, settings = ports.refresh_store(), conf.current()
    give_up = time.monotonic() + settings.refresh_timeout_s
    while True:
        claim = await store.claim(session_id, lease_s=settings.refresh_lease_s, holder=holder_of(os.getpid()))
        if isinstance(claim, RefreshClaim) or claim.resting:
            break
        if time.monotonic() > give_up:
            raise errors.RefreshFailed("A refresh of the session is under way.", retry_after=claim.lease_left)
        await asyncio.sleep(POLL_S)
    try:
        yield
    finally:
        if isinstance(claim, RefreshClaim):
            await store.postpone(claim, claim.due_at, "the lane was held for another request")


@on_provider_loop
async def refresh_tokens(
    provider: str, session: str, *, auth_type: AuthType | None = None, owner: Any = None
) -> Tokens:
    """Refresh a login now and return the tokens stored afterwards; another caller's refresh a moment ago counts.

    Raises ``UnknownSession``, ``NotRefreshable``, ``NeedsReauth``, ``RefreshTooEarly``, ``RefreshFailed``,
    ``TokenOutcomeUnknown``, ``SessionDisabled``, ``FlowDisabled``.
    """
    who = await find_owner(owner)
    found, _ = await lookup(who, provider, session, auth_type)
    if found.status == "disabled":
        raise errors.SessionDisabled(f"The session {found.name!r} is disabled.")
    gate.require_on(found)
    report = await refresh_session(found.id, trigger="command")
    if report.code == NOT_REFRESHABLE:
        raise errors.NotRefreshable(f"The session {found.name!r} cannot be refreshed: {report.why}.")
    if report.done not in ("refreshed", "waited"):
        raise _error_of(found, report)
    return await ports.refresh_store().tokens_of(who, found.id)


async def fresh(owner: Owner, session: Session, credential: Credential) -> tuple[Session, Credential]:
    """Return the session ready for use, refreshed first when its access token has ended.

    Raises ``NeedsReauth``, ``RefreshFailed``, ``RefreshTooEarly``, ``TokenOutcomeUnknown``, ``SessionDisabled``, and
    ``FlowDisabled``.
    """
    if session.auth_type == "oauth":
        gate.require_on(session)
    if session.auth_type != "oauth" or session.expires_at is None or session.expires_at > time.time() + USE_WITHIN_S:
        return session, credential
    report = await refresh_session(session.id, trigger="use", seen_generation=session.generation)
    if report.generation > session.generation:
        return await _again(owner, session)
    if session.expires_at > clock.possible(session.provider)[0] and report.done != "needs_person":
        return session, credential  # if it has ended nevertheless, a 401 settles it
    if (await ports.refresh_store().tokens_of(owner, session.id)).api_key:
        return session, credential  # an API key signs, which does not end with the tokens
    raise _error_of(session, report)


async def renewed(owner: Owner, session: Session, error: errors.AuthenticationFailed) -> tuple[Session, Credential]:
    """Return the session after one forced refresh, because the provider refused its access token.

    Raises ``error`` where a refresh cannot help, else ``RefreshFailed``, ``RefreshTooEarly``, ``TokenOutcomeUnknown``.
    """
    if session.auth_type != "oauth":
        raise error
    report = await refresh_session(session.id, trigger="unauthorized", seen_generation=session.generation)
    if report.generation > session.generation:
        return await _again(owner, session)
    if report.done == "needs_person" or report.code == "":
        raise error
    failure = _error_of(session, report)
    if isinstance(failure, errors.RefreshTooEarly):
        failure.hint = errors.NeedsReauth.hint_at(session.page)
    raise failure from error


async def _again(owner: Owner, session: Session) -> tuple[Session, Credential]:
    """Return what is stored now. Raises ``SessionDisabled`` when a person disabled the session meanwhile."""
    store = ports.session_store()
    found, credential = await store.lookup(owner, session.provider, session.id, after=session.generation)
    if found.status == "disabled":
        raise errors.SessionDisabled(f"The session {found.name!r} is disabled.")
    return found, credential


async def _land(flight: Flight) -> Landing:
    """Return the report, or the error for those who wait: a task that raised it would be logged as broken."""
    try:
        report = await flight.run()
    except errors.ProviderError as error:
        return error
    measures.here.count(measures.REFRESHES, report.done)
    return report


def _reported(found: Landing) -> RefreshReport:
    if isinstance(found, errors.ProviderError):
        raise found
    return found


def _landed(flights: Flights, session_id: str, flight: "asyncio.Task[Landing]") -> None:
    if flights.get(session_id) is flight:
        del flights[session_id]
    if not flight.cancelled():
        flight.exception()  # raised to those who await it; asyncio must not log it where none does


def _error_of(session: Session, report: RefreshReport) -> errors.ProviderError:
    """Return the error of a session that cannot be used now."""
    name = f"The session {session.name!r}"
    match report:
        case RefreshReport(done="needs_person"):
            why = f": {report.why}" if report.code != "needs_reauth" else "."
            return errors.NeedsReauth(f"{name} needs a new sign-in{why}", hint=errors.NeedsReauth.hint_at(session.page))
        case RefreshReport(code=errors.FlowDisabled.code):
            return errors.FlowDisabled(f"{name} is kept, but not used: {report.why}")
        case RefreshReport(code="refresh_too_early", next_try_at=at):
            when = time.strftime("%H:%M UTC", time.gmtime(at)) if at is not None else "later"
            return errors.RefreshTooEarly(f"{name} cannot be refreshed before {when}: {report.why}.")
        case RefreshReport(done="unknown" | "kept"):
            return errors.TokenOutcomeUnknown(f"{name} could not be refreshed for certain: {report.why}")
        case _:
            wait = max(report.next_try_at - time.time(), 0.0) if report.next_try_at is not None else None
            return errors.RefreshFailed(f"{name} could not be refreshed: {report.why}", retry_after=wait)

"""One refresh of one session: claim, decide, write the intent, send, store. ``service`` starts it."""

import asyncio
import logging
import math
import os
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from providers_app import conf, errors, loop
from providers_app.behaviours.oauth import OAuth
from providers_app.behaviours.oauth.endpoint import skew_of
from providers_app.dispatch import clients
from providers_app.dispatch.faults import deadline, faults_of
from providers_app.ports import RefreshStore, Session
from providers_app.refresh import clock, gate, rules
from providers_app.registry.resolver import resolve
from providers_app.types import refresh as types
from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from providers_app.types.refresh import Done, RefreshClaim, RefreshFailure, RefreshReport, RefreshState
from providers_app.types.tokens import Rotation, Tokens
from providers_app.wire.answer import HttpResponse

logger = logging.getLogger("maestro.refresh")

T = TypeVar("T")
POLL_S = 0.1
SLOWEST_POLL_S = 0.25
STORE_TRIES = 60
SLOWEST_RETRY_S = 5.0
LASTING_S = 10.0
"""Seconds that a stopping process leaves for storing an answer, after the time that the answer may take."""
KEYS_S = 5.0
"""Seconds for the look-up of the keys of a refresh's id token: callers wait for it."""
_FAILED: dict[str, Done] = {"no": "failed", "unknown": "unknown", "refused": "needs_person"}
_DONE: dict[str, Done] = {"done": "waited", "keep": "kept", "person": "needs_person"}


def holder_of(pid: int) -> str:
    """Return the name of a process of this machine in the lanes that it holds."""
    return f"{socket.gethostname()}:{pid}"[:100]


def rotation_of(slug: str, flow: str) -> Rotation:
    """Return how a refresh rotates tokens in this flow; an unknown flow counts as single use."""
    return next((each.rotation for each in resolve(slug, "oauth").flows if each.name == flow), "single_use")


class Flight(msgspec.Struct, frozen=True):
    """One refresh, which sends at most one request. ``seen`` is the generation of the credential that was used."""

    store: RefreshStore
    id: str
    trigger: types.Trigger
    seen: int
    within_s: float

    async def run(self) -> RefreshReport:
        settings = conf.current()
        give_up = time.monotonic() + settings.refresh_lease_s + settings.refresh_timeout_s
        while True:
            claim = await self.store.claim(self.id, lease_s=settings.refresh_lease_s, holder=holder_of(os.getpid()))
            if isinstance(claim, RefreshClaim):
                return await self._with(claim)
            if claim.resting:
                return await self._rest(claim)
            report = await self._wait(give_up)
            if report is not None:
                return report

    async def _rest(self, busy: types.RefreshBusy) -> RefreshReport:
        """Report a lane in which a token was presented; nothing may be, before the lease of that intent ends."""
        state = await self.store.peek(self.id)
        if (settled := self._settled(state)) is not None:
            return settled
        at = max(time.time() + busy.lease_left, state.next_try_at or 0.0)
        state = msgspec.structs.replace(state, next_try_at=at)
        if not state.intent_open:
            why = "another session of this account waits for the outcome of its refresh"
            return self._report(state, "failed", why, code=errors.RefreshFailed.code)
        works = state.expires_at is None or state.expires_at > time.time()
        done: Done = "kept" if works else "unknown"
        why = "an earlier refresh has no known outcome yet"
        return self._report(state, done, why, code=errors.TokenOutcomeUnknown.code)

    def _settled(self, state: RefreshState) -> RefreshReport | None:
        if state.generation > self.seen:
            return self._report(state, "waited", "refreshed by another process")
        if state.status == "needs_reauth":
            return self._report(state, "needs_person", state.status_reason, code="needs_reauth")
        return None

    async def _wait(self, give_up: float) -> RefreshReport | None:
        """Return the winner's result; ``None`` when the lane is free again without a result for this session."""
        poll, before = POLL_S, await self.store.peek(self.id)
        state = before
        while True:
            if (settled := self._settled(state)) is not None:
                return settled
            if state.failed_at is not None and state.failed_at != before.failed_at:
                done: Done = "unknown" if state.intent_open else "failed"
                return self._report(state, done, state.error, code=state.error_code)
            if state.lease_left <= 0 or state.resting:
                return None
            if time.monotonic() > give_up:
                why = "another process holds the lane for too long"
                return self._report(state, "failed", why, code="refresh_failed")
            await asyncio.sleep(poll)
            poll = min(poll * 1.3, SLOWEST_POLL_S)
            state = await self.store.peek(self.id)

    async def _with(self, claim: RefreshClaim) -> RefreshReport:
        try:
            behaviour = resolve(claim.provider, "oauth")
            rotation = rotation_of(claim.provider, claim.tokens.flow)
        except (errors.ProviderBroken, errors.UnsupportedOperation) as error:
            await self.store.postpone(claim, time.time() + rules.backoff(claim.attempts), error.message)
            return self._report(claim, "failed", error.message, code=error.code)
        found = rules.decide(
            claim,
            rotation,
            trigger=self.trigger,
            seen_generation=self.seen,
            now=time.time(),
            within_s=self.within_s,
            earliest=clock.possible(claim.provider, claim.tokens.skew)[0],
        )
        if found.action == "send":
            found = _unless_off(claim, found)
        match found.action:
            case "send":
                # Shielded from a caller that leaves and a process that stops: a lost answer may be a lost login.
                work = self._send(claim, behaviour, rotation)
                lasts = conf.current().refresh_timeout_s + LASTING_S
                return await asyncio.shield(loop.spawn(work, name=f"send-refresh-{self.id}", lasting_s=lasts))
            case "person" if found.code != "needs_reauth":
                failure = RefreshFailure(spent="refused", code=found.code, message=found.why, reason=rules.REFUSED)
                return await self._failed(claim, failure)
            case _:
                settled = found.action == "keep" or found.code == rules.NOT_REFRESHABLE
                until = found.until if found.until is not None or settled else claim.due_at
                await self.store.postpone(claim, until, found.why)
                return self._report(claim, _DONE.get(found.action, "skipped"), found.why, code=found.code, at=until)

    async def _send(self, claim: RefreshClaim, behaviour: OAuth, rotation: Rotation) -> RefreshReport:
        marked = await self.store.write_intent(claim)
        if marked is None:
            why = "the lane or the session was taken over meanwhile"
            return await self._current("skipped", why, code="refresh_failed")
        seconds = conf.current().refresh_timeout_s
        # A little more than the request's own deadline, whose error says whether anything was sent.
        longest = seconds + min(seconds / 10, 1.0)
        check = clock.last_check(marked, longest)
        try:
            check()
            late = errors.TokenOutcomeUnknown(f"The provider did not answer the refresh within {seconds:g} s.")
            async with deadline(longest, late):
                with faults_of(marked.provider):
                    http = clients.http().watched(check, partial(_learn, marked.provider))
                    tokens = await behaviour.refresh(marked.tokens, http)
        except errors.ProviderError as error:
            failure = rules.failure_of(error, marked, rotation, self.trigger, now=time.time())
            return await self._failed(marked, failure)
        if (other := rules.of_another_account(tokens, marked)) is not None:
            report = await self._failed(marked, other)
            await discard(claim.provider, tokens, claim.name)
            return report
        return await self._keep(marked, tokens, behaviour)

    async def _keep(self, claim: RefreshClaim, tokens: Tokens, behaviour: OAuth) -> RefreshReport:
        now = time.time()
        due = tokens.due_at(conf.refresh_margin(claim.provider), now)
        if tokens.expired(now, rules.USE_WITHIN_S):
            due = max(due, now + rules.BACKOFF_S)  # it ended before it arrived: the schedule must not loop
        next_at = due if math.isfinite(due) else None
        tokens = msgspec.structs.replace(tokens, skew=clock.skew_of(claim.provider))
        session = await _retried(lambda: self.store.keep(claim, tokens, next_at))
        if session is None:
            await discard(claim.provider, tokens, claim.name)
            return await self._current("waited", "signed in again or revoked meanwhile")
        why = "refreshed"
        if tokens.id_token != claim.tokens.id_token:
            why, tokens = await self._identify(claim, session, tokens, behaviour)
        if tokens.api_key and self.trigger == "unauthorized":
            why = await self._renew_key(claim, session, tokens, behaviour)
        report = self._report(claim, "refreshed", why, at=next_at)
        return msgspec.structs.replace(report, generation=session.generation, expires_at=tokens.expires_at)

    async def _identify(
        self, claim: RefreshClaim, session: Session, tokens: Tokens, behaviour: OAuth
    ) -> tuple[str, Tokens]:
        """Verify the id token of a refresh once the pair is stored; return the report's reason and what is stored now.

        Nothing that comes of it drops the pair, which came over TLS for the session's own refresh token. With keys that
        cannot be looked up for now, the account's facts stay as they were; an id token that is refused is not kept
        either, and is named in the report and the log.
        """
        why, found = "refreshed", tokens
        try:
            async with deadline(KEYS_S, errors.UpstreamTimeout(f"The issuer's keys did not come in {KEYS_S:g} s.")):
                with faults_of(claim.provider):
                    found = await behaviour.identified(tokens, clients.http())
        except errors.ProviderError as error:
            why = f"refreshed, but its id token was not verified: {error.message}"
            logger.warning("%s/%s was %s", claim.provider, claim.name, why)
            if isinstance(error, errors.InvalidIdToken):
                found = msgspec.structs.replace(tokens, id_token=claim.tokens.id_token)
        if found != tokens:
            await _retried(lambda: self.store.keep_key(claim.session_id, session.generation, found))
        return why, found

    async def _renew_key(self, claim: RefreshClaim, session: Session, tokens: Tokens, behaviour: OAuth) -> str:
        """Obtain another API key, since the one obtained with the tokens was refused as well."""
        try:
            with faults_of(claim.provider):
                bare = msgspec.structs.replace(tokens, api_key=Secret(""))
                credential = await behaviour.api_credentials(bare, clients.http())
        except errors.ProviderError as error:
            return f"refreshed, but its key could not be renewed: {error.message}"
        key = msgspec.structs.replace(tokens, api_key=credential.secret)
        kept = await _retried(lambda: self.store.keep_key(claim.session_id, session.generation, key))
        return "refreshed, with a new key" if kept else "refreshed"

    async def _failed(self, claim: RefreshClaim, failure: RefreshFailure) -> RefreshReport:
        await _retried(lambda: self.store.fail(claim, failure))
        done = _FAILED[failure.spent]
        return self._report(claim, done, failure.message, code=failure.code, at=failure.next_try_at)

    async def _current(self, done: Done, why: str, *, code: str = "") -> RefreshReport:
        return self._report(await self.store.peek(self.id), done, why, code=code)

    def _report(
        self, found: RefreshState | RefreshClaim, done: Done, why: str, *, code: str = "", at: float | None = None
    ) -> RefreshReport:
        """Report on a state or a claim; ``at`` is the next try after a claim (seconds since the epoch)."""
        return RefreshReport(
            session_id=self.id,
            done=done,
            why=why,
            generation=found.generation,
            expires_at=found.tokens.expires_at if isinstance(found, RefreshClaim) else found.expires_at,
            next_try_at=at if isinstance(found, RefreshClaim) else found.next_try_at,
            code=code,
        )


async def end_pair(provider: str, tokens: Tokens) -> None:
    """End at the provider a pair that no session holds, since nothing else would. Raises ``ProviderError``.

    One that is kept by others (its refresh token stays valid, so revoking it may end other logins) is left alone.
    """
    if rotation_of(provider, tokens.flow) == "single_use":
        with faults_of(provider):
            await resolve(provider, "oauth").revoke(tokens, clients.http())


async def discard(provider: str, tokens: Tokens, name: str) -> None:
    """Do as ``end_pair``; failing is logged, never raised."""
    try:
        await end_pair(provider, tokens)
    except errors.ProviderError as error:
        logger.warning("a pair of %s/%s that is not kept was not revoked: %s", provider, name, error.code)


def _learn(provider: str, request: HttpRequest, answer: HttpResponse) -> None:
    """Compare the clocks. Only answers to a POST never come from a cache, with an old ``Date``."""
    if request.method == "POST":
        clock.learn(provider, skew_of(answer.headers, time.time()))


def _unless_off(claim: RefreshClaim, found: rules.Decision) -> rules.Decision:
    """Skip instead of sending when the login's flow was turned off; check again later."""
    off = gate.why_off(claim.provider, claim.tokens.flow)
    if off is None:
        return found
    later = max(claim.due_at, time.time() + gate.RECHECK_S) if claim.due_at is not None else None
    return rules.Decision(action="skip", why=f"{off.message} {off.hint}", until=later, code=off.code)


async def _retried(write: Callable[[], Awaitable[T]]) -> T:
    return await retry_write(write, tries=STORE_TRIES, what="the outcome of a refresh", logger=logger)


async def retry_write(write: Callable[[], Awaitable[T]], *, tries: int, what: str, logger: logging.Logger) -> T:
    """Write what was obtained once, with so many retries while the database is away. Raises ``NotConfigured``."""
    for number in range(tries):
        try:
            return await write()
        except errors.NotConfigured as error:
            logger.error("%s cannot be stored yet: %s", what, error.code)
            await asyncio.sleep(min(0.1 * 2**number, SLOWEST_RETRY_S))
    return await write()

"""Turns an answer into a stored session, for all methods (callback, listener, paste, poll).

One caller claims the sign-in and exchanges the answer; one that is not ours, or unreadable, leaves it waiting. Once the
code is spent, the tokens are sealed in the attempt: the later steps (id token, key, account, store) alone are tried
again, and it never waits for an answer again. What was obtained and comes to no session is revoked (``owed``).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, TypeVar, cast

import msgspec

from providers_app import errors, loop, ports
from providers_app.behaviours.addresses import permitted_url
from providers_app.behaviours.oauth import LoginAnswer, PendingLogin, answers, grants
from providers_app.dispatch import clients
from providers_app.dispatch.faults import deadline, faults_of
from providers_app.listing.cache import latest
from providers_app.ports import Session
from providers_app.refresh.flight import retry_write, rotation_of
from providers_app.registry.resolver import resolve
from providers_app.sign_in import owed
from providers_app.sign_in.checks import ended, next_refresh_at, scrubbed
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginAttempt
from providers_app.types.tokens import Tokens, from_plain, secrets_of, to_plain

logger = logging.getLogger("maestro.logins")

T = TypeVar("T")
Record = TypeVar("Record", bound=msgspec.Struct)

LASTING_S = 30.0
"""Seconds that a stopping process waits for an exchange in flight, whose code is spent."""
EXCHANGE_S = 60.0
"""Seconds between an accepted answer and the tokens: exchange, key, look-ups."""
STALLED_S = 120.0
"""Seconds after its sign-in's expiry at which an exchange counts as lost with its process."""
STORE_TRIES = 8
UNFINISHED = "finish"
"""The step of an attempt whose code is spent and whose tokens are sealed, until its session is stored."""
KEPT = "The sign-in is kept, encrypted. Try the last step again; you need not sign in again."
_LATE = f"The provider did not finish the sign-in within {EXCHANGE_S:g} s."
_PASSING = (errors.UpstreamError, errors.AddressRefused, errors.NotConfigured)
_FINAL = (errors.AuthenticationFailed, errors.PermissionDenied, errors.BadRequest, errors.InvalidIdToken)
"""Of the errors that may pass, those with which the step was refused for good, unless they say when to retry."""


def sealed(value: msgspec.Struct) -> Secret:
    """Encode a pending login, or tokens, for the store to seal."""
    return Secret(to_plain(value).decode())


def _opened(secret: Secret, kind: type[Record]) -> Record:
    try:
        return from_plain(secret.reveal().encode(), kind)
    except ValueError:
        raise errors.UnknownLogin("This sign-in cannot be opened any more.") from None


def pending_of(attempt: LoginAttempt) -> PendingLogin:
    """Return the pending login that was sealed at the beginning. Raises ``UnknownLogin`` where it cannot be opened."""
    found = _opened(attempt.pending, PendingLogin)
    return msgspec.structs.replace(found, id=attempt.state.id, name=attempt.state.name)


async def require_open(attempt: LoginAttempt) -> None:
    """Raise ``LoginExpired`` (and end it) or ``LoginUsed`` unless the sign-in waits for an answer."""
    await expire(attempt)
    if attempt.state.status != "waiting":
        raise ended(attempt.state)


async def expire(attempt: LoginAttempt) -> None:
    """End a sign-in that has expired, and raise ``LoginExpired`` then."""
    state, store = attempt.state, ports.login_store()
    late = time.time() - state.expires_at
    over = late >= (STALLED_S if state.status == "exchanging" else 0.0)
    if not over or state.status not in ("waiting", "confirm", "exchanging"):
        return
    if await store.claim_login(state.id, status=state.status):
        error = errors.LoginExpired("This sign-in was not finished in time.")
        await _end(attempt, status="failed", error=error)
        raise error


async def answer(attempt: LoginAttempt, given: str | Mapping[str, str]) -> Session:
    """Take an answer. One that cannot be read, or belongs to another sign-in, leaves this one waiting.

    Raises ``LoginError`` of every kind, ``UpstreamError``, and what storing raises.
    """
    await require_open(attempt)
    pending, store = pending_of(attempt), ports.login_store()
    found = LoginAnswer()
    try:
        found = answers.parse(given) if isinstance(given, str) else answers.of_params(given)
        answers.check(pending, found)
    except (errors.LoginDenied, errors.InvalidLoginAnswer) as error:
        # Only an answer with our state proves that it comes from the provider's page.
        proven = found.state is not None and bool(pending.state) and answers.same(found.state, pending.state)
        over = isinstance(error, errors.LoginDenied) and proven and await store.claim_login(attempt.state.id)
        await store.advance_login(attempt.state.id, status="failed" if over else None, error=error)
        raise
    return await take(attempt, pending, found)


async def complete(attempt: LoginAttempt, obtain: Callable[[], Awaitable[Tokens]], secrets: list[str]) -> Session:
    """Obtain tokens and store the session, as the one caller that claimed the sign-in. Errors are kept for its page."""
    grants.code_spent.set(False)
    try:
        await advance(attempt, step="exchange")
        async with deadline(EXCHANGE_S, errors.UpstreamTimeout(_LATE, hint="Begin the sign-in again.")):
            tokens = await obtain()
    except errors.ProviderError as error:
        scrubbed(error, secrets)
        if _unspent(error) and attempt.state.method not in ("device", "direct"):
            await advance(attempt, status="waiting", step="made", error=error)
        else:
            await advance(attempt, status="failed", error=error)
        raise
    except BaseException:
        await _stopped(attempt)
        raise
    return await finish(attempt, tokens, secrets)


async def finish(
    attempt: LoginAttempt, tokens: Tokens, secrets: Collection[str] = (), *, confirmed: bool = False
) -> Session:
    """Take the steps after the exchange: id token and key (unless ``confirmed``), account, store.

    The tokens are sealed in the attempt first. After a step that fails for now it is to be confirmed (step ``finish``),
    which takes it again; after one that fails for good they are revoked.
    """
    try:
        await advance(attempt, step=UNFINISHED, tokens=sealed(tokens))
        if not confirmed:
            tokens = await _completed(attempt, tokens)
            if (other := _other_account(attempt, tokens)) is not None:
                kept = {"tokens": sealed(tokens), "account": tokens.account_label}
                await advance(attempt, status="confirm", step="account", error=other, **kept)
                raise other
        session = await _stored(attempt, tokens)
    except errors.WrongAccount:
        raise
    except errors.ProviderError as error:
        scrubbed(error, [*secrets, *secrets_of(tokens)])
        final = isinstance(error, _FINAL) and error.retry is errors.Retry.NEVER
        if isinstance(error, _PASSING) and not final:
            error.hint = f"{KEPT} {error.hint}" if isinstance(error, errors.InvalidIdToken) else KEPT
            await advance(attempt, status="confirm", step=UNFINISHED, error=error)
        else:
            await _end(attempt, tokens, status="failed", error=error)
        raise
    except BaseException:
        await _stopped(attempt, status="confirm", step=UNFINISHED, hint=KEPT)
        raise
    latest().forget(session.id)  # it may be another account, which not every provider names
    await advance(attempt, status="done", step="done", session_id=session.id, account=tokens.account_label)
    return session


async def _stopped(attempt: LoginAttempt, *, hint: str = "Begin the sign-in again.", **left: Any) -> None:
    stopped = errors.LoginError("Maestro stopped in the middle of this sign-in.", hint=hint)
    await ports.login_store().advance_login(attempt.state.id, **{"status": "failed", **left}, error=stopped)


async def _end(attempt: LoginAttempt, tokens: Tokens | None = None, **given: Any) -> None:
    """End a sign-in. What it obtained is revoked: at once, or by the schedule where it may be a session's by now."""
    left = attempt.tokens if tokens is None else sealed(tokens)
    await advance(attempt, **given, owes=bool(left), **({"tokens": left} if left else {}))
    if left and (tokens is not None or attempt.state.step in (UNFINISHED, "account")):
        owed.revoke_soon(msgspec.structs.replace(attempt, tokens=left))


async def advance(attempt: LoginAttempt, **given: Any) -> None:
    """Call ``advance_login`` of the store, retried while the database is unreachable."""
    await retried(lambda: ports.login_store().advance_login(attempt.state.id, **given))


async def _stored(attempt: LoginAttempt, tokens: Tokens) -> Session:
    """Store the tokens in a new session, or the one signed in again; retried while the database is unreachable."""
    store, state = ports.login_store(), attempt.state
    who, detail = attempt.owner, f"{state.flow}, {state.method}"
    kept: dict[str, Any] = {"next_refresh_at": next_refresh_at(state.provider, tokens), "detail": detail}

    async def write() -> Session:
        if state.target:
            return await store.replace_tokens(who, state.target, tokens, **kept)
        return await store.create_session(who, state.provider, state.name, tokens, **kept)

    await advance(attempt, step="store")
    return await retried(write)


async def confirm(attempt: LoginAttempt) -> Session:
    """Store tokens of a confirmed account, or take the step again that failed. Raises as ``finish``, ``LoginUsed``."""
    state, store = attempt.state, ports.login_store()
    await expire(attempt)
    if state.status == "waiting":
        raise errors.LoginError("This sign-in has no answer yet, so there is nothing to confirm.")
    if state.status != "confirm":
        raise ended(state)
    tokens = _opened(attempt.tokens, Tokens)
    if not await store.claim_login(state.id, status="confirm"):
        raise ended(msgspec.structs.replace(state, status="exchanging"))
    return await finish(attempt, tokens, confirmed=state.step != UNFINISHED)


async def cancel(attempt: LoginAttempt) -> None:
    """Cancel a waiting sign-in. Raises ``LoginUsed`` when it has ended or its answer is being exchanged."""
    state, store = attempt.state, ports.login_store()
    if state.status == "cancelled":
        return
    before = "confirm" if state.status == "confirm" else "waiting"
    if not await store.claim_login(state.id, status=before):
        raise ended(state) if state.status != before else errors.LoginUsed("This sign-in has its answer already.")
    await _end(attempt, status="cancelled")


async def detached(coro: Coroutine[Any, Any, T]) -> T:
    """Run to the end even if the caller is cancelled: the answer is spent, and its tokens must be stored."""

    async def settled() -> T | errors.ProviderError:
        try:
            return await coro
        except errors.ProviderError as error:
            return error

    result = await asyncio.shield(loop.spawn(settled(), name="login", lasting_s=LASTING_S))
    if isinstance(result, errors.ProviderError):
        raise result
    return cast(T, result)


async def take(attempt: LoginAttempt, pending: PendingLogin, found: LoginAnswer) -> Session:
    """Exchange a checked answer, empty where the material makes the tokens. Raises as ``answer`` does."""
    if not await ports.login_store().claim_login(attempt.state.id):
        raise errors.LoginUsed("This sign-in has its answer already.")

    async def exchange() -> Tokens:
        with faults_of(attempt.state.provider):
            return await resolve(attempt.state.provider, "oauth").exchange(pending, found, clients.http())

    return await detached(complete(attempt, exchange, [*secrets_of(pending), *secrets_of(found)]))


async def _completed(attempt: LoginAttempt, tokens: Tokens) -> Tokens:
    """Add the account, and the key where the flow exchanges its tokens for one; without a refresh, keep that alone."""
    slug, flow = attempt.state.provider, tokens.flow or attempt.state.flow
    async with deadline(EXCHANGE_S, errors.UpstreamTimeout(_LATE)):
        with faults_of(slug):
            behaviour, http = resolve(slug, "oauth"), clients.http()
            try:
                tokens = await behaviour.identified(tokens, http, pending_of(attempt))
            except errors.UpstreamError as error:
                if not isinstance(error, errors.InvalidIdToken):
                    # A look-up without a credential: whatever its answer is, it does not refuse the login.
                    error.retry = errors.Retry.AFTER_WAIT
                raise
            credential = await behaviour.api_credentials(tokens, http)
    key = credential.secret if credential.secret != tokens.access else tokens.api_key
    if key and rotation_of(slug, flow) == "none":
        gone = dict.fromkeys(("access", "refresh", "id_token"), Secret(""))
        never = dict.fromkeys(("expires_at", "earliest_refresh_at", "refresh_until"))
        tokens = msgspec.structs.replace(tokens, **gone, **never)
    facts = {**tokens.facts, **credential.settings}
    address = await permitted_url(tokens.base_url) if tokens.base_url else ""
    return msgspec.structs.replace(tokens, flow=flow, api_key=key, facts=facts, base_url=address)


def _other_account(attempt: LoginAttempt, tokens: Tokens) -> errors.WrongAccount | None:
    expected = attempt.expected_account
    if not (attempt.state.target and expected and tokens.account_id) or tokens.account_id == expected:
        return None
    here, there = tokens.account_label or tokens.account_id, attempt.state.expected or expected
    return errors.WrongAccount(f"You signed in as {here}, but '{attempt.state.name}' belongs to {there}.")


def _unspent(error: errors.ProviderError) -> bool:
    """Return True when the answer certainly never left this machine, so that it can be given again."""
    if grants.code_spent.get():
        return False
    return isinstance(error, errors.AddressRefused) or (isinstance(error, errors.UpstreamError) and not error.sent)


async def retried(write: Callable[[], Awaitable[T]]) -> T:
    """Retry a write of a sign-in's outcome for some seconds while the database is unreachable."""
    return await retry_write(write, tries=STORE_TRIES, what="the outcome of a sign-in", logger=logger)

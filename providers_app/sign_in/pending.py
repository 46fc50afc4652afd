"""Sign-ins that complete in the background: listeners on this machine, and the polling of device logins.

Both are detached tasks of the provider loop, with their state in the store. A device login is polled by the process
that holds its lease; when that ends, the next process that reads the sign-in's state takes over.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from providers_app import errors, loop, ports
from providers_app.behaviours.oauth import LoginAnswer, OAuthFlow, PendingLogin
from providers_app.dispatch import clients
from providers_app.dispatch.faults import deadline, faults_of
from providers_app.ports import Owner
from providers_app.registry.resolver import resolve
from providers_app.sign_in import exchange
from providers_app.sign_in.checks import scrubbed
from providers_app.types.logins import LoginAttempt, LoginState
from providers_app.types.tokens import Tokens, secrets_of
from providers_app.wire.loopback import Listener

CHECK_EVERY_S = 2.0
"""Seconds after which a listener checks again whether its sign-in was finished or cancelled elsewhere."""
POLL_S = 30.0
"""Seconds for one poll of the provider."""
SLOWEST_POLL_S = 60.0


class _Running:
    """The tasks and listeners of this process by the ids of their sign-ins."""

    def __init__(self) -> None:
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.listeners: dict[str, tuple[LoginAttempt, Listener]] = {}

    async def aclose(self) -> None:
        for _, listener in self.listeners.values():
            listener.stop()
        self.listeners.clear()


def _running() -> _Running:
    return loop.local("logins", _Running, _Running.aclose)


async def listen(flow: OAuthFlow, owner: Owner) -> Listener:
    """Start a listener on one of the flow's ports. Raises ``ListenerUnavailable``.

    When older sign-ins of the same person in this process hold the ports, the oldest of them is cancelled.
    """
    try:
        return await Listener.start(flow.redirect_host, flow.ports, flow.redirect_path)
    except errors.ListenerUnavailable:
        for attempt, listener in list(_running().listeners.values()):
            if attempt.owner == owner and listener.port in flow.ports:
                with suppress(errors.LoginError):
                    await exchange.cancel(attempt)
                forget(attempt.state.id)
                return await Listener.start(flow.redirect_host, flow.ports, flow.redirect_path)
        raise


async def start(
    who: int | str, state: LoginState, browser: str, pending: PendingLogin, listener: Listener | None
) -> None:
    """Start the listener or polling of a new sign-in; a ``direct`` one has completed when this returns."""
    if state.method not in ("loopback", "device", "direct"):
        return
    attempt = await ports.login_store().find_login(who, login_id=state.id, browser=browser)
    if listener is not None:
        listener.expect(pending.state)
        _running().listeners[attempt.state.id] = (attempt, listener)
        _begin(attempt.state.id, _listen(attempt, listener))
    elif state.method == "device":
        await start_polling(attempt)
    else:
        # Tokens of another account than expected wait for a confirmation.
        with suppress(errors.WrongAccount):
            await exchange.take(attempt, exchange.pending_of(attempt), LoginAnswer())


async def start_polling(attempt: LoginAttempt) -> None:
    """Poll for the tokens of a device login, unless this or another process does already."""
    login_id = attempt.state.id
    if (running := _running().tasks.get(login_id)) is not None and not running.done():
        return
    pending = exchange.pending_of(attempt)
    lease = await ports.login_store().poll_turn(login_id, held="", seconds=pending.interval + POLL_S)
    if lease:
        _begin(login_id, _poll(attempt, pending, lease))


def forget(login_id: str) -> None:
    """Stop the task and listener of a sign-in that has ended; the port is free at once."""
    running = _running()
    _, listener = running.listeners.pop(login_id, (None, None))
    if listener is not None:
        listener.stop()
    if (task := running.tasks.pop(login_id, None)) not in (None, asyncio.current_task()):
        task.cancel()


def _begin(login_id: str, coro: Coroutine[Any, Any, None]) -> None:
    tasks = _running().tasks
    task = loop.spawn(coro, name=f"login {login_id}")
    tasks[login_id] = task

    def discard(task: asyncio.Task[None]) -> None:
        if tasks.get(login_id) is task:
            del tasks[login_id]

    task.add_done_callback(discard)


async def _listen(attempt: LoginAttempt, listener: Listener) -> None:
    login_id, ends = attempt.state.id, attempt.state.expires_at
    try:
        while (left := ends - time.time()) > 0:
            try:
                async with asyncio.timeout(min(left, CHECK_EVERY_S)):
                    params = await listener.wait()
            except TimeoutError:
                if not await _waits(attempt):
                    return
                continue
            await _take(attempt, params)
            return
        with suppress(errors.ProviderError):
            await exchange.expire(attempt)
    finally:
        listener.stop()
        _running().listeners.pop(login_id, None)


async def _take(attempt: LoginAttempt, params: dict[str, str]) -> None:
    """Complete the sign-in with the answer that arrived; errors are kept in it for its page."""
    for _ in range(exchange.STORE_TRIES):
        try:
            await exchange.answer(attempt, params)
        except errors.NotConfigured:
            # The database is unreachable for a moment. A claimed answer is not exchanged twice.
            await asyncio.sleep(0.2)
            continue
        except errors.ProviderError:
            pass
        return


async def _poll(attempt: LoginAttempt, pending: PendingLogin, lease: str) -> None:
    store, login_id = ports.login_store(), attempt.state.id
    pause = pending.interval
    while (left := attempt.state.expires_at - time.time()) > 0:
        await asyncio.sleep(min(pause, left))
        try:
            lease = await store.poll_turn(login_id, held=lease, seconds=POLL_S + 2 * pause)
        except errors.NotConfigured:
            continue  # the database is unreachable for a moment; without the lease the provider is not polled
        if not lease:
            return
        try:
            async with deadline(POLL_S, errors.UpstreamTimeout(f"The provider did not answer within {POLL_S:g} s.")):
                with faults_of(attempt.state.provider):
                    found = await resolve(attempt.state.provider, "oauth").poll(pending, clients.http())
        except errors.ProviderError as error:
            scrubbed(error, secrets_of(pending))
            if error.retry is errors.Retry.NEVER:
                if await exchange.retried(lambda: store.claim_login(login_id)):
                    await exchange.advance(attempt, status="failed", error=error)
                return
            # No answer now: poll less often (RFC 8628, section 3.5); the person may be typing the code meanwhile.
            pause = min(max(2 * pause, getattr(error, "retry_after", None) or 0.0), SLOWEST_POLL_S)
            await exchange.advance(attempt, error=error)
            continue
        if isinstance(found, Tokens):
            if await exchange.retried(lambda: store.claim_login(login_id)):
                with suppress(errors.ProviderError):
                    await exchange.complete(attempt, partial(_given, found), [*secrets_of(pending), *secrets_of(found)])
            return
        if found != pending:
            pending = found
            await exchange.advance(attempt, pending=exchange.sealed(pending))
        pause = pending.interval
    with suppress(errors.ProviderError):
        await exchange.expire(attempt)


async def _given(tokens: Tokens) -> Tokens:
    return tokens


async def _waits(attempt: LoginAttempt) -> bool:
    try:
        found = await ports.login_store().find_login(attempt.owner, login_id=attempt.state.id, browser=attempt.browser)
    except errors.LoginError:
        return False
    except errors.NotConfigured:
        return True  # the database is unreachable for a moment
    return found.state.status == "waiting"

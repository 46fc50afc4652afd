"""Signing in to a provider: begin, answer, poll, confirm, cancel; and revoking a login at the provider.

A sign-in belongs to the person and the browser session that began it. ``browser`` is a hash of the latter, and empty
outside a browser.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app import conf, errors, ports
from providers_app.behaviours.oauth import LoginStart, OAuth, OAuthFlow, PendingLogin
from providers_app.dispatch import clients
from providers_app.dispatch.faults import faults_of
from providers_app.loop import on_provider_loop
from providers_app.ownership import find_owner
from providers_app.ports import Owner, Session
from providers_app.refresh.service import lane_of
from providers_app.registry.resolver import lookup, resolve
from providers_app.sign_in import checks, exchange
from providers_app.sign_in import pending as background
from providers_app.sign_in.checks import OfferedFlow
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginAttempt, LoginState
from providers_app.types.tokens import OAuthClient, Tokens

POLL_EVERY_S = 0.5


@on_provider_loop
async def offered_flows(provider: str, *, origin: str = "", local_browser: bool = True) -> list[OfferedFlow]:
    """Return the ways to sign in: whether each is enabled, and which methods can work with this browser.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``ProviderBroken``.
    """
    flows = _flows(provider, resolve(provider, "oauth"))
    return [checks.offered(provider, flow, origin=origin, local_browser=local_browser) for flow in flows]


@on_provider_loop
async def begin_login(
    provider: str,
    *,
    name: str = "",
    flow: str | None = None,
    method: str | None = None,
    session: str | None = None,
    client: OAuthClient | Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    origin: str = "",
    browser: str = "",
    return_to: str = "",
    local_browser: bool = True,
    owner: Any = None,
) -> PendingLogin:
    """Begin a sign-in and return it with the address to open, without its secrets; a ``direct`` one has completed.

    ``session`` (id or name) signs that session in again, in place; else ``name`` names the new one. ``flow`` and
    ``method`` default to the first that can be used. ``client`` is the person's own OAuth client, ``given`` are the
    answers to the flow's fields. ``origin`` is our own address for the method ``callback``, ``return_to`` a path of
    this site.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``InvalidRequest``, ``FlowDisabled``, ``InvalidName``,
    ``DuplicateSession``, ``UnknownSession``, ``ListenerUnavailable``, ``OwnerRequired``, ``UpstreamError``.
    """
    who = await find_owner(owner)
    if not isinstance(who, int | str):
        raise errors.InvalidRequest("A sign-in needs a person as its owner.", hint="Pass owner=.")
    behaviour = resolve(provider, "oauth")
    flows = _flows(provider, behaviour)
    target, earlier = await _target(who, provider, session)
    before = next((known.name for known in flows if earlier and known.name == earlier.flow and known.methods), None)
    from_here: dict[str, Any] = {"origin": origin, "local_browser": local_browser}
    chosen = checks.choose_flow(provider, flows, flow or before, method, **from_here)
    how = checks.choose_method(chosen, method, **from_here)
    fields = checks.checked_given(chosen, checks.with_earlier_answers(chosen, given, earlier))
    path = checks.checked_return_to(return_to)
    own = checks.checked_client(chosen, client)
    again = earlier is not None and earlier.flow == chosen.name
    if own is None and earlier is not None and again and (chosen.client_fields or chosen.keeps_client):
        own = earlier.client
    place = target.name if target else await ports.login_store().require_place(who, provider, name)
    listener = await background.listen(chosen, who) if how == "loopback" else None
    try:
        redirect = listener.redirect_uri if listener else checks.redirect_uri(chosen, how, origin=origin)
        with faults_of(provider):
            start = LoginStart(chosen, how, own or OAuthClient(), redirect, fields)
            pending = await behaviour.begin(start, clients.http())
        now, settings = time.time(), conf.current()
        ends = now + (settings.device_login_ttl_s if how == "device" else settings.login_ttl_s)
        ends = min(ends, pending.expires_at or ends)
        common: dict[str, Any] = {"flow": chosen.name, "method": how, "name": place, "expires_at": ends}
        client, given = pending.client if pending.client.id else own or pending.client, pending.given or fields
        pending = msgspec.structs.replace(pending, **common, client=client, given=given)
        state = LoginState(
            id="",
            provider=provider,
            status="waiting",
            step="listening" if listener else "made",
            created_at=now,
            target=target.id if target else "",
            return_to=path,
            **common,
        )
        parts: dict[str, Secret] = {"pending": exchange.sealed(pending), "state_token": pending.state}
        state = await ports.login_store().open_login(who, state, browser=browser, **parts)
        await background.start(who, state, browser, pending, listener)
    except BaseException:
        if listener is not None:
            listener.stop()
        raise
    return checks.public(msgspec.structs.replace(pending, id=state.id))


@on_provider_loop
async def complete_login(
    login_id: str, *, answer: str | Mapping[str, str] | None = None, browser: str = "", owner: Any = None
) -> Session:
    """Complete a sign-in with its answer: the pasted text, or the parameters of the redirect.

    Raises ``LoginError`` of every kind (after ``InvalidLoginAnswer`` it waits on, after ``WrongAccount`` for
    ``confirm_login``), ``UpstreamError``, and what storing raises.
    """
    attempt = await _find(owner, login_id, browser)
    await exchange.require_open(attempt)
    if attempt.state.method in ("device", "direct"):
        raise errors.InvalidLoginAnswer("This sign-in takes no answer here.", hint="It completes by itself.")
    if answer is None:
        hint = "Give the code or the address that was shown at the end."
        raise errors.InvalidLoginAnswer("There is no answer.", hint=hint)
    session = await exchange.answer(attempt, answer)
    background.forget(login_id)
    return session


@on_provider_loop
async def complete_callback(params: Mapping[str, str], *, browser: str, owner: Any = None) -> Session:
    """Complete the sign-in that a redirect to us belongs to by its state. Raises as ``complete_login`` does."""
    attempt = await _find_by_state(params, browser, owner)
    if attempt.state.method != "callback":
        raise errors.UnknownLogin("The answer belongs to a sign-in that does not come back to this address.")
    return await exchange.answer(attempt, params)


@on_provider_loop
async def find_callback(params: Mapping[str, str], *, browser: str, owner: Any = None) -> LoginState:
    """Return the sign-in that a callback belongs to, for the page that answers it. Raises ``UnknownLogin``."""
    return (await _find_by_state(params, browser, owner)).state


@on_provider_loop
async def login_state(login_id: str, *, browser: str = "", owner: Any = None) -> LoginState:
    """Return the state of a sign-in, and resume a device login whose process is gone. Raises ``UnknownLogin``."""
    attempt = await _find(owner, login_id, browser)
    try:
        await exchange.expire(attempt)
    except errors.LoginError:
        background.forget(login_id)
        return (await _find(owner, login_id, browser)).state
    if attempt.state.method == "device" and attempt.state.status == "waiting":
        await background.start_polling(attempt)
    return attempt.state


@on_provider_loop
async def cancel_login(login_id: str, *, browser: str = "", owner: Any = None) -> None:
    """Cancel a sign-in and destroy its secrets. Raises ``UnknownLogin``, ``LoginUsed``."""
    await exchange.cancel(await _find(owner, login_id, browser))
    background.forget(login_id)


@on_provider_loop
async def confirm_login(login_id: str, *, browser: str = "", owner: Any = None) -> Session:
    """Confirm the other account for the session. Raises ``UnknownLogin``, ``LoginUsed``, ``LoginExpired``."""
    attempt = await _find(owner, login_id, browser)
    return await exchange.detached(exchange.confirm(attempt))


@on_provider_loop
async def wait_login(login_id: str, *, browser: str = "", owner: Any = None) -> Session:
    """Wait until a sign-in is done by a device code, a listener, or an answer given elsewhere. Raises what ended it."""
    failures = 0
    while True:
        try:
            state = await login_state(login_id, browser=browser, owner=owner)
        except errors.NotConfigured:
            failures += 1
            if failures > exchange.STORE_TRIES:
                raise
            await asyncio.sleep(POLL_EVERY_S)
            continue
        failures = 0
        if state.status == "done":
            found, _ = await ports.session_store().lookup(await find_owner(owner), state.provider, state.session_id)
            return found
        if state.status in ("failed", "cancelled", "confirm"):
            raise checks.error_of(state)
        await asyncio.sleep(POLL_EVERY_S)


@on_provider_loop
async def revoke_session(provider: str, name: str, *, owner: Any = None) -> bool:
    """Revoke a login at the provider, then destroy its tokens here; ``False`` where the provider cannot revoke.

    Raises ``UnknownSession``, ``UnsupportedOperation``, ``UpstreamError`` (nothing was changed here then).
    """
    who = await find_owner(owner)
    session, _ = await lookup(who, provider, name, "oauth")
    checks.oauth_only(provider, session.auth_type, session.name)
    async with lane_of(session.id):
        tokens = await ports.refresh_store().tokens_of(who, session.id)
        with faults_of(provider):
            done = await resolve(provider, "oauth").revoke(tokens, clients.http())
        if done:
            await ports.login_store().drop_tokens(who, session.id, reason="The login was ended at the provider.")
    return done


def _flows(provider: str, behaviour: OAuth) -> tuple[OAuthFlow, ...]:
    with faults_of(provider):
        return tuple(behaviour.flows)


async def _target(who: Owner, provider: str, ref: str | None) -> tuple[Session | None, Tokens | None]:
    """Return the session to sign in again, and its earlier tokens (``None`` where they are gone)."""
    if not ref:
        return None, None
    session, _ = await lookup(who, provider, ref, "oauth")
    checks.oauth_only(provider, session.auth_type, session.name)
    try:
        return session, await ports.refresh_store().tokens_of(who, session.id)
    except errors.ProviderError:
        return session, None


async def _find(owner: Any, login_id: str, browser: str) -> LoginAttempt:
    who = await find_owner(owner)
    return await ports.login_store().find_login(who, login_id=login_id, browser=browser)


async def _find_by_state(params: Mapping[str, str], browser: str, owner: Any) -> LoginAttempt:
    token = params.get("state", "") if isinstance(params, Mapping) else ""
    if not isinstance(token, str) or not token:
        raise errors.UnknownLogin("The answer does not say which sign-in it belongs to (it has no state).")
    return await ports.login_store().find_login(await find_owner(owner), state_token=Secret(token), browser=browser)

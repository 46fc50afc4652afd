"""The steps. Each returns a sentence, or raises ``Failed``, ``Skipped``, or the interface's typed error."""

import asyncio
import re
import string
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import msgspec

from maestro_site.e2e.plan import PROMPT, Failed, Plan, Skipped, State
from providers_app import conf, errors, ports, provider
from providers_app.dispatch.credentials import sends_credential
from providers_app.ports import Session
from providers_app.streaming import fold
from providers_app.types.catalogue import ModelInfo, ProviderInfo
from providers_app.types.chat import ChatResult
from providers_app.types.credentials import Secret
from providers_app.types.events import Event, StreamEnd, StreamFailed, TextDelta

CLOSING_S = 10.0
SHORT_PROMPT = "Reply with the one word: ready"
MANGLED = 12
"""Letters and digits at the end of a key that are changed to make a wrong one of the same form."""

LEAST_CHARS = 100
_TOPICS = {
    "FastAPI": re.compile(r"fast\s?api", re.IGNORECASE),
    "Stripe": re.compile(r"stripe", re.IGNORECASE),
    "error handling": re.compile(
        r"error[\s-]handl|handl\w*\W+(?:\w+\W+){0,4}?(?:errors?|exceptions?|failures?)|exception|\bexcept\b|\braise\b",
        re.IGNORECASE,
    ),
}


def card_of(slug: str) -> ProviderInfo:
    """Return the provider's card. Raises ``UnknownProvider``, ``ProviderBroken``."""
    provider.provider_capabilities(slug)
    return next(card for card in provider.list_providers() if card.slug == slug)


async def test_login(plan: Plan, state: State) -> str:
    """Send one cheap authenticated request."""
    account = await provider.test_session(plan.provider, plan.auth_type, state.name, owner=plan.owner)
    facts = ", ".join(filter(None, (account.label, "" if account.models is None else f"{account.models} models")))
    return f"The provider accepts the session '{state.name}'{f' ({facts})' if facts else ''}."


async def create(plan: Plan, state: State) -> Session:
    """Create a temporary session with a key, or without any login."""
    if plan.auth_type == "api_key" and not plan.key:
        hint = "Pass --key-env VAR or --key-stdin, or name a --session."
        raise errors.InvalidCredential("There is no key.", hint=hint)
    return await provider.create_session(
        plan.provider,
        plan.auth_type,
        name=state.name,
        api_key=plan.key or None,
        base_url=plan.base_url or None,
        settings=dict(plan.settings),
        owner=plan.owner,
    )


async def require_consent(plan: Plan) -> None:
    """Raise ``InvalidRequest`` where the sign-in asks for an agreement that was not given."""
    offers = await provider.offered_flows(plan.provider, local_browser=plan.local_browser)
    flows = [offer.flow for offer in offers if (offer.flow.name == plan.flow if plan.flow else offer.enabled)]
    if flows and flows[0].consent and not plan.agree:
        raise errors.InvalidRequest(f"This sign-in needs your agreement: {flows[0].consent}", hint="Pass --agree.")


async def list_models(plan: Plan, state: State) -> str:
    """List the provider's models without a cache, and choose one where the plan names none."""
    card = card_of(plan.provider)
    state.model = plan.model or getattr(conf.provider(plan.provider), "default_model", "") or card.default_model
    try:
        found = await provider.list_models(plan.provider, plan.auth_type, state.name, refresh=True, owner=plan.owner)
    except errors.UnsupportedOperation as error:
        if not state.model:
            raise
        raise Skipped(f"{error.message} '{state.model}' is asked.") from None
    if not found:
        raise Failed("The provider lists no model.")
    state.model = state.model or _chosen(found, card)
    if state.model not in {model.id for model in found}:
        return f"{len(found)} models; '{state.model}' is not among them and is asked all the same."
    return f"{len(found)} models; '{state.model}' is asked."


async def stream(plan: Plan, state: State) -> str:
    """Stream the answer to the standard prompt to its end."""
    begun, first, events = time.monotonic(), None, list[Event]()
    async with aclosing(ask(plan, state, PROMPT)) as source:
        async for event in source:
            if first is None and isinstance(event, TextDelta):
                first = time.monotonic() - begun
            events.append(event)
    state.result = fold(events)
    if isinstance(events[-1], StreamFailed):
        error = events[-1].error
        raise Failed(f"The answer broke off after {len(state.result.text)} characters: {error.message}", error.code)
    if first is None:
        raise Failed("The answer has no text.")
    pieces = sum(isinstance(event, TextDelta) for event in events)
    return f"{len(state.result.text)} characters in {pieces} pieces, the first after {first:.2f} s."


async def validate(plan: Plan, state: State) -> str:
    """Check that the answer is whole and plausible."""
    if state.result is None:
        raise Skipped("There is no answer to check.")
    if wrong := "; ".join(_problems(state.result)):
        raise Failed(f"{wrong[0].upper()}{wrong[1:]}.")
    usage = state.result.usage
    assert usage is not None
    cut = ", up to its output limit" if state.result.finish_reason == "length" else ""
    return f"Complete{cut}, on the subject; {usage.input_tokens} tokens in, {usage.output_tokens} out."


async def interrupt(plan: Plan, state: State) -> str:
    """Leave a stream after its first text, then use the session again."""
    source, ended = ask(plan, state, PROMPT), False
    try:
        async for event in source:
            if isinstance(event, TextDelta):
                break
            ended = isinstance(event, StreamEnd | StreamFailed)
    finally:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(CLOSING_S):
                await source.aclose()
        except TimeoutError:
            raise Failed(f"The request was not closed within {CLOSING_S:g} s.") from None
    closed = time.monotonic() - begun
    if ended:
        raise Failed("The answer ended before it had any text, so nothing could be interrupted.")
    after = fold([event async for event in ask(plan, state, SHORT_PROMPT)])
    if not after.complete:
        code = after.error.code if after.error else ""
        raise Failed("After the interruption the session gave no complete answer.", code)
    return f"Closed in {closed * 1000:.0f} ms after the first text; the session answers again."


async def unknown_model(plan: Plan, state: State) -> str:
    """Check that an unknown model gives a typed error."""
    name = f"maestro-no-such-model-{uuid4().hex[:8]}"
    try:
        events = [event async for event in ask(plan, state, SHORT_PROMPT, name)]
    except errors.NotFound as error:
        return f"Refused with {error.code}, as it must be."
    except errors.UpstreamError as error:
        what = f"An unknown model gives {error.code} instead of unknown_model: {error.message}"
        raise Failed(what, error.code) from None
    if isinstance(events[-1], StreamFailed):
        raise Failed("An unknown model is refused only after the answer has begun.", events[-1].error.code)
    raise Skipped("The server answers under any model name.")


async def wrong_key(plan: Plan, state: State) -> str:
    """Check that a login that is nearly right is refused with the typed error."""
    if plan.auth_type == "none":
        raise Skipped("There is no login that could be wrong.")
    _, credential = await ports.session_store().lookup(plan.owner, plan.provider, state.name, plan.auth_type)
    if not credential.secret:
        raise Skipped("The login is fetched for each use; there is no secret of its own to change.")
    if not sends_credential(plan.provider, credential):
        raise Skipped("The gateway in front keeps the login back, so the provider cannot refuse it.")
    wrong = msgspec.structs.replace(credential, secret=Secret(mangled(credential.secret.reveal())))
    try:
        await provider.try_credential(plan.provider, wrong)
    except errors.AuthenticationFailed as error:
        return f"Refused with {error.code}, as it must be."
    except errors.ProviderError as error:
        what = f"A wrong login gives {error.code} instead of upstream_authentication: {error.message}"
        raise Failed(what, error.code) from None
    if card_of(plan.provider).base_url_required:
        raise Skipped("The server takes any key.")
    raise Failed("The provider accepts a wrong login.")


async def refresh(plan: Plan, state: State) -> str:
    """Refresh a new sign-in and use it after that."""
    if plan.auth_type != "oauth":
        raise Skipped("A key is not refreshed.")
    if plan.session:
        raise Skipped("The session is yours: it is refreshed when it is due.")
    try:
        await provider.refresh_tokens(plan.provider, state.name, owner=plan.owner)
    except (errors.NotRefreshable, errors.RefreshTooEarly) as error:
        raise Skipped(error.message) from None
    await provider.test_session(plan.provider, plan.auth_type, state.name, owner=plan.owner)
    return "The login was refreshed and works."


async def broken_stream(plan: Plan, state: State) -> str:
    """Check that an answer that breaks off does not count as complete."""
    if not plan.broken_model:
        raise Skipped("Only a test server breaks off on request; --broken-model names its model.")
    events = [event async for event in ask(plan, state, PROMPT, plan.broken_model)]
    result = fold(events)
    if result.complete or not isinstance(events[-1], StreamFailed):
        raise Failed("The answer that breaks off counts as complete.")
    return f"{len(result.text)} characters, then {events[-1].error.code}: not complete, as it must be."


def mangled(secret: str) -> str:
    """Return another secret of the same form."""
    letters = string.ascii_lowercase, string.ascii_uppercase, string.digits
    following = {one: kind[(at + 1) % len(kind)] for kind in letters for at, one in enumerate(kind)}
    at = [number for number, one in enumerate(secret) if one in following][-MANGLED:]
    return "".join(following[one] if number in at else one for number, one in enumerate(secret))


def ask(plan: Plan, state: State, prompt: str, model: str = "", **more: Any) -> AsyncGenerator[Event, None]:
    """Stream the answer to a prompt, by default of the model that is being checked."""
    given = {"model": model or state.model, "auth_type": plan.auth_type, "owner": plan.owner, **more}
    return provider.stream_chat(plan.provider, state.name, prompt, **given)


def _chosen(models: list[ModelInfo], card: ProviderInfo) -> str:
    """Return the newest model that can chat, as far as dates are known; else the first of the list."""
    living = [model for model in models if model.lifecycle not in ("deprecated", "retired")]
    able = [model for model in living if not model.capabilities or "chat" in model.capabilities]
    if not (chatting := [model for model in able if "text" in model.output_modalities]):
        raise Failed("No model of the list can chat.")
    return (chatting[0] if card.models_in_order else max(chatting, key=lambda model: model.released_at or "")).id


def _problems(result: ChatResult) -> list[str]:
    """Return a clause for each problem of the answer; one that its output limit ended is whole."""
    found = []
    if not result.complete:
        found.append("the answer is not complete" + (f" ({result.error.code})" if result.error else ""))
    elif result.finish_reason not in ("stop", "length"):
        found.append(f"the answer ended with {result.finish_reason}")
    if len(result.text) <= LEAST_CHARS:
        found.append(f"the answer has {len(result.text)} characters, which is not over {LEAST_CHARS}")
    found += [f"the answer does not mention {topic}" for topic, sign in _TOPICS.items() if not sign.search(result.text)]
    usage = result.usage
    if usage is None or usage.source != "provider":
        return [*found, "the provider reported no usage"]
    counts = {"input": usage.input_tokens, "output": usage.output_tokens}
    return found + [f"the provider reported {count or 0} {side} tokens" for side, count in counts.items() if not count]

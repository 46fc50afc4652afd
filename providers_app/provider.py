"""The universal interface, through which all requests reach a provider.

    from providers_app import provider

    with provider.acting_as(user):
        async for event in provider.stream_chat("anthropic", "work_claude", "Hello", model="..."):
            ...

Every function that names a session takes ``owner=`` (see ``ownership``). ``session`` is its id, its name, or
``auth_type:name``. Every function raises only errors of ``providers_app.errors``, runs on the provider loop on
whichever loop it is awaited, and from synchronous code is called as ``loop.run(provider.complete_chat(...))``.
"""

from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

import msgspec

from providers_app import checkpoints, contexts, ownership
from providers_app.chat import counting
from providers_app.chat.messages import MessagesInput
from providers_app.chat.request import ToolChoiceInput, ToolsInput, build_chat, check_control, validate_parameters
from providers_app.checkpoints import CheckpointCallback, continue_from_checkpoint, resume_from_checkpoint
from providers_app.contexts import (
    append_chunk,
    create_context,
    delete_context,
    delete_context_chunk,
    get_context,
    list_context_chunks,
    list_contexts,
    state_intent,
)
from providers_app.dispatch import aliases, clients, dispatcher, prepare
from providers_app.dispatch.aliases import ALIAS
from providers_app.dispatch.credentials import client_of, open_session
from providers_app.dispatch.request import Call
from providers_app.listing.models import get_model, list_models, model_listing
from providers_app.loop import hand_over_stream, on_provider_loop
from providers_app.named_sessions import create_session, delete_session, test_session
from providers_app.ownership import acting_as, find_owner
from providers_app.ports import SYSTEM
from providers_app.refresh.service import refresh_session, refresh_tokens
from providers_app.registry.discovery import list_providers, registry
from providers_app.sign_in.flow import (
    begin_login,
    cancel_login,
    complete_callback,
    complete_login,
    confirm_login,
    find_callback,
    login_state,
    offered_flows,
    revoke_session,
    wait_login,
)
from providers_app.sign_in.keys import try_credential
from providers_app.streaming import fold
from providers_app.types.catalogue import AuthType, Capabilities, TokenCount
from providers_app.types.chat import ChatResult
from providers_app.types.events import Event
from providers_app.types.http import PreparedRequest, redacted

__all__ = [
    "SYSTEM",
    "acting_as",
    "append_chunk",
    "begin_login",
    "cancel_login",
    "complete_callback",
    "complete_chat",
    "complete_login",
    "confirm_login",
    "continue_from_checkpoint",
    "count_tokens",
    "create_context",
    "create_session",
    "delete_context",
    "delete_context_chunk",
    "delete_session",
    "find_callback",
    "get_context",
    "get_model",
    "list_context_chunks",
    "list_contexts",
    "list_models",
    "list_providers",
    "login_state",
    "model_listing",
    "offered_flows",
    "preview_request",
    "provider_capabilities",
    "refresh_session",
    "refresh_tokens",
    "resume_from_checkpoint",
    "revoke_session",
    "state_intent",
    "stream_chat",
    "test_session",
    "try_credential",
    "validate_parameters",
    "wait_login",
]


def stream_chat(
    provider: str,
    session: str,
    messages: MessagesInput | None = None,
    *,
    model: str | None = None,
    system: str | None = None,
    tools: ToolsInput | None = None,
    tool_choice: ToolChoiceInput | None = None,
    context_id: str | None = None,
    store: bool = False,
    strict: bool | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    resumable: bool = False,
    enable_stream_replay: bool | None = None,
    checkpoint_callback: CheckpointCallback | None = None,
    checkpoint_events: int = checkpoints.EVENTS,
    checkpoint_ms: int = checkpoints.MS,
    auth_type: AuthType | None = None,
    owner: Any = None,
    **params: Any,
) -> AsyncGenerator[Event, None]:
    """Stream the answer as events; the last one is ``StreamEnd`` or ``StreamFailed``.

    ``provider`` may be ``"alias"``, and ``session`` then the name of an alias: its routes are tried in order until one
    answers, and ``StreamStart.routing`` says which did and why the others did not.

    ``timeout`` is the deadline in seconds: everything up to the first event, retries included. ``max_retries`` is how
    often a failure before the first output is tried again. 0 turns either off; the session's own deadline holds too.
    ``params`` are those of ``ChatParams``; what the provider or model does not take is left out, as
    ``StreamStart.advice`` says, or with ``strict`` refused. A failure before the first output is raised, on iteration;
    a later one is the last event. Leaving the iteration (``aclose``, or cancelling the task) closes the upstream
    request.

    ``context_id`` puts a stored context in front of ``messages``. With ``store`` they and the answer are stored in it,
    or in a new one, as one turn of the chat page: ``messages`` are then the new ones only, the last a user's text or
    results of tools, and ``system`` becomes the context's. ``StreamStart`` and every error have the ``context_id``;
    leaving the iteration is Stop. Raises ``TurnRunning`` while an answer runs there.

    An answer that breaks off goes on by itself where that is exact (``enable_stream_replay``; default: as configured).
    ``resumable`` asks for one that the provider can resume, and stores meanwhile. ``checkpoint_callback`` is called
    with a ``StreamCheckpoint`` after so many events or milliseconds, and at the end.
    """
    options = {"system": system, "tools": tools, "tool_choice": tool_choice, "context_id": context_id, "strict": strict}
    options |= {"resumable": resumable, "enable_stream_replay": enable_stream_replay}
    control = {"timeout": timeout, "max_retries": max_retries}
    who = owner if owner is not None else ownership.acting()  # now: ``acting_as`` may have ended at the first event
    if store:
        checkpoints.check_unwatched(checkpoint_callback)
        return hand_over_stream(
            contexts.answer(who, provider, session, auth_type, messages, control, params, model=model, **options)
        )
    call = partial(_call, who, provider, session, auth_type, messages, control, True, params, model=model, **options)
    if checkpoint_callback is not None:
        return checkpoints.watched(call, checkpoint_callback, (checkpoint_events, checkpoint_ms))
    return hand_over_stream(dispatcher.stream(call))


@on_provider_loop
async def complete_chat(
    provider: str,
    session: str,
    messages: MessagesInput | None = None,
    *,
    model: str | None = None,
    system: str | None = None,
    tools: ToolsInput | None = None,
    tool_choice: ToolChoiceInput | None = None,
    context_id: str | None = None,
    store: bool = False,
    strict: bool | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  the deadline is part of the interface
    max_retries: int | None = None,
    auth_type: AuthType | None = None,
    owner: Any = None,
    **params: Any,
) -> ChatResult:
    """Return the whole answer; ``timeout`` in seconds covers all of it.

    An alias, ``max_retries``, ``context_id`` and ``store`` as in ``stream_chat``; the result names the context. As
    there, a failure before the first output is raised, a refusal inside a 200 too; an answer that broke later has its
    text, its ``error``, and ``complete`` false.
    """
    options = {"system": system, "tools": tools, "tool_choice": tool_choice, "context_id": context_id, "strict": strict}
    control = {"timeout": timeout, "max_retries": max_retries}
    if store:
        return await contexts.complete(
            owner, provider, session, auth_type, messages, control, params, model=model, **options
        )
    call = await _call(owner, provider, session, auth_type, messages, control, False, params, model=model, **options)
    return fold(await dispatcher.complete(call))


@on_provider_loop
async def count_tokens(
    provider: str,
    session: str,
    messages: MessagesInput | None = None,
    *,
    model: str | None = None,
    system: str | None = None,
    tools: ToolsInput | None = None,
    context_id: str | None = None,
    auth_type: AuthType | None = None,
    owner: Any = None,
) -> TokenCount:
    """Count the tokens of a request and say who counted; of an alias, for the route that would be tried first.

    Raises ``UpstreamError`` where the provider counts.
    """
    options = {"system": system, "tools": tools, "context_id": context_id}
    call = await _call(owner, provider, session, auth_type, messages, {}, True, {}, model=model, **options)
    client = await open_session(call.owner, call.provider, call.session, call.auth_type)
    return await client.call(partial(counting.count, chat=call.chat))


@on_provider_loop
async def preview_request(
    provider: str,
    session: str,
    messages: MessagesInput | None = None,
    *,
    model: str | None = None,
    system: str | None = None,
    tools: ToolsInput | None = None,
    tool_choice: ToolChoiceInput | None = None,
    context_id: str | None = None,
    stream: bool = True,
    strict: bool | None = None,
    resumable: bool = False,
    auth_type: AuthType | None = None,
    owner: Any = None,
    **params: Any,
) -> PreparedRequest:
    """Return the exact request of ``stream_chat`` (``stream``) or ``complete_chat``, secrets redacted; send nothing.

    Of an alias it is the request by the route that would be tried first.
    """
    options = {"system": system, "tools": tools, "tool_choice": tool_choice, "context_id": context_id, "strict": strict}
    options["resumable"] = resumable
    call = await _call(owner, provider, session, auth_type, messages, {}, stream, params, model=model, **options)
    found, credential = await prepare.find(call.owner, call.provider, call.session, call.auth_type)
    prepared = await client_of(call.owner, found, credential).prepare(credential, call.chat, preview=True)
    made = prepared.request
    headers = redacted(clients.http().complete_headers(made), made.secret_headers)
    return PreparedRequest(method=made.method, url=made.url, headers=headers, body=made.body, advice=prepared.advice)


def provider_capabilities(provider: str) -> Capabilities:
    """Return the capabilities that a provider declares. Raises ``UnknownProvider``, ``ProviderBroken``."""
    return registry.card(provider).capabilities


async def _call(
    owner: Any,
    provider: str,
    session: str,
    auth_type: AuthType | None,
    messages: MessagesInput | None,
    control: Mapping[str, Any],
    stream: bool,
    params: Mapping[str, Any],
    *,
    model: str | None,
    **options: Any,
) -> Call:
    """Check the arguments of a call; ``control`` has its time-out and retries, ``options`` go to ``build_chat``.

    The call of an alias names the route that is tried first, and has all of them as its ``plan``.
    """
    timeout_s, max_retries = check_control(**control)
    replay = options.pop("enable_stream_replay", None)
    found = await find_owner(owner)
    plan = None
    if provider == ALIAS:
        plan = await aliases.plan(found, session, model, auth_type)
        (first, model), auth_type = plan.routes[0], None
        provider = first.provider
    chat = await build_chat(found, provider, messages, stream=stream, params=params, model=model, **options)
    if plan is not None:
        plan = aliases.ordered(plan, found, chat)
        first, model = plan.routes[0]
        provider, session, chat = first.provider, first.id, msgspec.structs.replace(chat, model=model)
    made = Call(found, provider, session, chat, auth_type, timeout_s, max_retries)
    return msgspec.structs.replace(made, replay=replay, plan=plan)

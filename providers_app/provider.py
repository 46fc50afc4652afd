"""The universal interface, through which all requests reach a provider.

    from providers_app import provider

    with provider.acting_as(user):
        async for event in provider.stream_chat("anthropic", "work_claude", "Hello", model="..."):
            ...

Every function that names a session takes ``owner=`` (see ``ownership``). ``session`` is its id, its name, or
``auth_type:name``. Every function raises only errors of ``providers_app.errors``, runs on the provider loop on
whichever loop it is awaited, and from synchronous code is called as ``loop.run(provider.complete_chat(...))``.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from functools import partial
from typing import Any

from providers_app import ownership, ports
from providers_app.chat import counting
from providers_app.chat.messages import MessagesInput
from providers_app.chat.request import ToolChoiceInput, ToolsInput, build_chat, check_timeout, validate_parameters
from providers_app.dispatch import clients, dispatcher, prepare
from providers_app.dispatch.credentials import client_of, open_session
from providers_app.dispatch.dispatcher import Call
from providers_app.listing.access import get_model, list_models, model_listing
from providers_app.loop import hand_over_stream, on_provider_loop
from providers_app.ownership import acting_as, find_owner
from providers_app.ports import SYSTEM, Session
from providers_app.refresh.service import refresh_session, refresh_tokens
from providers_app.registry.discovery import list_providers, registry
from providers_app.sign_in import keys
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
from providers_app.text import checked_names
from providers_app.types.catalogue import Account, AuthType, Capabilities, TokenCount
from providers_app.types.chat import ChatResult, Chunk
from providers_app.types.credentials import Secret
from providers_app.types.events import Event
from providers_app.types.http import PreparedRequest, redacted

__all__ = [
    "SYSTEM",
    "acting_as",
    "begin_login",
    "cancel_login",
    "complete_callback",
    "complete_chat",
    "complete_login",
    "confirm_login",
    "count_tokens",
    "create_session",
    "delete_context_chunk",
    "delete_session",
    "find_callback",
    "get_model",
    "list_context_chunks",
    "list_models",
    "list_providers",
    "login_state",
    "model_listing",
    "offered_flows",
    "preview_request",
    "provider_capabilities",
    "refresh_session",
    "refresh_tokens",
    "revoke_session",
    "stream_chat",
    "test_session",
    "try_credential",
    "validate_parameters",
    "wait_login",
]


@on_provider_loop
async def create_session(
    provider: str,
    auth_type: AuthType,
    *,
    name: str,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    settings: Mapping[str, str] | None = None,
    owner: Any = None,
) -> Session:
    """Store a named login.

    The key's format and the address are checked; the provider is not asked (``test_session`` is).

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``InvalidName``, ``DuplicateSession``, ``InvalidCredential``,
    ``InvalidRequest``, ``AddressRefused``, ``OwnerRequired``, ``NotConfigured``.
    """
    credential = keys.make_credential(provider, auth_type, api_key, base_url, settings)
    return await ports.session_store().create(await find_owner(owner), provider, auth_type, name, credential)


@on_provider_loop
async def delete_session(provider: str, auth_type: AuthType | None, name: str, *, owner: Any = None) -> None:
    """Destroy a session and its credential. Raises ``UnknownSession``, ``AmbiguousSession``, ``OwnerRequired``."""
    found = await find_owner(owner)
    store = ports.session_store()
    session, _ = await store.lookup(found, provider, name, auth_type)
    await store.delete(found, session.id)


@on_provider_loop
async def test_session(provider: str, auth_type: AuthType | None, name: str, *, owner: Any = None) -> Account:
    """Test the login with one cheap authenticated request; the session records the result. Raises ``UpstreamError``."""
    found = await find_owner(owner)
    return await keys.run_test(found, *await prepare.find(found, provider, name, auth_type))


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
    strict: bool | None = None,
    timeout: float | None = None,
    auth_type: AuthType | None = None,
    owner: Any = None,
    **params: Any,
) -> AsyncGenerator[Event, None]:
    """Stream the answer as events; the last one is ``StreamEnd`` or ``StreamFailed``.

    ``timeout`` is in seconds and covers everything up to the first event. ``params`` are those of ``ChatParams``; what
    the provider or model does not take is left out, and ``StreamStart.advice`` says so, or with ``strict`` refused. A
    failure before the first event is raised, on iteration; a later one is the last event. Leaving the iteration
    (``aclose``, or cancelling the task) closes the upstream request.
    """
    options = {"system": system, "tools": tools, "tool_choice": tool_choice, "context_id": context_id, "strict": strict}
    who = owner if owner is not None else ownership.acting()  # now: ``acting_as`` may have ended at the first event
    call = partial(_call, who, provider, session, auth_type, messages, timeout, True, params, model=model, **options)
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
    strict: bool | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  the deadline is part of the interface
    auth_type: AuthType | None = None,
    owner: Any = None,
    **params: Any,
) -> ChatResult:
    """Return the whole answer; ``timeout`` in seconds covers all of it.

    Raises typed errors for a refused request; an answer that broke off is returned with ``complete`` false.
    """
    options = {"system": system, "tools": tools, "tool_choice": tool_choice, "context_id": context_id, "strict": strict}
    call = await _call(owner, provider, session, auth_type, messages, timeout, False, params, model=model, **options)
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
    """Count the tokens of a request and say who counted. Raises ``UpstreamError`` where the provider counts."""
    options = {"system": system, "tools": tools, "context_id": context_id}
    call = await _call(owner, provider, session, auth_type, messages, None, True, {}, model=model, **options)
    client = await open_session(call.owner, provider, session, auth_type)
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
    auth_type: AuthType | None = None,
    owner: Any = None,
    **params: Any,
) -> PreparedRequest:
    """Return the exact request of ``stream_chat`` (or ``complete_chat`` with ``stream=False``). Nothing is sent.

    Secret headers are redacted.
    """
    options = {"system": system, "tools": tools, "tool_choice": tool_choice, "context_id": context_id, "strict": strict}
    call = await _call(owner, provider, session, auth_type, messages, None, stream, params, model=model, **options)
    found, credential = await prepare.find(call.owner, provider, session, auth_type)
    prepared = await client_of(call.owner, found, credential).prepare(credential, call.chat, preview=True)
    request = prepared.request
    headers = redacted(clients.http().complete_headers(request), request.secret_headers)
    return PreparedRequest(
        method=request.method, url=request.url, headers=headers, body=request.body, advice=prepared.advice
    )


@on_provider_loop
async def list_context_chunks(
    provider: str,
    session: str,
    context_id: str,
    *,
    query: str = "",
    kinds: Iterable[str] = (),
    auth_type: AuthType | None = None,
    owner: Any = None,
) -> list[Chunk]:
    """Return the chunks of a context in order, only those that contain ``query`` and are of ``kinds`` where given.

    Raises ``UnknownContext``, ``UnknownSession``, ``OwnerRequired``, ``NotConfigured``.
    """
    wanted = frozenset(checked_names(kinds, "kinds"))
    found = await find_owner(owner)
    await ports.session_store().lookup(found, provider, session, auth_type)
    return await ports.context_store().list_chunks(found, context_id, query=query, kinds=wanted)


@on_provider_loop
async def delete_context_chunk(
    provider: str, session: str, context_id: str, chunk_id: str, *, auth_type: AuthType | None = None, owner: Any = None
) -> None:
    """Delete one chunk of a context. Raises ``UnknownContext``, ``UnknownSession``, ``OwnerRequired``."""
    found = await find_owner(owner)
    await ports.session_store().lookup(found, provider, session, auth_type)
    await ports.context_store().delete_chunk(found, context_id, chunk_id)


def provider_capabilities(provider: str) -> Capabilities:
    """Return the capabilities that a provider declares. Raises ``UnknownProvider``, ``ProviderBroken``."""
    return registry.card(provider).capabilities


async def _call(
    owner: Any,
    provider: str,
    session: str,
    auth_type: AuthType | None,
    messages: MessagesInput | None,
    timeout_s: float | None,
    stream: bool,
    params: Mapping[str, Any],
    **options: Any,
) -> Call:
    """Check the arguments of a call; ``options`` are further ones of ``build_chat``."""
    if timeout_s is not None:
        check_timeout(timeout_s)
    found = await find_owner(owner)
    chat = await build_chat(found, provider, messages, stream=stream, params=params, **options)
    return Call(owner=found, provider=provider, session=session, chat=chat, auth_type=auth_type, timeout_s=timeout_s)

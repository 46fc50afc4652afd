"""The functions of the universal interface that are about stored contexts; see ``provider``.

A context is a conversation of one person, the same that the chat page shows: what is appended here stands there.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from providers_app import ports
from providers_app.chat.messages import MessagesInput, parse_messages
from providers_app.chat.request import check_control, parse_params, parse_tool_choice, parse_tools
from providers_app.dispatch import aliases, prepare
from providers_app.dispatch.aliases import ALIAS
from providers_app.dispatch.faults import deadline
from providers_app.errors import InvalidRequest, ProviderError, UpstreamTimeout
from providers_app.loop import on_provider_loop
from providers_app.ownership import find_owner
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import lookup
from providers_app.streaming import fold
from providers_app.text import checked_names, nearest, quoted
from providers_app.types.catalogue import AuthType
from providers_app.types.chat import ChatResult, Chunk, NewTurn, StoredContext
from providers_app.types.events import Event
from providers_app.types.intent import Purpose, RiskLevel
from providers_app.types.intent_rules import parse_intent

MAX_LISTED = 10_000
KINDS = dict.fromkeys(("user", "note", "file", "summary"), "user") | {"assistant": "assistant", "system": "system"}
"""The kinds of chunks that can be appended, and the role of each."""


@on_provider_loop
async def create_context(*, title: str = "", system: str = "", owner: Any = None) -> StoredContext:
    """Create an empty context; ``system`` is its system text. Raises ``InvalidRequest``, ``OwnerRequired``."""
    given = {"title": _text("title", title), "system": _text("system", system)}
    return await ports.context_store().create_context(await find_owner(owner), **given)


@on_provider_loop
async def list_contexts(
    *, query: str = "", archived: bool = False, limit: int = 100, owner: Any = None
) -> list[StoredContext]:
    """Return the contexts with ``query`` in title or text, the last changed first. Raises ``InvalidRequest``."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MAX_LISTED:
        raise InvalidRequest(f"limit must be a number from 1 to {MAX_LISTED:,}, not {quoted(limit)}.")
    store, found = ports.context_store(), await find_owner(owner)
    return await store.list_contexts(found, query=_text("query", query), archived=bool(archived), limit=limit)


@on_provider_loop
async def get_context(context_id: str, *, owner: Any = None) -> StoredContext:
    """Return one context. Raises ``UnknownContext``, ``OwnerRequired``."""
    return await ports.context_store().get_context(await find_owner(owner), context_id)


@on_provider_loop
async def delete_context(context_id: str, *, owner: Any = None) -> None:
    """Delete a context; on the chat page it can be restored for a day. Raises ``UnknownContext``, ``OwnerRequired``."""
    await ports.context_store().delete_context(await find_owner(owner), context_id)


@on_provider_loop
async def append_chunk(
    context_id: str,
    content: str,
    *,
    role: str | None = None,
    kind: str | None = None,
    name: str = "",
    owner: Any = None,
) -> Chunk:
    """Append a chunk to a context, as an edit that the chat page can undo; nothing is asked of a provider.

    ``kind`` is one of ``KINDS``, and by default the ``role`` (``user``, ``assistant`` or ``system``). A note, file or
    summary may have the role ``system``. ``name`` is the name of a file.

    Raises ``UnknownContext``, ``InvalidRequest``, ``OwnerRequired``.
    """
    kind = kind if kind is not None else role if role is not None else "user"
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidRequest(f"No chunk of the kind {quoted(kind)} can be appended.", hint=nearest(kind, KINDS))
    default = KINDS[kind]
    if role not in (None, default) and not (role == "system" and kind in ("note", "file", "summary")):
        raise InvalidRequest(f"A chunk of the kind {kind!r} has not the role {quoted(role)}.")
    given = {"kind": kind, "role": role or default, "name": _text("name", name)}
    return await ports.context_store().append_chunk(
        await find_owner(owner), context_id, _text("content", content), **given
    )


@on_provider_loop
async def state_intent(
    context_id: str,
    chunk_id: str,
    *,
    purpose: Purpose | None = None,
    scope: str = "",
    risk_level: RiskLevel | None = None,
    owner: Any = None,
) -> Chunk:
    """State what a stored tool call is for, as an edit that the chat page can undo; return the call.

    What is left out stays as it is known. The risk of the call may rise by this, and never falls.

    Raises ``UnknownContext``, ``InvalidIntent``, ``InvalidRequest`` (no tool call, or its answer is still being
    written), ``OwnerRequired``.
    """
    risk = "low" if risk_level is None else risk_level
    said = parse_intent({"purpose": purpose, "scope": _text("scope", scope), "risk_level": risk})
    return await ports.context_store().state_intent(await find_owner(owner), context_id, chunk_id, said)


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
    """Return the chunks of a context in order: those that contain ``query`` and are of ``kinds``, where given.

    Raises ``UnknownContext``, ``UnknownSession``, ``OwnerRequired``, ``NotConfigured``.
    """
    wanted = frozenset(checked_names(kinds, "kinds"))
    found = await find_owner(owner)
    await lookup(found, provider, session, auth_type)
    return await ports.context_store().list_chunks(found, context_id, query=_text("query", query), kinds=wanted)


@on_provider_loop
async def delete_context_chunk(
    provider: str, session: str, context_id: str, chunk_id: str, *, auth_type: AuthType | None = None, owner: Any = None
) -> None:
    """Delete one chunk of a context. Raises ``UnknownContext``, ``UnknownSession``, ``OwnerRequired``."""
    found = await find_owner(owner)
    await lookup(found, provider, session, auth_type)
    await ports.context_store().delete_chunk(found, context_id, chunk_id)


async def answer(*args: Any, context_id: Any, **options: Any) -> AsyncGenerator[Event, None]:
    """Store a question and yield the events of its answer, as ``_ask``; every error carries the ``context_id``."""
    try:
        context_id, events = await _ask(*args, context_id=context_id, **options)
        async with aclosing(events):
            async for event in events:
                yield event
    except ProviderError as error:
        error.context_id = error.context_id or context_id
        raise


async def complete(*args: Any, context_id: Any, **options: Any) -> ChatResult:
    """Store a question and return its whole answer, as ``answer``; the time-out covers all of it."""
    timeout_s, _ = check_control(**args[5])
    try:
        async with deadline(timeout_s or None, UpstreamTimeout(f"The answer was not complete within {timeout_s} s.")):
            context_id, events = await _ask(*args, context_id=context_id, **options)
            async with aclosing(events):
                return fold([event async for event in events])
    except ProviderError as error:
        error.context_id = error.context_id or context_id
        raise


async def _ask(
    owner: Any,
    provider: str,
    session: str,
    auth_type: AuthType | None,
    messages: MessagesInput | None,
    control: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    model: str | None,
    context_id: str | None,
    system: str | None,
    **options: Any,
) -> tuple[str, AsyncGenerator[Event, None]]:
    """Store ``messages`` in a context (``None``: a new one); return its id and the events of the answer.

    ``options`` are further ones of ``stream_chat``. What cannot be sent is refused before anything is stored.
    """
    check_control(**control)
    if provider != ALIAS:
        registry.card(provider)
    options["tools"] = parse_tools(options["tools"])
    parse_tool_choice(options["tool_choice"], options["tools"])
    parse_params(params)
    turn = NewTurn(
        context_id=context_id,
        session="",
        model=model,
        messages=parse_messages(messages, continues=context_id is not None),
        system=_text("system", system or ""),
        params=dict(params),
        options={**options, **control},
    )
    found = await find_owner(owner)
    if provider == ALIAS:
        plan = await aliases.plan(found, session, model, auth_type)
        turn = msgspec.structs.replace(turn, alias=plan.alias.id)
    else:
        named, _ = await prepare.find(found, provider, session, auth_type)
        turn = msgspec.structs.replace(turn, session=named.id)
    return await ports.context_store().ask(found, turn)


def _text(name: str, value: Any) -> str:
    """Return a text that every database takes. Raises ``InvalidRequest``."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a string, not {quoted(value)}.")
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()

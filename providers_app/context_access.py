"""The chunks of a context, listed and deleted through a session of their owner."""

from collections.abc import Iterable
from typing import Any

from providers_app import ports
from providers_app.loop import on_provider_loop
from providers_app.ownership import find_owner
from providers_app.text import checked_names
from providers_app.types.catalogue import AuthType
from providers_app.types.chat import Chunk


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

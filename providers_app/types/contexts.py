"""Stored contexts, and the questions that are asked in them."""

from typing import Any

import msgspec

from providers_app.types.chat import Message


class StoredContext(msgspec.Struct, frozen=True, kw_only=True):
    """A stored conversation. ``session`` is the id of the session that it was sent with last, ``None`` without one.

    ``chunks`` and ``tokens`` count what is not deleted; times are in seconds since the epoch.
    """

    id: str
    title: str
    session: str | None
    model: str
    pinned: bool
    archived: bool
    created_at: float
    updated_at: float
    chunks: int
    tokens: int


class NewTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A question in a stored context; without a ``context_id``, in a new one.

    ``messages`` are the new ones, ``system`` becomes the context's system text, ``options`` are further arguments of
    ``stream_chat``.
    """

    context_id: str | None
    session: str
    model: str | None
    messages: tuple[Message, ...]
    system: str
    params: dict[str, Any]
    options: dict[str, Any]

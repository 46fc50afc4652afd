"""The dispatcher by itself in a process: real requests at real sockets, and logins in memory that all people share."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from providers_app import conf, errors, loop, ports, provider
from providers_app.ports import Owner, Session
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential
from providers_app.types.events import StreamEnd, TextDelta
from tests.proofs.chaos.upstream import MODEL
from tests.unit.providers.memory_store import MemorySessions

_PLACE = re.compile(r"place (\d+)")


class SharedSessions(MemorySessions):
    """Sessions that everybody may use, as people of one team do."""

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        """Return the session of this name, whoever asks."""
        return await super().lookup(ports.SYSTEM, provider, ref, auth_type, after=after)


class Try(msgspec.Struct, kw_only=True):
    """One question at the dispatcher; times are seconds of ``time.monotonic()``.

    ``position`` is the place that a refusal named, ``retry_after`` the seconds that it told.
    """

    began: float
    first: float = 0.0
    ended: float = 0.0
    code: str = ""
    retry_after: float | None = None
    position: int = 0


@asynccontextmanager
async def dispatcher(**settings: Any) -> AsyncIterator[None]:
    """Let the running loop be the provider loop, with these settings."""
    loop.detach()
    loop.attach(asyncio.get_running_loop())
    config = build_model()(allowed_private_hosts=("127.0.0.1",), **settings)
    with ports.use(sessions=SharedSessions()), conf.use(config):
        try:
            yield
        finally:
            await loop.shutdown(0.5)


async def make_session(name: str, base_url: str) -> None:
    """Create a session of the provider ``remote``."""
    await provider.create_session("remote", "api_key", name=name, api_key="key-of-the-load", base_url=base_url)


async def ask(session: str, prompt: str, person: int = 1) -> Try:
    """Ask once."""
    found = Try(began=time.monotonic())
    try:
        async for event in provider.stream_chat("remote", session, prompt, model=MODEL, owner=person):
            if not found.first and isinstance(event, TextDelta) and event.text:
                found.first = time.monotonic()
            last = event
        found.code = "" if isinstance(last, StreamEnd) else last.error.code
    except errors.ProviderError as error:
        found.code, found.retry_after = error.code, getattr(error, "retry_after", None)
        found.position = int(match[1]) if (match := _PLACE.search(error.message)) else 0
    found.ended = time.monotonic()
    return found

"""Start and stop of the web process, as the ASGI ``lifespan`` protocol tells them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import connections

from context_app import lifespan as context_lifespan
from maestro_site import bootstrap
from providers_app import loop as provider_loop
from sessions_app import crypto

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer ``lifespan.startup`` and ``lifespan.shutdown``."""
    await receive()
    try:
        await startup()
    except Exception as error:
        logger.exception("start-up failed")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await shutdown()
    await send({"type": "lifespan.shutdown.complete"})


async def startup() -> None:
    """The server's loop becomes the provider loop; streams of dead processes are taken over."""
    if not crypto.configured():
        # A production server imports the application without passing through manage.py.
        await asyncio.to_thread(_prepare)
    provider_loop.attach(asyncio.get_running_loop())
    await context_lifespan.startup()


def _prepare() -> None:
    try:
        bootstrap.prepare_database()
        bootstrap.prepare_key_ring()
    finally:
        connections.close_all()


async def shutdown() -> None:
    """Sockets closed, runners stopped, their streams marked, spool and journal flushed; then the connections."""
    await context_lifespan.shutdown()
    await provider_loop.shutdown()

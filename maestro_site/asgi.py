"""The ASGI application: HTTP to Django, sockets by origin check and browser session to the chats, and the lifespan."""

import asyncio
import logging
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")

import django

from maestro_site import bootstrap

with bootstrap.ending_in_one_line():
    django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.conf import settings
from django.db import connections

from context_app import lifespan as context_lifespan
from context_app.connection import RESTART
from context_app.consumers import websocket_urlpatterns
from maestro_site import health, request_threads
from maestro_site.monitoring import endpoints, publisher, telemetry
from maestro_site.origins import SameOrigin
from providers_app import loop as provider_loop
from providers_app import request_id
from sessions_app import crypto
from sessions_app.stores.sessions import outcome_queue

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
"""Seconds that the end of the process waits for the database to take the last outcomes of calls."""

django_application = request_threads.Handler(
    request_threads.RequestThreads(settings.MAESTRO.database_connections - request_threads.OTHERS)
)
websocket_application = SameOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Dispatch by the kind of scope. A request has an id, which its log lines carry and its answer names."""
    if scope["type"] != "lifespan":
        given = (value for name, value in scope["headers"] if name == request_id.HEADER.encode())
        request_id.begin(next(given, b"").decode("latin-1"))
    if scope["type"] == "http":
        send = _with_id(send)
    match scope["type"]:
        case "lifespan":
            await serve_lifespan(receive, send)
        case "websocket":
            await serve_socket(scope, receive, send)
        case "http" if scope["path"] in health.PATHS:
            await django_application.send_response(await health.probe(scope), send)
        case "http" if scope["path"] in endpoints.PATHS and endpoints.goes_without_browser(scope):
            await django_application.send_response(await endpoints.probe(scope), send)
        case _:
            await django_application(scope, receive, send)


def _with_id(send: Any) -> Any:
    said = (request_id.HEADER.encode(), request_id.current.get().encode())

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), said]}
        await send(message)

    return sending


async def serve_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve a chat socket; while the database is away, close it with 1012, upon which pages connect again."""
    accepted = False

    async def sending(message: dict[str, Any]) -> None:
        nonlocal accepted
        accepted = accepted or message["type"] == "websocket.accept"
        await send(message)

    try:
        await websocket_application(scope, receive, sending)
    except Exception as error:
        if accepted or not health.is_outage(error):
            raise
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": RESTART})


async def serve_lifespan(receive: Any, send: Any) -> None:
    """Start this process at ``lifespan.startup`` and end it at ``lifespan.shutdown``, and answer both."""
    await receive()
    try:
        if not crypto.configured():
            # A production server imports the application without passing through manage.py.
            await asyncio.to_thread(_prepare)
        provider_loop.attach(asyncio.get_running_loop())
        await context_lifespan.startup()
        publisher.start("web")
    except Exception as error:
        if isinstance(error, bootstrap.PROBLEMS):
            logger.error("%s", error)
        else:
            logger.exception("start-up failed")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    # The streams first: their runners use the connections of the provider loop.
    await context_lifespan.shutdown()
    await provider_loop.shutdown()
    await asyncio.to_thread(publisher.here.leave)
    if settings.MAESTRO.monitoring.otel:
        await asyncio.to_thread(telemetry.flush)
    # Before the process ends, however it does: `up` leaves without waiting for threads.
    if not await asyncio.to_thread(outcome_queue.flush, FLUSH_S):
        logger.warning("the outcomes of the last calls could not be written")
    await send({"type": "lifespan.shutdown.complete"})


def _prepare() -> None:
    try:
        bootstrap.prepare_redis()
        bootstrap.prepare_database()
        bootstrap.prepare_key_ring()
    finally:
        connections.close_all()

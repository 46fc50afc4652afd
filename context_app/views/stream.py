"""The chat without a WebSocket: frames as server-sent events, and by POST in the other direction."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from context_app import access, connection, frames, rendering
from context_app.access import Viewer
from context_app.connection import ChatConnection
from context_app.errors import BadFrame, FrameTooLarge
from context_app.streams.runtime import current
from providers_app.errors import ProviderError, ShuttingDown
from sessions_app.stores.pool import in_store

KEEPALIVE_S = 15.0
"""Interval of ``pong`` frames while there are no others: proxies close silent responses, and so does the page."""


@require_GET
async def events(request: HttpRequest, pk: UUID) -> HttpResponse | StreamingHttpResponse:
    """Send server frames as ``data:``.

    ``?stream=<id>:<after>`` (repeatable) or ``?stream=<id>&after=<n>`` attaches at once, and so does the
    ``Last-Event-ID`` of a reconnecting EventSource, which is ``<stream>:<last_seq>``.
    """
    try:
        if current().closing:
            raise ShuttingDown("The server is stopping.")
        person = await _viewer(request)
        wanted = _wanted(request)
        await in_store(access.check, person, pk)
    except ProviderError as error:
        return _refused(error)
    response = StreamingHttpResponse(_frames(person, pk, wanted), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


@never_cache
@require_POST
async def post(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """Carry out a ``send``, ``retry``, ``continue`` or ``stop`` frame; answers with ``turn`` or ``stopped``."""
    try:
        person = await _viewer(request)
        await in_store(access.check, person, pk)
        frame = _frame(request, kind)
        started = await connection.carry_out(person, pk, frame)
        answer: dict[str, Any] | None = {"type": "stopped", "stream": getattr(frame, "stream", None)}
        if started is not None:
            answer = await in_store(rendering.turn_frame, pk, started.turn_id)
    except ProviderError as error:
        return _refused(error)
    return HttpResponse(frames.encode(answer or {}), content_type="application/json")


def _frame(request: HttpRequest, kind: str) -> Any:
    if len(request.body) > settings.MAESTRO.context.max_frame_bytes:
        raise FrameTooLarge("The message is too long to send at once.")
    try:
        data = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadFrame("The body is not JSON.") from None
    if not isinstance(data, dict):
        raise BadFrame("The body is not a JSON object.")
    return frames.decode(json.dumps({**data, "type": kind}))


async def _viewer(request: HttpRequest) -> Viewer:
    return access.viewer({"user": await request.auser(), "session": request.session})


def _wanted(request: HttpRequest) -> dict[UUID, int]:
    """Return the streams to attach, each with the event after which to begin. Raises ``BadFrame``."""
    pairs = []
    for value in request.GET.getlist("stream"):
        stream, colon, after = value.partition(":")
        pairs.append((stream, after if colon else request.GET.get("after", "0")))
    if last := request.headers.get("Last-Event-ID", ""):
        stream, _, after = last.partition(":")
        pairs.append((stream, after))
    try:
        return {UUID(stream): int(after) for stream, after in pairs[: connection.MAX_READERS]}
    except ValueError:
        raise BadFrame("A cursor is `<stream id>:<number>`.") from None


async def _frames(person: Viewer, context_id: UUID, wanted: dict[UUID, int]) -> AsyncIterator[bytes]:
    # At most one frame waits: a slow reader gets more events per frame, not a longer queue.
    queue: asyncio.Queue[str | None] = asyncio.Queue(1)

    async def close(code: int) -> None:
        await queue.put(None)

    chat = ChatConnection(person, context_id, queue.put, close)
    opening = asyncio.get_running_loop().create_task(_open(chat, wanted, close))
    try:
        while True:
            try:
                async with asyncio.timeout(KEEPALIVE_S):
                    text = await queue.get()
            except TimeoutError:
                yield _sse(chat.pong())
                continue
            if text is None:
                return
            yield _sse(text)
    finally:
        opening.cancel()
        await chat.close()


async def _open(chat: ChatConnection, wanted: dict[UUID, int], close: Callable[[int], Awaitable[None]]) -> None:
    try:
        await chat.open()
    except ProviderError as error:
        await chat.send(frames.error(error))
        await close(connection.RESTART)  # an open response would keep the page from trying again
        return
    for stream, after in wanted.items():
        try:
            await chat.attach(stream, after)
        except ProviderError as error:
            await chat.send(frames.error(error))


def _sse(text: str) -> bytes:
    head = text[:200]
    if head.startswith('{"type":"events"'):
        stream = head.split('"stream":"', 1)[1].split('"', 1)[0]
        last = head.split('"last_seq":', 1)[1].split(",", 1)[0]
        return f"id: {stream}:{last}\ndata: {text}\n\n".encode()
    return f"data: {text}\n\n".encode()


def _refused(error: ProviderError) -> HttpResponse:
    return HttpResponse(frames.error(error), status=error.http_status, content_type="application/json")

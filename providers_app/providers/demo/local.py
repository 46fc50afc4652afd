"""The server behind ``demo://``: it answers in this process, as bytes of the real wire format."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from providers_app import conf
from providers_app.errors import Overloaded, RateLimited
from providers_app.providers.demo import model_names, wire
from providers_app.providers.demo.model_names import Knobs
from providers_app.providers.demo.request import Refused, read
from providers_app.providers.demo.script import compose
from providers_app.types.http import HttpRequest, LocalAnswer
from providers_app.wire.status import class_of_status

JSON = {"content-type": "application/json"}
# status: (type, code, message)
KINDS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", "invalid_value", "The demo model refuses this request, as its name says."),
    401: ("invalid_request_error", "invalid_api_key", "The demo model refuses the key, as its name says."),
    402: ("billing_error", "billing_required", "The demo model asks for payment, as its name says."),
    403: ("permission_error", "permission_denied", "The demo model may not be used, as its name says."),
    404: ("invalid_request_error", "model_not_found", "The demo model is not there, as its name says."),
    408: ("timeout_error", "request_timeout", "The demo model took too long, as its name says."),
    409: ("conflict_error", "conflict", "Another request is in the way, as the model's name says."),
    413: ("invalid_request_error", "request_too_large", "The request is too large, as the model's name says."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Too many requests, as the model's name says."),
    500: ("server_error", None, "The demo model failed, as its name says."),
    503: ("server_error", "service_unavailable", "There is no capacity, as the model's name says."),
    529: ("overloaded_error", "overloaded", "The demo model is overloaded, as its name says."),
}
PAGE = (
    b"<!doctype html>\n<html><head><title>502 Bad Gateway</title></head>\n"
    b"<body><h1>502 Bad Gateway</h1><p>The demo gateway could not reach the demo model.</p></body></html>\n"
)


class Responder:
    """Serves ``/v1/models`` and ``/v1/chat/completions``."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def __call__(self, request: HttpRequest) -> LocalAnswer:
        """Answer one request. Raise ``ConnectionRefusedError`` where the model's name asks for it."""
        path = unquote(urlsplit(request.url).path)
        if request.method == "GET" and path == "/v1/models":
            listed = [model_names.entry(name) for name in model_names.LISTED]
            return _json(200, {"object": "list", "data": listed})
        if request.method == "GET" and path.startswith("/v1/models/"):
            name = path.removeprefix("/v1/models/")
            found = model_names.entry(name)
            return _json(200, found) if found else _unknown(name)
        if request.method == "POST" and path == "/v1/chat/completions":
            return await self._chat(request.body)
        return _refusal(404, f"There is no {request.method} {path} here.", "not_found")

    async def _chat(self, body: bytes) -> LocalAnswer:
        try:
            wanted = read(body)
        except Refused as refused:
            return _refusal(400, refused.message, None, refused.param)
        knobs, config = model_names.parse(wanted.model), conf.provider("demo")
        if knobs is None:
            return _unknown(wanted.model)
        limit = knobs.context_window
        if wanted.prompt_tokens > limit:
            message = f"This model's context window has {limit} tokens, the messages have {wanted.prompt_tokens}."
            return _refusal(400, message, "context_length_exceeded", "messages")
        if knobs.fault == "unreachable":
            raise ConnectionRefusedError("the demo server refuses connections, as the model's name says")
        if knobs.fault == "hang":
            await asyncio.Event().wait()
        if knobs.status is not None:
            return _planned(knobs, knobs.status, config.retry_after_s)
        if wanted.behind:  # the answer broke off as the name says; now it goes on
            knobs = msgspec.structs.replace(knobs, fault=None)
        answer = compose(knobs, wanted)
        number, now = next(self._numbers), int(time.time())
        headers = {"x-request-id": f"req_demo_{number}"}
        first, between = wire.pace(knobs, config)
        if not wanted.stream or "json-200" in knobs.quirks:
            whole = wire.completion(answer, wanted, knobs, number, now)
            return LocalAnswer(status=200, headers=JSON | headers, chunks=_delayed(whole, first, knobs.fault))
        chunks = wire.chunks(answer, wanted, knobs, number, now)
        stream = wire.deliver(chunks, wire.visible_count(answer), knobs, first, between)
        return LocalAnswer(status=200, headers={"content-type": "text/event-stream", **headers}, chunks=stream)


async def _delayed(body: bytes, seconds: float = 0.0, fault: str | None = None) -> AsyncGenerator[bytes, None]:
    """Yield a whole body after a delay in seconds; a fault happens half-way through it."""
    await asyncio.sleep(seconds)
    if part := body if fault is None else body[: len(body) // 2]:
        yield part
    if fault == "reset":
        raise ConnectionResetError("the demo connection broke, as the model's name says")
    if fault == "silence":
        await asyncio.Event().wait()


def _whole(status: int, headers: dict[str, str], body: bytes) -> LocalAnswer:
    return LocalAnswer(status=status, headers=headers, chunks=_delayed(body))


def _json(status: int, value: Any) -> LocalAnswer:
    return _whole(status, JSON, msgspec.json.encode(value))


def _refusal(
    status: int, message: str, code: str | None, param: str | None = None, kind: str = "invalid_request_error"
) -> LocalAnswer:
    return _json(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


def _unknown(model: str) -> LocalAnswer:
    return _refusal(404, f"The model `{model[:100]}` does not exist.", "model_not_found", "model")


def _planned(knobs: Knobs, status: int, retry_after_s: int) -> LocalAnswer:
    """Return the refusal with ``status`` that the model's name asks for."""
    headers = {"x-request-id": "req_demo"}
    if issubclass(class_of_status(status), (RateLimited, Overloaded)):
        headers["retry-after"] = str(retry_after_s)  # as real servers do
    if knobs.body == "html":
        return _whole(status, {**headers, "content-type": "text/html; charset=utf-8"}, PAGE)
    if knobs.body == "empty":
        return _whole(status, {**headers, "content-type": "text/event-stream"}, b"")
    kind, code, message = KINDS.get(status, ("server_error", None, "The demo model failed, as its name says."))
    refusal = _refusal(status, message, code, kind=kind)
    return msgspec.structs.replace(refusal, headers={**headers, **JSON})


LOCAL = Responder()

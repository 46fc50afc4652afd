"""The server behind ``demo://``: it answers in this process, as bytes of the real wire format."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from urllib.parse import unquote, urlsplit

import msgspec

from providers_app import conf
from providers_app.providers.demo import asked, catalogue, errors, wire
from providers_app.providers.demo.asked import Asked, Refused
from providers_app.providers.demo.config import Config
from providers_app.providers.demo.delivery import deliver, pace
from providers_app.providers.demo.knobs import Knobs, parse
from providers_app.providers.demo.script import compose
from providers_app.types.http import HttpRequest, LocalAnswer

JSON = {"content-type": "application/json"}


class Responder:
    """Serves ``/v1/models`` and ``/v1/chat/completions``."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def __call__(self, request: HttpRequest) -> LocalAnswer:
        """The answer to one request.

        Raises ``ConnectionRefusedError`` where the model's name asks for an unreachable server.
        """
        path = unquote(urlsplit(request.url).path)
        if request.method == "GET" and path == "/v1/models":
            data = [catalogue.entry(name, knobs) for name in catalogue.LISTED if (knobs := parse(name)) is not None]
            return _whole(200, JSON, msgspec.json.encode({"object": "list", "data": data}))
        if request.method == "GET" and path.startswith("/v1/models/"):
            return _model(path.removeprefix("/v1/models/"))
        if request.method == "POST" and path == "/v1/chat/completions":
            return await self._chat(request.body)
        return _refusal(404, f"There is no {request.method} {path} here.", "not_found")

    async def _chat(self, body: bytes) -> LocalAnswer:
        try:
            wanted = asked.read(body)
        except Refused as refused:
            return _refusal(400, refused.message, None, refused.param)
        knobs = parse(wanted.model)
        if knobs is None:
            return _unknown(wanted.model)
        limit = catalogue.window(knobs)
        if wanted.prompt_tokens > limit:
            message = f"This model's context window has {limit} tokens, the messages have {wanted.prompt_tokens}."
            return _refusal(400, message, "context_length_exceeded", "messages")
        return await self._answer(wanted, knobs, _config())

    async def _answer(self, wanted: Asked, knobs: Knobs, config: Config) -> LocalAnswer:
        if knobs.fault == "unreachable":
            raise ConnectionRefusedError("the demo server refuses connections, as the model's name says")
        if knobs.fault == "hang":
            await asyncio.Event().wait()
        planned = errors.planned(knobs, config.retry_after_s)
        if planned is not None:
            return _whole(*planned)
        answer = compose(knobs, wanted)
        number, now = next(self._numbers), int(time.time())
        headers = {"x-request-id": f"req_demo_{number}"}
        timing = pace(knobs, config)
        if not wanted.stream or "json-200" in knobs.quirks:
            whole = wire.completion(answer, wanted, knobs, number, now)
            return LocalAnswer(
                status=200, headers={**JSON, **headers}, chunks=_delayed(whole, timing.first, knobs.fault)
            )
        chunks = wire.chunks(answer, wanted, knobs, number, now)
        stream = deliver(chunks, wire.visible_count(answer), knobs, timing)
        return LocalAnswer(status=200, headers={"content-type": "text/event-stream", **headers}, chunks=stream)


def _config() -> Config:
    found = conf.provider("demo")
    return found if isinstance(found, Config) else Config()


async def _delayed(body: bytes, seconds: float, fault: str | None) -> AsyncGenerator[bytes, None]:
    """A whole body after a delay; a fault happens half-way through it."""
    await asyncio.sleep(seconds)
    if fault is None:
        yield body
        return
    yield body[: len(body) // 2]
    if fault == "reset":
        raise ConnectionResetError("the demo connection broke, as the model's name says")
    if fault == "silence":
        await asyncio.Event().wait()


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    if body:
        yield body


def _whole(status: int, headers: dict[str, str], body: bytes) -> LocalAnswer:
    return LocalAnswer(status=status, headers=headers, chunks=_once(body))


def _refusal(status: int, message: str, code: str | None, param: str | None = None) -> LocalAnswer:
    return _whole(status, JSON, errors.body(message, "invalid_request_error", code, param))


def _unknown(model: str) -> LocalAnswer:
    return _refusal(404, f"The model `{model[:100]}` does not exist.", "model_not_found", "model")


def _model(model_id: str) -> LocalAnswer:
    knobs = parse(model_id)
    if knobs is None:
        return _unknown(model_id)
    return _whole(200, JSON, msgspec.json.encode(catalogue.entry(model_id, knobs)))

"""The whole dispatcher over calling the dialect directly, on an idle system: processor time of a request and an event.

Both send the same request by the same client, and read the same answer, of which a responder in this process gives one
piece for each event: what is measured is neither the network nor the dialect. The settings are those of a server, which
has them of every provider.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from providers_app import conf, loop, ports, provider, providers
from providers_app.dispatch import clients, dispatcher
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve
from providers_app.registry.settings import build_model
from providers_app.streaming import fold
from providers_app.types.chat import ChatRequest, Message, TextPart
from providers_app.types.credentials import Credential
from tests.benchmarks._row import Row, below
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.packages import FILES, write_package

ROUNDS = 15
SHORT, LONG = 1, 501
"""Pieces of text in the two answers between which the cost of an event is measured."""
CALLS = {SHORT: 120, LONG: 12}
REQUEST_MS, EVENT_US = 0.08, 3.0

LOCAL = """

from providers_app.types.http import LocalAnswer

PIECE = b'data: {{"id":"1","choices":[{{"index":0,"delta":{{"content":"Hi"}},"finish_reason":null}}]}}\\n\\n'
END = b'data: {{"id":"1","choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\\n\\ndata: [DONE]\\n\\n'


class _Local:
    pieces = []

    async def __call__(self, request):
        return LocalAnswer(status=200, headers={{"content-type": "text/event-stream"}}, chunks=self.chunks())

    async def chunks(self):
        for piece in self.pieces:
            yield piece


LOCAL = _Local()
"""


def run() -> list[Row]:
    """Two rows."""
    request_ms, event_us = asyncio.run(_measured())
    what = "dispatcher, idle: processor time over the dialect directly"
    return [
        below(f"{what}, per request", request_ms, REQUEST_MS, "ms", digits=3),
        below(f"{what}, per event", event_us, EVENT_US, "µs", digits=2),
    ]


async def _measured() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        write_package(
            Path(folder),
            "bench",
            {
                "__init__.py": FILES["__init__.py"].replace('"api_key"', '"none"'),
                "local.py": LOCAL,
                "config.py": FILES["config.py"].replace("https://api.example.com/v1", "bench://local"),
            },
        )
        providers.__path__.append(folder)
        registry.reset()
        loop.attach(asyncio.get_running_loop())
        try:
            with ports.use(sessions=MemorySessions()), conf.use(build_model()()):
                await provider.create_session("bench", "none", name="bench")
                short, long = await _over(SHORT), await _over(LONG)
        finally:
            await loop.shutdown()
            providers.__path__.remove(folder)
            registry.reset()
    event_s = (long - short) / (LONG - SHORT)
    return (short - event_s * SHORT) * 1e3, event_s * 1e6


async def _over(pieces: int) -> float:
    """Return the seconds of processor time that a call takes over the same bytes by the dialect, at best each."""
    local = registry.load("bench", "local")
    local.LOCAL.pieces = [*[local.PIECE] * pieces, local.END]
    dialect = resolve("bench", "streaming").dialect
    chat = ChatRequest(model="m", messages=(Message("user", (TextPart("Hello"),)),))

    async def call() -> dispatcher.Call:
        return dispatcher.Call(owner=1, provider="bench", session="bench", chat=chat)

    through, straight = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS[pieces]):
            events = [event async for event in dispatcher.stream(call)]
        through.append(time.process_time() - began)
        began = time.process_time()
        for _ in range(CALLS[pieces]):
            request = resolve("bench", "streaming").build(chat, Credential(auth_type="none"))
            reducer = dialect.reducer()
            async with clients.http().stream(request) as answer:
                direct = [event async for data in answer.chunks() for event in reducer.feed(data)]
            direct += reducer.close()
        straight.append(time.process_time() - began)
        assert fold(events).text == fold(direct).text == "Hi" * pieces
    return (min(through) - min(straight)) / CALLS[pieces]

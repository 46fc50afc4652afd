"""Sends the chunks of an answer with the chosen delays and breaks; every wait can be cancelled."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import msgspec

from providers_app.providers.demo.config import Config
from providers_app.providers.demo.knobs import Knobs
from providers_app.providers.demo.wire import Chunk, error_event

KEEPALIVES = 5
KEEPALIVE_S = 0.4
"""The pause of ``demo-keepalive-comments`` in the middle: so many comments, so many seconds apart."""


class Pace(msgspec.Struct, frozen=True):
    """Seconds before the first output and between two pieces of it."""

    first: float
    between: float


def pace(knobs: Knobs, config: Config) -> Pace:
    """The knob in the name wins over the speed in the name, which wins over the settings."""
    if knobs.delay_ms is not None:
        return Pace(min(config.first_delay_ms, knobs.delay_ms) / 1000, knobs.delay_ms / 1000)
    match knobs.speed:
        case "instant":
            return Pace(0.0, 0.0)
        case "slow":
            return Pace(config.first_delay_ms / 1000, config.slow_delay_ms / 1000)
        case _:
            return Pace(config.first_delay_ms / 1000, config.word_delay_ms / 1000)


async def deliver(chunks: Iterable[Chunk], visible: int, knobs: Knobs, pace: Pace) -> AsyncGenerator[bytes, None]:
    """The bytes of the stream. ``visible`` is the number of visible chunks; a fault happens in the middle of them.

    Raises ``ConnectionResetError`` where the model's name asks for a broken connection.
    """
    middle = max(1, visible // 2)
    seen = 0
    for chunk in chunks:
        if chunk.visible:
            await asyncio.sleep(pace.between if seen else pace.first)
            if seen == middle:
                async for data in _pause(knobs):
                    yield data
                if knobs.fault:
                    async for data in _break(knobs.fault, chunk):
                        yield data
                    return
            seen += 1
        async for data in _packets(chunk.data, knobs):
            yield data


async def _packets(data: bytes, knobs: Knobs) -> AsyncGenerator[bytes, None]:
    if "one-byte" not in knobs.quirks:
        yield data
        return
    for at in range(len(data)):
        if not at % 16:
            await asyncio.sleep(0)  # a stream without delays must not keep the loop from everyone else
        yield data[at : at + 1]


async def _pause(knobs: Knobs) -> AsyncGenerator[bytes, None]:
    if "keepalive-comments" in knobs.quirks:
        for _ in range(KEEPALIVES):
            await asyncio.sleep(0 if knobs.speed == "instant" else KEEPALIVE_S)
            yield b": keep-alive\n\n"


async def _break(fault: str, chunk: Chunk) -> AsyncGenerator[bytes, None]:
    match fault:
        case "midstream-error":
            yield error_event()
        case "truncated":
            yield chunk.data[: len(chunk.data) // 2]
        case "bad-json":
            yield b'data: {"choices": [{"delta": {"content": "never closed\n\n'
        case "reset":
            raise ConnectionResetError("the demo connection broke, as the model's name says")
        case _:
            await asyncio.Event().wait()

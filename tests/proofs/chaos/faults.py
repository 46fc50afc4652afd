"""The faults of a provider, and for each what a caller gets: data, which the matrix and the unit tests both read."""

import asyncio
import json
import time
from email.utils import formatdate
from functools import partial

import msgspec

from tests.proofs.chaos.upstream import BROKEN_AT, SSE_HEAD, WORD_S, Play, Writing, frames

CONNECT_S, IDLE_S, FIRST_BYTE_S, RETRIES = 1.0, 1.5, 6.0, 1
"""The settings under which the matrix is played: seconds for a connection, of silence, and to the first output."""
WAIT_S = 1
"""Seconds that a provider asks to wait."""
RECOVERED_S = 5.0


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault with its declared behaviour: ``code`` of the error, ``attempts`` that one request makes upstream, and
    the ``words`` that were sent, shown and stored before it; ``None`` for ``play``: connections are refused."""

    name: str
    code: str
    play: Play | None = None
    attempts: int = 1
    words: int = 0

    @property
    def within_s(self) -> float:
        """Seconds within which the error comes: the time to a first output, or of a silence after it."""
        return FIRST_BYTE_S if not self.words else IDLE_S


def refusal(status: int, *headers: str, body: object = None) -> bytes:
    """Return a whole answer with this status and an error as its body."""
    content = json.dumps(body or {"error": {"message": f"no {status}", "code": status}}).encode()
    head = [f"HTTP/1.1 {status} No", "Content-Type: application/json", f"Content-Length: {len(content)}", *headers]
    return ("\r\n".join([*head, "Connection: close"]) + "\r\n\r\n").encode() + content


async def _answered(data: bytes, writing: Writing) -> None:
    await writing.raw(data)


async def _dated(writing: Writing) -> None:
    await writing.raw(refusal(429, f"Retry-After: {formatdate(time.time() + WAIT_S + 1, usegmt=True)}"))


async def _silent(writing: Writing) -> None:
    await asyncio.sleep(60)


async def _half(writing: Writing) -> None:
    await writing.raw(SSE_HEAD)
    for frame in frames()[: BROKEN_AT + 1]:
        await writing.body(frame)
        await asyncio.sleep(WORD_S)


async def _half_then_silence(writing: Writing) -> None:
    await _half(writing)
    await asyncio.sleep(60)


async def _half_then_reset(writing: Writing) -> None:
    await _half(writing)
    await asyncio.sleep(0.05)  # what was written leaves the socket before the reset discards it
    writing.reset()


async def _reset_at_once(writing: Writing) -> None:
    writing.reset()


async def _reset_in_head(writing: Writing) -> None:
    await writing.raw(SSE_HEAD[:20])
    await asyncio.sleep(0.05)
    writing.reset()


async def _half_then_error(writing: Writing) -> None:
    await _half(writing)
    await writing.body(b'data: {"error":{"message":"overloaded","code":503}}\n\n')


def cut_at(size: int) -> Play:
    """Return a fault that ends the body properly after ``size`` bytes."""

    async def play(writing: Writing) -> None:
        await writing.raw(SSE_HEAD)
        await writing.body(b"".join(frames())[:size])

    return play


_GOOGLE = {
    "error": {
        "code": 429,
        "message": "Resource has been exhausted.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{WAIT_S}s"}],
    }
}
_LIMITS = (
    "x-ratelimit-limit-requests: 60",
    "x-ratelimit-remaining-requests: 0",
    f"x-ratelimit-reset-requests: {WAIT_S}s",
)
_IN_200 = SSE_HEAD + frames()[0] + b'data: {"error":{"message":"overloaded","code":503}}\n\n'
_HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><h1>It works!</h1></html>"
_PICTURE = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n\x89PNG\r\n\x1a\n" + bytes(64)
LIMITED = "upstream_rate_limit"

FAULTS = (
    Fault(name="connection refused", code="connection_failed"),
    Fault(name="no first byte", code="first_byte_timeout", play=_silent, attempts=2),
    Fault(name="silence in the middle", code="idle_timeout", play=_half_then_silence, words=BROKEN_AT),
    Fault(name="reset before a byte", code="connection_failed", play=_reset_at_once, attempts=2),
    Fault(name="reset in the headers", code="connection_failed", play=_reset_in_head, attempts=2),
    Fault(name="reset in the middle", code="stream_interrupted", play=_half_then_reset, words=BROKEN_AT),
    Fault(
        name="429, Retry-After in seconds",
        code=LIMITED,
        play=partial(_answered, refusal(429, f"Retry-After: {WAIT_S}")),
        attempts=2,
    ),
    Fault(name="429, Retry-After as a date", code=LIMITED, play=_dated, attempts=2),
    Fault(
        name="429, Google's retryDelay", code=LIMITED, play=partial(_answered, refusal(429, body=_GOOGLE)), attempts=2
    ),
    Fault(name="429, x-ratelimit reset", code=LIMITED, play=partial(_answered, refusal(429, *_LIMITS)), attempts=2),
    Fault(name="500", code="upstream_server_error", play=partial(_answered, refusal(500)), attempts=2),
    Fault(name="529", code="upstream_overloaded", play=partial(_answered, refusal(529)), attempts=2),
    Fault(name="refusal inside a 200", code="upstream_overloaded", play=partial(_answered, _IN_200), attempts=2),
    Fault(name="error event in the middle", code="upstream_overloaded", play=_half_then_error, words=BROKEN_AT),
    Fault(name="HTML", code="upstream_bad_answer", play=partial(_answered, _HTML)),
    Fault(name="wrong content type", code="upstream_bad_answer", play=partial(_answered, _PICTURE)),
    Fault(name="truncated", code="stream_interrupted", play=_half, words=BROKEN_AT),
)

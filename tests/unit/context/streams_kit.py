"""Streams in a test: a runtime with a spool of its own, rows in the real database, and scripted upstream answers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone

from context_app.conf import ContextConfig
from context_app.models import Context, ContextChunk, Stream, StreamSegment, Turn
from context_app.services import chunks
from context_app.streams import runtime, spool, transcript
from context_app.streams.live import LiveStream
from context_app.streams.reader import Batch, Ended, Item, Reset, read
from providers_app import loop as provider_loop
from providers_app.types.events import Event, StreamEnd, StreamStart, TextDelta
from sessions_app.stores import pool
from sessions_app.stores.pool import in_store

CONFIG = ContextConfig(commit_interval_ms=5)


class Kit:
    """What a test of streams works with."""

    def __init__(self, folder: Path, config: ContextConfig = CONFIG) -> None:
        self.folder = folder
        self.runtime = runtime.Runtime(folder, config)
        self._before = runtime.replace(self.runtime)

    async def begin(self, source: Callable[[], AsyncGenerator[Event, None]], owner: str = "ada") -> LiveStream:
        """Rows for one turn, and its runner."""
        self.runtime.prepare()
        stream, context = await in_store(make_turn, owner, self.runtime.process)
        live = LiveStream(stream.pk, owner_id=stream.owner_id, context_id=context.pk)
        self.runtime.start(live, source, "demo")
        return live

    async def close(self) -> None:
        """What the server's shutdown does."""
        self.runtime.cancel_all("shutdown")
        await self.runtime.runners_ended(2)
        await asyncio.to_thread(self.runtime.stop, 5)
        runtime.replace(self._before)


def make_turn(owner: str, process: str, text: str = "Hello") -> tuple[Stream, Context]:
    """A chat with one question, whose answer is about to be written by ``process``."""
    user, _ = get_user_model().objects.get_or_create(username=owner)
    context = Context.objects.create(owner=user)
    stream = Stream.objects.create(owner=user, process=process, heartbeat_at=timezone.now())
    turn = Turn.objects.create(context=context, stream=stream, provider="demo", model="demo")
    chunks.append(context=context, kind="user", role="user", content=text, turn=turn)
    return stream, context


def words(
    count: int, *, every: float = 0, start: int = 0, enough: asyncio.Event | None = None
) -> Callable[[], AsyncGenerator[Event, None]]:
    """An upstream answer of ``count`` words, one read each, ``every`` seconds apart; fewer once it is ``enough``."""

    async def answer() -> AsyncGenerator[Event, None]:
        yield StreamStart("demo")
        for number in range(start, start + count):
            if enough is not None and enough.is_set():
                break
            await asyncio.sleep(every)
            yield TextDelta(f"w{number} ")
        yield StreamEnd("stop")

    return answer


def scripted(steps: Iterable[Any]) -> Callable[[], AsyncGenerator[Event, None]]:
    """Events are yielded, numbers are slept, exceptions raised, events of asyncio waited for."""

    async def answer() -> AsyncGenerator[Event, None]:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, int | float):
                await asyncio.sleep(step)
            else:
                yield step

    return answer


class Seen:
    """What one reader was shown."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.items: list[Item] = []
        self.last: Ended | Reset | None = None

    @property
    def text(self) -> str:
        return text_of(self.events)


async def watch(stream: UUID, after: int = 0, *, seen: Seen | None = None, pause: float = 0) -> Seen:
    """Read to the end. Asserts that numbers follow each other."""
    seen = seen or Seen()
    cursor = after
    async with aclosing(read(stream, after)) as items:
        async for item in items:
            seen.items.append(item)
            if isinstance(item, Batch):
                assert item.first_seq == cursor + 1
                cursor = item.last_seq
                seen.events += item.events
                if pause:
                    await asyncio.sleep(pause)
            else:
                seen.last = item
    return seen


def text_of(events: Iterable[bytes]) -> str:
    """The visible text of encoded events."""
    decoded = [transcript.decode(event) for event in events]
    return "".join(event.text for event in decoded if isinstance(event, TextDelta))


def stored(stream: UUID) -> list[bytes]:
    """The encoded events in the journal; asserts that their numbers have no gaps and no doubles."""
    events: list[bytes] = []
    for segment in StreamSegment.objects.filter(stream_id=stream).order_by("first_seq"):
        fresh = spool.split(bytes(segment.payload))
        assert segment.first_seq == len(events) + 1
        assert segment.last_seq == len(events) + len(fresh)
        events += fresh
    return events


def row(stream: UUID) -> Stream:
    """The stream as stored."""
    return Stream.objects.get(pk=stream)


def answer_chunks(stream: UUID) -> list[ContextChunk]:
    """What the answer left in its context."""
    mine = ContextChunk.objects.filter(provenance__stream=str(stream))
    return list(mine.order_by("order"))


async def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def encoded(events: Iterable[Event]) -> list[bytes]:
    """Events as they are stored."""
    return [msgspec.json.encode(event) for event in events]


async def open_kit(folder: Path, config: ContextConfig = CONFIG) -> Kit:
    """A kit on the running loop, which becomes the provider loop."""
    provider_loop.detach()
    provider_loop.attach(asyncio.get_running_loop())
    return Kit(folder, config)


async def close_kit(kit: Kit) -> None:
    """Everything that the kit opened, threads' connections included."""
    await kit.close()
    await provider_loop.shutdown(1)
    await asyncio.to_thread(pool.shutdown)
    await sync_to_async(connections.close_all)()  # asgiref's own thread, which middleware uses

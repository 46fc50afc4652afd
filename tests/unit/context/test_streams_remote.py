"""A reader in another process than the runner: told by the channel layer, and right without it."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer

from context_app.streams import pubsub
from context_app.streams.reader import Batch, Ended, read
from tests.unit.context.streams_kit import close_kit, open_kit, stored
from tests.unit.context.test_streams_takeover import Child


@pytest.fixture
def redis_layer(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("REDIS_URL", redis_url)  # for the child
    before = channel_layers.set("default", RedisPubSubChannelLayer(hosts=[redis_url]))
    yield redis_url
    channel_layers.set("default", before)


async def follow(child: Child, folder: Path, seconds: float) -> tuple[list[bytes], list[float], str]:
    kit = await open_kit(folder)
    child.drain()
    events: list[bytes] = []
    times: list[float] = []
    state = ""
    try:
        async with asyncio.timeout(seconds):
            async for item in read(child.streams[0]):
                times.append(time.monotonic())
                if isinstance(item, Batch):
                    events += item.events
                elif isinstance(item, Ended):
                    state = item.state
    finally:
        await asyncio.sleep(0)
        await close_kit(kit)
    return events, times, state


def test_layer_makes_a_remote_reader_faster_than_polling(
    transactional_db: Any, tmp_path: Path, redis_layer: str
) -> None:
    child = Child(tmp_path, streams=1, words=2500, commit_ms=20)
    events, times, state = asyncio.run(follow(child, tmp_path / "own", 60))
    child.kill()
    assert state == "complete"
    assert events == stored(child.streams[0])
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    assert gaps[len(gaps) // 2] < 0.35, "half a second is what polling alone gives"
    # At most one message per stream and 100 ms: the reader was not woken for every commit.
    assert len(times) < (times[-1] - times[0]) / 0.1 + 12


def test_layer_that_is_gone_changes_nothing_but_the_pace(
    transactional_db: Any, tmp_path: Path, redis_layer: str
) -> None:
    channel_layers.set("default", RedisPubSubChannelLayer(hosts=["redis://127.0.0.1:1/0"]))
    child = Child(tmp_path, streams=1, words=300, commit_ms=20)
    events, _, state = asyncio.run(follow(child, tmp_path / "own", 60))
    child.kill()
    assert state == "complete"
    assert events == stored(child.streams[0])


async def test_layer_in_memory_reaches_nobody_and_is_left_alone() -> None:
    assert pubsub.remote_layer() is None
    heard: list[Any] = []
    listener = pubsub.Listener("stream.x", heard.append)
    await pubsub.send("stream.x", {"type": "more"})
    await listener.close()
    assert heard == []

"""Named sessions under load: 200 stored, 100 in use at once against a local server, while sessions come and go."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks._row import Row, below

STORED = 200
IN_USE = 100
LOOKUPS = 400
ROUNDS = 40


def run() -> list[Row]:
    """Needs a data folder of its own (MAESTRO_DATA_DIR), which the runner gives."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    from maestro_site import bootstrap
    from providers_app import conf, loop
    from providers_app.types.credentials import Secret
    from sessions_app.services import connect
    from tests.vendors.chat import VALID_KEY, ChatVendor
    from tests.vendors.server import VendorServer

    bootstrap.prepare_database()
    bootstrap.prepare_key_ring()
    conf.configure(conf.current().model_copy(update={"allowed_private_hosts": ("127.0.0.1",)}))
    owner = get_user_model().objects.create_user("bench").pk
    with VendorServer(ChatVendor(), path="/v1") as server:
        for number in range(STORED):
            connect.create(
                owner_id=owner,
                provider="remote",
                auth_type="api_key",
                name=f"session_{number}",
                secret=Secret(VALID_KEY),
                base_url=server.base_url,
            )
        lookups = loop.run(_lookups(owner), 120)
        story = loop.run(_under_load(owner, server.base_url, VALID_KEY), 300)
    return [
        below("session look-up, median of 400, 200 stored", statistics.median(lookups) * 1000, 2, "ms", digits=2),
        *(
            below(f"session {name}, p95, 200 stored, 100 in use", _p95(times) * 1000, 200, "ms", digits=2)
            for name, times in story.items()
        ),
    ]


async def _lookups(owner: Any) -> list[float]:
    from sessions_app.stores.sessions import DjangoSessionStore

    store = DjangoSessionStore()
    times = []
    for number in range(LOOKUPS):
        await _timed(times, lambda n=number: store.lookup(owner, "remote", f"session_{n % STORED}"))
    return times[20:]


async def _under_load(owner: Any, base_url: str, key: str) -> dict[str, list[float]]:
    """What one person waits for while the others' answers are being written."""
    from providers_app import provider
    from sessions_app import selectors
    from sessions_app.services import lifecycle
    from sessions_app.stores.pool import in_store
    from sessions_app.stores.sessions import DjangoSessionStore

    received = [0] * IN_USE

    async def use(number: int) -> None:
        while True:
            stream = provider.stream_chat(
                "remote", f"session_{number}", "hello", model="local-small-words-400-slow-100", owner=owner
            )
            async for _ in stream:
                received[number] += 1

    store = DjangoSessionStore()
    users = [asyncio.create_task(use(number)) for number in range(IN_USE)]
    times: dict[str, list[float]] = {name: [] for name in ("create", "rename", "test", "look up", "delete")}
    try:
        await asyncio.sleep(2)
        for number in range(ROUNDS):
            name = f"fresh_{number}"
            await _timed(
                times["create"],
                lambda name=name: provider.create_session(
                    "remote", "api_key", name=name, api_key=key, base_url=base_url, owner=owner
                ),
            )
            row = await in_store(selectors.find, owner, "remote", name)
            renamed = f"renamed_{number}"
            await _timed(times["rename"], lambda row=row, to=renamed: in_store(lifecycle.rename, row, to))
            await _timed(times["test"], lambda to=renamed: provider.test_session("remote", "api_key", to, owner=owner))
            await _timed(times["look up"], lambda to=renamed: store.lookup(owner, "remote", to))
            await _timed(
                times["delete"], lambda to=renamed: provider.delete_session("remote", "api_key", to, owner=owner)
            )
        assert min(received) > 10, "an answer did not flow, so the sessions were not in use"
        broken = [task for task in users if task.done()]
        assert not broken, broken[0].exception()
    finally:
        for task in users:
            task.cancel()
        await asyncio.gather(*users, return_exceptions=True)
    return times


async def _timed(times: list[float], call: Callable[[], Awaitable[Any]]) -> None:
    begun = time.perf_counter()
    await call()
    times.append(time.perf_counter() - begun)


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95) - 1]

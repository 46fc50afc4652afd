"""Streams: what 500 running answers cost one process, and how late the first token reaches a page.

The load runs with readers, spool and journal on SQLite; the generators that play upstream are part of the process and
of its figures. The first token is taken at the real server: a local provider puts the time of sending into its text,
a WebSocket client subtracts it from the time of the frame.
"""

import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from tests.benchmarks._row import Row, below

STREAMS = 500
RATE = 20
SECONDS = 4.0
TURNS = 25


def run() -> list[Row]:
    full = os.environ.get("PROOF_SIZE") == "full"
    return [*_load(SECONDS * (5 if full else 1)), *_first_token()]


def _load(seconds: float) -> list[Row]:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall, delays, late = asyncio.run(_many(Path(folder), seconds))
    events = len(delays)
    delays.sort()
    name = f"{STREAMS} streams x {RATE} events/s on SQLite"
    return [
        below(f"{name}: share of one core", 100 * cpu / wall, 70, "%", note=f"{events / wall:,.0f} events/s"),
        Row(f"{name}: event to reader, p50", f"{delays[events // 2] * 1000:.2f} ms"),
        below(f"{name}: event to reader, p99", delays[int(events * 0.99)] * 1000, 20, "ms", digits=1),
        below(f"{name}: all end at once, all stored after", late * 1000, 3000, "ms"),
    ]


async def _many(folder: Path, seconds: float) -> tuple[float, float, list[float], float]:
    from django.conf import settings

    from context_app.streams.live import LiveStream
    from context_app.streams.reader import Batch, read
    from context_app.streams.runtime import Runtime, replace
    from providers_app import loop
    from providers_app.types.events import Event, StreamEnd, TextDelta
    from sessions_app.stores.pool import in_store
    from tests.unit.context.streams_kit import make_turn

    loop.attach(asyncio.get_running_loop())  # as in a web process: the server's loop is the provider loop
    count = int(seconds * RATE)
    runtime = Runtime(folder, settings.MAESTRO.context)
    replace(runtime)
    runtime.prepare()
    rows = await in_store(lambda: [make_turn("bench", runtime.process)[0] for _ in range(STREAMS)])
    begin = asyncio.get_running_loop().time() + 1.5
    delays: list[float] = []
    last_event = 0.0

    def upstream(index: int) -> Any:
        async def answer() -> AsyncGenerator[Event, None]:
            nonlocal last_event
            clock = asyncio.get_running_loop().time
            for number in range(count):
                await asyncio.sleep(begin + index / STREAMS / RATE + number / RATE - clock())
                last_event = clock()
                yield TextDelta(f"{last_event!r} some text as long as a token in practice ")
            yield StreamEnd("stop")

        return answer

    async def watch(stream: Any) -> None:
        clock = asyncio.get_running_loop().time
        async for item in read(stream):
            if isinstance(item, Batch):
                now = clock()
                for event in item.events:
                    text = json.loads(event).get("text", "")
                    if text:
                        delays.append(now - float(text.split(" ", 1)[0]))

    readers = []
    for index, row in enumerate(rows):
        runtime.start(LiveStream(row.pk, owner_id=row.owner_id), upstream(index), "demo")
        readers.append(asyncio.create_task(watch(row.pk)))
    await asyncio.sleep(begin - asyncio.get_running_loop().time())
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds - 0.2)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    await asyncio.gather(*readers)
    late = asyncio.get_running_loop().time() - last_event
    measured = delays[: int(len(delays) * (seconds - 0.2) / seconds)]
    await asyncio.to_thread(runtime.stop, 5)
    return cpu, wall, measured, late


def _first_token() -> list[Row]:
    from websockets.sync.client import connect

    from tests.processes import Up, manage

    with tempfile.TemporaryDirectory() as folder, _Upstream() as upstream:
        data = Path(folder)
        extra = {"MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1", "BENCH_KEY": "sk-bench-key-0123456789"}
        create = ("sessions", "create", "remote", "api_key", "bench_remote", "--base-url", upstream.url)
        made = manage(data, *create, "--key-env", "BENCH_KEY", **extra)
        if made.returncode:
            raise RuntimeError(made.stderr or made.stdout)
        session = json.loads(manage(data, "sessions", "list", "--json", **extra).stdout)[0]["id"]
        with Up(data, **extra) as server:
            client = server.client()
            page = client.post("/chats/new/", headers={"X-CSRFToken": client.cookies["csrftoken"]})
            context = page.headers["location"].rstrip("/").rsplit("/", 1)[1]
            cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            address = f"ws://127.0.0.1:{server.port}/ws/chats/{context}/"
            added, whole = [], []
            with connect(
                address,
                origin=server.base,  # type: ignore[arg-type]
                additional_headers={"Cookie": cookies},
            ) as chat:
                for _ in range(TURNS):
                    sent = time.monotonic()
                    chat.send(json.dumps({"type": "send", "text": "Hello", "session": session, "model": "bench"}))
                    first = None
                    while (frame := json.loads(chat.recv(10)))["type"] != "end":
                        for event in frame.get("events", ()):
                            if event["type"] == "text_delta" and first is None:
                                first = time.monotonic()
                                added.append(first - float(event["text"]))
                                whole.append(first - sent)
    if len(added) < TURNS:
        raise RuntimeError(f"{len(added)} of {TURNS} answers had a first token")
    added, whole = sorted(added[2:]), sorted(whole[2:])
    return [
        Row("provider's first byte to event frame in the page, p50", f"{statistics.median(added) * 1000:.1f} ms"),
        below("provider's first byte to event frame in the page, max", added[-1] * 1000, 100, "ms", digits=1),
        Row("Send pressed to first event frame, p50", f"{statistics.median(whole) * 1000:.0f} ms"),
    ]


class _Upstream:
    """A Chat Completions server whose first delta is the time at which it is sent."""

    def __enter__(self) -> "_Upstream":
        import uvicorn

        from tests.servers import free_port

        port = free_port()
        self.url = f"http://127.0.0.1:{port}/v1"
        self._server = uvicorn.Server(
            uvicorn.Config(self._serve, host="127.0.0.1", port=port, log_level="error", lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.should_exit = True
        self._thread.join(5)

    @staticmethod
    async def _serve(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for text in (None, " more", " words"):
            content = repr(time.monotonic()) if text is None else text
            chunk = {"id": "1", "model": "bench", "choices": [{"index": 0, "delta": {"content": content}}]}
            await send(_body(json.dumps(chunk)))
            await asyncio.sleep(0.03)
        end = {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await send(_body(json.dumps(end)))
        await send(_body("[DONE]"))
        await send({"type": "http.response.body", "body": b""})


def _body(data: str) -> dict[str, Any]:
    return {"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True}

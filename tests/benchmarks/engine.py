"""The HTTP engine: processor time of this process per request over warm connections to a server of its own process."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http
from providers_app.wire.guard import Guard
from tests.benchmarks._row import Row, below

CALLS = 1500
STREAMS = 160
CHUNKS = 100
ROUNDS = 3

SERVER = """
import asyncio
chunk = b'data: {"choices":[{"delta":{"content":"hello "}}]}\\n\\n'
chunk = b"%x\\r\\n%b\\r\\n" % (len(chunk), chunk)
plain = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 300\\r\\n\\r\\n" + b"x" * 300
head = b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n"

async def serve(reader, writer):
    while asked := await reader.read(65536):
        if b"/plain " in asked:
            writer.write(plain)
            continue
        writer.write(head)
        for _ in range(CHUNKS):
            writer.write(chunk)
            await asyncio.sleep(0)
        writer.write(b"0\\r\\n\\r\\n")

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def run() -> list[Row]:
    code = SERVER.replace("CHUNKS", str(CHUNKS))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            plain, together, stream = asyncio.run(_measure(f"http://127.0.0.1:{server.stdout.readline().strip()}"))
        finally:
            server.terminate()
    return [
        below("engine: plain call, one at a time, processor time", plain, 0.3, "ms", digits=2),
        below("engine: plain call, 16 at once, processor time", together, 0.3, "ms", digits=2),
        below(f"engine: stream of {CHUNKS} chunks, 16 at once, processor time", stream, 1.5, "ms", digits=2),
    ]


async def _measure(origin: str) -> tuple[float, float, float]:
    http = Http(guard=Guard(["127.0.0.1"]))
    headers = {"content-type": "application/json", "authorization": "Bearer sk-0123456789abcdef"}

    def asking(path: str) -> HttpRequest:
        return HttpRequest(
            method="POST",
            url=origin + path,
            headers=headers,
            body=b'{"model":"m"}' * 20,
            secret_headers=frozenset({"authorization"}),
        )

    async def call() -> None:
        assert (await http.send(asking("/plain"))).status == 200

    async def stream() -> None:
        async with http.stream(asking("/stream")) as answer:
            async for _ in answer.chunks():
                pass

    await _spent(call, 200, 16)
    found = (
        min([await _spent(call, CALLS, 1) for _ in range(ROUNDS)]),
        min([await _spent(call, CALLS, 16) for _ in range(ROUNDS)]),
        min([await _spent(stream, STREAMS, 16) for _ in range(ROUNDS)]),
    )
    await http.aclose()
    return found


async def _spent(work: Callable[[], Awaitable[None]], times: int, at_once: int) -> float:
    """Milliseconds of processor time per piece of work."""

    async def some() -> None:
        for _ in range(times // at_once):
            await work()

    began = time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return (time.process_time() - began) / (times // at_once * at_once) * 1000

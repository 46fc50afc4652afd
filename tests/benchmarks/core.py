"""The provider core: what the universal interface costs per call, discovery, and memory."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from providers_app import conf, loop, ports, provider, providers
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve
from providers_app.registry.settings import ProvidersConfig
from providers_app.streaming import fold
from providers_app.types.catalogue import Capabilities
from providers_app.types.chat import ChatRequest, Message, TextPart
from providers_app.types.credentials import Credential
from tests.benchmarks._row import Row, below
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.packages import FILES, write_package

ROOT = Path(__file__).resolve().parents[2]
CALLS = 400
FRESH = 5

LOCAL = """

from providers_app.types.http import LocalAnswer


async def _chunks():
    yield BODY


class _Local:
    async def __call__(self, request):
        return LocalAnswer(status=200, headers={{"content-type": "text/event-stream"}}, chunks=_chunks())


BODY = (
    b'data: {{"id":"1","model":"m","choices":[{{"index":0,"delta":{{"content":"Hi"}},"finish_reason":null}}]}}\\n\\n'
    b'data: {{"id":"1","choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\\n\\ndata: [DONE]\\n\\n'
)
LOCAL = _Local()
"""

# Milliseconds of processor time, the start of the interpreter included.
DISCOVERY = """
import time
from providers_app.registry import discovery
assert len(discovery.list_providers()) > 5
print(time.process_time() * 1000)
"""

INTERFACE = """
import time
from providers_app import provider
print(time.process_time() * 1000)
"""

SETUP = """
import time
began = time.process_time()
import django
django.setup()
print((time.process_time() - began) * 1000)
"""

INTERFACE_MEMORY = """
import asyncio, tracemalloc, ssl, msgspec, pydantic, importlib.metadata, difflib, email.parser
import urllib.request, concurrent.futures, certifi
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
from providers_app import provider
provider.list_providers()
print((tracemalloc.get_traced_memory()[0] - before) / 1048576)
"""

LAYER_MEMORY = """
import os, sys, psutil
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
                   DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
import django
django.setup()
import django.core.handlers.asgi, django.forms, django.template, django.core.management
django.core.handlers.asgi.ASGIHandler()
process = psutil.Process()
before = process.memory_info().rss
from providers_app import loop, provider, streaming
from providers_app.dispatch import clients
from providers_app.registry import compliance, settings as models
assert not [finding for finding in compliance.findings() if finding.level == "error"]
models.build_model()()
async def make():
    await (await clients.http()._engine())._tls()
loop.run(make())
print((process.memory_info().rss - before) / 1048576)
"""


def run() -> list[Row]:
    call_ms, direct_ms = asyncio.run(_overhead())
    fresh = f"fresh interpreter, processor time (best of {FRESH})"
    interface = min(_fresh(INTERFACE) for _ in range(FRESH))
    return [
        below(
            "interface: one call, over the dialect directly",
            call_ms - direct_ms,
            5,
            "ms",
            digits=2,
            note=f"{call_ms:.2f} - {direct_ms:.2f}",
        ),
        below(f"discovery of all providers, {fresh}", min(_fresh(DISCOVERY) for _ in range(FRESH)), 130, "ms"),
        Row(f"import of the interface, {fresh}", f"{interface:.0f} ms"),
        below(f"django.setup(), {fresh}", min(_fresh(SETUP) for _ in range(FRESH)), 400, "ms"),
        below("registry and interface: memory", _fresh(INTERFACE_MEMORY), 10, "MB", digits=1),
        below("whole provider layer over bare Django: RSS", _fresh(LAYER_MEMORY), 50, "MB", digits=1),
    ]


async def _overhead() -> tuple[float, float]:
    """Milliseconds of one streamed call through the interface, and of building and reading the same bytes alone."""
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
            with ports.use(sessions=MemorySessions()), conf.use(ProvidersConfig()):
                return await _measure()
        finally:
            await loop.shutdown()
            providers.__path__.remove(folder)
            registry.reset()


async def _measure() -> tuple[float, float]:
    await provider.create_session("bench", "none", name="bench")
    assert isinstance(provider.provider_capabilities("bench"), Capabilities)
    dialect = resolve("bench", "streaming").dialect
    body: bytes = registry.load("bench", "local").BODY
    chat = ChatRequest(model="m", messages=(Message("user", (TextPart("Hello"),)),))
    whole, alone = [], []
    for _ in range(CALLS):
        began = time.perf_counter()
        events = [event async for event in provider.stream_chat("bench", "bench", "Hello", model="m")]
        whole.append(time.perf_counter() - began)
        began = time.perf_counter()
        resolve("bench", "streaming").build(chat, Credential(auth_type="none"))
        reducer = dialect.reducer()
        direct = [*reducer.feed(body), *reducer.close()]
        alone.append(time.perf_counter() - began)
        # On its way a call is given its own id and intent, and each piece its origin: the same pieces, stamped.
        assert [type(event) for event in events] == [type(event) for event in direct]
        assert fold(events).text == fold(direct).text
    return statistics.median(whole) * 1000, statistics.median(alone) * 1000


def _fresh(code: str) -> float:
    """Return the number that ``code`` prints in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(done.stdout)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")

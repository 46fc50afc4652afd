"""``HTTPS_PROXY=... manage.py chat``: the real command, a strict proxy, and a server that only the proxy can find."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import manage, prepared
from tests.unit.providers.test_engine_tls import tls
from tests.vendors.chat import VALID_KEY, ChatVendor
from tests.vendors.proxy import StrictProxy, _pump
from tests.vendors.server import VendorServer

__all__ = ["tls"]
MODEL = "local-large-text"


class TlsFront:
    """Ends TLS in front of a server on loopback."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self.port = 0
        self._context, self._behind = context, port
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> "TlsFront":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(20)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._one, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer), return_exceptions=True)


@pytest.fixture
def vendor() -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(), path="/v1") as server:
        yield server


@pytest.fixture
def proxy(vendor: VendorServer, tls: tuple[ssl.SSLContext, str]) -> Iterator[StrictProxy]:
    front = TlsFront(tls[0], int(vendor.origin.rpartition(":")[2])).start()
    with StrictProxy({"name.example:443": ("127.0.0.1", front.port)}, user="out:hunter2-secret") as running:
        yield running
    front.stop()


def test_the_command_goes_through_the_proxy_and_never_shows_its_password(
    tmp_path: Path, vendor: VendorServer, proxy: StrictProxy, tls: tuple[ssl.SSLContext, str]
) -> None:
    data = prepared(tmp_path / "data")
    extra = {"MAESTRO_PROVIDERS__CA_FILE": tls[1], "LAB_KEY": VALID_KEY}
    made = ("sessions", "create", "remote", "api_key", "lab", "--base-url", "https://name.example/v1")
    assert manage(data, *made, "--key-env", "LAB_KEY", **extra).returncode == 0
    asked = ("chat", "lab", "Hello", "--model", MODEL)
    done = manage(data, *asked, HTTPS_PROXY=proxy.url.replace("://", "://out:hunter2-secret@"), **extra)
    assert done.returncode == 0 and "You said: Hello" in done.stdout, done.stderr
    assert {entry.line for entry in proxy.asked} == {"CONNECT name.example:443 HTTP/1.1"}
    assert [entry.path for entry in vendor.ledger if entry.method == "POST"] == ["/v1/chat/completions"]

    refused = manage(data, *asked, HTTPS_PROXY=proxy.url.replace("://", "://out:wrong-secret@"), **extra)
    assert refused.returncode == 1 and "error[connection_failed]" in refused.stderr
    assert "outgoing proxy answered 407" in refused.stderr and "MAESTRO_PROVIDERS__PROXY" in refused.stderr
    explained = manage(data, "settings_explain", "providers.proxy", HTTPS_PROXY="http://out:hunter2-secret@127.0.0.1:1")
    assert "127.0.0.1:1" in explained.stdout and "HTTPS_PROXY" in explained.stdout
    for output in (done, refused, explained):
        assert not any(word in output.stdout + output.stderr for word in ("hunter2", "wrong-secret"))

    seen = len(proxy.asked)
    without = manage(data, *asked, NO_PROXY="name.example", HTTPS_PROXY=proxy.url, **extra)
    assert without.returncode == 1 and "the name is not known" in without.stderr
    assert len(proxy.asked) == seen, "a host of NO_PROXY is reached directly"

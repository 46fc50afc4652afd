"""Runs a vendor's application with uvicorn in a thread of its own, on a free loopback port."""

import asyncio
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.vendors.asgi import Vendor, VendorApp
from tests.vendors.auth.book import Book
from tests.vendors.auth.front import AuthFront
from tests.vendors.ledger import Ledger


class ResettableProtocol(HttpToolsProtocol):
    """Gives the application a way to break its connection with a TCP reset, which ASGI has none for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["reset"] = self._reset  # type: ignore[typeddict-unknown-key]

    def _reset(self) -> None:
        raw = self.transport.get_extra_info("socket")
        # Lingering for zero seconds makes close() send RST instead of FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class VendorServer:
    """``with VendorServer(AnthropicVendor()) as server: ... server.base_url ... server.ledger``"""

    def __init__(self, vendor: Vendor, path: str = "", port: int = 0) -> None:
        self.vendor = vendor
        self._path = path
        # The protocol is named because asyncio switches Nagle off only for a socket that says TCP.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        if isinstance(vendor, AuthFront):
            vendor.book.origin = self.origin
        self._app = VendorApp(vendor)
        self.release = self._app.gate.open
        """Let the held answers end: those that wait, and from now on all."""
        config = uvicorn.Config(
            self._app,
            http=ResettableProtocol,
            loop="asyncio",
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            # An authorization server says the time of its own clock.
            date_header=not isinstance(vendor, AuthFront),
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"vendor-{type(vendor).__name__}", daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return "http://{}:{}".format(*self._socket.getsockname())

    @property
    def base_url(self) -> str:
        """What a person would enter as the base URL: the origin and the vendor's usual path."""
        return self.origin + self._path

    @property
    def auth(self) -> Book:
        """The book of the vendor: the one that its authorization server writes and its resource server reads."""
        book = getattr(self.vendor, "book", None)
        assert isinstance(book, Book), "this vendor has no authorization server"
        return book

    @property
    def ledger(self) -> Ledger:
        """What the server saw."""
        return self.vendor.ledger

    def fresh(self) -> Self:
        """Forget what was seen, and hold answers again: how each test gets its server."""
        self.ledger.clear()
        self._app.gate.shut()
        return self

    def start(self) -> Self:
        """Returns when the server accepts connections. Raises ``RuntimeError`` after a minute without."""
        self._thread.start()
        limit = time.monotonic() + 60
        while not self._server.started:
            if time.monotonic() > limit:
                raise RuntimeError("the vendor server did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Ends open answers at once and joins the thread."""
        self._server.should_exit = True
        self._thread.join(timeout=60)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

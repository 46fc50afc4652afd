"""The web server of ``manage.py up``: uvicorn in the main thread, with our own signal handling around it."""

import errno
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn

Announce = Callable[[threading.Event], None]
GRACE_S = 1.5
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
"""Addresses that mean every address, and what a person on this machine opens."""


class PortTaken(Exception):
    """The address cannot be listened on; the message is one line that says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ``PortTaken``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except (UnicodeError, OSError) as error:
        sock.close()
        if isinstance(error, UnicodeError):
            raise PortTaken(f"{host!r} is not the name of a host. Choose another --host.") from error
        if error.errno != errno.EADDRINUSE:
            why = f"Cannot listen on {host}:{port} ({error.strerror}). Choose another --host or --port."
            raise PortTaken(why) from error
        others = f"`make run PORT={port + 1}` or `manage.py up --port {port + 1}`"
        raise PortTaken(f"Port {port} on {host} is taken. Stop what uses it, or choose another: {others}.") from error
    sock.set_inheritable(True)
    return sock


def address(host: str, port: int) -> str:
    """Return the address that a person on this machine opens."""
    return f"http://{host_name(host)}:{port}"


def host_name(host: str) -> str:
    """Return the name by which this machine calls the server; it is always allowed, a wildcard allows no other."""
    return WILDCARDS.get(host, f"[{host}]" if ":" in host else host)


def catch_signals() -> threading.Event:
    """Make SIGINT and SIGTERM set the returned event instead of ending the process."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def wait_ready(base: str, stop: threading.Event, timeout: float = 60) -> bool:
    """Poll ``/readyz`` until it answers 200; ``False`` when stopped or out of time."""
    deadline = time.monotonic() + timeout
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not stop.is_set() and time.monotonic() < deadline:
        with suppress(OSError), opener.open(f"{base}/readyz", timeout=2) as response:
            if response.status == 200:
                return True
        stop.wait(0.05)
    return False


def serve(sock: socket.socket, stopping: threading.Event, *, on_stop: Callable[[], None], on_start: Announce) -> None:
    """Run until SIGINT or SIGTERM. ``on_stop`` is called at once with the signal, beside uvicorn's own shutdown.

    ``stopping`` is from ``catch_signals``, whose handlers turn the signal that uvicorn raises again at its end into a
    normal return. A signal that came before uvicorn listened is not lost either.
    """
    config = uvicorn.Config(
        "maestro_site.asgi:application",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,  # type: ignore[arg-type]
        ws_max_size=1024 * 1024,
        proxy_headers=False,
    )
    server = _Server(config, stopping, on_stop)
    threading.Thread(target=on_start, args=(stopping,), name="announce", daemon=True).start()
    try:
        server.run(sockets=[sock])
    finally:
        stopping.set()
    if not server.started:
        raise SystemExit(3)


class _Server(uvicorn.Server):
    """Call ``on_stop`` the moment the signal arrives."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._stopping.is_set():
            self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:  # uvicorn would skip the shutdown, in which streams are marked, on a second Ctrl-C
            return
        # In a thread: this handler may have interrupted the main thread while it holds a lock that stopping needs.
        threading.Thread(target=self._on_stop, name="stop", daemon=True).start()
        super().handle_exit(sig, frame)

"""The processes of ``manage.py up``: uvicorn in the main thread with signal handling of our own, or three children.

With ``--processes`` web, worker and beat are child processes, watched and stopped together.
"""

import ctypes
import errno
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

import uvicorn
from django.core.management import CommandError
from django.db import DatabaseError

from maestro_site import pulse
from maestro_site.half_sent import TimedProtocol
from providers_app.refresh.flight import holder_of
from sessions_app.stores import lanes

Announce = Callable[[threading.Event], None]
GRACE_S = 1.5
PR_SET_PDEATHSIG = 1
STOP_S = 4.0
REFRESH_S = 35.0
"""Seconds that a child with a refresh in flight may take: its time-out, and some to store the answer."""
RESTARTS = 5
STEADY_S = 60.0
"""Seconds after which a child counts as stable and its restarts start from zero."""
CELERY = [sys.executable, "-m", "celery", "-A", "maestro_site.celery"]
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
"""Addresses that mean every address, and what a person on this machine opens."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ``CommandError`` with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except (UnicodeError, OSError) as error:
        sock.close()
        if isinstance(error, UnicodeError):
            why = f"{host!r} is not the name of a host. Choose another --host."
        elif error.errno == errno.EADDRINUSE:
            others = f"`make run PORT={port + 1}` or `manage.py up --port {port + 1}`"
            why = f"Port {port} on {host} is taken. Stop what uses it, or choose another: {others}."
        else:
            why = f"Cannot listen on {host}:{port} ({error.strerror}). Choose another --host or --port."
        raise CommandError(why) from error
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
        http=TimedProtocol,
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


def run_processes(host: str, port: int, stop: threading.Event, announce: Announce) -> int:
    """Run the children until ``stop`` is set or one of them keeps dying. Return the exit code."""
    commands = {
        "web": [sys.executable, "manage.py", "up", "--web-only", "--host", host, "--port", str(port)],
        "worker": [*CELERY, *shlex.split("worker --pool threads -c 2 --without-gossip --without-mingle -l WARNING")],
        "beat": [*CELERY, "beat", "-l", "WARNING"],
    }
    pulse.forget("worker", "beat")
    children = {name: _start(command) for name, command in commands.items()}
    started = dict.fromkeys(commands, time.monotonic())
    threading.Thread(target=announce, args=(stop,), name="announce", daemon=True).start()
    died: dict[str, int] = dict.fromkeys(commands, 0)
    while not stop.wait(0.2):
        for name, child in children.items():
            if child.poll() is None:
                continue
            # Only one that dies again and again is hopeless.
            died[name] = 1 if time.monotonic() - started[name] > STEADY_S else died[name] + 1
            if died[name] > RESTARTS:
                ended = f"{name} ended {died[name]} times (exit code {child.returncode})"
                print(f"error: {ended}; stopping.", file=sys.stderr)
                stop.set()
                _stop(list(children.values()))
                return 1
            if stop.wait(min(0.2 * 2 ** died[name], 3)):
                break
            children[name] = _start(commands[name])
            started[name] = time.monotonic()
    _stop(list(children.values()))
    return 0


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a child that ends with this process, in a session of its own, so that Ctrl-C does not reach it."""
    end_with_parent = None
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        end_with_parent = partial(prctl, PR_SET_PDEATHSIG, signal.SIGTERM)
    return subprocess.Popen(command, preexec_fn=end_with_parent, start_new_session=True)  # noqa: S603 - own commands


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + STOP_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _let_refresh_end(child)
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _let_refresh_end(child: subprocess.Popen[bytes]) -> None:
    """Wait while the child has a refresh in flight: cut off before its answer is stored, the login may be lost."""
    end = time.monotonic() + REFRESH_S
    with suppress(DatabaseError):
        while child.poll() is None and time.monotonic() < end and lanes.held_by(holder_of(child.pid)):
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.2)

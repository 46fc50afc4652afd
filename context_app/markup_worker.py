"""Render text of models in processes of their own, and end those that take too long.

A regular expression can take for ever, and holds the whole interpreter meanwhile; Markdown can take the square of its
length. So ``markup`` runs in up to ``PROCESSES`` children (``python -m context_app.markup_worker``), which are started
when they are needed and live on. One that takes longer than ``SECONDS``, or more than ``MEMORY`` bytes, is killed, and
another one takes its place; its text is shown as plain text, from then on without another try. Call the functions off
the event loop: they wait, for ``SECONDS`` at most (for the first process of all, ``START_S``).
"""

import atexit
import hashlib
import json
import logging
import os
import queue
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from html import escape
from pathlib import Path

from context_app import markup

SECONDS = 1.0
START_S = 10.0
PROCESSES = 2
MEMORY = 512 * 1024 * 1024
ORPHAN_S = 5.0
"""Seconds after which a child ends itself in the middle of a text: its parent is gone, or would have killed it."""
KNOWN_SLOW = 1000
ROOT = Path(__file__).resolve().parent.parent

logger = logging.getLogger(__name__)


def to_html(source: str) -> str:
    """Return what ``markup.to_html`` does, or ``source`` as plain text where that takes too long."""
    if not source.strip():
        return ""
    if len(source) > markup.MAX_CHARS:
        return markup.plain_html(source)
    html = _pool.run("to_html", source)
    return markup.plain_html(source) if html is None else html


def inline_code_html(code: str, language: str) -> str:
    """Return what ``markup.inline_code_html`` does, or ``code`` without colours where that takes too long."""
    html = _pool.run("inline_code_html", code, language) if language and len(code) <= markup.MAX_CHARS else None
    return escape(code) if html is None else html


def start() -> None:
    """Start the first process in the background, so that the first text need not wait for it."""
    _pool.grow()


class Worker:
    """One child and the socket to it. Raises ``OSError`` from everything but ``kill``."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - a command of our own
                [sys.executable, "-m", __name__],
                cwd=ROOT,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the parent, whose end is the child's
            )
        self._socket.settimeout(START_S)
        try:
            _receive(self._socket)
        except OSError:
            self.kill()
            raise

    def ask(self, request: bytes, until: float) -> str | None:
        """Return the HTML, ``None`` where it could not be made. ``until`` is of the monotonic clock."""
        self._socket.settimeout(max(0.001, until - time.monotonic()))
        _send(self._socket, request)
        answer = _receive(self._socket, until)
        return answer[1:].decode() if answer[:1] == b"+" else None

    def kill(self) -> None:
        self._socket.close()
        self.process.kill()
        self.process.wait()


class Pool:
    """The children of this process. Every method may be called from any thread, but not on an event loop."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._began = False
        self._slow: dict[bytes, None] = {}

    def run(self, name: str, *arguments: str) -> str | None:
        """Return what a function of ``markup`` returns; ``None`` where it takes too long or fails."""
        request = json.dumps([name, *arguments]).encode()
        key = hashlib.sha256(request).digest()
        if key in self._slow:
            return None
        until = time.monotonic() + SECONDS
        while (worker := self._take(until)) is not None:
            begun = time.monotonic()
            until = max(until, begun + SECONDS) if not self._began else until
            self._began = True
            try:
                html = worker.ask(request, until)
            except TimeoutError:
                self._replace(worker)
                if time.monotonic() - begun > SECONDS / 2:  # and not because it had to wait for others
                    self._note(key)
                return None
            except OSError:  # it was killed while it was idle, or has no memory left
                self._replace(worker)
                continue
            self._idle.put(worker)
            return html
        return None

    def grow(self) -> None:
        """Start one more process in the background, unless there are enough."""
        with self._lock:
            if self._count >= PROCESSES:
                return
            self._count += 1
        threading.Thread(target=self._start, name="markup", daemon=True).start()

    def close(self) -> None:
        """End the processes that are idle."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().kill()

    def _take(self, until: float) -> Worker | None:
        with suppress(queue.Empty):
            return self._idle.get_nowait()
        self.grow()
        seconds = max(0.0, until - time.monotonic()) if self._began else START_S
        try:
            return self._idle.get(timeout=seconds)
        except queue.Empty:
            return None

    def _start(self) -> None:
        try:
            self._idle.put(Worker())
        except OSError as error:
            logger.error("a process that renders text could not be started (%s); it is shown as plain text", error)
            with self._lock:
                self._count -= 1

    def _replace(self, worker: Worker) -> None:
        worker.kill()
        with self._lock:
            self._count -= 1
        self.grow()

    def _note(self, key: bytes) -> None:
        with self._lock:
            self._slow[key] = None
            if len(self._slow) > KNOWN_SLOW:
                del self._slow[next(iter(self._slow))]


_pool = Pool()


def _forget_in_child() -> None:
    global _pool
    _pool = Pool()  # the processes are the parent's


os.register_at_fork(after_in_child=_forget_in_child)
atexit.register(lambda: _pool.close())


def _send(to: socket.socket, data: bytes) -> None:
    to.sendall(struct.pack(">I", len(data)) + data)


def _receive(source: socket.socket, until: float | None = None) -> bytes:
    """Return one message. Raises ``TimeoutError``, and ``ConnectionError`` where the other end is gone."""

    def exactly(size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            if until is not None:
                source.settimeout(max(0.001, until - time.monotonic()))
            data = source.recv(min(size - len(found), 1 << 20))
            if not data:
                raise ConnectionError("the process ended")
            found += data
        return bytes(found)

    return exactly(struct.unpack(">I", exactly(4))[0])


def serve(parent: socket.socket) -> None:
    """Render what the parent asks for until it is gone: ``+`` and the HTML, or ``-``."""
    markup.to_html("```python\nready = True\n```")
    _send(parent, b"+")
    while True:
        try:
            name, *arguments = json.loads(_receive(parent))
        except ConnectionError:
            return
        signal.setitimer(signal.ITIMER_REAL, ORPHAN_S)  # its signal ends the process, also inside a regular expression
        try:
            answer = "+" + getattr(markup, name)(*arguments)
        except Exception:  # noqa: BLE001  MemoryError and RecursionError: the text is shown as it is
            answer = "-"
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(parent, answer.encode())


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    serve(socket.socket(fileno=0))

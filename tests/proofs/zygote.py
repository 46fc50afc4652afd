"""A process that is set up once and forks one of its own for each order: quick enough for thousands of processes.

``Zygote`` is the side that gives the orders; ``serve`` runs in the process itself. No thread and no connection may
exist there before a fork.
"""

import json
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.processes import ROOT


class Zygote:
    """The process from which the others are forked, and what they say."""

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        self._numbers = 0
        self._heard: dict[str, queue.SimpleQueue[dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, order: dict[str, Any]) -> "queue.SimpleQueue[dict[str, Any]]":
        """Let a child do this; what it says, and last of all its exit code, comes through the queue."""
        assert self._process.stdin is not None
        with self._lock:
            self._numbers += 1
            name = str(self._numbers)
            heard = self._heard[name] = queue.SimpleQueue()
            self._process.stdin.write(json.dumps(order | {"id": name}) + "\n")
            self._process.stdin.flush()
        return heard

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._heard[said["id"]].put(said)


def say(value: dict[str, Any]) -> None:
    """One line, written at once: children share this pipe."""
    os.write(1, (json.dumps(value) + "\n").encode())


def serve(child: Callable[[dict[str, Any]], None]) -> None:
    """Fork for each line that is read; ``child`` gets the order and never returns. Each exit code is written."""
    children: dict[int, str] = {}
    text = b""
    open_ = True
    while open_ or children:
        if open_ and select.select([0], [], [], 0.02)[0]:
            data = os.read(0, 65536)
            open_ = bool(data)
            text += data
        while b"\n" in text:
            line, text = text.split(b"\n", 1)
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                child(order)
            children[pid] = order["id"]
        while children:
            pid, status = os.waitpid(-1, 0 if not open_ else os.WNOHANG)
            if pid == 0:
                break
            say({"id": children.pop(pid), "exit": os.waitstatus_to_exitcode(status)})

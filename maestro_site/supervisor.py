"""``manage.py up --processes``: web, worker and beat as three child processes, watched and stopped together."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
STOP_S = 4.0
RESTARTS = 5
CELERY = [sys.executable, "-m", "celery", "-A", "maestro_site.celery"]


def run(host: str, port: int, announce: Callable[[threading.Event], None]) -> int:
    """Start the children and stay until a signal, or until one of them keeps dying. The exit code."""
    commands = {
        "web": [sys.executable, "manage.py", "up", "--web-only", "--host", host, "--port", str(port)],
        "worker": [
            *CELERY,
            "worker",
            "--pool",
            "threads",
            "-c",
            "2",
            "--without-gossip",
            "--without-mingle",
            "-l",
            "WARNING",
        ],
        "beat": [*CELERY, "beat", "-l", "WARNING"],
    }
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signum, frame: stop.set())
    children = {name: _start(command) for name, command in commands.items()}
    threading.Thread(target=announce, args=(stop,), name="announce", daemon=True).start()
    died: dict[str, int] = dict.fromkeys(commands, 0)
    code = 0
    while not stop.wait(0.2):
        for name, child in children.items():
            if child.poll() is None:
                continue
            died[name] += 1
            if died[name] > RESTARTS:
                print(
                    f"error: {name} ended {died[name]} times (exit code {child.returncode}); stopping.", file=sys.stderr
                )
                code = 1
                stop.set()
                break
            time.sleep(min(0.2 * 2 ** died[name], 3))
            children[name] = _start(commands[name])
    _stop(list(children.values()))
    return code


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, preexec_fn=_child_setup)  # noqa: S603 - own commands; see _child_setup


def _child_setup() -> None:
    """A session of its own, so that Ctrl-C reaches only the parent, and an end with the parent if that is killed."""
    os.setsid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + STOP_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

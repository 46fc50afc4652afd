"""``manage.py up --processes``: web, worker and beat as three child processes, watched and stopped together."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.db import DatabaseError

from maestro_site import pulse
from providers_app.refresh.flight import holder_of
from sessions_app.stores import lanes

PR_SET_PDEATHSIG = 1
STOP_S = 4.0
REFRESH_S = 35.0
"""Seconds that a child with a refresh in flight may take: its time-out, and some to store the answer."""
RESTARTS = 5
STEADY_S = 60.0
"""Seconds after which a child counts as stable and its restarts start from zero."""
CELERY = [sys.executable, "-m", "celery", "-A", "maestro_site.celery"]


def run(host: str, port: int, stop: threading.Event, announce: Callable[[threading.Event], None]) -> int:
    """Run the children until ``stop`` is set or one of them keeps dying. Return the exit code."""
    commands = {
        "web": [sys.executable, "manage.py", "up", "--web-only", "--host", host, "--port", str(port)],
        "worker": [*CELERY, *shlex.split("worker --pool threads -c 2 --without-gossip --without-mingle -l WARNING")],
        "beat": [*CELERY, "beat", "-l", "WARNING"],
    }
    # What an earlier start left must not say that these are alive.
    pulse.forget("worker", "beat")
    children = {name: _start(command) for name, command in commands.items()}
    started = dict.fromkeys(commands, time.monotonic())
    threading.Thread(target=announce, args=(stop,), name="announce", daemon=True).start()
    died: dict[str, int] = dict.fromkeys(commands, 0)
    code = 0
    while not stop.wait(0.2):
        for name, child in children.items():
            if child.poll() is None:
                continue
            # Only one that dies again and again is hopeless.
            died[name] = 1 if time.monotonic() - started[name] > STEADY_S else died[name] + 1
            if died[name] > RESTARTS:
                ended = f"{name} ended {died[name]} times (exit code {child.returncode})"
                print(f"error: {ended}; stopping.", file=sys.stderr)
                code = 1
                stop.set()
                break
            if stop.wait(min(0.2 * 2 ** died[name], 3)):
                break
            children[name] = _start(commands[name])
            started[name] = time.monotonic()
    _stop(list(children.values()))
    return code


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

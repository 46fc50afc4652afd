"""The real server process for tests: ``manage.py up`` on a free port with a data folder of its own."""

import fcntl
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent


def environment(data: Path, **extra: str) -> dict[str, str]:
    """The environment of a child: no settings of this run but its own data folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MAESTRO_") and name not in {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    }
    return {**kept, "MAESTRO_DATA_DIR": str(data), "MAESTRO_ENV_FILE": os.devnull, **extra}


def manage(data: Path, *arguments: str, stdin: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(data, **extra),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def migrated() -> Path:
    """A SQLite file with the current schema and nobody in it, made by ``manage.py migrate`` once per run of tests."""
    folder = Path(os.environ["TEST_SHARED"]) / "migrated"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            done = manage(folder, "migrate", "-v", "0")
            assert done.returncode == 0, done.stderr
            (folder / "done").touch()
    return folder / "maestro.sqlite3"


def prepared(data: Path) -> Path:
    """``data`` as a data folder with a migrated database: for tests of which the first start is not the subject."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(migrated(), data / "maestro.sqlite3")
    return data


def with_demo(data: Path) -> Path:
    """``data`` as a data folder with an owner and the demo session ``try_demo``, made once per run of tests."""
    folder = Path(os.environ["TEST_SHARED"]) / "demo"
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = prepared(folder.with_name("demo-made"))
            done = manage(making, "sessions", "create", "demo", "none", "try_demo")
            assert done.returncode == 0, done.stderr
            making.rename(folder)
    shutil.copytree(folder, data, dirs_exist_ok=True)
    return data


def rows(data: Path, query: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query against the data folder's SQLite file."""
    with closing(sqlite3.connect(f"file:{data / 'maestro.sqlite3'}?mode=ro", uri=True, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]


def demo_session(data: Path) -> str:
    """The id of the session ``try_demo`` in this data folder."""
    return str(UUID(rows(data, "SELECT id FROM sessions_app_authsession WHERE name = 'try_demo'")[0]["id"]))


class Up:
    """A running server; use as a context manager. ``program`` is what Python runs, with ``up`` and its arguments."""

    program: tuple[str, ...] = ("manage.py",)
    stdin = subprocess.DEVNULL

    def __init__(self, data: Path, *arguments: str, port: int | None = None, **extra: str) -> None:
        self.data = data
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self.link = ""
        self.started_in = 0.0
        self._arguments = arguments
        self._extra = extra
        self._ready = threading.Event()
        self.process: subprocess.Popen[str] | None = None

    def start(self, timeout: float = 120) -> "Up":
        """Start, and return when the sign-in line was printed."""
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, *self.program, "up", "--port", str(self.port), *self._arguments],
            cwd=ROOT,
            env=environment(self.data, **self._extra),
            stdin=self.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        if not self._ready.wait(timeout):
            self.kill()
            raise AssertionError("no sign-in line:\n" + "\n".join(self.lines))
        if not self.link:
            raise AssertionError("the server ended:\n" + "\n".join(self.lines))
        self.started_in = time.monotonic() - begun
        return self

    def client(self) -> httpx.Client:
        """A client that is signed in through the printed link."""
        client = httpx.Client(base_url=self.base, trust_env=False, timeout=60)
        page = client.get(self.link)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, page.text[:500]
        answer = client.post(self.link, data={"csrfmiddlewaretoken": token[1]})
        assert answer.status_code == 302, answer.text[:500]
        return client

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> tuple[int, float]:
        """Send the signal: (exit code, seconds until it was gone)."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not stop:\n" + "\n".join(self.lines)) from None
        return code, time.monotonic() - begun

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def _read(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            found = re.match(r"Open (http://\S+/welcome/\S+)", line)
            if found:
                self.link = found[1]
                self._ready.set()
        self._ready.set()

    def __enter__(self) -> "Up":
        return self.start()

    def __exit__(self, *exception: Any) -> None:
        self.kill()

"""Real servers for tests, started from the binaries on the machine and stopped with the run."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}


class Missing(Exception):
    """A binary that a test needs is not on this machine."""


def free_port() -> int:
    """A loopback port that nothing listened on a moment ago, below those that the system gives to connections."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def wait_for_port(port: int, process: "subprocess.Popen[bytes] | None" = None, timeout: float = 60) -> None:
    """Return when something listens on the loopback port. Raises ``TimeoutError``."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise TimeoutError(f"the server ended with exit code {process.returncode}")
        with socket.socket() as sock:
            sock.settimeout(0.2)
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


class Postgres:
    """A throw-away Postgres cluster. As root it runs as the ``postgres`` user, in a folder that user can enter."""

    def __init__(self, max_connections: int = 200) -> None:
        self._bin = self.binaries()
        self._dir = Path(tempfile.mkdtemp(prefix="maestro-pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._prefix: list[str] = []
        self._port = free_port()
        self._max_connections = max_connections

    @staticmethod
    def binaries() -> Path:
        """The folder of its programs. Raises ``Missing``."""
        folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        folders += [Path(which).resolve().parent] if (which := shutil.which("initdb")) else []
        # A path may hold links to some of the programs only.
        needed = ("initdb", "postgres", "pg_isready")
        for folder in folders:
            if all((folder / name).exists() for name in needed):
                return folder
        raise Missing("postgresql is not installed")

    def start(self) -> str:
        """Start it; the ``DATABASE_URL``."""
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._dir, user.pw_uid, user.pw_gid)
            self._prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        subprocess.run(
            [
                *self._prefix,
                str(self._bin / "initdb"),
                "-D",
                str(self._dir / "data"),
                "-A",
                "trust",
                "-U",
                "maestro",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            cwd=self._dir,
            **QUIET,
        )
        return self.resume()

    @property
    def pid(self) -> int:
        """The id of its first process."""
        assert self._process is not None
        return self._process.pid

    def halt(self) -> None:
        """Stop it at once, as a crash does; its files stay for ``resume``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)

    def resume(self) -> str:
        """Start it on the port and the files that it has; the ``DATABASE_URL``."""
        self._process = subprocess.Popen(
            [
                *self._prefix,
                str(self._bin / "postgres"),
                "-D",
                str(self._dir / "data"),
                "-p",
                str(self._port),
                "-h",
                "127.0.0.1",
                "-k",
                str(self._dir),
                "-c",
                "fsync=off",
                "-c",
                f"max_connections={self._max_connections}",
            ],
            cwd=self._dir,
            **QUIET,
        )
        wait_for_port(self._port, self._process)
        for _ in range(1000):
            ready = subprocess.run(
                [str(self._bin / "pg_isready"), "-h", "127.0.0.1", "-p", str(self._port)], check=False, **QUIET
            )
            if ready.returncode == 0:
                return self.url
            time.sleep(0.05)
        raise TimeoutError("Postgres did not become ready")

    @property
    def url(self) -> str:
        """The ``DATABASE_URL``, whether it runs or not."""
        return f"postgres://maestro@127.0.0.1:{self._port}/postgres"

    def stop(self) -> None:
        """Stop it and remove its files."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
        shutil.rmtree(self._dir, ignore_errors=True)


class Redis:
    """A throw-away Redis on a free port, nothing written to disk."""

    def __init__(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise Missing("redis-server is not installed")
        self._binary = binary
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it, again on the same port after ``stop``; the ``REDIS_URL``."""
        port = str(self._port)
        self._process = subprocess.Popen(
            [self._binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], **QUIET
        )
        wait_for_port(self._port, self._process)
        return self.url

    @property
    def url(self) -> str:
        """The ``REDIS_URL``, whether it runs or not."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill it; ``start`` gives it back, empty."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

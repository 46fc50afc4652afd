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

    def __init__(self) -> None:
        self._bin = self.binaries()
        self._dir = Path(tempfile.mkdtemp(prefix="maestro-pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

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
        prefix: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._dir, user.pw_uid, user.pw_gid)
            prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        data = self._dir / "data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        subprocess.run(
            [
                *prefix,
                str(self._bin / "initdb"),
                "-D",
                str(data),
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
            **quiet,
        )
        port = free_port()
        self._process = subprocess.Popen(
            [
                *prefix,
                str(self._bin / "postgres"),
                "-D",
                str(data),
                "-p",
                str(port),
                "-h",
                "127.0.0.1",
                "-k",
                str(self._dir),
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
            ],
            cwd=self._dir,
            **quiet,
        )
        wait_for_port(port, self._process)
        url = f"postgres://maestro@127.0.0.1:{port}/postgres"
        for _ in range(1000):
            ready = subprocess.run(
                [str(self._bin / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)], check=False, **quiet
            )
            if ready.returncode == 0:
                return url
            time.sleep(0.05)
        raise TimeoutError("Postgres did not become ready")

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
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it; the ``REDIS_URL``."""
        port = free_port()
        self._process = subprocess.Popen(
            [self._binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        wait_for_port(port, self._process)
        return f"redis://127.0.0.1:{port}/0"

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

"""An installation on Postgres and Redis as in production, with two web processes, and browsers that look at it.

Both servers can be taken away and given back, and connections of the database can be killed.
"""

import asyncio
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.processes import ROOT, environment, manage
from tests.servers import Postgres, Redis, free_port, wait_for_port

CELERY = [sys.executable, "-m", "celery", "-A", "maestro_site.celery"]
WORKER = [*CELERY, "worker", "--pool", "threads", "-c", "2", "--without-gossip", "--without-mingle"]
RECONNECT_S = 0.5


@dataclass
class Part:
    """One process of the installation, and the file with its log."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[str]:
        """What it has logged."""
        return self.log.read_text(errors="replace").splitlines()


@dataclass
class Cluster:
    """The running installation."""

    data: Path
    postgres: Postgres
    redis: Redis
    variables: dict[str, str]
    parts: dict[str, Part] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def webs(self) -> list[Part]:
        return [part for name, part in self.parts.items() if name.startswith("web")]

    def start(self, name: str, command: list[str], port: int = 0) -> Part:
        """Start a process; its output goes to a file."""
        log = self.data / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.variables, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.parts[name] = Part(process, log, port)
        return self.parts[name]

    def start_web(self, name: str) -> Part:
        """Start a web process; it may be too early for requests."""
        port = free_port()
        server = [sys.executable, "-m", "uvicorn", "maestro_site.asgi:application", "--lifespan", "on"]
        return self.start(name, [*server, "--no-access-log", "--port", str(port)], port)

    def ended(self) -> list[str]:
        """The processes that ended although nobody stopped them."""
        return [
            f"{name} ({part.process.returncode})"
            for name, part in self.parts.items()
            if part.process.poll() is not None
        ]

    def logged(self) -> int:
        """The lines that all processes have logged."""
        return sum(len(part.lines()) for part in self.parts.values())

    def client(self, part: Part, **options: Any) -> httpx.AsyncClient:
        """A signed-in browser at one of the web processes."""
        many = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.AsyncClient(
            base_url=part.base, cookies=self.cookies, trust_env=False, verify=False, limits=many, timeout=60, **options
        )

    def stop(self) -> None:
        """End every process, quickly: what they leave is thrown away."""
        for part in self.parts.values():
            part.process.send_signal(signal.SIGKILL)
            part.process.wait(60)


@contextmanager
def open_cluster(**settings: str) -> Iterator[Cluster]:
    """Start servers and web processes, with an owner who is signed in and has the session ``try_demo``."""
    data = Path(tempfile.mkdtemp(prefix="maestro-cluster-"))
    postgres, redis = Postgres(max_connections=100), Redis()
    try:
        own = {"DATABASE_URL": postgres.start(), "REDIS_URL": redis.start(), **settings}
        own["MAESTRO_SECRET_KEY"] = secrets.token_urlsafe(40)
        cluster = Cluster(
            data, postgres, redis, environment(data, DJANGO_SETTINGS_MODULE="maestro_site.settings", **own)
        )
        try:
            for arguments in (("migrate", "-v", "0"), ("welcome",), ("sessions", "create", "demo", "none", "try_demo")):
                done = manage(data, *arguments, **own)
                assert done.returncode == 0, done.stderr
                if found := re.search(r"/welcome/(\S+)", done.stdout):
                    link = f"/welcome/{found[1]}"
            cluster.start_web("web 1")
            cluster.start_web("web 2")
            cluster.start("worker", WORKER)
            cluster.start("beat", [*CELERY, "beat"])
            for part in cluster.webs:
                wait_for_port(part.port, part.process)
            cluster.cookies = _sign_in(cluster.webs[0].base, link)
            yield cluster
        finally:
            cluster.stop()
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(data, ignore_errors=True)


def _sign_in(base: str, link: str) -> dict[str, str]:
    with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(link).text)
        assert token
        assert client.post(link, data={"csrfmiddlewaretoken": token[1]}).status_code == 302
        return dict(client.cookies)


class Connections:
    """Watch the connections of an installation from a connection of its own: the most at one time, while it is open."""

    def __init__(self, url: str, kill_every_s: float = 0) -> None:
        self.most = 0
        self.killed = 0
        self._url, self._kill_every_s = url, kill_every_s
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Connections":
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._halt.set()
        self._thread.join(30)

    def _watch(self) -> None:
        others = "datname IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        killed_at = 0.0
        with psycopg.connect(self._url, autocommit=True) as own:
            while not self._halt.wait(0.05):
                row = own.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}").fetchone()
                assert row is not None
                self.most = max(self.most, row[0])
                if self._kill_every_s and time.monotonic() - killed_at > self._kill_every_s:
                    killed_at = time.monotonic()
                    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}"
                    row = own.execute(query).fetchone()
                    assert row is not None
                    self.killed += row[0]


class Reader:
    """The socket of one open chat page: it reconnects when it is closed, and asks for what follows."""

    def __init__(self, cluster: Cluster, part: Part, chat: str) -> None:
        self.cluster, self.part, self.chat = cluster, part, chat
        self.stream = ""
        self.seen = 0
        self.gaps = 0
        self.state = ""

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Any]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cluster.cookies.items())
        address = f"{self.part.base.replace('http', 'ws')}/ws/chats/{self.chat}/"
        async with connect(
            address,
            origin=self.part.base,
            additional_headers={"Cookie": cookie},
            proxy=None,
            max_size=None,
            open_timeout=30,
        ) as socket:  # type: ignore[arg-type]
            yield socket

    async def run(self) -> None:
        """Read until the answer's end."""
        while not self.state:
            try:
                async with self.socket() as socket:
                    await socket.send(f'{{"type":"attach","stream":"{self.stream}","after":{self.seen}}}')
                    async for message in socket:
                        self.take(msgspec.json.decode(message))
                        if self.state:
                            return
            except (OSError, TimeoutError, WebSocketException):
                pass
            await asyncio.sleep(RECONNECT_S)

    @property
    def whole(self) -> bool:
        """Whether every event came, each once and in order, and the end."""
        return self.state == "complete" and not self.gaps

    def take(self, frame: dict[str, Any]) -> None:
        """Note a frame of the stream."""
        if frame.get("stream") != self.stream:
            return
        if frame["type"] == "events":
            if frame["first_seq"] != self.seen + 1:
                self.gaps += 1
            self.seen = frame["last_seq"]
        elif frame["type"] in ("end", "reset"):
            self.state = frame.get("state", "reset")


async def ask(cluster: Cluster, part: Part, model: str) -> Reader:
    """Start an answer in a new chat at ``part``; a reader of it at the other web process."""
    async with cluster.client(part) as client:
        made = await client.post("/chats/new/", headers={"X-CSRFToken": cluster.cookies["csrftoken"]})
        chat = made.headers["location"].rstrip("/").rsplit("/", 1)[1]
        answer = await client.post(
            f"/chats/{chat}/send/",
            json={"text": "Tell me a long story.", "session": "try_demo", "model": model},
            headers={"X-CSRFToken": cluster.cookies["csrftoken"]},
        )
        assert answer.status_code == 200, answer.text
    other = next(web for web in cluster.webs if web is not part)
    reader = Reader(cluster, other, chat)
    reader.stream = answer.json()["stream"]
    return reader


async def until(condition: Any, timeout: float, pause: float = 0.1) -> float | None:
    """The seconds until ``condition`` (awaited) is true; ``None`` when it never was."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        with suppress(httpx.HTTPError):
            if await condition():
                return time.monotonic() - begun
        await asyncio.sleep(pause)
    return None

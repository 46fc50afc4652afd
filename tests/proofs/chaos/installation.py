"""An installation on SQLite as the matrix plays it: ``manage.py up``, a second web process, a script, and commands."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.processes import ROOT, Up, environment, rows
from tests.proofs.chaos.faults import CONNECT_S, FIRST_BYTE_S, IDLE_S, RETRIES
from tests.proofs.reliability.story import data_folder
from tests.servers import free_port, wait_for_port

SETTINGS = {
    "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    "MAESTRO_PROVIDERS__CONNECT_TIMEOUT_S": str(CONNECT_S),
    "MAESTRO_PROVIDERS__IDLE_TIMEOUT_S": str(IDLE_S),
    "MAESTRO_PROVIDERS__REQUEST_TIMEOUT_S": str(FIRST_BYTE_S),
    "MAESTRO_PROVIDERS__MAX_RETRIES": str(RETRIES),
}


class Script:
    """A running ``tests.proofs.chaos.script``."""

    def __init__(self, data: Path, settings: dict[str, str]) -> None:
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.chaos.script"],
            cwd=ROOT,
            env=environment(data, **settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    async def order(self, **order: Any) -> dict[str, Any]:
        """Give an order, and return its answer."""
        assert self._process.stdin is not None
        number = next(self._numbers)
        future = self._answers[number] = Future()
        self._process.stdin.write(json.dumps({"id": number, **order}) + "\n")
        self._process.stdin.flush()
        async with asyncio.timeout(120):
            return await asyncio.wrap_future(future)

    def stop(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait(60)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = json.loads(line)
            self._answers.pop(found.pop("id")).set_result(found)
        for future in self._answers.values():
            future.set_exception(RuntimeError("the script ended"))


class Installation:
    """The running processes; ``web`` runs the answers, ``other`` is another web process on the same data."""

    def __init__(self, data: Path, web: Up, other: str, settings: dict[str, str]) -> None:
        self.data, self.web, self.other = data, web, other
        self.script = Script(data, settings)
        self.environment = environment(data, **settings)
        self.new_chat = asyncio.Lock()
        """Held from a new chat to its first message: until then the chat is anybody's next new one."""
        signed_in = web.client()
        self.cookies = dict(signed_in.cookies)
        signed_in.close()

    @property
    def bases(self) -> tuple[str, str]:
        """The addresses of both web processes."""
        return self.web.base, self.other

    def client(self, base: str) -> httpx.AsyncClient:
        """Return a signed-in browser at one of the web processes."""
        token = {"X-CSRFToken": self.cookies["csrftoken"]}
        return httpx.AsyncClient(base_url=base, cookies=self.cookies, headers=token, trust_env=False, timeout=60)

    async def session(self, name: str, base_url: str, **settings: str) -> str:
        """Create a session of the provider ``remote``, and return its id."""
        made = await self.script.order(do="create", name=name, base_url=base_url, settings=settings)
        return str(made["session"])

    async def stored(self, *, stream: str = "", context: str = "") -> tuple[str, str]:
        """Return state and text of a stored answer, of which either the stream or the context is known."""
        return await asyncio.to_thread(self._stored, stream, context)

    def settled(self, prompt: str) -> tuple[str, str]:
        """Return the state of the answer to a prompt, and where its usage is from (empty: it has none)."""
        query = (
            "SELECT s.state, coalesce(json_extract(s.result, '$.usage.source'), '') AS source "
            "FROM context_app_stream s JOIN context_app_turn t ON t.stream_id = s.id "
            "JOIN context_app_contextchunk c ON c.turn_id = t.id WHERE c.role = 'user' AND c.content = ?"
        )
        found = rows(self.data, query, prompt)
        return (found[-1]["state"], found[-1]["source"]) if found else ("absent", "")

    def _stored(self, stream: str, context: str) -> tuple[str, str]:
        query = "SELECT s.state, json_extract(s.result, '$.text') AS text FROM context_app_stream s "
        if stream:
            found = rows(self.data, query + "WHERE s.id = ?", UUID(stream).hex)
        else:
            query += "JOIN context_app_turn t ON t.stream_id = s.id WHERE t.context_id = ? ORDER BY s.created_at"
            found = rows(self.data, query, UUID(context).hex)
        return (found[-1]["state"], found[-1]["text"] or "") if found else ("absent", "")


@contextmanager
def open_installation(server: type[Up] = Up, **settings: str) -> Iterator[Installation]:
    """Start the web processes, the first one as ``server``, and the script."""
    settings = {**SETTINGS, **settings}
    with tempfile.TemporaryDirectory(prefix="maestro-chaos-") as folder:
        data, port = data_folder(Path(folder) / "data"), free_port()
        with server(data, **settings) as web:  # type: ignore[arg-type]
            server = (sys.executable, "-m", "uvicorn", "maestro_site.asgi:application", "--lifespan", "on")
            command = [*server, "--no-access-log", "--log-level", "warning", "--port", str(port)]
            other = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(data, DJANGO_SETTINGS_MODULE="maestro_site.settings", **settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if "CHAOS_LOUD" not in os.environ else None,
            )
            try:
                wait_for_port(port, other)
                at = Installation(data, web, f"http://127.0.0.1:{port}", settings)
                try:
                    yield at
                finally:
                    at.script.stop()
            finally:
                other.kill()
                other.wait(60)

"""Torn queue files, threads that end, clients that send half a request, pages of another origin: the server goes on."""

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.processes import Up, demo_session, manage
from tests.proofs.reliability.story import Row, Story, Watched, data_folder

PATIENCE_S = 60.0
TORN = {"empty": b"", "half": b'{"body": "gAJ', "no-text": b"\xff\xfe\x00", "list": b"[]", "object": b'{"a": 1}'}
HALVES = (
    b"",
    b"GET / HT",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"POST /login/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nu",
)
CUT_S = 30.0


class Sabotaged(Up):
    """A server in which a thread can be ended by its name."""

    program = ("-m", "tests.proofs.reliability.saboteur")
    stdin = subprocess.PIPE

    def end(self, thread: str) -> None:
        """Raise ``SystemExit`` in the thread."""
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(f"{thread}\n")
        self.process.stdin.flush()


def with_demo(data: Path) -> Path:
    """Make ``data`` a data folder with an owner and a demo session."""
    made = manage(data_folder(data), "sessions", "create", "demo", "none", "try_demo")
    if made.returncode:
        raise RuntimeError(made.stderr)
    return data


def wait_for(holds: Callable[[], object], seconds: float = PATIENCE_S) -> float | None:
    """Return after how many seconds something holds; ``None`` when it does not within ``seconds``."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(0.05)
    return time.monotonic() - begun


def ready(server: Up) -> tuple[int, dict[str, Any]]:
    """Return status and body of ``/readyz``."""
    answer = httpx.get(f"{server.base}/readyz", trust_env=False, timeout=30)
    return answer.status_code, answer.json()


def lines_with(server: Up, words: str) -> list[str]:
    """Return the lines of the server's output that contain ``words``."""
    return [line for line in server.lines if words in line]


def _pulse_after(server: Up, name: str, since: float) -> bool:
    path = server.data / "pulse" / name
    return path.exists() and path.stat().st_mtime > since


def torn_files(full: bool) -> Row:
    """Put files in the queue that are no messages, in front of all that come."""
    row = Row()
    with tempfile.TemporaryDirectory() as folder, Up(data_folder(Path(folder) / "data")) as server:
        queue, aside = server.data / "queue" / "in", server.data / "queue" / "unreadable"
        with Watched(server, row):
            since = time.time()
            for name, content in TORN.items():
                hidden = queue / f".{name}"
                hidden.write_bytes(content)
                hidden.rename(queue / f"0-{name}.celery.msg")
            gone = wait_for(lambda: aside.exists() and len(list(aside.iterdir())) == len(TORN))
            row.expect(gone is not None, "not every file was set aside")
            back = wait_for(lambda: _pulse_after(server, "worker", since + 1))
            row.expect(back is not None, "no task ran after them")
            row.recovery = f"set aside in {gone or -1:.1f} s, next task after {back or -1:.0f} s"
        told = lines_with(server, "cannot be read")
        row.expect(len(told) == len(TORN), f"{len(told)} log lines for {len(TORN)} files")
        row.expect(ready(server)[0] == 200, "/readyz is not 200")
    return row


def ended_thread(name: str) -> Row:
    """End the worker or the schedule."""
    row = Row()
    with tempfile.TemporaryDirectory() as folder, Sabotaged(data_folder(Path(folder) / "data")) as server:
        with Watched(server, row):
            since = time.time()
            server.end(name)
            noticed = wait_for(lambda: lines_with(server, f"the {name} thread ended; it is started again in 1 s"))
            row.expect(noticed is not None, "its end was not told")
            back = wait_for(lambda: _pulse_after(server, name, since + 1))
            row.expect(back is not None, "it did not come back")
            row.recovery = f"told in {noticed or -1:.1f} s, works again after {back or -1:.1f} s"
        row.expect(ready(server)[0] == 200, "/readyz is not 200")
    return row


def half_sent(clients: int) -> Row:
    """Open connections that send half a request and then nothing."""
    row = Row()
    with tempfile.TemporaryDirectory() as folder, Up(data_folder(Path(folder) / "data")) as server:
        opened, ended = [], 0
        with Watched(server, row):
            begun = time.monotonic()
            for number in range(clients):
                opened.append(sock := socket.create_connection(("127.0.0.1", server.port)))
                sock.sendall(HALVES[number % len(HALVES)])
            row.expect(httpx.get(f"{server.base}/login/", trust_env=False).status_code == 200, "nobody else got in")
            for sock in opened:
                sock.settimeout(max(0.1, begun + CUT_S + 10 - time.monotonic()))
                with suppress(TimeoutError, ConnectionResetError):
                    while sock.recv(4096):
                        pass
                    ended += 1
            seconds = time.monotonic() - begun
            row.recovery = f"{ended} of {clients} cut within {seconds:.0f} s"
        for sock in opened:
            sock.close()
        row.expect(ended == clients, "not every connection was cut")
        row.expect(ready(server)[0] == 200, "/readyz is not 200")
    return row


def foreign_page(full: bool) -> Row:
    """Open the socket of a chat with the person's cookies from pages of other origins."""
    row = Row()
    with tempfile.TemporaryDirectory() as folder, Up(with_demo(Path(folder) / "data")) as server:
        client = server.client()
        chat = new_chat(client)
        port = server.port
        foreign = (
            f"http://127.0.0.1:{port + 1}",
            "http://127.0.0.1",
            f"https://127.0.0.1:{port}",
            f"http://localhost:{port}",
        )
        refused = 0
        with Watched(server, row):
            for origin in (*foreign, "null", ""):
                try:
                    open_chat(server, client, chat, origin).close()
                except InvalidStatus as error:
                    refused += error.response.status_code == 403
            with open_chat(server, client, chat, server.base) as own:
                hello = json.loads(own.recv(30))["type"] == "hello"
        row.expect(refused == len(foreign) + 2, "a page of another origin got a socket")
        row.expect(hello, "the site's own page got none")
        row.recovery = f"{refused} of {len(foreign) + 2} other origins refused, the site's own page is served"
    return row


def new_chat(client: httpx.Client) -> str:
    """Return the id of a new chat."""
    answer = client.post("/chats/new/", headers={"X-CSRFToken": client.cookies["csrftoken"]})
    return answer.headers["location"].rstrip("/").rsplit("/", 1)[1]


def open_chat(server: Up, client: httpx.Client, chat: str, origin: str) -> ClientConnection:
    """Return the socket of a chat, opened with the person's cookies by a page of ``origin``."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
    headers |= {"Origin": origin} if origin else {}
    return connect(f"ws://127.0.0.1:{server.port}/ws/chats/{chat}/", additional_headers=headers)


def send(server: Up, client: httpx.Client, chat: str, model: str) -> httpx.Response:
    """Send a message to a model of the demo provider."""
    frame = {"text": "Hello", "session": demo_session(server.data), "model": model}
    return client.post(f"/chats/{chat}/send/", json=frame, headers={"X-CSRFToken": client.cookies["csrftoken"]})


STORIES = (
    Story("torn files in the task queue", torn_files),
    Story("the worker's thread is ended", lambda full: ended_thread("worker")),
    Story("the schedule's thread is ended", lambda full: ended_thread("beat")),
    Story("200 half-open clients", lambda full: half_sent(200 if full else 20)),
    Story("a page on another port opens a chat's socket", foreign_page),
)

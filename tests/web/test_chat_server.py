"""The two failure stories at the real server: killed in the middle of an answer, and left in the middle of one."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.processes import Up, demo_session, manage
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer


class Page:
    """What a chat page does, on a real connection."""

    def __init__(self, server: Up, client: httpx.Client, context: str) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        self.socket: ClientConnection = connect(
            f"ws://127.0.0.1:{server.port}/ws/chats/{context}/",
            origin=server.base,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookies},
            max_size=None,
        )
        self.hello = self.next("hello")

    def send(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def next(self, *kinds: str, timeout: float = 60) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self.socket.recv(timeout))
            if frame["type"] in kinds:
                return frame

    def read(self, after: int, *, at_least: int = 1_000_000, timeout: float = 60) -> tuple[list[Any], dict[str, Any]]:
        """Events after the cursor until there are ``at_least`` so many, or the end frame: (events, end or {})."""
        events: list[Any] = []
        deadline = time.monotonic() + timeout
        while len(events) < at_least and time.monotonic() < deadline:
            frame = self.next("events", "end", "reset")
            if frame["type"] != "events":
                return events, frame
            assert frame["first_seq"] == after + len(events) + 1
            events += frame["events"]
        return events, {}


def chat(server: Up) -> tuple[httpx.Client, str, str]:
    """A signed-in client, a new chat and the demo session's id."""
    client = server.client()
    page = client.post("/chats/new/", headers={"X-CSRFToken": client.cookies["csrftoken"]})
    context = page.headers["location"].rstrip("/").rsplit("/", 1)[1]
    return client, context, demo_session(server.data)


def text_of(events: list[Any]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "text_delta")


def test_killed_server_has_everything_that_was_seen_and_says_interrupted(demo_data: Path) -> None:
    with Up(demo_data) as server:
        client, context, session = chat(server)
        page = Page(server, client, context)
        page.send(type="send", text="Tell me a long story.", session=session, model="demo-long-d20")
        turn = page.next("turn")
        seen, _ = page.read(0, at_least=60)
        server.kill()
        try:
            rest, _ = page.read(len(seen), timeout=2)
            seen += rest
        except Exception:  # the connection is dead; what is in its buffer was still shown
            pass
        with Up(demo_data, port=server.port) as again:
            back = Page(again, client, context)
            assert back.hello["running"] == []
            back.send(type="attach", stream=turn["stream"], after=0)
            events, end = back.read(0)
            assert events[: len(seen)] == seen, "what was seen is a prefix of what is stored"
            assert (end["state"], end["result"]["error"]["code"]) == ("interrupted", "interrupted")
            assert "died" in end["result"]["error"]["message"]
            assert end["result"]["text"] == text_of(events)
            back.send(type="attach", stream=turn["stream"], after=len(seen))
            tail, _ = back.read(len(seen))
            assert [*seen, *tail] == events
            shown = client.get(f"/chats/{context}/").text
            assert re.search("interrupted", shown, re.IGNORECASE)
            assert list((demo_data / "spool").glob("*.log")) == []


def test_tab_that_was_closed_in_the_middle_gets_the_complete_answer(demo_data: Path, chat_server: VendorServer) -> None:
    local = {"MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
    create = ("sessions", "create", "remote", "api_key", "box", "--base-url", chat_server.base_url, "--key-stdin")
    made = manage(demo_data, *create, "--json", stdin=VALID_KEY, **local)
    assert made.returncode == 0, made.stderr
    with Up(demo_data, **local) as server:
        client, context, _ = chat(server)
        page = Page(server, client, context)
        session = json.loads(made.stdout)["id"]
        page.send(type="send", text="Hello", session=session, model="local-large-words-50-held")
        turn = page.next("turn")
        seen, _ = page.read(0, at_least=30)
        page.socket.close()
        back = Page(server, client, context)
        assert [item["stream"] for item in back.hello["running"]] == [turn["stream"]]
        back.send(type="attach", stream=turn["stream"], after=len(seen))
        chat_server.release()
        rest, end = back.read(len(seen))
        assert end["state"] == "complete"
        assert text_of([*seen, *rest]) == end["result"]["text"]
        assert end["last_seq"] == len(seen) + len(rest)
        with client.stream("GET", f"/chats/{context}/events/?stream={turn['stream']}:0", timeout=60) as response:
            assert response.headers["content-type"] == "text/event-stream"
            again: list[Any] = []
            for line in response.iter_lines():
                if line.startswith("data: "):
                    frame = json.loads(line[6:])
                    again += frame.get("events", [])
                    if frame["type"] == "end":
                        break
        assert again == [*seen, *rest]

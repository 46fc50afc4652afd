"""A browser at the chat socket, without a browser: signed in by a real cookie, speaking real frames."""

import asyncio
import json
from typing import Any
from uuid import UUID

from channels.testing import WebsocketCommunicator
from django.test import Client

from maestro_site.asgi import websocket_application
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk


def sign_in(user: Any) -> Client:
    """A browser session."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class Tab:
    """One open chat page."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self._communicator = communicator
        self.frames: list[dict[str, Any]] = []

    @classmethod
    async def open(
        cls, desk: Desk, *, client: Client | None = None, context: Any = None, origin: str = "http://localhost"
    ) -> "Tab":
        client = client or await in_store(sign_in, desk.user)
        return await cls.connect(client.cookies["sessionid"].value, context or desk.context.pk, origin)

    @classmethod
    async def connect(cls, cookie: str, context: Any, origin: str = "http://localhost") -> "Tab":
        headers = [(b"host", b"localhost"), (b"origin", origin.encode())]
        if cookie:
            headers.append((b"cookie", f"sessionid={cookie}".encode()))
        communicator = WebsocketCommunicator(websocket_application, f"/ws/chats/{context}/", headers=headers)
        connected, _ = await communicator.connect(timeout=60)
        assert connected, "the handshake was refused"
        return cls(communicator)

    async def send(self, frame: Any = None, **fields: Any) -> None:
        if frame is None:
            frame = fields
        await self._communicator.send_to(text_data=frame if isinstance(frame, str) else json.dumps(frame))

    async def raw(self, data: bytes) -> None:
        await self._communicator.send_to(bytes_data=data)

    async def next(self, *kinds: str, timeout: float = 60) -> dict[str, Any]:
        """The next frame (of one of ``kinds``, passing over others)."""
        async with asyncio.timeout(timeout):
            while True:
                message = await self._communicator.receive_output(timeout)
                if message["type"] == "websocket.close":
                    raise Closed(message["code"])
                frame = json.loads(message["text"])
                self.frames.append(frame)
                if not kinds or frame["type"] in kinds:
                    return frame

    async def closed(self, timeout: float = 60) -> int:
        """The close code."""
        try:
            while True:
                await self.next(timeout=timeout)
        except Closed as closed:
            return closed.code

    async def leave(self) -> None:
        await self._communicator.disconnect()

    def events(self, stream: str | UUID) -> list[dict[str, Any]]:
        """The events of a stream that came; asserts that their numbers follow each other."""
        found: list[dict[str, Any]] = []
        for frame in self.frames:
            if frame["type"] == "turn" and frame["stream"] == str(stream):
                found = []
            if frame["type"] == "events" and frame["stream"] == str(stream):
                assert frame["last_seq"] == frame["first_seq"] + len(frame["events"]) - 1
                found += frame["events"]
        return found

    def text(self, stream: str | UUID) -> str:
        return "".join(event["text"] for event in self.events(stream) if event["type"] == "text_delta")


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

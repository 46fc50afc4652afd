"""A provider that repeats the key it was sent in its error messages and headers, as some gateways do."""

import json
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn

# The statuses come round: an error object, a line of text, an HTML page.
STATUSES = (401, 500, 403, 429)


class EchoServer:
    """``with EchoServer() as server: server.base_url``"""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.answered = 0
        config = uvicorn.Config(self._app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="echo", daemon=True
        )

    @property
    def base_url(self) -> str:
        return "http://{}:{}".format(*self._socket.getsockname())

    async def _app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        status = STATUSES[self.answered % len(STATUSES)]
        self.answered += 1
        said = f"The key {key} is not welcome here."
        body = {
            401: json.dumps({"type": "error", "error": {"type": "authentication_error", "message": said}}),
            500: said,
            403: f"<html><title>{said}</title><body>{said}</body></html>",
            429: json.dumps({"error": {"type": f"limit_{key}", "code": key, "message": said}}),
        }[status]
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"request-id", key.encode()), (b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": body.encode()})

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(5)

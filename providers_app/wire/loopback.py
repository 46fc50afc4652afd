"""A listener on this machine that takes one answer of a provider's sign-in page (RFC 8252, section 7.3).

It binds 127.0.0.1 only. A request counts when its Host names this listener (a page on another name that resolves to
127.0.0.1 does not reach it), it is a GET of the one path, and it carries the state that was agreed on; anything else
gets an error page and changes nothing. The query is never written anywhere.
"""

import asyncio
import base64
import errno
import hashlib
import hmac
from collections.abc import Sequence
from html import escape
from urllib.parse import parse_qsl, urlsplit

from providers_app.errors import ListenerUnavailable
from providers_app.types.credentials import Secret

ADDRESS = "127.0.0.1"
MAX_HEAD = 16_384
MAX_FIELDS = 50
MAX_CONNECTIONS = 32
SLOWEST_S = 10.0
_STYLE = (
    ":root{color-scheme:light dark}body{max-width:32rem;margin:20vh auto 0;padding:0 1.5rem;"
    "font:1rem/1.5 system-ui,sans-serif}h1{font-size:1.25rem}"
)
# The page's one style sheet is named by its hash (Content Security Policy 3, section 2.3.1), so nothing else is.
_STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}"

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request"}


class Listener:
    """Made by ``start``. Use it on one loop; ``stop`` may be called twice."""

    def __init__(self, host: str, path: str) -> None:
        self._host = host
        self._path = path
        self._state: Secret | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self.port = 0

    @classmethod
    async def start(cls, host: str, ports: Sequence[int], path: str) -> "Listener":
        """Listen on the first free one of ``ports`` (``0``: any); ``host`` is the name in the redirect address.

        Raises ``ListenerUnavailable`` naming the ports.
        """
        listener = cls(host, path)
        for port in ports:
            try:
                server = await asyncio.start_server(listener._serve, ADDRESS, port, limit=MAX_HEAD)
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                    raise ListenerUnavailable("This machine does not let Maestro listen for the answer.") from None
                continue
            listener._server = server
            listener.port = server.sockets[0].getsockname()[1]
            return listener
        names, taken = f"port {ports[0]}", "another program has it"
        if len(ports) > 1:
            names, taken = f"the ports {' and '.join(map(str, ports))}", "other programs have them"
        raise ListenerUnavailable(f"The answer can only come to {names} of this machine, and {taken}.")

    @property
    def redirect_uri(self) -> str:
        """The address to lead the browser to."""
        return f"http://{self._host}:{self.port}{self._path}"

    def expect(self, state: Secret) -> None:
        """Set the state that an answer must carry; none is taken before."""
        self._state = state

    async def wait(self) -> dict[str, str]:
        """Wait for the answer's parameters. May be cancelled and called again; cancelled itself by ``stop``."""
        return await asyncio.shield(self._answer)

    def stop(self) -> None:
        """Give the port back at once."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.close()
        self._answer.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        try:
            async with asyncio.timeout(SLOWEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                status, words, params = self._judge(head.decode("latin-1"))
                writer.write(_page(status, words))
                await writer.drain()
            if params is not None and not self._answer.done():
                self._answer.set_result(params)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _judge(self, head: str) -> tuple[int, str, dict[str, str] | None]:
        """Status, what the page says, and the parameters where this is the answer."""
        lines = head.split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target, _, _ = rest.rpartition(" ")
        hosts = [line.partition(":")[2].strip().lower() for line in lines[1:] if line.lower().startswith("host:")]
        allowed = {f"{name}:{self.port}" for name in (self._host.lower(), ADDRESS, "localhost")}
        if len(hosts) != 1 or hosts[0] not in allowed:
            return 421, "This address does not lead here.", None
        try:
            parts = urlsplit(target)
            pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            return 400, "This is no answer of a sign-in.", None
        if not target.startswith("/") or parts.path != self._path:
            return 404, "There is nothing here.", None
        if method != "GET":
            return 405, "Only a browser that was led here is expected.", None
        params = dict(pairs)
        given = params.get("state", "")
        if self._state is None or not self._state or len(params) != len(pairs):
            return 400, "This is no answer of a sign-in that waits here.", None
        if not hmac.compare_digest(given.encode(), self._state.reveal().encode()):
            return 400, "This answer belongs to another sign-in. Go back to Maestro and use the newest page.", None
        if not (params.get("code") or params.get("error")):
            return 400, "This answer has neither a code nor an error.", None
        if self._answer.done():
            return 200, "Maestro has its answer already. Close this tab and go back to Maestro.", None
        granted = "Maestro has the answer. Close this tab and go back to Maestro."
        refused = "The provider did not grant the access. Go back to Maestro, which says what can be done."
        return 200, refused if params.get("error") else granted, params


def _page(status: int, words: str) -> bytes:
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Maestro</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>Maestro</h1><p>{escape(words)}</p></body></html>"
    ).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        f"Content-Security-Policy: default-src 'none'; style-src '{_STYLE_HASH}'; frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body

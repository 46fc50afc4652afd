"""A strict local mail server: it keeps what it takes, refuses what it is told to refuse, and counts its callers.

It speaks as much of RFC 5321 as a client needs, one connection per thread. ``faults`` are taken one per connection:
``refuse`` answers 554 to the recipient, ``busy`` 421 at the greeting, ``drop`` closes after the letter was begun.
"""

import socketserver
import threading
from collections import deque
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

Fault = Literal["refuse", "busy", "drop"]


class MailServer:
    """``with MailServer() as server: server.port, server.letters``."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.faults: deque[Fault] = deque()
        self.connections = 0
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                owner._serve(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "MailServer":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _serve(self, line: socketserver.StreamRequestHandler) -> None:
        self.connections += 1
        fault = self.faults.popleft() if self.faults else None
        if fault == "busy":
            line.wfile.write(b"421 too many letters\r\n")
            return
        line.wfile.write(b"220 mail.local ready\r\n")
        while command := line.rfile.readline().strip():
            match command.split(b" ")[0].upper():
                case b"EHLO" | b"HELO" | b"MAIL" | b"RSET":
                    line.wfile.write(b"250 ok\r\n")
                case b"RCPT":
                    line.wfile.write(b"554 no such person\r\n" if fault == "refuse" else b"250 ok\r\n")
                case b"DATA":
                    line.wfile.write(b"354 go on\r\n")
                    if fault == "drop":
                        return
                    self._keep(line)
                    line.wfile.write(b"250 taken\r\n")
                case b"QUIT":
                    line.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    line.wfile.write(b"502 not known\r\n")

    def _keep(self, line: socketserver.StreamRequestHandler) -> None:
        rows = []
        while (row := line.rfile.readline()) not in (b".\r\n", b""):
            rows.append(row.removeprefix(b".") if row.startswith(b"..") else row)
        self.letters.append(message_from_bytes(b"".join(rows), policy=policy.default))

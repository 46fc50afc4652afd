"""The task queue of an installation without Redis: one file per message in the data folder, as a transport of kombu.

A message appears under its name whole: it is written under a hidden name first. Of several workers, the one that
removes a file has its message. A file that cannot be read is moved to the folder ``unreadable`` beside the queue, so
that it neither ends the worker nor is met again.
"""

import logging
import time
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

SCHEME = "files"
FOLDER = "folder"
"""Name of the transport option that holds the folder of the messages."""


class Channel(virtual.Channel):
    """Reads and writes messages. Raises ``OSError`` where the folder refuses."""

    @property
    def _folder(self) -> Path:
        return Path(self.connection.client.transport_options[FOLDER])

    def _names(self, queue: str) -> list[str]:
        """Return the messages of a queue, the oldest first."""
        end = f".{queue}.msg"
        names = (path.name for path in self._folder.iterdir())
        return sorted(name for name in names if name.endswith(end) and not name.startswith("."))

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        name = f"{time.time_ns():020d}_{uuid4().hex}.{queue}.msg"
        hidden = self._folder / f".{name}"
        try:
            hidden.write_text(dumps(message))
            hidden.rename(self._folder / name)
        except OSError:
            hidden.unlink(missing_ok=True)
            raise

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for name in self._names(queue):
            path = self._folder / name
            try:
                payload = loads(path.read_bytes().decode())
                self.Message(payload, channel=self)  # proves that it is a message, and not only JSON
            except FileNotFoundError:
                continue  # another worker took it
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one file, the queue goes on
                self._set_aside(path, error)
                continue
            try:
                path.unlink()
            except FileNotFoundError:
                continue
            return payload
        raise Empty

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = path.parent.parent / "unreadable"
        try:
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside / path.name)
        except FileNotFoundError:
            return
        logger.error("a file of the queue cannot be read (%s); it is now %s", type(error).__name__, aside / path.name)

    def _purge(self, queue: str) -> int:
        names = self._names(queue)
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
        return len(names)

    def _size(self, queue: str) -> int:
        return len(self._names(queue))


class Transport(virtual.Transport):
    """Register with ``register``; the address is ``files://localhost`` and the folder a transport option.

    Declared queues are kept in memory: a sender declares the queue of each task before it sends it.
    """

    Channel = Channel
    global_state = virtual.BrokerState()
    default_port = 0  # type: ignore[assignment]
    driver_type = driver_name = SCHEME

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = self.global_state

    def driver_version(self) -> str:
        return "1"


def register() -> str:
    """Make the transport known to kombu, and return the address of the broker."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:{Transport.__name__}"
    return f"{SCHEME}://localhost"

"""A full disk: a tmpfs of its own as the data folder, filled while the server runs, and before it starts."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.processes import Up, manage, rows
from tests.proofs.reliability.healing import lines_with, new_chat, ready, send, wait_for, with_demo
from tests.proofs.reliability.story import Row, Story, Watched

SIZE_MIB = 96
SLOW = "demo-slow"


class Untold(Exception):
    """The story cannot be told on this machine; the text says why."""


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a small file system of its own. Raises ``Untold``."""
    with tempfile.TemporaryDirectory(prefix="maestro-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "tmpfs", folder]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Untold(f"not told: no tmpfs can be mounted here ({done.stderr.strip() or done.returncode})")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill the disk but for ``leave`` bytes; return the file to remove."""
    ballast = disk / "ballast"
    found = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave)
    return ballast


def while_running(full: bool) -> Row:
    """Fill the disk under an answer that is being written, and make space again."""
    row = Row()
    with small_disk() as disk, Up(with_demo(disk / "data")) as server:
        client = server.client()
        chat, other = new_chat(client), new_chat(client)
        with Watched(server, row):
            row.expect(send(server, client, chat, SLOW).status_code == 200, "no answer began")
            wait_for(lambda: _state(server, chat) == "running")
            ballast = fill(disk)
            status, found = ready(server)
            row.expect(status == 503 and "disk" in found["broken"], f"/readyz said {found['broken']}")
            refused = send(server, client, other, "demo-instant")
            code = refused.json().get("code")
            row.expect((refused.status_code, code) == (503, "disk_full"), f"a message was answered {code}")
            row.expect(client.get("/").status_code == 200, "Home was not shown")
            row.expect(client.post("/chats/new/", headers=_token(client)).status_code == 503, "a chat was made")
            ballast.unlink()
            back = wait_for(lambda: "disk" not in ready(server)[1]["broken"])
            row.expect(back is not None, "/readyz still names the disk")
            whole = wait_for(lambda: _state(server, chat) == "complete")
            row.expect(whole is not None, f"the answer that ran is {_state(server, chat)}")
            row.expect(send(server, client, other, "demo-instant").status_code == 200, "no message is taken again")
            ended = wait_for(lambda: _state(server, other) == "complete")
            row.expect(ended is not None, "the next answer did not end")
        row.expect(len(server.lines) < 300, f"{len(server.lines)} log lines")
        row.recovery = "new messages refused with disk_full; with space the running answer ended whole, no restart"
    return row


def at_the_start(full: bool) -> Row:
    """Start on a disk with next to no space, and make space while it runs."""
    row = Row()
    with small_disk() as disk:
        data = with_demo(disk / "data")
        ballast = fill(disk, leave=4 * 1024 * 1024)
        server = Up(data)
        starting = threading.Thread(target=server.start)
        starting.start()
        named = wait_for(lambda: lines_with(server, "warning: The disk of the data folder is full"))
        row.expect(named is not None, "the start did not name it")
        ballast.unlink()
        starting.join(120)
        row.expect(bool(server.link), "no sign-in link came")
        server.kill()
        fill(disk)
        refused = manage(data, "sessions", "list")
        row.expect("Traceback" not in refused.stderr, "a command on a full disk ends with a traceback")
        row.recovery = "named in one line; with space the sign-in link is printed"
    return row


def _token(client: httpx.Client) -> dict[str, str]:
    return {"X-CSRFToken": client.cookies["csrftoken"]}


def _state(server: Up, chat: str) -> str:
    query = (
        "SELECT s.state FROM context_app_stream s JOIN context_app_turn t ON t.stream_id = s.id WHERE t.context_id = ?"
    )
    found = rows(server.data, query, chat.replace("-", ""))
    return str(found[0]["state"]) if found else ""


def _where_possible(tell: Callable[[bool], Row]) -> Callable[[bool], Row]:
    def told(full: bool) -> Row:
        try:
            return tell(full)
        except Untold as why:
            return Row(recovery=str(why))

    return told


STORIES = (
    Story("a full disk under a running answer", _where_possible(while_running)),
    Story("a start on a full disk", _where_possible(at_the_start)),
)

"""The data folder: created on first use, private to its user, with the files that only one process may create."""

import errno
import fcntl
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class DataDirError(Exception):
    """The folder cannot be used; the message is one line that says what to do."""


def ensure(path: Path) -> Path:
    """Create the folder, make it private to its user, and prove that it can be written. Raises ``DataDirError``."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & stat.S_ISVTX:
            raise DataDirError(f"The data folder {path} is shared with others. Choose another with MAESTRO_DATA_DIR.")
        make_private(path)
        for name in ("queue/in", "spool", "pulse"):
            (path / name).mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataDirError(
                f"The disk of the data folder {path} is full. Free some space, then start again."
            ) from error
        raise DataDirError(
            f"The data folder {path} cannot be written ({error.strerror}). "
            "Fix its permissions, or choose another with MAESTRO_DATA_DIR."
        ) from error
    return path


def make_private(path: Path) -> None:
    """Close a folder or file to everybody but its user. Raises ``DataDirError`` with the line to run."""
    found = path.stat()
    if not found.st_mode & 0o077:
        return
    private = 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
    try:
        path.chmod(private)
    except OSError as error:
        raise DataDirError(
            f"{path} can be read by other users of this machine ({found.st_mode & 0o777:03o}). Run "
            f"`chmod {private:o} {shlex.quote(str(path))}` as its owner, then start again."
        ) from error


def private_file(beside: Path, text: str) -> Path:
    """Return a new file (0600) with the text, stored on the disk, to be moved to ``beside``."""
    path = beside.with_name(f".{beside.name}-{os.getpid()}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def read_or_create(path: Path, make: str) -> str:
    """Return the text of a file, made private (0600), and created with ``make`` where there is none.

    Raises ``DataDirError``. O_EXCL and a link make it atomic: of two processes that start at once, both read the
    winner's text, whole.
    """
    try:
        if not path.exists():
            temporary = private_file(path, make)
            try:
                os.link(temporary, path)
                return make
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        make_private(path)
        text = path.read_text().strip()
    except OSError as error:
        raise DataDirError(f"{path} cannot be read or made ({error.strerror}). Fix its permissions.") from error
    if not text:
        raise DataDirError(f"{path} is empty. Restore it from a backup, or delete it to have a new one made.")
    return text


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[TextIO]:
    """Hold a lock on ``path``, open for appending and reading, while the block runs.

    Raises ``DataDirError``; with ``LOCK_NB`` in ``kind``, ``BlockingIOError`` where another process holds the lock.
    """
    try:
        file = path.open("a+")
    except OSError as error:
        raise DataDirError(f"{path} cannot be made or opened ({error.strerror}). Fix its permissions.") from error
    with file:
        fcntl.flock(file, kind)
        yield file

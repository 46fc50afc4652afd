"""Helpers of the commands: whose session is meant, secrets from outside, and output for a terminal or as JSON."""

import getpass
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError

from providers_app.errors import InvalidCredential, OwnerRequired, ProviderError
from providers_app.types.credentials import Secret
from sessions_app import selectors
from sessions_app.errors import StoreUnavailable
from sessions_app.models import AuthSession, Pk
from sessions_app.stores.sessions import outcome_queue

USERS_LISTED = 10


def add_owner(parser: CommandParser) -> None:
    """Add ``--owner``, for every command that names a session."""
    parser.add_argument("--owner", default="", metavar="USER", help="whose session; without it, the only user's")


def add_session(parser: CommandParser) -> None:
    """Add ``SESSION --provider --auth-type --owner --json``."""
    parser.add_argument("session", metavar="SESSION", help="id, name, or auth_type:name")
    parser.add_argument("--provider", default="", help="provider slug, where the name alone is ambiguous")
    parser.add_argument("--auth-type", default="", choices=AuthSession.AuthType.values, help="auth type")
    add_owner(parser)
    add_json(parser)


def add_json(parser: CommandParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def owner_id(username: str) -> Pk:
    """Return the key of the user of that name, else of the only one. Raises ``OwnerRequired`` with their names."""
    users = get_user_model().objects.filter(is_active=True)
    if username:
        found = users.filter(username=username).values_list("pk", flat=True).first()
        if found is None:
            raise OwnerRequired(f"There is no user '{username[:80]}'.", hint=_users())
        return found
    keys = list(users.order_by("pk").values_list("pk", flat=True)[:2])
    if len(keys) == 1:
        return keys[0]
    if not keys:
        raise OwnerRequired("There is no user yet.", hint="Run `manage.py welcome`, which makes the first one.")
    raise OwnerRequired("There are several users, so it is not clear whose session is meant.", hint=_users())


def session_of(options: dict[str, Any], owner: Pk) -> AuthSession:
    """Return the session that ``add_session``'s arguments name. Raises ``UnknownSession``, ``AmbiguousSession``."""
    return selectors.find(owner, options["provider"] or None, options["session"], options["auth_type"] or None)


def variable(name: str) -> Secret:
    """Return the secret in this environment variable. Raises ``InvalidCredential`` when it is not set."""
    if name not in os.environ:
        raise InvalidCredential(f"The environment variable {name} is not set.")
    return Secret(os.environ[name])


def read_key(limit: int) -> Secret:
    """Read a key: without echo at a terminal, else standard input up to one character more than ``limit``.

    Raises ``InvalidCredential`` for input that is not text.
    """
    if sys.stdin.isatty():
        return Secret(getpass.getpass("Key: "))
    try:
        return Secret(read_stdin(limit + 2).strip())
    except UnicodeDecodeError:
        raise InvalidCredential("The key on standard input is not text.") from None


def _users() -> str:
    users = get_user_model().objects.filter(is_active=True).order_by("username")
    names = list(users.values_list("username", flat=True)[: USERS_LISTED + 1])
    shown = ", ".join(names[:USERS_LISTED]) + (" and more" if len(names) > USERS_LISTED else "")
    return f"Pass --owner with one of: {shown}." if names else "Run `manage.py welcome`, which makes the first one."


@contextmanager
def errors(command: BaseCommand, as_json: bool) -> Iterator[None]:
    """Turn a typed error, or a database that does not answer, into one line on stderr and exit code 1.

    A reader of the output that left ends the command with the same code and no message. Other errors are bugs and are
    raised as they are.
    """
    try:
        yield
    except ProviderError as error:
        report(command, error, as_json)
        raise SystemExit(1) from None
    except BrokenPipeError:
        # Otherwise Python reports the closed pipe again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (OperationalError, InterfaceError) as error:
        report(command, StoreUnavailable(f"The database did not answer ({type(error).__name__})."), as_json)
        raise SystemExit(1) from None


def settle(seconds: float = 5.0) -> None:
    """Wait at most ``seconds`` until the outcomes of the command's calls are written."""
    outcome_queue.flush(seconds)


def report(command: BaseCommand, error: ProviderError, as_json: bool) -> None:
    """Print ``error[code]: message (hint)``, or an error object, as one line on stderr."""
    info = error.info()
    if as_json:
        fields: dict[str, Any] = {"code": info.code, "message": info.message, "hint": info.hint, "type": info.type}
        fields |= {"status": info.status, "retry_after": info.retry_after}
        line = json.dumps({"type": "error", "error": fields}, ensure_ascii=False)
    else:
        hint = f" ({info.hint})" if info.hint else ""
        line = f"error[{info.code}]: {info.message}{hint}"
    command.stderr.write(" ".join(printable(line).split("\n")), style_func=lambda text: text)
    command.stderr.flush()


def write(command: BaseCommand, text: str) -> None:
    """Print at once, without anything added."""
    command.stdout.write(text, ending="")
    command.stdout.flush()


def dump(command: BaseCommand, value: Any) -> None:
    """Print a JSON value on one line."""
    write(command, json.dumps(value, ensure_ascii=False, default=str) + "\n")


def print_table(command: BaseCommand, rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> None:
    """Print rows of cells in columns of equal width; the columns with the numbers in ``right`` are right-aligned."""
    write(command, "".join(f"{line}\n" for line in table_lines(rows, right=right)))


def table_lines(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return the lines of ``print_table``, printable."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        line = "  ".join(cell.rjust(width) if at in right else cell.ljust(width) for at, (cell, width) in cells)
        lines.append(printable(line).rstrip())
    return lines


def printable(text: str) -> str:
    """Replace control characters in text from elsewhere, so that it cannot steer the reader's terminal."""
    return "".join(
        character if character in "\n\t" or not (ord(character) < 32 or 127 <= ord(character) < 160) else "�"
        for character in text
    )


def read_stdin(limit: int) -> str:
    """Return standard input as text, at most one character more than ``limit``, so that a longer one is noticed."""
    return sys.stdin.read(limit + 1)

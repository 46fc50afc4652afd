"""What the commands share: whose sessions are meant, and how an error is said on a terminal."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from providers_app.errors import OwnerRequired, ProviderError
from sessions_app.errors import StoreUnavailable
from sessions_app.models import AuthSession, Pk
from sessions_app.stores.sessions import outcome_queue

USERS_LISTED = 10


def add_owner(parser: CommandParser) -> None:
    """``--owner``, for every command that names a session."""
    parser.add_argument("--owner", default="", metavar="USER", help="whose session; without it, the only user's")


def add_session(parser: CommandParser) -> None:
    """``SESSION --provider --auth-type --owner --json``."""
    parser.add_argument("session", metavar="SESSION", help="id, name, or auth_type:name")
    parser.add_argument("--provider", default="", help="provider slug, where the name alone is ambiguous")
    parser.add_argument("--auth-type", default="", choices=AuthSession.AuthType.values, help="auth type")
    add_owner(parser)
    add_json(parser)


def add_json(parser: CommandParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def owner_id(username: str) -> Pk:
    """The user of that name, else the only one. Raises ``OwnerRequired`` with the names that there are."""
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


def _users() -> str:
    users = get_user_model().objects.filter(is_active=True).order_by("username")
    names = list(users.values_list("username", flat=True)[: USERS_LISTED + 1])
    shown = ", ".join(names[:USERS_LISTED]) + (" and more" if len(names) > USERS_LISTED else "")
    return f"Pass --owner with one of: {shown}." if names else "Run `manage.py welcome`, which makes the first one."


@contextmanager
def errors(command: BaseCommand, as_json: bool) -> Iterator[None]:
    """Turn a typed error into one line on stderr, and a reader that left into silence; exit code 1 for both."""
    try:
        yield
    except ProviderError as error:
        report(command, error, as_json)
        raise SystemExit(1) from None
    except BrokenPipeError:
        # Whoever read the output left. Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except DatabaseError as error:
        report(command, StoreUnavailable(f"The database did not answer ({type(error).__name__})."), as_json)
        raise SystemExit(1) from None


def settle(seconds: float = 5.0) -> None:
    """Wait until the outcomes of the command's calls are written."""
    outcome_queue.flush(seconds)


def report(command: BaseCommand, error: ProviderError, as_json: bool) -> None:
    """``error[code]: message (hint)``, or an error object, on stderr; always one line."""
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
    """One JSON value on one line."""
    write(command, json.dumps(value, ensure_ascii=False, default=str) + "\n")


def printable(text: str) -> str:
    """Text from elsewhere without control characters, so that it cannot steer the reader's terminal."""
    return "".join(
        character if character in "\n\t" or not (ord(character) < 32 or 127 <= ord(character) < 160) else "�"
        for character in text
    )


def read_stdin(limit: int) -> str:
    """Standard input as text, at most ``limit`` characters and one more (so that a longer one is seen)."""
    return sys.stdin.read(limit + 1)

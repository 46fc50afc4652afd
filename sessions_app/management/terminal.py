"""The commands' base, which prints for a terminal or as JSON, and their common arguments and secrets from outside."""

import getpass
import json
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError

from providers_app import loop, provider
from providers_app.errors import InvalidCredential, InvalidRequest, OwnerRequired, ProviderError, UnknownContext
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import StoredContext
from providers_app.types.credentials import Secret
from sessions_app import selectors
from sessions_app.errors import StoreUnavailable
from sessions_app.models import AuthSession, Pk
from sessions_app.stores.sessions import outcome_queue

USERS_LISTED = 10
MAX_CHATS = 10_000
CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {*b"\n\t"}, "�")


class TerminalCommand(BaseCommand):
    """A command whose ``run`` prints text, or JSON with ``--json``; a typed error is one line and exit code 1."""

    requires_system_checks: list[str] = []
    as_json = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, and report a typed error or a database that does not answer; any other error is a bug and is raised."""
        self.as_json = options["json"]
        try:
            self.run(options)
        except ProviderError as error:
            self.report(error)
        except BrokenPipeError:
            # The reader left: no message, also not that of Python when it flushes at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OperationalError, InterfaceError) as error:
            self.report(StoreUnavailable(f"The database did not answer ({type(error).__name__})."))
        else:
            return
        raise SystemExit(1)

    def run(self, options: dict[str, Any]) -> None:
        """Do what the command is for. Raises ``ProviderError``, and ``SystemExit`` for another exit code."""
        raise NotImplementedError

    def report(self, error: ProviderError) -> None:
        """Print ``error[code]: message (hint)``, or an error object, as one line on stderr."""
        info = error.info()
        if self.as_json:
            names = ("code", "message", "hint", "type", "status", "retry_after")
            fields = {name: getattr(info, name) for name in names}
            self.note(json.dumps({"type": "error", "error": fields}, ensure_ascii=False))
        else:
            self.note(f"error[{info.code}]: {info.message}{f' ({info.hint})' if info.hint else ''}")

    def note(self, text: str) -> None:
        """Print one line on stderr, so that a pipe gets the answer alone."""
        self.stderr.write(printable(text).replace("\n", " "), style_func=str)
        self.stderr.flush()

    def write(self, text: str) -> None:
        """Print at once, without anything added."""
        self.stdout.write(text, ending="")
        self.stdout.flush()

    def say(self, text: str) -> None:
        """Print text that may come from elsewhere as a line."""
        self.write(f"{printable(text)}\n")

    def dump(self, value: Any) -> None:
        """Print a JSON value on one line."""
        self.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")

    def answer(self, value: Any, text: str) -> None:
        """Print the JSON value with ``--json``, else the text as a line."""
        if self.as_json:
            self.dump(value)
        else:
            self.say(text)

    def print_table(self, rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> None:
        """Print cells in columns of equal width; the columns with the numbers in ``right`` are right-aligned."""
        self.write("".join(f"{line}\n" for line in table_lines(rows, right=right)))


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
    several = "There are several users, so it is not clear whose session is meant."
    raise OwnerRequired(several if keys else "There is no user yet.", hint=_users())


def session_of(options: dict[str, Any], reference: str = "") -> AuthSession:
    """Return the session that ``reference``, else SESSION, names. Raises as ``owner_id`` and ``selectors.find``."""
    owner, auth_type = owner_id(options["owner"]), options.get("auth_type")
    return selectors.find(owner, options["provider"] or None, reference or options["session"], auth_type or None)


def context_of(owner: Pk, reference: str) -> StoredContext:
    """Return the stored chat that an id or a title names. Raises ``UnknownContext``, ``InvalidRequest`` for several."""
    with suppress(ValueError):
        return loop.run(provider.get_context(str(UUID(reference)), owner=owner))
    chats = loop.run(provider.list_contexts(query=reference, limit=MAX_CHATS, owner=owner))
    found = [chat for chat in chats if chat.title.casefold() == reference.strip().casefold()]
    if len(found) > 1:
        ids = ", ".join(chat.id for chat in found[:USERS_LISTED])
        raise InvalidRequest(f"{len(found)} chats are called {reference[:80]!r}.", hint=f"Name one by its id: {ids}.")
    if not found:
        raise UnknownContext(f"There is no chat {reference[:80]!r}.", hint="`manage.py contexts list` shows yours.")
    return found[0]


def models_of(session: AuthSession) -> list[ModelInfo]:
    """Return the models that the session's provider lists now. Raises ``ProviderError``."""
    asked = provider.list_models(session.provider, None, str(session.pk), refresh=True, owner=session.owner_id)
    try:
        return loop.run(asked)
    finally:
        settle()


def pair(text: str, refusal: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``. Raises ``InvalidRequest`` with ``refusal`` for other text."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise InvalidRequest(refusal)
    return name.strip(), value


def variable(name: str) -> Secret:
    """Return the secret in this environment variable. Raises ``InvalidCredential`` when it is not set."""
    if name not in os.environ:
        raise InvalidCredential(f"The environment variable {name} is not set.")
    return Secret(os.environ[name])


def read_key(limit: int) -> Secret:
    """Read a key without echo, or from standard input a little over ``limit``. Raises ``InvalidCredential``."""
    if sys.stdin.isatty():
        return Secret(getpass.getpass("Key: "))
    try:
        return Secret(sys.stdin.read(limit + 3).strip())
    except UnicodeDecodeError:
        raise InvalidCredential("The key on standard input is not text.") from None


def _users() -> str:
    users = get_user_model().objects.filter(is_active=True).order_by("username")
    names = list(users.values_list("username", flat=True)[: USERS_LISTED + 1])
    shown = ", ".join(names[:USERS_LISTED]) + (" and more" if len(names) > USERS_LISTED else "")
    return f"Pass --owner with one of: {shown}." if names else "Run `manage.py welcome`, which makes the first one."


def settle(seconds: float = 5.0) -> None:
    """Wait at most ``seconds`` until the outcomes of the command's calls are written."""
    outcome_queue.flush(seconds)


def table_lines(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return the lines of ``TerminalCommand.print_table``, printable."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        line = "  ".join(cell.rjust(width) if at in right else cell.ljust(width) for at, (cell, width) in cells)
        lines.append(printable(line).rstrip())
    return lines


def printable(text: str) -> str:
    """Replace control characters in text from elsewhere, so that it cannot steer the reader's terminal."""
    return text.translate(CONTROLS)

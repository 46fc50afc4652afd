"""Preparation before any command runs: settings, data folder, database, key ring; errors become one line.

With the embedded database every command first applies pending migrations, one process at a time. With
``DATABASE_URL`` it refuses instead, and names the line to run: migrating a shared server is a decision.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command, execute_from_command_line, load_command_class
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, OperationalError, connection, connections

from maestro_site import conf, datadir, logs
from maestro_site.environment import ConfigError
from providers_app.errors import NotConfigured
from sessions_app import disk

if TYPE_CHECKING:
    from sessions_app.crypto import KeyRing

# These neither need the database nor may be kept from running by it.
NO_DATABASE = {
    "check", "collectstatic", "compilemessages", "findstatic", "health", "help", "makemessages", "makemigrations",
    "migrate", "test", "testserver", "version",
}  # fmt: skip
SERVERS = {"up", "runserver"}
# These are about the settings and stand on the environment alone: they must also run where it cannot be used.
SETTINGS_ONLY = {"settings_docs", "settings_explain"}


class StartError(Exception):
    """Maestro cannot start; the message is one line that says what to do."""


PROBLEMS = (StartError, ConfigError, datadir.DataDirError, OperationalError, InterfaceError, ImproperlyConfigured)


def run_command(argv: list[str]) -> int:
    """Run ``manage.py`` with these arguments and return the exit code."""
    command = argv[1] if len(argv) > 1 else "help"
    if command in SETTINGS_ONLY:
        return _run_without_settings(argv)
    try:
        unknown = conf.unknown_variables()
        if unknown and command == "up":
            raise StartError(" ".join(unknown))
        for sentence in unknown:
            print(f"warning: {sentence}", file=sys.stderr)
        django.setup()
        if command not in SERVERS:
            logs.be_quiet()
        if command == "up" and (shortage := disk.shortage()):
            print(f"warning: {shortage} Until there is space, new messages are refused.", file=sys.stderr)
        if command not in NO_DATABASE and not command.startswith("-") and not {"-h", "--help"} & set(argv[2:]):
            _prepare()
        execute_from_command_line(argv)
    except PROBLEMS as error:
        print(f"error: {_problem(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def prepare_script() -> None:
    """Prepare a process that is no command, on a thread that ends then. Raises ``NotConfigured`` with what to do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")
    try:
        for sentence in conf.unknown_variables():
            print(f"warning: {sentence}", file=sys.stderr)
        django.setup()
        if not hasattr(settings, "EMBEDDED_DATABASE"):
            raise StartError("Django runs here with settings other than maestro_site.settings.")
        logs.be_quiet()
        _prepare()
        connections.close_all()
    except PROBLEMS as error:
        raise NotConfigured(_problem(error)) from error


def _prepare() -> None:
    prepare_redis()
    prepare_database()
    prepare_key_ring()
    prepare_owner()


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """Let a process that a server program loads, and not ``manage.py``, end with the same line."""
    try:
        yield
    except PROBLEMS as error:
        raise SystemExit(f"error: {_problem(error)}") from None


def _problem(error: Exception) -> str:
    """Return what keeps Maestro from starting, as one line that says what to do."""
    if isinstance(error, DatabaseError | InterfaceError):
        if settings.EMBEDDED_DATABASE and (sentence := disk.shortage()):
            return f"{sentence} Free some space, then start again."
        place = "in the data folder" if settings.EMBEDDED_DATABASE else "of DATABASE_URL"
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return f"The database {place} cannot be used: {first_line}"
    if isinstance(error, ImproperlyConfigured):
        return f"{error} Install Maestro with the extra that it names, or correct the setting."
    return str(error)


def _run_without_settings(argv: list[str]) -> int:
    command = load_command_class("maestro_site", argv[1])
    parser = command.create_parser(argv[0], argv[1])
    parser.called_from_command_line = True
    try:
        command.execute(**vars(parser.parse_args(argv[2:])))
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.returncode
    return 0


def prepare_redis() -> None:
    """Raise ``StartError`` when Redis refuses what ``REDIS_URL`` says. One that is away may come back."""
    if settings.REDIS_URL:
        from maestro_site import pulse

        if sentence := pulse.refusal():
            raise StartError(sentence)


def prepare_database() -> None:
    """Bring the schema of the database up to date, or refuse. Raises ``StartError``."""
    try:
        if not pending_migrations():
            return
        if not settings.EMBEDDED_DATABASE:
            raise StartError("The database is not up to date. Run `manage.py migrate`, then this command again.")
        _refuse_emptied_database()
        call_command("migrate", verbosity=0, interactive=False)  # waits for another process that migrates
    except DatabaseError as error:
        raise StartError(_problem(error)) from error


def _refuse_emptied_database() -> None:
    """Raise ``StartError`` where the database has no tables, but a key that was made after them is there."""
    key = settings.DATA_DIR / "encryption.key"
    # In this order: a process that starts at the same moment makes the tables first, then the key.
    if not key.exists() or connection.introspection.table_names():
        return
    raise StartError(
        f"The database {connection.settings_dict['NAME']} is missing or empty, but {key} is from an installation that "
        "had one. Put the database back. To begin anew without its sessions and chats, move the key file away, then "
        "start again."
    )


def prepare_owner() -> None:
    """Create the first person of an embedded installation, so that every command works before the first visit."""
    from django.contrib.auth.models import User

    from maestro_site.accounts import welcome

    if settings.EMBEDDED_DATABASE and not User.objects.exists():
        welcome.ensure_owner()


def pending_migrations() -> bool:
    """Return True when the schema lacks a migration."""
    from django.db.migrations.executor import MigrationExecutor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def prepare_key_ring() -> None:
    """Load the key ring. Raises ``StartError``: malformed keys, or sealed rows that the ring does not open."""
    from sessions_app import crypto
    from sessions_app.errors import KeyRingError

    path = settings.DATA_DIR / "encryption.key"
    try:
        if settings.MAESTRO.encryption_keys:
            text = settings.MAESTRO.encryption_keys.get_secret_value()
        elif not path.exists() and crypto.sealed_rows_exist():
            raise StartError(
                f"The database {connection.settings_dict['NAME']} holds sealed credentials ({DEFAULT_DB_ALIAS}), but "
                f"there is no key: {path} is missing. Put the key file back, or set MAESTRO_ENCRYPTION_KEYS."
            )
        else:
            text = datadir.read_or_create(path, crypto.KeyRing.generate())
        ring = crypto.KeyRing.parse(text)
        crypto.verify_in_use(ring)
    except KeyRingError as error:
        source = "MAESTRO_ENCRYPTION_KEYS" if settings.MAESTRO.encryption_keys else str(path)
        raise StartError(f"The encryption keys of {source} cannot be used: {error}") from error
    crypto.configure(ring)


def load_key_ring() -> "KeyRing":
    """Return the key ring in a process that ``manage.py`` did not start. Raises ``NotConfigured`` with what to do."""
    from sessions_app import crypto

    try:
        prepare_key_ring()
    except (StartError, datadir.DataDirError) as error:
        raise NotConfigured(str(error)) from error
    return crypto.current()

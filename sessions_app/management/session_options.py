"""``manage.py sessions create --set`` and ``sessions set``: options of a session from the terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from providers_app.types.catalogue import SettingField
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from sessions_app.services import options as service


def add_to_create(parser: CommandParser) -> None:
    """Add the argument of ``create``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the session; `sessions set SESSION` lists those of its provider. Never a secret",
    )


def add_set(parser: CommandParser) -> None:
    """Add the arguments of ``set``."""
    parser.add_argument("session", metavar="SESSION", help="id, name, or auth_type:name")
    parser.add_argument(
        "assignment",
        nargs="*",
        metavar="NAME=VALUE",
        help="an option and its value; NAME= takes it away; without any, the options are listed",
    )
    parser.add_argument("--provider", default="", help="provider slug, where the name alone is ambiguous")
    parser.add_argument("--auth-type", default="", choices=AuthSession.AuthType.values, help="auth type")


def change(command: BaseCommand, options: dict[str, Any]) -> None:
    """Change options, or list what there is to choose."""
    owner = terminal.owner_id(options["owner"])
    session = terminal.session_of(options, owner)
    changed: tuple[str, ...] = ()
    if options["assignment"]:
        changed = service.change(session, service.parse(options["assignment"]), actor_id=owner)
    if options["json"]:
        found = [_as_dict(field, session) for field in service.declared(session)]
        result = {"session": str(session), "id": str(session.pk), "options": session.options}
        terminal.dump(command, {**result, "changed": list(changed), "declared": found})
        return
    if options["assignment"]:
        said = ", ".join(f"{name} = {session.options.get(name) or 'as configured'}" for name in changed)
        terminal.write(command, terminal.printable(f"{session}: {said or 'nothing to change'}.\n"))
        return
    fields = service.declared(session)
    if not fields:
        terminal.write(command, f"{session.provider} declares no options for its sessions.\n")
    for field in fields:
        terminal.write(command, terminal.printable(_line(field, session)) + "\n")


def _line(field: SettingField, session: AuthSession) -> str:
    value = session.options.get(field.name)
    choices = f" One of: {', '.join(field.choices)}." if field.choices else ""
    return f"{field.name} = {value if value else '(as configured)'}\n    {field.label}. {field.help}{choices}".rstrip()


def _as_dict(field: SettingField, session: AuthSession) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.label,
        "help": field.help,
        "required": field.required,
        "choices": list(field.choices),
        "value": session.options.get(field.name),
    }

"""``manage.py advise PROVIDER MODEL``: what would be said of parameters, without sending anything.

Exit code 1 where the request would be refused; with ``--strict`` also where something would be left out or changed.
"""

from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser

from providers_app import provider
from providers_app.advice.draft import CHANGES
from providers_app.types.advice import Advice
from providers_app.types.credentials import Credential
from sessions_app import selectors
from sessions_app.credentials import login_of
from sessions_app.management import parameters, terminal


class Command(BaseCommand):
    help = "Say what a provider and model would refuse, leave out or do better with, for parameters and tools."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", metavar="PROVIDER", help="provider slug")
        parser.add_argument("model", metavar="MODEL", help="model id")
        parser.add_argument("--session", default="", metavar="SESSION", help="judge it for this session's login")
        parser.add_argument("--tools", default="", metavar="FILE", help="JSON list of tools to judge as well")
        parameters.add(parser)
        terminal.add_owner(parser)
        terminal.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["json"]
        with terminal.errors(self, as_json):
            found = self._advice(options)
            if as_json:
                terminal.dump(self, {"advice": [msgspec.to_builtins(item) for item in found]})
            else:
                terminal.write(self, table(found))
        refused = {item.level for item in found} & {"error"}
        if refused or (options["strict"] and any(item.code in CHANGES for item in found)):
            raise SystemExit(1)

    def _advice(self, options: dict[str, Any]) -> list[Advice]:
        tools = parameters.read_json(options["tools"], "--tools") if options["tools"] else None
        return provider.validate_parameters(
            options["provider"], options["model"], parameters.read(options), tools=tools, **self._login(options)
        )

    def _login(self, options: dict[str, Any]) -> dict[str, Any]:
        if not options["session"]:
            return {}
        owner = terminal.owner_id(options["owner"])
        row = selectors.find(owner, options["provider"], options["session"], None)
        login: Credential = login_of(row)
        return {"credential": login, "session": row.name}


def table(found: list[Advice]) -> str:
    """Format the advice for a terminal: a line for each finding, and below it the reason and the nearest value."""
    if not found:
        return "Nothing to say: everything is sent as it is.\n"
    width = max(len(item.field) for item in found)
    lines = []
    for item in found:
        lines.append(f"{item.level:<8}{item.field:<{width}}  {item.what}  [{item.code}]")
        if item.why:
            lines.append(f"{'':<{8 + width}}  {item.why}")
        if item.nearest is not None:
            lines.append(f"{'':<{8 + width}}  Nearest: {msgspec.json.encode(item.nearest).decode()}")
    return terminal.printable("\n".join(lines)) + "\n"

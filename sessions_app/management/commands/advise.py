"""``manage.py advise PROVIDER MODEL``: what would be said of parameters, without sending anything.

Exit code 1 where the request would be refused; with ``--strict`` also where something would be left out or changed.
"""

from typing import Any

import msgspec
from django.core.management.base import CommandParser

from providers_app import provider
from providers_app.advice.draft import CHANGES
from providers_app.types.advice import Advice
from sessions_app.credentials import login_of
from sessions_app.management import parameters, terminal


class Command(terminal.TerminalCommand):
    help = "Say what a provider and model would refuse, leave out or do better with, for parameters and tools."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", metavar="PROVIDER", help="provider slug")
        parser.add_argument("model", metavar="MODEL", help="model id")
        parser.add_argument("--session", default="", metavar="SESSION", help="judge it for this session's login")
        parser.add_argument("--tools", default="", metavar="FILE", help="JSON list of tools to judge as well")
        parameters.add(parser)
        terminal.add_owner(parser)
        terminal.add_json(parser)

    def run(self, options: dict[str, Any]) -> None:
        """Print the advice."""
        tools = parameters.read_json(options["tools"], "--tools") if options["tools"] else None
        given = parameters.read(options)
        row = terminal.session_of(options) if options["session"] else None
        login: dict[str, Any] = {"credential": login_of(row), "session": row.name} if row else {}
        found = provider.validate_parameters(options["provider"], options["model"], given, tools=tools, **login)
        self.answer({"advice": msgspec.to_builtins(found)}, table(found))
        if any(item.level == "error" or (options["strict"] and item.code in CHANGES) for item in found):
            raise SystemExit(1)


def table(found: list[Advice]) -> str:
    """Format the advice for a terminal: a line for each finding, and below it the reason and the nearest value."""
    if not found:
        return "Nothing to say: everything is sent as it is."
    width = max(len(item.field) for item in found)
    lines = []
    for item in found:
        lines.append(f"{item.level:<8}{item.field:<{width}}  {item.what}  [{item.code}]")
        if item.why:
            lines.append(f"{'':<{8 + width}}  {item.why}")
        if item.nearest is not None:
            lines.append(f"{'':<{8 + width}}  Nearest: {msgspec.json.encode(item.nearest).decode()}")
    return "\n".join(lines)

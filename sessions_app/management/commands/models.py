"""``manage.py models SESSION``: which models a session sees."""

from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser

from providers_app import loop, provider
from providers_app.types.catalogue import ModelInfo
from sessions_app import selectors
from sessions_app.management import terminal


class Command(BaseCommand):
    help = "List the models that a session sees, asked from its provider."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        terminal.add_session(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with terminal.errors(self, options["json"]):
            owner = terminal.owner_id(options["owner"])
            session = selectors.find(
                owner, options["provider"] or None, options["session"], options["auth_type"] or None
            )
            try:
                asked = provider.list_models(session.provider, None, str(session.pk), refresh=True, owner=owner)
                found = loop.run(asked)
            finally:
                terminal.settle()
            self._print(found, options["json"])

    def _print(self, found: list[ModelInfo], as_json: bool) -> None:
        if as_json:
            rows = [msgspec.to_builtins(model) for model in found]
            terminal.dump(self, [{name: value for name, value in row.items() if name != "raw"} for row in rows])
            return
        for model in found:
            window = f"{model.context_window:,} tokens" if model.context_window else ""
            terminal.write(self, terminal.printable(f"{model.id}  {window}").rstrip() + "\n")

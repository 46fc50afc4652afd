"""``manage.py settings_docs [--check]``: writes ``docs/configuration.md`` and ``.env.example``, or checks them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from maestro_site import settings_reference

SHOWN = 20


class Command(BaseCommand):
    help = "Write docs/configuration.md and .env.example from the settings themselves."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where one is not current")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            for path in settings_reference.write():
                self.stdout.write(f"wrote {path}")
            return
        if lines := settings_reference.differences():
            lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
            self.stdout.write("\n".join(lines))
            raise CommandError("The settings reference is out of date. Run `manage.py settings_docs`.")

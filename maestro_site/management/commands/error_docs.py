"""``manage.py error_docs [--check]``: writes ``docs/troubleshooting.md``, or checks it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from maestro_site import error_reference
from maestro_site.environment import ROOT


class Command(BaseCommand):
    help = "Write docs/troubleshooting.md from the errors themselves."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is not current")

    def handle(self, *args: Any, **options: Any) -> None:
        path, text = ROOT / error_reference.PAGE, error_reference.text()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        if options["check"]:
            raise CommandError(f"{error_reference.PAGE} is out of date. Run `manage.py error_docs`.")
        path.write_text(text, encoding="utf-8")
        self.stdout.write(f"wrote {error_reference.PAGE}")

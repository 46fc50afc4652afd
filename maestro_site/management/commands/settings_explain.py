"""``manage.py settings_explain [NAME]``: shows a setting, its value, where that comes from, and what it hides."""

import json
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from maestro_site.effective_settings import EffectiveSetting, EffectiveSettings, effective_settings

WIDEST = 60


class Command(BaseCommand):
    help = "Show a setting, its value and where that comes from. Secrets are masked."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        words = "a variable, alias or path (providers.openai.base_url); without it, all that differ from their defaults"
        parser.add_argument("name", nargs="?", default="", help=words)
        parser.add_argument("--all", action="store_true", help="without NAME: every setting")
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        found = effective_settings()
        chosen = self._chosen(found, options)
        if options["json"]:
            self._dump(found, chosen)
            return
        if len(chosen) == 1 and options["name"]:
            self._one(chosen[0])
        else:
            self._table(chosen)
        for sentence in (*found.problems, *found.warnings):
            self.stderr.write(sentence)

    def _chosen(self, found: EffectiveSettings, options: dict[str, Any]) -> tuple[EffectiveSetting, ...]:
        name = options["name"]
        if not name:
            return found.settings if options["all"] else tuple(each for each in found.settings if each.changed)
        if chosen := found.find(name):
            return chosen
        near = f" Did you mean {found.nearest(name)}?" if found.nearest(name) else ""
        raise CommandError(f"There is no setting {name[:80]!r}.{near}")

    def _dump(self, found: EffectiveSettings, chosen: tuple[EffectiveSetting, ...]) -> None:
        settings = [msgspec.to_builtins(each) for each in chosen]
        for each, shown in zip(chosen, settings, strict=True):
            shown["source"]["words"] = str(each.source)
        answer = {"settings": settings, "problems": found.problems, "warnings": found.warnings}
        self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))

    def _one(self, one: EffectiveSetting) -> None:
        rows = [
            ("value", one.value or "(none)"),
            ("from", str(one.source)),
            ("hides", "; ".join(map(str, one.shadows))),
            ("problem", one.problem),
            ("default", one.default or "(none)"),
            ("type", one.type + (", secret" if one.secret else "")),
            ("also read from", ", ".join(one.aliases)),
            ("path", one.path),
            ("declared in", one.declared),
            ("takes effect", "at the next start"),
        ]
        self.stdout.write(f"{one.name}\n  {one.help}\n")
        for label, words in rows:
            if words and not (label == "value" and one.problem):
                self.stdout.write(f"  {label:<15} {words}")

    def _table(self, chosen: tuple[EffectiveSetting, ...]) -> None:
        if not chosen:
            self.stdout.write("Every setting has its default. `settings_explain --all` lists them.")
            return
        rows = [("SETTING", "VALUE", "FROM"), *map(_row, chosen)]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for name, value, source in rows:
            self.stdout.write(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}".rstrip())


def _row(one: EffectiveSetting) -> tuple[str, str, str]:
    text = "(wrong)" if one.problem else one.value or "(none)"
    hidden = f", hides {', '.join(each.variable for each in one.shadows)}" if one.shadows else ""
    return one.name, text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}...", f"{one.source}{hidden}"

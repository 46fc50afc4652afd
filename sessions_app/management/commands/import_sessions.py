"""``manage.py import_sessions FILE...``: logins of other programs become sessions; ``--undo`` takes an import back."""

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandParser

from providers_app import environment_keys
from providers_app.errors import InvalidRequest
from sessions_app.import_sources import formats
from sessions_app.management import terminal
from sessions_app.models import ImportRun
from sessions_app.providers import slugs
from sessions_app.services import import_undo, imports
from sessions_app.services.imports import Line, Plan


class Command(BaseCommand):
    help = "Import logins that other programs stored: tables of the earlier product, CLI logins, key files."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = ", ".join(f"{name} ({label})" for name, label in formats.kinds().items())
        add = parser.add_argument
        add("file", nargs="*", help="the file, or the files that belong together; - is standard input")
        add("--kind", default="", metavar="KIND", help=f"what it is, where that is not recognised: {kinds}")
        add("--env", action="store_true", help="the logins in this installation's environment (OPENAI_API_KEY ...)")
        add("--dry-run", action="store_true", help="say what would be done, and do nothing")
        add("--replace", action="store_true", help="replace the login of a session that has the name already")
        add("--skip", action="store_true", help="leave out what cannot be imported instead of refusing all")
        add("--retired", action="store_true", help="the earlier product does not run any more: refresh its logins")
        add("--undo", default="", metavar="ID", help="take the import with this id back")
        add("--force", action="store_true", help="with --undo: also where sessions have a newer login")
        add("--list", action="store_true", help="show the imports that were made")
        terminal.add_owner(parser)
        terminal.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with terminal.errors(self, options["json"]):
            if options["list"]:
                self._list(options["json"])
            elif options["undo"]:
                self._undo(options)
            else:
                self._import(options)

    def _import(self, options: dict[str, Any]) -> None:
        if options["env"] and (options["file"] or options["kind"]):
            raise InvalidRequest("--env reads no files.", hint="Import them by a command of their own.")
        if not options["env"] and not options["file"]:
            raise InvalidRequest("No file was named.", hint="Name one, or - for standard input, or --env.")
        owner = terminal.owner_id(options["owner"])
        texts = [_text(name) for name in options["file"]]
        kind = formats.SETTINGS if options["env"] else options["kind"] or formats.recognise(texts)
        logins = formats.read(kind, texts, slugs(), retired=options["retired"])
        if options["env"] and not logins:
            raise InvalidRequest("The environment holds no login of a provider.", hint=_key_names())
        source = "environment" if options["env"] else ", ".join(Path(name).name for name in options["file"])
        plan = imports.plan(owner, kind, logins, source=source, replace=options["replace"])
        stopped = plan.of("refused", "conflict") and not options["skip"] and kind == formats.LEGACY
        run = None
        if not options["dry_run"] and not stopped:
            run = imports.carry_out(plan, actor_id=owner)
            imports.fetch_first(plan)
        self._report(plan, run, options, stopped=bool(stopped))
        if stopped or (not run and not plan.of("unchanged", "create", "replace")):
            raise SystemExit(1)

    def _report(self, plan: Plan, run: ImportRun | None, options: dict[str, Any], *, stopped: bool) -> None:
        counts = {what: len(plan.of(what)) for what in ("create", "replace", "unchanged", "conflict", "refused")}  # type: ignore[arg-type]
        if options["json"]:
            lines = [_as_dict(line) for line in plan.lines]
            terminal.dump(self, {"kind": plan.kind, "run": str(run.pk) if run else None, **counts, "logins": lines})
            return
        shown = plan.lines if len(plan.lines) <= 50 else plan.of("refused", "conflict")[:50]
        for line in shown:
            words = f"{line.what:<10} {line.login.provider or '-':<14} {line.login.auth_type:<8} {line.name or '-'}"
            tail = f"  {line.login.where}" + (f": {line.why}" if line.why else "")
            terminal.write(self, terminal.printable(words + tail) + "\n")
        done = "would be" if options["dry_run"] or stopped else "are"
        terminal.write(
            self,
            f"{counts['create']} {done} created, {counts['replace']} replaced; {counts['unchanged']} unchanged, "
            f"{counts['conflict']} in conflict, {counts['refused']} cannot be imported.\n",
        )
        if stopped:
            terminal.write(self, "Nothing was changed: --skip leaves out what cannot be imported.\n")
        if run is not None:
            terminal.write(self, f"Take it back with: manage.py import_sessions --undo {run.pk}\n")

    def _undo(self, options: dict[str, Any]) -> None:
        try:
            run = ImportRun.objects.get(pk=UUID(options["undo"]))
        except (ImportRun.DoesNotExist, ValueError, ValidationError):
            raise InvalidRequest("There is no import with this id.", hint="See `import_sessions --list`.") from None
        destroyed, restored = import_undo.roll_back(run, force=options["force"])
        if options["json"]:
            terminal.dump(self, {"run": str(run.pk), "destroyed": destroyed, "restored": restored})
            return
        terminal.write(self, f"Taken back: {destroyed} sessions destroyed, {restored} put back as they were.\n")

    def _list(self, as_json: bool) -> None:
        runs = list(ImportRun.objects.defer("sealed_backup"))
        if as_json:
            terminal.dump(self, [_run(run) for run in runs])
            return
        if not runs:
            terminal.write(self, "No imports.\n")
        for run in runs:
            state = "taken back" if run.rolled_back_at else f"{run.created} created, {run.replaced} replaced"
            text = f"{run.pk}  {run.created_at:%Y-%m-%d %H:%M}  {run.kind}  {run.source}  {state}"
            terminal.write(self, terminal.printable(text) + "\n")


def _key_names() -> str:
    fields = (environment_keys.FIELD, environment_keys.FILE_FIELD)
    known = [name for field in fields for name in environment_keys.slugs_by_name(field)]
    names = [name for name in known if not name.startswith("MAESTRO_")]
    return f"It is looked for under {', '.join(names)}, and a key under <name>_FILE."


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"{name} is not text in UTF-8.") from None


def _as_dict(line: Line) -> dict[str, Any]:
    return {
        "what": line.what,
        "provider": line.login.provider,
        "auth_type": line.login.auth_type,
        "name": line.name,
        "where": line.login.where,
        "why": line.why,
        "session": str(line.row.pk) if line.row else None,
    }


def _run(run: ImportRun) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "kind": run.kind,
        "source": run.source,
        "created": run.created,
        "replaced": run.replaced,
        "unchanged": run.unchanged,
        "at": run.created_at.isoformat(),
        "taken_back_at": run.rolled_back_at.isoformat() if run.rolled_back_at else None,
    }

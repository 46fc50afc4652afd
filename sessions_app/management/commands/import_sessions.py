"""``manage.py import_sessions FILE...``: logins of other programs become sessions; ``--undo`` takes an import back."""

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from providers_app import environment_keys
from providers_app.errors import InvalidRequest
from sessions_app.import_sources import formats
from sessions_app.management import terminal
from sessions_app.models import ImportRun
from sessions_app.providers import slugs
from sessions_app.services import imports
from sessions_app.services.imports import Line, Plan


class Command(terminal.TerminalCommand):
    help = "Import logins that other programs stored: tables of the earlier product, CLI logins, key files."

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

    def run(self, options: dict[str, Any]) -> None:
        """Import, undo or list."""
        if options["list"]:
            runs = list(ImportRun.objects.defer("sealed_backup"))
            self.answer([_run(run) for run in runs], "\n".join(map(_run_line, runs)) or "No imports.")
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
            fields = (environment_keys.FIELD, environment_keys.FILE_FIELD)
            known = [name for field in fields for name in environment_keys.slugs_by_name(field)]
            names = ", ".join(name for name in known if not name.startswith("MAESTRO_"))
            hint = f"It is looked for under {names}, and a key under <name>_FILE."
            raise InvalidRequest("The environment holds no login of a provider.", hint=hint)
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
        if self.as_json:
            lines = [_as_dict(line) for line in plan.lines]
            self.dump({"kind": plan.kind, "run": str(run.pk) if run else None, **counts, "logins": lines})
            return
        shown = plan.lines if len(plan.lines) <= 50 else plan.of("refused", "conflict")[:50]
        for line in shown:
            words = f"{line.what:<10} {line.login.provider or '-':<14} {line.login.auth_type:<8} {line.name or '-'}"
            self.say(f"{words}  {line.login.where}{line.why and f': {line.why}'}")
        done = "would be" if options["dry_run"] or stopped else "are"
        self.say(
            f"{counts['create']} {done} created, {counts['replace']} replaced; {counts['unchanged']} unchanged, "
            f"{counts['conflict']} in conflict, {counts['refused']} cannot be imported."
        )
        if stopped:
            self.say("Nothing was changed: --skip leaves out what cannot be imported.")
        if run is not None:
            self.say(f"Take it back with: manage.py import_sessions --undo {run.pk}")

    def _undo(self, options: dict[str, Any]) -> None:
        try:
            run = ImportRun.objects.get(pk=UUID(options["undo"]))
        except (ImportRun.DoesNotExist, ValueError, ValidationError):
            raise InvalidRequest("There is no import with this id.", hint="See `import_sessions --list`.") from None
        destroyed, restored = imports.roll_back(run, force=options["force"])
        words = f"Taken back: {destroyed} sessions destroyed, {restored} put back as they were."
        self.answer({"run": str(run.pk), "destroyed": destroyed, "restored": restored}, words)


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"{name} is not text in UTF-8.") from None


def _as_dict(line: Line) -> dict[str, Any]:
    login, session = line.login, str(line.row.pk) if line.row else None
    named = {"what": line.what, "provider": login.provider, "auth_type": login.auth_type, "name": line.name}
    return named | {"where": login.where, "why": line.why, "session": session}


def _run(run: ImportRun) -> dict[str, Any]:
    counts = {name: getattr(run, name) for name in ("kind", "source", "created", "replaced", "unchanged")}
    taken_back = run.rolled_back_at.isoformat() if run.rolled_back_at else None
    return {"id": str(run.pk), **counts, "at": run.created_at.isoformat(), "taken_back_at": taken_back}


def _run_line(run: ImportRun) -> str:
    state = "taken back" if run.rolled_back_at else f"{run.created} created, {run.replaced} replaced"
    return f"{run.pk}  {run.created_at:%Y-%m-%d %H:%M}  {run.kind}  {run.source}  {state}"

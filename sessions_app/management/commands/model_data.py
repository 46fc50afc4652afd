"""``manage.py model_data``: check the files that tell of models, or bring one up to date from a list."""

import os
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandError, CommandParser

from providers_app import conf
from providers_app.behaviours.lookups import items_of
from providers_app.behaviours.openai_models import read_model
from providers_app.model_data.file import MAX_BYTES, ModelFile, ModelFileError, Source, read
from providers_app.model_data.library import library
from providers_app.model_data.update import Changes, updated, written
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve
from providers_app.types.catalogue import ModelInfo
from providers_app.wire import payload
from sessions_app.management import terminal

SHOWN = 40


class Command(terminal.TerminalCommand):
    help = (
        "Check the files of models (--check), or update one from a provider's list: asked through a session "
        "(--from-session) or downloaded (--from-file). Without --write, the file in your own models folder is written, "
        "which starts as a copy of the one that ships. Figures of a later day and entries that are marked by_hand stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail where a file is wrong or out of date")
        lists = parser.add_mutually_exclusive_group()
        lists.add_argument("--from-session", default="", metavar="SESSION", help="ask the provider of this session")
        lists.add_argument("--from-file", default="", metavar="FILE", help="a list as the provider gives it (JSON)")
        parser.add_argument("--provider", default="", metavar="SLUG", help="whose models they are")
        parser.add_argument("--as-of", default="", metavar="DAY", help="day of the list; else the file's, or today")
        parser.add_argument("--write", default="", metavar="PATH", help="write this file instead of your own")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and write nothing")
        terminal.add_owner(parser)
        terminal.add_json(parser)

    def run(self, options: dict[str, Any]) -> None:
        """Check the files, or update one from a list. Raises ``CommandError`` for what cannot be read or written."""
        if not options["from_session"] and not options["from_file"]:
            if not options["check"]:
                raise CommandError("Pass --check, --from-session or --from-file.")
            self._check(options["provider"])
            return
        slug, listed, source = _listed(options)
        folder = conf.current().model_data_dir
        if not options["write"] and not folder:
            raise CommandError("There is no folder for model files of your own; pass --write.")
        target = Path(options["write"] or f"{folder}/{slug}.json")
        file, changes = updated(_before(target, slug), slug, listed, source)
        self._report(slug, changes)
        if options["check"] and changes.any:
            raise SystemExit(1)
        if not changes.any or options["dry_run"] or options["check"]:
            return
        data = written(file)
        read(data, slug)  # what cannot be read again is never written
        _write(target, data)
        self.note(f"Written: {target}")

    def _check(self, slug: str) -> None:
        slugs = [slug] if slug else sorted(registry.packages())
        if slug:
            registry.card(slug)
        found = [{"file": path, "problem": text} for each in slugs for path, text in library.problems(each)]
        files = sum(library.file(each, own=own) is not None for each in slugs for own in (False, True))
        lines = [f"{item['file']}: {item['problem']}" for item in found] or [f"{files} files of models are in order."]
        self.answer(found, "\n".join(lines))
        if found:
            raise SystemExit(1)

    def _report(self, slug: str, changes: Changes) -> None:
        lines = [f"added    {model_id}" for model_id in changes.added]
        lines += [
            f"changed  {one}.{figure}: {_short(old)} -> {_short(new)}" for one, figure, old, new in changes.changed
        ]
        lines += [f"kept     {one}.{figure}: {why}" for one, figure, why in changes.kept]
        lines += [f"gone     {model_id} (not in this list; it stays in the file)" for model_id in changes.gone]
        if len(lines) > SHOWN:
            lines[SHOWN:] = [f"... and {len(lines) - SHOWN} more lines; --json has all of them"]
        counts = f"{len(changes.added)} added, {len(changes.changed)} figures changed, {len(changes.gone)} gone"
        lines.append(f"{slug}: {counts}, {len(changes.kept)} kept.")
        self.answer({"provider": slug, **msgspec.to_builtins(changes)}, "\n".join(lines))


def _listed(options: dict[str, Any]) -> tuple[str, list[ModelInfo], Source]:
    """Return the provider, its list and the source of that list."""
    day = options["as_of"]
    if options["from_session"]:
        session = terminal.session_of(options, options["from_session"])
        found = terminal.models_of(session)
        origin = f"the list of models that {session.provider} gives to a session"
        return session.provider, found, _source(origin, day or datetime.now(UTC).date().isoformat())
    slug = options["provider"]
    if not slug:
        raise CommandError("Pass --provider: whose models are in the file?")
    registry.card(slug)
    path = Path(options["from_file"])
    try:
        stat = path.stat()
        if stat.st_size > MAX_BYTES * 8:
            raise CommandError(f"{path} is too large to be a list of models.")
        items = items_of(payload.decode(path.read_bytes()), "data", "models", "publisherModels")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise CommandError(f"{path} is not JSON.") from None
    reader = getattr(resolve(slug, "models"), "read", read_model)
    found = [model for item in items if (model := reader(item)) is not None]
    if not found:
        raise CommandError(f"There is no model of {slug} in {path}.")
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).date().isoformat()
    return slug, found, _source(f"a downloaded list of models of {slug}", day or modified)


def _source(origin: str, day: str) -> Source:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise CommandError(f"--as-of is a day like 2026-11-27, not {day!r}.") from None
    return Source(origin=origin, as_of=day)


def _before(target: Path, slug: str) -> ModelFile | None:
    """Return the file as it is, else a copy of the one that ships. Raises ``CommandError`` for a broken one."""
    try:
        return read(target.read_bytes(), slug)
    except FileNotFoundError:
        return library.file(slug)
    except (OSError, ModelFileError) as error:
        raise CommandError(f"{target} cannot be used: {error}. Mend it or remove it.") from None


def _write(target: Path, data: bytes) -> None:
    """Replace the file atomically: readers in other processes see the old file or the new one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            made = Path(folder, target.name)
            with made.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            made.chmod(0o644)
            made.replace(target)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror}") from None


def _short(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

"""Pages of proofs in sections, each of which is written by itself and leaves the others as they are."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.processes import ROOT


def when_and_where() -> str:
    """Return date, commit and machine of a run."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}, {machine}."


def write_section(page: Path, title: str, about: str, lines: list[str], keep: Sequence[str] = ()) -> None:
    """Put a section with this title into the page, in the place of an earlier one or at the end.

    ``keep`` names rows, in their order, that the earlier section may have and this run does not: these are kept.
    """
    text, when = page.read_text(), when_and_where()
    old = _section(text, title)
    kept = {name: row for row in (old[0].splitlines() if old else ()) if (name := _name(row)) in keep}
    new = {name: row for row in lines if (name := _name(row)) in keep}
    if kept := {name: row for name, row in kept.items() if name not in new}:
        rows = [{**kept, **new}[name] for name in keep if name in kept or name in new]
        lines = [*lines[:2], *rows, *(line for line in lines[2:] if line not in rows)]
        when = f"{when} {len(kept)} of the rows are of earlier runs."
    content = "\n\n".join((about.strip(), when, "\n".join(lines)))
    page.write_text(with_section(text, title, content))


def with_section(text: str, title: str, content: str) -> str:
    """Return a page in which the section of this title has this content."""
    section = f"## {title}\n\n{content.strip()}\n"
    found = _section(text, title)
    if found is None:
        return f"{text.rstrip()}\n\n{section}"
    rest = text[found.end() :]
    return text[: found.start()] + section + ("\n" + rest if rest else "")


def _section(text: str, title: str) -> re.Match[str] | None:
    return re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)


def _name(row: str) -> str:
    """Return the first cell of a row, empty for any other line."""
    return row.split("|")[1].strip() if row.startswith("| ") else ""

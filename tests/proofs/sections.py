"""Pages of proofs in sections, each of which is written by itself and leaves the others as they are."""

import os
import platform
import re
import subprocess
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


def write_section(page: Path, title: str, about: str, lines: list[str]) -> None:
    """Put a section with this title into the page, in the place of an earlier one or at the end."""
    page.write_text(
        with_section(page.read_text(), title, f"{about.strip()}\n\n{when_and_where()}\n\n" + "\n".join(lines))
    )


def with_section(text: str, title: str, content: str) -> str:
    """Return a page in which the section of this title has this content."""
    section = f"## {title}\n\n{content.strip()}\n"
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        return f"{text.rstrip()}\n\n{section}"
    rest = text[found.end() :]
    return text[: found.start()] + section + ("\n" + rest if rest else "")

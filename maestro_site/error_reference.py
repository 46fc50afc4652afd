"""The meaning, cause and remedy of each stable error code, made of the error tree itself.

``docs/troubleshooting.md`` and the page ``/help/errors/`` show the same entries, so that a code on a page, in a log or
in a command's output is found in one place.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from context_app import errors as context_errors
from context_app import markup
from context_app.streams import reader
from providers_app import errors
from sessions_app import errors as session_errors
from sessions_app.management.commands.chat import EARLY_ENDS

PAGE = Path("docs/troubleshooting.md")
HEAD = """# Troubleshooting

<!-- Written by `manage.py error_docs`; a change here is lost. -->

Every error has a stable code, which a page shows beside it, a command in `error[code]: ...`, and Python in
`error.code`. `/help/errors/` of a running server shows this list too. A provider's own words stand in the message.

The [exit codes](operations.md) of the commands, and [`/readyz`](operations.md) for the parts of an installation, are
described with the operation of a server.
"""
_OWN = (*vars(context_errors).values(), *vars(session_errors).values(), reader.UnknownStream)
"""The apps' own errors; named so that their modules are loaded."""


class Entry(msgspec.Struct, frozen=True):
    """One code. ``step`` is the label of the button that a page offers, empty where there is none."""

    code: str
    status: int
    what: str
    why: str
    fix: str
    step: str = ""


class Section(msgspec.Struct, frozen=True):
    """Entries under a heading, sorted by code."""

    title: str
    entries: tuple[Entry, ...]


def sections() -> tuple[Section, ...]:
    """Return every code that an error of Maestro can have; one that several classes share is told once."""
    found: dict[str, dict[str, Entry]] = {
        title: {} for title in ("The provider", "Sessions and sign-ins", "Requests", "This server")
    }
    taken: set[str] = set()
    for kind in _classes(errors.ProviderError):
        if kind.code not in taken:
            taken.add(kind.code)
            found[_title(kind)][kind.code] = entry(kind)
    groups = [Section(title, tuple(sorted(rows.values(), key=lambda row: row.code))) for title, rows in found.items()]
    ends = tuple(
        Entry(
            f"answer_{finish}", 200, f"{what}.", "The provider said so.", hint or "Regenerate, or change the request."
        )
        for finish, (what, hint) in sorted(EARLY_ENDS.items())
    )
    return (*groups, Section("Answers that ended early (manage.py chat)", ends))


def entry(kind: type[errors.ProviderError]) -> Entry:
    """Return the entry of a class of errors; the beginning of its docstring says what happened."""
    first = re.split(r"[.;:](?:\s|$)", " ".join((kind.__doc__ or "").split()), maxsplit=1)[0].replace("``", "`") + "."
    step = {errors.Step.RENEW: "Sign in again, Replace key"}.get(kind.step, kind.step.label)
    return Entry(kind.code, kind.http_status, first, kind.why, kind.default_hint or kind.fix, step)


def text() -> str:
    """Return the page as Markdown."""
    lines = [HEAD]
    for section in sections():
        lines += [f"## {section.title}", ""]
        for row in section.entries:
            button = f" [{row.step}]" if row.step else ""
            lines += [f"### `{row.code}`", "", f"HTTP {row.status}. {row.what}", ""]
            lines += [f"- **Why:** {row.why}", f"- **What to do:** {row.fix}{button}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _classes(kind: type[errors.ProviderError]) -> Iterator[type[errors.ProviderError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.split(".")[0] in ("providers_app", "sessions_app", "context_app", "maestro_site"):
            yield from _classes(child)


def _title(kind: type[errors.ProviderError]) -> str:
    if issubclass(kind, errors.UpstreamError):
        return "The provider"
    if not issubclass(kind, errors.CallerError):
        return "This server"
    return "Sessions and sign-ins" if kind.__module__ == "providers_app.errors.sessions" else "Requests"


@login_required
@require_safe
def errors_page(request: HttpRequest) -> HttpResponse:
    """Show every code with its cause and remedy; each can be linked by its code."""
    return render(request, "help/errors.html", {"sections": _html_sections()})


@cache
def _html_sections() -> list[dict[str, Any]]:
    return [
        {
            "title": section.title,
            "entries": [
                {
                    "row": row,
                    "what": markup.to_html(row.what),
                    "why": markup.to_html(row.why),
                    "fix": markup.to_html(row.fix),
                }
                for row in section.entries
            ],
        }
        for section in sections()
    ]

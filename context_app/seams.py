"""The seams of answers that went on after they broke off: where they stand in a text, and in words."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.html import format_html

from context_app import markup_worker
from context_app.models import ContextChunk
from providers_app.types.continuing import SAID

MARK = "\ue0f1"
"""Stands for a seam while its text is rendered: a character for private use, which no model writes."""
_FENCE = re.compile(r"\s*(?:```|~~~)")
_IN_TAGS = re.compile(f"<[^<>]*{MARK}[^<>]*>")


def of_chunk(chunk: ContextChunk) -> list[dict[str, Any]]:
    """Return the seams in the text of a chunk."""
    return of_metadata(chunk.metadata)


def of_metadata(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the seams that a chunk's metadata names: ``at`` (characters before it), ``way``, ``reason``."""
    found = metadata.get("seams")
    seams = [dict(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return [one for one in seams if isinstance(one.get("at"), int) and one.get("way") in SAID]


def in_words(seam: Mapping[str, Any]) -> str:
    """Return a sentence that says how the answer went on, and why it had to."""
    said = f"Continued after {seam['at']:,} characters: {SAID[seam['way']]}."
    return f"{said} Cause: {seam['reason']}" if seam.get("reason") else said


def all_in_words(chunks: Iterable[ContextChunk]) -> list[str]:
    """Return a sentence for each seam of an answer."""
    return [in_words(seam) for chunk in chunks for seam in of_chunk(chunk)]


def to_html(chunk: ContextChunk) -> str:
    """Return the text of a chunk as HTML, with a mark at each seam."""
    seams = of_chunk(chunk)
    if not seams:
        return markup_worker.to_html(chunk.content)
    text = chunk.content.replace(MARK, "")
    for seam in reversed(seams):
        place = place_of(text, seam["at"])
        text = text[:place] + MARK + text[place:]
    html = _IN_TAGS.sub(lambda found: found[0].replace(MARK, ""), markup_worker.to_html(text))
    marks = [format_html('<span class="seam" role="note" title="{}">continued</span>', in_words(one)) for one in seams]
    for mark in marks:
        html = html.replace(MARK, mark, 1) if MARK in html else f"{html}<p>{mark}</p>"
    return html.replace(MARK, "")


def place_of(text: str, at: int) -> int:
    """Return the place for a mark: the end of the word at the seam, and never in the line that opens a code block."""
    place = min(at, len(text))
    while True:
        while place < len(text) and not text[place].isspace():
            place += 1
        line = text.rfind("\n", 0, place) + 1
        if place == len(text) or not _FENCE.match(text, line, place):
            return place
        following = text.find("\n", place)
        if following < 0:
            return len(text)
        place = following + 1
        while place < len(text) and text[place].isspace():
            place += 1

"""The parts of the chaos proof, and how they are played."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.proofs.chaos import browser, cuts, infrastructure, matrix, overload, recovery, stopping, truncation
from tests.proofs.chaos.part import Part
from tests.proofs.sections import write_section

PARTS: tuple[Part, ...] = (
    *matrix.PARTS,
    truncation.PART,
    recovery.PART,
    overload.PART,
    stopping.PART,
    infrastructure.PART,
    browser.PART,
    cuts.PART,
)
"""In the order of the page."""


def run(
    full: bool, say: Callable[[str], None], pattern: str = "", page: Path | None = None, parts: Sequence[Part] = PARTS
) -> bool:
    """Play the cells whose name contains ``pattern`` and write the section of each part; ``True``: everything held."""
    holds = True
    for part in parts:
        cells = part.chosen(pattern)
        if not cells:
            continue
        lines: list[str] = []

        def tell(line: str, lines: list[str] = lines) -> None:
            lines.append(line)
            say(line)

        say(f"\n{part.title}\n")
        holds = part.play(cells, full, tell) and holds
        if page is not None:
            write_section(page, part.title, part.about, lines, keep=(*part.always, *part.cells))
    return holds

"""A part of the chaos proof: cells with names, and how those that were chosen are played."""

from collections.abc import Callable, Sequence

import msgspec

Say = Callable[[str], None]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """``title`` and ``about`` head its section of the page; ``play`` takes names of cells, whether they are played at
    full size, and where its table goes, and returns whether everything held. ``always`` are rows of every run."""

    name: str
    title: str
    about: str
    cells: tuple[str, ...]
    play: Callable[[Sequence[str], bool, Say], bool]
    always: tuple[str, ...] = ()

    def chosen(self, pattern: str) -> list[str]:
        """Return the cells whose name, with the part's in front, contains ``pattern``."""
        return [cell for cell in self.cells if pattern.casefold() in f"{self.name}: {cell}".casefold()]


class Table:
    """A table in Markdown, said row by row, and below it what does not hold."""

    def __init__(self, say: Say, *columns: str) -> None:
        self._say = say
        self.problems: list[str] = []
        say("| " + " | ".join((*columns, "holds")) + " |")
        say("|" + "---|" * (len(columns) + 1))

    def row(self, name: str, *values: str, problems: Sequence[str] = ()) -> None:
        """Say a row."""
        self._say("| " + " | ".join((name, *values, "no" if problems else "yes")) + " |")
        self.problems += [f"{name}: {problem}" for problem in problems]

    def end(self) -> bool:
        """Say what does not hold; ``True`` when everything did."""
        if self.problems:
            self._say("")
        for problem in self.problems:
            self._say(f"- {problem}")
        return not self.problems

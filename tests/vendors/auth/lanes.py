"""Refreshes of one client and account that overlap in time, which some vendors answer by ending both logins."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Lane = tuple[str, str]


@dataclass(eq=False)
class Passage:
    """One refresh on its way through the token endpoint; ``spoiled`` when another one was there at the same time."""

    family: str
    spoiled: bool = False


class Lanes:
    """Who is inside, and how often two were."""

    def __init__(self) -> None:
        self._inside: dict[Lane, list[Passage]] = {}
        self.overlaps: list[tuple[str, ...]] = []

    def enter(self, lane: Lane, family: str) -> Passage:
        """The caller holds the book's lock."""
        inside = self._inside.setdefault(lane, [])
        passage = Passage(family)
        if inside:
            passage.spoiled = True
            for other in inside:
                other.spoiled = True
            self.overlaps.append(tuple(other.family for other in (*inside, passage)))
        inside.append(passage)
        return passage

    def leave(self, lane: Lane, passage: Passage) -> None:
        """The caller holds the book's lock."""
        inside = self._inside.get(lane, [])
        if passage in inside:
            inside.remove(passage)

    @contextmanager
    def passing(self, lane: Lane, family: str) -> Iterator[Passage]:
        """Enter and leave."""
        passage = self.enter(lane, family)
        try:
            yield passage
        finally:
            self.leave(lane, passage)

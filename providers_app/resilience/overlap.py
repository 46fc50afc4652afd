"""The seam between a broken answer and the text that goes on with it: nothing is lost there, nothing comes twice. Pure.

A request that goes on never sends white space at the end of the text: formats refuse it or cut it off, so the model
writes it anew. What of it was shown already is taken out again.

A model that is asked to go on is asked to begin with the last words of its text (the *anchor*). Where it does, the seam
is exact, whatever the text is, also where it repeats itself. Where it does not, the longest end of the text that the
continuation begins with is taken out, if it is long enough to be no coincidence.
"""

import re
from typing import Literal

ANCHOR_CHARS = 80
ANCHOR_WORDS = 8
LEAST_OVERLAP = 12
"""Characters without white space from which on a repetition counts as one where the anchor is missing."""
WINDOW_CHARS = 20_000
"""Characters at the end of the text, without white space, in which a repetition is looked for."""


def anchor_of(text: str) -> str:
    """Return the last words of a text, with which its continuation is to begin."""
    end = text.rstrip()
    tail = end[-ANCHOR_CHARS:]
    words = [found.start() for found in re.finditer(r"\S+", tail)]
    if len(words) > 1 and len(tail) < len(end) and not end[-ANCHOR_CHARS - 1].isspace():
        del words[0]  # the rest of a word
    return tail[words[-ANCHOR_WORDS:][0] :] if words else ""


class Seam:
    """Joins what follows to ``shown``: feed it the pieces, it returns what is new of them.

    ``plain``: the continuation begins right behind the text. ``echo``: it may repeat the whole text first.
    ``anchored``: it was asked to repeat the end of the text first.
    """

    def __init__(self, shown: str, kind: Literal["plain", "echo", "anchored"] = "plain") -> None:
        sent = shown.rstrip()
        self._blank = shown[len(sent) :]  # white space that was shown, and is written again
        self._sent, self._kind = sent, kind
        self._anchor = _bare(anchor_of(sent)) if kind == "anchored" else ""
        self._window = _bare(sent)[-WINDOW_CHARS:] if kind == "anchored" else ""
        self._held = ""
        self._open = kind != "plain"
        self.past = not self._open and not self._blank
        """``True`` once nothing can be a repetition any more."""

    def feed(self, piece: str) -> str:
        """Return what of the text so far is new; the rest is held until it is clear whether it repeats anything."""
        if self.past:
            return piece
        self._held += piece
        if self._open:
            rest = self._echoed(last=False) if self._kind == "echo" else self._anchored(last=False)
            if rest is None:
                return ""
            self._open, self._held = False, rest
        return self._spaced(last=False)

    def close(self) -> str:
        """Return what was held back, where no more text comes."""
        if self.past:
            return ""
        if self._open:
            rest = self._echoed(last=True) if self._kind == "echo" else self._anchored(last=True)
            self._open, self._held = False, rest or ""
        return self._spaced(last=True)

    def _spaced(self, *, last: bool) -> str:
        """Return the text without the white space at its beginning that was shown already."""
        held, blank = self._held, self._blank
        same = 0
        while same < min(len(held), len(blank)) and held[same] == blank[same]:
            same += 1
        if same == len(held) < len(blank) and not last:
            return ""
        self.past, self._held = True, ""
        return held[same:]

    def _echoed(self, *, last: bool) -> str | None:
        held, sent = self._held, self._sent
        if held.startswith(sent):
            return held[len(sent) :]
        return held if last or not sent.startswith(held) else None

    def _anchored(self, *, last: bool) -> str | None:
        """Return what follows the repetition; ``None`` while more of it may come."""
        bare = _bare(self._held)
        if self._anchor and bare.startswith(self._anchor):
            return _behind(self._held, len(self._anchor))
        if not last and bare in self._window[:-1]:
            return None
        length = _overlap(self._window, bare)
        return _behind(self._held, length) if length >= min(LEAST_OVERLAP, len(self._window)) else self._held


def _bare(text: str) -> str:
    return "".join(text.split())


def _overlap(text: str, following: str) -> int:
    """Return the length of the longest beginning of ``following`` that ``text`` ends with (Knuth, Morris and Pratt)."""
    borders = [0] * len(following)
    length = 0
    for place in range(1, len(following)):
        while length and following[place] != following[length]:
            length = borders[length - 1]
        length += following[place] == following[length]
        borders[place] = length
    length = 0
    for character in text[-len(following) :] if following else "":
        if length == len(following):
            length = borders[length - 1]
        while length and character != following[length]:
            length = borders[length - 1]
        length += character == following[length]
    return length


def _behind(text: str, count: int) -> str:
    """Return what follows the first ``count`` characters that are no white space."""
    for place, character in enumerate(text):
        if not character.isspace():
            count -= 1
            if not count:
                return text[place + 1 :]
    return ""

"""Reasoning that a local server leaves inside the text, between ``<think>`` and ``</think>``."""

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkTags:
    """Splits text that arrives in pieces; a tag may be cut anywhere.

    Only a tag at the very start of the answer counts as one, since an answer may well talk about tags. ``opened`` is
    for models whose template already wrote the opening tag.
    """

    __slots__ = ("_held", "_state")

    def __init__(self, *, opened: bool = False) -> None:
        self._held = ""
        self._state = "inside" if opened else "before"

    def feed(self, piece: str) -> list[tuple[bool, str]]:
        """Pairs of (is reasoning, text), none empty."""
        if self._state == "gap":  # the line breaks between the closing tag and the answer
            piece = piece.lstrip("\n")
            self._state = "after" if piece else "gap"
        if self._state in ("gap", "after"):
            return [(False, piece)] if piece else []
        found: list[tuple[bool, str]] = []
        self._held += piece
        if self._state == "before":
            start = self._held.lstrip()
            if start.startswith(_OPEN):
                self._held, self._state = start.removeprefix(_OPEN), "inside"
            elif not _OPEN.startswith(start):
                self._state = "after"
                return self.close()
        if self._state == "inside":
            thought, tag, rest = self._held.partition(_CLOSE)
            if tag:
                self._state, self._held = "gap", ""
                found += [(True, thought), *self.feed(rest)]
            else:
                keep = _tail(thought)
                self._held = thought[len(thought) - keep :]
                found.append((True, thought[: len(thought) - keep]))
        return [(is_reasoning, text) for is_reasoning, text in found if text]

    def close(self) -> list[tuple[bool, str]]:
        """What was held back in case it became a tag."""
        held, self._held = self._held, ""
        return [(self._state == "inside", held)] if held else []


def _tail(text: str) -> int:
    """How many characters at the end could begin the closing tag."""
    return next((size for size in range(min(len(text), len(_CLOSE) - 1), 0, -1) if _CLOSE.startswith(text[-size:])), 0)

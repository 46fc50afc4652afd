"""A demo model's name says what it does: ``demo``, then any tokens, such as ``demo-tools-one-byte-d5``."""

import re
from typing import Any

import msgspec

SCRIPTS = frozenset({"chat", "reasoning", "tools", "tool-empty-args", "tool-bad-args", "long", "markdown"})
FAULTS = frozenset({"midstream-error", "truncated", "reset", "silence", "hang", "unreachable", "bad-json"})
QUIRKS = frozenset(
    {
        "keepalive-comments",
        "no-usage",
        "usage-every-chunk",
        "one-byte",
        "crlf",
        "json-200",
        "no-done",
        "unknown-finish",
        "content-filter",
        "length",
        "small-window",
        "no-sampling",
    }
)
SPEEDS = frozenset({"instant", "slow"})
MAX_WORDS = 200_000
MAX_DELAY_MS = 60_000

_WORDS = "|".join(sorted(map(re.escape, SCRIPTS | FAULTS | QUIRKS | SPEEDS), key=len, reverse=True))
_TOKEN = re.compile(
    rf"-(?:(?P<word>{_WORDS})|(?P<kind>error|html|empty)-(?P<status>\d{{3}})|(?P<knob>[dn])(?P<n>\d{{1,6}}))(?=-|$)"
)


class Knobs(msgspec.Struct, frozen=True, kw_only=True):
    """What a name asks for. ``delay_ms`` lies between two words, ``words`` is the length of the answer.

    ``status`` and ``body`` (``error``, ``html``, ``empty``) describe an answer that is no stream; ``fault`` is what
    happens in the middle, or instead, of one.
    """

    script: str = "chat"
    speed: str = "normal"
    delay_ms: float | None = None
    words: int | None = None
    status: int | None = None
    body: str = "error"
    fault: str | None = None
    quirks: frozenset[str] = frozenset()


def parse(model: str) -> Knobs | None:
    """The knobs of a model name; ``None`` when there is no such model."""
    if not model.startswith("demo"):
        return None
    rest, values = model.removeprefix("demo"), dict[str, Any](quirks=frozenset())
    while rest:
        token = _TOKEN.match(rest)
        if token is None or not _take(token, values):
            return None
        rest = rest[token.end() :]
    return Knobs(**values)


def _take(token: re.Match[str], values: dict[str, Any]) -> bool:
    word, knob = token["word"], token["knob"]
    if word in QUIRKS:
        values["quirks"] |= {word}
    elif word in SCRIPTS:
        values["script"] = word
    elif word in FAULTS:
        values["fault"] = word
    elif word:
        values["speed"] = word
    elif knob == "d":
        delay = values["delay_ms"] = float(token["n"])
        return delay <= MAX_DELAY_MS
    elif knob == "n":
        words = values["words"] = int(token["n"])
        return 0 < words <= MAX_WORDS
    else:
        status = values["status"] = int(token["status"])
        values["body"] = token["kind"]
        return (400 if token["kind"] == "error" else 200) <= status <= 599
    return True

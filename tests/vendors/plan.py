"""A model name (or a key) that ends in tokens asks for a script and faults: ``BASE-tools-status-429-retry-after-3``.

==========================  ==========================================================================================
token                       meaning
==========================  ==========================================================================================
text reasoning tools        the script: plain text; reasoning, then text; two parallel tool calls;
saytools                    a sentence, then two parallel tool calls
image                       (Gemini) a sentence, a PNG and a sentence
search paused               (Anthropic) a search of the provider's own with a source; the same, paused after the search
emptytool json refusal      a call without arguments; an instance of the asked schema; a refusal
status-CODE                 the vendor's own error body with this status
html-CODE empty-CODE        an HTML page, or nothing, with this status (200 too)
retry-after-N               wait N seconds, said in the vendor's way; ``retry-after-ms-N``, ``retry-after-date-N``
quota                       with status 429: the quota is used up, waiting does not help
times-N                     only the first N requests fail, then it works (counted in the ledger)
hang                        no answer at all, headers neither
midstream-error             half of the answer, then the vendor's error inside the stream; other forms of it are
                            ``-flat`` and ``-failed`` (OpenAI: not nested; no error event), ``-choice`` and ``-empty``
                            (chat: in a finish reason; an empty chunk and the end), ``-data`` (Gemini: after ``data:``)
truncate truncate-clean     half of the answer, then a proper end of the body: inside a frame, between two frames
reset silence               half of the answer, then a TCP reset; then nothing more
at-N                        the fault comes after N thousandths of what follows the first output, not in the middle
queued                      (OpenAI, in the background) the answer never gets its turn
again-N spaced              a model that is asked to go on repeats its last N words, not those that it was asked for;
                            it writes other white space there
held held-N                 all of the output, but the end only after ``server.release()``; so the Nth request alone
pause-MS slow-MS            silence of MS in the middle; MS between frames
one-byte comments plain     one byte per packet; a comment before each frame; ``stream: true`` is ignored
words-N corrected           N words of text; the first usage report is wrong and corrected later (Anthropic)
repeat-cursor               (key) the listing gives the same cursor for ever
==========================  ==========================================================================================
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

TOKEN = re.compile(
    r"-(?P<name>text|reasoning|saytools|tools|queued|spaced|search|paused|image|emptytool|json|refusal|quota|hang|held(?!-\d)|midstream-error(?:-(?:flat|failed|choice|empty|data))?|truncate-clean|truncate|reset|silence"
    r"|one-byte|comments|plain|corrected|repeat-cursor"
    r"|(?:status|html|empty|retry-after-ms|retry-after-date|retry-after|times|held|pause|slow|words|again|at)-(?P<n>\d+(?:\.\d+)?))"
    r"(?=-|$)"
)
SCRIPTS = {"text", "reasoning", "tools", "saytools", "emptytool", "json", "refusal", "search", "paused", "image"}
ERRORS = {f"midstream-error{form}" for form in ("", "-flat", "-failed", "-choice", "-empty", "-data")}
CUTS = ERRORS | {"truncate", "truncate-clean", "reset", "silence"}
FLAGS = {"quota", "hang", "one-byte", "comments", "plain", "corrected", "repeat-cursor", "queued", "spaced"}


@dataclass(frozen=True)
class Plan:
    """What is asked for; ``retry_after`` is in the unit that ``retry_form`` names, ``held`` is 0 for each request."""

    script: str = "text"
    status: int | None = None
    body: str = "vendor"
    retry_after: float | None = None
    retry_form: str = "retry-after"
    times: int | None = None
    cut: str | None = None
    pause_ms: float = 0
    slow_ms: float = 0
    words: int = 0
    quota: bool = False
    hang: bool = False
    held: int | None = None
    one_byte: bool = False
    comments: bool = False
    plain: bool = False
    corrected: bool = False
    repeat_cursor: bool = False
    queued: bool = False
    spaced: bool = False
    at: int | None = None
    again: int | None = None

    def failing(self, seen_before: int) -> bool:
        """Does the fault still apply after so many earlier requests?"""
        return self.times is None or seen_before < self.times

    def holding(self, number: int) -> bool:
        """Is this request, the how many-th for its model, held before its end?"""
        return self.held in (0, number)

    def healthy(self) -> "Plan":
        """The same without its faults."""
        return Plan(script=self.script, words=self.words, again=self.again, spaced=self.spaced)


def read_plan(name: str, bases: Iterable[str]) -> tuple[str, Plan] | None:
    """The base of the name and what its tokens ask for; ``None`` when no base fits or a token is unknown."""
    fitting = [base for base in bases if name == base or name.startswith(base + "-")]
    for base in sorted(fitting, key=len, reverse=True):
        plan = _tokens(name[len(base) :])
        if plan is not None:
            return base, plan
    return None


def _tokens(rest: str) -> Plan | None:
    plan = Plan()
    while rest:
        match = TOKEN.match(rest)
        if match is None:
            return None
        plan = replace(plan, **_change(match["name"], match["n"]))
        rest = rest[match.end() :]
    return plan


def _change(name: str, number: str | None) -> dict[str, Any]:
    if number is None:
        if name in SCRIPTS:
            return {"script": name}
        if name == "held":
            return {"held": 0}
        if name in CUTS:
            return {"cut": name}
        assert name in FLAGS
        return {name.replace("-", "_"): True}
    kind, n = name[: -len(number) - 1], float(number)
    if kind in ("status", "html", "empty"):
        return {"status": int(n), "body": "vendor" if kind == "status" else kind}
    if kind.startswith("retry-after"):
        return {"retry_after": n, "retry_form": kind}
    changes: dict[str, dict[str, Any]] = {
        "times": {"times": int(n)},
        "held": {"held": int(n)},
        "words": {"words": int(n)},
        "again": {"again": int(n)},
        "at": {"at": int(n)},
        "pause": {"pause_ms": n},
        "slow": {"slow_ms": n},
    }
    return changes[kind]

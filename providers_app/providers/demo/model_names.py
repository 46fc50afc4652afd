"""A demo model's name says what it does: ``demo``, then any words, such as ``demo-tools-one-byte-d5``."""

import re
from typing import Any

import msgspec

SCRIPTS = frozenset({"chat", "reasoning", "tools", "tool-empty-args", "tool-bad-args", "long", "markdown"})
FAULTS = frozenset({"midstream-error", "truncated", "reset", "silence", "hang", "unreachable", "bad-json"})
QUIRKS = frozenset(
    {
        *("keepalive-comments", "no-usage", "usage-every-chunk", "one-byte", "crlf", "json-200", "no-done"),
        *("unknown-finish", "content-filter", "length", "small-window", "no-sampling"),
    }
)
SPEEDS = frozenset({"instant", "slow"})
MAX_WORDS = 200_000
MAX_DELAY_MS = 60_000

CONTEXT_WINDOW = 128_000
SMALL_WINDOW = 1_000
MAX_OUTPUT = 16_000

LISTED: dict[str, str] = {
    "demo": "Demo: answers at a pleasant typing speed",
    "demo-instant": "Demo, instant: no delays at all",
    "demo-slow": "Demo, slow: a few words per second",
    "demo-reasoning": "Demo with reasoning: thinks aloud, then answers",
    "demo-tools": "Demo with tools: two parallel tool calls, then an answer from their results",
    "demo-tool-empty-args": "Demo with tools: one call without arguments",
    "demo-tool-bad-args": "Demo with tools: one call whose arguments are not JSON",
    "demo-long": "Demo, long: 2,000 numbered words",
    "demo-markdown": "Demo, Markdown: every element that an answer can have",
    "demo-small-window": "Demo, small window: refuses more than 1,000 tokens of context",
    "demo-no-sampling": "Demo, picky: takes no temperature and no top p; the answer says what was left out",
    "demo-d20": "Knob: 20 ms between words (demo-d0 to demo-d60000, also after other names)",
    "demo-n500": "Knob: 500 words (demo-n1 to demo-n200000, also after other names)",
    "demo-error-400": "Fault: 400, the request is refused as wrong",
    "demo-error-401": "Fault: 401, the key is refused",
    "demo-error-403": "Fault: 403, not permitted",
    "demo-error-404": "Fault: 404, no such model",
    "demo-error-408": "Fault: 408, the request took too long",
    "demo-error-409": "Fault: 409, a conflict with another request",
    "demo-error-413": "Fault: 413, the request is too large",
    "demo-error-429": "Fault: 429, rate limited with a Retry-After",
    "demo-error-500": "Fault: 500, the provider failed",
    "demo-error-503": "Fault: 503, no capacity, with a Retry-After",
    "demo-error-529": "Fault: 529, overloaded",
    "demo-html-502": "Fault: 502 with an HTML page from a gateway",
    "demo-empty-200": "Fault: 200 with an empty body",
    "demo-midstream-error": "Fault: an error in the middle of the answer",
    "demo-truncated": "Fault: the answer ends in the middle, without saying so",
    "demo-bad-json": "Fault: a piece in the middle that is not JSON",
    "demo-reset": "Fault: the connection breaks in the middle",
    "demo-silence": "Fault: silence from the middle on, until stopped or timed out",
    "demo-hang": "Fault: no answer at all, until stopped or timed out",
    "demo-unreachable": "Fault: the connection is refused",
    "demo-content-filter": "Ending: cut off by a content filter",
    "demo-length": "Ending: cut off by the output limit",
    "demo-unknown-finish": "Ending: with a reason that no client knows",
    "demo-no-usage": "Quirk: no token counts",
    "demo-usage-every-chunk": "Quirk: token counts in every piece",
    "demo-keepalive-comments": "Quirk: long pauses, bridged by comments",
    "demo-one-byte": "Quirk: one byte per packet",
    "demo-crlf": "Quirk: lines end with CRLF",
    "demo-json-200": "Quirk: the whole answer at once although a stream was asked for",
    "demo-no-done": "Quirk: the stream ends without its [DONE]",
}
"""The models that are listed, each with one line that says what will happen; composed names work unlisted."""

_WORDS = "|".join(sorted(map(re.escape, SCRIPTS | FAULTS | QUIRKS | SPEEDS), key=len, reverse=True))
_TOKEN = re.compile(
    rf"-(?:(?P<word>{_WORDS})|(?P<kind>error|html|empty)-(?P<status>\d{{3}})|(?P<knob>[dn])(?P<n>\d{{1,6}}))(?=-|$)"
)


class Knobs(msgspec.Struct, frozen=True, kw_only=True):
    """Behaviour that a model's name asks for.

    ``delay_ms`` is the delay between two words in milliseconds, ``words`` the length of the answer. ``status`` and
    ``body`` (``error``, ``html``, ``empty``) describe an answer that is no stream; ``fault`` is what happens in the
    middle, or instead, of one.
    """

    script: str = "chat"
    speed: str = "normal"
    delay_ms: float | None = None
    words: int | None = None
    status: int | None = None
    body: str = "error"
    fault: str | None = None
    quirks: frozenset[str] = frozenset()

    @property
    def context_window(self) -> int:
        """The window in tokens."""
        return SMALL_WINDOW if "small-window" in self.quirks else CONTEXT_WINDOW


def parse(model: str) -> Knobs | None:
    """Return the knobs of a model name; ``None`` when there is no such model."""
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


def entry(model_id: str) -> dict[str, Any] | None:
    """Return the model as an entry of the list of models; ``None`` when there is no such model."""
    knobs = parse(model_id)
    if knobs is None:
        return None
    return {
        "id": model_id,
        "object": "model",
        "created": 1_760_000_000,
        "owned_by": "maestro",
        "name": LISTED.get(model_id, f"Demo, composed: {model_id.removeprefix('demo-')}"),
        "context_length": knobs.context_window,
        "max_output_tokens": MAX_OUTPUT,
        "supported_parameters": ["tools", "reasoning", "structured_outputs", "max_tokens", "stop"],
        "pricing": {"prompt": "0", "completion": "0"},
    }

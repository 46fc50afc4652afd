"""The demo models that are listed, each with one line that says what will happen; composed names work unlisted."""

from typing import Any

from providers_app.providers.demo.knobs import Knobs

CONTEXT_WINDOW = 128_000
SMALL_WINDOW = 1_000
MAX_OUTPUT = 16_000
PARAMETERS = ("tools", "reasoning", "structured_outputs", "max_tokens", "stop")

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


def window(knobs: Knobs) -> int:
    """The context window of a model, in tokens."""
    return SMALL_WINDOW if "small-window" in knobs.quirks else CONTEXT_WINDOW


def entry(model_id: str, knobs: Knobs) -> dict[str, Any]:
    """The model as the listing shows it."""
    return {
        "id": model_id,
        "object": "model",
        "created": 1_760_000_000,
        "owned_by": "maestro",
        "name": LISTED.get(model_id, f"Demo, composed: {model_id.removeprefix('demo-')}"),
        "context_length": window(knobs),
        "max_output_tokens": MAX_OUTPUT,
        "supported_parameters": list(PARAMETERS),
        "pricing": {"prompt": "0", "completion": "0"},
    }

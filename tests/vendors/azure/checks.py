"""What each API version knows, and what a chat request may say in it."""

from typing import Any

from tests.vendors.chat.checks import ASSISTANT, FIELDS, ROLES
from tests.vendors.shapes import anything, array, integer, nullable, obj, one_of, rule, tagged, text

VERSIONS = (
    *("2023-05-15", "2024-02-01", "2024-06-01", "2024-10-21"),
    *("2024-08-01-preview", "2024-09-01-preview", "2024-12-01-preview", "2025-01-01-preview", "2025-04-01-preview"),
)
"""Those that the classic surface takes; the date decides what a version knows."""
# Field of a chat request -> the first version that knows it.
SINCE = {
    "stream_options": "2024-09-01",
    "max_completion_tokens": "2024-09-01",
    "reasoning_effort": "2024-12-01",
    "parallel_tool_calls": "2024-08-01",
}
REASONING_MODELS = {"gpt-5.6"}
MESSAGE = tagged("role", {**ROLES, "developer": ROLES["system"], "assistant": obj({"role": anything}, ASSISTANT)})
BODY = obj(
    {"messages": array(MESSAGE, at_least=1)},
    {
        **FIELDS,
        # In the classic surface the deployment is in the address, and this is ignored.
        "model": text(),
        "max_completion_tokens": nullable(integer(1)),
        "reasoning_effort": nullable(one_of("none", "minimal", "low", "medium", "high", "xhigh")),
    },
)


def check_version(body: dict[str, Any], version: str) -> None:
    """Fields that came later are unknown. Raises ``Violation``."""
    for name, since in SINCE.items():
        rule(name not in body or version[:10] >= since, (name,), f"Unrecognized request argument supplied: {name}")
    if body.get("response_format", {}).get("type") == "json_schema":
        said = "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
        rule(version[:10] >= "2024-08-01", ("response_format", "type"), said)


def check_model(body: dict[str, Any], model: str) -> None:
    """What reasoning models and the others do not take. Raises ``Violation``."""
    if model not in REASONING_MODELS:
        said = "Unrecognized request argument supplied: reasoning_effort"
        rule(body.get("reasoning_effort") is None, ("reasoning_effort",), said)
        return
    instead = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
    rule(body.get("max_tokens") is None, ("max_tokens",), instead, code="unsupported_parameter")
    for name in ("temperature", "top_p"):
        said = f"Unsupported value: '{name}' does not support {body.get(name)} with this model."
        rule(body.get(name) in (None, 1), (name,), said, code="unsupported_value")

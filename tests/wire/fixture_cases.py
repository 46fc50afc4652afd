"""The recorded answers of our own making that lie in ``tests/fixtures/<dialect>``; they need nothing and always run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers_app.types.chat import ChatResult

ROOT = Path(__file__).parents[1] / "fixtures"
DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate")
_CALL_KEYS = ("name", "arguments", "provider_id", "invalid_arguments")


@dataclass(frozen=True)
class FixtureCase:
    """One answer; ``result`` lists the fields of a ``ChatResult`` that it must give."""

    name: str
    dialect: str
    status: int
    headers: dict[str, str]
    body: bytes
    result: dict[str, Any]


def all_cases() -> list[FixtureCase]:
    """Every fixture of every dialect."""
    found = []
    for dialect in DIALECTS:
        for path in sorted((ROOT / dialect).glob("*.expected.json")):
            stem = path.name.removesuffix(".expected.json")
            expected = json.loads(path.read_text())
            body = path.with_name(f"{stem}.body").read_bytes()
            found.append(
                FixtureCase(
                    f"{dialect}/{stem}", dialect, expected["status"], expected["headers"], body, expected["result"]
                )
            )
    return found


def seen_of(case: FixtureCase, result: ChatResult) -> dict[str, Any]:
    """The result's values of the fields that the case names; of tool calls, usage and errors the keys it names."""
    seen = {name: value for name, value in result.to_dict().items() if name in case.result}
    for name in ("usage", "error"):
        if case.result.get(name) and seen.get(name):
            seen[name] = {key: seen[name][key] for key in case.result[name]}
    if "tool_calls" in seen:
        seen["tool_calls"] = [{key: call[key] for key in _CALL_KEYS} for call in seen["tool_calls"]]
    return seen

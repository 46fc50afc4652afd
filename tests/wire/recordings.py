"""Where the recorded provider traffic lies, and what a recording's expectation means in Maestro's words."""

import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from providers_app.types.chat import ChatResult

ROOT = Path(os.environ.get("MAESTRO_RECORDINGS", Path(__file__).parents[2].parent / "shared" / "recordings"))
ROOTS = (ROOT, ROOT.with_name(f"{ROOT.name}-2"))
DIALECT_OF_API = {
    "anthropic.messages": "anthropic_messages",
    "gemini.generateContent": "gemini_generate",
    "gemini.streamGenerateContent": "gemini_generate",
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
}
# Answers that are no chat; each kind is read by the test module that claims it.
OTHER_APIS = frozenset({"anthropic.count_tokens", "gemini.countTokens", "google.oauth_token", "openai.images"})
MODEL_LIST_APIS = frozenset({"anthropic.models", "gemini.models", "openai.models"})
# What our superset of finish reasons says where the expectation leaves it to the implementer.
UNDECIDED_FINISH = {
    "groq/chat-stream-midstream-error-01": "error",
    "azure/chat-plain-prompt-filtered-01": "error",
    "openai/responses-stream-quota-failed-01": "error",
    "openai/chat-stream-tool-call-01": "tool_calls",
    "snowflake/chat-stream-any-01": "stop",
    "vertex/generatecontent-plain-unexpected-tool-call-01": "error",
}


@dataclass(frozen=True)
class Recording:
    """One recorded answer with its expectation; ``dialect`` is empty where it is no chat."""

    name: str
    api: str
    dialect: str
    status: int
    headers: dict[str, str]
    body: bytes
    expected: dict[str, Any]


def available() -> bool:
    """Whether there is a folder of recordings."""
    return bool(folders())


def folders() -> list[Path]:
    """The folder of every recording."""
    return sorted(path.parent for root in ROOTS for path in root.glob("*/*/meta.json"))


def all_recordings() -> list[Recording]:
    """Every chat recording of the folder; empty when there is no such folder."""
    return of_apis(DIALECT_OF_API)


def of_apis(apis: Collection[str]) -> list[Recording]:
    """The recordings of these kinds of answers, by name."""
    return [one for one in everything() if one.api in apis]


@cache
def everything() -> tuple[Recording, ...]:
    """Every recording of the folder, by name."""
    found = []
    for case in folders():
        meta = json.loads((case / "meta.json").read_text())
        found.append(
            Recording(
                name=f"{case.parent.name}/{case.name}",
                api=meta["api"],
                dialect=DIALECT_OF_API.get(meta["api"], ""),
                status=meta["status"],
                headers=meta["response_headers"],
                body=(case / "response.body").read_bytes(),
                expected=json.loads((case / "expected.json").read_text()),
            )
        )
    return tuple(found)


def differences(recording: Recording, result: ChatResult) -> list[str]:
    """The names of what differs, with both values."""
    expected, found = recording.expected, []

    def compare(what: str, want: Any, got: Any) -> None:
        if want != got:
            found.append(f"{what}: expected {want!r}, got {got!r}"[:400])

    compare("text", expected["text"], result.text)
    compare("refusal", expected["refusal"], result.refusal)
    compare("reasoning", _squeezed(expected["reasoning_text"]), _squeezed(result.reasoning_text))
    compare("tool calls", [_call(call) for call in expected["tool_calls"]], _calls_of(result))
    finish = (
        expected["finish_reason"]
        or UNDECIDED_FINISH.get(recording.name)
        or ("error" if recording.status >= 400 else None)
    )
    compare("finish_reason", finish, result.finish_reason)
    compare("model", expected["model"], result.model)
    compare("response_id", expected["response_id"], result.response_id)
    compare("usage", _usage(expected["usage"]), _usage_of(result))
    compare("complete", bool(expected["complete"]), result.complete)
    error = expected["error"]
    compare("error", None if error is None else _error(error), _error_of(result))
    return found


def _squeezed(text: str | None) -> str:
    return re.sub(r"\s+", "", text or "")


# An expectation's ``arguments`` of a custom call are null: it has text instead, which ours name ``input``.
def _call(call: dict[str, Any]) -> tuple[str, Any, str | None]:
    arguments = call["arguments"] if "custom_input" not in call else {"input": call["custom_input"]}
    return call["name"], arguments, call["id"] or None


def _calls_of(result: ChatResult) -> list[tuple[str, Any, str | None]]:
    return [
        (call.name, call.arguments if call.invalid_arguments is None else call.invalid_arguments, call.provider_id)
        for call in result.tool_calls
    ]


def _usage(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input": usage["input_tokens_inclusive"],
        "output": usage["output_tokens_inclusive"],
        "cached": usage["cached_input_tokens"],
        "reasoning": usage["reasoning_tokens"],
        "total": usage["total_tokens"],
    }


def _usage_of(result: ChatResult) -> dict[str, Any] | None:
    usage = result.usage
    if usage is None:
        return None
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cached": usage.cached_input_tokens,
        "reasoning": usage.reasoning_tokens,
        "total": usage.total_tokens,
    }


def _error(error: dict[str, Any]) -> dict[str, Any]:
    code = error["code"]
    return {
        "type": error["type"],
        "message": error["message"],
        "status": error["status"],
        "code": None if code is None else str(code),
    }


def _error_of(result: ChatResult) -> dict[str, Any] | None:
    error = result.error
    if error is None:
        return None
    return {"type": error.type, "message": error.message, "status": error.status, "code": error.upstream_code}

"""Parsing of a Chat Completions body for the demo model, read with the same checks that a strict server has."""

from collections import Counter
from typing import Any

import msgspec

from providers_app.wire import payload

GO_ON = "Your last reply was cut off."
"""The beginning of a request in which a model is asked to go on; the words to begin with are its last paragraph."""


class Refused(Exception):
    """The body is not a request; answered with status 400."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class DemoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``counts`` are the messages by role; ``results`` the tool results after the last user message.

    Where the model is asked to go on with its answer, ``behind`` is the text so far, ``anchor`` the words to begin
    with, and ``last_text`` the question.
    """

    model: str
    stream: bool
    include_usage: bool
    last_text: str
    system_text: str
    counts: dict[str, int]
    tools: tuple[tuple[str, dict[str, Any]], ...]
    tools_allowed: bool
    parallel: bool
    results: tuple[str, ...]
    schema: dict[str, Any] | None
    max_tokens: int | None
    stops: tuple[str, ...]
    prompt_tokens: int
    behind: str = ""
    anchor: str = ""


def tokens(text: str) -> int:
    """About how many tokens a text has: four bytes each, as English averages."""
    return (len(text.encode("utf-8", "replace")) + 3) // 4


def read(body: bytes) -> DemoRequest:
    """Parse the bytes of a request. Raise ``Refused``."""
    try:
        value = payload.decode(body)
    except ValueError:
        raise Refused("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Refused("The body must be a JSON object.")
    model = value.get("model")
    if not isinstance(model, str) or not model:
        raise Refused("You must provide a model parameter.", "model")
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise Refused("'messages' must be a list with at least one message.", "messages")
    if any(_has_picture(one) for one in messages):
        raise Refused("The demo models read text only: leave the picture out.", "messages")
    last_user = max((n for n, one in enumerate(messages) if one.get("role") == "user"), default=-1)
    asked, behind, anchor = _going_on(messages, last_user)
    limit = payload.count(value.get("max_completion_tokens")) or payload.count(value.get("max_tokens"))
    stop = value.get("stop")
    tools = [payload.mapping(payload.mapping(tool).get("function")) for tool in payload.sequence(value.get("tools"))]
    wanted = payload.mapping(payload.mapping(value.get("response_format")).get("json_schema"))
    return DemoRequest(
        model=model,
        stream=value.get("stream") is True,
        include_usage=payload.mapping(value.get("stream_options")).get("include_usage") is True,
        last_text=asked,
        system_text=" ".join(text_of(one) for one in messages if one.get("role") in ("system", "developer")),
        counts=Counter(payload.text(one.get("role")) or "unknown" for one in messages),
        tools=tuple((payload.text(tool.get("name")), payload.mapping(tool.get("parameters"))) for tool in tools),
        tools_allowed=value.get("tool_choice") != "none",
        parallel=value.get("parallel_tool_calls") is not False,
        results=tuple(text_of(one) for one in messages[last_user + 1 :] if one.get("role") == "tool"),
        schema=wanted.get("schema") if isinstance(wanted.get("schema"), dict) else None,
        max_tokens=limit if limit and limit > 0 else None,
        stops=tuple(one for one in ([stop] if isinstance(stop, str) else payload.sequence(stop)) if one),
        prompt_tokens=sum(4 + _size(one) for one in messages) + sum(_size(tool) for tool in tools),
        behind=behind,
        anchor=anchor,
    )


def _going_on(messages: list[dict[str, Any]], last_user: int) -> tuple[str, str, str]:
    """Return the question, and where the last message asks to go on, the text so far and the words to begin with."""
    asked = text_of(messages[last_user]) if last_user >= 0 else ""
    earlier = max((n for n in range(last_user) if messages[n].get("role") == "user"), default=-1)
    if earlier < 0 or not asked.startswith(GO_ON) or messages[last_user - 1].get("role") != "assistant":
        return asked, "", ""
    return text_of(messages[earlier]), text_of(messages[last_user - 1]), asked.partition("\n\n")[2]


def text_of(message: dict[str, Any]) -> str:
    """Return the plain text of a message."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(payload.text(payload.mapping(part).get("text")) for part in payload.sequence(content)).strip()


def _has_picture(message: dict[str, Any]) -> bool:
    parts = (payload.mapping(part) for part in payload.sequence(message.get("content")))
    return any(part.get("type") not in (None, "text", "refusal") for part in parts)


def _size(value: dict[str, Any]) -> int:
    return tokens(payload.encode(value).decode("utf-8", "replace"))

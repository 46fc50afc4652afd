"""Messages in every accepted form, parsed into ``Message`` values.

Accepted: a string (one user message), ``Message`` values, and dictionaries with ``role`` and ``content`` as most
libraries use them (content a string or parts; pictures, documents and recordings in the forms of ``media``;
``tool_calls`` of an assistant; ``tool_call_id`` of a tool).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from providers_app.chat.media import checked_media, parse_media
from providers_app.errors import EmptyPrompt, InvalidRequest
from providers_app.text import quoted
from providers_app.types import intent_rules
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Origin

MessagesInput = str | Message | Sequence[Message | Mapping[str, Any]]

ROLES: dict[str, Role] = {role: role for role in get_args(Role)} | {"developer": "system"}
KNOWN_PARTS = "text, image_url, image, file, document, input_audio"


def parse_messages(
    given: MessagesInput | None, *, system: str | None = None, before: Iterable[Message] = (), continues: bool = False
) -> tuple[Message, ...]:
    """Return ``before`` (a context's messages) and then ``given``, with ``system`` in front of all.

    With ``continues``, tool results may answer calls that are not here. Raises ``EmptyPrompt``, ``InvalidRequest``.
    """
    messages = [*before, *_parse(given)]
    if system is not None and not isinstance(system, str):
        raise InvalidRequest(f"system must be a string, not {type(system).__name__}.")
    if not any(_has_content(message) for message in messages if message.role != "system"):
        raise EmptyPrompt("There is no message with any content.")
    if system and system.strip():
        messages.insert(0, Message("system", (TextPart(system),)))
    if not continues:
        _check_tool_results(messages)
    return tuple(messages)


def _parse(given: MessagesInput | None) -> list[Message]:
    if given is None:
        return []
    if isinstance(given, str):
        if not given.strip():
            raise EmptyPrompt("The message is empty.")
        return [Message("user", (TextPart(given),))]
    if isinstance(given, Message):
        given = [given]
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise InvalidRequest(
            f"messages must be a string or a list of messages, not {type(given).__name__}.",
            hint='For example: [{"role": "user", "content": "Hello"}].',
        )
    items = list(given)
    names: dict[str, str] = {}
    messages = [_one(number, item, names) for number, item in enumerate(items, start=1)]
    for number, message in enumerate(messages, start=1):
        if not _has_content(message) and message.role in ("user", "system"):
            raise EmptyPrompt(f"Message {number} ({message.role}) is empty.")
    return [message for message in messages if _has_content(message)]


def _one(number: int, item: Any, names: dict[str, str]) -> Message:
    """Parse one message. ``names`` collects tool names by call id, since a tool's message need not repeat its name."""
    location = f"Message {number}"
    if isinstance(item, Message):  # its fields are not checked by Python
        if item.role not in ROLES.values() or not isinstance(item.parts, list | tuple):
            raise InvalidRequest(f"{location} is not a message with a role and a tuple of parts.")
        message = Message(item.role, tuple(_checked_part(location, part) for part in item.parts))
        names.update({part.id: part.name for part in message.parts if isinstance(part, ToolCallPart)})
        return _fitting(location, message)
    if not isinstance(item, Mapping):
        raise InvalidRequest(f"{location} must be a dictionary with role and content, not {type(item).__name__}.")
    given = item.get("role")
    role = ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        raise InvalidRequest(f"{location} has the unknown role {quoted(given)}.", hint=f"Roles: {', '.join(ROLES)}.")
    if role == "tool":
        return Message("tool", (_tool_result(location, item, names),))
    parts = _content(location, item.get("content"))
    if role == "assistant":
        reasoning = item.get("reasoning_content")
        if isinstance(reasoning, str) and reasoning:
            parts.insert(0, ReasoningPart(reasoning))
        called = item.get("tool_calls") or ()
        if not isinstance(called, list | tuple):
            raise InvalidRequest(f"{location}: tool_calls must be a list.")
        calls = [_tool_call(location, call) for call in called]
        names.update({call.id: call.name for call in calls})
        parts.extend(calls)
    elif item.get("tool_calls"):
        raise InvalidRequest(f"{location} ({role}) has tool_calls; only an assistant calls tools.")
    return _fitting(location, Message(role, tuple(parts)))


_HELD: dict[Role, tuple[str, Callable[[Part], bool]]] = {
    "system": ("text", lambda part: isinstance(part, TextPart)),
    "assistant": (
        "text, reasoning, pictures, tool calls and a provider's own blocks",
        lambda part: not isinstance(part, FilePart | AudioPart),
    ),
    "user": ("text, pictures, documents and recordings", lambda part: not isinstance(part, BlockPart)),
}
"""The parts that a message of a role may hold."""


def _fitting(location: str, message: Message) -> Message:
    """Return the message. Raises ``InvalidRequest`` unless its role may hold such parts."""
    words, may_hold = _HELD.get(message.role, ("", lambda part: True))
    if not all(map(may_hold, message.parts)):
        raise InvalidRequest(f"{location} ({message.role}) may hold {words} only.")
    return message


def _checked_part(location: str, part: Any) -> Part:
    match part:
        case TextPart(text=str()) | ReasoningPart(text=str()) | BlockPart(kind=str(), data=dict()):
            fine = True
        case ImagePart() | FilePart() | AudioPart():
            part = checked_media(location, part)
            fine = isinstance(getattr(part, "ref", ""), str)
        case ToolCallPart(id=str(), name=str(), arguments=dict(), provider_id=provider_id, intent=intent):
            intent_rules.parse_intent(intent, f"{location}: the intent of {quoted(part.name)}")
            fine = isinstance(provider_id or "", str)
        case ToolResultPart(call_id=str(), name=str(), content=str(), media=tuple() as media):
            for one in media:
                checked_media(location, one)
            fine = all(isinstance(one, ImagePart | FilePart) for one in media)
        case _:
            fine = False
    bound = isinstance(getattr(part, "opaque", None) or {}, dict)
    if not fine or not bound or not isinstance(getattr(part, "origin", None), Origin | None):
        raise InvalidRequest(f"{location}: a part of type {type(part).__name__} has a field of a wrong type.")
    found: Part = part
    return found


def _content(location: str, content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(content)] if content else []
    if isinstance(content, Mapping) or not isinstance(content, Iterable):
        raise InvalidRequest(f"{location}: content must be a string or a list of parts, not {type(content).__name__}.")
    return [_part(location, part) for part in content]


def _part(location: str, part: Any) -> Part:
    if isinstance(part, Part):
        return _checked_part(location, part)
    if isinstance(part, str):
        return TextPart(part)
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("text", "input_text", "output_text"):
        if not isinstance(part.get("text"), str):
            raise InvalidRequest(f"{location}: a text part has no text.")
        return TextPart(part["text"])
    media = parse_media(location, part) if isinstance(part, Mapping) else None
    if media is None:
        raise InvalidRequest(f"{location}: the part type {quoted(kind)} is not known.", hint=f"Known: {KNOWN_PARTS}.")
    return media


def _tool_call(location: str, call: Any) -> ToolCallPart:
    if isinstance(call, ToolCallPart):
        _checked_part(location, call)
        return call
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not call.get("id"):
        raise InvalidRequest(f"{location}: a tool call needs an id and a function with a name.")
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise InvalidRequest(f"{location}: the arguments of {quoted(function['name'])} are not JSON.") from None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"{location}: the arguments of {quoted(function['name'])} must be a JSON object.")
    return ToolCallPart(id=str(call["id"]), name=function["name"], arguments=arguments, provider_id=str(call["id"]))


def _tool_result(location: str, item: Mapping[str, Any], names: dict[str, str]) -> ToolResultPart:
    call_id = item.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise InvalidRequest(f"{location} (tool) has no tool_call_id.")
    content = item.get("content")
    parts = [TextPart(content)] if isinstance(content, str) else _content(location, content)
    media = tuple(part for part in parts if isinstance(part, ImagePart | FilePart))
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(media) + len(texts) < len(parts):
        raise InvalidRequest(f"{location} (tool) may hold text, pictures and documents only.")
    name = str(item.get("name") or names.get(call_id, ""))
    is_error = bool(item.get("is_error", False))
    return ToolResultPart(call_id=call_id, name=name, content="".join(texts), is_error=is_error, media=media)


def _has_content(message: Message) -> bool:
    return any(not isinstance(part, TextPart) or part.text.strip() for part in message.parts)


def _check_tool_results(messages: list[Message]) -> None:
    """Raise ``InvalidRequest`` unless each tool result answers an earlier call; providers refuse the whole request."""
    called: set[str] = set()
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                called.add(part.id)
            elif isinstance(part, ToolResultPart) and part.call_id not in called:
                raise InvalidRequest(f"The tool result {part.call_id!r} answers no earlier tool call.")

"""What a caller may pass as messages, turned into ``Message`` values, or a clear error about which one is wrong.

Accepted: a string (one user message), ``Message`` values, and dictionaries with ``role`` and ``content`` as most
libraries use them (content a string or parts; pictures as ``image_url``; ``tool_calls`` of an assistant;
``tool_call_id`` of a tool).
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from providers_app.errors import EmptyPrompt, InvalidRequest
from providers_app.quoting import quoted
from providers_app.types.chat import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

MessagesInput = str | Message | Sequence[Message | Mapping[str, Any]]

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def parse_messages(
    given: MessagesInput | None, *, system: str | None = None, before: Iterable[Message] = ()
) -> tuple[Message, ...]:
    """``before`` (a context's messages) and then what was ``given``, with ``system`` in front of all.

    Raises ``EmptyPrompt`` when nothing is asked, ``InvalidRequest`` for anything that is not a message.
    """
    messages = [*before, *_parse(given)]
    if system is not None and not isinstance(system, str):
        raise InvalidRequest(f"system must be a string, not {type(system).__name__}.")
    if not any(_says_something(message) for message in messages if message.role != "system"):
        raise EmptyPrompt("There is nothing to ask: no message has any content.")
    if system and system.strip():
        messages.insert(0, Message("system", (TextPart(system),)))
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
        if not _says_something(message) and message.role in ("user", "system"):
            raise EmptyPrompt(f"Message {number} ({message.role}) is empty.")
    return [message for message in messages if _says_something(message)]


def _one(number: int, item: Any, names: dict[str, str]) -> Message:
    """``names`` gathers tool names by call id, because a tool's dictionary message need not repeat its name."""
    where = f"Message {number}"
    if isinstance(item, Message):
        message = _checked(where, item)
        names.update({part.id: part.name for part in message.parts if isinstance(part, ToolCallPart)})
        return message
    if not isinstance(item, Mapping):
        raise InvalidRequest(f"{where} must be a dictionary with role and content, not {type(item).__name__}.")
    given = item.get("role")
    role = ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        raise InvalidRequest(f"{where} has the unknown role {quoted(given)}.", hint=f"Roles: {', '.join(ROLES)}.")
    if role == "tool":
        return Message("tool", (_tool_result(where, item, names),))
    parts = _content(where, item.get("content"))
    if role == "assistant":
        reasoning = item.get("reasoning_content")
        if isinstance(reasoning, str) and reasoning:
            parts.insert(0, ReasoningPart(reasoning))
        called = item.get("tool_calls") or ()
        if not isinstance(called, list | tuple):
            raise InvalidRequest(f"{where}: tool_calls must be a list.")
        calls = [_tool_call(where, call) for call in called]
        names.update({call.id: call.name for call in calls})
        parts.extend(calls)
    elif item.get("tool_calls"):
        raise InvalidRequest(f"{where} ({role}) has tool_calls; only an assistant calls tools.")
    if role == "system" and not all(isinstance(part, TextPart) for part in parts):
        raise InvalidRequest(f"{where} (system) may hold text only.")
    return Message(role, tuple(parts))


def _checked(where: str, message: Message) -> Message:
    """The message itself when its fields are what they say: Python does not check the types of a value's fields."""
    if message.role not in ROLES.values() or not isinstance(message.parts, list | tuple):
        raise InvalidRequest(f"{where} is not a message with a role and a tuple of parts.")
    return Message(message.role, tuple(_checked_part(where, part) for part in message.parts))


def _checked_part(where: str, part: Any) -> Part:
    opaque = getattr(part, "opaque", None)
    match part:
        case TextPart(text=str()) | ReasoningPart(text=str()):
            fine = True
        case ImagePart(media_type=str(), data=data, url=url):
            fine = isinstance(data or "", str) and isinstance(url or "", str) and bool(data or url)
        case ToolCallPart(id=str(), name=str(), arguments=dict(), provider_id=provider_id):
            fine = isinstance(provider_id or "", str)
        case ToolResultPart(call_id=str(), name=str(), content=str()):
            fine = True
        case _:
            fine = False
    if not fine or not isinstance(opaque or {}, dict):
        raise InvalidRequest(f"{where}: a part of type {type(part).__name__} has a field of a wrong type.")
    found: Part = part
    return found


def _content(where: str, content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(content)] if content else []
    if isinstance(content, Mapping) or not isinstance(content, Iterable):
        raise InvalidRequest(f"{where}: content must be a string or a list of parts, not {type(content).__name__}.")
    return [_part(where, part) for part in content]


def _part(where: str, part: Any) -> Part:
    if isinstance(part, Part):
        return _checked_part(where, part)
    if isinstance(part, str):
        return TextPart(part)
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("text", "input_text", "output_text"):
        if not isinstance(part.get("text"), str):
            raise InvalidRequest(f"{where}: a text part has no text.")
        return TextPart(part["text"])
    if kind in ("image_url", "input_image"):
        address = part.get("image_url")
        return _image(where, address.get("url") if isinstance(address, Mapping) else address)
    if kind == "image" and ("data" in part or "url" in part):
        if part.get("url"):
            return _image(where, part["url"])
        return _inline(where, str(part.get("media_type", "image/png")), part.get("data"))
    raise InvalidRequest(f"{where}: the part type {quoted(kind)} is not known.", hint="Known: text, image_url, image.")


def _image(where: str, url: Any) -> ImagePart:
    if not isinstance(url, str) or not url:
        raise InvalidRequest(f"{where}: a picture has no address.")
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        if not comma or not head.endswith(";base64"):
            raise InvalidRequest(f"{where}: a picture's data address must be base64.")
        return _inline(where, head.removesuffix(";base64").partition(";")[0], data)
    if not url.startswith(("https://", "http://")):
        raise InvalidRequest(f"{where}: a picture's address must begin with https://, http:// or data:.")
    return ImagePart(url=url)


def _inline(where: str, media_type: str, data: Any) -> ImagePart:
    media_type = media_type.lower()
    if media_type not in IMAGE_TYPES:
        known = ", ".join(sorted(IMAGE_TYPES))
        raise InvalidRequest(
            f"{where}: pictures of type {quoted(media_type)} are not accepted.", hint=f"Accepted: {known}."
        )
    try:
        empty = not isinstance(data, str) or not base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        empty = True
    if empty:
        raise InvalidRequest(f"{where}: a picture's data is empty or not base64.")
    return ImagePart(media_type=media_type, data=data)


def _tool_call(where: str, call: Any) -> ToolCallPart:
    if isinstance(call, ToolCallPart):
        _checked_part(where, call)
        return call
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not call.get("id"):
        raise InvalidRequest(f"{where}: a tool call needs an id and a function with a name.")
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise InvalidRequest(f"{where}: the arguments of {quoted(function['name'])} are not JSON.") from None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"{where}: the arguments of {quoted(function['name'])} must be a JSON object.")
    return ToolCallPart(id=str(call["id"]), name=function["name"], arguments=arguments, provider_id=str(call["id"]))


def _tool_result(where: str, item: Mapping[str, Any], names: dict[str, str]) -> ToolResultPart:
    call_id = item.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise InvalidRequest(f"{where} (tool) has no tool_call_id.")
    content = item.get("content")
    text = content if isinstance(content, str) else _joined(where, content)
    name = str(item.get("name") or names.get(call_id, ""))
    return ToolResultPart(call_id=call_id, name=name, content=text, is_error=bool(item.get("is_error", False)))


def _joined(where: str, content: Any) -> str:
    parts = _content(where, content)
    if not all(isinstance(part, TextPart) for part in parts):
        raise InvalidRequest(f"{where} (tool) may hold text only.")
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _says_something(message: Message) -> bool:
    return any(not isinstance(part, TextPart) or part.text.strip() for part in message.parts)


def _check_tool_results(messages: list[Message]) -> None:
    """Every tool result must answer a call made before it: providers refuse the whole request otherwise."""
    called: set[str] = set()
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                called.add(part.id)
            elif isinstance(part, ToolResultPart) and part.call_id not in called:
                raise InvalidRequest(f"The tool result {part.call_id!r} answers no earlier tool call.")

"""Tools as a wire accepts them: names in its form, and a place for the model's statement of intent.

A name that a provider does not accept is not refused: a conversation may hold calls of it from another provider, and
must stay sendable. It is replaced, for this request, by one that is accepted: every character that is not allowed
becomes ``_``, what is too long is cut, and a hash of the whole name follows, so that two names never become one.
``own_names`` leads back: a call comes home under the name that the caller gave the tool.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from providers_app.dialects.call_ids import base62
from providers_app.types.chat import ChatRequest, Message, Part, Tool, ToolCallPart, ToolResultPart
from providers_app.types.intent_rules import INTENT_PROPERTY, stated_schema

_HASH = 8


class NameForm(msgspec.Struct, frozen=True, dict=True):
    """Which names a wire accepts: the characters of a regular expression's class, the first one apart, and a length."""

    characters: str
    length: int
    first: str = ""

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return re.compile(f"(?=[{self.first or self.characters}])[{self.characters}]{{1,{self.length}}}")

    @cached_property
    def _wrong(self) -> re.Pattern[str]:
        return re.compile(f"[^{self.characters}]")

    def fits(self, name: str) -> bool:
        """Is this name accepted as it is?"""
        return self._whole.fullmatch(name) is not None

    def of(self, name: str) -> str:
        """The name itself, or an accepted one instead."""
        return name if self.fits(name) else self.made(name, 0)

    def made(self, name: str, attempt: int) -> str:
        """An accepted name instead of ``name``."""
        head = self._wrong.sub("_", name)[: self.length - _HASH - 3]
        if not head or not self.fits(head):
            head = f"t_{head}"
        return f"{head}_{base62(f'{name}{attempt or str()}', _HASH)}"


OPENAI_NAMES = NameForm("a-zA-Z0-9_-", 64)
ANTHROPIC_NAMES = NameForm("a-zA-Z0-9_-", 128)
GEMINI_NAMES = NameForm("a-zA-Z0-9_.:-", 64, first="a-zA-Z_")


def wired(chat: ChatRequest, form: NameForm) -> ChatRequest:
    """The request with tools as the wire accepts them; the very same one where nothing has to change."""
    names = _wire_names(chat, form)
    asking = any(tool.ask_intent for tool in chat.tools)
    if not names and not asking:
        return chat
    choice = chat.tool_choice
    return msgspec.structs.replace(
        chat,
        tools=tuple(_tool(tool, names) for tool in chat.tools),
        tool_choice=msgspec.structs.replace(choice, name=names.get(choice.name or "", choice.name)),
        messages=tuple(_message(message, names, asking=asking) for message in chat.messages),
    )


def own_names(chat: ChatRequest, form: NameForm) -> dict[str, str]:
    """The caller's name of every tool that has another one on the wire, by that one."""
    return {wire: own for own, wire in _wire_names(chat, form).items()}


def _wire_names(chat: ChatRequest, form: NameForm) -> dict[str, str]:
    """The wire's name of every tool whose own is not accepted. Depends on the set of names only."""
    used = {tool.name for tool in chat.tools} | {
        part.name for message in chat.messages for part in message.parts if isinstance(part, ToolCallPart)
    }
    wrong = sorted(name for name in used if not form.fits(name))
    taken = used.difference(wrong)
    found: dict[str, str] = {}
    for name in wrong:
        attempt = 0
        while (made := form.made(name, attempt)) in taken:
            attempt += 1
        taken.add(made)
        found[name] = made
    return found


def _tool(tool: Tool, names: Mapping[str, str]) -> Tool:
    parameters = stated_schema(tool.parameters, strict=bool(tool.strict)) if tool.ask_intent else tool.parameters
    return msgspec.structs.replace(tool, name=names.get(tool.name, tool.name), parameters=parameters)


def _message(message: Message, names: Mapping[str, str], *, asking: bool) -> Message:
    if not any(isinstance(part, ToolCallPart | ToolResultPart) for part in message.parts):
        return message
    return Message(message.role, tuple(_parts(message.parts, names, asking=asking)))


def _parts(parts: Iterable[Part], names: Mapping[str, str], *, asking: bool) -> Iterable[Part]:
    for part in parts:
        if isinstance(part, ToolCallPart):
            arguments: dict[str, Any] = part.arguments
            stated = (part.opaque or {}).get(INTENT_PROPERTY)
            if asking and stated is not None:
                arguments = {**arguments, INTENT_PROPERTY: stated}  # as the model wrote it: signatures may cover it
            yield msgspec.structs.replace(part, name=names.get(part.name, part.name), arguments=arguments)
        elif isinstance(part, ToolResultPart):
            yield msgspec.structs.replace(part, name=names.get(part.name, part.name))
        else:
            yield part

"""Tools as a wire accepts them: call ids and names in its form, and a place for the model's statement of intent.

Call ids are derived from our own, so that the same history always gives the same ids. One that does not fit is replaced
by a hash, never cut (two long ids may begin alike). The forms are those of the providers' errors and SDKs: OpenAI's
"string_above_max_length ... maximum length 40", Mistral's "must be a-z, A-Z, 0-9, with a length of 9", Anthropic's
``^[a-zA-Z0-9_-]+$``.

A name that a provider does not accept is not refused, since a conversation may hold calls of it from another provider.
It is replaced, for this request: every character that is not allowed becomes ``_``, what is too long is cut, and a hash
of the whole name follows, so that two names never become one. ``own_names`` leads back.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from providers_app.dialects.media import note
from providers_app.types.chat import ChatRequest, Message, Part, Tool, ToolCallPart, ToolResultPart
from providers_app.types.intent_rules import INTENT_PROPERTY, stated_schema

_HASH = 8
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class IdForm(msgspec.Struct, frozen=True, dict=True):
    """The form of tool-call ids on a wire (``pattern``); others are replaced by prefix and hash of ``length``."""

    pattern: str
    prefix: str = "call_"
    length: int = 24

    @cached_property
    def _matching(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def fits(self, call_id: str) -> bool:
        """Tell whether this id is accepted as it is."""
        return self._matching.fullmatch(call_id) is not None


OPENAI_IDS = IdForm(r"[\x21-\x7e]{1,40}")
RESPONSES_IDS = IdForm(r"[\x21-\x7e]{1,64}")
ANTHROPIC_IDS = IdForm(r"[a-zA-Z0-9_-]{1,64}", "toolu_")
GEMINI_IDS = IdForm(r"[\x21-\x7e]{1,128}")
NINE_ALPHANUMERICS = IdForm(r"[a-zA-Z0-9]{9}", "", 9)


class CallIds:
    """The wire ids of one request.

    A call has, in this order, the first of these that fits and that no earlier call has: the id that the asked provider
    itself gave it for this ``session`` (``None``: any), our own id, a hash of our own id. So an id of another provider
    or account never reaches this one.
    """

    def __init__(self, form: IdForm, provider: str, session: str | None = None) -> None:
        self._form = form
        self._provider, self._session = provider, session
        self._used: set[str] = set()

    def of(self, call: ToolCallPart) -> tuple[bool, str]:
        """Return whether the id is the provider's own, and the id."""
        given = call.provider_id
        origin = call.origin
        mine = origin is not None and origin.provider == self._provider
        if mine and self._session is not None and origin is not None:
            mine = origin.session in (None, self._session)
        if given and mine and self._free(given):
            self._used.add(given)
            return True, given
        chosen, attempt = call.id, 0
        while not self._free(chosen):
            chosen = self._form.prefix + base62(f"{call.id}\0{attempt}", self._form.length)
            attempt += 1
        self._used.add(chosen)
        return False, chosen

    def _free(self, call_id: str) -> bool:
        return call_id not in self._used and self._form.fits(call_id)


def base62(text: str, length: int) -> str:
    """Return the first ``length`` digits of a hash of ``text``."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    return "".join(BASE62[number // 62**place % 62] for place in range(length))


class NameForm(msgspec.Struct, frozen=True, dict=True):
    """The form of tool names on a wire: a regular expression's class, one for the first character, and a length."""

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
        """Tell whether this name is accepted as it is."""
        return self._whole.fullmatch(name) is not None

    def of(self, name: str) -> str:
        """Return the name itself, or an accepted one instead."""
        return name if self.fits(name) else self.made(name, 0)

    def made(self, name: str, attempt: int) -> str:
        """Make an accepted name instead of ``name``."""
        head = self._wrong.sub("_", name)[: self.length - _HASH - 3]
        if not head or not self.fits(head):
            head = f"t_{head}"
        return f"{head}_{base62(f'{name}{attempt or str()}', _HASH)}"


OPENAI_NAMES = NameForm("a-zA-Z0-9_-", 64)
ANTHROPIC_NAMES = NameForm("a-zA-Z0-9_-", 128)
GEMINI_NAMES = NameForm("a-zA-Z0-9_.:-", 64, first="a-zA-Z_")


def wired(chat: ChatRequest, form: NameForm) -> ChatRequest:
    """Return the request with tools as the wire accepts them; the very same one where nothing has to change."""
    names = _wire_names(chat, form)
    asking = any(tool.ask_intent for tool in chat.tools)
    if not names and not asking:
        return chat
    for part in _calls(chat):
        if part.name in names:
            note(chat, part, "part_renamed", f"The tool's name is sent as {names[part.name]}.")
    choice = chat.tool_choice
    return msgspec.structs.replace(
        chat,
        tools=tuple(_tool(tool, names) for tool in chat.tools),
        tool_choice=msgspec.structs.replace(choice, name=names.get(choice.name or "", choice.name)),
        messages=tuple(
            Message(message.role, tuple(_part(part, names, asking=asking) for part in message.parts))
            for message in chat.messages
        ),
    )


def own_names(chat: ChatRequest, form: NameForm) -> dict[str, str]:
    """Map the wire's name of every renamed tool to the caller's."""
    return {wire: own for own, wire in _wire_names(chat, form).items()}


def _wire_names(chat: ChatRequest, form: NameForm) -> dict[str, str]:
    """Map every name that the wire does not accept to its replacement. Depends on the set of names only."""
    used = {tool.name for tool in chat.tools} | {part.name for part in _calls(chat)}
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


def _calls(chat: ChatRequest) -> Iterable[ToolCallPart]:
    return (part for message in chat.messages for part in message.parts if isinstance(part, ToolCallPart))


def _tool(tool: Tool, names: Mapping[str, str]) -> Tool:
    parameters = stated_schema(tool.parameters, strict=bool(tool.strict)) if tool.ask_intent else tool.parameters
    return msgspec.structs.replace(tool, name=names.get(tool.name, tool.name), parameters=parameters)


def _part(part: Part, names: Mapping[str, str], *, asking: bool) -> Part:
    if not isinstance(part, ToolCallPart | ToolResultPart):
        return part
    changed: dict[str, Any] = {"name": names.get(part.name, part.name)}
    if asking and isinstance(part, ToolCallPart) and (stated := (part.opaque or {}).get(INTENT_PROPERTY)) is not None:
        changed["arguments"] = {**part.arguments, INTENT_PROPERTY: stated}  # as the model wrote it: it may be signed
    return msgspec.structs.replace(part, **changed)

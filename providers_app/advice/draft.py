"""A request on its way to being fit: what is left of it, and what was said about it. One value, used by every step."""

from typing import Any

import msgspec

from providers_app.advice.sources import Rules
from providers_app.text import quoted
from providers_app.types.advice import REFUSED_BY_LOGIN, Advice, Level
from providers_app.types.chat import ChatParams, ChatRequest, Tool, ToolChoice
from providers_app.types.rules import Condition

CHANGES = frozenset(
    {
        "not_in_format",
        "not_for_model",
        "replaced",
        "renamed",
        "budget_cut",
        "schema_unsent",
        "schema_relaxed",
        "strict_unsent",
        REFUSED_BY_LOGIN,
    }
)
"""The codes that say that the request is not sent as it was asked for; ``strict`` refuses them."""


class Draft:
    """``values`` are the parameters that are set; the steps take from them and say why."""

    def __init__(self, chat: ChatRequest, rules: Rules) -> None:
        self.chat = chat
        self.rules = rules
        self.values = set_values(chat.params)
        self.tools: tuple[Tool, ...] = chat.tools
        self.tool_choice: ToolChoice = chat.tool_choice
        self.found: list[Advice] = []

    def say(self, level: Level, field: str, code: str, what: str, why: str = "", nearest: Any = None) -> None:
        """One more finding."""
        self.found.append(Advice(level=level, field=field, what=what, why=why, nearest=nearest, code=code))

    def drop(self, name: str, code: str, why: str) -> None:
        """Leave a parameter out."""
        if name in self.values:
            del self.values[name]
            self.say("warning", name, code, f"{name} is not sent.", why)

    def replace(self, name: str, value: Any, why: str, code: str = "replaced") -> None:
        """Send another value."""
        before = self.values[name]
        if value != before:
            self.values[name] = value
            self.say("warning", name, code, f"{name} is sent as {shown(value)}, not as {shown(before)}.", why, value)

    def limit(self, field: str, code: str, what: str, why: str = "", nearest: Any = None) -> None:
        """Something that the format refuses: an error, or a warning where servers of the format differ."""
        self.say("warning" if self.rules.format.lenient else "error", field, code, what, why, nearest)

    def holds(self, condition: Condition) -> bool:
        """Does a rule's condition hold for what is left?"""
        effort = self.values.get("reasoning_effort")
        match condition:
            case "reasoning":
                return effort not in (None, "none")
            case "reasoning_not_off":
                return effort != "none"
            case "tools":
                return bool(self.tools)
            case "forced_tool":
                return self.tool_choice.mode in ("required", "tool")
            case "temperature":
                return "temperature" in self.values
            case "temperature_not_1":
                return self.values.get("temperature") != 1
            case "top_p_below_0.95":
                return bool(self.values.get("top_p", 1) < 0.95)

    def finished(self) -> ChatRequest:
        """The request with what is left."""
        params = ChatParams(**self.values, extra=self.chat.params.extra)
        unchanged = (params, self.tools, self.tool_choice) == (
            self.chat.params,
            self.chat.tools,
            self.chat.tool_choice,
        )
        if unchanged:
            return self.chat
        return msgspec.structs.replace(self.chat, params=params, tools=self.tools, tool_choice=self.tool_choice)


def set_values(params: ChatParams) -> dict[str, Any]:
    """The parameters that are set, by name; ``extra`` is not among them."""
    values = {name: getattr(params, name) for name in ChatParams.__struct_fields__ if name != "extra"}
    return {name: value for name, value in values.items() if value is not None and value != ()}


def shown(value: Any) -> str:
    """A value in a sentence."""
    return value if isinstance(value, str) else quoted(value)

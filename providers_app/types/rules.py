"""The parameters that a wire format, and the models behind it, take: declared data, checked in ``advice``."""

from typing import Any, Literal

import msgspec

from providers_app.types.chat import ChatParams

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every reasoning effort that there is anywhere, from the least to the most."""

Condition = Literal[
    "reasoning", "reasoning_not_off", "tools", "forced_tool", "temperature", "temperature_not_1", "top_p_below_0.95"
]
"""When a rule applies. ``reasoning``: an effort is asked for. ``reasoning_not_off``: it is not ``none`` (the model may
reason by default). ``forced_tool``: the model has to call a tool. The others are what they say of the parameter."""


class FormatRules(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters and values that one wire format takes, as one server speaks it to one model.

    ``places`` are the parameters that can be sent, with the field of the body that carries each
    (``generationConfig.topP``); the others are left out, and so are those of ``refused_fields``, top-level fields that
    this server does not know. ``ranges`` are inclusive, ``defaults`` values that the format has anyway and no word for.

    ``renamed_efforts`` are sent as their neighbour. Where a model knows a budget of thinking tokens instead,
    ``budgets`` has it by effort; one below ``least_budget`` cannot be sent, and with ``budget_in_output`` it has to
    stay below the output limit, which is ``default_max_output`` where the caller names none.

    ``tool_name`` is the pattern of a tool's name, ``tool_name_words`` the same in words; ``tool_tops`` are JSON Schema
    keywords that the top of a tool's schema may not have. ``named_tool_choice``: the format can say which tool to call.
    ``fewer_tools``: where it cannot, a choice is made by sending the named tool alone, or none.

    ``schema`` is how the answer's schema is taken: ``strict`` (every property required, nothing else allowed),
    ``object`` (an object at the top), ``any``, or ``unsent`` (the schema stands in words). ``lenient``: servers of this
    format differ, so its limits are warnings.
    """

    places: dict[str, str]
    refused_fields: frozenset[str] = frozenset()
    ranges: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    max_stops: int = 16
    defaults: dict[str, Any] = msgspec.field(default_factory=dict)
    renamed_efforts: dict[str, str] = msgspec.field(default_factory=dict)
    budgets: dict[str, int] = msgspec.field(default_factory=dict)
    least_budget: int = 0
    budget_in_output: bool = False
    default_max_output: int | None = None
    tool_name: str = r"[A-Za-z0-9_.:-]{1,128}"
    tool_name_words: str = "1 to 128 of A-Z, a-z, 0-9, _ - . and :"
    tool_tops: frozenset[str] = frozenset()
    strict_tools: bool = True
    named_tool_choice: bool = True
    fewer_tools: bool = False
    schema: Literal["strict", "object", "any", "unsent"] = "any"
    lenient: bool = False

    def carries(self, name: str) -> bool:
        """Say whether there is a field for this parameter that the server knows."""
        place = self.places.get(name)
        return place is not None and place.split(".")[0] not in self.refused_fields


class ModelRule(msgspec.Struct, frozen=True):
    """A limit of models beside those of their format; ``why`` is a sentence for a person.

    It is about ids that begin with one of ``models`` and with none of ``but`` (lower case; ``""`` is every model), in
    the formats ``dialects`` (empty: all), when all of ``when`` hold. ``params`` are then left out; with ``takes``,
    another value is replaced by the nearest of those; with ``instead``, by that value.
    """

    models: tuple[str, ...]
    params: tuple[str, ...]
    why: str
    but: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    takes: tuple[str, ...] = ()
    instead: str | None = None

    def concerns(self, model: str, dialect: str) -> bool:
        """Say whether the rule is about this model in this format."""
        name = model.lower().removeprefix("models/").replace("@", "-")  # what stands before a version on Vertex AI
        if self.dialects and dialect not in self.dialects:
            return False
        return name.startswith(self.models) and not (self.but and name.startswith(self.but))


ANYTHING = FormatRules(places={name: name for name in ChatParams.__struct_fields__}, lenient=True)
"""For a format that declares nothing: all is sent as it is."""

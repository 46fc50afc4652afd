"""A request while it is checked: the rules that hold for it, what checks find, and what becomes of it by that."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from providers_app.model_data.library import facts, host_of
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve, supports
from providers_app.text import quoted
from providers_app.types.advice import REFUSED_BY_LOGIN, Advice, Level
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatParams, ChatRequest, Tool, ToolChoice
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.rules import ANYTHING, Condition, FormatRules, ModelRule

PARAMETERS = tuple(name for name in ChatParams.__struct_fields__ if name != "extra")

Kind = tuple[Level, Literal["drop", "replace", "report", "refuse", "keep"]]
"""The level of a finding, and what becomes of the request.

``drop``: the field is left out. ``replace``: the finding's value is sent instead. ``report``: the dialect writes the
field otherwise, or the provider takes it as less. ``refuse``: the request is not sent; where servers of the format
differ it is, and the finding is a warning. ``keep``: it is sent as it is.
"""
_CODES: dict[Kind, str] = {
    ("warning", "drop"): "not_in_format not_for_model",
    ("hint", "drop"): "default",
    ("warning", "replace"): "replaced schema_relaxed strict_unsent",
    ("warning", "report"): "renamed budget_cut schema_unsent",
    ("hint", "report"): "tool_choice_by_tools tool_name schema_not_strict",
    ("error", "refuse"): "out_of_range too_many_stops schema_name schema_top schema_depth tool_top",
    ("warning", "keep"): "schema_open output_below_thinking above_model_output above_window many_tools no_tools "
    "no_structured_output no_reasoning no_images",
    ("hint", "keep"): "half_window both_samplings sampling_while_reasoning large_schema tool_without_description "
    "tool_schema_not_portable",
}
KINDS: dict[str, Kind] = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
CHANGES = frozenset(
    {REFUSED_BY_LOGIN}
    | {code for code, kind in KINDS.items() if kind[0] == "warning" and kind[1] in ("drop", "replace", "report")}
)
"""The codes that say that the request is not sent as it was asked for; ``strict`` refuses them."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a request to ``model`` of the provider called ``name``; ``underlying`` is the vendor's id of it.

    ``facts`` are its figures in model files and the configuration (``None``: nothing is known). They alone decide what
    is left out, so that it does not depend on lists that were fetched lately. Such a list's are ``listed``, for advice
    where there are no ``facts``.
    """

    name: str
    model: str
    underlying: str = ""
    format: FormatRules = ANYTHING
    models: tuple[ModelRule, ...] = ()
    facts: ModelInfo | None = None
    listed: ModelInfo | None = None

    @property
    def known(self) -> ModelInfo:
        """The figures by which advice is given; without one of them it is not said."""
        return self.facts or self.listed or ModelInfo(id=self.model)


def rules_of(
    slug: str,
    model: str,
    credential: Credential,
    dialect: Dialect,
    *,
    session: str = "",
    listed: ModelInfo | None = None,
) -> Rules:
    """Return the rules for a request in ``dialect`` over a session with this credential; its secret is not used.

    ``session`` is the session's name, for figures that are configured for it. Raises ``UnknownProvider``.
    """
    declared = getattr(dialect, "rules", None)
    every: tuple[ModelRule, ...] = ()
    meant = model
    if supports(slug, "rules"):
        behaviour = resolve(slug, "rules")
        every, meant = behaviour.of(model, credential), behaviour.underlying(model, credential)
    return Rules(
        name=registry.card(slug).name,
        model=model,
        underlying=meant,
        format=declared(meant) if callable(declared) else ANYTHING,
        models=tuple(rule for rule in every if rule.concerns(meant, dialect.name)),
        facts=facts(slug, model, underlying=meant, host=host_of(credential.base_url), session=session),
        listed=listed,
    )


def plain_credential(slug: str) -> Credential:
    """Return a credential without a secret, of the provider's first kind: for rules that depend on no session."""
    auth_types = registry.card(slug).auth_types
    return Credential(auth_type=auth_types[0] if auth_types else "none")


class Finding(NamedTuple):
    """A fact that a check found about ``field``, a parameter or ``tools.<name>``; ``level`` replaces the kind's.

    Without ``what``, the text says that the field is left out or replaced.
    """

    code: str
    field: str
    what: str = ""
    why: str = ""
    nearest: Any = None
    value: Any = None
    level: Level | None = None


class Check(NamedTuple):
    """One row: ``find`` is called when a parameter in ``about`` is set; where it is empty, nothing is to check."""

    about: Iterable[str] | Callable[[Rules], Iterable[str]]
    find: Callable[["Draft"], Iterator[Finding]]


class Draft:
    """A request while it is checked: what is left of it, and what was found.

    ``values`` are the parameters that are set, ``messages``, and where there are tools, ``tools`` and a ``tool_choice``
    that is not ``auto``. ``changed`` says that they differ from what was asked for.
    """

    def __init__(self, chat: ChatRequest, rules: Rules) -> None:
        self.chat, self.rules = chat, rules
        self.values: dict[str, Any] = {"messages": chat.messages}
        for name in PARAMETERS:
            if (value := getattr(chat.params, name)) is not None and value != ():
                self.values[name] = value
        chosen = chat.tool_choice.mode != "auto"
        if chat.tools:
            self.values |= {"tools": chat.tools} | ({"tool_choice": chat.tool_choice} if chosen else {})
        self.found: list[Advice] = []
        self.changed = chosen and not chat.tools

    def apply(self, finding: Finding) -> None:
        """Change the request as the kind of the finding says, and add it to the advice."""
        code, field, what, why, nearest, value, other_level = finding
        level, effect = KINDS[code]
        if effect == "drop":
            what = what or f"{field} is not sent."
            self.values.pop(field, None)
            if field == "tools":
                self.values.pop("tool_choice", None)
        elif isinstance(value, Tool):
            self.values["tools"] = tuple(value if one.name == value.name else one for one in self.values["tools"])
        elif value is not None:
            what = what or f"{field} is sent as {_shown(value)}, not as {_shown(self.values[field])}."
            self.values[field] = value
        elif effect == "refuse" and self.rules.format.lenient:
            level = "warning"
        level = other_level or level
        self.changed |= effect == "drop" or value is not None
        self.found.append(Advice(level=level, field=field, what=what, why=why, nearest=nearest, code=code))

    def finished(self) -> ChatRequest:
        """Return the request with what is left."""
        params = {name: self.values[name] for name in PARAMETERS if name in self.values}
        return msgspec.structs.replace(
            self.chat,
            params=ChatParams(extra=self.chat.params.extra, **params),
            tools=self.values.get("tools", ()),
            tool_choice=self.values.get("tool_choice", ToolChoice()),
        )

    def holds(self, condition: Condition) -> bool:
        """Say whether a rule's condition holds for what is left."""
        effort, choice = self.values.get("reasoning_effort"), self.values.get("tool_choice")
        match condition:
            case "reasoning":
                return effort not in (None, "none")
            case "reasoning_not_off":
                return effort != "none"
            case "tools" | "temperature":
                return condition in self.values
            case "forced_tool":
                return choice is not None and choice.mode in ("required", "tool")
            case "temperature_not_1":
                return self.values.get("temperature") != 1
            case "top_p_below_0.95":
                return bool(self.values.get("top_p", 1) < 0.95)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else quoted(value)

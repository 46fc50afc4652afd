"""A request made fit for the rules that hold for it. Pure.

    format      what the wire format has no field for is left out
    models      what the models refuse is left out, or replaced where there is a neighbour
    facts       what the catalogue says that the model does not take is left out
    ranges      what is outside the format's ranges is refused
    efforts     efforts without a word in the format take their neighbour's, budgets have to fit the output
    schemas     answers' and tools' JSON Schemas

Every parameter that is set is afterwards in the request as it was, or in the advice.
"""

from collections.abc import Iterable

from providers_app.advice import efforts, practice, schemas
from providers_app.advice.draft import CHANGES, Draft
from providers_app.advice.sources import Rules, facts_of, rules_of
from providers_app.errors import InvalidParameter, UnsupportedParameter
from providers_app.ports import Session
from providers_app.registry.resolver import resolve
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatRequest, ToolChoice
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.rules import ModelRule

LISTED_BY_MODELS = frozenset(
    {"max_output_tokens", "temperature", "top_p", "stop", "seed", "reasoning_effort", "response_schema"}
)
"""The parameters whose absence from a model's list says that it does not take them; of the others, lists are silent."""


def fit(chat: ChatRequest, rules: Rules, facts: ModelInfo | None = None) -> tuple[ChatRequest, tuple[Advice, ...]]:
    """The request as it can be sent, and what was left out of it, changed in it, or is wrong with it.

    An ``error`` among the advice says that it cannot be sent at all; ``refuse`` raises it. ``extra`` is never touched.
    """
    draft = Draft(chat, rules)
    _format(draft)
    _models(draft)
    _facts(draft, facts)
    _ranges(draft)
    efforts.fit(draft)
    schemas.fit(draft)
    return draft.finished(), tuple(draft.found)


def fitted(
    session: Session, credential: Credential, chat: ChatRequest, dialect: Dialect
) -> tuple[ChatRequest, tuple[Advice, ...]]:
    """Return the request as it can be sent in ``dialect``, and the advice that goes along with its answer.

    The advice is what was left out or changed, also by the session's kind of login, and the warnings; the other hints
    are only for callers that ask for them (``validate_parameters``).

    Raises ``InvalidParameter`` for what cannot be sent, ``UnsupportedParameter`` where a ``strict`` request would be
    changed, and as the provider's behaviours do.
    """
    rules = rules_of(session.provider, chat.model, credential, dialect)
    facts = facts_of(session.provider, rules, credential, session.name)
    fit_chat, found = fit(chat, rules, facts)
    refuse(found)
    said = merged(found, of_login(session.provider, fit_chat, credential))
    refuse(said, strict=chat.strict)
    doubts = (item for item in practice.advise(fit_chat, rules, facts) if item.level == "warning")
    return fit_chat, merged(said, doubts)


def refuse(advice: Iterable[Advice], *, strict: bool = False) -> None:
    """Raises ``InvalidParameter`` for errors, and with ``strict`` ``UnsupportedParameter`` for every change."""
    found = tuple(advice)
    wrong = tuple(item for item in found if item.level == "error")
    if wrong:
        raise InvalidParameter(wrong)
    changes = tuple(item for item in found if item.code in CHANGES) if strict else ()
    if changes:
        raise UnsupportedParameter(changes)


def _format(draft: Draft) -> None:
    form, name = draft.rules.format, draft.rules.name
    for parameter in tuple(draft.values):
        if form.carries(parameter):
            continue
        if parameter in form.defaults and draft.values[parameter] == form.defaults[parameter]:
            del draft.values[parameter]
            draft.say("hint", parameter, "default", f"{parameter} is not sent.", f"{name} does so anyway.")
        elif parameter in form.places:
            draft.drop(parameter, "not_in_format", f"This {name} server does not know the parameter.")
        else:
            draft.drop(parameter, "not_in_format", f"{name}'s API has no such parameter.")
    if draft.tools and "tools" in form.refused_fields:
        draft.tools = ()
        draft.say("warning", "tools", "not_in_format", "The tools are not sent.", f"This {name} server knows none.")
    _choice(draft)
    _parallel(draft)


def _choice(draft: Draft) -> None:
    """A choice among tools that the server has no word for."""
    form, mode = draft.rules.format, draft.tool_choice.mode
    if mode == "auto" or not draft.tools:
        draft.tool_choice = ToolChoice()
        return
    silent = "tool_choice" in form.refused_fields
    if not silent and (mode != "tool" or form.named_tool_choice):
        return
    why = f"This {draft.rules.name} server has no word for the choice."
    if form.fewer_tools and mode == "none":
        draft.say("hint", "tool_choice", "tool_choice_by_tools", "The tools are not sent, so that none is called.", why)
    elif form.fewer_tools and mode == "tool" and not silent:
        what = f"The tool {draft.tool_choice.name!r} is sent alone, so that no other is called."
        draft.say("hint", "tool_choice", "tool_choice_by_tools", what, why)
    elif form.fewer_tools and mode == "tool":
        what = f"The tool {draft.tool_choice.name!r} is sent alone, and the model may answer without calling it."
        draft.say("warning", "tool_choice", "replaced", what, why)
    else:
        draft.tool_choice = ToolChoice()
        draft.say("warning", "tool_choice", "not_in_format", "tool_choice is not sent.", f"{why} The model chooses.")


def _parallel(draft: Draft) -> None:
    """Whether tools may be called at once is said beside the tools, and is the default where it is allowed."""
    value = draft.values.get("parallel_tool_calls")
    if value is None:
        return
    why = ""
    if not draft.tools:
        why = "It is said together with tools, and there are none."
    elif value == draft.rules.format.defaults.get("parallel_tool_calls"):
        why = f"{draft.rules.name} does so anyway."
    elif draft.tool_choice.mode == "none" and (
        "tool_choice" in draft.rules.format.places["parallel_tool_calls"]
        or "tool_choice" in draft.rules.format.refused_fields
    ):
        why = "The model may call no tool."
    if why:
        del draft.values["parallel_tool_calls"]
        draft.say("hint", "parallel_tool_calls", "default", "parallel_tool_calls is not sent.", why)


def _models(draft: Draft) -> None:
    for rule in draft.rules.models:
        for parameter in rule.params:
            if parameter in draft.values and all(draft.holds(condition) for condition in rule.when):
                _apply(draft, rule, parameter)


def _apply(draft: Draft, rule: ModelRule, parameter: str) -> None:
    value = draft.values[parameter]
    if rule.takes:
        if value not in rule.takes:
            draft.replace(parameter, efforts.nearest_effort(str(value), rule.takes), rule.why)
    elif rule.instead is not None:
        draft.replace(parameter, rule.instead, rule.why)
    else:
        draft.drop(parameter, "not_for_model", rule.why)


def _facts(draft: Draft, facts: ModelInfo | None) -> None:
    if facts is None or facts.parameters is None:
        return
    for parameter in sorted((LISTED_BY_MODELS & draft.values.keys()) - set(facts.parameters)):
        draft.drop(parameter, "not_for_model", f"The list of models says that {facts.id} does not take it.")


def _ranges(draft: Draft) -> None:
    form, name = draft.rules.format, draft.rules.name
    for parameter, (low, high) in form.ranges.items():
        value = draft.values.get(parameter)
        if value is not None and not low <= value <= high:
            what = f"{parameter} must be between {low:g} and {high:g}, not {value}."
            nearest = low if value < low else high
            draft.limit(parameter, "out_of_range", what, f"That is the range of {name}'s API.", nearest)
    stops = draft.values.get("stop", ())
    if len(stops) > form.max_stops:
        what = f"stop has {len(stops)} entries; {name} takes at most {form.max_stops}."
        draft.limit("stop", "too_many_stops", what, nearest=list(stops[: form.max_stops]))


def of_login(
    slug: str, fitted: ChatRequest, credential: Credential, found: Iterable[Advice] = ()
) -> tuple[Advice, ...]:
    """What this kind of login takes out of a request or adds to it; nothing for a key, or where errors were found."""
    if credential.auth_type != "oauth" or any(item.level == "error" for item in found):
        return ()
    return tuple(resolve(slug, "oauth").advise(fitted, credential))


def merged(*parts: Iterable[Advice]) -> tuple[Advice, ...]:
    """Findings of several sources in their order, the same one once."""
    kept: dict[tuple[str, str], Advice] = {}
    for item in (item for part in parts for item in part):
        kept.setdefault((item.field, item.what), item)
    return tuple(kept.values())

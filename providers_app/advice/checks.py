"""The table of checks of a request, in the order in which they apply; ``fitting`` reads it."""

from collections.abc import Iterable, Iterator, Sequence

from providers_app.advice import schema_checks
from providers_app.advice.draft import PARAMETERS, Check, Draft, Finding, Rules
from providers_app.types.chat import ImagePart
from providers_app.types.rules import EFFORTS

LISTED_BY_MODELS = frozenset(PARAMETERS) - {"parallel_tool_calls"}
"""The parameters whose absence from a model's list says that it does not take them; of the others, lists are silent."""
THINKING = {"minimal": 512, "low": 2048, "medium": 6144, "high": 12_288, "xhigh": 16_384, "max": 24_576}
"""About how many tokens a model may think at an effort, before its answer begins."""
ROOM = 4096
"""Tokens that an answer should have besides the thinking."""


def _not_carried(rules: Rules) -> list[str]:
    return [name for name in PARAMETERS if not rules.format.carries(name)]


def _format(draft: Draft) -> Iterator[Finding]:
    """Yield the parameters that the wire format has no field for, or that this server of it does not know."""
    form, maker = draft.rules.format, draft.rules.name
    for name in (name for name in _not_carried(draft.rules) if name in draft.values):
        if name in form.defaults and draft.values[name] == form.defaults[name]:
            yield Finding("default", name, why=f"{maker} does so anyway.")
        elif name in form.places:
            yield Finding("not_in_format", name, why=f"This {maker} server does not know the parameter.")
        else:
            yield Finding("not_in_format", name, why=f"{maker}'s API has no such parameter.")


def _no_tools(draft: Draft) -> Iterator[Finding]:
    yield Finding("not_in_format", "tools", "The tools are not sent.", f"This {draft.rules.name} server knows none.")


def _hard_to_choose(rules: Rules) -> tuple[str, ...]:
    form = rules.format
    return ("tool_choice",) if "tool_choice" in form.refused_fields or not form.named_tool_choice else ()


def _tool_choice(draft: Draft) -> Iterator[Finding]:
    """Yield a choice among tools that the server has no word for; the dialect makes it by sending fewer tools."""
    form, choice = draft.rules.format, draft.values["tool_choice"]
    silent = "tool_choice" in form.refused_fields
    if not silent and (choice.mode != "tool" or form.named_tool_choice):
        return
    why = f"This {draft.rules.name} server has no word for the choice."
    if not form.fewer_tools or choice.mode == "required":
        yield Finding("not_in_format", "tool_choice", why=f"{why} The model chooses.")
    elif choice.mode == "none":
        what = "The tools are not sent, so that none is called."
        yield Finding("tool_choice_by_tools", "tool_choice", what, why)
    elif not silent:
        what = f"The tool {choice.name!r} is sent alone, so that no other is called."
        yield Finding("tool_choice_by_tools", "tool_choice", what, why)
    else:
        what = f"The tool {choice.name!r} is sent alone, and the model may answer without calling it."
        yield Finding("replaced", "tool_choice", what, why)


def _parallel(draft: Draft) -> Iterator[Finding]:
    """Yield a switch that says the default: it is written beside the tools, where there is a choice."""
    value, form = draft.values.get("parallel_tool_calls"), draft.rules.format
    if value is None:
        return
    choice, place = draft.values.get("tool_choice"), form.places["parallel_tool_calls"]
    if "tools" not in draft.values:
        yield Finding("default", "parallel_tool_calls", why="It is said together with tools, and there are none.")
    elif value == form.defaults.get("parallel_tool_calls"):
        yield Finding("default", "parallel_tool_calls", why=f"{draft.rules.name} does so anyway.")
    elif choice and choice.mode == "none" and ("tool_choice" in place or "tool_choice" in form.refused_fields):
        yield Finding("default", "parallel_tool_calls", why="The model may call no tool.")


def _model_rules(draft: Draft) -> Iterator[Finding]:
    """Yield the parameters that the model's rules leave out or replace."""
    for rule in draft.rules.models:
        for name in rule.params:
            if name not in draft.values or not all(draft.holds(condition) for condition in rule.when):
                continue
            value = draft.values[name]
            if not rule.takes and rule.instead is None:
                yield Finding("not_for_model", name, why=rule.why)
            elif value not in rule.takes and value != rule.instead:
                other = nearest_effort(str(value), rule.takes) if rule.takes else rule.instead
                yield Finding("replaced", name, why=rule.why, nearest=other, value=other)


def _unlisted(rules: Rules) -> Iterable[str]:
    listed = rules.facts.parameters if rules.facts is not None else None
    return () if listed is None else sorted(LISTED_BY_MODELS - set(listed))


def _model_list(draft: Draft) -> Iterator[Finding]:
    """Return the parameters that the model's entry in the list of models does not name."""
    why = f"The list of models says that {draft.rules.known.id} does not take it."
    return (Finding("not_for_model", name, why=why) for name in _unlisted(draft.rules) if name in draft.values)


def _ranges(draft: Draft) -> Iterator[Finding]:
    """Yield the values that are outside of the format's ranges."""
    for name, (low, high) in draft.rules.format.ranges.items():
        if (value := draft.values.get(name)) is not None and not low <= value <= high:
            what = f"{name} must be between {low:g} and {high:g}, not {value}."
            why = f"That is the range of {draft.rules.name}'s API."
            yield Finding("out_of_range", name, what, why, low if value < low else high)


def _stops(draft: Draft) -> Iterator[Finding]:
    stops, most = draft.values.get("stop", ()), draft.rules.format.max_stops
    if len(stops) > most:
        what = f"stop has {len(stops)} entries; {draft.rules.name} takes at most {most}."
        yield Finding("too_many_stops", "stop", what, nearest=list(stops[:most]))


def _effort(draft: Draft) -> Iterator[Finding]:
    """Yield an effort that the format has no word for, or whose budget of thinking does not fit into the output."""
    form, effort = draft.rules.format, draft.values.get("reasoning_effort", "")
    if word := form.renamed_efforts.get(effort):
        # The dialect writes the other word: the checks that depend on the effort still see the one that was meant.
        what = f"reasoning_effort {effort} is sent as {word}."
        yield Finding("renamed", "reasoning_effort", what, f"{draft.rules.name} has no such effort.", word)
    budget, limit = form.budgets.get(effort, 0), draft.values.get("max_output_tokens", form.default_max_output)
    if not budget or not form.budget_in_output or limit is None or budget < limit:
        return
    least = form.least_budget
    if limit - 1 < least:
        why = f"The model needs at least {least:,} tokens for it, as part of max_output_tokens ({limit:,})."
        yield Finding("not_for_model", "reasoning_effort", why=why)
    else:
        what = f"The model may think {limit - 1:,} tokens, not {budget:,}."
        why = f"Its thinking is part of max_output_tokens ({limit:,}), and must be less."
        yield Finding("budget_cut", "reasoning_effort", what, why)


def _output(draft: Draft) -> Iterator[Finding]:
    """Yield an output limit that is too low for the thinking before it, or too high for the model."""
    if (limit := draft.values.get("max_output_tokens")) is None:
        return
    name, model, known = "max_output_tokens", draft.rules.model, draft.rules.known
    most, window = known.max_output_tokens, known.context_window
    thinking = THINKING.get(draft.values.get("reasoning_effort", ""), 0)
    if limit < thinking and not draft.rules.format.budget_in_output:
        what = f"The answer may be cut off: the model can think about {thinking:,} tokens first."
        nearest = min(thinking + ROOM, most or thinking + ROOM)
        yield Finding("output_below_thinking", name, what, "Thinking is output too.", nearest)
    if most is not None and limit > most:
        what = f"{model} writes at most {most:,} tokens."
        yield Finding("above_model_output", name, what, "More may be refused.", most)
    elif window is not None and limit >= window:
        what = f"That is the whole context window of {model} ({window:,} tokens)."
        yield Finding("above_window", name, what, "Nothing is left for the question.", window // 2)
    elif window is not None and limit > window // 2:
        what = f"That leaves {window - limit:,} of {window:,} tokens for the context."
        yield Finding("half_window", name, what, "The output limit is set aside.", window // 2)


def _sampling(draft: Draft) -> Iterator[Finding]:
    """Yield combinations of sampling parameters that surprise."""
    if "temperature" in draft.values and "top_p" in draft.values:
        why = "Both narrow the same choice, and together they are hard to foresee."
        yield Finding("both_samplings", "top_p", "Set temperature or top_p, not both.", why)
    if draft.values.get("temperature", 1) != 1 and draft.holds("reasoning"):
        what = "A model that reasons is best left at its own temperature."
        why = "Other values can make it repeat itself."
        yield Finding("sampling_while_reasoning", "temperature", what, why, 1)


def _missing(rules: Rules) -> Iterable[str]:
    known = rules.known
    can = known.capabilities
    needed = {"tools": "tools", "response_schema": "structured_output", "reasoning_effort": "reasoning"}
    images = () if "images_in" in can or "image" in known.input_modalities else ("messages",)
    return (*(name for name, ability in needed.items() if ability not in can), *images) if can else ()


def _abilities(draft: Draft) -> Iterator[Finding]:
    """Yield what is asked of the model beyond the abilities that it is known for."""
    missing, model = _missing(draft.rules), draft.rules.known.id
    if "tools" in missing and "tools" in draft.values:
        yield Finding("no_tools", "tools", f"{model} is not known to call tools.", "They may be ignored.")
    if "response_schema" in missing and "response_schema" in draft.values:
        what = f"{model} is not known to keep to a schema."
        yield Finding("no_structured_output", "response_schema", what, "Check the answer before you use it.")
    if "reasoning_effort" in missing and draft.holds("reasoning"):
        what = f"{model} is not known to reason."
        yield Finding("no_reasoning", "reasoning_effort", what, "The effort may be refused or ignored.")
    parts = (part for message in draft.chat.messages for part in message.parts)
    if "messages" in missing and any(isinstance(part, ImagePart) for part in parts):
        yield Finding("no_images", "messages", f"{model} is not known to see pictures.")


def nearest_effort(effort: str, known: Sequence[str]) -> str:
    """Return the member of ``known`` that is nearest to an effort; of two as near, the lower one."""
    places = {name: number for number, name in enumerate(EFFORTS)}
    at = places.get(effort, 0)
    return min(known, key=lambda name: (abs(places.get(name, 0) - at), places.get(name, 0)))


CHECKS: tuple[Check, ...] = (
    # What is left out, replaced or refused; a check sees what those before it have left.
    Check(_not_carried, _format),
    Check(lambda rules: {"tools"} & rules.format.refused_fields, _no_tools),
    Check(_hard_to_choose, _tool_choice),
    Check(("parallel_tool_calls",), _parallel),
    Check(lambda rules: [name for rule in rules.models for name in rule.params], _model_rules),
    Check(_unlisted, _model_list),
    Check(lambda rules: rules.format.ranges, _ranges),
    Check(("stop",), _stops),
    Check(("reasoning_effort",), _effort),
    *schema_checks.CHECKS,
    # What can be sent and may disappoint.
    Check(("max_output_tokens",), _output),
    Check(("temperature", "top_p"), _sampling),
    Check(_missing, _abilities),
)

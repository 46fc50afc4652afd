"""The tables of ``docs/parameters.md``, made of the rules themselves.

``python -m tests.unit.providers.advice.tables`` writes them into the page.
"""

from pathlib import Path

from providers_app import dialects
from providers_app.advice.draft import CHANGES
from providers_app.behaviours.protocols import Ruled
from providers_app.model_rules import CLAUDE, GEMINI, OPENAI
from providers_app.types.chat import ChatParams
from providers_app.types.rules import FormatRules, ModelRule

PAGE = Path(__file__).parents[4] / "docs" / "parameters.md"
TITLES = {
    "openai_responses": "Responses",
    "openai_chat": "Chat Completions",
    "anthropic_messages": "Messages",
    "gemini_generate": "generateContent",
}
FAMILIES = {"OpenAI": OPENAI, "Claude": CLAUDE, "Gemini": GEMINI}
WHEN = {
    "reasoning": "a reasoning effort is asked for",
    "reasoning_not_off": "the effort is not `none`",
    "tools": "there are tools",
    "forced_tool": "a tool has to be called",
    "temperature": "the temperature is set too",
    "temperature_not_1": "it is not 1",
    "top_p_below_0.95": "it is below 0.95",
}


def rules_of(name: str) -> FormatRules:
    """The rules of a format for a model that nothing particular is known of."""
    dialect = dialects.by_name(name)
    assert isinstance(getattr(dialect, "rules", None), object)
    ruled: Ruled = dialect  # type: ignore[assignment]
    return ruled.rules("a-model")


def places() -> list[str]:
    """Which field carries which parameter."""
    lines = [f"| parameter | {' | '.join(TITLES.values())} |", "|---" * (len(TITLES) + 1) + "|"]
    for parameter in ChatParams.__struct_fields__:
        cells = [rules_of(name).places.get(parameter) for name in TITLES]
        if parameter == "extra":
            lines.append(f"| `extra` {'| merged into the body ' * len(TITLES)}|")
        else:
            shown = (f"`{cell}`" if cell else "left out" for cell in cells)
            lines.append(f"| `{parameter}` | {' | '.join(shown)} |")
    return lines


def limits() -> list[str]:
    """Ranges and other limits by format."""
    lines = ["| limit " + "".join(f"| {title} " for title in TITLES.values()) + "|", "|---" * (len(TITLES) + 1) + "|"]
    every = [rules_of(name) for name in TITLES]
    for parameter in ("temperature", "max_output_tokens", "seed"):
        cells = [_range(rules.ranges.get(parameter)) for rules in every]
        lines.append(f"| `{parameter}` | {' | '.join(cells)} |")
    lines.append(f"| stop sequences, at most | {' | '.join(str(rules.max_stops) for rules in every)} |")
    efforts = (", ".join(f"{a} as {b}" for a, b in sorted(rules.renamed_efforts.items())) or "–" for rules in every)
    lines.append(f"| efforts without a word | {' | '.join(efforts)} |")
    lines.append(f"| a tool's name | {' | '.join(rules.tool_name_words for rules in every)} |")
    lines.append(f"| schema of an answer | {' | '.join(rules.schema for rules in every)} |")
    return lines


def models() -> list[str]:
    """What families of models do otherwise."""
    lines = ["| family | models | parameters | when | what is done |", "|---|---|---|---|---|"]
    for family, rules in FAMILIES.items():
        lines += [_rule(family, rule) for rule in rules]
    return lines


def codes() -> list[str]:
    """The codes of changes."""
    return [f"`{code}`" for code in sorted(CHANGES)]


def _rule(family: str, rule: ModelRule) -> str:
    names = ", ".join(f"`{name}`" for name in rule.models)
    if rule.but:
        names += " but " + ", ".join(f"`{name}`" for name in rule.but)
    if rule.takes:
        done = f"the nearest of {', '.join(rule.takes)}"
    else:
        done = f"sent as `{rule.instead}`" if rule.instead is not None else "left out"
    when = [WHEN[one] for one in rule.when] + [f"over {TITLES[one]}" for one in rule.dialects]
    params = ", ".join(f"`{name}`" for name in rule.params)
    return f"| {family} | {names} | {params} | {' and '.join(when) or 'always'} | {done} |"


def _range(limits: tuple[float, float] | None) -> str:
    if limits is None:
        return "–"
    low, high = (f"{value:,.10g}" for value in limits)
    return f"{low} to {high}"


def written() -> str:
    """The page with its tables made anew."""
    text = PAGE.read_text()
    for name, lines in {
        "places": places(),
        "limits": limits(),
        "models": models(),
        "codes": [", ".join(codes())],
    }.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        assert found and closed, name
        text = before + begin + "\n\n" + "\n".join(lines) + "\n\n" + end + after
    return text


if __name__ == "__main__":
    PAGE.write_text(written())

"""What would be sent and could be better: limits of the model, combinations that surprise, tools that do not travel.

Nothing is changed here. Pure.
"""

from collections.abc import Iterator
from typing import Any

from providers_app.advice import shapes
from providers_app.advice.draft import set_values
from providers_app.advice.sources import Rules
from providers_app.types.advice import Advice, Level
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatRequest, ImagePart, JsonSchema, Tool

THINKING = {"minimal": 512, "low": 2048, "medium": 6144, "high": 12_288, "xhigh": 16_384, "max": 24_576}
"""About how many tokens a model may think at an effort, before its answer begins."""
ROOM = 4096
"""Tokens that an answer should have besides the thinking."""
MOST_TOOLS = 128
LARGE_SCHEMA = 200
"""Properties from which on a schema costs noticeable time and tokens in every request."""
RARE = frozenset({"$ref", "oneOf", "const", "not", "patternProperties", "if"})
"""JSON Schema that older models and servers refuse in tools, or do not understand."""


def advise(chat: ChatRequest, rules: Rules, facts: ModelInfo | None) -> tuple[Advice, ...]:
    """Warnings and hints about a request that can be sent; ``facts`` of ``None`` are not known and say nothing."""
    values = set_values(chat.params)
    found = [*_sampling(values), *_output(values, rules, facts), *_tools(chat.tools)]
    schema = values.get("response_schema")
    if isinstance(schema, JsonSchema):
        found += _schema(schema.schema)
    if facts is not None:
        found += _abilities(chat, values, facts)
    return tuple(found)


def _one(level: Level, field: str, code: str, what: str, why: str = "", nearest: Any = None) -> Advice:
    return Advice(level=level, field=field, what=what, why=why, nearest=nearest, code=code)


def _sampling(values: dict[str, Any]) -> Iterator[Advice]:
    if "temperature" in values and "top_p" in values:
        why = "Both narrow the same choice, and together they are hard to foresee."
        yield _one("hint", "top_p", "both_samplings", "Set temperature or top_p, not both.", why)
    if values.get("reasoning_effort", "none") != "none" and values.get("temperature", 1) != 1:
        what = "A model that reasons is best left at its own temperature."
        yield _one(
            "hint", "temperature", "sampling_while_reasoning", what, "Other values can make it repeat itself.", 1
        )


def _output(values: dict[str, Any], rules: Rules, facts: ModelInfo | None) -> Iterator[Advice]:
    limit = values.get("max_output_tokens")
    most = facts.max_output_tokens if facts is not None else None
    window = facts.context_window if facts is not None else None
    if limit is None:
        return
    thinking = THINKING.get(values.get("reasoning_effort", ""), 0)
    if thinking and limit < thinking and not rules.format.budget_in_output:
        what = f"The answer may be cut off: the model can think about {thinking:,} tokens first."
        nearest = min(thinking + ROOM, most or thinking + ROOM)
        yield _one("warning", "max_output_tokens", "output_below_thinking", what, "Thinking is output too.", nearest)
    if most is not None and limit > most:
        what = f"{rules.model} writes at most {most:,} tokens."
        yield _one("warning", "max_output_tokens", "above_model_output", what, "More may be refused.", most)
    elif window is not None and limit >= window:
        what = f"That is the whole context window of {rules.model} ({window:,} tokens)."
        yield _one(
            "warning", "max_output_tokens", "above_window", what, "Nothing is left for the question.", window // 2
        )
    elif window is not None and limit > window // 2:
        what = f"That leaves {window - limit:,} of {window:,} tokens for the context."
        yield _one("hint", "max_output_tokens", "half_window", what, "The output limit is set aside.", window // 2)


def _tools(tools: tuple[Tool, ...]) -> Iterator[Advice]:
    if len(tools) > MOST_TOOLS:
        what = f"There are {len(tools)} tools; most models take {MOST_TOOLS}."
        yield _one("warning", "tools", "many_tools", what, "And they choose better among few.")
    for tool in tools:
        field = f"tools.{tool.name}"
        if not tool.description.strip():
            what = f"The tool {tool.name!r} has no description."
            yield _one("hint", field, "tool_without_description", what, "The model chooses tools by it.")
        try:
            keyword = shapes.uses(tool.parameters, RARE)
        except shapes.TooDeep:
            what = f"The parameters of the tool {tool.name!r} are nested very deeply."
            yield _one("warning", field, "schema_depth", what, "Many servers refuse that.")
            continue
        if keyword:
            what = f"The parameters of the tool {tool.name!r} use {keyword}."
            yield _one("hint", field, "tool_schema_not_portable", what, "Older models and local servers refuse it.")


def _schema(schema: dict[str, Any]) -> Iterator[Advice]:
    try:
        size = shapes.size(schema)
    except shapes.TooDeep:
        return  # said by ``schemas``
    if size.properties > LARGE_SCHEMA:
        what = f"The schema of the answer has {size.properties:,} properties."
        yield _one("hint", "response_schema", "large_schema", what, "It goes along with every request.")


def _abilities(chat: ChatRequest, values: dict[str, Any], facts: ModelInfo) -> Iterator[Advice]:
    can = facts.capabilities
    if not can:
        return
    if chat.tools and "tools" not in can:
        yield _one("warning", "tools", "no_tools", f"{facts.id} is not known to call tools.", "They may be ignored.")
    if "response_schema" in values and "structured_output" not in can:
        what = f"{facts.id} is not known to keep to a schema."
        yield _one("warning", "response_schema", "no_structured_output", what, "Check the answer before you use it.")
    if values.get("reasoning_effort", "none") != "none" and "reasoning" not in can:
        what = f"{facts.id} is not known to reason."
        yield _one("warning", "reasoning_effort", "no_reasoning", what, "The effort may be refused or ignored.")
    pictures = any(isinstance(part, ImagePart) for message in chat.messages for part in message.parts)
    if pictures and "images_in" not in can and "image" not in facts.input_modalities:
        yield _one("warning", "messages", "no_images", f"{facts.id} is not known to see pictures.")

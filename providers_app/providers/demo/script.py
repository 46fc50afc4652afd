"""What a demo model says to a request."""

import re
from typing import Any

import msgspec

from providers_app.providers.demo.answers import prose, stripe
from providers_app.providers.demo.answers.markdown import SHOWCASE
from providers_app.providers.demo.asked import Asked, tokens
from providers_app.providers.demo.knobs import Knobs

SAMPLES = {"city": "Zürich", "location": "Zürich", "timezone": "Europe/Zurich", "unit": "celsius", "query": "maestro"}
DEFAULT_TOOLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_weather", {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}),
    ("get_time", {"type": "object", "properties": {"timezone": {"type": "string"}}}),
)
LONG_WORDS = 2_000


class Call(msgspec.Struct, frozen=True):
    """A tool call; ``arguments`` is JSON text as a model would write it."""

    name: str
    arguments: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer before it is put on the wire; ``finish`` is Chat Completions' own word."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"

    @property
    def reasoning_tokens(self) -> int:
        return tokens(self.reasoning)

    @property
    def output_tokens(self) -> int:
        """Reasoning included, as the wire format counts."""
        said = tokens(self.text) + sum(tokens(call.name) + tokens(call.arguments) + 3 for call in self.calls)
        return said + self.reasoning_tokens


def pieces(text: str) -> list[str]:
    """The text as it is streamed: a word with the white space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def compose(knobs: Knobs, asked: Asked) -> Answer:
    """The answer of this model to this request."""
    if knobs.script.startswith("tool") and not asked.results and asked.tools_allowed:
        return Answer(calls=_calls(knobs, asked), finish="tool_calls")
    text = _text(knobs, asked)
    reasoning = prose.reasoning(asked.last_text) if knobs.script == "reasoning" else ""
    finish = "stop"
    if "length" in knobs.quirks:
        text, finish = _first(text, len(pieces(text)) * 2 // 3), "length"
    elif "content-filter" in knobs.quirks:
        text, finish = _first(text, len(pieces(text)) // 3), "content_filter"
    elif "unknown-finish" in knobs.quirks:
        finish = "curtain_fell"
    return _limited(Answer(text=text, reasoning=reasoning, finish=finish), asked)


def _text(knobs: Knobs, asked: Asked) -> str:
    if asked.results:
        return prose.from_results(asked.results)
    if asked.schema is not None:
        return msgspec.json.encode(example(asked.schema, "answer")).decode()
    if knobs.words is not None or knobs.script == "long":
        return prose.numbered(knobs.words or LONG_WORDS)
    if knobs.script == "markdown":
        return SHOWCASE
    if stripe.fits(asked.last_text):
        return stripe.ANSWER
    return prose.introduction(asked)


def _calls(knobs: Knobs, asked: Asked) -> tuple[Call, ...]:
    tools = asked.tools or DEFAULT_TOOLS
    if knobs.script == "tool-empty-args":
        return (Call(tools[0][0], ""),)
    if knobs.script == "tool-bad-args":
        return (Call(tools[0][0], '{"city": "Zürich", "unit":'),)
    chosen = (tools * 2)[: 2 if asked.parallel else 1]
    return tuple(Call(name, _arguments(schema, number)) for number, (name, schema) in enumerate(chosen))


def _arguments(schema: dict[str, Any], number: int) -> str:
    properties = schema.get("properties")
    values = {name: example(one, name, number) for name, one in properties.items()} if properties else {}
    return msgspec.json.encode(values).decode()


def example(schema: Any, name: str, number: int = 0) -> Any:
    """A value that fits a JSON Schema (its everyday part); ``number`` makes a second one differ where it can."""
    if not isinstance(schema, dict):
        return None
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[number % len(choices)]
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
    match kind:
        case "object":
            properties = schema.get("properties")
            fields = properties.items() if isinstance(properties, dict) else ()
            return {key: example(inner, key, number) for key, inner in fields}
        case "array":
            return [example(schema.get("items"), name, number)]
        case "integer":
            return 7 + number
        case "number":
            return 7.5 + number
        case "boolean":
            return number % 2 == 0
        case "null":
            return None
        case _:
            return SAMPLES.get(name, f"demo {name}")


def _limited(answer: Answer, asked: Asked) -> Answer:
    text, finish = answer.text, answer.finish
    places = [text.index(stop) for stop in asked.stops if stop in text]
    if places:
        text, finish = text[: min(places)], "stop"
    if asked.max_tokens is not None and tokens(text) + answer.reasoning_tokens > asked.max_tokens:
        text, finish = _fitting(text, asked.max_tokens - answer.reasoning_tokens), "length"
    return Answer(text=text, reasoning=answer.reasoning, calls=answer.calls, finish=finish)


def _fitting(text: str, limit: int) -> str:
    """The leading words that have at most ``limit`` tokens, counted as ``tokens`` does."""
    kept: list[str] = []
    size = 0
    for word in pieces(text):
        size += len(word.encode("utf-8", "replace"))
        if (size + 3) // 4 > limit:
            break
        kept.append(word)
    return "".join(kept)


def _first(text: str, words: int) -> str:
    return "".join(pieces(text)[:words])

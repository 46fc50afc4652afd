"""The demo model's answer to a request: calls of tools, or one of the texts in ``answers``."""

import itertools
import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from providers_app.providers.demo.model_names import Knobs
from providers_app.providers.demo.request import DemoRequest, tokens

SAMPLES = {"city": "Zürich", "location": "Zürich", "timezone": "Europe/Zurich", "unit": "celsius", "query": "maestro"}
DEFAULT_TOOLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_weather", {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}),
    ("get_time", {"type": "object", "properties": {"timezone": {"type": "string"}}}),
)
LONG_WORDS = 2_000
PARAGRAPH_WORDS = 60
ENDING = " And that was the rest of it."
"""The end of an answer that names the figures of its own request, which are others where it goes on."""
MAX_QUOTE = 280
"""Characters of what was sent that an answer repeats."""


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
        visible = tokens(self.text) + sum(tokens(call.name) + tokens(call.arguments) + 3 for call in self.calls)
        return visible + self.reasoning_tokens


@cache
def template(name: str) -> str:
    """Return a file of the folder ``answers``, read once."""
    return resources.files(__package__).joinpath("answers", name).read_text("utf-8")


def pieces(text: str) -> list[str]:
    """Split the text as it is streamed: a word with the white space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def compose(knobs: Knobs, request: DemoRequest) -> Answer:
    """Compose the answer of this model to this request."""
    if knobs.script.startswith("tool") and not request.results and request.tools_allowed:
        return Answer(calls=_calls(knobs, request), finish="tool_calls")
    text = _text(knobs, request)
    if request.behind:
        rest = text.removeprefix(request.behind) if text.startswith(request.behind) else ENDING
        return _limited(Answer(text=request.anchor + rest), request)
    finish, reasoning = "stop", ""
    if knobs.script == "reasoning":
        subject = " ".join(request.last_text.split())[:120] or "an empty message"
        reasoning = _filled("reasoning.md", subject=subject)
    if "length" in knobs.quirks:
        text, finish = _first(text, len(pieces(text)) * 2 // 3), "length"
    elif "content-filter" in knobs.quirks:
        text, finish = _first(text, len(pieces(text)) // 3), "content_filter"
    elif "unknown-finish" in knobs.quirks:
        finish = "curtain_fell"
    return _limited(Answer(text=text, reasoning=reasoning, finish=finish), request)


def _text(knobs: Knobs, request: DemoRequest) -> str:
    if request.results:
        return _from_results(request.results)
    if request.schema is not None:
        return msgspec.json.encode(example(request.schema, "answer")).decode()
    if knobs.words is not None or knobs.script == "long":
        return numbered(knobs.words or LONG_WORDS)
    if knobs.script == "markdown":
        return template("markdown.md")
    question = request.last_text.lower()
    if "stripe" in question and ("fastapi" in question or "subscription" in question):
        return template("stripe.md")
    return _introduction(request)


def _calls(knobs: Knobs, request: DemoRequest) -> tuple[Call, ...]:
    tools = request.tools or DEFAULT_TOOLS
    if knobs.script == "tool-empty-args":
        return (Call(tools[0][0], ""),)
    if knobs.script == "tool-bad-args":
        return (Call(tools[0][0], '{"city": "Zürich", "unit":'),)
    chosen = (tools * 2)[: 2 if request.parallel else 1]
    return tuple(Call(name, _arguments(schema, number)) for number, (name, schema) in enumerate(chosen))


def _arguments(schema: dict[str, Any], number: int) -> str:
    properties = schema.get("properties")
    values = {name: example(one, name, number) for name, one in properties.items()} if properties else {}
    return msgspec.json.encode(values).decode()


def example(schema: Any, name: str, number: int = 0) -> Any:
    """Return a value that fits a JSON Schema (its everyday part); ``number`` varies it where it can."""
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


def _limited(answer: Answer, request: DemoRequest) -> Answer:
    text, finish = answer.text, answer.finish
    places = [text.index(stop) for stop in request.stops if stop in text]
    if places:
        text, finish = text[: min(places)], "stop"
    if request.max_tokens is not None and tokens(text) + answer.reasoning_tokens > request.max_tokens:
        text, finish = _fitting(text, request.max_tokens - answer.reasoning_tokens), "length"
    return msgspec.structs.replace(answer, text=text, finish=finish)


def _fitting(text: str, limit: int) -> str:
    """Return the leading words that have at most ``limit`` tokens, counted as ``tokens`` does."""
    words = pieces(text)
    sizes = itertools.accumulate(len(word.encode("utf-8", "replace")) for word in words)
    return "".join(word for word, size in zip(words, sizes, strict=True) if (size + 3) // 4 <= limit)


def _first(text: str, words: int) -> str:
    return "".join(pieces(text)[:words])


def _introduction(request: DemoRequest) -> str:
    """Return who speaks, the message, and exactly what arrived, which shows the effect of the context panel."""
    more = []
    if request.system_text:
        more.append(f"The system text that came with it begins:\n\n{_quote(request.system_text)}\n\n")
    if request.tools:
        more.append("You also offered tools: " + ", ".join(f"`{name}`" for name, _ in request.tools) + ".\n\n")
    return _filled(
        "introduction.md",
        quoted=_quote(request.last_text) if request.last_text else "> (no text)",
        messages=_plural(sum(request.counts.values()), "message"),
        roles=", ".join(f"{number} {role}" for role, number in request.counts.items()),
        tokens=_plural(request.prompt_tokens, "token"),
        more="".join(more),
    )


def _from_results(results: tuple[str, ...]) -> str:
    opening = "The tool answered:" if len(results) == 1 else f"All {len(results)} tools answered:"
    listed = (f"{number}. {_cut(' '.join(result.split()))}" for number, result in enumerate(results, start=1))
    return _filled("tool_results.md", opening=opening, results="\n".join(listed))


def numbered(words: int) -> str:
    """Return exactly so many words in numbered sentences, so that a lost or doubled piece is seen at once."""
    sentences = template("sentences.txt").splitlines()
    bodies = ((n, sentences[(n * 5 + n // len(sentences)) % len(sentences)]) for n in itertools.count(1))
    endless = (word for n, body in bodies for word in f"{n}. {body}".split())
    made = list(itertools.islice(endless, words))
    paragraphs = (made[at : at + PARAGRAPH_WORDS] for at in range(0, len(made), PARAGRAPH_WORDS))
    return "\n\n".join(map(" ".join, paragraphs))


def _filled(name: str, **values: str) -> str:
    return template(name).removesuffix("\n").format(**values)


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in _cut(text).splitlines())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_QUOTE else text[:MAX_QUOTE].rstrip() + " …"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

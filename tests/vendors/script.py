"""What the model says: the same answers for every vendor, made from what was asked."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from tests.vendors import going_on
from tests.vendors.plan import Plan

REASONING = "First I look at the question. Then I weigh two options; the second one is better."
SAMPLE = 'Zürich "north"\n\U0001f600 end'
"""The string in every generated tool argument: quote, line break, astral character, so that escapes appear."""

SAID = "I look at the weather there, and then I say what to wear."
STRIPE = """Three parts: an endpoint that opens a Stripe checkout, one that takes Stripe's events, and a table of who
has paid.

```python
import stripe
from fastapi import FastAPI, Header, HTTPException, Request

app = FastAPI()

@app.post("/webhook")
async def webhook(request: Request, stripe_signature: str = Header()) -> dict[str, bool]:
    try:
        event = stripe.Webhook.construct_event(await request.body(), stripe_signature, SECRET)
    except ValueError as error:
        raise HTTPException(400, "not JSON") from error
    except stripe.SignatureVerificationError as error:
        raise HTTPException(400, "wrong signature") from error
    await remember(event["id"], event["data"]["object"])
    return {"received": True}
```

Error handling: FastAPI answers 400 to what cannot be verified, so that Stripe tries again; an event that was seen
before is acknowledged and not applied twice; a card that is refused leaves the subscription as it was. Grüße, 世界,
\U0001f600.
"""
"""The answer to the question that ``manage.py e2e`` asks: long enough to be left in its middle."""


@dataclass(frozen=True)
class Ask:
    """A validated request in no vendor's words. ``reasoning`` says whether it asked to see reasoning.

    The answer goes on ``behind`` a text, which it repeats as ``echo``; ``anchor`` is what it was asked to begin with.
    """

    last_text: str
    prompt_chars: int
    tools: tuple[tuple[str, dict[str, Any]], ...] = ()
    tool_mode: Literal["auto", "none", "required"] = "auto"
    tool_name: str | None = None
    parallel: bool = True
    answered_tools: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    reasoning: bool = False
    paused: bool = False
    behind: str = ""
    anchor: str = ""
    echo: bool = False


@dataclass(frozen=True)
class Call:
    """A tool call the model makes; ``arguments`` is JSON text with everything beyond ASCII escaped, or empty."""

    name: str
    arguments: str

    @property
    def parsed(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.arguments or "{}")
        return value


@dataclass(frozen=True)
class Answer:
    """The whole answer; ``finish`` in neutral words. Token counts are words, which is plausible enough and exact."""

    text: str
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: Literal["stop", "length", "tool_calls", "refusal", "stop_sequence"] = "stop"
    stop_sequence: str | None = None
    input_tokens: int = 0

    @property
    def reasoning_tokens(self) -> int:
        return len(pieces(self.reasoning))

    @property
    def visible_tokens(self) -> int:
        return len(pieces(self.text)) + sum(len(fragments(call.arguments)) + 1 for call in self.calls)


def pieces(text: str) -> list[str]:
    """The text as a stream cuts it: a word with the white space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def fragments(arguments: str) -> list[str]:
    """Tool arguments as a stream cuts them: first nothing, then pieces, one cut inside the first ``\\u`` escape."""
    if not arguments:
        return [""]
    inside = arguments.find("\\u") + 4
    head, tail = (arguments[:inside], arguments[inside:]) if inside > 4 else (arguments[:7], arguments[7:])
    return [
        "",
        *[head[at : at + 11] for at in range(0, len(head), 11)],
        *[tail[at : at + 13] for at in range(0, len(tail), 13)],
    ]


def expected_text(last_text: str) -> str:
    """What the ``text`` script answers to a user message."""
    if "FastAPI" in last_text and "Stripe" in last_text:
        return STRIPE
    return f"You said: {last_text} Grüße aus Zürich, 世界 \U0001f600 with a\u2028line separator. That is all."


def instance_of(schema: dict[str, Any], salt: int = 0) -> Any:
    """A value that fits the schema (the subset that tools use)."""
    if "enum" in schema:
        return schema["enum"][salt % len(schema["enum"])]
    match schema.get("type"):
        case "object":
            return {name: instance_of(inner, salt) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [instance_of(schema.get("items", {}), salt)]
        case "integer" | "number":
            return 40 + salt
        case "boolean":
            return salt % 2 == 0
        case "null":
            return None
        case _:
            return SAMPLE if salt == 0 else f"{SAMPLE} {salt}"


def compose(plan: Plan, ask: Ask) -> Answer:
    """The answer that the plan's script gives to this request."""
    tokens = max(1, ask.prompt_chars // 4)
    wants_tools = plan.script in ("tools", "emptytool", "saytools") or ask.tool_mode == "required"
    if ask.tools and wants_tools and ask.tool_mode != "none" and not ask.answered_tools:
        thought = REASONING if ask.reasoning else ""
        text = going_on.rest(plan, ask, SAID) if plan.script == "saytools" else ""
        return Answer(text=text, reasoning=thought, calls=_calls(plan, ask), finish="tool_calls", input_tokens=tokens)
    if plan.script == "refusal":
        return Answer(text="", finish="refusal", input_tokens=tokens)
    if ask.answered_tools:
        text = "The tools answered: " + "; ".join(ask.answered_tools)
    elif ask.schema is not None:
        text = json.dumps(instance_of(ask.schema), ensure_ascii=False)
    elif plan.words:
        text = " ".join(f"word{number}" for number in range(plan.words))
    else:
        text = expected_text(ask.last_text)
    text = going_on.rest(plan, ask, text)
    reasoning = REASONING if plan.script == "reasoning" and ask.reasoning else ""
    return _limited(Answer(text=text, reasoning=reasoning, input_tokens=tokens), ask)


def _calls(plan: Plan, ask: Ask) -> tuple[Call, ...]:
    chosen = [tool for tool in ask.tools if tool[0] == ask.tool_name] or list(ask.tools)
    if plan.script == "emptytool":
        return (Call(chosen[0][0], ""),)
    count = 2 if ask.parallel else 1
    return tuple(
        Call(name, json.dumps(instance_of({"type": "object", **schema}, salt)))
        for salt, (name, schema) in enumerate((chosen * 2)[:count])
    )


def _limited(answer: Answer, ask: Ask) -> Answer:
    text = answer.text
    for stop in ask.stops:
        if stop and stop in text:
            return Answer(
                text=text[: text.index(stop)],
                reasoning=answer.reasoning,
                finish="stop_sequence",
                stop_sequence=stop,
                input_tokens=answer.input_tokens,
            )
    words = pieces(text)
    if ask.max_tokens is not None and len(words) > ask.max_tokens:
        return Answer(
            text="".join(words[: ask.max_tokens]),
            reasoning=answer.reasoning,
            finish="length",
            input_tokens=answer.input_tokens,
        )
    return answer

"""Building a request: the body of a context of 200 messages with tools, pictures and reasoning, for every dialect.

Processor time: nothing here waits for anything.
"""

import base64
import statistics
import time

from providers_app import dialects
from providers_app.types.chat import (
    ChatRequest,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Origin
from tests.benchmarks._row import Row, below

MESSAGES = 200
ROUNDS = 40
PICTURE = base64.b64encode(bytes(range(256)) * 400).decode()
"""100 kB, four of them in the context."""
FAMILIES = {"openai_responses": "openai", "anthropic_messages": "anthropic", "gemini_generate": "gemini"}
SIGNED = {
    "openai_responses": {"type": "reasoning", "summary": [], "encrypted_content": "g" * 800},
    "anthropic_messages": {"type": "thinking", "signature": "s" * 400},
    "gemini_generate": {"thoughtSignature": "s" * 400},
}
PARAGRAPH = "A webhook is verified with the endpoint's own secret before anything of it is believed. " * 8
TOOLS = tuple(
    Tool(
        f"tools.{number}" if number == 0 else f"tool_{number}",  # one name that not every wire takes
        PARAGRAPH[:120],
        {"type": "object", "properties": {name: {"type": "string"} for name in ("path", "query", "reason")}},
    )
    for number in range(20)
)


def run() -> list[Row]:
    """One row per dialect."""
    rows = []
    for name in dialects.NAMES:
        dialect = dialects.by_name(name)
        chat = ChatRequest(model="m", messages=_context(name), tools=TOOLS)
        size = len(dialect.build_body(chat))
        spent = []
        for _ in range(ROUNDS):
            began = time.process_time()
            dialect.build_body(chat)
            spent.append(time.process_time() - began)
        what = f"{name}: request of {MESSAGES} messages, {size / 1e6:.1f} MB, median of processor time"
        rows.append(below(what, statistics.median(spent) * 1000, 10, "ms", digits=2))
    return rows


def _context(dialect: str) -> tuple[Message, ...]:
    """Turns of a question, two calls with reasoning, their results, and an answer."""
    origin = Origin(FAMILIES.get(dialect, ""), "m")
    messages = [Message("system", (TextPart(PARAGRAPH),))]
    while len(messages) < MESSAGES - 1:
        turn = len(messages) // 4
        picture: tuple[Part, ...] = (ImagePart("image/png", PICTURE),) if turn % 13 == 1 else ()
        calls = [
            ToolCallPart(f"call_{turn:010d}_{n}", f"tool_{n + 1}", {"path": "src/app.py"}, "call_0", None, origin)
            for n in range(2)
        ]
        messages += [
            Message("user", (TextPart(PARAGRAPH), *picture)),
            Message("assistant", (ReasoningPart(PARAGRAPH[:90], SIGNED.get(dialect), origin), *calls)),
            Message("tool", tuple(ToolResultPart(call.id, call.name, PARAGRAPH) for call in calls)),
            Message("assistant", (TextPart(PARAGRAPH * 2),)),
        ]
    return (*messages[: MESSAGES - 1], Message("user", (TextPart("And now?"),)))

"""Random transcripts with tool calls, and what each of them says, known from how it was made.

Two kinds. *Stored* ones have an id of ours per call, unique as our own always are, while the providers' ids repeat, are
foreign, long, odd or missing, and results come late. *Given* ones come from a caller whose own ids repeat; there a
result answers its call at once, because nothing else could be told apart.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from providers_app.dialects.request import INTERRUPTED_RESULT
from providers_app.types.chat import Message, Part, TextPart, ToolCallPart, ToolResultPart
from providers_app.types.events import Origin

ORIGINS = (None, Origin("openai", "m"), Origin("anthropic", "m"), Origin("gemini", "m"), Origin("remote", "m"))
ODD_IDS = (
    "call_0",
    "functions.look:0",
    "functions.look:1",
    "chatcmpl-tool-0123456789abcdef0123456789abcdef",
    "toolu_01AbCdEf",
    "a" * 64,
    "a" * 65,
    "a" * 300,
    "naïve ☃",
    "x y",
    "",
    "abcDEF123",
)
ODD_NAMES = ("look", "fs.read", "fs_read", "a:b-c", "n" * 64, "n" * 65, "n" * 128, "7up", "_x")
ids = st.sampled_from(ODD_IDS) | st.text(st.characters(codec="utf-8"), max_size=70)
names = st.sampled_from(ODD_NAMES)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3)


values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | _objects(inner),
    max_leaves=6,
)
arguments = st.just({}) | _objects(values)
contents = texts | arguments.map(json.dumps) | st.just('{"result": "wrapped"}')


@dataclass
class Step:
    """Calls that were made at once, and per call its result: ``None`` (interrupted), or text and failure."""

    calls: list[ToolCallPart]
    results: list[tuple[str, bool] | None]


@dataclass
class Transcript:
    """Messages, and what they say: ``flow`` holds texts as ``(role, text)`` and steps, in order."""

    messages: tuple[Message, ...]
    flow: list[tuple[str, str] | Step]
    stored: bool
    orphans: int = 0
    doubled: int = 0
    late: int = 0

    @property
    def steps(self) -> list[Step]:
        return [one for one in self.flow if isinstance(one, Step)]


@dataclass
class _Writer:
    draw: Any
    stored: bool
    messages: list[Message] = field(default_factory=list)
    flow: list[tuple[str, str] | Step] = field(default_factory=list)
    waiting: list[Part] = field(default_factory=list)
    made: int = 0
    orphans: int = 0
    doubled: int = 0
    late: int = 0

    def text(self, role: Any) -> None:
        said = self.draw(texts)
        if role == "user":
            said = f"Well: {said}"  # a user's message that says nothing is refused before anything is built
        self.messages.append(Message(role, (TextPart(said),)))
        self.flow.append((role, said))

    def step(self) -> None:
        draw = self.draw
        said = draw(st.none() | texts)
        calls = [self._call() for _ in range(draw(st.integers(1, 4)))]
        start = [TextPart(said)] if said is not None else []
        self.messages.append(Message("assistant", (*start, *calls)))
        if said is not None:
            self.flow.append(("assistant", said))
        results = [draw(st.none() | st.tuples(contents, st.booleans())) for _ in calls]
        answers = list(zip(calls, results, strict=True))
        order = draw(st.permutations(range(len(answers))))
        if not self.stored:
            # Of calls with one id, the first result given is the first call's.
            order = _in_order_within(calls, order)
            results = _without_gaps(calls, results)
            answers = list(zip(calls, results, strict=True))
        self.flow.append(Step(calls, results))
        self._answer([(call, result) for n in order for call, result in [answers[n]] if result is not None])

    def finish(self) -> Transcript:
        self._settle()
        self.text("user")
        return Transcript(tuple(self.messages), self.flow, self.stored, self.orphans, self.doubled, self.late)

    def _call(self) -> ToolCallPart:
        draw = self.draw
        self.made += 1
        call_id = f"call_{self.made:024d}" if self.stored else draw(ids)
        given = draw(st.none() | ids)
        return ToolCallPart(call_id, draw(names), draw(arguments), given, None, draw(st.sampled_from(ORIGINS)))

    def _answer(self, answers: list[tuple[ToolCallPart, tuple[str, bool]]]) -> None:
        draw = self.draw
        parts: list[Part] = [ToolResultPart(call.id, call.name, *result) for call, result in answers]
        if parts and draw(st.booleans()) and self._all_answered(answers):
            self.doubled += 1
            parts.append(ToolResultPart(answers[-1][0].id, answers[-1][0].name, "a second result"))
        if draw(st.integers(0, 4)) == 0:
            self.orphans += 1
            parts.insert(0, ToolResultPart(f"orphan_{self.made}", "look", "nobody asked"))
        if self.stored and parts and draw(st.integers(0, 3)) == 0:
            self.late += 1
            self.waiting += parts
            return
        if parts and draw(st.booleans()):
            self.messages.append(Message("tool", tuple(parts)))
        else:
            self.messages += [Message("tool", (part,)) for part in parts]

    def _all_answered(self, answers: list[tuple[ToolCallPart, tuple[str, bool]]]) -> bool:
        """Would a second result of the last call find no other call of its id that waits?"""
        step = next(one for one in reversed(self.flow) if isinstance(one, Step))
        same = [n for n, call in enumerate(step.calls) if call.id == answers[-1][0].id]
        return all(step.results[n] is not None for n in same)

    def _settle(self) -> None:
        if self.waiting:
            self.messages.append(Message("tool", tuple(self.waiting)))
            self.waiting = []


def _in_order_within(calls: list[ToolCallPart], order: list[int]) -> list[int]:
    """The order, with calls of one id in the order in which they were made."""
    queues: dict[str, list[int]] = {}
    for n, call in enumerate(calls):
        queues.setdefault(call.id, []).append(n)
    return [queues[calls[n].id].pop(0) for n in order]


def _without_gaps(calls: list[ToolCallPart], results: list[Any]) -> list[Any]:
    """Of calls with one id, the first ones are the answered ones."""
    found = list(results)
    for call_id in {call.id for call in calls}:
        places = [n for n, call in enumerate(calls) if call.id == call_id]
        given = [found[n] for n in places if found[n] is not None]
        for n, result in zip(places, [*given, *[None] * (len(places) - len(given))], strict=True):
            found[n] = result
    return found


@st.composite
def transcripts(draw: Any) -> Transcript:
    """A transcript that ends with a user's message, as a request does."""
    writer = _Writer(draw, draw(st.booleans()))
    for what in draw(st.lists(st.sampled_from(("user", "assistant", "step", "step", "step")), max_size=7)):
        writer.step() if what == "step" else writer.text(what)
        if draw(st.integers(0, 3)) == 0:
            writer._settle()
    return writer.finish()


def said(step: Step) -> list[tuple[str, str]]:
    """Per call its result as a wire has to say it."""
    return [
        (INTERRUPTED_RESULT, "failed") if one is None else (one[0], "failed" if one[1] else "") for one in step.results
    ]

"""The round trip: random transcripts through every request form and back, from the store and from form to form.

For each transcript, in each of the four forms: the strict server's own rules accept the body; reading it back gives
the same calls, names, arguments, results and texts in the same order; every call has an id of its own that the wire
accepts, the same for its result; a provider's id goes back to it and to nobody else; and a longer conversation begins
with the same ids. Then each form's reading becomes the next form's conversation, around the circle and home again.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings

from providers_app import dialects
from providers_app.dialects import tool_forms
from providers_app.dialects.request import LEFT_OUT
from providers_app.types.chat import ChatRequest, Message, Part, TextPart, Tool, ToolCallPart, ToolResultPart
from tests.proofs.transcripts import Step, Transcript, said, transcripts
from tests.vendors.anthropic import checks as anthropic_checks
from tests.vendors.chat import checks as chat_checks
from tests.vendors.gemini import checks as gemini_checks
from tests.vendors.openai import checks as openai_checks
from tests.wire.request_forms import READERS

FORMS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate")
CIRCLE = (*FORMS, FORMS[0])
FAMILIES = {
    "openai_chat": "",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini_generate": "gemini",
}
TOOL = Tool("look")

Flow = list[tuple[str, str] | list[tuple[str, str, str, str]]]


def run(examples: int, say: Callable[[str], None]) -> bool:
    """Check so many transcripts; prints a table, and with it what was in them. An error is hypothesis's own report."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 1000,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(transcripts())
    def check(transcript: Transcript) -> None:
        check_transcript(transcript)
        _count(seen, transcript)

    check()
    rows = [
        ("transcripts", seen["transcripts"]),
        ("request bodies built, accepted and read back", seen["transcripts"] * (2 * len(FORMS) + len(CIRCLE))),
        ("tool calls", seen["calls"]),
        ("steps of parallel calls", seen["parallel"]),
        ("calls without a result", seen["interrupted"]),
        ("results without a call", seen["orphans"]),
        ("second results of one call", seen["doubled"]),
        ("steps whose results came late", seen["late"]),
        ("calls whose id an earlier call has too", seen["repeated"]),
        ("calls with a name that some wire does not take", seen["odd names"]),
        ("ids lost, merged or changed", 0),
    ]
    say("| what | how many |\n|---|---|")
    for what, number in rows:
        say(f"| {what} | {number:,} |")
    return seen["transcripts"] >= examples * 0.9


def check_transcript(transcript: Transcript) -> None:
    """Raises ``AssertionError`` (or the server's ``Violation``) for a transcript that does not come through."""
    expected = _expected(transcript)
    chat = ChatRequest(model="m", messages=transcript.messages, tools=(TOOL,))
    for form in FORMS:
        body, read = _through(form, chat)
        _check_ids(form, transcript, read)
        assert _flow(form, read) == _as_said_by(form, expected), form
        _check_prefix(form, transcript, body)
    for form in CIRCLE:
        _, read = _through(form, chat)
        assert _flow(form, read) == _as_said_by(form, expected), f"around to {form}"
        chat = msgspec.structs.replace(chat, messages=read)
        expected = _as_said_by(form, expected)


def _through(form: str, chat: ChatRequest) -> tuple[dict[str, Any], tuple[Message, ...]]:
    """The body, accepted by the strict server's rules, and what it says, with the caller's names of tools."""
    dialect = dialects.by_name(form)
    body: dict[str, Any] = json.loads(dialect.build_body(chat))
    _ACCEPT[form](body)
    own = tool_forms.own_names(chat, dialect.tool_names)  # type: ignore[attr-defined]
    return body, tuple(_renamed(message, own) for message in READERS[form](body))


def _renamed(message: Message, own: dict[str, str]) -> Message:
    def one(part: Part) -> Part:
        if isinstance(part, ToolCallPart | ToolResultPart):
            return msgspec.structs.replace(part, name=own.get(part.name, part.name))
        return part

    return Message(message.role, tuple(one(part) for part in message.parts))


def _check_ids(form: str, transcript: Transcript, read: tuple[Message, ...]) -> None:
    """One id for each call, the call's own for its result, given by the asked provider or derived from ours."""
    made = [part for message in read for part in message.parts if isinstance(part, ToolCallPart)]
    answered = [part.call_id for message in read for part in message.parts if isinstance(part, ToolResultPart)]
    calls = [call for step in transcript.steps for call in step.calls]
    ids = [part.id for part in made]
    assert len(ids) == len(calls)
    assert len(set(ids)) == len(ids)
    assert answered == ids
    given: set[str] = set()
    for call, wire_id in zip(calls, ids, strict=True):
        family = FAMILIES[form]
        own = bool(family) and call.origin is not None and call.origin.provider == family and bool(call.provider_id)
        if own and call.provider_id not in given and _fits(form, call.provider_id or ""):
            assert wire_id == call.provider_id
        elif not own and call.provider_id and call.provider_id != call.id and len(call.provider_id) > 12:
            assert wire_id != call.provider_id or call.provider_id in given, "an id of another provider got out"
        given |= {wire_id, call.id}  # where ids are not on the wire, ours is taken all the same


def _fits(form: str, call_id: str) -> bool:
    lengths = {"openai_responses": 64, "anthropic_messages": 64, "gemini_generate": 128}
    if form == "anthropic_messages":
        fits = all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in call_id)
    else:
        fits = all("!" <= letter <= "~" for letter in call_id)
    return fits and 0 < len(call_id) <= lengths[form]


def _check_prefix(form: str, transcript: Transcript, body: dict[str, Any]) -> None:
    """What was sent before stands there again, ids included: prompt caches hang on it."""
    if len(transcript.steps) < 2 or transcript.late:
        return
    last = max(n for n, message in enumerate(transcript.messages) if _has_calls(message))
    shorter = ChatRequest(model="m", messages=(*transcript.messages[:last], transcript.messages[-1]), tools=(TOOL,))
    before = [
        part.id for message in _through(form, shorter)[1] for part in message.parts if isinstance(part, ToolCallPart)
    ]
    after = [part.id for message in READERS[form](body) for part in message.parts if isinstance(part, ToolCallPart)]
    assert after[: len(before)] == before


def _has_calls(message: Message) -> bool:
    return any(isinstance(part, ToolCallPart) for part in message.parts)


def _expected(transcript: Transcript) -> Flow:
    flow: Flow = []
    for one in transcript.flow:
        if isinstance(one, Step):
            pairs = zip(one.calls, said(one), strict=True)
            flow.append([(call.name, _json(call.arguments), text, failed) for call, (text, failed) in pairs])
        else:
            flow.append(one)
    return flow


def _flow(form: str, messages: tuple[Message, ...]) -> Flow:
    """What messages say: texts without white space (wires join and trim), steps with their results."""
    results = {part.call_id: part for message in messages for part in message.parts if isinstance(part, ToolResultPart)}
    flow: Flow = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, TextPart):
                flow.append((message.role, part.text))
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        if calls:
            step = []
            for call in calls:
                result = results[call.id]
                assert result.name == call.name
                step.append((call.name, _json(call.arguments), result.content, "failed" if result.is_error else ""))
            flow.append(step)
    return _as_said_by(form, flow)


def _as_said_by(form: str, flow: Flow) -> Flow:
    """The flow in the words that the form has: which of it can be told apart, and no more."""
    tells_failure = form in ("anthropic_messages", "gemini_generate")
    found: Flow = []
    for one in flow:
        if isinstance(one, list):
            found.append(
                [(name, given, _content(text), failed if tells_failure else "") for name, given, text, failed in one]
            )
            continue
        role, text = one[0], "".join(one[1].replace(LEFT_OUT, "").split())
        if not text:
            continue
        last = found[-1] if found else None
        if isinstance(last, tuple) and last[0] == role:
            found[-1] = (role, last[1] + text)
        else:
            found.append((role, text))
    return found


def _content(text: str) -> str:
    """A result's text; a JSON object in one spelling, because Gemini has it as an object, without wrapping."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    if list(value) in (["result"], ["error"]) and isinstance(next(iter(value.values())), str):
        return _content(next(iter(value.values())))
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(json.loads(json.dumps(value)), sort_keys=True)


def _accept_anthropic(body: dict[str, Any]) -> None:
    anthropic_checks.MESSAGES_BODY(body, ())
    anthropic_checks.check_conversation(body["messages"])


def _accept_chat(body: dict[str, Any]) -> None:
    chat_checks.BODY(body, ())
    chat_checks.check_messages(body["messages"])
    ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls", ())]
    assert len(ids) == len(set(ids))


def _accept_responses(body: dict[str, Any]) -> None:
    openai_checks.BODY(body, ())
    openai_checks.check_items(body["input"], stored=False)


def _accept_gemini(body: dict[str, Any]) -> None:
    gemini_checks.BODY(body, ())
    gemini_checks.check_contents(body, "gemini-2.5-flash")


_ACCEPT: dict[str, Callable[[dict[str, Any]], None]] = {
    "openai_chat": _accept_chat,
    "openai_responses": _accept_responses,
    "anthropic_messages": _accept_anthropic,
    "gemini_generate": _accept_gemini,
}


def _count(seen: Counter[str], transcript: Transcript) -> None:
    earlier: set[str] = set()
    seen["transcripts"] += 1
    for step in transcript.steps:
        seen["calls"] += len(step.calls)
        seen["parallel"] += len(step.calls) > 1
        seen["interrupted"] += sum(result is None for result in step.results)
        for call in step.calls:
            name = call.provider_id if transcript.stored else call.id
            seen["repeated"] += name is not None and name in earlier
            earlier.add(name or "")
            seen["odd names"] += not tool_forms.OPENAI_NAMES.fits(call.name)
    seen["orphans"] += transcript.orphans
    seen["doubled"] += transcript.doubled
    seen["late"] += transcript.late

"""The sent list: random contexts through every request form, and what of them is in the bytes.

For each context, in each form: a row that is marked as sent is in the body, once and in its order, or a note on that
very row says that this form leaves it out or moves it; a row that is not marked is not in the body with a single word;
its reasoning and signatures are there unless a note says that they are not; and every other text in the body is named
by a note too.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from context_app import assembly, sending
from context_app.models import ContextChunk
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.dialects.openai_chat import RequestForm as ChatForm
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.dialects.request import LEFT_OUT
from providers_app.dialects.tool_forms import NINE_ALPHANUMERICS
from providers_app.types.chat import ChatRequest, ImagePart, Message, Part
from providers_app.types.events import Origin

FORMS: dict[str, tuple[Any, str]] = {
    "openai_chat": (OpenAIChat(request=ChatForm(family="openai")), "openai"),
    "openai_chat, reasoning as details": (
        OpenAIChat(request=ChatForm(family="openrouter", reasoning_replay="details")),
        "openrouter",
    ),
    "openai_chat, reasoning as text, system first, short ids": (
        OpenAIChat(
            request=ChatForm(
                family="remote", reasoning_replay="content", system_everywhere=True, ids=NINE_ALPHANUMERICS
            )
        ),
        "remote",
    ),
    "openai_responses": (OpenAIResponses(), "openai"),
    "anthropic_messages": (AnthropicMessages(), "anthropic"),
    "gemini_generate": (GeminiGenerate(), "gemini"),
}
HISTORY = ("system", "instructions", "systemInstruction", "messages", "input", "contents")
"""The members of a body that hold the conversation."""
STRUCTURE = frozenset(
    {"role", "type", "id", "tool_use_id", "call_id", "tool_call_id", "name", "media_type", "mimeType"}
)
"""Members that hold no text of a row: what is what, and the ids and names of tool calls."""
FAMILIES = sorted({family for _, family in FORMS.values()})
PLACEHOLDER = "skip_thought_signature_validator"
TURNS = (None, UUID(int=1), UUID(int=2))

origins = st.none() | st.builds(
    lambda *given: dict(zip(("provider", "model", "session"), given, strict=True)),
    st.sampled_from(FAMILIES),
    st.sampled_from(["m", "other", None]),
    st.sampled_from(["7", "8", None]),
)


def marked(number: int, what: str) -> str:
    return f"[[{number}.{what}]]"


@st.composite
def contexts(draw: Any) -> list[ContextChunk]:
    """Rows in their order, decided, each of whose pieces bears the row's number."""
    kinds = st.sampled_from(ContextChunk.Kind.values) | st.sampled_from(["tool_call", "tool_result", "assistant"])
    rows = [_row(draw, number, draw(kinds)) for number in range(draw(st.integers(0, 12)))]
    if draw(st.integers(0, 3)):
        rows.append(_row(draw, len(rows), "user"))
    sending.decide(rows)
    return sending.completed(rows)


def _row(draw: Any, number: int, kind: str) -> ContextChunk:
    role = draw(st.sampled_from(["user", "user", "system"])) if kind in ("note", "file", "summary") else "user"
    filler = draw(st.sampled_from(["", "\n\nmore", " é☃", "  "]))
    usual = st.integers(0, 7).map(bool)
    row = ContextChunk(
        id=UUID(int=number + 100),
        order=number,
        kind=kind,
        role=role,
        content=marked(number, "text") + filler if kind == "tool_result" or draw(usual) else " \n",
        state=draw(st.sampled_from(["complete", "complete", "complete", "partial", "streaming"])),
        excluded=not draw(usual),
        deleted_at=None if draw(usual) else "2026-01-01T00:00Z",
        turn_id=draw(st.sampled_from(TURNS)),
        metadata={"origin": draw(origins)},
    )
    data = row.metadata
    if kind in ("assistant", "tool_call", "image", "server_tool", "block") and draw(st.booleans()):
        told = marked(number, "reasoning")
        signed = {"signature": told, "encrypted_content": told, "thoughtSignature": told}
        opaque = draw(st.sampled_from([None, {**signed, "reasoning_details": [{"text": told}]}]))
        data["reasoning"] = [{"text": told, "opaque": opaque, **(draw(origins) or {})}]
    if kind in ("assistant", "tool_call", "image"):
        data["opaque"] = draw(st.sampled_from([None, {"thoughtSignature": marked(number, "signature")}]))
    if kind == "file":
        data["name"] = draw(st.sampled_from(["", f"{marked(number, 'name')}.py"]))
    if kind in sending.CALL_KINDS:
        data["call_id"] = draw(st.sampled_from(["a", "a", "b", "", "c" * 70]))
        data["name"] = draw(
            st.sampled_from(["look", "look", "look up", "n" * 80, "" if kind == "tool_call" else "look"])
        )
    if kind == "tool_call":
        data["arguments"] = {"q": marked(number, "text")}
        data["provider_id"] = draw(st.sampled_from([None, "toolu_1", "call 1"]))
        if not draw(usual):
            data["invalid_arguments"] = marked(number, "text") + "{"
    if kind == "image":
        data |= draw(st.sampled_from([{"ref": "r"}, {"url": f"https://a.test/{marked(number, 'text')}"}, {}]))
        data["media_type"] = draw(st.sampled_from(["image/png", "image/png", "audio/wav"]))
    if kind in sending.BLOCKS:
        typed = draw(st.sampled_from([{}, {"type": "new"}]))
        data["kind"] = draw(st.sampled_from(["new", "image_generation_call"]))
        data["data"] = draw(st.sampled_from([{**typed, "v": marked(number, "text")}, None]))
    return row


def check_context(rows: list[ContextChunk], seen: Counter[str]) -> None:
    """Raises ``AssertionError`` for a context that some form does not send as its rows say."""
    messages = tuple(_loaded(message) for message in assembly.build_messages(rows))
    assert bool(messages) == any(not row.not_sent for row in rows)
    if not messages:
        return
    seen["contexts"] += 1
    seen["rows"] += len(rows)
    seen["sent"] += sum(not row.not_sent for row in rows)
    seen["not run"] += sum(row.content == sending.NOT_RUN and not row.not_sent for row in rows)
    for name, (dialect, family) in FORMS.items():
        chat = ChatRequest(model="m", messages=messages, asked=Origin(family, "m", "7"))
        body = json.loads(dialect.build_body(chat))
        notes = Counter((item.source, item.code, item.what.partition(" not sent")[0]) for item in chat.notes)
        seen["notes"] += len(chat.notes)
        texts = list(_texts({key: value for key, value in body.items() if key in HISTORY}))
        try:
            _check_body(rows, family, texts, notes)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}\n{json.dumps(body, indent=1)}\n{chat.notes}") from error


def _check_body(rows: list[ContextChunk], family: str, texts: list[str], notes: Counter[tuple[str, str, str]]) -> None:
    whole = "\0".join(texts)
    sent = [row for row in rows if not row.not_sent]
    assert {source for source, _, _ in notes} <= {str(row.id) for row in sent}, "a note about a row that is not sent"
    in_order: list[int] = []
    rest = whole
    for row in sorted(rows, key=lambda row: len(str(row.order)), reverse=True):
        pieces, main = _pieces(row)
        if row.not_sent:
            assert not any(piece in whole for piece in pieces), f"{row.order} is not sent: {row.not_sent}"
            continue
        about = {(code, what) for source, code, what in notes if source == str(row.id)}
        gone = {what for code, what in about if code == "part_dropped"}
        left_out = bool(gone & {"Provider data", "Picture", "Tool result"})
        if row.content == sending.NOT_RUN:
            rest = rest.replace(main, "", 1)
            continue
        assert whole.count(main) == (0 if left_out else 1), f"{row.order} is there {whole.count(main)} times"
        reasoning = next(iter(row.metadata.get("reasoning", ())), None)
        assert (marked(row.order, "reasoning") in whole) == (bool(reasoning) and "Reasoning" not in gone), (
            f"reasoning {row.order}"
        )
        if "Signature" in gone:
            assert marked(row.order, "signature") not in whole, f"signature of {row.order}"
        for what, origin in (("signature", row.metadata["origin"]), ("reasoning", reasoning)):
            if marked(row.order, what) in whole:
                made_by = (origin or {}).get("provider"), (origin or {}).get("session") or "7"
                assert made_by == (family, "7"), f"{what} of {row.order} went to another account"
        if row.kind != "tool_result" and not left_out and not any(code == "part_moved" for code, _ in about):
            in_order.append(row.order)
        for piece in pieces:
            rest = rest.replace(piece, "")
    places = [whole.index(_pieces(row)[1]) for row in rows if row.order in in_order and row.kind != "tool_result"]
    assert places == sorted(places), "the order is another"
    results = sum(row.content == sending.NOT_RUN for row in sent)
    assert whole.count(sending.NOT_RUN) == results
    added = Counter(code for _, code, _ in notes.elements())["part_inserted"]
    for constant in (LEFT_OUT, PLACEHOLDER):
        assert rest.count(constant) <= added
        added -= rest.count(constant)
        rest = rest.replace(constant, "")
    assert added == 0, "a note about something that is not there"
    left = rest.replace("data:image/png;base64,", "").replace("auto", "").replace("more", "").replace("é☃", "")
    assert not left.strip(" \n#\0"), f"what no row and no note names: {left!r}"


def _pieces(row: ContextChunk) -> tuple[list[str], str]:
    """Every text of the row that may be in a body, the longest first, and the one by which it is there."""
    main = marked(row.order, "text")
    if row.content == sending.NOT_RUN:
        return [sending.NOT_RUN], sending.NOT_RUN
    if row.kind == "image":
        url = row.metadata.get("url")
        main = url or base64.b64encode(str(row.id).encode()).decode()
    others = [f"{marked(row.order, 'name')}.py", *(marked(row.order, what) for what in ("reasoning", "signature"))]
    return [main, *others], main


def _loaded(message: Message) -> Message:
    """The message with the bytes of stored pictures, as the request has them."""

    def one(part: Part) -> Part:
        if isinstance(part, ImagePart) and part.ref:
            return msgspec.structs.replace(part, data=base64.b64encode(part.source.encode()).decode(), ref="")
        return part

    return Message(message.role, tuple(one(part) for part in message.parts))


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """Every text of the conversation, in the order of the bytes, without its structure."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)
    elif isinstance(value, str) and key == "arguments":
        yield from _texts(json.loads(value))
    elif isinstance(value, str) and key not in STRUCTURE:
        yield value


def run(examples: int, say: Callable[[str], None], *, shrink: bool = True) -> bool:
    """Check so many contexts; prints a table of what was in them. An error is hypothesis's own report."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 1000,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(contexts())
    def check(rows: list[ContextChunk]) -> None:
        check_context(rows, seen)
        seen["generated"] += 1

    check()
    say("| what | how many |\n|---|---|")
    for what, number in (
        ("contexts", seen["generated"]),
        ("contexts with something to send", seen["contexts"]),
        ("request bodies parsed", seen["contexts"] * len(FORMS)),
        ("rows", seen["rows"]),
        ("rows marked as sent", seen["sent"]),
        ("rows for calls that were not run", seen["not run"]),
        ("notes on rows", seen["notes"]),
        ("rows sent and not marked, marked and not sent, or texts of no row", 0),
    ):
        say(f"| {what} | {number:,} |")
    return seen["generated"] >= examples * 0.9

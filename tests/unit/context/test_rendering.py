"""A turn as HTML, in every state that an answer can be in."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from context_app import rendering
from context_app.models import Context, ContextChunk, Stream, Turn
from context_app.services import chunks
from context_app.streams import writes
from context_app.streams.answer_chunks import answer_chunks
from context_app.streams.live import Ending
from context_app.streams.transcript import Transcript
from providers_app.dialects import by_name
from providers_app.dialects.reader import AnswerReader
from providers_app.errors import AnswerTooLarge, RateLimited
from providers_app.types.chat import ChatResult, ResultToolCall
from providers_app.types.events import (
    Citation,
    ErrorInfo,
    Event,
    GeneratedFile,
    OpaqueBlock,
    ReasoningDelta,
    ServerToolEvent,
    TextDelta,
    ToolCall,
)
from providers_app.types.intent import ToolIntent
from sessions_app.models import AuthSession

pytestmark = pytest.mark.django_db
CASES = Path(__file__).parents[2] / "cases"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def turn() -> Turn:
    person = get_user_model().objects.create_user("ada")
    context = Context.objects.create(owner=person)
    stream = Stream.objects.create(owner=person, heartbeat_at=timezone.now())
    made = Turn.objects.create(context=context, stream=stream, provider="demo", model=EVIL, session_label=EVIL)
    chunks.append(context=context, kind="user", role="user", content=f"Hi **you** {EVIL}", turn=made)
    return made


def ended(turn: Turn, state: str, result: ChatResult, *more: Event) -> str:
    """The answer as it is shown after it was stored, with what the result holds and ``more`` in this order."""
    stream = turn.stream
    assert stream is not None
    events: list[Event] = [TextDelta(result.text)] if result.text else []
    events += [ToolCall(0, **msgspec.structs.asdict(call)) for call in result.tool_calls]
    chunks = answer_chunks([*events, *more], "demo")
    writes.finish(stream.pk, Ending(state=state, result=result.to_dict(), chunks=chunks, at=timezone.now()), 1)
    return again(turn)


def again(turn: Turn) -> str:
    """The answer as a reload shows it, after checking that the end frame has the very same."""
    fresh = Turn.objects.select_related("stream").get(pk=turn.pk)
    assert fresh.stream is not None
    html = rendering.render_answer(fresh, fresh.stream.result)
    assert rendering.render_end(fresh.stream.pk, fresh.stream.result) == (turn.pk, html)
    return html


def test_both_pieces_are_plain_text_for_the_frames(turn: Turn) -> None:
    assert type(rendering.render_user(turn)) is str
    assert type(rendering.render_answer(turn, None)) is str


def test_a_persons_own_words_are_shown_as_typed(turn: Turn) -> None:
    typed = r"Path C:\*.log and \\srv\share, __init__.py, 2*3*4*5" + f"\n\n  * {EVIL} <b>"
    turn.chunks.update(content=typed)
    html = rendering.render_user(turn)
    assert f'<div class="bubble">{escape(typed)}</div>' in html
    assert "<script" not in html


def test_an_excluded_message_says_that_it_is_not_sent(turn: Turn) -> None:
    assert "not sent" not in rendering.render_user(turn)
    turn.chunks.update(excluded=True, not_sent="excluded")
    assert "not sent" in rendering.render_user(turn)


def test_a_running_answer_is_an_empty_frame_for_the_events(turn: Turn) -> None:
    html = rendering.render_answer(turn, None)
    assert 'data-state="running"' in html
    assert 'aria-busy="true"' in html
    assert f'data-stream="{turn.stream_id}"' in html
    assert "answer-foot" not in html
    assert "<script" not in html


def test_a_complete_answer_has_text_source_and_usage(turn: Turn) -> None:
    html = ended(turn, "complete", ChatResult(text=f"# Hi\n\n{EVIL} </template>", reasoning_text="hm", complete=True))
    assert "<h1>Hi</h1>" in html
    assert "<script" not in html
    assert html.count("</template>") == 1
    assert "Reasoning" in html
    assert "tokens" in html
    assert "answer-failure" not in html


@pytest.mark.parametrize(
    ("state", "result", "words"),
    [
        ("cancelled", ChatResult(text="half"), ["You stopped this answer", "What was received has been saved."]),
        (
            "interrupted",
            ChatResult(text="half"),
            ["The answer was interrupted", "What was received has been saved.", ">interrupted"],
        ),
        (
            "failed",
            ChatResult(error=ErrorInfo(code="upstream_overloaded", message=f"Too busy {EVIL}", hint="Wait.")),
            ["No response", "Too busy", "Wait.", "upstream_overloaded", "Retry now"],
        ),
        (
            "failed",
            ChatResult(text="half", error=ErrorInfo(code="x", message="cut")),
            ["The answer was cut short", "cut"],
        ),
        (
            "failed",
            ChatResult(text="half", error=AnswerTooLarge("The answer has more than 8 bytes of text.").info()),
            [
                *("The answer was cut short", "more than 8 bytes of text. What was received has been saved."),
                *("<p>half</p>", "answer_too_large"),
            ],
        ),
        ("complete", ChatResult(text="long", finish_reason="length", complete=True), ["length limit"]),
        ("complete", ChatResult(text="a", finish_reason="content_filter", complete=True), ["content filter"]),
    ],
)
def test_an_answer_that_is_not_whole_says_why(turn: Turn, state: str, result: ChatResult, words: list[str]) -> None:
    html = ended(turn, state, result)
    for word in words:
        assert word in html
    assert f'data-retry="{turn.pk}"' in html
    assert "<script" not in html
    assert (result.text in html) or not result.text


@pytest.mark.parametrize(
    ("code", "flow", "offered"),
    [
        ("needs_reauth", "claude", True),
        ("upstream_authentication", "claude", True),
        ("upstream_authentication", "", False),
        ("upstream_overloaded", "claude", False),
    ],
)
def test_an_answer_that_a_dead_login_ended_leads_to_the_sign_in(
    turn: Turn, code: str, flow: str, offered: bool
) -> None:
    kind = "oauth" if flow else "api_key"
    turn.session = AuthSession.objects.create(
        owner=turn.context.owner, provider="anthropic", auth_type=kind, name="work", flow=flow
    )
    turn.save()
    html = ended(turn, "failed", ChatResult(error=ErrorInfo(code=code, message="No.", hint="Do it.")))
    link = f'href="{reverse("sessions:detail", args=[turn.session.pk])}">Sign in again</a>'
    assert (link in html) is offered and ("Sign in again" in html) is offered


def test_a_hint_that_the_button_says_is_not_said_twice_and_a_limit_counts_down(turn: Turn) -> None:
    error = RateLimited("Too many requests.", retry_after=42.0).info()
    html = ended(turn, "failed", ChatResult(text="half", error=error))
    assert turn.stream is not None
    turn.stream.refresh_from_db()
    assert turn.stream.ended_at is not None
    until = (turn.stream.ended_at + timedelta(seconds=42)).isoformat(timespec="seconds")[:19]
    assert RateLimited.default_hint not in html and "Retry now" in html and f'data-countdown="{until}' in html
    assert html.count("What was received has been saved.") == 1


def test_a_tool_call_is_a_card_with_intent_and_result(turn: Turn) -> None:
    chunks.append(
        context=turn.context,
        kind="tool_result",
        role="tool",
        content=f"7 hits {EVIL}",
        turn=turn,
        metadata={"call_id": "c1"},
    )
    wrong = ErrorInfo(code="invalid_intent", message=f"No intent: {EVIL}")
    intent = ToolIntent(purpose="test_pass", scope=f"reads {EVIL}", risk_level="low", source="model")
    call = ResultToolCall(id="c1", name="search", arguments={"q": EVIL}, intent=intent, intent_error=wrong)
    html = ended(turn, "complete", ChatResult(tool_calls=(call,), complete=True))
    shown = ("search", "Making tests pass", "Scope", 'data-risk="low"', "Stated by the model", "No intent", "7 hits")
    for word in shown:
        assert word in html
    assert "<script" not in html


def test_the_card_of_an_older_call_says_what_can_be_read(turn: Turn) -> None:
    call = ResultToolCall(id="c1", name="search", arguments={})
    ended(turn, "complete", ChatResult(tool_calls=(call,), complete=True))
    ContextChunk.objects.filter(kind="tool_call").update(intent={"purpose": "free words", "risk": "high"})
    html = again(turn)
    assert "<dt>Purpose</dt><dd>Not declared</dd>" in html
    assert "<dt>Source</dt><dd>By rule</dd>" in html
    assert "<dd>search</dd>" in html
    assert 'data-risk="high"' in html


def test_arguments_that_are_no_json_are_shown_and_marked(turn: Turn) -> None:
    call = ResultToolCall(id="c1", name="search", arguments={}, invalid_arguments='{"q": <b>')
    html = ended(turn, "complete", ChatResult(tool_calls=(call,), complete=True))
    assert "Invalid arguments" in html
    assert "&lt;b&gt;" in html


def test_an_answer_whose_stream_is_gone_shows_its_chunks(turn: Turn) -> None:
    chunks.append(context=turn.context, kind="assistant", role="assistant", content="kept", turn=turn)
    turn.stream = None
    html = rendering.render_answer(turn, None)
    assert "kept" in html
    assert 'data-state="complete"' in html


REF = "0b0e7a5e-0000-4000-8000-000000000001"
SEARCH = ServerToolEvent(
    "server_tool_use", {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": f"q {EVIL}"}}
)
FOUND = ServerToolEvent(
    "web_search_tool_result",
    {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [
            {"type": "web_search_result", "url": "https://a.example/x", "title": "A", "encrypted_content": "ee"}
        ],
    },
)


def test_every_piece_stands_in_its_place(turn: Turn) -> None:
    events = [
        TextDelta("Looking."),
        SEARCH,
        FOUND,
        TextDelta("Found."),
        GeneratedFile("image/png", REF, name="Plan", size=2048),
        OpaqueBlock("new_kind", {"type": "new_kind"}),
    ]
    html = ended(turn, "complete", ChatResult(complete=True, finish_reason="stop"), *events)
    places = [html.index(word) for word in ("Looking.", "Searched the web", "Found.", "<figure", "new_kind")]
    assert places == sorted(places)
    assert html.count('class="server-tool"') == 1, "the result stands in its card"
    assert "1 result<" in html and "A · https://a.example/x" in html and "ee" not in html.split("<pre")[1][:80]
    address = reverse("chats:media", args=[REF])
    assert f'<img src="{address}" alt="Plan" loading="lazy"' in html
    assert f'href="{address}" download>' in html
    assert "answer-failure" not in html and "<script" not in html


def test_sources_are_numbered_once_and_link_only_to_the_web(turn: Turn) -> None:
    cited = [
        Citation({}, "https://www.docs.example/a", "Webhooks", "Events may repeat."),
        Citation({}, "https://www.docs.example/a", "Webhooks", f"Store ids. {EVIL}"),
        Citation({}, "javascript:alert(1)", "Bad"),
        Citation({"document_title": "terms.pdf"}),
    ]
    html = ended(turn, "complete", ChatResult(text="No.", complete=True), *cited)
    link = '<a class="source" href="https://www.docs.example/a" target="_blank" rel="noopener noreferrer nofollow"'
    assert html.count(link) == 1
    assert "docs.example · Webhooks" in html and "Events may repeat." in html and "Store ids." in html
    assert "javascript:" not in html and "Bad" in html and "terms.pdf" in html
    assert '<span class="source-number num">3</span>' in html and '<span class="source-number num">4</span>' not in html
    assert "<script" not in html


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (GeneratedFile("audio/wav", REF, name="talk.wav", size=9000), ["talk.wav", "audio/wav", "download>"]),
        (GeneratedFile("image/svg+xml", REF), ["Generated image", "image/svg+xml", "download>"]),
        (GeneratedFile("image/png", url="https://cdn.example/p.png"), ["cdn.example, not loaded", 'rel="noopener nor']),
        (GeneratedFile("image/png", problem=f"The store is full {EVIL}"), ["Not kept: The store is full"]),
        (GeneratedFile("image/png", url="javascript:x"), ["Not kept: "]),
    ],
)
def test_a_file_that_is_no_image_is_a_row(turn: Turn, file: GeneratedFile, words: list[str]) -> None:
    html = ended(turn, "complete", ChatResult(complete=True), file)
    for word in words:
        assert word in html
    assert "<img" not in html and "<script" not in html and "javascript:" not in html


@pytest.mark.parametrize(
    ("events", "finish", "words"),
    [
        ([], "stop", ["The answer is empty", "No text, tool call or image was received."]),
        ([TextDelta(" \n ")], "stop", ["The answer is empty"]),
        ([ReasoningDelta("hm")], "stop", ["The answer is empty", "Only reasoning was received."]),
        ([ReasoningDelta("hm", 0, {"s": 1})], "length", ["length limit", "Only reasoning was received. Raise"]),
        ([], "content_filter", ["content filter", "No text"]),
        ([SEARCH, FOUND], "pause", ["paused the answer", "No text"]),
        ([TextDelta("half")], "error", ["ended the answer with an error", "MALFORMED_FUNCTION_CALL"]),
    ],
)
def test_an_answer_without_text_call_or_image_is_no_success(
    turn: Turn, events: list[Event], finish: Any, words: list[str]
) -> None:
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    raw = "MALFORMED_FUNCTION_CALL" if finish == "error" else None
    result = ChatResult(finish_reason=finish, finish_reason_raw=raw, complete=True, reasoning_text=thought)
    html = ended(turn, "complete", result, *events)
    for word in words:
        assert word in html
    assert f'data-retry="{turn.pk}"' in html
    assert "let through" not in html


@pytest.mark.parametrize(
    ("case", "dialect", "words"),
    [
        ("gemini-g-malformed.sse", "gemini_generate", "Malformed function call: print(default_api.x("),
        ("s-reasoning-only.sse", "openai_chat", "Only reasoning was received. Raise “Max output”"),
    ],
)
def test_what_went_wrong_at_the_provider_is_said_with_a_way_on(turn: Turn, case: str, dialect: str, words: str) -> None:
    reader, transcript = AnswerReader(by_name(dialect)), Transcript("remote")
    for event in (*reader.feed((CASES / case).read_bytes()), *reader.close()):
        transcript.add(event)
    assert writes.finish(turn.stream_id, transcript.ending(timezone.now()), 1)  # type: ignore[arg-type]
    html = again(turn)
    assert words in html and "answer-failure" in html and f'data-retry="{turn.pk}"' in html


def test_an_answer_that_was_asked_for_again_shows_the_new_one_alone(turn: Turn) -> None:
    ended(turn, "complete", ChatResult(text="Old words", complete=True))
    turn.stream = Stream.objects.create(owner=turn.context.owner, heartbeat_at=timezone.now())
    turn.save()
    html = ended(turn, "complete", ChatResult(text="New words", complete=True))
    assert "New words" in html and "Old words" not in html
    ContextChunk.objects.filter(content="New words").update(deleted_at=timezone.now())
    assert "New words" in again(turn), "what is not sent any more was said all the same"

"""A turn as HTML, in every state that an answer can be in."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from context_app import rendering
from context_app.models import Context, Stream, Turn
from context_app.services import chunks
from providers_app.types.chat import ChatResult, ResultToolCall
from providers_app.types.events import ErrorInfo

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def turn() -> Turn:
    person = get_user_model().objects.create_user("ada")
    context = Context.objects.create(owner=person)
    stream = Stream.objects.create(owner=person, heartbeat_at=timezone.now())
    made = Turn.objects.create(context=context, stream=stream, provider="demo", model=EVIL, session_label=EVIL)
    chunks.append(context=context, kind="user", role="user", content=f"Hi **you** {EVIL}", turn=made)
    return made


def ended(turn: Turn, state: str, result: ChatResult) -> str:
    stream = turn.stream
    assert stream is not None
    stream.state = state
    return rendering.render_answer(turn, result.to_dict())


def test_both_pieces_are_plain_text_for_the_frames(turn: Turn) -> None:
    assert type(rendering.render_user(turn)) is str
    assert type(rendering.render_answer(turn, None)) is str


def test_the_message_is_rendered_and_harmless(turn: Turn) -> None:
    html = rendering.render_user(turn)
    assert "<strong>you</strong>" in html
    assert "<script" not in html


def test_an_excluded_message_says_that_it_is_not_sent(turn: Turn) -> None:
    assert "not sent" not in rendering.render_user(turn)
    turn.chunks.update(excluded=True)
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
        ("cancelled", ChatResult(text="half"), ["You stopped this answer", "What arrived is kept."]),
        (
            "interrupted",
            ChatResult(text="half"),
            ["The answer was interrupted", "What arrived is kept.", ">interrupted"],
        ),
        (
            "failed",
            ChatResult(error=ErrorInfo(code="upstream_overloaded", message=f"Too busy {EVIL}", hint="Wait.")),
            ["No answer came", "Too busy", "Wait.", "upstream_overloaded"],
        ),
        ("failed", ChatResult(text="half", error=ErrorInfo(code="x", message="cut")), ["The answer broke off", "cut"]),
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


def test_a_tool_call_is_a_card_with_intent_and_result(turn: Turn) -> None:
    metadata: dict[str, Any] = {"call_id": "c1", "name": "search", "arguments": {"q": EVIL}}
    metadata["intent_error"] = f"No intent: {EVIL}"
    intent = {"purpose": "test_pass", "scope": f"reads {EVIL}", "risk_level": "low", "source": "model"}
    chunks.append(
        context=turn.context,
        kind="tool_call",
        role="assistant",
        content="{}",
        turn=turn,
        metadata=metadata,
        intent=intent,
    )
    chunks.append(
        context=turn.context, kind="tool_result", role="tool", content=f"7 hits {EVIL}", turn=turn, metadata=metadata
    )
    wrong = ErrorInfo(code="invalid_intent", message=f"No intent: {EVIL}")
    call = ResultToolCall(id="c1", name="search", arguments={"q": EVIL}, intent_error=wrong)
    html = ended(turn, "complete", ChatResult(tool_calls=(call,), complete=True))
    shown = ("search", "Making tests pass", "Scope", 'data-risk="low"', "Stated by the model", "No intent", "7 hits")
    for word in shown:
        assert word in html
    assert "<script" not in html


def test_the_card_of_an_older_call_says_what_can_be_read(turn: Turn) -> None:
    metadata: dict[str, Any] = {"call_id": "c1", "name": "search", "arguments": {}}
    intent = {"purpose": "free words", "risk": "high"}
    chunks.append(
        context=turn.context,
        kind="tool_call",
        role="assistant",
        content="{}",
        turn=turn,
        metadata=metadata,
        intent=intent,
    )
    call = ResultToolCall(id="c1", name="search", arguments={})
    html = ended(turn, "complete", ChatResult(tool_calls=(call,), complete=True))
    assert "<dt>Purpose</dt><dd>Not declared</dd>" in html
    assert "<dt>Source</dt><dd>By rule</dd>" in html
    assert "<dd>search</dd>" in html
    assert 'data-risk="high"' in html


def test_arguments_that_are_no_json_are_shown_and_marked(turn: Turn) -> None:
    call = ResultToolCall(id="c1", name="search", arguments={}, invalid_arguments='{"q": <b>')
    html = ended(turn, "complete", ChatResult(tool_calls=(call,), complete=True))
    assert "Invalid arguments" in html
    assert "&lt;b&gt;" in html


def test_a_stored_result_is_drawn_like_a_fresh_one(turn: Turn) -> None:
    result = ChatResult(text="Same", complete=True, finish_reason="stop")
    fresh = ended(turn, "complete", result)
    assert rendering.render_answer(turn, json.loads(json.dumps(result.to_dict()))) == fresh


def test_an_answer_whose_stream_is_gone_shows_its_chunks(turn: Turn) -> None:
    chunks.append(context=turn.context, kind="assistant", role="assistant", content="kept", turn=turn)
    turn.stream = None
    html = rendering.render_answer(turn, None)
    assert "kept" in html
    assert 'data-state="complete"' in html

"""Small answers, each of a kind of fault that people report of servers: read right whole and cut anywhere."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from providers_app import dialects, streaming
from providers_app.chat.answer_parts import AnswerParts
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.types.chat import ChatResult
from providers_app.types.dialect import Dialect
from providers_app.types.events import Citation, Origin, ServerToolEvent
from tests.wire.asking import ask, body_of, say
from tests.wire.cutting import events_of, pieces, single_bytes

ROOT = Path(__file__).parents[1] / "cases"
SEED = int(os.environ.get("WIRE_TEST_SEED", "20261130"))
RANDOM_CUTS = 20
# The right values; ``calls`` are (name, arguments), ``error`` is (code, message).
RIGHT: dict[str, dict[str, Any]] = {
    "s-index-rising.sse": {"text": "Whisper now", "finish_reason": "stop"},
    "s-minimax-final.sse": {"text": "Hello", "tokens": (5, 2, 7)},
    "p-emptydata.sse": {"text": "Hello"},
    "openai-o-emptydata.sse": {"text": "Hello"},
    "p-singlenl.sse": {"text": "Hello"},
    "t-headindex0-tail1.sse": {"calls": [("kpi", {"q": "x"}), ("chart", {"series": "y"})]},
    "t-final-whole-after-partial.sse": {"calls": [("w", {"date": "2025-03-26", "kind": "toll"})]},
    "t-doubleencoded.sse": {"calls": [("w", {"city": "Rome"})]},
    "s-reasoning-only.sse": {"reasoning_text": "thinking...", "finish_reason": "length"},
    "p-usage-in-choice.sse": {"text": "Hi", "tokens": (8, 2, 10)},
    "anthropic-a-usage-zero-delta.sse": {"text": "Hello", "tokens": (123, 45, None)},
    "e-code-message.sse": {
        "finish_reason": "error",
        "error": ("upstream_error", "Range of input length should be [1, 6000]"),
    },
    "p-emoji-surrogates.sse": {"text": "ok \U0001f600 done"},
    "anthropic-whole-answer-in-message-start.sse": {
        "calls": [("rollDie", {"player": "p2"})],
        "finish_reason": "tool_calls",
        "tokens": (0, 0, None),
    },
    "chat-content-is-an-object.json": {"text": '{"title":"A"}'},
    "chat-thought-signature-in-extra-content.json": {"calls": [("f", {})]},
    "chat-search-results-without-citations.sse": {"text": "a[1]"},
    "responses-overloaded-after-created.sse": {
        "finish_reason": "error",
        "error": ("upstream_overloaded", "Our servers are currently overloaded. Please try again later."),
    },
    "responses-server-side-custom-tool.sse": {"text": "done"},
    "responses-same-id-other-position.sse": {"text": "hi"},
    "gemini-g-malformed.sse": {
        "reasoning_text": "thinking",
        "finish_reason": "error",
        "error": ("upstream_error", "Malformed function call: print(default_api.x("),
        "tokens": (9, 11, 20),
    },
    "gemini-partial-args.sse": {"calls": [("getWeather", {"location": "Boston"})], "tokens": None},
    "anthropic-overloaded-after-message-start.sse": {
        "finish_reason": "error",
        "error": ("upstream_overloaded", "Overloaded"),
        "tokens": (3, 0, None),
    },
}
NAMES = sorted(RIGHT)


def dialect_of(name: str) -> Dialect:
    """The dialect that the file's name says; ``openai-`` is that of the provider of this name."""
    starts = {
        "anthropic": "anthropic_messages",
        "responses": "openai_responses",
        "openai": "openai_responses",
        "gemini": "gemini_generate",
    }
    return dialects.by_name(starts.get(name.partition("-")[0], "openai_chat"))


def values(found: ChatResult) -> dict[str, Any]:
    usage, error = found.usage, found.error
    return {
        "text": found.text,
        "reasoning_text": found.reasoning_text,
        "calls": [(one.name, one.arguments if one.invalid_arguments is None else None) for one in found.tool_calls],
        "finish_reason": found.finish_reason,
        "complete": found.complete,
        "tokens": usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens),
        "error": error and (error.code, error.message),
    }


def right(name: str) -> dict[str, Any]:
    known = RIGHT[name]
    plain = {"text": "", "reasoning_text": "", "calls": [], "tokens": None, "error": None}
    finish = "tool_calls" if known.get("calls") else "stop"
    return {**plain, "finish_reason": finish, "complete": "error" not in known, **known}


def test_every_case_has_its_right_value() -> None:
    assert {path.name for path in ROOT.iterdir()} == set(RIGHT)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_read_right_whole_and_cut_anywhere(name: str) -> None:
    dialect, body = dialect_of(name), (ROOT / name).read_bytes()
    whole = events_of(dialect, [body])
    assert values(streaming.fold(whole)) == right(name)
    assert events_of(dialect, single_bytes(body)) == whole
    rng = random.Random(f"{SEED}/{name}")
    for _ in range(RANDOM_CUTS):
        cuts = [rng.randrange(len(body) + 1) for _ in range(rng.randrange(1, 8))]
        assert events_of(dialect, pieces(body, cuts)) == whole, f"seed {SEED}, cut at {sorted(cuts)}"


@pytest.mark.parametrize("name", NAMES)
def test_a_case_that_breaks_off_is_never_a_clean_end_of_less(name: str) -> None:
    dialect, body = dialect_of(name), (ROOT / name).read_bytes()
    whole = streaming.fold(events_of(dialect, [body]))
    for at in range(len(body)):
        part = streaming.fold(events_of(dialect, [body[:at]]))
        assert whole.text.startswith(part.text), f"broken off at {at}"
        if part.complete:
            assert (part.text, part.tool_calls) == (whole.text, whole.tool_calls), f"broken off at {at}"


def events_of_case(name: str) -> list[Any]:
    return events_of(dialect_of(name), [(ROOT / name).read_bytes()])


def test_a_search_result_is_a_source_with_title_and_address() -> None:
    (source,) = [
        one for one in events_of_case("chat-search-results-without-citations.sse") if isinstance(one, Citation)
    ]
    assert (source.title, source.url) == ("T", "https://e.x/1")


def test_a_tool_that_the_provider_ran_is_no_call() -> None:
    found = events_of_case("responses-server-side-custom-tool.sse")
    assert [one.data["name"] for one in found if isinstance(one, ServerToolEvent)] == ["x_keyword_search"]


@pytest.mark.parametrize(
    ("origin", "goes_back"),
    [
        (Origin("remote", "gemini-3-pro", "s"), True),
        (Origin("remote", "gemini-3-pro", "another login"), False),
        (Origin("remote", "another model", "s"), False),
        (Origin("openai", "gemini-3-pro", "s"), False),
    ],
)
def test_the_signature_of_a_call_goes_back_to_where_it_came_from_alone(origin: Origin, goes_back: bool) -> None:
    answer = AnswerParts(origin)
    for event in events_of_case("chat-thought-signature-in-extra-content.json"):
        answer.add(event)
    chat = ask(say("user", "go"), say("assistant", *answer.parts()), asked=Origin("remote", "gemini-3-pro", "s"))
    (call,) = body_of(OpenAIChat(request=RequestForm(family="remote")), chat)["messages"][1]["tool_calls"]
    kept = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
    assert call.get("extra_content") == (kept if goes_back else None)

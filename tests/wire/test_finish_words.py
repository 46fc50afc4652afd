"""The words with which each format ends an answer, and those that nobody knows."""

import pytest

from providers_app import dialects, streaming
from tests.wire.cutting import events_of
from tests.wire.speaking import answer, sent, texts

FILTERED = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR", "ESCALATION"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED"),
)
WORDS = {
    "openai_chat": {
        **dict.fromkeys(("stop", "eos", "STOP", "end_turn"), "stop"),
        **dict.fromkeys(("length", "max_tokens", "model_length", "LENGTH"), "length"),
        **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
        **dict.fromkeys(("content_filter", "safety", "SAFETY"), "content_filter"),
        **dict.fromkeys(("error", "insufficient_system_resource", "malformed_function_call"), "error"),
        "unexpected_tool_call": "error",
    },
    "anthropic_messages": {
        **dict.fromkeys(("end_turn", "stop_sequence", "some_new_word"), "stop"),
        **dict.fromkeys(("max_tokens", "model_context_window_exceeded"), "length"),
        **dict.fromkeys(("compaction", "pause_turn"), "pause"),
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    },
    "gemini_generate": {
        "STOP": "stop",
        **dict.fromkeys(("MAX_TOKENS", "CONTINUATION"), "length"),
        **dict.fromkeys(FILTERED, "content_filter"),
        **dict.fromkeys(("OTHER", "MALFORMED_FUNCTION_CALL", "NO_IMAGE", "SOME_NEW_WORD"), "error"),
    },
}


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in WORDS.items() for word in words])
def test_a_word_that_ends_an_answer_is_known(name: str, word: str) -> None:
    body = b"".join(sent(answer(name, texts(name, ["Whisper"]), finish=word)))
    found = streaming.fold(events_of(dialects.by_name(name), [body]))
    failed = WORDS[name][word] == "error"
    raw = None if failed and name == "openai_chat" and found.finish_reason_raw is None else word
    assert (found.finish_reason, found.finish_reason_raw) == (WORDS[name][word], raw)
    assert (found.text, found.complete, found.error is not None) == ("Whisper", not failed, failed)

"""Half a character at the very end of an answer is shown as U+FFFD, in streams as in whole answers."""

import pytest

from providers_app.dialects import by_name
from providers_app.dialects.reader import AnswerReader
from providers_app.streaming import fold

CUT = '"a\\ud83d"'
ANTHROPIC = (
    'data: {"type":"message_start","message":{"id":"m","model":"c"}}',
    'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
    f'data: {{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{CUT}}}}}',
    'data: {"type":"content_block_stop","index":0}',
    'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}',
    'data: {"type":"message_stop"}',
)
CHAT = (
    f'data: {{"choices":[{{"index":0,"delta":{{"content":{CUT}}}}}]}}',
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    "data: [DONE]",
)
GEMINI = (f'data: {{"candidates":[{{"content":{{"parts":[{{"text":{CUT}}}]}},"finishReason":"STOP"}}]}}',)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("dialect", "events"), [("openai_chat", CHAT), ("anthropic_messages", ANTHROPIC), ("gemini_generate", GEMINI)]
)
def test_the_last_half_of_a_character_is_not_dropped(dialect: str, events: tuple[str, ...], size: int) -> None:
    body = "".join(f"{event}\n\n" for event in events).encode()
    reader = AnswerReader(by_name(dialect))
    found = [event for at in range(0, len(body), size) for event in reader.feed(body[at : at + size])]
    result = fold([*found, *([] if reader.ended else reader.close())])
    assert (result.text, result.complete) == ("a\ufffd", True)

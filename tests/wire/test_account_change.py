"""Only the account changes, not the provider or model: what is bound to the other account goes nowhere, and is told."""

import json
from typing import Any

import msgspec
import pytest

from providers_app.dialects.request import BOUND
from providers_app.types.chat import ChatRequest, Message, TextPart, ToolResultPart
from providers_app.types.dialect import Dialect
from providers_app.types.events import Origin
from tests.wire.body_cases import BLOCK, FORMS, HERE, conversation

MARKS = {"openai_chat": "ENC", "openai_responses": "ENC", "anthropic_messages": "SIG", "gemini_generate": "SIG"}


def sent(dialect: str, asked: Origin, messages: tuple[Message, ...]) -> tuple[str, list[Any]]:
    form: Dialect = FORMS[dialect]
    chat = ChatRequest(model="m-1", messages=messages, asked=asked)
    return form.build_body(chat).decode(), chat.notes


def history(dialect: str) -> tuple[Message, ...]:
    """The conversation of the body cases without what another provider made, and without media."""
    found = []
    for message in conversation(dialect):
        parts = tuple(
            part
            for part in message.parts
            if isinstance(part, TextPart | ToolResultPart) or getattr(part, "origin", None) == HERE[dialect]
        )
        parts = tuple(
            msgspec.structs.replace(part, media=()) if isinstance(part, ToolResultPart) else part for part in parts
        )
        found.append(Message(message.role, parts))
    return tuple(found)


@pytest.mark.parametrize("dialect", FORMS)
def test_nothing_that_only_the_other_account_can_read_is_sent(dialect: str) -> None:
    here, messages = HERE[dialect], history(dialect)
    mine, notes = sent(dialect, here, messages)
    assert MARKS[dialect] in mine, "the account that made it gets it back"
    assert not [item for item in notes if item.what == BOUND]
    other = msgspec.structs.replace(here, session="s-2")
    body, notes = sent(dialect, other, messages)
    assert MARKS[dialect] not in body and "given_1" not in body
    block = json.dumps(BLOCK[dialect][1].get("id") or BLOCK[dialect][0])
    assert block not in body.replace('": ', '":')
    assert [item.what for item in notes if item.code == "part_dropped" and not item.source].count(BOUND) == 1
    for text in ("I look.", "It rains.", "Thanks."):
        assert text in body, "the text itself goes on"


@pytest.mark.parametrize("dialect", FORMS)
def test_the_id_of_a_call_is_the_providers_only_for_the_account_that_got_it(dialect: str) -> None:
    here, messages = HERE[dialect], history(dialect)
    mine, _ = sent(dialect, here, messages)
    other, _ = sent(dialect, msgspec.structs.replace(here, session="s-2"), messages)
    unknown, _ = sent(dialect, msgspec.structs.replace(here, session=None), messages)
    assert "given_1" not in other
    assert ("given_1" in mine) is ("given_1" in unknown)

"""What the chat pages write for kinds, first lines, ages, tokens and money."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.template import Context as Values
from django.template import Template
from django.utils import timezone

from context_app.models import ContextChunk
from context_app.templatetags import chat_tags

SPRITE = Path(__file__).parents[3] / "static" / "icons" / "sprite.svg"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


def chunk(kind: str = "user", content: str = "", role: str = "user", **columns: Any) -> ContextChunk:
    return ContextChunk(kind=kind, content=content, role=role, **columns)


def test_every_kind_has_a_drawn_icon_of_its_own() -> None:
    icons = {kind: chat_tags.kind_icon(kind) for kind in ContextChunk.Kind.values}
    drawn = set(re.findall(r'id="([a-z-]+)"', SPRITE.read_text()))
    assert set(icons.values()) <= drawn
    assert len(set(icons.values())) == len(icons)
    assert chat_tags.kind_icon("a new kind") in drawn


def test_the_advice_about_a_field_is_its_own() -> None:
    advice = {"top_p": [{"what": "too high"}]}
    assert chat_tags.of_field(advice, "top_p") == advice["top_p"]
    assert chat_tags.of_field(advice, "temperature") == chat_tags.of_field(None, "top_p") == []


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (chunk(content="  one  \ntwo"), "one"),
        (chunk(content="\n \n\ttwo"), "two"),
        (chunk(content="x" * 200), "x" * 200),
        (chunk(content="x" * 201), "x" * 200),
        (chunk(content=" " * 1999 + "yz"), "y"),
        (chunk(content=""), "(empty)"),
        (chunk(content=" ", state="streaming"), "…"),
        (chunk(content="# **a** `b`"), "# **a** `b`"),
        (chunk("assistant", "# **a** `b`", "assistant"), "a b"),
        (chunk("assistant", "> quoted", "assistant"), "quoted"),
        (chunk("assistant", "***", "assistant"), "***"),
        (chunk("file", "text", metadata={"name": "a.py"}), "a.py"),
        (chunk("file", "text"), "text"),
        (chunk("user", "text", metadata={"name": "a.py"}), "text"),
        (chunk("note", "text", metadata=["old", "form"]), "text"),
        (chunk("image", "", metadata={"name": "plan.png"}), "plan.png"),
        (chunk("image", "", metadata={"media_type": "image/png"}), "Generated image"),
        (chunk("tool_call", "{}", metadata={"name": "look", "arguments": {"q": "x", "n": 2}}), "look · q=x, n=2"),
        (chunk("tool_call", "{}", metadata={"name": "look", "arguments": {}}), "look"),
        (chunk("tool_call", "{}", metadata={"name": "look", "arguments": "q"}), "look"),
        (chunk("tool_call", "{}", metadata={"name": "n", "arguments": {"q": "x" * 118}}), "n · q=" + "x" * 118),
        (chunk("tool_call", "{}", metadata={"name": "n", "arguments": {"q": "x" * 119}}), "n · q=" + "x" * 118),
        (chunk("tool_call", "{oops", metadata={}), "{oops"),
    ],
)
def test_the_first_line_of_a_row(row: ContextChunk, line: str) -> None:
    assert chat_tags.first_line(row) == line


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("server_tool_use", {"name": "web_search", "input": {"query": "ferry"}}, "Searched the web · ferry"),
        ("server_tool_use", {"name": "web_search", "input": {}}, "Searched the web"),
        ("web_search_tool_result", {"content": [{"url": "https://a.example/"}]}, "1 result · web_search"),
        ("web_search_tool_result", {"content": {"error_code": "busy"}}, "Failed · web_search"),
        ("bash_tool_result", {"content": " one\ntwo"}, "one · bash"),
        ("bash_tool_result", {"content": "x" * 201}, "x" * 200 + " · bash"),
        ("bash_tool_result", {}, "Result · bash"),
        ("bash_tool_result", None, "Result · bash"),
        (None, {"name": "shell"}, "Ran a command"),
    ],
)
def test_the_first_line_of_what_a_provider_ran(kind: str | None, data: Any, line: str) -> None:
    assert chat_tags.first_line(chunk("server_tool", metadata={"kind": kind, "data": data})) == line


@pytest.mark.parametrize(
    ("row", "follows"),
    [
        (chunk("tool_result"), True),
        (chunk("server_tool", metadata={"kind": "web_search_tool_result"}), True),
        (chunk("server_tool", metadata={"kind": "server_tool_use"}), False),
        (chunk("server_tool", metadata={"kind": None}), False),
        (chunk("tool_call"), False),
        (chunk("user"), False),
    ],
)
def test_only_a_result_completes_the_row_before_it(row: ContextChunk, follows: bool) -> None:
    assert chat_tags.completes(row) is follows


def test_only_a_tool_call_has_an_intent_to_show() -> None:
    intent = {"purpose": "test_pass", "scope": "tests/", "risk_level": "high", "source": "person"}
    call = chunk("tool_call", metadata={"name": "look"}, intent=intent)
    shown = {"purpose": "Making tests pass", "scope": "tests/", "risk": "high", "source": "Stated by you"}
    assert chat_tags.intent_of(call) == shown
    assert chat_tags.intent_of(chunk("tool_result", intent=intent)) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"), (MINUTE - 1, "now"), (MINUTE, "1 m"), (HOUR - 1, "59 m"), (HOUR, "1 h"), (2 * HOUR - 1, "1 h"),
        (DAY - 1, "23 h"), (DAY, "1 d"), (365 * DAY - 1, "364 d"), (365 * DAY, "1 y"), (730 * DAY, "2 y"),
    ],
)  # fmt: skip
def test_an_age_is_short_and_its_time_exact(monkeypatch: pytest.MonkeyPatch, seconds: int, text: str) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    then = NOW - timedelta(seconds=seconds)
    html = chat_tags.age(then)
    assert f">{text}</time>" in html
    assert f'datetime="{then:%Y-%m-%dT%H:%M:%S}+00:00"' in html
    assert f'title="{then:%a %d %b %Y, %H:%M:%S} UTC"' in html


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "0"), (999, "999"), (80407, "80,407")])
def test_thousands(value: int | None, text: str) -> None:
    assert chat_tags.thousands(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (0, "$0"), (0.0, "$0"), (0.00009, "< $0.0001"), (0.0001, "$0.0001"), (0.0099, "$0.0099"),
        (0.01, "$0.01"), (1.239, "$1.24"),
    ],
)  # fmt: skip
def test_dollars(value: float | None, text: str) -> None:
    assert chat_tags.dollars(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "free"), (0.25, "$0.25"), (1.0, "$1"), (3.0, "$3"), (15.5, "$15.5")]
)
def test_price(value: float | None, text: str) -> None:
    assert chat_tags.price(value) == text


@pytest.mark.parametrize(("slug", "letters"), [("anthropic", "An"), ("gone", "Go"), ("x", "X"), ("", "?")])
def test_a_provider_has_two_letters_even_when_it_is_no_longer_installed(slug: str, letters: str) -> None:
    template = Template("{% load chat_tags %}{{ slug|monogram }}")
    assert template.render(Values({"slug": slug})) == letters

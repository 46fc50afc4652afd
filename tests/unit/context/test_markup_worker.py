"""Text that takes for ever is ended with its process, shown as plain text, and holds up nothing that comes after it."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from context_app import markup, markup_worker
from context_app.markup_worker import Pool, Worker

SLOW = "[a](" * 40_000
"""Markdown that takes minutes: the square of its length."""


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool of the test's own, of one process, as the pool of this process."""
    monkeypatch.setattr(markup_worker, "PROCESSES", 1)
    made = Pool()
    monkeypatch.setattr(markup_worker, "_pool", made)
    yield made
    made.close()


def idle(pool: Pool) -> Worker:
    """The process of the pool, when it has started."""
    worker = pool._idle.get(timeout=60)
    pool._idle.put(worker)
    return worker


def test_text_is_rendered_as_in_this_process(pool: Pool) -> None:
    for text in ("**bold** `code` ~~gone~~", "```python\ndef f(): pass\n```", "Gr\u00fc\u00dfe \U0001f600 <b>", " \n"):
        assert markup_worker.to_html(text) == markup.to_html(text)
    assert markup_worker.inline_code_html('{"a": 1}', "json") == markup.inline_code_html('{"a": 1}', "json")
    assert markup_worker.inline_code_html("<b>", "") == "&lt;b&gt;"


def test_what_takes_too_long_is_shown_as_it_is_and_not_tried_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pool._take(0)
    assert first is not None
    pool._idle.put(first)
    with monkeypatch.context() as patch:
        patch.setattr(markup_worker, "SECONDS", 0.5)
        pool._began = True
        assert markup_worker.to_html(SLOW) == markup.plain_html(SLOW)
    assert first.process.returncode == -signal.SIGKILL
    assert markup_worker.to_html("*next*") == "<p><em>next</em></p>\n"
    monkeypatch.setattr(Worker, "ask", lambda *_: pytest.fail("it was tried again"))
    assert markup_worker.to_html(SLOW) == markup.plain_html(SLOW)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "*a_" * 40_000,
        "![[[" * 40_000,
        ">" * 50_000,
        "`a``b```" * 20_000,
        "".join("  " * depth + "- a\n" for depth in range(300)),
        "|a" * 1000 + "\n" + "|-" * 1000 + "\n" + ("|b" * 1000 + "\n") * 30,
        "```json\n" + '{"a":' * 8000 + "\n```",
        "<" * 100_000,
    ],
    ids=["brackets", "emphasis", "images", "quotes", "ticks", "lists", "table", "json", "angles"],
)
def test_pathological_text_has_an_end(text: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup_worker, "SECONDS", 1.0)
    html = markup_worker.to_html(text)
    assert html == markup.plain_html(text) or not re.search(r"<script|\son\w+=|javascript:", html)


def test_a_process_that_was_killed_while_idle_is_replaced(pool: Pool) -> None:
    markup_worker.to_html("*one*")
    os.kill(idle(pool).process.pid, signal.SIGKILL)
    idle(pool).process.wait()
    assert markup_worker.to_html("*two*") == "<p><em>two</em></p>\n"


def test_what_cannot_be_rendered_is_shown_as_it_is(pool: Pool) -> None:
    assert pool.run("no_such_function", "x") is None
    assert pool.run("to_html", "*still there*") == "<p><em>still there</em></p>\n"


def test_nobody_waits_for_a_pool_that_is_busy(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup_worker, "SECONDS", 0)
    pool._count, pool._began = 1, True
    assert markup_worker.to_html("*late*") == markup.plain_html("*late*")
    assert not pool._slow, "it is no fault of the text"


def test_without_a_process_text_is_plain(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(markup_worker.subprocess, "Popen", refused)
    monkeypatch.setattr(markup_worker, "START_S", 0.1)
    assert markup_worker.to_html("*a*") == markup.plain_html("*a*")
    assert "could not be started (no more processes)" in caplog.text


def test_only_so_many_slow_texts_are_remembered(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup_worker, "KNOWN_SLOW", 2)
    for key in (b"1", b"2", b"3"):
        pool._note(key)
    assert list(pool._slow) == [b"2", b"3"]


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="needs /proc")
def test_a_process_has_a_limit_of_memory(pool: Pool) -> None:
    markup_worker.to_html("*one*")
    limits = Path(f"/proc/{idle(pool).process.pid}/limits").read_text()
    assert re.search(rf"Max address space +{markup_worker.MEMORY} ", limits)


def test_a_process_ends_with_its_parent(pool: Pool) -> None:
    markup_worker.to_html("*one*")
    worker = idle(pool)
    worker._socket.close()
    assert worker.process.wait(60) == 0


def test_a_forked_process_starts_its_own(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    markup_worker._forget_in_child()
    try:
        assert markup_worker._pool is not pool
    finally:
        monkeypatch.setattr(markup_worker, "_pool", pool)

"""Failure stories: a tab that is closed, a server that is killed, an answer that falls silent, each half-way."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.conftest import SETTINGS, sign_in
from tests.browser.database import answer_chunk, last_stream
from tests.browser.pages import QUESTION, begin, choose, finished, name_model, send, shown_text, start_demo
from tests.processes import Up
from tests.vendors.anthropic import VALID_KEY
from tests.vendors.server import VendorServer

pytestmark = pytest.mark.browser


def test_closing_the_tab_and_coming_back_gives_the_whole_answer_byte_for_byte(
    page: Page, server: Up, context: BrowserContext, watch: Callable[[Page], Page], anthropic_server: VendorServer
) -> None:
    address = begin(page, server, "anthropic", VALID_KEY, anthropic_server)
    name_model(page, "claude-opus-5-held")
    send(page, QUESTION)
    shown_text(page, 150)
    page.close()
    assert last_stream(server.data)["state"] == "running"
    anthropic_server.release()
    deadline = time.monotonic() + 60
    while last_stream(server.data)["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    stream = last_stream(server.data)
    assert stream["state"] == "complete" and stream["result"]["complete"]
    stored = answer_chunk(server.data)["content"]
    assert stored == stream["result"]["text"]

    back = watch(context.new_page())
    back.goto(address)
    finished(back)
    source = back.locator(".answer template.answer-source").evaluate("element => element.content.textContent")
    assert source == stored, "what the page has is what was stored, byte for byte"

    # The same answer, read without a break, is the same text: nothing was lost while nobody looked.
    send(back, QUESTION)
    expect(back.locator(".answer[data-state=complete]")).to_have_count(2)
    assert answer_chunk(server.data)["content"] == stored


def test_reloading_in_the_middle_catches_up_and_goes_on(page: Page, server: Up, anthropic_server: VendorServer) -> None:
    begin(page, server, "anthropic", VALID_KEY, anthropic_server)
    name_model(page, "claude-opus-5-held")
    send(page, QUESTION)
    shown = shown_text(page, 150)
    page.reload()
    again = shown_text(page, 150)
    assert last_stream(server.data)["state"] == "running", "it is still being written"
    assert squeezed(again).startswith(squeezed(shown)[:100])
    anthropic_server.release()
    finished(page)
    source = page.locator(".answer template.answer-source").evaluate("element => element.content.textContent")
    assert source == answer_chunk(server.data)["content"]


def test_killing_the_server_loses_nothing_that_was_shown_and_the_page_says_so(
    page: Page, server: Up, tmp_path: Path
) -> None:
    start_demo(page)
    choose(page, "demo-slow")  # half a minute, and new words all the time
    send(page, "Tell me a long story about a lighthouse.")
    shown_text(page, 60)
    server.kill()
    shown = page.locator(".answer .answer-flow").last.inner_text()
    with Up(server.data, port=server.port, **SETTINGS):
        finished(page, "interrupted")
        expect(page.locator(".answer .answer-failure").last).to_contain_text(re.compile("interrupt|stopped|died", re.I))
        stream = last_stream(server.data)
        assert stream["state"] == "interrupted"
        stored = answer_chunk(server.data)
        assert stored["state"] == "partial"
        assert squeezed(stored["content"]).startswith(squeezed(shown)), "all that was shown is stored"
        page.reload()
        finished(page, "interrupted")
        assert squeezed(shown) in squeezed(page.locator(".answer .answer-flow").last.inner_text())
        page.get_by_role("button", name="Regenerate").click()
        page.locator(".answer[aria-busy=true]").wait_for()


def test_without_a_websocket_the_page_streams_by_events(
    context: BrowserContext, server: Up, watch: Callable[[Page], Page]
) -> None:
    context.add_init_script("window.WebSocket = class { constructor() { throw new Error('no sockets here'); } };")
    page = context.new_page()
    sign_in(page, server)
    start_demo(page)
    send(page, "Hello there")
    finished(page)
    expect(page.locator(".chat-main")).to_contain_text("SSE")


def test_from_events_the_page_goes_back_to_a_websocket_in_the_middle_of_an_answer(
    page: Page, server: Up, anthropic_server: VendorServer
) -> None:
    page.add_init_script("""
        const Real = window.WebSocket;
        window.WebSocket = function (address) {
            if (!window.socketsWork) throw new Error("no sockets yet");
            return new Real(address);
        };
        window.WebSocket.OPEN = Real.OPEN;
    """)
    begin(page, server, "anthropic", VALID_KEY, anthropic_server)
    name_model(page, "claude-opus-5-held")
    badge = page.locator("#transport")
    expect(badge).to_have_text("SSE")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(badge).to_have_text("SSE")  # events go on where a socket fails beside them
    send(page, QUESTION)
    shown_text(page, 150)
    page.evaluate("window.socketsWork = true; window.dispatchEvent(new Event('online'))")
    expect(badge).to_have_text("WebSocket")
    anthropic_server.release()
    finished(page)
    source = page.locator(".answer template.answer-source").evaluate("element => element.content.textContent")
    assert source == answer_chunk(server.data)["content"], "nothing is lost and nothing shown twice"


def test_an_answer_that_the_server_reads_no_more_is_asked_for_again(page: Page, server: Up) -> None:
    asked: list[str] = []

    def through(socket: WebSocketRoute) -> None:
        """Pass frames on, but nothing of an answer before the page asks for it."""
        upstream = socket.connect_to_server()

        def from_page(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame["type"] == "attach":
                asked.append(frame["stream"])
            upstream.send(message)

        def from_server(message: str | bytes) -> None:
            frame = json.loads(message)
            if not asked and frame["type"] in ("events", "end"):
                return
            if not asked and frame["type"] == "pong":
                message = json.dumps({**frame, "streams": []})
            socket.send(message)

        socket.on_message(from_page)
        upstream.on_message(from_server)

    page.route_web_socket(re.compile("/ws/chats/"), through)
    page.clock.install()
    start_demo(page)
    send(page, "Hello there")
    page.locator(".answer").wait_for()
    assert not asked
    page.clock.fast_forward(26_000)  # to the next ping
    finished(page)
    assert len(set(asked)) == 1
    source = page.locator(".answer template.answer-source").evaluate("element => element.content.textContent")
    assert source == answer_chunk(server.data)["content"]


def squeezed(text: str) -> str:
    """Letters and digits only: the page shows finished text as Markdown, the database holds its source."""
    return "".join(character for character in text if character.isalnum())

"""A model server on this computer, from a fresh start: two presses of a button, and a streamed answer."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import SETTINGS, sign_in
from tests.processes import Up, prepared, rows
from tests.vendors.chat.kinds import KINDS, KindVendor
from tests.vendors.server import VendorServer

pytestmark = pytest.mark.browser
OLLAMA_PORT = 11434


@pytest.fixture
def ollama() -> Iterator[VendorServer]:
    """A stand-in as strict as Ollama, at its port."""
    with VendorServer(KindVendor(KINDS["ollama"]), path="/v1", port=OLLAMA_PORT) as server:
        yield server


def test_two_presses_connect_ollama_and_enter_streams_an_answer(
    context: BrowserContext, tmp_path: Path, watch: Callable[[Page], Page], ollama: VendorServer
) -> None:
    """By what a person reads alone: the labels of buttons and fields."""
    plain = {name: value for name, value in SETTINGS.items() if "ALLOWED" not in name}
    with Up(prepared(tmp_path / "data"), **plain) as server:
        page = watch(context.new_page())
        sign_in(page, server)
        page.get_by_role("button", name="Find local models").click()
        expect(page.get_by_role("heading", name="Found on this computer")).to_be_visible()
        expect(page.get_by_text("127.0.0.1:11434", exact=True)).to_be_visible()
        page.get_by_role("button", name="Allow and connect").click()

        page.wait_for_url(re.compile(r"/chats/[0-9a-f-]{36}/"))
        expect(page.get_by_role("button", name=re.compile("ollama.*chosen by Maestro"))).to_be_visible()
        page.get_by_label("Message", exact=True).fill("Hello there.")
        page.keyboard.press("Enter")
        answer = page.locator(".answer[data-state=complete]")
        answer.wait_for()
        expect(answer).to_contain_text("You said: Hello there.")
        asked = [entry for entry in ollama.ledger if entry.path == "/v1/chat/completions"]
        assert len(asked) == 1 and asked[0].body["stream"] is True and asked[0].sent_frames > 1
        done = rows(server.data, "SELECT action, session_label FROM sessions_app_sessionevent ORDER BY id")
        assert {"action": "address-allowed", "session_label": "127.0.0.1:11434"} in done

"""A key of a real provider: refused, corrected, tested, used in a chat, and never shown again."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import choose, finished, send
from tests.processes import Up
from tests.vendors.anthropic import VALID_KEY
from tests.vendors.server import VendorServer

pytestmark = pytest.mark.browser


def test_from_the_connect_page_to_an_answer(page: Page, server: Up, anthropic_server: VendorServer) -> None:
    page.goto(f"{server.base}/sessions/new/?provider=anthropic")
    page.locator("input[name=name]").fill("work_claude")
    page.get_by_text("Another address").click()
    page.locator("input[name=base_url]").fill(anthropic_server.base_url)
    page.locator("input[name=key]").fill("sk-ant-api03-" + "wrong-" * 8)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator(".field-error, .error-box").first).to_be_visible()
    assert page.locator("input[name=key]").input_value() == "", "a key is not given back, not even a refused one"
    page.locator("input[name=key]").fill(VALID_KEY)
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}/"))
    expect(page.locator("#session-status")).to_contain_text("Active")
    expect(page.locator("#session-models")).to_contain_text("claude-sonnet-5")
    assert VALID_KEY not in page.content()

    page.get_by_role("button", name="Disable").click()
    expect(page.locator("#session-models")).to_contain_text("session_disabled")
    expect(page.locator("#session-chat")).to_be_hidden()
    page.locator("#session-status").get_by_role("button", name="Enable").click()
    expect(page.locator("#session-chat").get_by_role("button", name="Chat")).to_be_visible()
    expect(page.locator("#session-switch")).to_contain_text("Disable")
    expect(page.locator("#session-models")).to_contain_text("claude-sonnet-5")

    page.goto(f"{server.base}/chats/")
    page.get_by_role("button", name="New chat").first.click()
    page.wait_for_url(re.compile(r"/chats/[0-9a-f-]{36}/"))
    choose(page, "claude-sonnet-5")
    send(page, "Say something.")
    finished(page)
    expect(page.locator(".answer").last).to_contain_text("claude-sonnet-5")
    asked = [entry for entry in anthropic_server.ledger.of("/v1/messages") if entry.key == "right"]
    assert asked and asked[-1].body["messages"][-1]["role"] == "user"
    assert anthropic_server.ledger.of("/v1/messages")[-1].headers["user-agent"].startswith("Maestro/")

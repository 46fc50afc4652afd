"""Text typed or pasted into the composer is sent and shown as it is, or refused with a reason."""

import hashlib
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import start_demo
from tests.processes import Up, rows

pytestmark = pytest.mark.browser
AS_TYPED = r"Path C:\*.log and \\srv\share, __init__.py, 2*3*4*5"
PASTED = ("".join(f"{number:06d} line of a log, pasted\n" for number in range(8000)) + "x" * 300)[:219_997]


def paste(page: Page, text: str) -> None:
    """Paste from the clipboard, where the browser applies its own limits."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.press("Control+V")


def stored(server: Up) -> str:
    found = rows(
        server.data, "SELECT content FROM context_app_contextchunk WHERE kind = 'user' ORDER BY created_at DESC"
    )
    return str(found[0]["content"])


def digest(text: str) -> str:
    return f"{len(text)}:{hashlib.sha256(text.encode()).hexdigest()}"


def shown(page: Page) -> str:
    return str(page.locator(".message-user .bubble").last.evaluate("bubble => bubble.textContent"))


@pytest.mark.parametrize("from_start", [True, False], ids=["a new chat", "an open chat"])
def test_a_long_paste_is_taken_whole(page: Page, server: Up, from_start: bool) -> None:
    assert len(PASTED) == 219_997
    start_demo(page)
    if from_start:
        page.goto(f"{server.base}/chats/")
        expect(page.locator("#composer-send")).to_be_enabled()
    paste(page, PASTED)
    page.keyboard.press("Enter")
    expect(page.locator(".message-user .bubble")).to_have_count(1)
    expect(page.locator(".answer").last).to_have_attribute("data-state", re.compile("complete|failed|interrupted"))
    assert digest(stored(server)) == digest(PASTED) and digest(shown(page)) == digest(PASTED)
    page.reload()
    assert digest(shown(page)) == digest(PASTED)


def test_what_is_too_long_for_a_message_is_said_and_stays_where_it_was(page: Page, server: Up) -> None:
    start_demo(page)
    text = "Grüße, 世界 " * 30_000
    paste(page, text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("too long to send at once")
    assert digest(page.get_by_label("Message", exact=True).input_value()) == digest(text)
    assert not rows(server.data, "SELECT id FROM context_app_contextchunk")
    expect(page.locator(".message-user")).to_have_count(0)


def test_a_message_is_shown_as_typed(page: Page, server: Up) -> None:
    start_demo(page)
    page.get_by_label("Message", exact=True).fill(AS_TYPED)
    page.keyboard.press("Enter")
    expect(page.locator(".message-user .bubble")).to_have_text(AS_TYPED)
    expect(page.locator(".answer").last).to_have_attribute("data-state", "complete")
    page.reload()
    assert shown(page) == stored(server) == AS_TYPED
    expect(page.locator(".message-user .bubble *")).to_have_count(0)

"""What a person does at a chat page, and what the tests wait for there."""

import re
import time

from playwright.sync_api import Page, expect

from tests.processes import Up
from tests.vendors.server import VendorServer

QUESTION = (
    "How would you write a FastAPI application that handles Stripe-based subscriptions? "
    "Include error handling and webhook verification."
)


def start_demo(page: Page) -> str:
    """The address of a new chat with the demo."""
    page.get_by_role("button", name="Try the demo").click()
    page.wait_for_url(re.compile(r"/chats/[0-9a-f-]{36}/"))
    return page.url


def begin(page: Page, server: Up, provider: str, key: str, vendor: VendorServer) -> str:
    """Connect a session with the vendor's server, and open a new chat: its address."""
    page.goto(f"{server.base}/sessions/new/?provider={provider}")
    page.locator("input[name=name]").fill("work")
    page.get_by_text("Another address").click()
    page.locator("input[name=base_url]").fill(vendor.base_url)
    page.locator("input[name=key]").fill(key)
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}/"))
    page.goto(f"{server.base}/chats/")
    page.get_by_role("button", name="New chat").first.click()
    page.wait_for_url(re.compile(r"/chats/[0-9a-f-]{36}/"))
    return page.url


def name_model(page: Page, model: str) -> None:
    """Take a model that is in no list, by its name."""
    page.locator("#picker-button").click()
    page.locator("#picker-search").fill(model)
    page.keyboard.press("Enter")
    expect(page.locator("#picker-button")).to_contain_text(model)


def choose(page: Page, model: str) -> None:
    """Pick a model of the chosen session in the picker, as a person who types its name does."""
    page.locator("#picker-button").click()
    page.locator("#picker-search").fill(model)
    page.locator(f"#model-picker [data-model='{model}']").click()
    expect(page.locator("#picker-button")).to_contain_text(model)


def send(page: Page, text: str) -> None:
    page.locator("#composer-text").fill(text)
    page.keyboard.press("Enter")


def shown_text(page: Page, characters: int) -> str:
    """The text of the running answer, once it has that many characters."""
    flow = page.locator(".answer .answer-flow").last
    deadline = time.monotonic() + 60
    while True:
        text = flow.inner_text() if flow.count() else ""
        if len(text) >= characters:
            return text
        assert time.monotonic() < deadline, f"only {len(text)} characters were shown"
        page.wait_for_timeout(50)


def finished(page: Page, state: str = "complete") -> None:
    page.locator(f".answer[data-state={state}]").last.wait_for()

"""An answer that breaks off, and Continue: the whole text, its seam in words, the same after a reload and elsewhere."""

import pytest
from playwright.sync_api import Browser, Page, expect

from providers_app.providers.demo.script import numbered
from tests.browser.pages import finished, name_model, send, start_demo
from tests.processes import Up

pytestmark = pytest.mark.browser
WHOLE = " ".join(numbered(60).split())


def test_continue_joins_a_broken_answer_and_shows_its_seam(page: Page, server: Up) -> None:
    start_demo(page)
    name_model(page, "demo-instant-truncated-n60")
    send(page, "Count for me.")
    finished(page, "failed")
    answer = page.locator(".answer").last
    expect(answer.get_by_text("The answer was cut short")).to_be_visible()
    expect(answer.get_by_role("button", name="Regenerate")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    answer.get_by_role("button", name="Continue").click()
    for shown in (page, other):
        finished(shown, "complete")
        answer = shown.locator(".answer").last
        expect(answer.locator(".seam")).to_have_text("continued")
        expect(answer.locator(".seam")).to_be_visible()
        expect(answer.get_by_text("the model was asked to continue")).to_be_visible()
        expect(answer.get_by_role("button", name="Continue")).to_have_count(0)
        text = " ".join((answer.locator(".answer-source").evaluate("node => node.innerHTML") or "").split())
        assert text == WHOLE
    before = page.locator(".answer").last.inner_html()
    page.reload()
    assert page.locator(".answer").last.inner_html() == before
    expect(page.locator("#context-chunks .tag", has_text="continued")).to_have_count(1)


def test_a_chat_can_be_told_not_to_continue(page: Page, server: Up, browser: Browser) -> None:
    start_demo(page)
    name_model(page, "demo-instant-truncated-n60")
    page.get_by_role("button", name="Parameters").click()
    page.get_by_label("When an answer breaks off").select_option(label="Never")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    page.keyboard.press("Escape")
    send(page, "Count for me.")
    finished(page, "failed")
    answer = page.locator(".answer").last
    expect(answer.get_by_role("button", name="Regenerate")).to_be_visible()
    expect(answer.get_by_role("button", name="Continue")).to_have_count(0)

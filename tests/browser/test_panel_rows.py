"""An unfolded row of the context panel shows its chunk as it is now, after every edit and its undo."""

import pytest
from playwright.sync_api import Page, expect

from tests.processes import Up

pytestmark = pytest.mark.browser


def set_system(page: Page, text: str) -> None:
    page.locator("[data-dialog=params-dialog], [data-dialog-open=params-dialog]").first.click()
    page.locator("#params-form [name=system]").fill(text)
    with page.expect_response("**/params/"):
        page.locator("#params-form").get_by_role("button", name="Save").click()
    expect(page.locator("#params-form .params-saved")).to_be_visible()
    page.keyboard.press("Escape")


def test_an_unfolded_row_follows_an_edit_and_its_undo(page: Page, server: Up) -> None:
    page.get_by_role("button", name="Try the demo").click()
    page.wait_for_url("**/chats/**")
    set_system(page, "Be brief.")
    row = page.locator("#context-chunks > li[data-kind=system]")
    row.locator(".chunk-title").click()
    expect(row.locator(".peek-text")).to_have_text("Be brief.")
    set_system(page, "Be thorough.")
    expect(row.locator(".chunk-title")).to_contain_text("Be thorough.")
    expect(row.locator(".peek-text")).to_have_text("Be thorough.")
    page.get_by_role("button", name="Undo the last edit").click()
    expect(row.locator(".peek-text")).to_have_text("Be brief.")
    expect(row.locator(".chunk-title")).to_have_attribute("aria-expanded", "true")

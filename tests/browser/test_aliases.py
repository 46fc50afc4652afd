"""An alias, from its creation to an answer by its second route, by what is written on the page."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import finished, send, start_demo
from tests.processes import Up

pytestmark = pytest.mark.browser


def test_an_alias_answers_by_its_second_route_and_says_why(page: Page, server: Up) -> None:
    chat = start_demo(page)
    page.goto(f"{server.base}/sessions/")
    page.get_by_role("link", name="Aliases").click()
    expect(page.get_by_text("No aliases yet")).to_be_visible()
    page.get_by_label("Name").fill("always")
    page.get_by_label("Session", exact=False).last.select_option(index=1)
    page.get_by_label("Model", exact=False).last.fill("demo-error-429")
    page.get_by_role("button", name="Create alias").click()
    expect(page.get_by_role("heading", name="always")).to_be_visible()
    page.get_by_label("Session of a new route of always").select_option(index=1)
    page.get_by_label("Model of a new route of always").fill("demo-instant")
    page.get_by_role("button", name="Add route").click()
    routes = page.get_by_role("list", name="Routes of always").get_by_role("listitem")
    expect(routes).to_have_count(2)
    routes.nth(1).get_by_role("button", name=re.compile("up$")).click()
    expect(routes.first).to_contain_text("demo-instant")
    routes.first.get_by_role("button", name=re.compile("down$")).click()
    expect(routes.first).to_contain_text("demo-error-429")

    page.goto(chat)
    page.locator("#picker-button").click()
    page.locator("#model-picker").get_by_role("button", name="always").click()
    page.get_by_role("option", name="Use always").click()
    expect(page.locator("#picker-button")).to_contain_text("always")
    send(page, "Hello")
    finished(page)
    answer = page.locator(".answer").last
    expect(answer.locator(".answer-model")).to_have_text("demo-instant")
    answer.get_by_text("for always, not by").click()
    expect(answer.locator(".answer-routing li")).to_contain_text("demo-error-429")

    page.goto(f"{server.base}/settings/aliases/")
    page.get_by_role("button", name="Delete always").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The alias always is deleted")).to_be_visible()
    page.goto(chat)
    expect(page.locator("#picker-button")).not_to_contain_text("always")

"""A provider that fails: Home says why it is not asked, and a person has it asked again."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import SETTINGS, sign_in
from tests.browser.pages import choose, send, start_demo
from tests.processes import Up, prepared, rows

pytestmark = pytest.mark.browser


def test_an_open_circuit_is_explained_at_home_and_closed_there(
    context: BrowserContext, tmp_path: Path, watch: Callable[[Page], Page]
) -> None:
    # One question is enough: its retries open the circuit, however busy the machine is.
    retrying = {**SETTINGS, "MAESTRO_PROVIDERS__MAX_RETRIES": "10"}
    with Up(prepared(tmp_path / "data"), **retrying) as server:
        page = watch(context.new_page())
        sign_in(page, server)
        start_demo(page)
        choose(page, "demo-error-500")
        send(page, "Are you there?")
        page.locator(".answer[data-state=failed]").wait_for()

        page.goto(f"{server.base}/")
        card = page.locator("#provider-health")
        expect(card.locator(".pill-bad")).to_contain_text("Open")
        expect(card.get_by_text("try_demo / demo-error")).to_be_visible()
        expect(card.get_by_text(re.compile("The demo model failed, as its name says."))).to_be_visible()
        expect(card.get_by_text("100%")).to_be_visible()
        card.get_by_role("button", name=re.compile("Close the circuit of try_demo")).click()

        expect(page.get_by_text(re.compile("Circuit closed. Other processes follow"))).to_be_visible()
        expect(card.locator(".pill-ok")).to_have_text("Closed")
        expect(card.get_by_role("button", name=re.compile("Close the circuit"))).to_have_count(0)
        done = rows(server.data, "SELECT action, detail FROM sessions_app_sessionevent WHERE action = 'circuit-closed'")
        assert done == [{"action": "circuit-closed", "detail": "demo-error"}]

        page.goto(f"{server.base}/settings/")
        expect(page.get_by_role("heading", name="Provider limits")).to_be_visible()
        expect(page.get_by_role("row", name=re.compile("try_demo"))).to_contain_text("Closed")

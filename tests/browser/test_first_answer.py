"""The newcomer's way: the printed link, the demo without a key, a streamed answer, and the context that made it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.database import answer_chunk, last_stream
from tests.browser.pages import QUESTION, begin, choose, finished, name_model, send, shown_text, start_demo
from tests.processes import Up
from tests.vendors.anthropic import VALID_KEY
from tests.vendors.server import VendorServer

pytestmark = pytest.mark.browser


def at_the_edge(page: Page) -> None:
    """Send and Stop end where their row ends, however wide the rest of the row is and whether its hint is shown."""
    size = page.viewport_size or {"width": 1440, "height": 900}
    for width in (size["width"], 1024, 600, 390):
        page.set_viewport_size({"width": width, "height": size["height"]})
        row, button = page.locator(".composer-row").bounding_box(), page.locator("#composer-send").bounding_box()
        assert row and button and abs(row["x"] + row["width"] - button["x"] - button["width"]) <= 1, width
    page.set_viewport_size(size)  # type: ignore[arg-type]


def test_from_the_link_to_a_streamed_answer_whose_context_is_controlled(page: Page, server: Up) -> None:
    start_demo(page)
    expect(page.locator("#context-chunks-empty")).to_be_visible()
    send(page, QUESTION)
    expect(page.locator(".message-user").first).to_contain_text("Stripe-based")
    finished(page)
    answer = page.locator(".answer").last
    for word in ("FastAPI", "Stripe", "signature"):
        expect(answer).to_contain_text(word)
    expect(answer.locator("pre code").first).to_be_visible()
    assert answer.locator("script").count() == 0

    chunks = page.locator("#context-chunks > li")
    expect(chunks).to_have_count(2)
    expect(page.locator("#context-chunks-empty")).to_be_hidden()
    before = int(page.locator("#context-meter").get_attribute("data-used") or 0)
    assert before > 0

    page.get_by_text("Add a note", exact=True).click()
    page.locator("#note-content").fill("Answer in one sentence.")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(chunks).to_have_count(3)
    more = int(page.locator("#context-meter").get_attribute("data-used") or 0)
    assert more > before, "the meter follows without a reload"

    reply = page.locator("#context-chunks > li[data-kind=assistant]")
    reply.hover()
    reply.get_by_role("button", name="Exclude").click()
    expect(reply).to_have_attribute("data-excluded", "true")
    expect(page.locator("#context-meter")).not_to_have_attribute("data-used", str(more))
    assert int(page.locator("#context-meter").get_attribute("data-used") or 0) < more

    note = page.locator("#context-chunks > li[data-kind=note]")
    note.hover()
    note.get_by_role("button", name="Delete").click()
    expect(chunks).to_have_count(2)
    page.get_by_role("button", name="Undo").last.click()
    expect(chunks).to_have_count(3)

    page.get_by_role("button", name="Preview request").click()
    preview = page.locator("#preview-dialog")
    expect(preview).to_contain_text("Answer in one sentence.")
    expect(preview).to_contain_text("Stripe-based subscriptions")
    assert "idempot" not in preview.inner_text().lower(), "the excluded answer is not sent"
    page.keyboard.press("Escape")

    choose(page, "demo-instant")
    send(page, "And now?")
    expect(page.locator(".answer[data-state=complete]")).to_have_count(2)
    expect(chunks).to_have_count(5)


def test_stop_ends_the_answer_and_keeps_what_was_shown(page: Page, server: Up, anthropic_server: VendorServer) -> None:
    begin(page, server, "anthropic", VALID_KEY, anthropic_server)
    name_model(page, "claude-opus-5-held")
    at_the_edge(page)
    send(page, QUESTION)
    shown = shown_text(page, 200)
    expect(page.locator("#composer-send")).to_contain_text("Stop")
    at_the_edge(page)
    page.keyboard.press("Escape")
    finished(page, "cancelled")
    assert last_stream(server.data)["state"] == "cancelled"
    stored = answer_chunk(server.data)
    assert stored["state"] == "partial"
    assert len(stored["content"]) >= len(shown.strip()) * 0.8
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible()
    anthropic_server.release()
    page.get_by_role("button", name="Regenerate").click()
    finished(page)


def test_faults_are_shown_with_a_code_and_a_way_on(page: Page, server: Up) -> None:
    start_demo(page)
    faults = {
        "demo-error-429": "upstream_rate_limit",
        "demo-midstream-error": "upstream_server_error",
        "demo-truncated": "stream_interrupted",
        "demo-html-502": "upstream_server_error",
    }
    failures = page.locator(".answer .answer-failure")
    for number, (model, code) in enumerate(faults.items(), start=1):
        choose(page, model)
        send(page, "hello")
        expect(failures).to_have_count(number)
        expect(failures.last).to_contain_text(code)
        again = "Retry now" if code == "upstream_rate_limit" else "Regenerate"
        expect(failures.last.get_by_role("button", name=again)).to_be_visible()
        assert "Traceback" not in page.content()


def test_reasoning_and_tool_calls_become_cards_and_a_person_sets_an_intent(page: Page, server: Up) -> None:
    start_demo(page)
    choose(page, "demo-reasoning")
    send(page, "think")
    finished(page)
    expect(page.locator(".answer .reasoning").first).to_contain_text("Reasoning")
    choose(page, "demo-tools")
    send(page, "use your tools")
    finished(page)
    cards = page.locator(".answer").last.locator(".tool-card")
    expect(cards).to_have_count(2)
    expect(cards.first).to_contain_text("Not declared")
    expect(cards.first).to_contain_text("By rule")
    row = page.locator("#context-chunks > li[data-kind=tool_call]").first
    row.locator(".chunk-title").click()
    row.get_by_label("Purpose").select_option("Good practice")
    row.get_by_label("Risk", exact=True).select_option("High")
    row.get_by_role("button", name="Set intent").click()
    expect(row.locator(".risk")).to_have_attribute("data-risk", "high")
    expect(row.locator(".chunk-peek")).to_contain_text("high risk · stated by you")
    page.get_by_role("button", name="Undo").last.click()
    expect(row.locator(".risk")).to_have_attribute("data-risk", "medium")
    expect(row.locator(".chunk-peek")).to_contain_text("medium risk · by rule")


def test_every_page_obeys_the_policy_in_both_themes_and_widths(
    page: Page, server: Up, context: BrowserContext, watch: Callable[[Page], Page]
) -> None:
    chat = start_demo(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            for address in (
                chat,
                *(server.base + path for path in ("/", "/sessions/", "/sessions/new/", "/account/", "/admin/")),
            ):
                page.goto(address)
                page.wait_for_load_state("load")
                overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert overflow <= 0, f"{address} scrolls sideways by {overflow} px at {width}"

"""Answers that hold more than text: a search with sources, a pause that goes on, an image; live and reloaded."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import begin, finished, name_model, send
from tests.processes import Up
from tests.vendors.anthropic import VALID_KEY
from tests.vendors.anthropic.stream import SOURCE
from tests.vendors.gemini import VALID_KEY as GEMINI_KEY
from tests.vendors.server import VendorServer

pytestmark = pytest.mark.browser


def same_after_reload(page: Page) -> Locator:
    """The last answer, which is after a reload what it was at its end."""
    ended = page.locator(".answer").last.inner_html()
    page.reload()
    answer = page.locator(".answer").last
    assert answer.inner_html() == ended
    return answer


def test_a_search_shows_its_card_and_its_sources_while_it_runs_and_ever_after(
    page: Page, server: Up, anthropic_server: VendorServer
) -> None:
    begin(page, server, "anthropic", VALID_KEY, anthropic_server)
    name_model(page, "claude-opus-5-search-held")
    send(page, "When does **the ferry** run?")
    expect(page.locator(".message-user .bubble").last).to_have_text("When does **the ferry** run?")
    running = page.locator(".answer[data-state=running]")
    for part in (running.locator(".server-tool"), running.locator("a.source")):
        expect(part).to_have_count(1)
        expect(part).to_be_visible()
    expect(running.locator(".server-tool")).to_contain_text("Searched the web")
    expect(running.locator(".server-tool")).to_contain_text("1 result")
    expect(page.locator("#chat-say")).to_contain_text("Searched the web.")
    anthropic_server.release()
    finished(page)
    answer = same_after_reload(page)
    card, chip = answer.locator(".server-tool"), answer.locator("a.source")
    expect(card).to_contain_text("Searched the web")
    expect(card).to_contain_text("1 result")
    expect(chip).to_have_text("1ferries.example · Timetable")
    assert chip.get_attribute("href") == SOURCE
    assert (chip.get_attribute("target"), chip.get_attribute("rel")) == ("_blank", "noopener noreferrer nofollow")
    card.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(card.locator(".tool-output")).to_contain_text(f"Timetable · {SOURCE}")
    answer.get_by_text("Quoted passages").click()
    expect(answer.locator(".source-quotes")).to_contain_text("Ferries daily.")

    rows = page.locator("#context-chunks > li[data-kind=server_tool]")
    expect(rows).to_have_count(2)
    rows.first.hover()
    rows.first.get_by_role("button", name="Exclude").click()
    for place in range(2):
        expect(rows.nth(place)).to_have_attribute("data-excluded", "true")
    page.get_by_role("button", name="Undo").last.click()
    for place in range(2):
        expect(rows.nth(place)).to_have_attribute("data-excluded", "false")
    send(page, "And back?")
    expect(page.locator(".answer[data-state=complete]")).to_have_count(2)


def test_a_paused_answer_goes_on_by_itself_and_is_one_answer(
    page: Page, server: Up, anthropic_server: VendorServer
) -> None:
    begin(page, server, "anthropic", VALID_KEY, anthropic_server)
    name_model(page, "claude-opus-5-paused")
    before = len(anthropic_server.ledger.of("/v1/messages"))
    send(page, "When does the ferry run?")
    finished(page)
    answer = same_after_reload(page)
    expect(page.locator(".answer")).to_have_count(1)
    expect(answer.locator(".answer-flow > *")).to_have_count(4)
    order = answer.locator(".answer-flow > *").evaluate_all("parts => parts.map(part => part.classList[0])")
    assert order == ["answer-body", "server-tool", "answer-body", "sources"]
    expect(answer.locator(".answer-body").first).to_have_text("I look it up.")
    expect(answer.locator(".answer-body").last).to_have_text("The ferry runs daily.")
    expect(answer.locator(".answer-failure")).to_have_count(0)
    assert len(anthropic_server.ledger.of("/v1/messages")) - before == 2


def own_size(page: Page, image: Locator) -> None:
    """A small image is as large as it is, a large one as wide as its column; its place is there before it is loaded."""
    size = image.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            image.scroll_into_view_if_needed()
            box, frame = image.bounding_box(), image.locator("..").bounding_box()
            column = page.locator(".answer-flow").last.bounding_box()
            assert box and frame and column
            scale = min(1, (column["width"] - 2) / size[0])
            assert abs(box["width"] - size[0] * scale) <= 1 and abs(box["height"] - size[1] * scale) <= 1, (width, box)
            assert abs(frame["width"] - box["width"]) <= 1 and abs(frame["height"] - box["height"]) <= 1, (
                "no larger frame"
            )
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    # Before its bytes are there, it has the same place.
    assert image.evaluate("""async image => {
        const before = image.getBoundingClientRect().height;
        image.removeAttribute("src");
        await new Promise(requestAnimationFrame);
        return Math.abs(image.getBoundingClientRect().height - before) <= 1;
    }""")
    page.reload()


def test_an_image_is_an_image_in_answer_panel_and_preview(page: Page, server: Up, gemini_server: VendorServer) -> None:
    begin(page, server, "gemini", GEMINI_KEY, gemini_server)
    name_model(page, "gemini-3-pro-image-held")
    send(page, "Draw it.")
    image = page.locator(".answer[data-state=running] .answer-image img")
    expect(image).to_have_js_property("naturalWidth", 320)
    gemini_server.release()
    finished(page)
    answer = same_after_reload(page)
    expect(answer.locator("img")).to_have_js_property("naturalWidth", 320)
    order = answer.locator(".answer-flow > *").evaluate_all("parts => parts.map(part => part.classList[0])")
    assert order == ["answer-body", "answer-image", "answer-body"]
    own_size(page, answer.locator("img"))
    assert answer.locator("img").get_attribute("alt") == "Generated image"
    with page.expect_popup() as opened:
        answer.get_by_role("link", name="Open Generated image in full size").click()
    assert opened.value.evaluate("document.images[0].naturalWidth") == 320
    opened.value.close()
    with page.expect_download() as download:
        answer.get_by_role("link", name="Download Generated image").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")

    row = page.locator("#context-chunks > li[data-kind=image]")
    row.locator(".chunk-title").click()
    expect(row.locator(".chunk-peek img")).to_be_visible()
    page.get_by_role("button", name="Preview request").click()
    view = page.locator("#preview-dialog .preview-json")
    expect(view).to_contain_text("inlineData")
    expect(view).to_contain_text(" characters)")
    page.keyboard.press("Escape")
    send(page, "And again.")
    expect(page.locator(".answer[data-state=complete]")).to_have_count(2)

"""A real Chromium at a chat in which an answer runs: its socket is cut, it is offline, reloaded, opened twice.

The network between both can be cut. Afterwards the page shows the whole answer, byte for byte as it is stored, and
nothing twice; working again counts from the cause's end until it shows more of the answer.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.browser.database import answer_chunk, last_stream
from tests.browser.pages import finished, name_model, send, shown_text, start_demo
from tests.processes import Up
from tests.proofs.chaos.faults import RECOVERED_S
from tests.proofs.chaos.line import Line
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.reliability.story import data_folder

PATIENCE_MS = 60_000.0
WORDS_PER_S = 20
MACHINE_S = 2.0


class Desk(msgspec.Struct, frozen=True):
    """A browser with a chat, and the network between it and the server."""

    context: BrowserContext
    page: Page
    line: Line
    address: str


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to the browser, for how long, and what its badge says meanwhile; returns the page to look at."""

    name: str
    do: Callable[[Desk, float], Page]
    lasts_s: float = 0.0
    says: str = ""


def _cut(desk: Desk, seconds: float) -> Page:
    desk.line.cut()
    return desk.page


def _offline(desk: Desk, seconds: float) -> Page:
    desk.line.away()
    desk.page.locator("#transport", has_text="Reconnecting").wait_for()
    desk.page.wait_for_timeout(seconds * 1000)
    desk.line.back()
    return desk.page


def _reload(desk: Desk, seconds: float) -> Page:
    desk.page.reload()
    return desk.page


def _second_tab(desk: Desk, seconds: float) -> Page:
    page = desk.context.new_page()
    page.goto(desk.address)
    return page


ACTIONS = (
    Action(name="socket cut", do=_cut),
    Action(name="offline 30 s", do=_offline, lasts_s=30.0),
    Action(name="reload", do=_reload),
    Action(name="second tab", do=_second_tab),
)


def _source(page: Page) -> str:
    return str(page.locator(".answer template.answer-source").last.evaluate("element => element.content.textContent"))


def _new_chat(page: Page, base: str) -> str:
    page.goto(f"{base}/")
    page.get_by_role("button", name="New chat").first.click()
    page.wait_for_url(re.compile(r"/chats/[0-9a-f-]{36}/"))
    return page.url


def _cell(desk: Desk, server: Up, action: Action, table: Table, lasts_s: float) -> None:
    words = int((lasts_s + 10) * WORDS_PER_S)
    name_model(desk.page, f"demo-n{words}-d{1000 // WORDS_PER_S}")
    send(desk.page, "Tell me a long story.")
    before = len(shown_text(desk.page, 100))
    page = action.do(desk, lasts_s)
    began = time.monotonic()
    shown_text(page, before + 40 + int(lasts_s * WORDS_PER_S))
    seconds = time.monotonic() - began
    running = last_stream(server.data)["state"] == "running"
    for one in {desk.page, page}:
        finished(one)
    stored, state = answer_chunk(server.data)["content"], last_stream(server.data)["state"]
    problems = [] if state == "complete" else [f"the answer was {state}"]
    problems += [] if running else ["the answer had ended before more of it was shown"]
    problems += [] if seconds < RECOVERED_S + MACHINE_S else [f"more was shown after {seconds:.1f} s"]
    same = all(_source(one) == stored for one in {desk.page, page})
    problems += [] if same else ["what is shown is not what is stored"]
    if page is not desk.page:
        page.close()
    table.row(action.name, f"{len(stored):,} characters, the same as stored", f"{seconds:.1f} s", problems=problems)


def _play(names: Sequence[str], full: bool, say: Say) -> bool:
    table = Table(say, "what happens", "shown", "goes on after")
    with (
        tempfile.TemporaryDirectory() as folder,
        Up(data_folder(Path(folder) / "data")) as server,
        Line(server.port) as line,
        sync_playwright() as playwright,
    ):
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags, timeout=PATIENCE_MS)
        context = chromium.new_context()
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(server.link.replace(server.base, line.base))
        page.locator("main form button").click()
        page.wait_for_url(f"{line.base}/")
        start_demo(page)
        for action in ACTIONS:
            if action.name in names:
                desk = Desk(context, page, line, _new_chat(page, line.base))
                _cell(desk, server, action, table, action.lasts_s if full else min(action.lasts_s, 3.0))
        chromium.close()
    return table.end()


PART = Part(
    name="browser", title="The browser", about=__doc__, cells=tuple(action.name for action in ACTIONS), play=_play
)

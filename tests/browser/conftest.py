"""A real Chromium against the real server process; any CSP report or page error fails the test."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright

from tests import guards
from tests.conftest import need
from tests.processes import Up, prepared

PATIENCE_MS = 60_000.0
"""How long an action or a condition may take: other tests run beside these."""
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Session scope is right only because the browser tests are a run of their own: the sync API keeps a loop running.
    path = need("chromium")
    guards.watch.loops = False
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = launched(playwright, path)
        yield chromium
        chromium.close()


def launched(playwright: Playwright, path: str, attempts: int = 3) -> Browser:
    """A running Chromium, tried ``attempts`` times: on a busy machine one may die or be late before any test began."""
    for _ in range(attempts - 1):
        with suppress(Error):
            return playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE_MS)
    return playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE_MS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Up]:
    """A server of its own, with nobody in it yet."""
    with Up(prepared(tmp_path / "data"), **SETTINGS) as up:
        yield up


# The demo's long answer lasts half a minute at the speed at which people read.
SETTINGS = {
    "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    "MAESTRO_PROVIDERS__DEMO__WORD_DELAY_MS": "5",
    # A list of models that comes late on a busy machine is no failure of the page that waits for it.
    "MAESTRO_PROVIDERS__CONNECT_TIMEOUT_S": "60",
    "MAESTRO_PROVIDERS__LOOKUP_TIMEOUT_S": "60",
}


@pytest.fixture
def watch() -> Iterator[Callable[[Page], Page]]:
    """Collects what a page complains about; the test fails when something was."""
    complaints: list[str] = []

    def on(page: Page) -> Page:
        def console(message: object) -> None:
            text = str(getattr(message, "text", message))
            # A killed server is part of some stories; the page says so itself, and that is what they check.
            if "Content Security Policy" in text or "Content-Security-Policy" in text or "violates" in text:
                complaints.append(text)

        page.on("console", console)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield on
    assert not complaints, complaints


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile."""
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, server: Up, watch: Callable[[Page], Page]) -> Page:
    """A page that is signed in through the printed link and its button."""
    made = watch(context.new_page())
    sign_in(made, server)
    return made


def sign_in(page: Page, server: Up) -> None:
    """Through the printed link and the one button of its page."""
    page.goto(server.link)
    page.locator("main form button").click()
    page.wait_for_url(f"{server.base}/")


@pytest.fixture(autouse=True)
def shots(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``SHOTS=folder`` each test leaves a picture of how its page looked at the end."""
    folder = os.environ.get("SHOTS")
    page: Page | None = request.getfixturevalue("page") if folder and "page" in request.fixturenames else None
    yield
    if page is not None and not page.is_closed():
        page.screenshot(path=f"{folder}/{request.node.name}.png")

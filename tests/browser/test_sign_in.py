"""Every way to sign in to a provider, from the Connect page to a streamed answer, against the strict servers."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.conftest import SETTINGS, sign_in
from tests.browser.pages import choose, finished, send
from tests.processes import Up, prepared
from tests.vendors.auth.clients import GOOGLE_DESKTOP, GOOGLE_SECRET, GOOGLE_WEB
from tests.vendors.auth.workloads import add_rule, add_service_account, workload_token
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import codex_ports

pytestmark = pytest.mark.browser
SESSION = re.compile(r"/sessions/[0-9a-f-]{36}/$")
ACCOUNT = "ada@example.com"
WORK = {"organization_id": "org-firm", "project_id": "proj-firm"}


@pytest.fixture
def vendors(
    openai_auth: VendorServer,
    openai_server: VendorServer,
    openrouter_server: VendorServer,
    google_auth: VendorServer,
    gemini_server: VendorServer,
    anthropic_auth: VendorServer,
    anthropic_server: VendorServer,
) -> dict[str, VendorServer]:
    """The authorization servers by provider, with one account each."""
    found = {
        "openai": openai_auth, "openrouter": openrouter_server, "gemini": google_auth, "anthropic": anthropic_auth,
    }  # fmt: skip
    for server in found.values():
        server.auth.add_account("acct-1", ACCOUNT, plan="plus")
    return found


@pytest.fixture
def server(
    tmp_path: Path,
    vendors: dict[str, VendorServer],
    openai_server: VendorServer,
    gemini_server: VendorServer,
    anthropic_server: VendorServer,
) -> Iterator[Up]:
    """A server whose providers are the local ones, with every restricted flow turned on."""
    oa, ga, aa, router = (vendors[slug].origin for slug in ("openai", "gemini", "anthropic", "openrouter"))
    given = {
        "OPENAI__BASE_URL": openai_server.base_url,
        "OPENAI__CHATGPT_BASE_URL": f"{openai_server.origin}/backend-api/codex",
        "OPENAI__ENABLED_FLOWS": "codex,device",
        "OPENAI__OAUTH__ISSUER": oa,
        "OPENAI__OAUTH__PORTS": ",".join(map(str, codex_ports(vendors["openai"].auth))),
        "OPENAI__OAUTH__AUTHORIZE_URL": f"{oa}/oauth/authorize",
        "OPENAI__OAUTH__TOKEN_URL": f"{oa}/oauth/token",
        "OPENAI__OAUTH__DEVICE_CODE_URL": f"{oa}/api/accounts/deviceauth/usercode",
        "OPENAI__OAUTH__DEVICE_TOKEN_URL": f"{oa}/api/accounts/deviceauth/token",
        "OPENAI__OAUTH__DEVICE_PAGE_URL": f"{oa}/codex/device",
        "OPENAI__OAUTH__DEVICE_REDIRECT_URI": f"{oa}/deviceauth/callback",
        "OPENAI__SIWC__ISSUER": oa,
        "OPENAI__SIWC__AUTHORIZE_URL": f"{oa}/api/accounts/authorize",
        "OPENAI__SIWC__TOKEN_URL": f"{oa}/api/accounts/oauth/token",
        "GEMINI__BASE_URL": gemini_server.origin,
        "GEMINI__OAUTH__ISSUER": ga,
        "GEMINI__OAUTH__AUTHORIZE_URL": f"{ga}/o/oauth2/v2/auth",
        "GEMINI__OAUTH__TOKEN_URL": f"{ga}/token",
        "GEMINI__OAUTH__JWKS_URL": f"{ga}/oauth2/v3/certs",
        "ANTHROPIC__BASE_URL": anthropic_server.base_url,
        "ANTHROPIC__ENABLED_FLOWS": "claude,console_key",
        "ANTHROPIC__OAUTH__CONSOLE_AUTHORIZE_URL": f"{aa}/oauth/authorize",
        "ANTHROPIC__OAUTH__CREATE_KEY_URL": f"{aa}/api/oauth/claude_cli/create_api_key",
        "ANTHROPIC__FEDERATION__TOKEN_FILE": str(tmp_path / "workload.jwt"),
        "ANTHROPIC__FEDERATION__FEDERATION_RULE_ID": "rule-1",
        "ANTHROPIC__FEDERATION__ORGANIZATION_ID": "org-1",
        "ANTHROPIC__FEDERATION__TOKEN_URL": f"{aa}/v1/oauth/token",
        "ANTHROPIC__OAUTH__AUTHORIZE_URL": f"{aa}/oauth/authorize",
        "ANTHROPIC__OAUTH__TOKEN_URL": f"{aa}/v1/oauth/token",
        "ANTHROPIC__OAUTH__REDIRECT_URI": f"{aa}/oauth/code/callback",
        "ANTHROPIC__OAUTH__PROFILE_URL": f"{aa}/api/oauth/profile",
        "OPENROUTER__BASE_URL": vendors["openrouter"].base_url,
        "OPENROUTER__AUTH_URL": f"{router}/auth",
    }
    with Up(
        prepared(tmp_path / "data"),
        **SETTINGS,
        **{f"MAESTRO_PROVIDERS__{name}": value for name, value in given.items()},
    ) as up:
        yield up


def begin(page: Page, server: Up, slug: str, flow: str, method: str, **fields: str) -> None:
    """Through the form to the page of the sign-in."""
    page.bring_to_front()  # a tab behind another one is drawn once per second
    page.goto(f"{server.base}/sessions/new/?provider={slug}&auth_type=oauth&flow={flow}")
    page.locator("input[name=name]").fill(f"{slug}_{flow}_{method}")
    for name, value in fields.items():
        page.locator(f"[name={name}]").fill(value)
    if page.locator(f"input[type=radio][name=method][value={method}]").count():
        page.locator(f"input[name=method][value={method}]").check()
    if page.locator("input[name=consent]").count():
        page.locator("input[name=consent]").check()
    page.get_by_role("button", name="Continue to sign-in").click()
    page.wait_for_url(re.compile("/sessions/login/"))


def allowed(context: BrowserContext, page: Page, decision: str = "Allow") -> Page:
    """The provider's page in its own tab, after the click on its button."""
    with context.expect_page() as opened:
        page.locator("[data-login-open]").click()
    theirs = opened.value
    theirs.get_by_role("button", name=decision).click()
    return theirs


def paste(page: Page, text: str) -> None:
    page.bring_to_front()
    page.wait_for_load_state()
    page.locator("input[name=answer]").fill(text)
    expect(page.locator("#answer-hint")).to_contain_text(re.compile("belongs to this attempt|can be a code"))
    page.get_by_role("button", name="Finish").click()


def works(page: Page) -> None:
    """The page went on by itself, to a session whose login was tried."""
    page.bring_to_front()
    page.wait_for_url(SESSION)
    expect(page.locator("#session-status")).to_contain_text("Active")
    expect(page.locator("#session-trail")).to_contain_text("succeeded")


def answers(page: Page, server: Up, model: str) -> None:
    """The session works, and a chat over it streams."""
    works(page)
    page.locator("#session-chat").get_by_role("button", name="Chat").click()
    page.wait_for_url(re.compile(r"/chats/[0-9a-f-]{36}/"))
    choose(page, model)
    send(page, "Say something.")
    finished(page)
    expect(page.locator(".answer").last).to_contain_text(model)


OPENAI, CLAUDE, GEMINI = "gpt-5.6", "claude-sonnet-5", "gemini-3-pro"


def test_openai_each_way(
    page: Page, server: Up, context: BrowserContext, vendors: dict[str, VendorServer], openai_server: VendorServer
) -> None:
    begin(page, server, "openai", "codex", "loopback")
    allowed(context, page).get_by_text("Close this tab").wait_for()
    answers(page, server, OPENAI)

    vendors["openai"].auth.add_account("acct-2", "grace@example.com", plan="pro")
    vendors["openai"].auth.signed_in = "acct-2"
    begin(page, server, "openai", "device", "device")
    code = page.locator("#login-user-code").inner_text()
    with context.expect_page() as opened:
        page.locator("[data-login-open]").click()
    opened.value.get_by_label("Code").fill(code)
    opened.value.get_by_role("button", name="Allow").click()
    answers(page, server, OPENAI)

    vendors["openai"].auth.add_account("work-1", "ida@firm.example", plan="enterprise", **WORK)
    vendors["openai"].auth.signed_in = "work-1"
    begin(page, server, "openai", "codex", "paste_url")
    paste(page, vendors["openai"].auth.approve(page.locator("#login-url").inner_text()))
    answers(page, server, OPENAI)
    asked = openai_server.ledger.of("/v1/responses")[-1]
    assert asked.headers["openai-organization"] == WORK["organization_id"]


def test_sign_in_with_chatgpt_denied_pasted_and_again_in_place(
    page: Page, server: Up, context: BrowserContext, vendors: dict[str, VendorServer]
) -> None:
    begin(page, server, "openai", "chatgpt", "loopback")
    allowed(context, page, "Deny")
    expect(page.get_by_role("heading", name="The sign-in did not work")).to_be_visible()
    expect(page.locator("#login-body")).to_contain_text("login_denied")
    page.get_by_role("button", name="Begin again").click()
    page.locator("#login-url").wait_for()
    page.get_by_role("button", name="Paste the address").click()
    expect(page.locator("#login-body")).to_contain_text("Paste the address you landed on")
    paste(page, vendors["openai"].auth.approve(page.locator("#login-url").inner_text()))
    works(page)
    session = page.url
    page.get_by_role("button", name="Sign in again").click()
    page.wait_for_url(re.compile("/sessions/login/"))
    allowed(context, page).get_by_text("Close this tab").wait_for()
    works(page)
    assert page.url == session, "the same session, signed in again"
    answers(page, server, OPENAI)


def test_anthropic_by_the_code_that_its_page_shows(page: Page, server: Up, context: BrowserContext) -> None:
    begin(page, server, "anthropic", "claude", "paste_code")
    paste(page, allowed(context, page).locator("#code").inner_text())
    answers(page, server, CLAUDE)
    begin(page, server, "anthropic", "console_key", "paste_code")
    paste(page, allowed(context, page).locator("#code").inner_text())
    answers(page, server, CLAUDE)


def test_a_login_that_dies_in_a_chat_leads_to_its_new_sign_in(
    page: Page, server: Up, context: BrowserContext, vendors: dict[str, VendorServer]
) -> None:
    begin(page, server, "anthropic", "claude", "paste_code")
    paste(page, allowed(context, page).locator("#code").inner_text())
    works(page)
    session = page.url
    answers(page, server, CLAUDE)
    for family in vendors["anthropic"].auth.families:
        vendors["anthropic"].auth.burn(family, "revoked_by_its_owner")
    send(page, "And now?")
    failure = page.locator(".answer-failure").last
    expect(failure.get_by_role("link", name="Sign in again")).to_have_attribute("href", urlsplit(session).path)
    refused = {"type": "error", "message": "It needs a new sign-in.", "hint": "", "code": "needs_reauth"}
    sockets: list[WebSocketRoute] = []
    page.route_web_socket(re.compile("/ws/"), lambda socket: sockets.append(socket) or socket.connect_to_server())  # type: ignore[func-returns-value]
    page.reload()
    expect(page.locator("#transport")).to_have_attribute("data-transport", "websocket")
    sockets[-1].send(json.dumps(refused | {"step": "renew"}))
    error = page.locator("#composer-error")
    expect(error).to_contain_text("It needs a new sign-in.")
    error.get_by_role("link", name="Sign in again").click()
    page.wait_for_url(session)
    page.get_by_role("button", name="Sign in again").first.click()
    page.wait_for_url(re.compile("/sessions/login/"))


def test_logins_that_need_no_page_of_the_provider(
    page: Page, server: Up, vendors: dict[str, VendorServer], tmp_path: Path
) -> None:
    rule = add_rule(vendors["anthropic"].auth, "rule-1", "org-1")
    (tmp_path / "workload.jwt").write_text(workload_token(vendors["anthropic"].auth, rule))
    key = add_service_account(vendors["gemini"].auth, "robot@local-project.iam.gserviceaccount.com")
    for slug, flow, model in (("anthropic", "federation", CLAUDE), ("gemini", "service_account", GEMINI)):
        page.goto(f"{server.base}/sessions/new/?provider={slug}&auth_type=oauth&flow={flow}")
        page.locator("input[name=name]").fill(f"{slug}_robot")
        for area in page.locator("main textarea").all():
            area.fill(json.dumps(key))
        page.locator("main form.form").get_by_role("button", name="Connect").click()
        answers(page, server, model)
        assert "PRIVATE KEY" not in page.content()


def test_restricted_flows_are_off_until_the_operator_turns_them_on(
    context: BrowserContext, tmp_path: Path, watch: Callable[[Page], Page]
) -> None:
    with Up(prepared(tmp_path / "plain"), **SETTINGS) as plain:
        page = watch(context.new_page())
        sign_in(page, plain)
        for slug in ("openai", "anthropic"):
            page.goto(f"{plain.base}/sessions/new/?provider={slug}&auth_type=oauth")
            expect(page.locator("main")).to_contain_text("Off here")
            expect(page.locator("main")).to_contain_text(f"MAESTRO_PROVIDERS__{slug.upper()}__ENABLED_FLOWS=")
            for flow in ("codex", "device", "claude", "console_key"):
                assert not page.locator(f"a[href*='flow={flow}']").count()


def test_gemini_by_a_callback_to_our_own_address(
    page: Page, server: Up, context: BrowserContext, vendors: dict[str, VendorServer]
) -> None:
    vendors["gemini"].auth.add_client(GOOGLE_WEB, redirects=[f"{server.base}/oauth/callback/"])
    client = {"flow_project": "proj-1", "client_id": GOOGLE_WEB, "client_secret": GOOGLE_SECRET}
    begin(page, server, "gemini", "google", "callback", **client)
    theirs = allowed(context, page)
    theirs.wait_for_url(re.compile("/sessions/"))
    assert "code=" not in theirs.url
    answers(page, server, GEMINI)
    desktop = {"flow_project": "proj-1", "client_id": GOOGLE_DESKTOP, "client_secret": GOOGLE_SECRET}
    vendors["gemini"].auth.add_account("acct-2", "grace@example.com")
    vendors["gemini"].auth.signed_in = "acct-2"
    begin(page, server, "gemini", "google", "loopback", **desktop)
    allowed(context, page).get_by_text("Close this tab").wait_for()
    answers(page, server, GEMINI)


def test_openrouter_each_way(page: Page, server: Up, context: BrowserContext) -> None:
    for method in ("callback", "loopback", "paste_code"):
        begin(page, server, "openrouter", "openrouter", method)
        theirs = allowed(context, page)
        if method == "paste_code":
            paste(page, theirs.locator("#code").inner_text())
        works(page)
        theirs.close()
    page.locator("#session-models .mono").first.wait_for()
    answers(page, server, page.locator("#session-models .mono").first.inner_text())


def test_without_scripts_a_code_can_be_pasted(
    browser: object, server: Up, watch: Callable[[Page], Page], vendors: dict[str, VendorServer]
) -> None:
    plain = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    page = watch(plain.new_page())
    sign_in(page, server)
    begin(page, server, "openrouter", "openrouter", "paste_code")
    expect(page.get_by_role("link", name="Check")).to_be_visible()
    page.locator("input[name=answer]").fill(vendors["openrouter"].auth.approve(page.locator("#login-url").inner_text()))
    page.get_by_role("button", name="Finish").click()
    page.wait_for_url(SESSION)
    expect(page.locator("#session-status")).to_contain_text("Active")
    plain.close()

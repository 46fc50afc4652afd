"""Every way to sign in to every provider, with each of its failures; then no secret of them may be anywhere.

The strict local servers know every code, token, key and id token that they issued; their ledgers know every verifier,
assertion and client secret that they were sent. Where these are looked for: every answer that a browser got on the way,
every page and admin page afterwards, the trail's export, commands, Python errors, logs at DEBUG, files, each value in
the database, browser sessions, letters. The list of what ran is checked, so that no flow is left out silently.
"""

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from providers_app import conf
from providers_app.providers.anthropic.config import FederationConfig
from providers_app.registry.resolver import resolve
from providers_app.types.tokens import secrets_of
from sessions_app import credentials
from sessions_app.models import AuthSession, OAuthAttempt
from tests.architecture.login_imports import imports
from tests.architecture.login_story import CALLBACK, Story
from tests.architecture.login_watch import Watch, Watched, behind_the_pages, command, visit
from tests.architecture.test_no_secret_leaves import database, files, log, owner, visit_everything
from tests.vendors.auth import clients, workloads
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import Vendors, attempt, url_of, vendors

__all__ = ["log", "owner", "vendors"]
pytestmark = pytest.mark.django_db(transaction=True)
OWN_CLIENT = {"flow_project": "proj-1", "client_id": clients.GOOGLE_WEB, "client_secret": clients.GOOGLE_SECRET}
# provider, flow, method, what the form is given besides
ANSWERED: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("openai", "chatgpt", "paste_url", {"consent": "on"}),
    ("openai", "codex", "paste_url", {}),
    ("gemini", "google", "callback", OWN_CLIENT),
    ("gemini", "google", "paste_url", OWN_CLIENT | {"client_id": clients.GOOGLE_DESKTOP}),
    ("openrouter", "openrouter", "callback", {}),
    ("openrouter", "openrouter", "paste_code", {}),
    ("anthropic", "claude", "paste_code", {"consent": "on"}),
    ("anthropic", "console_key", "paste_code", {"consent": "on"}),
)
BY_THEMSELVES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("openai", "chatgpt", "loopback", {"consent": "on"}),
    ("openrouter", "openrouter", "loopback", {}),
)


@pytest.fixture
def watch(
    owner: User,
    vendors: Vendors,
    openai_auth: VendorServer,
    google_auth: VendorServer,
    anthropic_auth: VendorServer,
    openrouter_server: VendorServer,
    tmp_path: Path,
) -> Iterator[Watch]:
    """Every flow is on, with addresses of the local servers."""
    vendors.enable("openai", "codex", "device")
    vendors.anthropic.add_account("acct-ada", "ada@example.com", organization_id="org-1")
    rule = workloads.add_rule(vendors.anthropic, "fdrl_1", "org-1")
    token = tmp_path / "identity-token"
    token.write_text(workloads.workload_token(vendors.anthropic, rule))
    aa, before = anthropic_auth.origin, conf.current()
    own = conf.provider("anthropic")
    oauth = own.oauth.model_copy(
        update={
            "console_authorize_url": f"{aa}/oauth/authorize",
            "create_key_url": f"{aa}/api/oauth/claude_cli/create_api_key",
        }
    )
    federation = FederationConfig(
        token_file=str(token), federation_rule_id="fdrl_1", organization_id="org-1", token_url=f"{aa}/v1/oauth/token"
    )
    update = {"oauth": oauth, "federation": federation, "enabled_flows": ("claude", "console_key")}
    conf.configure(before.model_copy(update={"anthropic": own.model_copy(update=update)}))
    vendors.google.add_client(clients.GOOGLE_WEB, redirects=[f"http://localhost:8000{CALLBACK}"])
    vendors.openai.device_interval = 0.05
    vendors.openai.early_window = float("inf")
    servers = (openai_auth, google_auth, anthropic_auth, openrouter_server)
    made = Watch(owner, (vendors.openai, vendors.google, vendors.anthropic, vendors.openrouter), servers)
    made.hide("client secret", clients.GOOGLE_SECRET)
    made.hide("identity token", token.read_text())
    yield made


@pytest.fixture
def client(owner: User, watch: Watch) -> Watched:  # type: ignore[override]
    made = Watched(HTTP_HOST="localhost:8000")
    made.watch = watch
    made.force_login(owner)
    return made


def everywhere(watch: Watch, client: Watched, log: io.StringIO, capsys: Any) -> list[tuple[str, bytes]]:
    """All sinks."""
    session = AuthSession.objects.filter(deleted_at__isnull=True).first()
    assert session is not None
    visit(client, watch.owner)
    for _ in visit_everything(client, watch.owner, session):
        pass  # the browser keeps what it got
    for words in (
        ("sessions", "list", "--json"),
        ("sessions", "list"),
        ("sessions", "flows", "--json"),
        ("refresh_tokens", "--all", "--dry-run"),
        ("refresh_tokens", "--all", "--dry-run", "--json"),
        ("import_sessions", "--list", "--json"),
    ):
        command(watch, capsys, *words)
    return [*watch.seen, *files(), *database(), *behind_the_pages(), ("log", log.getvalue().encode())]


def test_no_sign_in_leaves_a_secret_anywhere(
    watch: Watch,
    client: Watched,
    vendors: Vendors,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    story = Story(watch, client, vendors)
    for one in ANSWERED:
        story.answered(*one)
    for one in BY_THEMSELVES:
        story.by_itself(*one)
    story.device()
    story.direct()
    for slug in ("openai", "gemini", "openrouter", "anthropic"):
        story.python(slug)
    story.refreshes(capsys)
    story.revokes(capsys)
    imports(story, capsys, tmp_path)
    left_open = story.begin("gemini", "google", "callback", OWN_CLIENT)
    watch.collect()
    places = everywhere(watch, client, log, capsys)
    leaks = watch.leaks(places)
    assert not leaks, "\n".join(leaks)

    # It all ran: each flow that a provider offers was signed in with, and every failure met.
    ways = {way.partition(":")[0] for way in watch.ran if way.endswith(": success")}
    for slug in ("openai", "gemini", "openrouter", "anthropic"):
        for flow in resolve(slug, "oauth").flows:
            assert not flow.methods or any(way.startswith(f"{slug}/{flow.name}/") for way in ways), (slug, flow.name)
    assert len(watch.ran) == len(set(watch.ran)) > 100, watch.ran
    kinds = set(watch.secrets.values())
    assert {"code", "refresh token", "access token or key", "id token", "state or nonce", "device code"} <= kinds
    assert {"pending", "assertion that was sent", "private key", "client secret", "imported key"} <= kinds
    assert len(watch.secrets) > 300 and len(places) > 1000 and len(log.getvalue()) > 1000
    assert_sealed(watch, left_open)


def assert_sealed(watch: Watch, left_open: str) -> None:
    """What is stored is stored: sealed, and openable by the key ring alone; what has ended holds nothing."""
    held = [row for row in AuthSession.objects.exclude(key_id="") if row.auth_type == "oauth"]
    assert len(held) > 10
    for row in held:
        tokens = credentials.open_tokens(row)
        assert tokens is not None
        inside = [text for text in secrets_of(tokens) if len(text) > 40]
        assert inside and all(text.encode() not in bytes(row.sealed_credential) for text in inside)
    for one in OAuthAttempt.objects.all():
        ended = one.status in ("done", "failed", "cancelled")
        assert bool(bytes(one.sealed_pending)) != ended, one.status
        assert not bytes(one.sealed_tokens)
    assert str(attempt().pk) in left_open and attempt().status == "waiting"


def test_planted_leaks_of_a_sign_in_are_found(
    watch: Watch, client: Watched, vendors: Vendors, log: io.StringIO
) -> None:
    def looked() -> list[tuple[str, bytes]]:
        visit(client, watch.owner)
        # Not the bytes of the database's file, which keep what was overwritten.
        behind = [found for found in (*files(), *database()) if "sqlite" not in found[0]]
        return [*watch.seen, *behind, ("log", log.getvalue().encode())]

    story = Story(watch, client, vendors)
    page = story.begin("openrouter", "openrouter", "paste_code", {})
    story.give(page, "paste_code", vendors.openrouter.approve(url_of(client, page)))
    assert not watch.leaks(looked())
    row = AuthSession.objects.get()
    token = vendors.google.issue(vendors.google.signed_in, clients.GOOGLE_DESKTOP)
    watch.collect()
    planted = Path(settings.DATA_DIR) / "planted"
    state = next(iter(watch.on_its_page))
    places: list[tuple[str, Callable[[], Any]]] = [
        ("table", lambda: OAuthAttempt.objects.update(error=f"no {token.refresh}")),
        ("table", lambda: OAuthAttempt.objects.update(error=state)),
        ("table", lambda: AuthSession.objects.update(last_error=f"no {token.access}")),
        ("log", lambda: logging.getLogger("some.library").debug("%s", [token.refresh])),
        ("file", lambda: planted.write_text(token.refresh)),
        ("GET /sessions", lambda: AuthSession.objects.update(account_label=token.access[:150])),
        ("python", lambda: watch.saw("python", repr({"key": token.access}))),
    ]
    try:
        for where, plant in places:
            watch.seen.clear()
            plant()
            leaks = watch.leaks(looked())
            assert leaks and any(where in line for line in leaks), (where, leaks[:3])
            planted.unlink(missing_ok=True)
            log.seek(0)
            log.truncate()
            OAuthAttempt.objects.update(error="")
            AuthSession.objects.filter(pk=row.pk).update(last_error="", account_label="")
    finally:
        planted.unlink(missing_ok=True)

"""Every way to sign in to every provider, with each of its failures; then no secret of them may be anywhere.

The strict local servers know every code, token, key and id token that they issued; their ledgers know every verifier,
assertion and client secret that they were sent. Where these are looked for: every answer that a browser got on the way,
every page and admin page afterwards, the trail's export, commands, Python errors, logs at DEBUG, files, each value in
the database, browser sessions, letters. The list of what ran is checked, so that no flow is left out silently.
"""

import io
import json
import logging
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from providers_app import conf, loop, provider
from providers_app.errors import ProviderError
from providers_app.ports import login_store
from providers_app.providers.anthropic.config import FederationConfig
from providers_app.registry.resolver import resolve
from providers_app.sign_in import flow as login_flow
from providers_app.sign_in.exchange import pending_of
from providers_app.types.tokens import secrets_of
from sessions_app import credentials
from sessions_app.models import AuthSession, ImportRun, OAuthAttempt, RefreshLane
from tests.architecture.login_watch import Watch, Watched, behind_the_pages, command, visit
from tests.architecture.test_no_secret_leaves import database, files, log, owner, visit_everything
from tests.vendors.auth import Book, clients, workloads
from tests.vendors.auth.records import Fault
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import Vendors, attempt, form_of, url_of, vendors

__all__ = ["log", "owner", "vendors"]
pytestmark = pytest.mark.django_db(transaction=True)
IMPORT = reverse("sessions:import")
CALLBACK = reverse("oauth-callback")
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
FAILURES = ("wrong state", "denied", "described", "named", "words", "echo", "echo page", "web page")
REFRESHED = ("openai/chatgpt", "openai/codex", "gemini/google", "anthropic/claude")


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


class Story:
    """One person with one browser, who does everything that can be done."""

    def __init__(self, watch: Watch, client: Watched, vendors: Vendors) -> None:
        self.watch, self.client, self.vendors = watch, client, vendors
        self.number = 0

    def book(self, slug: str) -> Book:
        found: Book = getattr(self.vendors, {"gemini": "google"}.get(slug, slug))
        return found

    def begin(self, slug: str, flow: str, method: str, data: dict[str, str]) -> str:
        self.number += 1
        given = {"name": f"login_{self.number}", "method": method} | data
        answer = self.client.post(form_of(slug, flow), given)
        assert answer.status_code == 302, (slug, flow, method, answer.context["form"].errors)
        self.watch.collect()
        return str(answer["Location"])

    def give(self, page: str, method: str, answer: str) -> None:
        """What came back, by its way."""
        parts = urlsplit(answer)
        if method == "callback":
            self.client.get(f"{CALLBACK}?{parts.query}")
        else:
            self.client.post(f"{page}check/", {"answer": answer})
            self.client.post(f"{page}answer/", {"answer": answer})
        self.client.get(page)
        self.watch.collect()

    def answered(self, slug: str, flow: str, method: str, data: dict[str, str]) -> None:
        """Each failure once, then the success, then the same answer again."""
        book = self.book(slug)
        for failure in FAILURES:
            book.faults.clear()
            page = self.begin(slug, flow, method, data)
            right = book.approve(url_of(self.client, page))
            self.watch.collect()
            answer = self.spoiled(failure, right, book)
            self.give(page, method, answer)
            status = attempt().status
            waits = failure in ("wrong state", "words")
            assert status == ("waiting" if waits else "failed"), (slug, flow, method, failure, status, attempt().error)
            assert attempt().error or failure in ("words", "wrong state")
            if waits:
                self.client.post(f"{page}cancel/")
            else:
                assert not book.faults, "the fault was not met"
            self.watch.ran.append(f"{slug}/{flow}/{method}: {failure}")
        page = self.begin(slug, flow, method, data)
        right = book.approve(url_of(self.client, page))
        self.give(page, method, right)
        assert attempt().status == "done", (slug, flow, method, attempt().error)
        spent = len(book.ledger)
        self.give(page, method, right)
        assert attempt().status == "done" and len(book.ledger) == spent, "a second answer is not sent"
        self.watch.ran += [f"{slug}/{flow}/{method}: {what}" for what in ("success", "replay")]

    def spoiled(self, failure: str, right: str, book: Book) -> str:
        """The answer of a provider or person who does this wrong."""
        row = attempt()
        found = loop.run(login_store().find_login(row.owner_id, login_id=str(row.pk), browser=row.browser), 10)
        pending = pending_of(found)
        code = parse_qs(urlsplit(right).query).get("code", [right.partition("#")[0]])[0]
        base = pending.redirect_uri or "http://localhost/nowhere"
        token = next(reversed(book.accesses), code)
        said: dict[str, str] = {"state": pending.state.reveal()}
        match failure:
            case "wrong state":
                said = {"code": code, "state": "s" + pending.state.reveal()[1:][::-1]}
            case "denied":
                said |= {"error": "access_denied"}
            case "described":
                said |= {"error": "server_error", "error_description": f"no {code} {token}", "access_token": token}
            case "named":
                said |= {"error": code[:70], "error_subtype": token, "code": code}
            case "words":
                return (
                    f"{base}?{urlencode({'code': code})} {code}" if row.method != "callback" else f"{base}?code={code}"
                )
            case _:
                status = {"echo": 400, "echo page": 400, "web page": 200}[failure]
                book.faults.append(Fault("echo" if failure == "echo" else "echo-html", "before", status=status))
                return right
        return f"{base}?{urlencode(said)}"

    def by_itself(self, slug: str, flow: str, method: str, data: dict[str, str]) -> None:
        """A listener on this machine."""
        page = self.begin(slug, flow, method, data)
        location = self.book(slug).approve(url_of(self.client, page))
        self.watch.collect()
        for address in (location.replace("state=", "state=x"), location.replace("code=", "no="), location):
            try:
                with urllib.request.urlopen(address, timeout=10) as landed:
                    self.watch.saw("listener", landed.read() + str(landed.headers).encode())
            except urllib.error.HTTPError as error:
                self.watch.saw("listener", error.read() + str(error.headers).encode())
        self.until(page, "done")
        self.client.post(f"{page}finish/")
        self.watch.ran.append(f"{slug}/{flow}/{method}: success")

    def device(self) -> None:
        """A code that is typed: denied, repeated by the token endpoint, and as it should be."""
        book = self.vendors.openai
        for outcome, status in (("denied", "failed"), ("echo", "failed"), ("success", "done")):
            page = self.begin("openai", "device", "device", {})
            code = self.client.get(page).context["waiting"].user_code
            if outcome == "echo":
                book.faults.append(Fault("echo", "before"))
            assert book.enter_device_code(code, deny=outcome == "denied")
            self.watch.collect()
            self.until(page, status)
            self.client.post(f"{page}finish/")
            self.watch.ran.append(f"openai/device/device: {outcome}")

    def direct(self) -> None:
        """No browser: a service account's key, and the workload's own identity."""
        file = workloads.add_service_account(self.vendors.google, "bot@local.iam.gserviceaccount.com")
        self.watch.hide("private key", file["private_key"], file["private_key_id"])
        key = json.dumps(file)
        for slug, flow, data in (
            ("gemini", "service_account", {"flow_service_account": key}),
            ("anthropic", "federation", {}),
        ):
            for kind in ("echo", "echo-html", ""):
                if kind:
                    self.book(slug).faults.append(Fault(kind, "before"))  # type: ignore[arg-type]
                self.number += 1
                given = {"name": f"login_{self.number}", "method": "direct"} | data
                answer = self.client.post(form_of(slug, flow), given)
                self.watch.collect()
                assert attempt().status == ("failed" if kind else "done"), (flow, kind, attempt().error)
                self.client.get(str(answer.get("Location", reverse("sessions:list"))))
                self.watch.ran.append(f"{slug}/{flow}/direct: {kind or 'success'}")
        bad = json.dumps(file | {"token_uri": "https://elsewhere.example/" + file["private_key_id"]})
        self.client.post(
            form_of("gemini", "service_account"), {"name": "bad", "flow_service_account": bad, "method": "direct"}
        )
        self.client.post(
            form_of("gemini", "service_account"), {"name": "bad", "flow_service_account": key[:-9], "method": "direct"}
        )

    def until(self, page: str, status: str) -> None:
        limit = time.monotonic() + 10
        while attempt().status != status:
            assert time.monotonic() < limit, (page, attempt().status, attempt().error)
            time.sleep(0.02)
        self.watch.collect()
        self.client.get(page)

    def refreshes(self, capsys: Any) -> None:
        """By the button and the command: done, refused with the token repeated, no outcome known, and the end."""
        for name in REFRESHED:
            slug, flow = name.split("/")
            book = self.book(slug)
            row = AuthSession.objects.filter(provider=slug, flow=flow).order_by("created_at")[0]
            button = reverse("sessions:refresh", args=[row.pk])
            for kind, fault in (
                ("success", None),
                ("echo", Fault("echo", "before")),
                ("unknown", Fault("echo-html", "after", status=200)),
            ):
                if fault:
                    book.faults.append(fault)
                # A login that was refreshed a moment ago is left alone.
                AuthSession.objects.filter(pk=row.pk).update(refreshed_at=None)
                self.client.post(button)
                row.refresh_from_db()
                assert not book.faults and bool(row.refresh_error_code) == bool(fault), (name, kind, row.refresh_error)
                self.client.get(reverse("sessions:detail", args=[row.pk]))
                self.watch.ran.append(f"{name}: refresh {kind}")
            held = credentials.open_tokens(row)
            assert held is not None
            book.burn(book.refreshes[held.refresh.reveal()].family, "test")
            RefreshLane.objects.update(lease_until=None)  # that of the refresh without a known outcome is over
            self.client.post(reverse("sessions:test", args=[row.pk]))
            command(self.watch, capsys, "refresh_tokens", "--session", str(row.pk), "--json")
            row.refresh_from_db()
            assert row.status == "needs_reauth", (name, row.status, row.refresh_error)
            self.client.get(reverse("sessions:detail", args=[row.pk]))
            self.client.post(reverse("sessions:reauthorize", args=[row.pk]))
            self.watch.collect()
            self.client.post(f"{reverse('sessions:login', args=[attempt().pk])}cancel/")
            self.watch.ran.append(f"{name}: refresh refused")

    def revokes(self, capsys: Any) -> None:
        """At the provider, by the page and by the command."""
        for slug, flow in (
            ("openai", "chatgpt"),
            ("gemini", "google"),
            ("openai", "device"),
            ("openrouter", "openrouter"),
        ):
            row = AuthSession.objects.filter(provider=slug, flow=flow).order_by("created_at").last()
            assert row is not None
            self.client.post(reverse("sessions:revoke", args=[row.pk]))
            command(self.watch, capsys, "sessions", "revoke", row.name, "--provider", slug)
            self.watch.ran.append(f"{slug}/{flow}: revoke")

    def python(self, slug: str) -> None:
        """The universal interface, with what it raises in whole."""

        def tell(what: str, work: Callable[[], Any]) -> Any:
            try:
                answer = loop.run(work(), 20)
                self.watch.saw(f"python {what}", f"{answer!r} {answer}")
                return answer
            except ProviderError as error:
                logging.getLogger("test").exception("failed")
                parts = (repr(error), str(error), error.hint, error.info(), vars(error), repr(error.__cause__))
                self.watch.saw(f"python {what} raised", f"{parts} {''.join(traceback.format_exception(error))}")
                return None

        who: dict[str, Any] = {"browser": "b", "owner": self.watch.owner.pk}
        book = self.book(slug)
        method = {"openrouter": "paste_code", "anthropic": "paste_code"}.get(slug, "paste_url")
        more: dict[str, Any] = {"method": method, "local_browser": True}
        if slug == "gemini":
            more |= {
                "client": {"id": clients.GOOGLE_DESKTOP, "secret": clients.GOOGLE_SECRET},
                "given": {"project": "proj-1"},
            }
        pending = tell("begin", lambda: login_flow.begin_login(slug, name=f"python_{slug}", **more, **who))
        right = book.approve(pending.url)
        self.watch.collect()
        row = attempt()
        opened = loop.run(login_store().find_login(row.owner_id, login_id=str(row.pk), browser="b"), 10)
        self.watch.saw("python attempt", f"{opened!r} {opened}")
        code = parse_qs(urlsplit(right).query).get("code", [right.partition("#")[0]])[0]
        for wrong in (
            f"{code}#other",
            f"code {right}",
            f"https://h/?code={code}&state=x",
            {"code": code, "state": "x"},
        ):
            tell("wrong", partial(login_flow.complete_login, pending.id, answer=wrong, **who))
        tell("foreign", lambda: login_flow.complete_login(pending.id, answer=right, browser="c", owner=who["owner"]))
        tell("callback", lambda: login_flow.complete_callback({"code": right, "state": right}, **who))
        book.faults.append(Fault("echo", "before"))
        tell("echo", lambda: login_flow.complete_login(pending.id, answer=right, **who))
        tell("wait", lambda: login_flow.wait_login(pending.id, **who))
        tell("state", lambda: login_flow.login_state(pending.id, **who))
        pending = tell("begin", lambda: login_flow.begin_login(slug, name=f"python_{slug}", **more, **who))
        right = book.approve(pending.url)
        self.watch.collect()
        tell("complete", lambda: login_flow.complete_login(pending.id, answer=right, **who))
        tell("replay", lambda: login_flow.complete_login(pending.id, answer=right, **who))
        assert attempt().status == "done", attempt().error
        stored = credentials.open_tokens(AuthSession.objects.get(name=f"python_{slug}"))
        self.watch.saw("python tokens", f"{stored!r} {stored}")
        tell("test", lambda: provider.test_session(slug, "oauth", f"python_{slug}", owner=who["owner"]))
        tell("refresh", lambda: provider.refresh_tokens(slug, f"python_{slug}", owner=who["owner"]))
        self.watch.ran.append(f"{slug}: python")


def imported(watch: Watch, vendors: Vendors) -> dict[str, tuple[str, ...]]:
    """One good input of each kind, and inputs that are wrong in the worst way: with a secret where a name should be."""
    codex = vendors.openai.issue(vendors.openai.signed_in, clients.CODEX)
    google = vendors.google.issue(vendors.google.signed_in, clients.GOOGLE_DESKTOP)
    claude = vendors.anthropic.issue(vendors.anthropic.signed_in, clients.CLAUDE_CODE)
    robot = workloads.add_service_account(vendors.google, "import@local.iam.gserviceaccount.com")
    keys = {
        name: f"sk-{name}-" + letter * 8 + "Zq9X7w" * 5
        for name, letter in (("llm", "l"), ("env", "e"), ("row", "r"), ("csv", "c"))
    }
    watch.hide("imported key", *keys.values())
    watch.hide("private key", robot["private_key"], robot["private_key_id"])
    watch.collect()
    tokens = {
        "id_token": codex.id_token,
        "access_token": codex.access,
        "refresh_token": codex.refresh,
        "account_id": "a",
    }
    adc = {
        "type": "authorized_user",
        "client_id": clients.GOOGLE_DESKTOP,
        "client_secret": clients.GOOGLE_SECRET,
        "refresh_token": google.refresh,
        "quota_project_id": "proj-1",
    }
    profile = (
        {"authentication": {"type": "user_oauth", "client_id": clients.CLAUDE_CODE}, "organization_id": "org-1"},
        {"type": "oauth_token", "access_token": claude.access, "refresh_token": claude.refresh, "expires_at": 4e9},
    )
    row = {"provider": "openai", "auth_type": "api_key", "api_key": keys["row"]}
    return {
        "codex": (json.dumps({"OPENAI_API_KEY": None, "tokens": tokens}),),
        "gcloud": (json.dumps(adc),),
        "service-account": (json.dumps(robot),),
        "anthropic-profile": tuple(json.dumps(part) for part in profile),
        "llm": (json.dumps({"openai": keys["llm"]}),),
        "env": (f"# mine\nOPENROUTER_API_KEY='{keys['env']}'\n",),
        "legacy": (json.dumps([row]),),
        "legacy csv": (f"provider,auth_type,api_key\nanthropic,api_key,{keys['csv']}\n",),
        "bad type": (json.dumps(adc | {"type": google.refresh}),),
        "bad kind": (json.dumps(robot | {"private_key": robot["private_key"][:200]}),),
        "bad name": (json.dumps({keys["llm"]: "openai", "openai": 7}),),
        "bad column": (f"provider,auth_type,api_key\n{keys['csv']},api_key,anthropic\nopenai,{keys['row']},x\n",),
        "bad token": (json.dumps({"tokens": {"access_token": codex.refresh}}),),
        "bad profile": (json.dumps(profile[0]), json.dumps(profile[1] | {"expires_at": claude.access})),
        "bad json": (json.dumps([row])[:-2],),
        "bad words": (f"{keys['env']} is my key",),
    }


def imports(story: Story, capsys: Any, folder: Path) -> None:
    """Each by the page and by the command; then everything is taken back."""
    watch, client = story.watch, story.client
    for kind, texts in imported(watch, story.vendors).items():
        before = ImportRun.objects.count()
        uploads = [SimpleUploadedFile(f"{n}.txt", text.encode()) for n, text in enumerate(texts)]
        given: dict[str, Any] = {"uploads": uploads} if len(uploads) > 1 else {"text": texts[0]}
        client.post(IMPORT, given | {"check": "1"})
        for upload in uploads:
            upload.seek(0)
        said = client.post(IMPORT, given).context
        client.post(IMPORT, given, headers={"HX-Request": "true"})
        expected = before + (not kind.startswith("bad"))
        assert ImportRun.objects.count() == expected, (kind, said["form"].errors, said["plan"])
        paths = [folder / f"{kind.replace(' ', '-')}-{n}" for n in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        command(watch, capsys, "import_sessions", *map(str, paths), "--json")
        command(watch, capsys, "import_sessions", *map(str, paths), "--dry-run", "--replace")
        watch.ran.append(f"import {kind}")
    for run in ImportRun.objects.all()[:3]:
        command(watch, capsys, "import_sessions", "--undo", str(run.pk))
        command(watch, capsys, "import_sessions", "--undo", str(run.pk))
        run.refresh_from_db()
        assert run.rolled_back_at
    watch.ran.append("import rolled back")


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

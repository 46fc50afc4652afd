"""One person who signs in to every provider in every way, with each failure, and uses what came of it."""

import json
import logging
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.urls import reverse

from providers_app import loop, provider
from providers_app.errors import ProviderError
from providers_app.ports import login_store
from providers_app.sign_in import flow as login_flow
from providers_app.sign_in.exchange import pending_of
from sessions_app import credentials
from sessions_app.models import AuthSession, RefreshLane
from tests.architecture.login_watch import Watch, Watched, command
from tests.vendors.auth import Book, clients, workloads
from tests.vendors.auth.records import Fault
from tests.waiting import wait_until
from tests.web.sessions.login_support import Vendors, attempt, form_of, url_of

CALLBACK = reverse("oauth-callback")
FAILURES = ("wrong state", "denied", "described", "named", "words", "echo", "echo page", "web page")
REFRESHED = ("openai/chatgpt", "openai/codex", "gemini/google", "anthropic/claude")


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
        found = loop.run(login_store().find_login(row.owner_id, login_id=str(row.pk), browser=row.browser), 60)
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
                with urllib.request.urlopen(address, timeout=60) as landed:
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
        wait_until(lambda: attempt().status == status, page)
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
                answer = loop.run(work(), 60)
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
        opened = loop.run(login_store().find_login(row.owner_id, login_id=str(row.pk), browser="b"), 60)
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

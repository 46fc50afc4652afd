"""Every sign-in to Azure OpenAI with its failures; then no secret of them may be anywhere.

See ``test_no_login_leaves``, whose eyes these are. The secrets are the client secrets and private keys that were typed
in, the header that proves an app to its identity service, and every token and statement that the local servers issued
or were sent.
"""

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import loop, provider
from providers_app.errors import ProviderError
from providers_app.registry.resolver import resolve
from providers_app.sign_in import flow as login_flow
from sessions_app import credentials
from sessions_app.models import AuthSession
from tests.architecture.login_watch import Watch, Watched, behind_the_pages, command, visit
from tests.architecture.test_no_secret_leaves import database, files, log, owner
from tests.unit.sessions.support import settle
from tests.vendors.auth import Book, Fault
from tests.vendors.auth.entra import Application, EntraAuth, add_certificate
from tests.vendors.auth.identity import APP_PATH, IdentityService
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import attempt, form_of
from tests.wire.vendors.azure_desk import configured
from tests.wire.vendors.signing_in import settings

__all__ = ["log", "owner"]
pytestmark = pytest.mark.django_db(transaction=True)
SLUG = "azure_openai"


@pytest.fixture
def watch(
    owner: User, entra_auth: VendorServer, imds_server: VendorServer, azure_server: VendorServer
) -> Iterator[Watch]:
    """Azure OpenAI at its strict servers, as in App Service, with every flow turned on."""
    assert isinstance(imds_server.vendor, IdentityService)
    identity = {"url": imds_server.origin + APP_PATH, "header": imds_server.vendor.header}
    made = Watch(owner, (entra_auth.auth,), (entra_auth, imds_server, azure_server))
    made.hide("identity header", imds_server.vendor.header)
    with settings(SLUG, **configured(entra_auth, imds_server, identity=identity)):
        yield made
    settle()


@pytest.fixture
def client(owner: User, watch: Watch) -> Watched:  # type: ignore[override]
    made = Watched(HTTP_HOST="localhost:8000")
    made.watch = watch
    made.force_login(owner)
    return made


class Story:
    """One person with one browser."""

    def __init__(self, watch: Watch, client: Watched, book: Book, resource: VendorServer) -> None:
        self.watch, self.client, self.book, self.resource = watch, client, book, resource
        self.number = 0

    def form(self, application: Application, **changed: str) -> dict[str, str]:
        return {
            "flow_base_url": self.resource.base_url,
            "flow_tenant": application.tenant,
            "flow_client_id": application.client_id,
            "flow_client_secret": application.secret,
        } | changed

    def post(self, flow: str, data: dict[str, str]) -> None:
        self.number += 1
        answer = self.client.post(form_of(SLUG, flow), {"name": f"azure_{self.number}", "method": "direct"} | data)
        self.client.get(str(answer.get("Location", reverse("sessions:list"))))
        self.watch.collect()

    def signs_in(self, flow: str, data: dict[str, str], name: str) -> None:
        """With what was sent repeated by the server in two forms, then as it should be."""
        for kind in ("echo", "echo-html", ""):
            if kind:
                self.book.faults.append(Fault(kind, "before"))  # type: ignore[arg-type]
            self.post(flow, data)
            assert attempt().status == ("failed" if kind else "done"), (name, kind, attempt().error)
            self.watch.ran.append(f"{name}: {kind or 'success'}")

    def mistypes(self, application: Application, pem: str) -> None:
        """Halves of secrets and wrong ones in the form; secrets in the fields beside their own from Python, because a
        form shows again what was typed into a field that is not secret."""
        wrong = application.secret[::-1]
        self.watch.hide("mistyped", wrong)
        for changed in (
            {"flow_certificate": application.secret},
            {"flow_client_secret": "", "flow_certificate": pem[: len(pem) // 2]},
            {"flow_client_secret": wrong},
        ):
            self.post("entra_client", self.form(application, **changed))
        for field in ("tenant", "client_id", "base_url"):
            given = self.given(application) | {field: f"https://{application.secret}@h.example"}
            self.tell(f"{field} mistyped", lambda given=given: self.begin("wrong", given))  # type: ignore[misc]
        self.watch.ran.append("mistyped")

    def lives(self, application: Application, capsys: Any) -> None:
        """Tested, refreshed, refused with everything repeated, ended, and signed in again."""
        row = AuthSession.objects.filter(provider=SLUG, flow="entra_client").order_by("created_at")[0]
        self.watch.saw("tokens", f"{credentials.open_tokens(row)!r}")
        self.client.post(reverse("sessions:test", args=[row.pk]))
        for kind in ("success", "echo"):
            if kind == "echo":
                self.book.faults.append(Fault("echo", "before"))
            AuthSession.objects.filter(pk=row.pk).update(refreshed_at=None)
            self.client.post(reverse("sessions:refresh", args=[row.pk]))
            self.client.get(reverse("sessions:detail", args=[row.pk]))
            assert not self.book.faults
            self.watch.ran.append(f"refresh {kind}")
        application.expired.add(application.secret)
        AuthSession.objects.filter(pk=row.pk).update(refreshed_at=None)
        command(self.watch, capsys, "refresh_tokens", "--session", str(row.pk), "--json")
        row.refresh_from_db()
        assert row.status == "needs_reauth", (row.status, row.refresh_error)
        self.client.get(reverse("sessions:detail", args=[row.pk]))
        self.client.get(f"{form_of(SLUG, 'entra_client')}&session={row.pk}")
        self.client.post(reverse("sessions:revoke", args=[row.pk]))
        application.expired.clear()
        self.watch.collect()
        self.watch.ran.append("refresh refused")

    def given(self, application: Application) -> dict[str, str]:
        return {name.removeprefix("flow_"): value for name, value in self.form(application).items()}

    def begin(self, name: str, given: dict[str, str]) -> Any:
        return login_flow.begin_login(SLUG, flow="entra_client", name=name, given=given, owner=self.watch.owner.pk)

    def python(self, application: Application) -> None:
        """The universal interface, with what it raises in whole."""
        who: dict[str, Any] = {"owner": self.watch.owner.pk}
        self.tell("begin", lambda: self.begin("by_python", self.given(application)))
        self.tell("again", lambda: self.begin("by_python", self.given(application)))
        assert attempt().status == "done", attempt().error
        self.tell("test", lambda: provider.test_session(SLUG, "oauth", "by_python", **who))
        self.tell("preview", lambda: provider.preview_request(SLUG, "by_python", "hello", model="chat-prod", **who))
        self.tell("chat", lambda: provider.complete_chat(SLUG, "by_python", "hello", model="chat-prod", **who))
        self.tell("refused", lambda: provider.complete_chat(SLUG, "by_python", "[blocked]", model="chat-prod", **who))
        self.tell("refresh", lambda: provider.refresh_tokens(SLUG, "by_python", **who))
        self.watch.collect()
        self.watch.ran.append("python")

    def tell(self, what: str, work: Callable[[], Any]) -> None:
        try:
            answer = loop.run(work(), 60)
            self.watch.saw(f"python {what}", f"{answer!r} {answer}")
        except ProviderError as error:
            logging.getLogger("test").exception("failed")
            said = (repr(error), error.hint, error.info(), vars(error), repr(error.__cause__))
            self.watch.saw(f"python {what} raised", f"{said} {''.join(traceback.format_exception(error))}")


def test_no_sign_in_to_azure_leaves_a_secret_anywhere(
    watch: Watch,
    owner: User,
    client: Watched,
    entra_auth: VendorServer,
    azure_server: VendorServer,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert isinstance(entra_auth.vendor, EntraAuth)
    story = Story(watch, client, entra_auth.auth, azure_server)
    application = entra_auth.vendor.register()
    pem = add_certificate(application)
    watch.hide("client secret", application.secret)
    watch.hide("private key", pem)
    story.signs_in("entra_client", story.form(application), "entra_client")
    by_certificate = story.form(application, flow_client_secret="", flow_certificate=pem)
    story.signs_in("entra_client", by_certificate, "certificate")
    story.signs_in("managed_identity", {"flow_base_url": azure_server.base_url}, "managed_identity")
    story.mistypes(application, pem)
    story.lives(application, capsys)
    story.python(application)
    visit(client, owner)
    for words in (("sessions", "list", "--json"), ("sessions", "flows", SLUG, "--json")):
        command(watch, capsys, *words)
    places = [*watch.seen, *files(), *database(), *behind_the_pages(), ("log", log.getvalue().encode())]
    leaks = watch.leaks(places)
    assert not leaks, "\n".join(leaks)

    done = {way.partition(":")[0] for way in watch.ran if way.endswith(": success")}
    assert {flow.name for flow in resolve(SLUG, "oauth").flows} <= done, "a flow that is not told of"
    assert len(watch.ran) == len(set(watch.ran)) == 14, watch.ran
    kinds = set(watch.secrets.values())
    assert {"client secret", "private key", "identity header", "mistyped", "access token or key"} <= kinds
    assert "client_assertion that was sent" in kinds
    assert len(watch.secrets) > 40 and len(places) > 100
    for row in AuthSession.objects.exclude(key_id=""):
        tokens = credentials.open_tokens(row)
        assert tokens is not None and tokens.access.reveal().encode() not in bytes(row.sealed_credential)

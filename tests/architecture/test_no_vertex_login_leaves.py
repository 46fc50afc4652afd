"""Every sign-in of Vertex AI with its failures; then no key, token or file of them may be anywhere.

See ``test_no_login_leaves``, whose eyes these are: pages, admin, commands, Python errors, logs, files, the database.
"""

import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from providers_app import conf, loop, provider
from providers_app.errors import ProviderError
from providers_app.providers.vertex_ai.config import Config, OAuthConfig
from providers_app.registry.resolver import resolve
from sessions_app import credentials
from sessions_app.models import AuthSession, ImportRun
from tests.architecture.login_watch import Watch, Watched, behind_the_pages, command, visit
from tests.architecture.test_no_secret_leaves import database, files, log, owner
from tests.vendors.auth import clients, workloads
from tests.vendors.auth.gce import GceMetadata
from tests.vendors.auth.records import Fault
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import Vendors, attempt, form_of, vendors

__all__ = ["log", "owner", "vendors"]
pytestmark = pytest.mark.django_db(transaction=True)
IMPORT = reverse("sessions:import")
ROBOT, MACHINE = "robot@local.iam.gserviceaccount.com", "machine@local.iam.gserviceaccount.com"


@pytest.fixture
def watch(
    owner: User, vendors: Vendors, google_auth: VendorServer, vertex_server: VendorServer, gce_metadata: VendorServer
) -> Iterator[Watch]:
    """Vertex AI at its strict servers, with every flow turned on."""
    oauth = OAuthConfig(
        issuer=google_auth.origin,
        token_url=f"{google_auth.origin}/token",
        revoke_url=f"{google_auth.origin}/revoke",
        metadata_url=gce_metadata.origin,
    )
    config = Config(base_url=vertex_server.origin, enabled_flows=("metadata",), oauth=oauth)
    conf.configure(conf.current().model_copy(update={"vertex_ai": config}))
    vendors.google.add_account("1170", "ada@example.com", project_id="ada-project")
    made = Watch(owner, (vendors.google,), (google_auth, vertex_server, gce_metadata))
    made.hide("client secret", clients.GOOGLE_SECRET)
    yield made


@pytest.fixture
def client(owner: User, watch: Watch) -> Watched:  # type: ignore[override]
    made = Watched(HTTP_HOST="localhost:8000")
    made.watch = watch
    made.force_login(owner)
    return made


def files_of(watch: Watch, vendors: Vendors) -> dict[str, str]:
    """What is pasted, by flow; everything secret in it is watched."""
    robot = workloads.add_service_account(vendors.google, ROBOT)
    issued = vendors.google.issue("1170", clients.GOOGLE_DESKTOP)
    watch.hide("private key", robot["private_key"], robot["private_key_id"])
    watch.collect()
    person = {
        "type": "authorized_user",
        "client_id": clients.GOOGLE_DESKTOP,
        "client_secret": clients.GOOGLE_SECRET,
        "refresh_token": issued.refresh,
        "quota_project_id": "ada-project",
    }
    return {"service_account": json.dumps(robot), "adc": json.dumps(person), "metadata": ""}


class Story:
    """One person with one browser."""

    def __init__(self, watch: Watch, client: Watched, vendors: Vendors, machine: GceMetadata) -> None:
        self.watch, self.client, self.vendors, self.machine = watch, client, vendors, machine
        self.number = 0

    def submit(self, flow: str, pasted: str, **more: str) -> Any:
        self.number += 1
        field = {"service_account": "flow_service_account", "adc": "flow_credentials"}.get(flow)
        given = {"name": f"login_{self.number}", "method": "direct"} | ({field: pasted} if field else {}) | more
        answer = self.client.post(form_of("vertex_ai", flow), given)
        self.watch.collect()
        self.client.get(str(answer.get("Location", reverse("sessions:list"))))
        return answer

    def signs_in(self, flow: str, pasted: str) -> None:
        """Each failure, then the success."""
        for kind in ("echo", "echo-html"):
            if flow == "metadata":
                self.machine.status, self.machine.foreign = (503, False) if kind == "echo" else (0, True)
            else:
                self.vendors.google.faults.append(Fault(kind, "before"))  # type: ignore[arg-type]
            self.submit(flow, pasted)
            assert attempt().status == "failed", (flow, kind, attempt().error)
            self.machine.reset()
            self.watch.ran.append(f"{flow}: {kind}")
        self.submit(flow, pasted)
        assert attempt().status == "done", (flow, attempt().error)
        self.watch.ran.append(f"{flow}: success")

    def spoils(self, flow: str, pasted: str) -> None:
        """Files that are wrong, with a secret in the place of a word."""
        if not pasted:
            return
        found = json.loads(pasted)
        secret = found.get("refresh_token") or found["private_key_id"]
        for change in (
            {"type": secret},
            {"token_uri": f"https://elsewhere.example/{secret}", "type": "external_account"},
            {"project_id": secret, "quota_project_id": f"{secret} x", "private_key": secret, "refresh_token": ""},
        ):
            self.submit(flow, json.dumps(found | change))
        self.submit(flow, pasted[:-9])
        # A readable field shows again what was typed into it; what is said of it quotes nothing.
        field = "credentials" if flow == "adc" else flow
        wrong = {field: pasted, "project": f"{secret}/x"}
        self.tell(
            f"wrong field {flow}",
            lambda: provider.begin_login(
                "vertex_ai", flow=flow, name="wrong", given=wrong, owner=self.watch.owner.pk, browser="b"
            ),
        )
        self.watch.ran.append(f"{flow}: spoiled")

    def lives(self, flow: str, capsys: Any) -> None:
        """Tested, refreshed, refused with everything repeated, and ended."""
        row = AuthSession.objects.get(provider="vertex_ai", flow=flow)
        self.tell(f"test {flow}", lambda: provider.test_session("vertex_ai", "oauth", row.name, owner=row.owner_id))
        self.tell(f"list {flow}", lambda: provider.list_models("vertex_ai", "oauth", row.name, owner=row.owner_id))
        self.watch.saw(f"tokens {flow}", f"{credentials.open_tokens(row)!r}")
        self.client.post(reverse("sessions:test", args=[row.pk]))
        for kind in ("", "echo"):
            if kind and flow != "metadata":
                self.vendors.google.faults.append(Fault("echo", "before"))
            self.machine.status = 500 if kind else 0
            AuthSession.objects.filter(pk=row.pk).update(refreshed_at=None)
            self.client.post(reverse("sessions:refresh", args=[row.pk]))
            command(self.watch, capsys, "refresh_tokens", "--session", str(row.pk), "--json")
            self.client.get(reverse("sessions:detail", args=[row.pk]))
            self.vendors.google.faults.clear()
            self.machine.reset()
            self.watch.collect()
        self.tell(f"python {flow}", lambda: provider.refresh_tokens("vertex_ai", row.name, owner=row.owner_id))
        command(self.watch, capsys, "sessions", "revoke", row.name, "--provider", "vertex_ai")
        self.watch.ran.append(f"{flow}: lived")

    def tell(self, what: str, work: Callable[[], Any]) -> None:
        try:
            self.watch.saw(what, f"{loop.run(work(), 20)!r}")
        except ProviderError as error:
            logging.getLogger("test").exception("failed")
            said = (repr(error), error.hint, error.info(), vars(error), repr(error.__cause__))
            self.watch.saw(what, f"{said} {''.join(traceback.format_exception(error))}")

    def imports(self, pasted: dict[str, str], capsys: Any, folder: Path) -> None:
        """By the page and by the command, the kind chosen by hand."""
        for flow, kind in (("service_account", "vertex-service-account"), ("adc", "vertex-gcloud")):
            for number, text in enumerate((pasted[flow], pasted[flow].replace("project", "projekt"))):
                upload = SimpleUploadedFile(f"{number}.json", text.encode())
                self.client.post(IMPORT, {"uploads": [upload], "kind": kind})
                path = folder / f"{kind}-{number}.json"
                path.write_text(text)
                command(self.watch, capsys, "import_sessions", str(path), "--kind", kind, "--json")
        assert AuthSession.objects.filter(provider="vertex_ai", name="gcloud_vertex").exists()
        assert ImportRun.objects.count() >= 2
        self.watch.collect()
        self.watch.ran.append("imports")


def test_no_sign_in_to_vertex_leaves_a_secret_anywhere(
    watch: Watch,
    owner: User,
    client: Watched,
    vendors: Vendors,
    gce_metadata: VendorServer,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert isinstance(gce_metadata.vendor, GceMetadata)
    story = Story(watch, client, vendors, gce_metadata.vendor)
    pasted = files_of(watch, vendors)
    for flow, text in pasted.items():
        story.signs_in(flow, text)
        story.spoils(flow, text)
        story.lives(flow, capsys)
    story.imports(files_of(watch, vendors), capsys, tmp_path)
    visit(client, owner)
    for words in (("sessions", "list", "--json"), ("sessions", "flows", "vertex_ai", "--json")):
        command(watch, capsys, *words)
    places = [*watch.seen, *files(), *database(), *behind_the_pages(), ("log", log.getvalue().encode())]
    leaks = watch.leaks(places)
    assert not leaks, "\n".join(leaks)
    assert {flow.name for flow in resolve("vertex_ai", "oauth").flows} == set(pasted), "a flow that is not told of"
    assert len(watch.ran) == len(set(watch.ran)) == 15, watch.ran
    assert {"private key", "access token or key", "refresh token", "client secret"} <= set(watch.secrets.values())
    assert {"assertion that was sent", "refresh_token that was sent"} & set(watch.secrets.values())
    assert len(watch.secrets) > 60 and len(places) > 200

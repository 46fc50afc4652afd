"""Azure OpenAI in the browser and in the terminal: key, copied target, options, both sign-ins."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from sessions_app.models import AuthSession
from tests.unit.sessions.commands import Run, run
from tests.unit.sessions.support import settle
from tests.vendors.auth.entra import Application, EntraAuth
from tests.vendors.azure import VALID_KEY
from tests.vendors.server import VendorServer
from tests.web.sessions.login_support import form_of
from tests.web.sessions.support import signed_in, text_of
from tests.wire.vendors.azure_desk import configured
from tests.wire.vendors.signing_in import settings

__all__ = ["run"]
pytestmark = pytest.mark.django_db(transaction=True)
KEY_FORM = f"{reverse('sessions:connect')}?provider=azure_openai&auth_type=api_key"
ENTRA = form_of("azure_openai", "entra_client")
PATH = "/openai/deployments/chat-prod/chat/completions"


@dataclass
class Azure:
    application: Application
    resource: VendorServer

    @property
    def form(self) -> dict[str, str]:
        """What a person types into the form of an Entra application."""
        return {
            "name": "by_entra",
            "method": "direct",
            "flow_base_url": self.resource.base_url,
            "flow_tenant": self.application.tenant,
            "flow_client_id": self.application.client_id,
            "flow_client_secret": self.application.secret,
        }


@pytest.fixture
def azure(entra_auth: VendorServer, imds_server: VendorServer, azure_server: VendorServer) -> Iterator[Azure]:
    """The managed identity is off, as it ships."""
    assert isinstance(entra_auth.vendor, EntraAuth)
    with settings("azure_openai", **configured(entra_auth, imds_server, enabled_flows=())):
        yield Azure(entra_auth.vendor.register(), azure_server)
    settle()


def test_a_key_is_connected_with_a_copied_target_and_options(alice: User, azure: Azure) -> None:
    page = signed_in(alice).get(KEY_FORM)
    body = page.content.decode()
    for name in ("base_url", "option_deployments", "option_surface", "option_api_version", "option_api"):
        assert f'name="{name}"' in body, name
    data = {
        "name": "by_key",
        "key": VALID_KEY,
        "base_url": f"{azure.resource.base_url}{PATH}?api-version=2024-06-01",
        "option_deployments": "chat-prod=gpt-4.1\r\nreasoner",
    }
    answer = signed_in(alice).post(KEY_FORM, data)
    assert answer.status_code == 302, text_of(answer)
    row = AuthSession.objects.get()
    assert row.base_url == azure.resource.base_url + PATH
    assert row.options == {"api_version": "2024-06-01", "deployments": "chat-prod=gpt-4.1\r\nreasoner"}
    shown = text_of(signed_in(alice).get(reverse("sessions:detail", args=[row.pk])))
    assert row.base_url in shown and VALID_KEY not in shown


def test_a_wrong_option_stands_beside_its_field_and_stores_nothing(alice: User, azure: Azure) -> None:
    data = {"name": "by_key", "key": VALID_KEY, "base_url": azure.resource.base_url, "option_deployments": "a==b"}
    answer = signed_in(alice).post(KEY_FORM, data)
    assert answer.status_code == 422
    assert "Write one deployment a line" in text_of(answer)
    assert not AuthSession.objects.exists()


def test_another_address_drops_the_key_and_takes_its_api_version_along(alice: User, azure: Azure) -> None:
    data = {"name": "by_key", "key": VALID_KEY, "base_url": azure.resource.base_url, "option_surface": "v1"}
    signed_in(alice).post(KEY_FORM, data)
    row = AuthSession.objects.get()
    change = reverse("sessions:address", args=[row.pk])
    signed_in(alice).post(change, {"base_url": f"{azure.resource.base_url}{PATH}?api-version=2024-06-01"})
    row.refresh_from_db()
    assert (row.base_url, row.key_id) == (azure.resource.base_url + PATH, "")
    assert row.options == {"surface": "v1", "api_version": "2024-06-01"}


def test_an_entra_application_is_connected_and_its_secret_is_not_rendered(alice: User, azure: Azure) -> None:
    client = signed_in(alice)
    body = client.get(ENTRA).content.decode()
    assert "off" in body and "ENABLED_FLOWS=managed_identity" in body, "the identity of the machine is off"
    wrong = client.post(ENTRA, azure.form | {"flow_tenant": "nonsense"})
    assert wrong.status_code == 422 and "neither a directory" in text_of(wrong)
    assert azure.application.secret not in wrong.content.decode()
    answer = client.post(ENTRA, azure.form)
    assert answer.status_code == 302, answer.context["form"].errors
    row = AuthSession.objects.get()
    page = client.get(reverse("sessions:detail", args=[row.pk])).content.decode()
    assert row.base_url == azure.resource.base_url and row.base_url in page
    assert azure.application.client_id in page and azure.application.secret not in page
    assert 'name="option_deployments"' in page, "a sign-in has the options as well"
    again = client.get(f"{ENTRA}&session={row.pk}").content.decode()
    for known in (azure.resource.base_url, azure.application.tenant, azure.application.client_id):
        assert f'value="{known}"' in again
    assert azure.application.secret not in again
    client.post(reverse("sessions:test", args=[row.pk]))
    row.refresh_from_db()
    assert (row.status, row.last_error) == ("active", "")


def test_a_refused_secret_is_told_on_the_page_of_the_sign_in(alice: User, azure: Azure) -> None:
    client = signed_in(alice)
    azure.application.expired.add(azure.application.secret)
    answer = client.post(ENTRA, azure.form)
    shown = answer.content.decode() if answer.status_code == 422 else client.get(answer["Location"]).content.decode()
    assert "AADSTS7000222" in shown and azure.application.secret not in shown
    assert not AuthSession.objects.exists()


def test_the_commands_connect_it_too(alice: User, azure: Azure, run: Run, tmp_path: Path) -> None:
    target = f"{azure.resource.base_url}{PATH}?api-version=2024-06-01"
    create = ("sessions", "create", "azure_openai", "api_key", "by_key", "--key-stdin", "--base-url", target)
    code, out, err = run(*create, "--set", "deployments=chat-prod=gpt-4.1", stdin=VALID_KEY + "\n")
    assert code == 0, out + err
    assert AuthSession.objects.get().options == {"api_version": "2024-06-01", "deployments": "chat-prod=gpt-4.1"}
    code, out, err = run("chat", "by_key", "Hello there.", "--model", "chat-prod")
    assert code == 0 and "You said: Hello there." in out, out + err
    secret = tmp_path / "secret"
    secret.write_text(azure.application.secret + "\n")
    given = {
        "base_url": azure.resource.base_url,
        "tenant": azure.application.tenant,
        "client_id": azure.application.client_id,
        "client_secret": f"@{secret}",
    }
    fields = [word for name, value in given.items() for word in ("--field", f"{name}={value}")]
    code, out, err = run("sessions", "login", "azure_openai", "--flow", "entra_client", "--name", "by_entra", *fields)
    assert code == 0, out + err
    code, out, err = run("models", "by_entra")
    assert code == 0 and "gpt-4.1" in out, out + err
    assert azure.application.secret not in out + err
    code, out, err = run("sessions", "login", "azure_openai", "--flow", "managed_identity", "--name", "other")
    assert code != 0 and "ENABLED_FLOWS=managed_identity" in out + err

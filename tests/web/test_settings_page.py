"""The settings page, and the button that allows a private address where one is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from providers_app import conf
from providers_app.types.credentials import Secret
from sessions_app.models import AllowedAddress, AuthSession, SessionEvent
from sessions_app.services import addresses, outcomes
from tests.unit.sessions.support import make, settle
from tests.vendors.chat import VALID_KEY, ChatVendor
from tests.vendors.server import VendorServer
from tests.web.sessions.support import messages_of, signed_in, text_of

SETTINGS, ALLOW, REMOVE = "/settings/", "/settings/addresses/allow/", "/settings/addresses/remove/"
CONNECT = reverse("sessions:connect")


pytestmark = pytest.mark.usefixtures("no_private_hosts")


@pytest.fixture
def olive(transactional_db: Any) -> User:
    return User.objects.create_superuser("olive", password="a long enough password")


@pytest.fixture
def mia(transactional_db: Any) -> User:
    return User.objects.create_user("mia", password="a long enough password")


@pytest.fixture
def vendor() -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(), path="/v1") as server:
        yield server
    settle()


def pair(server: VendorServer) -> str:
    return server.base_url.split("/")[2]


def connect(client: Client, server: VendorServer, **more: str) -> Any:
    data = {"name": "local", "base_url": server.base_url, "key": VALID_KEY, **more}
    return client.post(f"{CONNECT}?provider=remote&auth_type=api_key", data)


def test_the_owner_is_offered_a_button_that_allows_and_connects(olive: User, vendor: VendorServer) -> None:
    client = signed_in(olive)
    page = connect(client, vendor)
    button = f'name="allow" value="http://{pair(vendor)}"'
    assert page.status_code == 422 and button in page.content.decode()
    assert f"Allow http://{pair(vendor)}" in text_of(page) and "manage.py" not in text_of(page)
    assert not AllowedAddress.objects.exists() and not list(vendor.ledger)
    done = connect(client, vendor, allow=f"http://{pair(vendor)}")
    assert done.status_code == 302 and "is allowed" in messages_of(done) and "connected" in messages_of(done)
    row = AllowedAddress.objects.get()
    assert (row.pair, row.allowed_by) == (pair(vendor), olive)
    event = SessionEvent.objects.get(action="address-allowed")
    assert (event.session_label, event.actor) == (pair(vendor), olive)


def test_others_are_told_who_can_allow_it_and_cannot(olive: User, mia: User, vendor: VendorServer) -> None:
    client = signed_in(mia)
    page = connect(client, vendor)
    assert page.status_code == 422 and 'name="allow"' not in page.content.decode()
    assert "Only an owner of this installation can allow it: olive." in text_of(page)
    assert connect(client, vendor, allow=f"http://{pair(vendor)}").status_code == 403
    for address in (ALLOW, REMOVE):
        assert client.post(address, {"allow": pair(vendor), "pair": pair(vendor)}).status_code == 403
    assert client.get(SETTINGS).status_code == 403 and SETTINGS not in client.get("/").content.decode()
    assert not AllowedAddress.objects.exists() and not AuthSession.objects.exists()


def test_enter_in_the_form_does_not_press_the_button_that_allows(olive: User, vendor: VendorServer) -> None:
    page = connect(signed_in(olive), vendor).content.decode()
    form = page[page.index('<form class="form"') :]
    assert form.index('data-busy="Testing"') < form.index('name="allow"'), "the first button of a form is its default"


def test_a_metadata_service_has_no_button(olive: User) -> None:
    client = signed_in(olive)
    given = {"name": "meta", "base_url": "http://169.254.169.254/v1", "key": VALID_KEY}
    page = client.post(f"{CONNECT}?provider=remote&auth_type=api_key", given)
    assert page.status_code == 422 and 'name="allow"' not in page.content.decode() and "never reached" in text_of(page)
    answer = client.post(ALLOW, {"allow": "http://169.254.169.254"})
    assert "never reached" in messages_of(answer) and not AllowedAddress.objects.exists()


def test_the_page_lists_who_allowed_what_and_takes_it_back(olive: User, mia: User) -> None:
    client = signed_in(olive)
    assert "No private address is allowed" in text_of(client.get(SETTINGS))
    assert client.post(ALLOW, {"allow": " "}).url == SETTINGS  # type: ignore[attr-defined]
    addresses.allow("192.168.1.40:8000", actor_id=olive.pk)
    given = {"provider": "remote", "auth_type": "none", "secret": Secret(""), "base_url": "http://192.168.1.40:8000/v1"}
    make(mia, "vllm_lab", **given)
    make(olive, "mine", **given)
    text = text_of(client.get(SETTINGS))
    assert "192.168.1.40:8000" in text and "mine" in text and "vllm_lab of mia" in text and "olive" in text
    done = client.post(REMOVE, {"pair": "192.168.1.40:8000"})
    assert done.url == SETTINGS and "is removed" in messages_of(done)  # type: ignore[attr-defined]
    assert not AllowedAddress.objects.exists()
    assert SessionEvent.objects.filter(action="address-revoked", actor=olive).count() == 1


def test_what_the_environment_allows_is_shown_and_cannot_be_removed_there(olive: User) -> None:
    conf.configure(conf.current().model_copy(update={"allowed_private_hosts": ("10.0.0.0/8",)}))
    page = signed_in(olive).get(SETTINGS)
    assert "10.0.0.0/8" in text_of(page) and "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS" in text_of(page)
    assert 'name="pair"' not in page.content.decode()


def test_a_session_whose_address_is_refused_has_the_button_on_its_page(
    olive: User, mia: User, vendor: VendorServer
) -> None:
    client = signed_in(olive)
    connect(client, vendor, allow=pair(vendor))
    session = AuthSession.objects.get()
    addresses.revoke(pair(vendor), actor_id=olive.pk)
    outcomes.test(session, owner_id=olive.pk)
    address = reverse("sessions:detail", args=[session.pk])
    page = client.get(address)
    assert f"Allow http://{pair(vendor)}" in text_of(page)
    done = client.post(ALLOW, {"allow": f"http://{pair(vendor)}", "next": address})
    assert done.url == address and AllowedAddress.objects.get().pair == pair(vendor)  # type: ignore[attr-defined]
    session.refresh_from_db()
    assert session.status == "active" and 'name="allow"' not in client.get(address).content.decode()
    assert client.post(ALLOW, {"allow": "127.0.0.1:1", "next": "https://evil.example/"}).url == SETTINGS  # type: ignore[attr-defined]


def test_another_address_of_a_session_can_be_allowed_in_its_form(olive: User, vendor: VendorServer) -> None:
    session = make(
        olive, "moved", provider="remote", auth_type="none", secret=Secret(""), base_url="https://a.example/v1"
    )
    client, address = signed_in(olive), reverse("sessions:address", args=[session.pk])
    page = client.post(address, {"base_url": vendor.base_url})
    assert page.status_code == 422 and f"Allow http://{pair(vendor)}" in text_of(page)
    done = client.post(address, {"base_url": vendor.base_url, "allow": f"http://{pair(vendor)}"})
    assert done.status_code == 302 and AuthSession.objects.get().base_url == vendor.base_url


def test_an_import_of_a_key_for_a_private_address_offers_the_same_button(olive: User, mia: User) -> None:
    text = "OPENAI_API_KEY=sk-proj-AAAABBBBCCCCDDDDEEEE1234\nOPENAI_BASE_URL=http://127.0.0.1:27411/ok/v1\n"
    given, address = {"text": text, "kind": ""}, reverse("sessions:import")
    others = text_of(signed_in(mia).post(address, given))
    assert "Only an owner of this installation can allow http://127.0.0.1:27411: olive." in others
    client = signed_in(olive)
    page = client.post(address, given | {"check": "1"}, headers={"HX-Request": "true"})
    assert "Allow http://127.0.0.1:27411 and import" in text_of(page) and not AllowedAddress.objects.exists()
    button = {"allow": "http://127.0.0.1:27411"}
    assert signed_in(mia).post(address, given | button).status_code == 403
    page = client.post(address, given | button, headers={"HX-Request": "true"})
    session = AuthSession.objects.get()
    assert (session.owner, session.base_url) == (olive, "http://127.0.0.1:27411/ok/v1")
    assert "1 imported" in text_of(page) and 'name="allow"' not in page.content.decode()

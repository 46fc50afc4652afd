"""Finding model servers on this machine and connecting one, with two presses of a button."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from context_app.models import Context
from providers_app.sign_in import local
from sessions_app.models import AllowedAddress, AuthSession, SessionEvent
from tests.unit.sessions.support import settle
from tests.vendors.chat import VALID_KEY, ChatVendor
from tests.vendors.chat.kinds import KINDS, KindVendor
from tests.vendors.server import VendorServer
from tests.web.sessions.support import messages_of, signed_in, text_of

LOOK, CONNECT = "/local-servers/", "/local-servers/connect/"


pytestmark = pytest.mark.usefixtures("no_private_hosts")


@pytest.fixture
def olive(transactional_db: Any) -> User:
    return User.objects.create_superuser("olive", password="a long enough password")


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[VendorServer]:
    """Ollama runs here; nothing else does."""
    with VendorServer(KindVendor(KINDS["ollama"]), path="/v1") as server:
        at(monkeypatch, ollama=server.base_url)
        yield server
    settle()


def at(monkeypatch: pytest.MonkeyPatch, **running: str) -> None:
    """These run where they are; the other kinds would be at a port where nothing is."""
    known = [place for place in local.places() if place.pair.startswith("127.")]
    found = []
    for place in known:
        url = running.get(place.choice, "http://127.0.0.1:9/v1")
        found.append(msgspec.structs.replace(place, base_url=url, pair=url.split("/")[2]))
    monkeypatch.setattr(local, "places", lambda: tuple(found))


def test_looking_says_what_runs_and_where_it_looked(olive: User, ollama: VendorServer) -> None:
    client = signed_in(olive)
    assert "Find local models" in text_of(client.get("/")) and "Find local models" in text_of(
        client.get(reverse("sessions:connect"))
    )
    page = client.post(LOOK)
    text = text_of(page)
    assert "Found on this computer" in text and "Ollama Running" in text and "models." in text
    assert "Allow and connect" in text and "vLLM" in text and "not running" in text
    assert "Looked at 127.0.0.1 and host.docker.internal." in text
    assert client.get(LOOK).status_code == 405
    assert not AllowedAddress.objects.exists() and not AuthSession.objects.exists(), "looking changes nothing"


def test_nothing_that_answers_is_said_with_where_it_looked(olive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch)
    text = text_of(signed_in(olive).post(LOOK))
    assert "Nothing found on this computer" in text and "Ollama (port 9)" in text and "Looked at 127.0.0.1" in text


def test_the_second_press_allows_connects_and_opens_a_chat_with_a_model(olive: User, ollama: VendorServer) -> None:
    client = signed_in(olive)
    done = client.post(CONNECT, {"base_url": ollama.base_url})
    session = AuthSession.objects.get()
    assert (session.name, session.provider, session.auth_type) == ("ollama", "remote", "none")
    assert session.options == {"server": "ollama"} and session.base_url == ollama.base_url
    assert AllowedAddress.objects.get().pair == ollama.base_url.split("/")[2]
    assert SessionEvent.objects.filter(action="address-allowed", actor=olive).count() == 1
    context = Context.objects.get()
    assert done["Location"] == reverse("chats:detail", args=[context.pk])
    assert context.session == session and context.model and context.model_suggested
    page = text_of(client.get(done["Location"]))
    assert "chosen by Maestro" in page and context.model in page
    client.post(CONNECT, {"base_url": ollama.base_url})
    assert AuthSession.objects.count() == 1, "a second press finds the session of the first"


def test_a_person_who_chooses_takes_the_mark_away(olive: User, ollama: VendorServer) -> None:
    client = signed_in(olive)
    client.post(CONNECT, {"base_url": ollama.base_url})
    context = Context.objects.get()
    given = {"session": str(context.session_id), "model": context.model}
    answer = client.post(reverse("chats:choose", args=[context.pk]), given)
    assert "chosen by Maestro" not in text_of(answer)
    context.refresh_from_db()
    assert not context.model_suggested


def test_only_the_owner_looks_and_connects(olive: User, ollama: VendorServer) -> None:
    mia = User.objects.create_user("mia", password="a long enough password")
    client = signed_in(mia)
    for address in (LOOK, CONNECT):
        assert client.post(address, {"base_url": ollama.base_url}).status_code == 403
    assert "Find local models" not in client.get("/").content.decode()
    assert "Find local models" not in client.get(reverse("sessions:connect")).content.decode()
    assert not list(ollama.ledger) and not AllowedAddress.objects.exists()


@pytest.mark.parametrize("address", ["", "http://10.0.0.1:22/v1", "http://127.0.0.1:22/v1", "https://evil.example/v1"])
def test_no_other_address_can_be_connected_that_way(olive: User, ollama: VendorServer, address: str) -> None:
    assert signed_in(olive).post(CONNECT, {"base_url": address}).status_code == 400
    assert not AllowedAddress.objects.exists() and not AuthSession.objects.exists()


def test_one_that_ended_meanwhile_is_stored_and_said(olive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, ollama="http://127.0.0.1:9/v1")
    done = signed_in(olive).post(CONNECT, {"base_url": "http://127.0.0.1:9/v1"})
    assert done["Location"] == reverse("sessions:detail", args=[AuthSession.objects.get().pk])
    assert "could not be reached" in messages_of(done)
    settle()


def test_one_that_wants_a_key_leads_to_its_form_with_the_permission(
    olive: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VendorServer(ChatVendor(), path="/v1") as closed:
        at(monkeypatch, vllm=closed.base_url)
        client = signed_in(olive)
        page = client.post(LOOK)
        assert "vLLM Needs a key" in text_of(page) and "Enter key" in text_of(page)
        form = f"{reverse('sessions:connect')}?provider=remote&auth_type=api_key&base_url={closed.base_url}"
        shown = client.get(form)
        pair = closed.base_url.split("/")[2]
        assert f'value="{closed.base_url}"' in shown.content.decode() and f"Allow http://{pair}" in text_of(shown)
        given = {"name": "lab", "base_url": closed.base_url, "key": VALID_KEY, "allow": f"http://{pair}"}
        assert client.post(form, given).status_code == 302
        assert AuthSession.objects.get().name == "lab"
        settle()

"""A pasted endpoint is shortened with a word on every way in, and a 404 names the address to try."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import loop, provider
from providers_app.providers.remote.streaming import dialect
from providers_app.types.credentials import Credential
from sessions_app.models import AuthSession
from tests.unit.sessions.commands import Run, run
from tests.unit.sessions.support import make
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer
from tests.web.sessions.support import messages_of, signed_in, text_of

__all__ = ["run"]
pytestmark = pytest.mark.django_db(transaction=True)
SAID = "Removed from the base URL: /chat/completions."


def test_pages(alice: User, vendor: VendorServer) -> None:
    client, pasted = signed_in(alice), f"{vendor.base_url}/chat/completions/"
    address = f"{reverse('sessions:connect')}?provider=remote&auth_type=api_key"
    answer = client.post(address, {"name": "local_llama", "base_url": pasted, "key": VALID_KEY})
    session = AuthSession.objects.get()
    assert messages_of(answer).count(SAID) == 1 and session.base_url == vendor.base_url and session.status == "active"
    change = reverse("sessions:address", args=[session.pk])
    answer = client.post(change, {"base_url": "https://other.example/api/v1/models"})
    assert "Removed from the base URL: /models." in messages_of(answer)
    assert AuthSession.objects.get().base_url == "https://other.example/api/v1"


def test_the_admin(alice: User, admin_user: User) -> None:
    client, session = signed_in(admin_user), make(alice, "hers")
    data: dict[str, Any] = {"name": "hers", "key": "", "base_url": "https://proxy.example/v1/messages"}
    answer = client.post(reverse("admin:sessions_app_authsession_change", args=[session.pk]), data)
    assert "Removed from the base URL: /messages." in messages_of(answer)
    assert AuthSession.objects.get().base_url == "https://proxy.example/v1"


def test_commands_and_python(alice: User, run: Run) -> None:
    pasted = "https://llm.example/v1/chat/completions"
    _, _, err = run("sessions", "create", "remote", "none", "one", "--base-url", pasted)
    assert err.strip() == f"warning: {SAID}"
    made = loop.run(provider.create_session("remote", "none", name="two", base_url=pasted, owner=alice.pk), 60)
    assert [advice.message for advice in made.advice] == [SAID]
    assert set(AuthSession.objects.values_list("base_url", flat=True)) == {"https://llm.example/v1"}


def test_a_404_of_a_server_names_the_address_with_v1(alice: User, vendor: VendorServer) -> None:
    origin = vendor.base_url.removesuffix("/v1")
    address = f"{reverse('sessions:connect')}?provider=remote&auth_type=api_key"
    data = {"name": "ollama_here", "base_url": origin, "key": VALID_KEY, "option_server": "ollama"}
    page = signed_in(alice).post(address, data)
    assert page.status_code == 422 and f"Try {origin}/v1." in text_of(page) and not AuthSession.objects.exists()


@pytest.mark.parametrize(
    ("server", "base_url", "likely"),
    [
        ("generic", "http://box.example", "http://box.example/v1"),
        ("generic", "http://box.example/llm", "http://box.example/llm/v1"),
        ("ollama", "http://box.example/api", "http://box.example/v1"),
        ("groq", "https://api.groq.com", "https://api.groq.com/openai/v1"),
        ("generic", "http://box.example/v1", ""),
        ("zai", "https://api.z.ai/api/paas/v4", ""),
        ("perplexity", "https://api.perplexity.ai", ""),
        ("databricks", "https://x.cloud.databricks.com/serving-endpoints", ""),
    ],
)
def test_the_likely_address(server: str, base_url: str, likely: str) -> None:
    found = dialect(Credential(auth_type="none", base_url=base_url, settings={"server": server}))
    assert found.likely == likely
    hint = found.error(404, {}, b"404 page not found").hint
    assert hint == (f"Is the base URL complete? Try {likely}." if likely else "")
    assert "Try" not in found.error(404, {}, b'{"error": {"code": "model_not_found", "message": "no"}}').hint


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "n" * 60, "has 3 to 50 characters; this one has 60"),
        ("base_url", "https://host.example/" + "a" * 600, "at most 500 characters (it has 621)"),
        ("key", "sk-" + "k" * 20_000, "at most 16384 characters (it has 20003)"),
    ],
)
def test_what_is_pasted_is_not_cut_by_the_browser_but_refused_with_a_word(
    alice: User, field: str, value: str, told: str
) -> None:
    client, address = signed_in(alice), f"{reverse('sessions:connect')}?provider=remote&auth_type=api_key"
    assert "maxlength" not in client.get(address).content.decode()
    given = {"name": "pasted", "base_url": "https://host.example/v1", "key": "sk-" + "k" * 40, field: value}
    page = client.post(address, given)
    assert page.status_code == 422 and told in text_of(page).replace("\xa0", " ")
    assert not AuthSession.objects.exists()

"""Bodies and parameters that no browser sends: what cannot be read is 400 at every address, and none breaks."""

import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from context_app.models import Context, ContextChunk
from sessions_app.models import AuthSession

pytestmark = [pytest.mark.both, pytest.mark.django_db]

NAMES = [
    "action", "after", "answer", "api_key", "auth_type", "base_url", "before", "code", "content", "edit", "error",
    "flow", "ids", "kind", "kinds", "method", "model", "name", "next", "page", "pair", "params", "part", "pinned",
    "provider", "q", "role", "session", "sort", "state", "status", "stream", "text", "title", "token", "why",
]  # fmt: skip
BODIES = {
    "no boundary": ("multipart/form-data", b"--x\r\n"),
    "no possible boundary": ("multipart/form-data; boundary=" + "x" * 300, b"--x\r\n"),
}


def addresses(resolver: URLResolver, values: dict[str, Any], prefix: str = "/") -> list[str]:
    """Every address of the site outside the admin, with ``values`` for its parameters."""
    found: list[str] = []
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += [] if "admin" in route else addresses(pattern, values, route)
        elif isinstance(pattern, URLPattern):
            for name, converter in pattern.pattern.converters.items():
                kind = type(converter).__name__.removesuffix("Converter").lower()
                route = route.replace(f"<{kind if kind != 'string' else 'str'}:{name}>", str(values.get(name, 7)))
            found.append(route)
    return found


@pytest.fixture
def person(client: Client) -> dict[str, Any]:
    """Values for the parameters of addresses: a person's chat, session and chunk, in turn."""
    owner = User.objects.create_superuser("nora", password="x" * 12)
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    client.raise_request_exception = False
    session = AuthSession.objects.create(
        id=uuid.uuid4(), owner=owner, provider="demo", auth_type="none", name="demo_one"
    )
    context = Context.objects.create(owner=owner, session=session)
    chunk = ContextChunk.objects.create(context=context, order=1, role="user", kind="user", content="Hello", tokens=1)
    return {"chat": context.pk, "session": session.pk, "chunk_id": chunk.pk, "token": "t" * 43}


def every_address(person: dict[str, Any]) -> list[str]:
    found = []
    for address in addresses(get_resolver(), {**person, "pk": "PK", "ref": uuid.uuid4()}):
        owner = person["chat" if address.startswith("/chats/") else "session"]
        found.append(address.replace("PK", "7" if "browsers" in address else str(owner)))
    assert len(found) > 60, found
    # Signing out would make everything that follows a redirect.
    return [address for address in found if address not in {"/logout/", "/readyz"}]


@pytest.mark.parametrize("kind", BODIES)
def test_a_form_that_cannot_be_read_is_400_at_every_address(person: dict[str, Any], kind: str) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.get())
    client.cookies["csrftoken"] = "c" * 32
    content_type, body = BODIES[kind]
    answers = {address: client.post(address, body, content_type=content_type) for address in every_address(person)}
    assert {address: answer.status_code for address, answer in answers.items() if answer.status_code != 400} == {}


@pytest.mark.parametrize("value", ["\x00", "9" * 30], ids=ascii)
@pytest.mark.parametrize("method", ["get", "post"])
def test_odd_values_of_parameters_break_nothing(
    client: Client, person: dict[str, Any], method: str, value: str
) -> None:
    text = urlencode(dict.fromkeys(NAMES, value))
    broken = {}
    for address in every_address(person):
        if method == "get":
            answer = client.get(f"{address}?{text}")
        else:
            answer = client.post(address, text, content_type="application/x-www-form-urlencoded")
        if answer.status_code >= 500:
            broken[address] = answer.status_code
    assert broken == {}

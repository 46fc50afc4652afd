"""The addresses of the sessions and aliases: each is led to, none without signing in, none to what is another's."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from maestro_site.environment import ROOT
from sessions_app import alias_urls, urls
from tests.web.sessions.support import HTMX, signed_in

PLACES = [
    (module.app_name, str(pattern.name), str(pattern.pattern)) for module in (urls, alias_urls)
    for pattern in module.urlpatterns
]  # fmt: skip
OWN = {name for _, name, where in PLACES if "<" not in where}


def address(app: str, name: str, where: str) -> str:
    key: Any = {"uuid": uuid4, "int": lambda: 999_999}
    return reverse(f"{app}:{name}", args=[key[kind]() for kind in re.findall(r"<(\w+):", where)])


def test_each_address_is_led_to_and_each_name_on_a_page_has_one() -> None:
    sources = [*(ROOT / "templates").rglob("*.html")]
    for app in ("sessions_app", "context_app", "maestro_site"):
        sources += (ROOT / app).rglob("*.py")
    text = " ".join(path.read_text() for path in sources)
    named = set(re.findall(r"\b((?:sessions|aliases):[\w-]+)", text))
    assert named == {f"{app}:{name}" for app, name, _ in PLACES}


@pytest.mark.parametrize(("app", "name", "where"), PLACES)
def test_nobody_gets_there_without_signing_in(db: None, app: str, name: str, where: str) -> None:
    for ask in (Client().get, Client().post):
        answer = ask(address(app, name, where))
        assert answer.status_code in (302, 405), name
        assert answer.status_code == 405 or answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize(("app", "name", "where"), [place for place in PLACES if place[1] not in OWN])
def test_what_is_not_there_for_a_person_does_not_exist(alice: User, app: str, name: str, where: str) -> None:
    client = signed_in(alice)
    headers = HTMX if name == "restore" else {}  # without htmx, it says so on the list
    found = {ask(address(app, name, where), headers=headers).status_code for ask in (client.get, client.post)}
    assert 404 in found and found <= {404, 405}

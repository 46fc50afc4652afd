"""Limits a minute of one person: set in the admin, shown on their own page."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from providers_app import conf
from sessions_app.models import PersonLimit
from tests.web.chat_socket import sign_in

pytestmark = pytest.mark.django_db
PREFIX = "person_limit"


@pytest.fixture
def nora() -> User:
    return User.objects.create_user("nora")


def save(person: User, requests: str, tokens: str) -> str:
    """Save the person's page in the admin, and return what it says."""
    url = reverse("admin:auth_user_change", args=[person.pk])
    root = sign_in(User.objects.filter(username="root").first() or User.objects.create_superuser("root"))
    page = root.get(url).content.decode()
    row = re.search(rf'name="{PREFIX}-0-id"[^>]*value="(\d+)"', page)
    joined = person.date_joined
    data = {
        "username": person.username,
        "is_active": "on",
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
        f"{PREFIX}-TOTAL_FORMS": "1",
        f"{PREFIX}-INITIAL_FORMS": "1" if row else "0",
        f"{PREFIX}-0-id": row[1] if row else "",
        f"{PREFIX}-0-owner": str(person.pk),
        f"{PREFIX}-0-requests_per_minute": requests,
        f"{PREFIX}-0-tokens_per_minute": tokens,
    }
    return unescape(root.post(url, data, follow=True).content.decode())


def stored(person: User) -> tuple[int | None, int | None] | None:
    return PersonLimit.objects.filter(owner=person).values_list("requests_per_minute", "tokens_per_minute").first()


def test_an_operator_sets_them_on_the_page_of_the_person(nora: User) -> None:
    assert "was changed successfully" in save(nora, "", "") and stored(nora) is None, "nothing was set"
    save(nora, "30", "")
    assert stored(nora) == (30, None)
    save(nora, "0", "5000")
    assert stored(nora) == (0, 5000)
    for wrong in ("-1", "many", "1.5", "99999999999"):
        assert "was changed successfully" not in save(nora, wrong, "")
    assert stored(nora) == (0, 5000)
    save(nora, "", "")
    assert stored(nora) == (None, None)


def test_a_new_person_is_asked_for_a_name_and_a_password_alone() -> None:
    root = sign_in(User.objects.create_superuser("root"))
    assert PREFIX not in root.get(reverse("admin:auth_user_add")).content.decode()


def test_everybody_sees_their_own(nora: User, client: Client) -> None:
    def shown() -> list[tuple[str, str, str]]:
        page = client.get(reverse("account")).content.decode()
        what, most = r'class="strong">(\w+)</span><span class="cell-reason">([^<]*)<', r'<span class="num">([^<]*)'
        return re.findall(rf"{what}/span></span>\s*{most}", page)

    client.force_login(nora)
    assert shown() == []
    with conf.use(conf.current().model_copy(update={"requests_per_minute_per_person": 60.0})):
        assert shown() == [("Requests", "The same for everybody", "60")]
        PersonLimit.objects.create(owner=nora, requests_per_minute=12500, tokens_per_minute=7)
        assert shown() == [("Requests", "Set for you", "12,500"), ("Tokens", "Set for you", "7")]
        PersonLimit.objects.update(requests_per_minute=0)
        assert shown() == [("Tokens", "Set for you", "7")]

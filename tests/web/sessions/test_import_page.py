"""The import page: checking stores nothing, importing stores once, and nothing that was pasted comes back."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_app.models import AuthSession
from tests.vendors.auth.workloads import add_service_account
from tests.web.sessions.login_support import Vendors

pytestmark = pytest.mark.django_db
KEY = "sk-proj-import-page-" + "q" * 20


@pytest.fixture
def person(client: Client) -> User:
    user = User.objects.create_user("importer", password="a long enough password")
    client.force_login(user)
    return user


def post(client: Client, htmx: bool = False, **data: object) -> tuple[int, str]:
    headers = {"HX-Request": "true"} if htmx else {}
    answer = client.post(reverse("sessions:import"), data, headers=headers)
    return answer.status_code, answer.content.decode()


def test_checking_stores_nothing_and_importing_does_once(client: Client, person: User) -> None:
    status, page = post(client, text=f"OPENAI_API_KEY={KEY}", check="1")
    assert status == 200 and "1 would be imported" in page and not AuthSession.objects.exists()
    status, page = post(client, text=f"OPENAI_API_KEY={KEY}")
    assert "1 imported" in page and KEY not in page
    row = AuthSession.objects.get()
    assert (row.owner, row.name) == (person, "env_openai") and reverse("sessions:detail", args=[row.pk]) in page
    status, page = post(client, htmx=True, text=f"OPENAI_API_KEY={KEY}")
    assert "1 stored already" in page and "<html" not in page and AuthSession.objects.count() == 1


def test_the_page_counts_what_it_does_with_each_kind_of_login(client: Client, person: User) -> None:
    def exported(*keys: tuple[str, str]) -> str:
        """Rows of the earlier product, whose sessions have fixed names."""
        about = {"username": "importer", "auth_type": "api_key"}
        return json.dumps([{**about, "provider": provider, "api_key": key} for provider, key in keys])

    post(client, text=exported(("openai", KEY)))
    rows = exported(("openai", f"{KEY}x"), ("anthropic", f"sk-ant-api03-{'a' * 40}"), ("nobody", KEY))
    for check, made in (({"check": "1"}, "1 would be imported"), ({}, "1 imported")):
        _, page = post(client, text=rows, **check)
        assert made in page and "1 left alone: the name has another login." in page and "1 cannot be imported." in page
    _, page = post(client, text=exported(("openai", KEY)))
    assert "1 stored already." in page and "left alone" not in page and "cannot be imported" not in page


def test_every_line_of_an_env_file_is_taken_or_named(client: Client, person: User) -> None:
    text = f"OPENAI_API_KEY='{KEY}'\nOPENAI_BASE_URL=https://proxy.example/v1\nDATABASE_URL=x\nMISTRAL_API_KEY=sk-..."
    _, page = post(client, text=text)
    row = AuthSession.objects.get()
    assert (row.provider, row.base_url, row.name) == ("remote", "https://proxy.example/v1", "env_openai")
    assert "Used at https://proxy.example/v1 only." in page and "line 2" not in page
    assert "line 3, DATABASE_URL" in page and "It is no key of a provider." in page
    assert "line 4, MISTRAL_API_KEY" in page and "placeholder" in page


def test_a_file(client: Client, person: User) -> None:
    upload = SimpleUploadedFile("keys.json", json.dumps({"openai": KEY}).encode())
    status, page = post(client, uploads=upload)
    assert status == 200 and "keys.json of the llm tool" in page and AuthSession.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Choose a file"),
        ({"text": "hello"}, "no file that Maestro can import"),
        ({"text": "x", "kind": "llm-keys"}, "not valid JSON"),
        ({"uploads": SimpleUploadedFile("x", b"\xff\xfe\x00bad")}, "not text"),
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_what_cannot_be_read_says_why(
    client: Client, person: User, data: dict[str, object], words: str, htmx: bool
) -> None:
    for value in data.values():
        if isinstance(value, SimpleUploadedFile):
            value.seek(0)
    status, page = post(client, htmx=htmx, **data)
    assert status == (200 if htmx else 422) and words in page and not AuthSession.objects.exists()


def test_what_was_pasted_is_not_rendered_back(client: Client, person: User) -> None:
    _, page = post(client, text=f"{KEY} and nothing else")
    assert KEY not in page


def test_an_export_of_everybody_gives_a_person_only_the_own_rows(client: Client, person: User) -> None:
    rows = [
        {"username": name, "provider": "openai", "auth_type": "api_key", "api_key": f"{KEY}{name}"}
        for name in ("importer", "somebody")
    ]
    post(client, text=json.dumps(rows))
    assert [row.owner for row in AuthSession.objects.all()] == [person]
    status, page = post(client, text=json.dumps(rows[1:]))
    assert status == 422 and "other people" in page


def test_strangers_are_sent_to_the_sign_in(client: Client) -> None:
    assert client.get(reverse("sessions:import")).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_login_without_a_token_gets_its_first_one_at_once(client: Client, person: User, vendors: Vendors) -> None:
    key = add_service_account(vendors.google, "robot@local-project.iam.gserviceaccount.com")
    status, page = post(client, text=json.dumps(key | {"token_uri": "https://oauth2.googleapis.com/token"}))
    assert status == 200 and "1 imported" in page and "PRIVATE KEY" not in page
    row = AuthSession.objects.get()
    assert (row.generation, row.status, row.refresh_error) == (1, "active", "")
    assert row.expires_at is not None and row.expires_at > timezone.now()

"""Credential files of Google as sessions of Vertex AI, chosen by their kind."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from providers_app import conf
from providers_app.providers.vertex_ai.config import Config
from providers_app.registry import file_formats as importing
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin

PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
KEY_FILE = {
    "type": "service_account",
    "project_id": "key-project",
    "private_key_id": "abc123",
    "private_key": PEM,
    "client_email": "robot.one@key-project.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
CONCLUDED = {"project_source": "concluded"}
PERSON = {
    "type": "authorized_user",
    "client_id": "c.apps.googleusercontent.com",
    "client_secret": "s3cret-of-the-person",
    "refresh_token": "1//refresh",
    "quota_project_id": "billed-1",
    "account": "ada@example.com",
}


def read(kind: str, found: Any) -> ImportedLogin:
    (login,) = importing.read(kind, (found,))
    assert PEM.splitlines()[1] not in repr(login) and "s3cret" not in repr(login)
    return login


def test_nothing_says_which_service_a_file_is_for_so_the_kind_is_chosen() -> None:
    assert importing.recognise(PERSON) == "gcloud" and importing.recognise(KEY_FILE) == "service-account"
    assert {"vertex-gcloud", "vertex-service-account"} <= set(importing.formats())


def test_a_person_is_asked_and_billed_in_the_quota_project() -> None:
    login = read("vertex-gcloud", PERSON)
    assert (login.provider, login.auth_type, login.name, login.problem) == ("vertex_ai", "oauth", "gcloud_vertex", "")
    assert login.tokens is not None and login.tokens.flow == "adc" and not login.tokens.read_only
    assert login.tokens.facts == CONCLUDED | {"project": "billed-1", "quota_project": "billed-1"}
    assert login.tokens.refresh == Secret("1//refresh") and login.tokens.expired(2.0)
    assert login.tokens.account_label == "ada@example.com"


def test_a_key_file_brings_its_project() -> None:
    login = read("vertex-service-account", KEY_FILE)
    assert login.name == "robot_one" and login.tokens is not None and login.tokens.flow == "service_account"
    assert login.tokens.facts == CONCLUDED | {"project": "key-project", "account_project": "key-project"}
    assert login.tokens.material["private_key"] == Secret(PEM)


def test_the_operators_project_comes_first() -> None:
    with conf.use(build_model()(vertex_ai=Config(project="ours-1"))):  # type: ignore[call-arg]
        person, robot = read("vertex-gcloud", PERSON), read("vertex-service-account", KEY_FILE)
    assert person.tokens is not None and robot.tokens is not None
    assert person.tokens.facts == CONCLUDED | {"project": "ours-1", "quota_project": "billed-1"}
    assert robot.tokens.facts["project"] == "ours-1"


@pytest.mark.parametrize(
    ("kind", "file", "said"),
    [
        ("vertex-gcloud", PERSON | {"quota_project_id": "../x"}, "project"),
        ("vertex-gcloud", {**PERSON, "quota_project_id": ""}, "set-quota-project"),
        ("vertex-gcloud", PERSON | {"type": "external_account"}, "external_account"),
        ("vertex-gcloud", PERSON | {"refresh_token": 5}, "refresh_token"),
        ("vertex-gcloud", [], "authorized_user"),
        ("vertex-service-account", KEY_FILE | {"project_id": ""}, "VERTEX_AI__PROJECT"),
        ("vertex-service-account", KEY_FILE | {"token_uri": "https://evil.example/token"}, "token_uri"),
        ("vertex-service-account", PERSON, "credentials of a person"),
        ("vertex-service-account", [1], "not a JSON object"),
    ],
)
def test_files_that_cannot_work_say_why(kind: str, file: Any, said: str) -> None:
    login = read(kind, file)
    assert said in login.problem and login.tokens is None and "evil" not in login.problem


def test_a_file_of_another_program_is_no_login() -> None:
    assert importing.recognise(json.loads('{"type": "something"}')) == ""

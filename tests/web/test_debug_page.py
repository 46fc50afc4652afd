"""With ``MAESTRO_DEBUG=1`` an error shows its place in the code, but nothing that was typed, and no cookie."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from maestro_site import home
from maestro_site.accounts import views

pytestmark = pytest.mark.django_db
TYPED = "sk-typed-'4f2&9c/d\"e+é"


@pytest.fixture
def broken(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A browser that is signed in to a site whose account page fails with what was typed in its message."""
    settings.DEBUG = True
    client.force_login(User.objects.create_user("nora"))
    client.raise_request_exception = False

    def fail(user: Any, data: Any) -> Any:
        kept = dict((data or {}).items())  # a local variable with the secret
        raise ValueError(f"{kept} {'-'.join(kept.values())}")

    monkeypatch.setattr(views, "_password_form", fail)
    return client


def shown(answer: Any) -> str:
    assert answer.status_code == 500
    text: str = answer.content.decode()
    assert "ValueError" in text and "views.py" in text, "it still is a page to find a bug with"
    return text


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_what_was_typed_and_cookies_are_not_on_the_page(broken: Client, accept: str) -> None:
    session = broken.cookies["sessionid"].value
    broken.cookies["csrftoken"] = "c" * 32
    form = {"new_password1": TYPED, "key": json.dumps({"private_key": "-----BEGIN\nabcdefgh\n"}), "pin": "1234"}
    page = shown(broken.post(f"/account/?q={quote(TYPED)}", form, headers={"Accept": accept}))
    for secret in (TYPED, TYPED[:9], "abcdefgh", quote(TYPED, safe=""), session, "c" * 32):
        assert secret not in page, secret
    assert "new_password1" in page and "sessionid" in page, "the names stay"


def test_a_secret_in_a_body_of_json_is_not_on_the_page(broken: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(owner_id: Any) -> Any:
        raise ValueError("views.py: no sk-in-json-123 here")

    monkeypatch.setattr(home.selectors, "counts", fail)
    answer = broken.generic(
        "GET", "/", json.dumps({"deep": [{"key": "sk-in-json-123"}]}), content_type="application/json"
    )
    assert "sk-in-json-123" not in shown(answer)


def test_a_sign_in_link_and_connection_strings_are_not_on_the_page(
    broken: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(token: str) -> Any:
        raise ValueError("views.py")

    monkeypatch.setattr(views.welcome, "check", fail)
    token, password = "t" * 43, "hunter22"  # not as they are below: the page shows these lines
    settings.REDIS_URL = f"redis://:{password}@127.0.0.1/0"
    settings.CHANNEL_LAYERS = {"default": {"CONFIG": {"hosts": [settings.REDIS_URL]}}}
    page = shown(broken.get(f"/welcome/{token}"))
    assert token not in page and f":{password}@" not in page

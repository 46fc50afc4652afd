"""The page's own address of a generated file: for its owner, and never as something that could run."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from context_app import media_store
from tests.web.context.conftest import Person

pytestmark = pytest.mark.django_db(transaction=True)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_a_picture_is_shown_to_its_owner_and_to_nobody_else(ada: Person, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    url = reverse("chats:media", args=[media_store.store(ada.user.pk, "image/png", b"\x89PNG")])
    shown = ada.client.get(url)
    assert (shown.status_code, shown["Content-Type"], body(shown)) == (200, "image/png", b"\x89PNG")
    assert shown["X-Content-Type-Options"] == "nosniff" and "sandbox" in shown["Content-Security-Policy"]
    assert shown["Content-Disposition"].startswith("inline")
    assert Client().get(url).status_code == 302
    other = Client()
    other.force_login(get_user_model().objects.create_user("bob_b"), "django.contrib.auth.backends.ModelBackend")
    assert other.get(url).status_code == 404
    media_store.path_of(media_store.find(ada.user.pk, shown.resolver_match.kwargs["ref"]).pk).unlink()
    assert ada.client.get(url).status_code == 404


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "application/x-anything\r\nX: y"])
def test_what_could_hold_a_script_is_only_downloaded(ada: Person, settings: Any, tmp_path: Path, kind: str) -> None:
    settings.DATA_DIR = tmp_path
    ref = media_store.store(ada.user.pk, kind, b"<svg onload=alert(1)>")
    sent = ada.client.get(reverse("chats:media", args=[ref]))
    assert sent["Content-Type"] == "application/octet-stream"
    assert sent["Content-Disposition"].startswith("attachment")

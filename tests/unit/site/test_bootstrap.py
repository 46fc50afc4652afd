"""The key ring of a process that ``manage.py`` did not start: a worker, a script, another ASGI server."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pydantic import SecretStr

from providers_app.errors import NotConfigured
from providers_app.types.credentials import Secret
from sessions_app import crypto
from sessions_app.services import connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder without a key file, in a process that has no key ring yet."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(crypto, "_ring", None)
    return tmp_path


def test_the_key_file_is_made_when_the_ring_is_first_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not crypto.configured()
    made = crypto.current()
    path = folder / "encryption.key"
    assert path.stat().st_mode & 0o777 == 0o600 and crypto.configured() and crypto.current() is made
    monkeypatch.setattr(crypto, "_ring", None)
    assert crypto.current().key_ids == made.key_ids == crypto.KeyRing.parse(path.read_text()).key_ids


def test_keys_of_the_environment_need_no_file(folder: Path, settings: Any) -> None:
    text = crypto.KeyRing.generate()
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"encryption_keys": SecretStr(text)})
    assert crypto.current().key_ids == crypto.KeyRing.parse(text).key_ids and not any(folder.iterdir())
    crypto._ring = None
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"encryption_keys": SecretStr("nonsense")})
    with pytest.raises(NotConfigured, match="MAESTRO_ENCRYPTION_KEYS cannot be used"):
        crypto.current()


def test_no_key_is_made_beside_what_another_one_sealed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_ring", crypto.KeyRing.parse(crypto.KeyRing.generate()))
    owner = User.objects.create_user("ada")
    connect.create(
        owner_id=owner.pk, provider="openai", auth_type="api_key", name="work", secret=Secret("sk-" + "a" * 30)
    )
    monkeypatch.setattr(crypto, "_ring", None)
    with pytest.raises(NotConfigured, match=r"encryption\.key is missing"):
        crypto.current()
    assert not any(folder.iterdir())
    (folder / "encryption.key").write_text(crypto.KeyRing.generate())
    with pytest.raises(NotConfigured, match=r"encryption\.key cannot be used"):
        crypto.current()

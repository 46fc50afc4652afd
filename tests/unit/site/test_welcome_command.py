"""``manage.py welcome``: the link for this machine, and for others only where their address is another one."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("base", "public", "others"),
    [
        ("", "", ""),
        ("", "https://maestro.example/", "https://maestro.example"),
        ("", "http://127.0.0.1:8000", ""),
        ("https://other.example", "https://maestro.example", ""),
        ("https://maestro.example", "https://maestro.example", ""),
    ],
)
def test_another_address_is_told_only_where_there_is_one(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    base: str,
    public: str,
    others: str,
) -> None:
    User.objects.create_user("nora")
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"public_url": public})
    monkeypatch.setattr("maestro_site.accounts.welcome.site_address", lambda: "http://127.0.0.1:8000")
    call_command("welcome", "nora", base=base)
    first, *more, last = capsys.readouterr().out.splitlines()
    token = first.rpartition("/")[2]
    assert first == f"Open {base or 'http://127.0.0.1:8000'}/welcome/{token}"
    assert more == ([f"From other machines: {others}/welcome/{token}"] if others else [])
    assert last == "It signs in nora, once, within 15 minutes."

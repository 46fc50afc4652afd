"""A session is found for a call only where it can sign one: not disabled, with its key, or signed in."""

from typing import Any

import pytest

from providers_app import errors
from providers_app.dispatch import prepare
from providers_app.ports import Session
from providers_app.types.credentials import Credential, Secret


@pytest.mark.parametrize(
    ("auth_type", "secret", "changes", "refused"),
    [
        ("api_key", "sk-1", {}, None),
        ("api_key", "sk-1", {"status": "needs_reauth"}, None),
        ("api_key", "sk-1", {"status": "disabled"}, errors.SessionDisabled),
        ("api_key", "", {}, errors.InvalidCredential),
        ("none", "", {}, None),
        ("oauth", "access", {}, None),
        ("oauth", "", {}, errors.NeedsReauth),
        ("oauth", "", {"expires_at": 1000.0}, None),
    ],
)
async def test_what_cannot_sign_a_request_is_refused_before_it(
    monkeypatch: pytest.MonkeyPatch, auth_type: Any, secret: str, changes: dict[str, Any], refused: Any
) -> None:
    values: dict[str, Any] = {"id": "s", "owner": 1, "provider": "demo", "name": "box", "status": "active"}
    session = Session(**(values | {"auth_type": auth_type} | changes))
    credential = Credential(auth_type=auth_type, secret=Secret(secret))

    async def lookup(*args: Any, **given: Any) -> tuple[Session, Credential]:
        return session, credential

    monkeypatch.setattr(prepare, "lookup", lookup)
    if refused is None:
        assert await prepare.find(1, None, "box") == (session, credential)
        return
    with pytest.raises(refused, match="'box'"):
        await prepare.find(1, None, "box")

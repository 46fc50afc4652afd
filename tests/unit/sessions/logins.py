"""Stored sign-ins for tests of what is shown and done around them; no provider is asked."""

from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from sessions_app import selectors
from sessions_app.models import AuthSession
from sessions_app.services import oauth

ACCESS = "canary-access-8Kq2Wm"
REFRESH = "canary-refresh-5Tz9Lp"
_numbers = count(1)


def make_login(owner: User, name: str = "my_login", *, provider: str = "openai", **columns: Any) -> AuthSession:
    """A stored sign-in that ends in two hours and is refreshed ten minutes before; ``columns`` are written over it."""
    number, now = next(_numbers), timezone.now().timestamp()
    tokens = Tokens(
        flow="chatgpt",
        access=Secret(f"{ACCESS}-{number}"),
        refresh=Secret(f"{REFRESH}-{number}"),
        expires_at=now + 7200,
        client=OAuthClient(id="client"),
        issuer="https://auth.example",
        account_id=f"account-{number}",
        account_label="alice@example.com",
        facts={"mode": "chatgpt", "plan": "plus"},
        read_only=str(columns.get("read_only_reason", "")),
    )
    row = oauth.create(owner_id=owner.pk, provider=provider, name=name, tokens=tokens, next_refresh_at=now + 6600)
    if columns:
        AuthSession.objects.filter(pk=row.pk).update(**columns)
    return selectors.get(owner.pk, row.pk)


def ago(**given: float) -> Any:
    return timezone.now() - timedelta(**given)


def ahead(**given: float) -> Any:
    return timezone.now() + timedelta(**given)

"""What the tests of refreshes share: stored logins, and a claim on one."""

import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.utils import timezone

from providers_app import loop
from providers_app.types.credentials import Secret
from providers_app.types.refresh import RefreshBusy, RefreshClaim, RefreshFailure
from providers_app.types.tokens import OAuthClient, Tokens
from sessions_app import credentials
from sessions_app.credentials import oauth_columns
from sessions_app.models import AuthSession
from sessions_app.stores import lanes
from sessions_app.stores.refreshes import DjangoRefreshStore

ISSUER = "https://auth.example"
store = DjangoRefreshStore()


def tokens_of(number: int = 1, **given: Any) -> Tokens:
    """Tokens as a login or its refresh number ``number - 1`` would give them; they end in an hour."""
    values: dict[str, Any] = {
        "flow": "claude_code",
        "access": Secret(f"access-{number}"),
        "refresh": Secret(f"refresh-{number}-{uuid4().hex}"),
        "expires_at": time.time() + 3600,
        "client": OAuthClient(id="client-1"),
        "issuer": ISSUER,
        "account_id": "acct-1",
        "account_label": "ada@example.com",
    }
    return Tokens(**(values | given))


def make_login(owner: User, name: str = "my_login", *, due_in: float | None = -1.0, **given: Any) -> AuthSession:
    """A stored OAuth session that is due ``due_in`` seconds from now; ``given`` are tokens, or columns of the row."""
    columns = {key: given.pop(key) for key in tuple(given) if key in {"provider", "status", "next_refresh_at"}}
    tokens = given.pop("tokens", None) or tokens_of(**given)
    row = AuthSession(
        id=uuid4(),
        owner=owner,
        name=name,
        auth_type="oauth",
        **(
            {"provider": "anthropic"}
            | oauth_columns(tokens, None if due_in is None else time.time() + due_in)
            | columns
        ),
    )
    for column, value in credentials.sealed_columns(row.pk, tokens.signing, tokens).items():
        setattr(row, column, value)
    row.lane = lanes.lane_of(row.provider, tokens, row.pk)
    row.save(force_insert=True)
    return row


def take(session: AuthSession, lease_s: float = 60.0, holder: str = "test") -> RefreshClaim:
    """The lane of this session, which must be free."""
    found = loop.run(store.claim(str(session.pk), lease_s=lease_s, holder=holder), 60)
    assert isinstance(found, RefreshClaim), found
    return found


def busy(session: AuthSession) -> RefreshBusy:
    """The answer to a claim of a lane that somebody has."""
    found = loop.run(store.claim(str(session.pk), lease_s=60, holder="other"), 60)
    assert isinstance(found, RefreshBusy), found
    return found


def intend(session: AuthSession) -> RefreshClaim:
    """A claim whose intent is written."""
    marked = loop.run(store.write_intent(take(session)), 60)
    assert marked is not None
    return marked


def keep(claim: RefreshClaim, tokens: Tokens | None = None, *, due_in: float = 3000.0) -> Any:
    return loop.run(store.keep(claim, tokens or tokens_of(2), time.time() + due_in), 60)


def fail(claim: RefreshClaim, spent: str, **given: Any) -> None:
    values: dict[str, Any] = {"code": "some_code", "message": "It went wrong."}
    loop.run(store.fail(claim, RefreshFailure(spent=spent, **(values | given))), 60)  # type: ignore[arg-type]


def lease_over(session: AuthSession) -> None:
    """Let the lease on the session's lane have ended, as after a crash of its holder."""
    ended = timezone.now() - timedelta(seconds=1)
    session.lane.__class__.objects.filter(pk=session.lane_id).update(lease_until=ended, boot_until=0.0)


def row_of(session: AuthSession) -> AuthSession:
    """The row as it is now, whatever became of it."""
    return AuthSession.objects.get(pk=session.pk)

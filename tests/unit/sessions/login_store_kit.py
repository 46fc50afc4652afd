"""Sign-ins in the database, and short ways to begin, answer and advance one."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections, connection
from django.utils import timezone

from providers_app import loop
from providers_app.sign_in import flow as login_flow
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginState
from providers_app.types.tokens import OAuthClient, Tokens
from sessions_app.models import AuthSession, OAuthAttempt
from sessions_app.services import oauth
from sessions_app.stores import pool
from sessions_app.stores.logins import DjangoLoginStore
from tests.unit.providers.login_flow.signer import Side, installed

STORE = DjangoLoginStore()
CANARY = "canary-login-8Kd1Wy6Qz9Vt2"
PENDING = Secret(f'{{"flow":"page","method":"paste_code","verifier":"{CANARY}"}}')


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """The provider ``signer`` is installed; this is what it knows."""
    with installed(tmp_path, monkeypatch) as found:
        yield found
    pool.shutdown()


def begin(owner: User, **given: Any) -> Any:
    options = {"name": "dev_login", "method": "paste_code", "browser": "b1", "owner": owner.pk, **given}
    return loop.run(login_flow.begin_login("signer", **options), 60)


def answer(owner: User, pending: Any, text: str) -> Any:
    return loop.run(login_flow.complete_login(pending.id, answer=text, browser="b1", owner=owner.pk), 60)


def sign_in(owner: User, side: Side, name: str = "dev_login", account: str = "acc-1") -> AuthSession:
    pending = begin(owner, name=name)
    made = answer(owner, pending, side.allow(pending.url, account))
    return AuthSession.objects.get(pk=made.id)


def tokens(refresh: str = "refresh-1", **given: Any) -> Tokens:
    values: dict[str, Any] = {
        "flow": "page",
        "access": Secret("access-1"),
        "refresh": Secret(refresh),
        "client": OAuthClient(id="maestro-test"),
        "issuer": "https://signer.test",
        "account_id": "acc-1",
        "account_label": "acc-1@signer.test",
    }
    return Tokens(**(values | given))


def create(owner: User, name: str, held: Tokens) -> AuthSession:
    return oauth.create(owner_id=owner.pk, provider="signer", name=name, tokens=held, next_refresh_at=None)


def opened(owner: User, **given: Any) -> OAuthAttempt:
    now = timezone.now().timestamp()
    values: dict[str, Any] = {
        "id": "",
        "provider": "signer",
        "flow": "page",
        "method": "paste_code",
        "name": "dev_login",
        "status": "waiting",
        "step": "made",
        "created_at": now,
        "expires_at": now + 600,
    }
    state = LoginState(**(values | given))
    opening = STORE.open_login(owner.pk, state, browser="b1", pending=PENDING, state_token=Secret("state-1"))
    return OAuthAttempt.objects.get(pk=loop.run(opening).id)


def advance(attempt: OAuthAttempt, **given: Any) -> None:
    loop.run(STORE.advance_login(str(attempt.pk), **given))


def claim(attempt: OAuthAttempt) -> bool:
    return loop.run(STORE.claim_login(str(attempt.pk)))


def turn(attempt: OAuthAttempt, held: str, seconds: float) -> str:
    return loop.run(STORE.poll_turn(str(attempt.pk), held=held, seconds=seconds))


def at_once(number: int, work: Callable[[], Any]) -> list[Any]:
    """What that many threads got, with a connection each, that began at the same moment."""
    barrier, found = threading.Barrier(number), []

    def one() -> None:
        barrier.wait()
        try:
            found.append(work())
        except Exception as error:
            found.append(error)
        finally:
            connection.close()
            close_old_connections()

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found

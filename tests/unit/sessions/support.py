"""What the tests of the session store share: a key ring, two people, sessions of theirs."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from providers_app import conf as providers_conf
from providers_app.types.credentials import Secret
from sessions_app import crypto, selectors
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from sessions_app.services import connect
from sessions_app.stores import pool
from tests.vendors.chat import VALID_KEY, ChatVendor
from tests.vendors.server import VendorServer

CANARY = "canary-key-3f9Zt7Qw1xYp"


@pytest.fixture(autouse=True)
def ring() -> Iterator[crypto.KeyRing]:
    """A fresh key ring; the one before comes back."""
    before = crypto.current() if crypto.configured() else None
    made = crypto.KeyRing.parse(crypto.KeyRing.generate())
    crypto.configure(made)
    yield made
    crypto.configure(before)


@pytest.fixture(autouse=True)
def private_hosts() -> Iterator[None]:
    """Loopback may be reached; the settings before come back."""
    before = providers_conf.current()
    providers_conf.configure(before.model_copy(update={"allowed_private_hosts": ("127.0.0.1",)}))
    yield
    providers_conf.configure(before)


@pytest.fixture
def alice(db: Any) -> User:
    return User.objects.create_user("alice", password="a long enough password")


@pytest.fixture
def bob(db: Any) -> User:
    return User.objects.create_user("bob", password="a long enough password")


@pytest.fixture(scope="session")
def _chat_vendor() -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(), path="/v1") as server:
        yield server


@pytest.fixture
def vendor(_chat_vendor: VendorServer) -> Iterator[VendorServer]:
    """A strict local server with Chat Completions; nothing runs on the pool any more when the test is over."""
    yield _chat_vendor.fresh()
    settle()


def settle() -> None:
    """Wait for what was told to the store in passing, and close the pool's connections."""
    terminal.settle()
    pool.shutdown()


def make(owner: User, name: str = "my_key", **given: Any) -> AuthSession:
    """A stored session with a key, read as the pages read it."""
    values: dict[str, Any] = {
        "provider": "anthropic",
        "auth_type": "api_key",
        "secret": Secret("sk-ant-api03-" + "x" * 40),
        "actor_id": owner.pk,
    }
    row = connect.create(owner_id=owner.pk, name=name, **(values | given))
    return selectors.get(owner.pk, row.pk)


def make_remote(owner: User, server: VendorServer, name: str = "local_llama", key: str = VALID_KEY) -> AuthSession:
    """A session at the local server."""
    return make(owner, name, provider="remote", secret=Secret(key), base_url=server.base_url)


def fresh(session: AuthSession) -> AuthSession:
    """The row as it is now."""
    return selectors.get(session.owner_id, session.pk)

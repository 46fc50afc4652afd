"""An installation of its own for a proof: data folder, database, key ring, one person; and logins in it.

``open_installation`` prepares this very process, so it is used by a program and never inside a running test.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.processes import environment
from tests.servers import Postgres
from tests.vendors.auth.book import Book
from tests.vendors.auth.clients import CLAUDE_CODE
from tests.vendors.server import VendorServer

PROVIDER, FLOW = "anthropic", "claude"
TOKEN_PATH = "/v1/oauth/token"


@dataclass
class Installation:
    """Where it is; ``environment`` is what a child process needs to work on it."""

    data: Path
    environment: dict[str, str]
    owner: Any


@contextmanager
def open_installation(database: str, settings: Mapping[str, str]) -> Iterator[Installation]:
    """Set Django up in this process, on SQLite or a Postgres of its own, with these ``MAESTRO_`` settings."""
    data = Path(tempfile.mkdtemp(prefix="maestro-proof-"))
    server = Postgres() if database == "postgres" else None
    try:
        extra = dict(settings)
        if server is not None:
            extra["DATABASE_URL"] = server.start()
        variables = environment(data, DJANGO_SETTINGS_MODULE="maestro_site.settings", **extra)
        os.environ.clear()
        os.environ.update(variables)
        yield Installation(data, variables, _prepare())
    finally:
        _close()
        if server is not None:
            server.stop()
        shutil.rmtree(data, ignore_errors=True)


def _prepare() -> Any:
    import django

    django.setup()
    # A local server that is stopped says so as if it were an error.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from maestro_site import bootstrap

    call_command("migrate", verbosity=0, interactive=False)
    bootstrap.prepare_key_ring()
    return get_user_model().objects.create_user("proof")


def _close() -> None:
    from django.db import connections

    from sessions_app.stores import pool

    pool.shutdown()
    connections.close_all()


def provider_settings(token_url: str) -> dict[str, str]:
    """The settings with which the provider's logins are refreshed at a local server."""
    prefix = f"MAESTRO_PROVIDERS__{PROVIDER.upper()}__"
    return {
        "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        f"{prefix}OAUTH__TOKEN_URL": token_url,
        f"{prefix}OAUTH__PROFILE_URL": "",
        f"{prefix}ENABLED_FLOWS": FLOW,
    }


def token_url(server: VendorServer) -> str:
    """Where a local server takes refresh tokens."""
    return server.origin + TOKEN_PATH


def store_login(owner: Any, book: Book, account: str, name: str, issuer: str, *, ended: bool = False) -> Any:
    """A session with a login that the book issues; ``ended``: its access token is over, and it is due."""
    from providers_app.types.credentials import Secret
    from providers_app.types.tokens import OAuthClient, Tokens

    if account not in book.accounts:
        book.add_account(account, f"{account}@example.com")
    issued = book.issue(account, CLAUDE_CODE)
    now = time.time()
    tokens = Tokens(
        flow=FLOW,
        access=Secret(issued.access),
        refresh=Secret(issued.refresh),
        expires_at=now - 1 if ended else issued.expires_at,
        client=OAuthClient(id=CLAUDE_CODE),
        issuer=issuer,
        account_id=account,
        account_label=f"{account}@example.com",
    )
    if ended:
        book.end_access(issued.access)
    return store_tokens(owner, PROVIDER, tokens, name, now - 1 if ended else now + 3600)


def store_tokens(owner: Any, provider: str, tokens: Any, name: str, due_at: float) -> Any:
    """A session with these tokens, whose next refresh is due at this time."""
    from sessions_app import credentials
    from sessions_app.credentials import oauth_columns
    from sessions_app.models import AuthSession
    from sessions_app.stores import lanes

    row = AuthSession(
        id=uuid4(), owner=owner, provider=provider, auth_type="oauth", name=name, **oauth_columns(tokens, due_at)
    )
    for column, value in credentials.sealed_columns(row.pk, tokens.signing, tokens).items():
        setattr(row, column, value)
    row.lane = lanes.lane_of(provider, tokens, row.pk)
    row.save(force_insert=True)
    return row


def stored_access(session: Any) -> str:
    """The access token that requests of this session would be signed with now."""
    from sessions_app import credentials
    from sessions_app.models import AuthSession

    row = AuthSession.objects.get(pk=session.pk)
    return credentials.open_credential(row).secret.reveal()

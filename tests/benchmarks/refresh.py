"""Refreshes among many: what is due of 100,000 sessions, selected and claimed; and the list page of 1,000 of them."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.benchmarks._row import Row, below

SESSIONS = 100_000
DUE = 100
ROUNDS = 15
LISTED = 1000


def run() -> list[Row]:
    """The part on Postgres runs in a process of its own."""
    return [*_measure("SQLite"), *_on_postgres()]


def fill(owner_id: Any, count: int, *, due: int, provider: str = "anthropic") -> None:
    """``count`` OAuth sessions of one person, each in a lane of its own, ``due`` of them due now."""
    from uuid import uuid4

    from django.utils import timezone

    from providers_app.types.credentials import Secret
    from providers_app.types.tokens import Tokens
    from sessions_app import credentials
    from sessions_app.models import AuthSession, RefreshLane
    from sessions_app.stores.lanes import lane_key

    now = timezone.now()
    tokens = Tokens(flow="claude", access=Secret("a" * 100), refresh=Secret("r" * 100), issuer="https://a.example")
    # Nobody opens what is not due, so those rows hold the sealed value of another one: as large, and quick to make.
    unopened = credentials.sealed_columns(uuid4(), tokens.signing, tokens)
    rows, lanes = [], []
    for number in range(count):
        key = uuid4()
        lane = RefreshLane(key=lane_key(provider, tokens, key))
        at = now - timedelta(seconds=due - number) if number < due else now + timedelta(seconds=60 + number)
        rows.append(
            AuthSession(
                id=key,
                owner_id=owner_id,
                provider=provider,
                auth_type="oauth",
                name=f"login_{number:06}",
                flow="claude",
                expires_at=at + timedelta(seconds=300),
                next_refresh_at=at,
                **(credentials.sealed_columns(key, tokens.signing, tokens) if number < due else unopened),
            )
        )
        lanes.append(lane)
    # Keys are unique and made here, so the lanes' ids can be read back by them, in one query.
    RefreshLane.objects.bulk_create(lanes, batch_size=2000)
    ids = dict(RefreshLane.objects.values_list("key", "pk"))
    for row, lane in zip(rows, lanes, strict=True):
        row.lane_id = ids[lane.key]
    AuthSession.objects.bulk_create(rows, batch_size=500)


def _measure(database: str) -> list[Row]:
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection

    from maestro_site import bootstrap
    from providers_app import loop

    call_command("migrate", verbosity=0, interactive=False)
    bootstrap.prepare_key_ring()
    owner = get_user_model().objects.create_user("bench", password="a long enough password")
    fill(owner.pk, SESSIONS, due=DUE)
    listed = get_user_model().objects.create_user("lister", password="a long enough password")
    fill(listed.pk, LISTED, due=0, provider="openai")
    few = _few(get_user_model())
    if connection.vendor == "postgresql":
        # As autovacuum does within a minute of such a change.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    select, claim = loop.run(_select_and_claim(), 300)
    both = [one + other for one, other in zip(select, claim, strict=True)]
    page, queries = _list_page(listed)
    _, fewer = _list_page(few)
    of = f"of {SESSIONS:,} on {database}"
    rows = [
        Row(f"refresh: select {DUE} due {of}, median", f"{_ms(select):.1f} ms"),
        below(f"refresh: select {DUE} due and claim the first {of}, median", _ms(both), 50, "ms", digits=1),
        below(f"session list, {LISTED:,} sessions on {database}, median", _ms(page), 200, "ms", digits=1),
        Row(
            f"session list, queries: {LISTED:,} sessions / 10 on {database}",
            f"{queries} / {fewer}",
            "the same",
            queries == fewer,
        ),
    ]
    loop.run(_close(), 30)
    return rows


async def _select_and_claim() -> tuple[list[float], list[float]]:
    """Seconds of one look's selection, and of the claim of what it found first."""
    from sessions_app.services import refresh
    from sessions_app.stores.pool import in_store
    from sessions_app.stores.refreshes import DjangoRefreshStore

    store = DjangoRefreshStore()
    selected, claimed = [], []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        ids = await in_store(refresh.due, DUE)
        middle = time.perf_counter()
        claim: Any = await store.claim(str(ids[number]), lease_s=60, holder="bench")
        ended = time.perf_counter()
        assert len(ids) == DUE and claim.tokens.refresh, "nothing was claimed"
        selected.append(middle - begun)
        claimed.append(ended - middle)
    return selected, claimed


def _list_page(owner: Any) -> tuple[list[float], int]:
    """Seconds of the page, and how many queries one takes."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="localhost")
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")

    def get() -> None:
        answer = client.get("/sessions/")
        assert answer.status_code == 200, answer.status_code

    get()
    times = [_timed(get) for _ in range(5)]
    with CaptureQueriesContext(connection) as seen:
        get()
    return times, len(seen)


def _few(users: Any) -> Any:
    owner = users.objects.create_user("few", password="a long enough password")
    fill(owner.pk, 10, due=0, provider="openai")
    return owner


async def _close() -> None:
    from sessions_app.stores import pool

    pool.shutdown()


def _on_postgres() -> list[Row]:
    import json
    import os

    from tests.servers import Missing, Postgres

    try:
        server = Postgres()
    except Missing as error:
        return [Row("refresh on Postgres", f"not measured: {error}", "< 50 ms", False)]
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import json, tests.benchmarks.refresh as b; print(json.dumps(b._measure('Postgres')))",
            ],
            env={**os.environ, "DATABASE_URL": server.start()},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    finally:
        server.stop()
    return [tuple(row) for row in json.loads(done.stdout.strip().splitlines()[-1])]


def _timed(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _ms(times: list[float]) -> float:
    return statistics.median(times) * 1000

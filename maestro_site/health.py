"""``/healthz`` (the process answers), ``/readyz`` (its parts work), and the page of an internal error (500 or 503)."""

import sys
import time
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from maestro_site import pulse
from providers_app.errors import NotConfigured
from sessions_app import crypto
from sessions_app.errors import KeyRingError

PROOF_S = 30.0
"""Seconds for which a proof of the key ring holds: a new one reads every table with sealed columns."""
RETRY_S = 5
"""Seconds after which a client may try again while the database is locked or away."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the installation: its name, whether it works, and a short detail."""

    name: str
    ok: bool
    detail: str


def readiness() -> list[Check]:
    """Check every part now. Never raises."""
    return [_database(), _broker(), _key_ring(), _seen("worker"), _seen("beat")]


@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as this process answers."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part works, else 503 with the broken ones."""
    checks = readiness()
    broken = [check.name for check in checks if not check.ok]
    answer = {
        "status": "ready" if not broken else "not ready",
        "broken": broken,
        "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in checks},
        "shared_state": "Redis" if settings.REDIS_URL else "per process",
    }
    return JsonResponse(answer, status=503 if broken else 200)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 with ``Retry-After`` where the database is locked or away, which is temporary."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_S)})
    return HttpResponse(render_to_string("500.html"), status=500)


def _database() -> Check:
    name = {"sqlite": "SQLite", "postgresql": "Postgres"}.get(connection.vendor, connection.vendor)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Check("database", False, f"{name} does not answer")
    return Check("database", True, name)


def _broker() -> Check:
    try:
        return Check("broker", True, pulse.ping_broker())
    except (OSError, redis.RedisError):
        why = "Redis does not answer" if settings.REDIS_URL else "the queue folder is not writable"
        return Check("broker", False, why)


class _Proof:
    """The ring that was proven against the database, and the time of that (``time.monotonic``)."""

    ring: crypto.KeyRing | None = None
    at = 0.0


def _key_ring() -> Check:
    try:
        ring = crypto.current()
        if _Proof.ring is not ring or time.monotonic() - _Proof.at > PROOF_S:
            _Proof.ring = None
            crypto.verify_in_use(ring)
            _Proof.ring, _Proof.at = ring, time.monotonic()
    except (KeyRingError, NotConfigured) as error:
        return Check("key ring", False, str(error))
    except DatabaseError:
        return Check("key ring", False, "cannot be compared with the database")
    return Check("key ring", True, "every key in use opens")


def _seen(name: str) -> Check:
    if (age := pulse.age(name)) is None:
        return Check(name, False, "not seen yet")
    return Check(name, age <= pulse.STALE_S, f"seen {age:.0f} s ago")

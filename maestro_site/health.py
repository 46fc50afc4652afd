"""``/healthz`` (the process answers), ``/readyz`` (its parts work), and the page of an internal error (500 or 503)."""

import asyncio
import io
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, close_old_connections, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.http.request import split_domain_port
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from maestro_site import pulse
from maestro_site.monitoring.snapshots import dispatcher_state
from providers_app import request_id
from providers_app.errors import NotConfigured
from sessions_app import crypto, disk
from sessions_app.errors import KeyRingError, StoreUnavailable

PROOF_S = 30.0
"""Seconds for which a proof of the key ring holds: a new one reads every table with sealed columns."""
RETRY_S = 5
"""Seconds after which a client may try again while the database is locked or away."""
ANSWER_S = 1.5
"""Seconds that a part has to answer a probe."""
PATHS = frozenset({"/healthz", "/readyz"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the installation: its name, whether it works, and a short detail."""

    name: str
    ok: bool
    detail: str


def readiness() -> list[Check]:
    """Check every part now. Never raises."""
    return [check for checks in PARTS.values() for check in checks()]


@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as this process answers."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part works, else 503 with the broken ones."""
    return _answer(readiness())


async def probe(scope: dict[str, Any]) -> HttpResponse:
    """Answer ``/healthz`` or ``/readyz`` within two seconds, signed in or not and during any outage.

    No middleware runs and no thread of a request is needed: both may wait for a database that is away.
    """
    request = request_of(scope)
    if request is None:
        return HttpResponseBadRequest()
    if request.path_info == "/healthz" or request.method not in ("GET", "HEAD"):
        return alive(request)
    found = await asyncio.gather(*(_within(name) for name in PARTS))
    answer = _answer([check for checks in found for check in checks])
    add_never_cache_headers(answer)
    return answer


def request_of(scope: dict[str, Any]) -> HttpRequest | None:
    """Return the request of a probe; ``None`` where it names a host that is not ours."""
    request = ASGIRequest(scope, io.BytesIO())
    try:
        # A probe inside the container asks by its loopback address, whatever names people use.
        if split_domain_port(request._get_raw_host())[0] not in LOOPBACK:  # type: ignore[attr-defined]
            request.get_host()
    except DisallowedHost:
        return None
    return request


def _answer(checks: list[Check]) -> JsonResponse:
    broken, dispatcher = [check.name for check in checks if not check.ok], dispatcher_state()
    if dispatcher != "ok":
        broken.append("dispatcher")
    answer = {
        "status": "ready" if not broken else "not ready",
        "broken": broken,
        "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in checks},
        "dispatcher": dispatcher,
        "shared_state": "Redis" if settings.REDIS_URL else "per process",
    }
    return JsonResponse(answer, status=503 if broken else 200)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500; 503 with ``Retry-After`` where the database is locked or away; 400 for a NUL in a parameter."""
    error = sys.exc_info()[1]
    if is_outage(error):
        return unavailable()
    if isinstance(error, DataError) and "NUL" in str(error):  # Postgres takes none, and no person types one
        return defaults.bad_request(request, error)
    return HttpResponse(render_to_string("500.html", {"request_id": request_id.current.get()}), status=500)


def unavailable() -> HttpResponse:
    """Return a 503 with ``Retry-After``."""
    page = render_to_string("503.html", {"shortage": disk.shortage(), "request_id": request_id.current.get()})
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_S)})


def is_outage(error: BaseException | None) -> bool:
    """Return whether the database is locked or away, in Django's words or, where it passes them on, its driver's."""
    driver = connection.Database  # type: ignore[attr-defined]  # every back end has one
    return isinstance(
        error, OperationalError | InterfaceError | driver.OperationalError | driver.InterfaceError | StoreUnavailable
    )


def _database() -> Check:
    name = {"sqlite": "SQLite", "postgresql": "Postgres"}.get(connection.vendor, connection.vendor)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return Check("database", False, f"{name} does not answer")
    return Check("database", True, name)


def _disk() -> Check:
    if sentence := disk.shortage():
        return Check("disk", False, sentence)
    return Check("disk", True, f"{disk.free_bytes() // disk.MEGABYTE} MB free")


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
    except (DatabaseError, InterfaceError):
        return Check("key ring", False, "cannot be compared with the database")
    return Check("key ring", True, "every key in use opens")


def _seen(name: str) -> Check:
    if (age := pulse.age(name)) is None:
        return Check(name, False, "not seen yet")
    return Check(name, age <= pulse.STALE_S, f"seen {age:.0f} s ago")


# In the order in which they are named. What shares a server is asked on one thread, one after the other.
PARTS: dict[str, Callable[[], list[Check]]] = {
    "database": lambda: [_database(), _key_ring()],
    "disk": lambda: [_disk()],
    "broker": lambda: [_broker(), _seen("worker"), _seen("beat")],
}
_threads = {name: ThreadPoolExecutor(1, thread_name_prefix=f"health-{name}") for name in PARTS}
_asked: dict[str, Future[list[Check]]] = {}


def _check_on_thread(name: str) -> list[Check]:
    close_old_connections()
    return PARTS[name]()


async def _within(name: str) -> list[Check]:
    """Return the checks of a part; a part that hangs is asked once, however many probes come meanwhile."""
    if name not in _asked or _asked[name].done():
        _asked[name] = _threads[name].submit(_check_on_thread, name)
    try:
        async with asyncio.timeout(ANSWER_S):
            return await asyncio.shield(asyncio.wrap_future(_asked[name]))
    except TimeoutError:
        return [Check(name, False, f"did not answer within {ANSWER_S} s")]

"""``/metrics`` and ``/health``: the status for everybody, details for staff who are signed in or with the token.

With the token, and without a browser session, they are answered without middleware, thread or database, so that they
also answer during an outage.
"""

import asyncio
import hmac
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from maestro_site import health
from maestro_site.monitoring import metrics, publisher
from maestro_site.monitoring.overview import Overview, Provider, overview
from maestro_site.monitoring.snapshots import dispatcher_state

PATHS = frozenset({"/metrics", "/health"})


@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Answer ``/metrics`` for a browser session."""
    return _metrics(_looked(request))


@never_cache
@require_safe
def health_view(request: HttpRequest) -> HttpResponse:
    """Answer ``/health`` for a browser session."""
    return _health(_looked(request))


def goes_without_browser(scope: dict[str, Any]) -> bool:
    """Return whether the request of such a path names no browser session, and so needs no database."""
    cookie = f"{settings.SESSION_COOKIE_NAME}=".encode()
    return not any(name == b"cookie" and cookie in value for name, value in scope["headers"])


async def probe(scope: dict[str, Any]) -> HttpResponse:
    """Answer without middleware. Call it on the provider loop."""
    request = health.request_of(scope)
    if request is None:
        return HttpResponseBadRequest()
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    found = None
    if _has_token(request):
        found = await asyncio.to_thread(overview, await publisher.here.take())
    answer = _metrics(found) if request.path_info == "/metrics" else _health(found)
    add_never_cache_headers(answer)
    return answer


def _has_token(request: HttpRequest) -> bool:
    token = settings.MAESTRO.monitoring.metrics_token
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if token is None or kind.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())


def _looked(request: HttpRequest) -> Overview | None:
    user = request.user
    if not (_has_token(request) or (user.is_active and user.is_staff)):  # type: ignore[union-attr]
        return None
    return publisher.looked()


def status() -> tuple[str, int]:
    """Return the state of the dispatcher of this process in a word, and the HTTP status that says so."""
    word = dispatcher_state()
    return word, 200 if word == "ok" else 503


def _metrics(found: Overview | None) -> HttpResponse:
    word, code = status()
    if found is None:
        about = "Details need a metrics token (MAESTRO_MONITORING__METRICS_TOKEN)."
        return HttpResponse(f"# status: {word}. {about}\n", content_type="text/plain; charset=utf-8", status=code)
    body, content_type = metrics.text(found)
    return HttpResponse(body, content_type=content_type)


def _health(found: Overview | None) -> HttpResponse:
    word, code = status()
    if found is None:
        return JsonResponse({"status": word}, status=code)
    return JsonResponse(msgspec.to_builtins(document(found, word)), status=code)


def document(found: Overview, word: str) -> dict[str, Any]:
    """Return the details of ``/health``."""
    providers = found.providers()
    open_circuits = sum(circuit.is_open for circuit in found.circuits)
    return {
        "status": "degraded" if word == "ok" and open_circuits else word,
        "at": found.at,
        "refreshed_every_s": settings.MAESTRO.monitoring.health_check_interval_seconds,
        "dispatcher": {
            "state": word,
            "limits_and_circuits": "shared" if found.scope == "shared" else "of each process by itself",
            "lanes": len(found.lanes),
            "running": found.used,
            "queue_depth": found.waiting,
            "open_circuits": open_circuits,
        },
        "live_streams": found.live_streams,
        "processes": [
            {
                "process": each.process,
                "kind": each.kind,
                "seen_s_ago": round(max(0.0, found.at - each.at), 1),
                "up_s": round(max(0.0, found.at - each.started_at)),
                "loop_late_ms": round(each.late_s * 1000, 1),
                "loop_blocked": each.blocked,
                "journal_lag_s": round(each.journal_lag_s, 3),
            }
            for each in found.processes
        ],
        "providers": {slug: _provider(each) for slug, each in providers.items()},
    }


def _provider(found: Provider) -> dict[str, Any]:
    rate, p95 = found.error_rate, found.p95_s
    return {
        "state": found.state,
        "last_hour": {
            "requests": found.requests,
            "failures": found.failures,
            "error_rate": None if rate is None else round(rate, 4),
            "first_output_p95_s": None if p95 is None else round(p95, 3),
        },
        "circuits": [
            {
                **msgspec.structs.asdict(each.state),
                "next_probe_s": round(each.next_probe_s, 1),
                "open_in_processes": each.processes,
            }
            for each in found.circuits
        ],
        "lanes": found.lanes,
    }

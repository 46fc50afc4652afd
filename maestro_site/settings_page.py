"""The settings page, for owners of the installation: limits and circuits, and private addresses that may be reached."""

import logging
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from maestro_site.datadir import DataDirError
from maestro_site.monitoring import publisher
from maestro_site.monitoring import rows as monitoring
from providers_app import conf
from providers_app.errors import ProviderError
from providers_app.wire.guard import pair_in
from sessions_app import selectors
from sessions_app.models import AuthSession
from sessions_app.services import addresses, trail
from sessions_app.views.access import allow_asked

logger = logging.getLogger("maestro.dispatcher")

SETTING = "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS"


@login_required
@require_safe
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show the limits and circuits of all sessions, and what addresses are allowed, by whom, for which sessions."""
    _require_owner(request)
    used = _users_of_addresses(request)
    rows = [{"address": row, "used": used.get(row.pair, [])} for row in addresses.listing()]
    found = publisher.looked()
    context = {
        "rows": rows,
        "entries": conf.current().allowed_private_hosts,
        "setting": SETTING,
        "limits": monitoring.limits(found, request.user.pk),
        "reach": monitoring.reach(found),
        "may_close": True,
    }
    return render(request, "settings/settings.html", context)


@login_required
@require_POST
def allow_address(request: HttpRequest) -> HttpResponse:
    """Allow the address in ``allow``; go on at ``next``, else at the settings."""
    if not request.POST.get("allow", "").strip():
        messages.error(request, "Give a host and port, such as 192.168.1.40:8000.")
    allow_asked(request)
    to = request.POST.get("next", "")
    # Not ``redirect``, which takes a text without a slash for the name of a page.
    return HttpResponseRedirect(to) if to and url_has_allowed_host_and_scheme(to, None) else redirect("settings")


@login_required
@require_POST
def remove_address(request: HttpRequest) -> HttpResponse:
    """Take back the permission of ``pair``."""
    _require_owner(request)
    pair = request.POST.get("pair", "")
    if addresses.revoke(pair, actor_id=request.user.pk):
        messages.success(request, f"{pair} is removed. The next request there is refused.")
    return redirect("settings")


@login_required
@require_POST
def close_circuit(request: HttpRequest) -> HttpResponse:
    """Close the circuit of ``provider``, ``session`` and ``model`` here now, and in other processes soon."""
    if not may_close(request.user):
        raise PermissionDenied
    provider, session, model = (request.POST.get(name, "")[:200] for name in ("provider", "session", "model"))
    try:
        row = AuthSession.objects.filter(pk=selectors.id_of(session)).first()
    except ProviderError as error:
        raise Http404 from error
    try:
        publisher.here.close(provider, session, model)
    except (OSError, DataDirError) as error:
        logger.warning("other processes cannot be told of a circuit that was closed: %s", error)
        messages.error(request, "The circuit is closed here. Other processes cannot be told: the data folder is full.")
    else:
        interval = settings.MAESTRO.monitoring.health_check_interval_seconds
        messages.success(request, f"Circuit closed. Other processes follow within {interval:g} s.")
    logger.info("circuit %s/%s/%s: closed by user %s", provider, session, model, request.user.pk)
    if row is not None:
        trail.note(row, trail.CIRCUIT_CLOSED, model, actor_id=request.user.pk)
    return redirect("settings" if request.POST.get("next") == "settings" else "home")


def may_close(user: Any) -> bool:
    """Return whether this person may close circuits: staff, and owners of the installation."""
    return bool(user.is_active and (user.is_staff or user.is_superuser))


def _require_owner(request: HttpRequest) -> None:
    if not addresses.may_allow(request.user):
        raise PermissionDenied


def _users_of_addresses(request: HttpRequest) -> dict[str, list[dict[str, Any]]]:
    """Return the sessions of all people by the ``host:port`` of their base URL, the one that was used last first."""
    found: dict[str, list[dict[str, Any]]] = {}
    sessions = selectors.visible().exclude(base_url="").order_by("-last_used_at", "name")
    for session in sessions.only("id", "name", "base_url", "last_used_at", "owner__username").select_related("owner"):
        try:
            pair = pair_in(session.base_url)
        except ProviderError:
            continue
        mine = session.owner_id == request.user.pk
        row = {"session": session, "mine": mine, "owner": session.owner.get_username()}
        found.setdefault(pair, []).append(row)
    return found

"""The table of sessions."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sessions_app import selectors
from sessions_app.models import AuthSession
from sessions_app.services import lifecycle, notices
from sessions_app.views.access import row_context, signed_in

PER_PAGE = 50
LONGEST = {"q": 100, "provider": 40, "auth_type": 16}  # characters of each filter that are read
CHIPS = {
    "all": "All", "active": "Active", "expiring": "Expiring", "limited": "Limited", "attention": "Needs a person",
    "disabled": "Disabled",
}  # fmt: skip


@never_cache
@signed_in
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """List the person's sessions, filtered; htmx gets the results alone, or only the chips with their counts."""
    lifecycle.purge_deleted()
    htmx = request.htmx  # type: ignore[attr-defined]
    if htmx and not htmx.history_restore_request:
        template = "sessions/_chips.html" if htmx.target == "session-chips" else "sessions/_results.html"
        return render(request, template, _results(request))
    context = _results(request) | {
        "deleted": _just_deleted(request),
        "open_notices": notices.open_notices(request.user.pk).count(),
    }
    return render(request, "sessions/list.html", context)


def _results(request: HttpRequest) -> dict[str, Any]:
    owner_id = request.user.pk
    # Without NUL, which a database refuses to search for.
    typed = {name: request.GET.get(name, "").replace("\x00", "").strip() for name in LONGEST}
    chosen = {name: text[: LONGEST[name]] for name, text in typed.items()}
    rows = selectors.filtered(owner_id, query=chosen["q"], provider=chosen["provider"], auth_type=chosen["auth_type"])
    counts = selectors.counts(owner_id, rows)
    group = request.GET.get("status", "all")
    group = group if group in counts else "all"
    shown = selectors.in_group(selectors.with_state(rows), group)
    page = Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))
    kept = {name: value for name, value in chosen.items() if value}
    return {
        **chosen,
        "group": group,
        "chips": [
            (slug, label, counts[slug], urlencode(kept | ({"status": slug} if slug != "all" else {})))
            for slug, label in CHIPS.items()
            if counts[slug] or slug in {"all", "active", group}
        ],
        "page_obj": page,
        "rows": [row_context(session) for session in page],
        "total": counts["all"],
        "filtering": bool(kept) or group != "all",
        "providers": selectors.providers_in_use(owner_id),
        "auth_types": AuthSession.AuthType.choices,
    }


def _just_deleted(request: HttpRequest) -> AuthSession | None:
    """Return the session whose deletion led here, while it can still be undone."""
    with suppress(ValueError):
        return lifecycle.restorable(request.user.pk, UUID(request.GET.get("deleted", "")))
    return None

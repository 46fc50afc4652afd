"""The home page: first steps on a fresh installation, else an overview of sessions, providers and chats."""

from collections import Counter
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Case, F, OuterRef, QuerySet, Subquery, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from context_app import selectors as chats
from context_app.models import Context, Turn
from context_app.services import contexts
from maestro_site import health, settings_page
from maestro_site.monitoring import publisher
from maestro_site.monitoring import rows as monitoring
from maestro_site.monitoring.overview import Overview
from providers_app.errors import DuplicateSession, ProviderError
from sessions_app import providers, selectors
from sessions_app.models import AuthSession, Pk
from sessions_app.services import connect
from sessions_app.views import notices
from sessions_app.views.access import row_context

DEMO = "demo"
DEMO_NAME = "try_demo"
ROWS_SHOWN = 4
CHATS_SHOWN = 5
CIRCUITS_SHOWN = 3
"""Circuits of one provider that are not closed and are shown."""
REFRESH_S = 10
"""Seconds after which an open page asks for the health of providers again."""

# Worst first: what needs a person, then what recovers by itself, then what works. Disabled sessions are left out.
_URGENCY = (
    "needs_reauth", "forbidden", "misconfigured", "expired", "refused",
    "retrying", "unreachable", "unknown", "failing", "limited", "expiring", "active",
)  # fmt: skip

_CHECK_WORDS = {
    "key ring": ("Encryption key made", "Encryption key"),
    "database": ("Database ready", "Database"),
    "disk": ("Disk ready", "Disk"),
    "broker": ("Queue ready", "Queue"),
    "worker": ("Worker running", "Worker"),
    "beat": ("Schedule running", "Schedule"),
}


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the first steps while there is no session and no chat, else the overview; a bounded number of queries."""
    owner_id = request.user.pk
    counts = selectors.counts(owner_id)
    recent = list(_recent_chats(owner_id))
    facts = installation()
    if not counts["all"] and not recent:
        connectable = [card for card in providers.cards() if not card.problem]  # by name
        tiles = sorted(connectable, key=lambda card: card.slug == DEMO)
        return render(request, "home.html", {"fresh": True, "tiles": tiles, "facts": facts})
    notice_rows = notices.notice_rows(owner_id)
    shown = notice_rows[: notices.SHOWN_AT_HOME]
    notices.mark_seen(owner_id, shown)
    context = _providers_context(request) | {
        "fresh": False,
        "notices": shown,
        "hidden": len(notice_rows) - len(shown),
        "counts": counts,
        "soon": counts["expiring"] + counts["limited"],
        "rows": session_rows(owner_id),
        "chats": recent,
        "broken": [fact for fact in facts if not fact.ok],
    }
    return render(request, "home.html", context)


@login_required
@require_safe
def providers_card(request: HttpRequest) -> HttpResponse:
    """Return the card of the providers alone, which the page asks for again while it is open."""
    return render(request, "home/_providers.html", _providers_context(request))


def _providers_context(request: HttpRequest) -> dict[str, Any]:
    found = publisher.looked()
    return {
        "providers": provider_rows(request.user.pk, found),
        "reach": monitoring.reach(found) if len(found.processes) > 1 else "",
        "every": REFRESH_S,
        "may_close": settings_page.may_close(request.user),
    }


@login_required
@require_POST
def try_demo(request: HttpRequest) -> HttpResponse:
    """Open a chat with the demo provider, whose session is created when there is none, and only once."""
    try:
        session = _demo_session(request.user.pk)
        info = providers.info(session.provider)
        context = contexts.create(owner=request.user, session=session, model=info.default_model if info else "")
    except ProviderError as error:
        messages.error(request, f"The demo cannot be started: {error.message} {error.hint or ''}".strip())
        return redirect("home")
    return redirect("chats:detail", context.pk)


def session_rows(owner_id: Pk) -> list[dict[str, Any]]:
    """Return the ``row_context`` of the sessions to show, those that need attention first. One query."""
    urgency = Case(*(When(state=state, then=Value(place)) for place, state in enumerate(_URGENCY)), default=Value(99))
    found = selectors.with_state(selectors.owned(owner_id)).exclude(status=AuthSession.Status.DISABLED)
    return list(map(row_context, found.order_by(urgency, F("last_used_at").desc(nulls_last=True), "name")[:ROWS_SHOWN]))


def provider_rows(owner_id: Pk, found: Overview) -> list[dict[str, Any]]:
    """Return the providers in use with their health, and those that do not load, whose ``problem`` says why.

    These come first, then those with an open circuit. The circuits are those of the person's own sessions. One query.
    """
    owned = {str(row.pk): row for row in selectors.owned(owner_id).only("pk", "owner_id", "name", "provider")}
    used = Counter(row.provider for row in owned.values())
    known = found.providers(sessions=owned.keys())
    problems = dict.fromkeys(used, "Its package is not installed any more.")
    problems |= {card.slug: card.problem for card in providers.cards() if card.problem or card.slug in used}
    rows = []
    for slug, problem in problems.items():
        health = known.get(slug)
        circuits = [circuit for circuit in health.circuits if circuit.is_open] if health is not None else []
        rows.append(
            {
                "slug": slug,
                "monogram": providers.monogram(slug),
                "sessions": used.get(slug, 0),
                "problem": problem,
                "health": monitoring.health_of(health),
                "open": [monitoring.circuit_row(circuit, owned, owner_id) for circuit in circuits[:CIRCUITS_SHOWN]],
            }
        )
    urgency = {"bad": 0, "warn": 1}
    return sorted(rows, key=lambda row: (not row["problem"], urgency.get(row["health"]["pill"][0], 2), row["slug"]))


def installation() -> list[health.Check]:
    """Check the parts of this installation now, in words for the page."""
    facts = []
    for check in health.readiness():
        good, plain = _CHECK_WORDS[check.name]
        detail = "keep a copy of it" if check.ok and check.name == "key ring" else check.detail
        if not check.ok and detail.startswith("seen "):
            detail = f"last {detail}"
        facts.append(replace(check, name=good if check.ok else plain, detail=detail))
    return facts


def _recent_chats(owner_id: Pk) -> "QuerySet[Context]":
    last = Turn.objects.filter(context=OuterRef("pk")).order_by("-created_at", "-pk")
    return (
        chats.owned(owner_id)
        .filter(archived_at=None)
        .select_related("session")
        .only("id", "title", "model", "updated_at", "session__name", "session__provider")
        .annotate(last_state=Subquery(last.values("stream__state")[:1]))
        .order_by("-updated_at")[:CHATS_SHOWN]
    )


def _demo_session(owner_id: Pk) -> AuthSession:
    """Return a usable demo session, created when there is none. Raises ``ProviderError`` where that is impossible."""
    own = selectors.owned(owner_id).filter(provider=DEMO)
    usable = own.exclude(status=AuthSession.Status.DISABLED).order_by("created_at")
    if found := usable.first():
        return found
    name = connect.suggest_name(owner_id, DEMO) if own.exists() else DEMO_NAME
    try:
        return connect.create(owner_id=owner_id, provider=DEMO, auth_type="none", name=name, actor_id=owner_id)
    except DuplicateSession:
        # Created meanwhile by a second click.
        if found := usable.first():
            return found
        raise

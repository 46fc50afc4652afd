"""The home page: first steps on a fresh installation, else an overview of sessions, providers and chats."""

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, F, OuterRef, QuerySet, Subquery, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_POST, require_safe

from context_app import selectors as chats
from context_app.models import Context, Turn
from context_app.services import contexts
from maestro_site import health
from providers_app.errors import DuplicateSession, ProviderError
from sessions_app import providers, selectors
from sessions_app.models import AuthSession
from sessions_app.presenters import status
from sessions_app.services import connect
from sessions_app.views import notices

DEMO = "demo"
DEMO_NAME = "try_demo"
ROWS_SHOWN = 4
CHATS_SHOWN = 5

# Worst first: what needs a person, then what recovers by itself, then what works. Disabled sessions are left out.
_URGENCY = (
    "needs_reauth", "forbidden", "misconfigured", "expired", "unreachable",
    "unknown", "failing", "limited", "expiring", "active",
)  # fmt: skip

_CHECK_WORDS = {
    "key ring": ("Encryption key made", "Encryption key"),
    "database": ("Database ready", "Database"),
    "broker": ("Queue ready", "Queue"),
    "worker": ("Worker running", "Worker"),
    "beat": ("Schedule running", "Schedule"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of "This installation": a label, whether it holds, and a detail."""

    words: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Row:
    """One session with its state in words and its provider's two letters."""

    session: AuthSession
    status: status.StatusView
    monogram: str


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One provider in use, or one that does not load; ``problem`` says why, and is empty when it does."""

    slug: str
    monogram: str
    sessions: int
    problem: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One provider to begin with."""

    name: str
    monogram: str
    url: str


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the first steps while there is no session and no chat, else the overview; a bounded number of queries."""
    owner_id = _owner_id(request)
    counts = selectors.counts(owner_id)
    recent = list(_recent_chats(owner_id))
    facts = installation()
    notice_rows = notices.notice_rows(owner_id)
    if not counts["all"] and not recent:
        return render(request, "home.html", {"fresh": True, "tiles": tiles(), "facts": facts})
    shown = notice_rows[: notices.SHOWN_AT_HOME]
    notices.mark_seen(owner_id, shown)
    return render(
        request,
        "home.html",
        {
            "fresh": False,
            "notices": shown,
            "hidden": len(notice_rows) - len(shown),
            "counts": counts,
            "soon": counts["expiring"] + counts["limited"],
            "rows": session_rows(owner_id),
            "providers": provider_rows(owner_id),
            "chats": recent,
            "broken": [fact for fact in facts if not fact.ok],
        },
    )


@login_required
@require_POST
def try_demo(request: HttpRequest) -> HttpResponse:
    """Open a chat with the demo provider, whose session is created when there is none, and only once."""
    try:
        session = _demo_session(_owner_id(request))
        info = providers.info(session.provider)
        context = contexts.create(owner=request.user, session=session, model=info.default_model if info else "")
    except ProviderError as error:
        messages.error(request, f"The demo cannot be started: {error.message} {error.hint or ''}".strip())
        return redirect("home")
    return redirect("chats:detail", context.pk)


def session_rows(owner_id: int | str) -> list[Row]:
    """Return the sessions to show, those that need attention first. One query."""
    urgency = Case(*(When(state=state, then=Value(place)) for place, state in enumerate(_URGENCY)), default=Value(99))
    found = selectors.with_state(selectors.owned(owner_id)).exclude(status=AuthSession.Status.DISABLED)
    return [
        Row(session, status.describe(session), providers.monogram(session.provider))
        for session in found.order_by(urgency, F("last_used_at").desc(nulls_last=True), "name")[:ROWS_SHOWN]
    ]


def provider_rows(owner_id: int | str) -> list[ProviderRow]:
    """Return the providers in use and the broken ones, those with a problem first. One query."""
    used = dict(selectors.owned(owner_id).order_by().values_list("provider").annotate(n=Count("pk")))
    cards = {card.slug: card for card in providers.cards()}
    rows = [
        ProviderRow(card.slug, card.monogram, used.get(card.slug, 0), card.problem)
        for card in cards.values()
        if card.problem or card.slug in used
    ]
    rows += [
        ProviderRow(slug, providers.monogram(slug), number, "Its package is not installed any more.")
        for slug, number in used.items()
        if slug not in cards
    ]
    return sorted(rows, key=lambda row: (not row.problem, row.slug))


def installation() -> list[Fact]:
    """Check the parts of this installation now, in words for the page."""
    facts = []
    for check in health.readiness():
        good, plain = _CHECK_WORDS.get(check.name, (check.name.capitalize(), check.name.capitalize()))
        detail = "keep a copy of it" if check.ok and check.name == "key ring" else check.detail
        if not check.ok and detail.startswith("seen "):
            detail = f"last {detail}"
        facts.append(Fact(good if check.ok else plain, check.ok, detail))
    return facts


def tiles() -> list[Tile]:
    """Return the providers that can be connected, by name, the demo last, without the broken ones."""
    try:
        address = reverse("sessions:connect")
    except NoReverseMatch:
        return []
    usable = [card for card in providers.cards() if not card.problem]
    usable.sort(key=lambda card: card.slug == DEMO)
    return [Tile(card.name, card.monogram, f"{address}?{urlencode({'provider': card.slug})}") for card in usable]


def _owner_id(request: HttpRequest) -> int | str:
    # Both views require a signed-in person.
    return cast("int | str", request.user.pk)


def _recent_chats(owner_id: int | str) -> "QuerySet[Context]":
    last = Turn.objects.filter(context=OuterRef("pk")).order_by("-created_at", "-pk")
    return (
        chats.owned(owner_id)
        .filter(archived_at=None)
        .select_related("session")
        .only("id", "title", "model", "updated_at", "session__name", "session__provider")
        .annotate(last_state=Subquery(last.values("stream__state")[:1]))
        .order_by("-updated_at")[:CHATS_SHOWN]
    )


def _demo_session(owner_id: int | str) -> AuthSession:
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

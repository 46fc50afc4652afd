"""Notices: what needs a person, each with its next action; dismissed with an undo."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from sessions_app import selectors
from sessions_app.models import AuthSession, Pk
from sessions_app.presenters.status import describe
from sessions_app.services import notices as service
from sessions_app.views.access import signed_in, toast

SHOWN_AT_HOME = 3
_TONES = ("bad", "warn", "mute")


def notice_rows(owner_id: Pk) -> list[dict[str, Any]]:
    """Return the owner's open Notices with session, status and tone: failures first, then the newest; two queries."""
    found = list(service.open_notices(owner_id))
    ids = {notice.session_id for notice in found if notice.session_id}
    sessions = selectors.with_state(selectors.owned(owner_id)).filter(pk__in=ids) if ids else ()
    by_id: dict[Any, AuthSession] = {session.pk: session for session in sessions}
    rows: list[dict[str, Any]] = []
    for notice in found:
        session = by_id.get(notice.session_id)
        tone = "mute" if notice.kind == service.SWITCHED_OFF else "bad" if notice.kind in service.BAD else "warn"
        status = describe(session) if session else None
        rows.append({"notice": notice, "session": session, "status": status, "tone": tone})
    return sorted(rows, key=lambda row: _TONES.index(row["tone"]))


def mark_seen(owner_id: Pk, rows: list[dict[str, Any]]) -> None:
    """Mark these Notices as seen by their owner; writes only where one is new."""
    new = [row["notice"].pk for row in rows if row["notice"].seen_at is None]
    if new:
        service.see(owner_id, new)


@never_cache
@signed_in
@require_safe
def notice_list(request: HttpRequest) -> HttpResponse:
    """Show the page; htmx gets the list alone, for Home its first ones."""
    if request.htmx:  # type: ignore[attr-defined]
        return _list(request, request.GET.get("part", ""))
    rows = notice_rows(request.user.pk)
    page = render(request, "sessions/notices.html", {"notices": rows, "mail": _mail(request)})
    # After rendering, so that this page still marks them as new.
    mark_seen(request.user.pk, rows)
    return page


@require_POST
@never_cache
@signed_in
def dismiss(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Close a Notice of one's own."""
    if not service.dismiss(request.user.pk, notice_id):
        raise Http404("There is no such open notice.")
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, "The notice is dismissed.")
        return redirect("home" if request.POST.get("part") == "home" else "sessions:notices")
    undo = reverse("sessions:notice-reopen", args=[notice_id])
    return toast(_list(request, request.POST.get("part", "")), "Notice dismissed", undo=undo)


@require_POST
@never_cache
@signed_in
def reopen(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Undo a dismissal."""
    if not service.reopen(request.user.pk, notice_id):
        raise Http404("There is no such notice, or it is open.")
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("sessions:notices")
    return trigger_client_event(HttpResponse(status=204), "notices-reload", {})


def _list(request: HttpRequest, part: str) -> HttpResponse:
    rows = notice_rows(request.user.pk)
    context: dict[str, Any] = {"notices": rows, "part": "", "oob": True}
    if part == "home":
        context |= {"part": "home", "notices": rows[:SHOWN_AT_HOME], "hidden": max(0, len(rows) - SHOWN_AT_HOME)}
    return render(request, "sessions/_notices.html", context)


def _mail(request: HttpRequest) -> str:
    if not service.mail_enabled():
        return "Nothing is sent by e-mail: no mail server is configured (MAESTRO_EMAIL__HOST)."
    address = getattr(request.user, "email", "")
    if not address:
        return "Nothing is sent to you by e-mail: your account has no address. An operator can set it in the admin."
    return f"What you have not seen within a minute is also sent to {address}."

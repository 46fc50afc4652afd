"""The chat page and the chat list beside it, and the actions on a whole chat."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from context_app import media_store, rendering, selectors, server_tools, session_models
from context_app.access import owner, owner_view
from context_app.forms import ParametersForm, TitleForm, search_text
from context_app.models import Context, Turn
from context_app.services import choosing, chunks, contexts
from context_app.views.panel import panel, session_of
from context_app.views.request import params_drawer
from providers_app.errors import NoUsableRoute, UnknownAlias, UnknownMedia
from sessions_app import alias_selectors
from sessions_app.models import AuthSession

STRIPE = (
    "How would you write a FastAPI application that handles Stripe-based subscriptions? Include error handling and "
    "webhook verification."
)
SUGGESTIONS = (
    ("braces", "Stripe subscriptions in FastAPI", STRIPE),
    ("shield", "Review a function", "Review this function for concurrency bugs and say how you would test it:\n\n"),
    ("chart", "Explain a slow query", "Why is this SQL query slow, and which index would help?\n\n"),
    ("edit", "Say it shorter", "Make this text half as long without losing a fact:\n\n"),
)


@login_required
@require_GET
def chat_list(request: HttpRequest) -> HttpResponse:
    """Show the chats, and a composer that begins a new one."""
    person = owner(request)
    sessions = selectors.sessions(person.pk)
    session, model, suggested = _preferred(person, sessions)
    data = {
        **_sidebar(request),
        "context": None,
        "sessions": sessions,
        "aliases": alias_selectors.owned(person.pk),
        "session": session,
        "model": model,
        "suggested": suggested,
        "params_form": ParametersForm(),
    }
    return render(request, "chats/page.html", data)


@owner_view("GET")
def detail(request: HttpRequest, context: Context) -> HttpResponse:
    """Show one chat: its conversation, the composer and the context panel."""
    turns, more = selectors.turns(context)
    system = chunks.system_chunk(context)
    data = {
        **_sidebar(request),
        **panel(context),
        "sessions": selectors.sessions(owner(request).pk),
        "aliases": alias_selectors.owned(context.owner_id),
        "alias": context.alias,
        "session": session_of(context),
        "model": context.model,
        "suggested": context.model_suggested,
        "turns": rendering.render_turns(turns),
        "more_turns": more,
        **params_drawer(context, system.content if system else ""),
    }
    return render(request, "chats/page.html", data)


@login_required
@require_GET
def sidebar(request: HttpRequest) -> HttpResponse:
    """Show the chat list alone: all chats, those that match a search, or the archived ones."""
    return render(request, "chats/_sidebar_list.html", _sidebar(request))


@owner_view("GET")
def earlier(request: HttpRequest, context: Context) -> HttpResponse:
    """Show the turns before the turn ``before``."""
    try:
        before = selectors.get_turn(context, UUID(request.GET.get("before", "")))
    except (ValueError, Turn.DoesNotExist):
        raise Http404("There is no such turn.") from None
    turns, more = selectors.turns(context, before=before)
    data = {"context": context, "turns": rendering.render_turns(turns), "more_turns": more}
    return render(request, "chats/_turns.html", data)


@login_required
@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """Create a chat with the given session and model, else with those used last, and go to its page."""
    person = owner(request)
    sessions = selectors.sessions(person.pk)
    wanted = request.POST.get("session") or request.GET.get("session") or ""
    if wanted.startswith(choosing.ALIAS):
        return _new_by_alias(person, wanted)
    session = next((item for item in sessions if str(item.pk) == wanted), None)
    if wanted and session is None:
        raise Http404("There is no such session.")
    session, model, suggested = _preferred(person, [session] if session else sessions, ask=True)
    given = request.POST.get("model", "").strip()
    if given and given != model:
        model, suggested = given, False
    context = contexts.create(owner=person, session=session, model=model, model_suggested=suggested)
    return redirect("chats:detail", pk=context.pk)


def _new_by_alias(person: Any, ref: str) -> HttpResponse:
    try:
        choice = choosing.routes_of(alias_selectors.find(person.pk, ref.removeprefix(choosing.ALIAS)))
    except UnknownAlias as error:
        raise Http404(error.message) from None
    except NoUsableRoute:
        return redirect("aliases:list")
    context = contexts.create(owner=person, session=choice.session, model=choice.model, alias=choice.alias)
    return redirect("chats:detail", pk=context.pk)


@owner_view("POST")
def rename(request: HttpRequest, context: Context) -> HttpResponse:
    """Store the title; answers with the header's title, or the form with its errors."""
    form = TitleForm(request.POST)
    if not form.is_valid():
        return render(request, "chats/_title.html", {"context": context, "title_form": form}, status=422)
    contexts.update(context=context, title=form.cleaned_data["title"])
    return _list_changed(render(request, "chats/_title.html", {"context": context}))


@owner_view("POST")
def pin(request: HttpRequest, context: Context) -> HttpResponse:
    """Pin the chat, or unpin it."""
    contexts.update(context=context, pinned=not context.pinned)
    return _list_changed(render(request, "chats/_header_menu.html", {"context": context}))


@owner_view("POST")
def archive(request: HttpRequest, context: Context) -> HttpResponse:
    """Archive the chat, or unarchive it."""
    contexts.update(context=context, archived_at=None if context.archived_at else timezone.now())
    message = "Chat archived" if context.archived_at else "Chat is back in the list"
    response = render(request, "chats/_header_menu.html", {"context": context})
    return _list_changed(response, message=message, undo=reverse("chats:archive", args=[context.pk]))


@owner_view("POST")
def delete(request: HttpRequest, context: Context) -> HttpResponse:
    """Delete the chat; the toast has an Undo."""
    contexts.delete(context=context)
    if not request.headers.get("HX-Request"):
        return redirect("chats:list")
    undo = reverse("chats:restore", args=[context.pk])
    # The page of a deleted chat is left without a reload, so that the toast with its Undo stays.
    return _list_changed(HttpResponse(headers={"HX-Reswap": "none"}), message="Chat deleted", undo=undo)


@login_required
@require_POST
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Restore a deleted chat."""
    context = Context.objects.filter(owner=owner(request), pk=pk).first()
    if context is None:
        raise Http404("There is no such chat.")
    contexts.restore(context=context)
    if not request.headers.get("HX-Request"):
        return redirect("chats:detail", pk=pk)
    return HttpResponse(headers={"HX-Redirect": reverse("chats:detail", args=[pk])})


@login_required
@require_GET
@cache_control(private=True, max_age=31_536_000, immutable=True)
def media(request: HttpRequest, ref: UUID) -> HttpResponseBase:
    """Send the bytes of a file of the signed-in person, else 404."""
    try:
        found = media_store.find(owner(request).pk, ref)
        content = media_store.path_of(ref).open("rb")
    except (UnknownMedia, OSError):
        raise Http404("There is no such file.") from None
    shown = found.media_type in media_store.SHOWN
    name = found.name or f"{ref.hex[:8]}.{found.media_type.rpartition('/')[2] or 'bin'}"
    kind = found.media_type if shown else "application/octet-stream"
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return FileResponse(content, as_attachment=not shown, filename=name, content_type=kind, headers=headers)


def _list_changed(response: HttpResponse, *, message: str = "", undo: str = "") -> HttpResponse:
    """Make the page reload its chat list, and show a toast."""
    events: dict[str, object] = {"chats-changed": True}
    if message:
        events["toast"] = {"message": message, "undo": undo}
    response["HX-Trigger"] = json.dumps(events)
    return response


def _sidebar(request: HttpRequest) -> dict[str, Any]:
    person = owner(request)
    archived = request.GET.get("archived") == "1"
    query = search_text(request)
    current = request.GET.get("current") or (request.resolver_match.kwargs.get("pk") if request.resolver_match else "")
    return {
        "groups": selectors.sidebar(person.pk, query=query, archived=archived),
        "archived": archived,
        "archived_count": selectors.owned(person.pk).filter(archived_at__isnull=False).count(),
        "query": query,
        "current_id": str(current or ""),
        "suggestions": SUGGESTIONS,
        "max_frame_bytes": settings.MAESTRO.context.max_frame_bytes,
        "server_tools": server_tools.FOR_SCRIPTS,
    }


def _preferred(person: Any, sessions: list[AuthSession], *, ask: bool = False) -> tuple[AuthSession | None, str, bool]:
    """Return session and model of the newest chat with an active session, and whether Maestro chose the model.

    Without such a chat they are the first session that has a model to begin with, which ``ask`` may find out. Other
    sessions are considered only if none is active. The model need not be in the provider's list: many models that can
    be used are not listed.
    """
    usable = [item for item in sessions if item.status == AuthSession.Status.ACTIVE] or sessions
    rows = selectors.owned(person.pk).filter(session__in=usable).exclude(model="").order_by("-updated_at")
    if last := rows.values_list("session_id", "model", "model_suggested").first():
        return next(item for item in usable if item.pk == last[0]), last[1], last[2]
    for item in usable:
        model, suggested = session_models.first_model(item)
        if model:
            return item, model, suggested
    if not usable:
        return None, "", False
    return usable[0], *(session_models.first_model(usable[0], ask=True) if ask else ("", False))

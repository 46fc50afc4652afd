"""The chat page, the chat list beside it, and older turns of a long conversation."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from context_app import rendering, selectors, session_models
from context_app.access import context_or_404, owner
from context_app.forms import ParametersForm, search_text
from context_app.models import Context, Turn
from context_app.services import chunks, contexts
from context_app.views import params
from context_app.views.panel_data import panel, session_of
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
    """The chats, and the place where a new one begins."""
    person = owner(request)
    sessions = selectors.sessions(person.pk)
    session, model = _preferred(person, sessions)
    data = {
        **_sidebar(request),
        "context": None,
        "sessions": sessions,
        "session": session,
        "model": model,
        "suggestions": SUGGESTIONS,
        "max_frame_bytes": settings.MAESTRO.context.max_frame_bytes,
        "params_form": ParametersForm(),
    }
    return render(request, "chats/page.html", data)


@login_required
@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One chat: its conversation, the composer and the context panel."""
    context = context_or_404(request, pk)
    person = owner(request)
    sessions = selectors.sessions(person.pk)
    turns, more = selectors.turns(context)
    system = chunks.system_chunk(context)
    data = {
        **_sidebar(request),
        **panel(context),
        "sessions": sessions,
        "session": session_of(context),
        "model": context.model,
        "turns": drawn(turns),
        "more_turns": more,
        "suggestions": SUGGESTIONS,
        "max_frame_bytes": settings.MAESTRO.context.max_frame_bytes,
        **params.drawer(context, system.content if system else ""),
    }
    return render(request, "chats/page.html", data)


@login_required
@require_GET
def sidebar(request: HttpRequest) -> HttpResponse:
    """The chat list alone, searched or showing what was put away."""
    return render(request, "chats/_sidebar_list.html", _sidebar(request))


@login_required
@require_GET
def earlier(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Turns before the one named by ``before``."""
    context = context_or_404(request, pk)
    try:
        before = selectors.get_turn(context, UUID(request.GET.get("before", "")))
    except (ValueError, Turn.DoesNotExist):
        raise Http404("There is no such turn.") from None
    turns, more = selectors.turns(context, before=before)
    return render(request, "chats/_turns.html", {"context": context, "turns": drawn(turns), "more_turns": more})


@login_required
@require_POST
def new(request: HttpRequest) -> HttpResponse:
    """Begin a chat with the given session and model, else with those used last; goes to its page."""
    person = owner(request)
    sessions = selectors.sessions(person.pk)
    wanted = request.POST.get("session") or request.GET.get("session") or ""
    session = next((item for item in sessions if str(item.pk) == wanted), None)
    if wanted and session is None:
        raise Http404("There is no such session.")
    session, model = (session, _model_of(person, session)) if session else _preferred(person, sessions)
    model = request.POST.get("model", "").strip() or model
    context = contexts.create(owner=person, session=session, model=model)
    return redirect("chats:detail", pk=context.pk)


def drawn(turns: list[Turn]) -> list[dict[str, Any]]:
    """Each turn with its two pieces of HTML."""
    found = []
    for turn in turns:
        result = turn.stream.result if turn.stream is not None else None
        found.append(
            {"turn": turn, "user": rendering.render_user(turn), "answer": rendering.render_answer(turn, result or None)}
        )
    return found


def _sidebar(request: HttpRequest) -> dict[str, Any]:
    person = owner(request)
    archived = request.GET.get("archived") == "1"
    query = search_text(request)
    current = request.GET.get("current") or (request.resolver_match.kwargs.get("pk") if request.resolver_match else "")
    return {
        "groups": selectors.sidebar(person.pk, query=query, archived=archived),
        "archived": archived,
        "archived_count": selectors.archived_count(person.pk),
        "query": query,
        "current_id": str(current or ""),
    }


def _preferred(person: Any, sessions: list[AuthSession]) -> tuple[AuthSession | None, str]:
    """Session and model of the newest chat whose session works; without one the first that has a default model.

    Only where no session works, those that need somebody are looked at. The model is not judged by the provider's list:
    many models that can be asked are not listed.
    """
    usable = [item for item in sessions if item.status == AuthSession.Status.ACTIVE] or sessions
    rows = selectors.owned(person.pk).filter(session__in=usable).exclude(model="").order_by("-updated_at")
    if last := rows.values_list("session_id", "model").first():
        return next(item for item in usable if item.pk == last[0]), last[1]
    first = next((item for item in usable if session_models.default_model(item)), usable[0] if usable else None)
    return first, session_models.default_model(first) if first else ""


def _model_of(person: Any, session: AuthSession) -> str:
    """The model that this session was asked last in a chat, else its provider's default."""
    rows = Context.objects.filter(owner=person, session=session).exclude(model="").order_by("-updated_at")
    return rows.values_list("model", flat=True).first() or session_models.default_model(session)

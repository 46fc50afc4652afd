"""Who is asked, and the exact request that would be sent: the model picker and the preview."""

import json
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from context_app import assembly, markup, selectors, session_models
from context_app.access import context_or_404, owner
from context_app.advice import shown
from context_app.forms import ChooseForm
from context_app.models import Context
from context_app.services import contexts
from context_app.views.panel_data import panel, session_of
from providers_app import loop, provider
from providers_app.advice.draft import CHANGES
from providers_app.errors import EmptyPrompt, ProviderError
from providers_app.types.advice import Advice
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows

PREVIEW_SECONDS = 20.0
SHOWN_BYTES = 400_000


@login_required
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """The models of one session (``session``), for the picker; its provider's error where it gives none."""
    session = _session_or_404(request, request.GET.get("session", ""))
    found = session_models.listed(session, refresh=request.GET.get("refresh") == "1")
    chosen = request.GET.get("model", "")[:200]
    today = datetime.now(UTC).date()
    known = session_models.known(session, chosen) if chosen and found.get(chosen) is None else None
    data = {
        "session": session,
        "fetched": datetime.fromtimestamp(found.fetched_at, UTC) if found.fetched_at is not None else None,
        "rows": [model_rows.row(model, today) for model in found.models],
        "error": found.error,
        "lacks": found.lacks,
        "chosen": chosen,
        "unlisted": bool(chosen and found.models and found.get(chosen) is None and known is None),
        "near": next(iter(get_close_matches(chosen, [model.id for model in found.models], n=1)), ""),
        "default_model": session_models.default_model(session),
    }
    return render(request, "chats/_models.html", data)


@login_required
@require_POST
def choose(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask this session and model from the next message on; answers with the picker's button and the meter."""
    context = context_or_404(request, pk)
    form = ChooseForm(request.POST)
    if not form.is_valid():
        response = HttpResponse(status=422)
        response["HX-Trigger"] = json.dumps({"toast": {"message": "Choose a session and a model.", "level": "warn"}})
        response["HX-Reswap"] = "none"
        return response
    session = _session_or_404(request, str(form.cleaned_data["session"]))
    contexts.choose(context=context, session=session, model=form.cleaned_data["model"])
    data = {**panel(context), "session": session, "model": context.model}
    response = render(request, "chats/_chosen.html", data)
    response["HX-Trigger"] = "model-chosen"  # what was said of the parameters was about another model
    return response


@login_required
@require_http_methods(["GET", "POST"])
def preview(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The request that would be sent next, byte for byte, with the draft (``text``) as its last message.

    A draft comes by POST, because addresses end up in logs. ``download=1`` answers with the bytes themselves.
    """
    context = context_or_404(request, pk)
    rows = selectors.chunks(context)
    data: dict[str, Any] = {"context": context, "sent": assembly.sent(rows)}
    draft = request.POST.get("text", "").strip()
    try:
        prepared = _prepare(context, rows, draft)
    except ProviderError as error:
        data["error"] = error.info()
        return render(request, "chats/_preview.html", data)
    except TimeoutError:
        data["error"] = {
            "code": "timeout",
            "message": "The request could not be prepared in time.",
            "hint": "Try again.",
        }
        return render(request, "chats/_preview.html", data)
    text = prepared.body.decode("utf-8", "replace")
    if "1" in (request.GET.get("download"), request.POST.get("download")):
        response = HttpResponse(prepared.body, content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="request-{context.pk}.json"'
        return response
    data |= {"prepared": prepared, "body": text, "size": len(prepared.body), "draft": draft}
    data |= _said(prepared.advice)
    data["coloured"] = markup.inline_code_html(_pretty(text), "json")
    return render(request, "chats/_preview.html", data)


def _prepare(context: Context, rows: list[Any], draft: str) -> Any:
    session = session_of(context)
    if session is None or not context.model:
        raise EmptyPrompt("No session and model are chosen, so there is no request yet.", hint="Choose a model first.")
    messages = assembly.build_messages(rows)
    if draft:
        messages = assembly.with_user_text(messages, draft)
    if not messages:
        raise EmptyPrompt("Nothing would be sent yet.", hint="Write a message or add a note.")
    call = provider.preview_request(
        session.provider, str(session.pk), messages, model=context.model, owner=context.owner_id, **context.params
    )
    return loop.run(call, timeout=PREVIEW_SECONDS)


def _said(advice: tuple[Advice, ...]) -> dict[str, Any]:
    """What is not sent as it was asked for, and what else there is to say."""
    changed = [item for item in advice if item.code in CHANGES]
    return {
        "changes": [shown(item) for item in changed],
        "remarks": [shown(item) for item in advice if item not in changed],
    }


def _pretty(text: str) -> str:
    """The body for reading: indented, and cut where it would make the page slow. Copy and Download give the bytes."""
    try:
        shown = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        shown = text
    return shown if len(shown) <= SHOWN_BYTES else shown[:SHOWN_BYTES] + "\n…"


def _session_or_404(request: HttpRequest, session_id: str) -> AuthSession:
    try:
        return selectors.get_session(owner(request).pk, UUID(session_id))
    except (ValueError, AuthSession.DoesNotExist):
        raise Http404("There is no such session.") from None

"""The next request without its messages: its session and model, its parameters, and its preview."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from context_app import assembly, markup_worker, selectors, sending, server_tools, session_models
from context_app.access import owner, owner_view
from context_app.forms import ChooseForm, ParametersForm
from context_app.models import Context
from context_app.rendering import advice_view
from context_app.services import choosing, chunks, contexts
from context_app.services.choosing import ALIAS
from context_app.views.panel import panel, session_of
from providers_app import loop, provider
from providers_app.advice.draft import CHANGES
from providers_app.errors import EmptyPrompt, NoUsableRoute, ProviderError, UnknownAlias
from providers_app.types.advice import Advice
from sessions_app import alias_selectors
from sessions_app.credentials import login_of
from sessions_app.models import Alias, AuthSession
from sessions_app.presenters import model_rows

PREVIEW_SECONDS = 20.0
SHOWN_BYTES = 400_000


@login_required
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """Show the models of one session (``session``) in the picker, or why there are none; or the routes of an alias."""
    asked = request.GET.get("session", "")
    if asked.startswith(ALIAS):
        return render(request, "chats/_alias_routes.html", {"alias": _alias_or_404(request, asked)})
    session = _session_or_404(request, asked)
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
        "default_model": session_models.first_model(session)[0],
    }
    return render(request, "chats/_models.html", data)


@owner_view("POST")
def choose(request: HttpRequest, context: Context) -> HttpResponse:
    """Set session and model from the next message on; answers with the picker's button and the meter."""
    form = ChooseForm(request.POST)
    if not form.is_valid():
        trigger = json.dumps({"toast": {"message": "Choose a session and a model.", "level": "warn"}})
        return HttpResponse(status=422, headers={"HX-Trigger": trigger, "HX-Reswap": "none"})
    asked = form.cleaned_data["session"]
    try:
        if asked.startswith(ALIAS):
            choice = choosing.routes_of(_alias_or_404(request, asked))
        else:
            choice = choosing.Choice(_session_or_404(request, asked), form.cleaned_data["model"])
    except NoUsableRoute as error:
        trigger = json.dumps({"toast": {"message": f"{error.message} {error.hint}", "level": "warn"}})
        return HttpResponse(status=422, headers={"HX-Trigger": trigger, "HX-Reswap": "none"})
    columns = {"session": choice.session, "model": choice.model, "alias": choice.alias}
    contexts.update(context=context, model_suggested=False, **columns)
    data = {**panel(context), **columns}
    response = render(request, "chats/_chosen.html", data)
    response["HX-Trigger"] = "model-chosen"  # the advice about the parameters was about another model
    return response


@owner_view("POST")
def save_params(request: HttpRequest, context: Context) -> HttpResponse:
    """Store the parameters of the next requests, or show beside its field what would be refused."""
    form = ParametersForm(request.POST)
    found = _advice(context, form.params()) if form.is_valid() else []
    for item in found:
        if item.level == "error":
            form.add_error(item.field if item.field in form.fields else None, item.message)
    ok = form.is_valid()
    if ok:
        continuing = form.cleaned_data["continuing"] or Context.Continuing.AUTO
        contexts.update(context=context, params=form.params())
        contexts.set_continuing(context=context, actor=owner(request), continuing=continuing)
        chunks.set_system(context=context, actor=owner(request), content=form.cleaned_data["system"])
    data = {**panel(context), "params_form": form, "saved": ok, **_by_field(form, found)}
    response = render(request, "chats/_params_saved.html", data, status=200 if ok else 422)
    if ok:
        response["HX-Trigger"] = json.dumps({"params-saved": {"count": len(context.params)}})
    return response


@owner_view("POST")
def check_params(request: HttpRequest, context: Context) -> HttpResponse:
    """Show advice about the parameters as they are typed, without storing them.

    Fields without a readable number keep their own errors; the others are judged all the same.
    """
    form = ParametersForm(request.POST)
    form.is_valid()
    data = {"params_form": form, **_by_field(form, _advice(context, form.params())), "checked": True}
    return render(request, "chats/_params_advice.html", data)


def params_drawer(context: Context, system: str) -> dict[str, Any]:
    """Return the parameters drawer as the page opens it: the stored values and the advice about them."""
    form = ParametersForm(initial={**context.params, "continuing": context.continuing, "system": system})
    return {"params_form": form, **_by_field(form, _advice(context, context.params))}


@owner_view("GET", "POST")
def preview(request: HttpRequest, context: Context) -> HttpResponse:
    """Show the next request byte for byte, with the draft (``text``) as its last message.

    A draft comes by POST, because addresses end up in logs. ``download=1`` answers with the bytes themselves.
    """
    rows = sending.completed(selectors.chunks(context))
    data: dict[str, Any] = {"context": context, "sent": [row for row in rows if not row.not_sent]}
    draft = request.POST.get("text", "").strip()
    try:
        prepared = _prepare(context, rows, draft)
    except (ProviderError, TimeoutError) as error:
        late = {"code": "timeout", "message": "The request could not be prepared in time.", "hint": "Try again."}
        data["error"] = error.info() if isinstance(error, ProviderError) else late
        return render(request, "chats/_preview.html", data)
    text = prepared.body.decode("utf-8", "replace")
    if "1" in (request.GET.get("download"), request.POST.get("download")):
        headers = {"Content-Disposition": f'attachment; filename="request-{context.pk}.json"'}
        return HttpResponse(prepared.body, content_type="application/json", headers=headers)
    general = [item for item in prepared.advice if not item.source]
    changed = [item for item in general if item.code in CHANGES]
    data |= {
        "prepared": prepared,
        "body": text,
        "size": len(prepared.body),
        "draft": draft,
        "changes": [advice_view(item) for item in changed],
        "remarks": [advice_view(item) for item in general if item not in changed],
        "notes": _notes(prepared.advice),
        "coloured": markup_worker.inline_code_html(_indented(text), "json"),
    }
    return render(request, "chats/_preview.html", data)


@owner_view("GET")
def row_notes(request: HttpRequest, context: Context) -> HttpResponse:
    """Show on the rows of the panel what the format of the chosen model does to them, with the next message."""
    try:
        prepared = _prepare(context, sending.completed(selectors.chunks(context)), "…")
    except (ProviderError, TimeoutError):
        return HttpResponse(status=204)  # the preview says why there is no request
    return render(request, "chats/_row_notes.html", {"notes": _notes(prepared.advice)})


def _notes(found: Iterable[Advice]) -> dict[UUID, list[str]]:
    """Return the texts of the advice that is about a chunk, by the chunk's id."""
    notes: defaultdict[UUID, list[str]] = defaultdict(list)
    for item in found:
        if item.source:
            notes[UUID(item.source)].append(item.message)
    return dict(notes)


def _prepare(context: Context, rows: list[Any], draft: str) -> Any:
    session = session_of(context)
    if session is None or not context.model:
        raise EmptyPrompt("No session and model are chosen, so there is no request yet.", hint="Choose a model first.")
    messages = assembly.build_messages(rows)
    if draft:
        messages = assembly.with_user_text(messages, draft)
    if not messages:
        raise EmptyPrompt("Nothing would be sent yet.", hint="Write a message or add a note.")
    named: tuple[str, str, str | None] = (session.provider, str(session.pk), context.model)
    if context.alias_id is not None:
        named = "alias", str(context.alias_id), None
    options = {**context.params, "resumable": contexts.lasting(context).get("resumable", False)}
    call = provider.preview_request(*named[:2], messages, model=named[2], owner=context.owner_id, **options)
    return loop.run(call, timeout=PREVIEW_SECONDS)


def _indented(text: str) -> str:
    """Return the body indented for reading, without most of the base64 in it, and cut if it would slow the page."""
    try:
        return server_tools.indented(json.loads(text), limit=SHOWN_BYTES)
    except (ValueError, RecursionError):
        return text[:SHOWN_BYTES]


def _alias_or_404(request: HttpRequest, ref: str) -> Alias:
    try:
        return alias_selectors.find(owner(request).pk, ref.removeprefix(ALIAS))
    except UnknownAlias as error:
        raise Http404(error.message) from None


def _session_or_404(request: HttpRequest, session_id: str) -> AuthSession:
    try:
        return selectors.get_session(owner(request).pk, UUID(session_id))
    except (ValueError, AuthSession.DoesNotExist):
        raise Http404("There is no such session.") from None


def _advice(context: Context, values: dict[str, Any]) -> list[Advice]:
    """Return advice about parameters for the chat's session and model; none before they are chosen."""
    session = session_of(context)
    if session is None or not context.model:
        return []
    try:
        return provider.validate_parameters(
            session.provider,
            context.model,
            values,
            credential=login_of(session),
            session=session.name,
            known=session_models.known(session, context.model),
        )
    except ProviderError as error:
        return [Advice(level="warning", field="", what=error.message, code=error.code)]


def _by_field(form: ParametersForm, found: list[Advice]) -> dict[str, Any]:
    """Return advice by the field that it is about, and general advice; a field with errors shows only those."""
    views = [advice_view(item) for item in found]
    fields = {
        name: [view for view in views if view["field"] == name] for name in form.fields if name not in form.errors
    }
    return {"advice": fields, "general_advice": [view for view in views if view["field"] not in form.fields]}

"""The parameters drawer: what is said of its fields while they are typed, and storing them."""

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from context_app import session_models
from context_app.access import context_or_404, owner
from context_app.advice import AdviceView, shown
from context_app.forms import ParametersForm
from context_app.models import Context
from context_app.services import chunks, contexts
from context_app.views.panel_data import panel, session_of
from providers_app import provider
from providers_app.errors import ProviderError
from providers_app.types.advice import Advice
from sessions_app.credentials import login_of


@login_required
@require_POST
def save(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Store the parameters of the next requests. What would be refused is not stored but said beside its field."""
    context = context_or_404(request, pk)
    form = ParametersForm(request.POST)
    found = judge(context, form.params()) if form.is_valid() else []
    for item in found:
        if item.level == "error":
            form.add_error(item.field if item.field in form.fields else None, item.message)
    ok = form.is_valid()
    if ok:
        contexts.set_params(context=context, params=form.params())
        chunks.set_system(context=context, actor=owner(request), content=form.cleaned_data["system"])
    data = {**panel(context), "params_form": form, "saved": ok, **beside(form, found)}
    response = render(request, "chats/_params_saved.html", data, status=200 if ok else 422)
    if ok:
        response["HX-Trigger"] = json.dumps({"params-saved": {"count": len(context.params)}})
    return response


@login_required
@require_POST
def check(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What is to be said of the fields as they are now; nothing is stored.

    Fields that no number can be read from are left to their own errors; the others are judged all the same.
    """
    context = context_or_404(request, pk)
    form = ParametersForm(request.POST)
    form.is_valid()
    found = judge(context, form.params())
    return render(request, "chats/_params_advice.html", {"params_form": form, **beside(form, found), "checked": True})


def drawer(context: Context, system: str) -> dict[str, Any]:
    """The drawer as the page opens it: what is stored, and what is to be said of it now."""
    form = ParametersForm(initial={**context.params, "system": system})
    return {"params_form": form, **beside(form, judge(context, context.params))}


def judge(context: Context, values: dict[str, Any]) -> list[Advice]:
    """Advice about parameters for the chat's session and model; nothing while none is chosen."""
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


def beside(form: ParametersForm, found: list[Advice]) -> dict[str, Any]:
    """Advice by the field that it is about, and what is about none of them; a field's own errors say more."""
    views = [shown(item) for item in found]
    fields: dict[str, list[AdviceView]] = {name: [] for name in form.fields}
    for view in views:
        if view.field in fields and view.field not in form.errors:
            fields[view.field].append(view)
    return {"advice": fields, "general_advice": [view for view in views if view.field not in fields]}

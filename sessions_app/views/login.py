"""The page of one sign-in: open this, paste that, wait; its state is polled until it is over.

A sign-in belongs to the person and the browser that began it. For all others it does not exist (404).
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh, reswap, retarget

from providers_app.errors import InvalidLoginAnswer, LoginUsed, ProviderError, UnknownLogin, UnknownSession
from providers_app.sign_in.checks import OfferedFlow
from providers_app.types.logins import LoginState
from sessions_app import providers, selectors
from sessions_app.forms import CodedError
from sessions_app.services import outcomes
from sessions_app.sign_in import browser_location, service
from sessions_app.sign_in.forms import AnswerForm
from sessions_app.sign_in.labels import LoginView, clock, describe
from sessions_app.views.access import add_message, see_other, signed_in, text_of
from sessions_app.views.connect import address_of

# Methods whose page also takes a pasted answer: the way out when the browser does not find back by itself.
TAKES_ANSWER = ("paste_code", "paste_url", "loopback", "callback")
_BEGIN = "Begin on the Connect page, or on the page of the session that needs a sign-in. Nothing was stored."
_LOST = {
    "unknown": UnknownLogin(
        "No sign-in of this browser waits for this answer. It is over already, or it was begun by another person, in "
        "another browser, or before you signed out.",
        hint=_BEGIN,
    ),
    "stateless": InvalidLoginAnswer(
        "The provider led back without saying which sign-in this belongs to (its answer has no state).", hint=_BEGIN
    ),
    "unreadable": InvalidLoginAnswer("What the provider led back with could not be read.", hint=_BEGIN),
    "empty": InvalidLoginAnswer(
        "This is the address that providers lead back to after a sign-in. Nothing came along with it.", hint=_BEGIN
    ),
}


def with_login(
    view: Callable[[HttpRequest, LoginState], HttpResponse],
) -> Callable[[HttpRequest, UUID], HttpResponseBase]:
    """Give a view one sign-in of this person and browser; any other is a 404 page with a way on."""

    @never_cache
    @signed_in
    @wraps(view)
    def wrapper(request: HttpRequest, pk: UUID) -> HttpResponse:
        try:
            return view(request, service.state(request, pk))
        except UnknownLogin as error:
            if request.htmx:  # type: ignore[attr-defined]
                # The whole page shows it; a part of it could only fail again and again.
                return HttpResponseClientRefresh()
            return gone(request, error)

    return wrapper


def gone(request: HttpRequest, error: ProviderError) -> HttpResponse:
    """Show the page for an answer or an address that no sign-in of this browser waits for."""
    return render(request, "sessions/login_gone.html", {"error": error}, status=error.http_status)


@require_safe
@never_cache
@signed_in
def lost(request: HttpRequest) -> HttpResponse:
    """Explain why no sign-in waits for a callback."""
    return gone(request, _LOST.get(request.GET.get("why", ""), _LOST["unknown"]))


@require_safe
@with_login
def page(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Show the page in its present state."""
    return _page(request, state)


@require_safe
@with_login
def live(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Return what changed since ``mark``: nothing (204), the state card, or everything below the steps."""
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("sessions:login", pk=state.id)
    view = describe(state, time.time())
    if request.GET.get("mark") == view.mark:
        return HttpResponse(status=204)
    if view.phase == "open":
        return render(request, "sessions/_login_live.html", {"state": state, "view": view})
    shown = _context(request, state, view)
    if view.phase == "done" and state.session_id and not shown["untested"]:
        # Another tab came back and tried it already; this one waited, and goes on too.
        return HttpResponseClientRedirect(reverse("sessions:detail", args=[state.session_id]))
    response = render(request, "sessions/_login_body.html", shown)
    return retarget(reswap(response, "outerHTML"), "#login-body")


@sensitive_post_parameters("answer")
@sensitive_variables("form", "text")
@require_POST
@with_login
def check(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Say what a pasted answer is, without spending it."""
    text = request.POST.get("answer", "").strip()
    waiting = service.pending(request, UUID(state.id)) if text else None
    fits, words = service.judge_answer(waiting, text) if waiting else (False, "")
    return render(request, "sessions/_login_hint.html", {"fits": fits, "words": words})


@sensitive_post_parameters("answer")
@sensitive_variables("form")
@require_POST
@with_login
def answer(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Spend what was pasted. What is wrong with it stands beside the field, as long as another try can help."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _page(request, state, form=form)
    try:
        session_id = service.complete(request, UUID(state.id), form.cleaned_data["answer"])
    except UnknownLogin:
        raise
    except ProviderError as error:
        now = service.state(request, UUID(state.id))
        if describe(now, time.time()).phase != "open":
            return _to_page(now)
        form.add_error("answer", CodedError(text_of(error), code=error.code))
        return _page(request, now, form=form)
    return finished(request, session_id, state)


@require_POST
@with_login
def confirm(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Take the other account."""
    try:
        return finished(request, service.confirm(request, UUID(state.id)), state)
    except UnknownLogin:
        raise
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
        return _to_page(state)


@require_POST
@with_login
def cancel(request: HttpRequest, state: LoginState) -> HttpResponse:
    """End it."""
    try:
        service.cancel(request, UUID(state.id))
    except LoginUsed:
        return _to_page(state)
    messages.success(request, "The sign-in is cancelled. Nothing was stored.")
    return redirect("sessions:detail", pk=state.target) if state.target else redirect("sessions:list")


@require_POST
@with_login
def again(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Begin anew: same provider, flow and name; ``method`` may be another one."""
    offer = _offer_of(request, state)
    method = request.POST.get("method", "") or state.method
    form = address_of(state.provider, flow=state.flow, name=state.name, method=method, session=state.target)
    # The form is needed for fields, a client, or a method that does not work from here.
    if offer is None or not offer.enabled or offer.flow.fields or (offer.flow.client_fields and not state.target):
        return redirect(form)
    if method not in {choice.method for choice in _working(request, offer)}:
        return redirect(form)
    if describe(state, time.time()).phase in ("open", "confirm"):
        # Two open attempts under one name serve no purpose.
        service.cancel(request, UUID(state.id))
    same = {"name": state.name, "flow": state.flow, "session": state.target or None, "return_to": state.return_to}
    return begin(request, state.provider, form, method=method, **same)


def begin(request: HttpRequest, provider: str, otherwise: str, **chosen: Any) -> HttpResponse:
    """Begin a sign-in and lead to its page; where that fails, lead to the address ``otherwise`` with the reason."""
    try:
        pending = service.begin(request, provider, **chosen)
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
        return redirect(otherwise)
    return see_other(reverse("sessions:login", args=[pending.id]))


@require_POST
@with_login
def finish(request: HttpRequest, state: LoginState) -> HttpResponse:
    """Finish a sign-in that completed in the background: make the first call, then go to the session's page."""
    if state.status != "done" or not state.session_id:
        return HttpResponseClientRefresh() if request.htmx else _to_page(state)  # type: ignore[attr-defined]
    response = finished(request, state.session_id, state)
    return HttpResponseClientRedirect(response["Location"]) if request.htmx else response  # type: ignore[attr-defined]


def finished(request: HttpRequest, session_id: str, state: LoginState) -> HttpResponse:
    """Test the new login with one call, report the result, and lead on."""
    try:
        session = selectors.get(request.user.pk, session_id)
    except UnknownSession as error:
        add_message(request, messages.WARNING, "The session was deleted meanwhile.", error=error)
        return redirect("sessions:list")
    result = outcomes.test(session, owner_id=request.user.pk)
    session = selectors.get(request.user.pk, session_id)
    account = f" as {session.account_label}" if session.account_label else ""
    verb = "signed in again" if state.target else "signed in"
    if result.error:
        text = f"{session.name} is {verb}{account}, but its first call failed: {text_of(result.error)}"
        add_message(request, messages.WARNING, text, error=result.error)
    else:
        messages.success(request, f"{session.name} is {verb}{account}, and it works.")
    for note in service.warnings(session):
        messages.warning(request, note)
    local = url_has_allowed_host_and_scheme(state.return_to, None)
    return see_other(state.return_to if local else reverse("sessions:detail", args=[session.pk]))


def _to_page(state: LoginState) -> HttpResponse:
    return see_other(reverse("sessions:login", args=[state.id]))


def _page(request: HttpRequest, state: LoginState, *, form: AnswerForm | None = None) -> HttpResponse:
    shown = _context(request, state, describe(state, time.time()), form)
    return render(request, "sessions/login.html", shown, status=422 if form else 200)


def _context(
    request: HttpRequest, state: LoginState, view: LoginView, form: AnswerForm | None = None
) -> dict[str, Any]:
    info = providers.info(state.provider)
    provider_name = info.name if info else state.provider
    offer = _offer_of(request, state)
    flow = offer.flow if offer else None
    waiting = service.pending(request, UUID(state.id)) if view.phase == "open" else None
    others = _working(request, offer) if offer and waiting else []
    now = time.time()
    untested = False
    if view.phase == "done":
        with suppress(UnknownSession):  # a page opened again later does not test the login by itself
            tested_at = selectors.get(request.user.pk, state.session_id).tested_at
            untested = tested_at is None or tested_at.timestamp() < state.created_at
        view = describe(state, now, tested=not untested)
    return {
        "state": state,
        "view": view,
        "info": info,
        "provider_name": provider_name,
        "flow": flow,
        # The flow's label where it is a title, else a plain one.
        "title": flow.label if flow and flow.label.startswith("Sign in") else f"Sign in to {provider_name}",
        "waiting": waiting,
        "form": (form or AnswerForm()) if state.method in TAKES_ANSWER else None,
        "clock": clock(state, now),
        "now": now,
        "others": [one for one in others if one.method not in (state.method, "direct")],
        "untested": untested,
        "connect_url": address_of(state.provider, flow=state.flow, name=state.name, session=state.target),
    }


def _offer_of(request: HttpRequest, state: LoginState) -> OfferedFlow | None:
    """Return the flow of a sign-in; ``None`` when its provider, or the flow, is gone."""
    try:
        offers = service.offers(request, state.provider)
    except ProviderError:
        return None
    return next((offer for offer in offers if offer.flow.name == state.flow), None)


def _working(request: HttpRequest, offer: OfferedFlow) -> list[browser_location.Choice]:
    """Return the methods that work from this browser."""
    found = browser_location.choices(offer.flow.methods, request, offer.impossible)
    return [choice for choice in found if not choice.problem]

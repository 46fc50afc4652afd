"""The context of a sign-in's page: the sign-in, its flow, and what this browser can do."""

import time
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from providers_app.behaviours.oauth import PendingLogin
from providers_app.errors import ProviderError, UnknownSession
from providers_app.sign_in.checks import OfferedFlow
from providers_app.types.logins import LoginState
from sessions_app import providers, selectors
from sessions_app.sign_in import browser_location, service
from sessions_app.sign_in.forms import AnswerForm
from sessions_app.sign_in.labels import LoginView, clock, describe
from sessions_app.views.connect import address_of

# Ways whose page also takes a pasted answer: the way out when the browser does not find back by itself.
TAKES_ANSWER = ("paste_code", "paste_url", "loopback", "callback")


def context(request: HttpRequest, state: LoginState, view: LoginView, form: AnswerForm | None = None) -> dict[str, Any]:
    info = providers.info(state.provider)
    provider_name = info.name if info else state.provider
    offer = offer_of(request, state)
    flow = offer.flow if offer else None
    waiting = service.pending(request, UUID(state.id)) if view.phase == "open" else None
    now = time.time()
    untested = view.phase == "done" and _untested(request, state)
    if view.phase == "done":
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
        "others": _other_methods(request, state, offer, waiting),
        "untested": untested,
        "connect_url": address_of(state.provider, flow=state.flow, name=state.name, session=state.target),
    }


def offer_of(request: HttpRequest, state: LoginState) -> OfferedFlow | None:
    """Return the flow of a sign-in; ``None`` when its provider, or the flow, is gone."""
    try:
        offers = service.offers(request, state.provider)
    except ProviderError:
        return None
    return next((offer for offer in offers if offer.flow.name == state.flow), None)


def needs_form(request: HttpRequest, state: LoginState, offer: OfferedFlow, method: str) -> bool:
    """Say whether beginning again needs the form: for fields, a client, or a method that does not work from here."""
    client = offer.flow.client_fields and not state.target
    fitting = {choice.method for choice in _choices(request, offer) if not choice.problem}
    return not offer.enabled or bool(offer.flow.fields) or client or method not in fitting


def _other_methods(
    request: HttpRequest, state: LoginState, offer: OfferedFlow | None, waiting: PendingLogin | None
) -> list[browser_location.Choice]:
    """Return the other methods that would work from this browser."""
    if offer is None or waiting is None:
        return []
    found = (choice for choice in _choices(request, offer) if choice.method not in (state.method, "direct"))
    return [choice for choice in found if not choice.problem]


def _choices(request: HttpRequest, offer: OfferedFlow) -> list[browser_location.Choice]:
    return browser_location.choices(offer.flow.methods, request, offer.impossible)


def _untested(request: HttpRequest, state: LoginState) -> bool:
    """Say whether the new login was not tested yet; a page opened again later does not test it by itself."""
    try:
        session = selectors.get(request.user.pk, state.session_id)
    except UnknownSession:
        return False
    return session.tested_at is None or session.tested_at.timestamp() < state.created_at

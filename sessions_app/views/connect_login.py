"""Connect by OAuth: which flow, what it needs, how its answer comes back; then the sign-in begins on a page of its own.

The same form signs a stored session in again (``session=`` in the address): its name is fixed then.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from providers_app.behaviours.oauth.enabled import why_disabled
from providers_app.errors import ProviderError, UnknownSession
from providers_app.sign_in.checks import MAX_RETURN_TO
from providers_app.sign_in.flow import OfferedFlow
from providers_app.types.catalogue import ProviderInfo
from providers_app.types.tokens import OAuthClient
from sessions_app import selectors
from sessions_app.forms import add_error
from sessions_app.models import AuthSession
from sessions_app.services import connect as service
from sessions_app.sign_in import browser_location
from sessions_app.sign_in import service as sign_in
from sessions_app.sign_in.forms import SignInForm

Kinds = Sequence[tuple[str, str]]


def connect_login(request: HttpRequest, info: ProviderInfo, kinds: Kinds) -> HttpResponse:
    """The form of the chosen flow; a valid POST begins the sign-in and leads to its page."""
    target = _target(request, info)
    offers = sign_in.offers(request, info.slug)
    usable = [offer for offer in offers if offer.enabled and offer.flow.methods]
    wanted = request.GET.get("flow", "") or (target.flow if target else "")
    chosen = next((offer for offer in usable if offer.flow.name == wanted), usable[0] if usable else None)
    form = _form(request, info, chosen, target) if chosen else None
    if request.method == "POST" and form is not None and chosen is not None and form.is_valid():
        try:
            pending = _begin(request, info, chosen, form, target)
        except ProviderError as error:
            add_error(form, error)
        else:
            return redirect("sessions:login", pk=pending.id)
    context: dict[str, Any] = {
        "info": info,
        "kind": AuthSession.AuthType.OAUTH,
        "kind_label": AuthSession.AuthType.OAUTH.label,
        "kinds": kinds,
        "offers": [_shown(offer, info, target, current=offer is chosen) for offer in offers],
        "flow": chosen.flow if chosen else None,
        "form": form,
        "target": target,
        "can_begin": form is not None and any(not choice.problem for choice in form.choices),
        "callback": browser_location.callback_address(request),
        "address": request.get_full_path(),
    }
    return render(request, "sessions/connect_login.html", context, status=422 if form and form.errors else 200)


def address_of(provider: str, *, flow: str = "", name: str = "", method: str = "", session: object = None) -> str:
    """The address of this form, filled in as far as known."""
    parts = {
        "provider": provider, "auth_type": "oauth", "flow": flow, "name": name, "method": method,
        "session": str(session or ""),
    }  # fmt: skip
    return f"{reverse('sessions:connect')}?{urlencode({key: value for key, value in parts.items() if value})}"


def _target(request: HttpRequest, info: ProviderInfo) -> AuthSession | None:
    """The stored session that is to be signed in again. Raises ``UnknownSession`` (foreign, or of another kind)."""
    wanted = request.GET.get("session", "")
    if not wanted:
        return None
    found = selectors.get(request.user.pk, wanted)
    if found.provider != info.slug or found.auth_type != AuthSession.AuthType.OAUTH:
        raise UnknownSession("There is no such session.")
    return found


def _form(request: HttpRequest, info: ProviderInfo, offer: OfferedFlow, target: AuthSession | None) -> SignInForm:
    options: dict[str, Any] = {
        "flow": offer.flow,
        "choices": browser_location.choices(offer.flow.methods, request, offer.impossible),
        "with_client": offer.flow.client_fields and target is None,
        "client_required": not sign_in.has_client(info.slug),
        "fixed_name": target is not None,
    }
    if request.method == "POST":
        return SignInForm(request.POST, **options)
    name = request.GET.get("name", "")[:50] or service.suggest_name(request.user.pk, info.slug)
    initial = {"name": name}
    if target is not None:
        initial |= SignInForm.initial_of(sign_in.remembered(target, offer.flow))
    method = request.GET.get("method", "")
    if any(choice.method == method and not choice.problem for choice in options["choices"]):
        initial["method"] = method
    return SignInForm(initial=initial, **options)


def _begin(
    request: HttpRequest,
    info: ProviderInfo,
    offer: OfferedFlow,
    form: SignInForm,
    target: AuthSession | None,
) -> Any:
    client, next_page = None, request.GET.get("next", "")[:MAX_RETURN_TO]
    if form.cleaned_data.get("client_id"):
        client = OAuthClient(id=form.cleaned_data["client_id"], secret=form.cleaned_data["client_secret"])
    return sign_in.begin(
        request,
        info.slug,
        name=target.name if target else form.cleaned_data["name"],
        flow=offer.flow.name,
        method=form.cleaned_data["method"],
        session=str(target.pk) if target else None,
        client=client,
        given=form.given(),
        return_to=next_page if url_has_allowed_host_and_scheme(next_page, None) else "",
    )


def _shown(offer: OfferedFlow, info: ProviderInfo, target: AuthSession | None, *, current: bool) -> dict[str, Any]:
    """A flow as a card: its address, or why it cannot be chosen and what an operator would have to set."""
    off = why_disabled(info.slug, offer.flow)
    advice, _, setting = (off.hint if off else "").rpartition(" with ")
    return {
        "flow": offer.flow,
        "enabled": offer.enabled and bool(offer.flow.methods),
        "off": not offer.enabled,
        "advice": (advice or offer.why_not) if off else "",
        "setting": setting.rstrip("."),
        "url": address_of(info.slug, flow=offer.flow.name, session=target.pk if target else None),
        "current": current,
    }

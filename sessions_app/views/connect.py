"""Connect: choose a provider, then fill in one form, for a key or for a sign-in. Works without scripts.

A key is tested before it is stored. One that the provider refuses is not stored, and the refusal stands beside the
field; a person may insist with "store it although". When the provider cannot be asked (no network, overloaded), the
session is stored and its page shows what the test met, so that a typed key is not lost.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from providers_app import errors
from providers_app.behaviours import addresses
from providers_app.behaviours.oauth.enabled import why_disabled
from providers_app.sign_in.checks import MAX_RETURN_TO, OfferedFlow
from providers_app.types.catalogue import ProviderInfo
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient
from sessions_app import providers, selectors
from sessions_app.forms import ConnectForm, add_error
from sessions_app.models import AuthSession
from sessions_app.names import validate_name
from sessions_app.services import connect as service
from sessions_app.services import outcomes
from sessions_app.sign_in import browser_location
from sessions_app.sign_in import service as sign_in
from sessions_app.sign_in.forms import SignInForm
from sessions_app.views.access import add_advice, add_message, address_to_allow, allow_asked, text_of

# The fields, and the refusals that are about what was typed there.
_REFUSED = {
    "key": (errors.AuthenticationFailed, errors.InvalidCredential),
    "base_url": (errors.AddressRefused, errors.NotFound, errors.BadAnswer),
}


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    """Show the cards of the providers, or the form of the chosen one. A button may allow its private address first."""
    allow_asked(request)
    slug = request.GET.get("provider", "")[:40]
    if not slug:
        return cards_page(request)
    try:
        info = providers.usable(slug)
    except (errors.UnknownProvider, errors.ProviderBroken) as error:
        return cards_page(request, error)
    kind = request.GET.get("auth_type", "")
    kind = kind if kind in info.auth_types else info.auth_types[0]
    if kind == AuthSession.AuthType.OAUTH:
        try:
            return _connect_login(request, info)
        except errors.UnknownSession as error:
            raise Http404(error.message) from error
    posted = request.method == "POST"
    named = request.GET.get("base_url", "")[:500]
    form = ConnectForm(
        request.POST if posted else None,
        initial=None if posted else {"name": service.suggest_name(request.user.pk, info.slug), "base_url": named},
        with_key=kind == AuthSession.AuthType.API_KEY,
        with_base_url=info.base_url_required or info.base_url_editable,
        base_url_required=addresses.required(info),
        key_hint=info.key_hint,
        card=info,
        auth_type=kind,
    )
    if posted and form.is_valid() and (session := _connect(request, info, kind, form)) is not None:
        return redirect("sessions:detail", pk=session.pk)
    can_store_anyway = "store_anyway" in form.fields and form.refused
    context = _shown_kind(info, kind) | {"form": form, "can_store_anyway": can_store_anyway}
    if named and not posted:
        context["address"] = address_to_allow(named)
    return render(request, "sessions/connect_form.html", context, status=422 if form.errors else 200)


def _shown_kind(info: ProviderInfo, kind: str) -> dict[str, Any]:
    """Return the context of both forms: the provider, the chosen auth type, and all that it has."""
    labels: dict[str, str] = {value: AuthSession.AuthType(value).label for value in info.auth_types}
    return {"info": info, "kind": kind, "kind_label": labels[kind], "kinds": list(labels.items())}


def cards_page(request: HttpRequest, error: errors.ProviderError | None = None, **more: Any) -> HttpResponse:
    """Show the cards of the providers, with ``more`` in the template's context."""
    cards = [(card, _oauth_is_off(request, card)) for card in providers.cards()]
    context = {"cards": cards, "error": error, **more}
    return render(request, "sessions/connect.html", context, status=error.http_status if error else 200)


def _oauth_is_off(request: HttpRequest, card: providers.Card) -> bool:
    """Say whether the provider has sign-ins, all of which are disabled on this server."""
    if AuthSession.AuthType.OAUTH not in card.auth_types:
        return False
    try:
        return not any(offer.enabled and offer.flow.methods for offer in sign_in.offers(request, card.slug))
    except errors.ProviderError:
        return True


def _connect(request: HttpRequest, info: ProviderInfo, kind: str, form: ConnectForm) -> AuthSession | None:
    """Check, test and store the login, and leave a message; an error is put into the form and nothing is stored."""
    owner_id = request.user.pk
    secret: Secret = form.cleaned_data.get("key") or Secret("")
    base_url, chosen = form.cleaned_data.get("base_url", ""), form.given_options()
    try:
        name = validate_name(form.cleaned_data["name"])
        service.require_free(owner_id, info.slug, kind, name)
        credential = service.check(info.slug, kind, secret, base_url, chosen)
        result = outcomes.verify(info.slug, credential, owner_id=owner_id)
        if result.error and not form.cleaned_data.get("store_anyway"):
            field = next((field for field, refusals in _REFUSED.items() if isinstance(result.error, refusals)), None)
            if field is not None:
                form.refused = True
                add_error(form, result.error, field)
                return None
        session = service.create(
            owner_id=owner_id,
            provider=info.slug,
            auth_type=kind,
            name=name,
            secret=secret,
            base_url=base_url,
            settings=chosen,
            actor_id=owner_id,
        )
    except errors.ProviderError as error:
        add_error(form, error)
        return None
    add_advice(request, session)
    label = result.account.label if result.account else ""
    outcomes.record(session.pk, result.error, tested=True, generation=0, account=label)
    if result.error:
        text = f"{session.name} is stored, but its test failed: {text_of(result.error)}"
        add_message(request, messages.WARNING, text, error=result.error)
    else:
        messages.success(request, f"{session.name} is connected.")
    return session


def _connect_login(request: HttpRequest, info: ProviderInfo) -> HttpResponse:
    """Show the form of the chosen flow, with ``session=`` for a stored session; a valid POST begins the sign-in."""
    target = _target(request, info)
    offers = sign_in.offers(request, info.slug)
    usable = [offer for offer in offers if offer.enabled and offer.flow.methods]
    wanted = request.GET.get("flow", "") or (target.flow if target else "")
    chosen = next((offer for offer in usable if offer.flow.name == wanted), usable[0] if usable else None)
    form = _login_form(request, info, chosen, target) if chosen else None
    if request.method == "POST" and form is not None and chosen is not None and form.is_valid():
        try:
            client, next_page = None, request.GET.get("next", "")[:MAX_RETURN_TO]
            if form.cleaned_data.get("client_id"):
                client = OAuthClient(id=form.cleaned_data["client_id"], secret=form.cleaned_data["client_secret"])
            pending = sign_in.begin(
                request,
                info.slug,
                name=target.name if target else form.cleaned_data["name"],
                flow=chosen.flow.name,
                method=form.cleaned_data["method"],
                session=str(target.pk) if target else None,
                client=client,
                given=form.given(),
                return_to=next_page if url_has_allowed_host_and_scheme(next_page, None) else "",
            )
        except errors.ProviderError as error:
            add_error(form, error)
        else:
            return redirect("sessions:login", pk=pending.id)
    context: dict[str, Any] = {
        **_shown_kind(info, AuthSession.AuthType.OAUTH),
        "offers": [_shown(offer, info, target, current=offer is chosen) for offer in offers],
        "flow": chosen.flow if chosen else None,
        "form": form,
        "target": target,
        "can_begin": form is not None and any(not choice.problem for choice in form.choices),
        # The address that providers lead back to; a person's own OAuth client must name it.
        "callback": browser_location.origin(request) + reverse("oauth-callback"),
        "address": request.get_full_path(),
    }
    return render(request, "sessions/connect_login.html", context, status=422 if form and form.errors else 200)


def address_of(provider: str, *, flow: str = "", name: str = "", method: str = "", session: object = None) -> str:
    """Return the address of the sign-in form, filled in as far as known."""
    parts = {"provider": provider, "auth_type": "oauth", "flow": flow, "name": name, "method": method}
    parts["session"] = str(session or "")
    return f"{reverse('sessions:connect')}?{urlencode({key: value for key, value in parts.items() if value})}"


def _target(request: HttpRequest, info: ProviderInfo) -> AuthSession | None:
    """Return the stored session to sign in again, if any. Raises ``UnknownSession``: foreign, or no sign-in here."""
    wanted = request.GET.get("session", "")
    if not wanted:
        return None
    found = selectors.get(request.user.pk, wanted)
    if found.provider != info.slug or found.auth_type != AuthSession.AuthType.OAUTH:
        raise errors.UnknownSession("There is no such session.")
    return found


def _login_form(request: HttpRequest, info: ProviderInfo, offer: OfferedFlow, target: AuthSession | None) -> SignInForm:
    options: dict[str, Any] = {
        "flow": offer.flow,
        "choices": browser_location.choices(offer.flow.methods, request, offer.impossible),
        "with_client": offer.flow.client_fields and target is None,
        "client_required": not sign_in.has_client(info.slug),
        "fixed_name": target is not None,
    }
    if request.method == "POST":
        return SignInForm(request.POST, **options)
    initial = {"name": request.GET.get("name", "")[:50] or service.suggest_name(request.user.pk, info.slug)}
    if target is not None:
        initial |= SignInForm.initial_of(sign_in.remembered(target, offer.flow))
    method = request.GET.get("method", "")
    if any(choice.method == method and not choice.problem for choice in options["choices"]):
        initial["method"] = method
    return SignInForm(initial=initial, **options)


def _shown(offer: OfferedFlow, info: ProviderInfo, target: AuthSession | None, *, current: bool) -> dict[str, Any]:
    """Describe a flow as a card: its address, or why it is off and which setting turns it on."""
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

"""Connect: provider, then auth type, name and key on one form. Every step is an address, so it works without scripts.
A sign-in at the provider's own page is ``connect_login``.

The key is tried before it is stored. What the provider refuses is not stored, and the refusal stands beside the field;
a person who knows better ticks "store it although". When the provider could not be asked (no network, overloaded), the
session is stored and its page says what the test met: a typed key is not lost to somebody else's bad minute.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from providers_app.behaviours import addresses
from providers_app.errors import (
    AddressRefused,
    AuthenticationFailed,
    BadAnswer,
    InvalidCredential,
    NotFound,
    ProviderBroken,
    ProviderError,
    UnknownProvider,
    UnknownSession,
)
from providers_app.types.catalogue import ProviderInfo
from providers_app.types.credentials import Secret
from sessions_app import providers
from sessions_app.forms import ConnectForm, add_error
from sessions_app.models import AuthSession
from sessions_app.names import validate_name
from sessions_app.services import connect as service
from sessions_app.services import outcomes, testing
from sessions_app.sign_in import service as sign_in
from sessions_app.views.access import in_words, say
from sessions_app.views.connect_login import connect_login

# Refusals that are about what was typed, and the field that they are about.
_REFUSED: tuple[tuple[type[ProviderError], str], ...] = (
    (AuthenticationFailed, "key"),
    (InvalidCredential, "key"),
    (AddressRefused, "base_url"),
    (NotFound, "base_url"),
    (BadAnswer, "base_url"),
)


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    """The cards, or the form of the chosen provider."""
    slug = request.GET.get("provider", "")[:40]
    if not slug:
        return _cards(request)
    try:
        info = providers.usable(slug)
    except (UnknownProvider, ProviderBroken) as error:
        return _cards(request, error)
    kinds = [(value, AuthSession.AuthType(value).label) for value in info.auth_types]
    kind = request.GET.get("auth_type", "")
    kind = kind if kind in info.auth_types else kinds[0][0]
    if kind == AuthSession.AuthType.OAUTH:
        try:
            return connect_login(request, info, kinds)
        except UnknownSession as error:
            raise Http404(error.message) from error
    form = _form(request, info, kind)
    if request.method == "POST" and form.is_valid():
        session, result = _connect(request, info, kind, form)
        if session is not None:
            if result is not None and result.error:
                text = f"{session.name} is stored, but its test failed: {in_words(result.error)}"
                say(request, messages.WARNING, text, error=result.error)
            else:
                messages.success(request, f"{session.name} is connected.")
            return redirect("sessions:detail", pk=session.pk)
    context = {
        "info": info,
        "kind": kind,
        "kind_label": AuthSession.AuthType(kind).label,
        "kinds": kinds,
        "form": form,
        "can_store_anyway": "store_anyway" in form.fields and form.refused,
    }
    return render(request, "sessions/connect_form.html", context, status=422 if form.errors else 200)


def _cards(request: HttpRequest, error: ProviderError | None = None) -> HttpResponse:
    cards = [(card, _oauth_is_off(request, card)) for card in providers.cards()]
    context = {"cards": cards, "error": error}
    return render(request, "sessions/connect.html", context, status=error.http_status if error else 200)


def _oauth_is_off(request: HttpRequest, card: providers.Card) -> bool:
    """Does the provider have sign-ins, none of which can be begun as Maestro is set up?"""
    if AuthSession.AuthType.OAUTH not in card.auth_types:
        return False
    try:
        return not any(offer.enabled and offer.flow.methods for offer in sign_in.offers(request, card.slug))
    except ProviderError:
        return True


def _form(request: HttpRequest, info: ProviderInfo, kind: str) -> ConnectForm:
    options: dict[str, Any] = {
        "with_key": kind == AuthSession.AuthType.API_KEY,
        "with_base_url": info.base_url_required or info.base_url_editable,
        "base_url_required": addresses.required(info),
        "key_hint": info.key_hint,
        "card": info,
        "auth_type": kind,
    }
    if request.method == "POST":
        return ConnectForm(request.POST, **options)
    return ConnectForm(initial={"name": service.suggest_name(request.user.pk, info.slug)}, **options)


def _connect(
    request: HttpRequest, info: ProviderInfo, kind: str, form: ConnectForm
) -> tuple[AuthSession | None, testing.TestResult | None]:
    """Judge, try, store; an error lands in the form and nothing is stored."""
    owner_id = request.user.pk
    secret = form.cleaned_data.get("key") or Secret("")
    base_url, chosen = form.cleaned_data.get("base_url", ""), form.given_options()
    try:
        name = validate_name(form.cleaned_data["name"], providers.slugs())
        service.require_free(owner_id, info.slug, kind, name)
        credential = service.check(info.slug, kind, secret, base_url, chosen)
        result = testing.verify(info.slug, credential, owner_id=owner_id)
        if result.error and not form.cleaned_data.get("store_anyway"):
            field = next((field for refused, field in _REFUSED if isinstance(result.error, refused)), None)
            if field is not None:
                form.refused = True
                add_error(form, result.error, field)
                return None, result
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
    except ProviderError as error:
        add_error(form, error)
        return None, None
    label = result.account.label if result.account else ""
    outcomes.record(session.pk, result.error, tested=True, generation=0, account=label)
    return session, result

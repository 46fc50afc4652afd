"""Model servers on this machine: looked for on a click, connected on a second one. For owners of the installation."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from context_app import session_models
from context_app.services import contexts
from providers_app import loop
from providers_app.errors import ProviderError
from providers_app.sign_in import local
from sessions_app import selectors
from sessions_app.models import AuthSession, Pk
from sessions_app.services import addresses, connect
from sessions_app.throttle import allow
from sessions_app.views.access import add_message, text_of
from sessions_app.views.connect import cards_page

SEARCHES_PER_MINUTE = 20
PATIENCE_S = 15.0


@login_required
@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Show the servers that answered, above the cards of the providers."""
    _require_owner(request)
    if not allow("local-servers", request.user.pk, limit=SEARCHES_PER_MINUTE, window_s=60):
        messages.warning(request, "That was looked for often within a minute. Wait a moment, then try again.")
        return redirect("sessions:connect")
    # This server would answer at one of the ports, and is not what is looked for.
    own = {f"{host}:{request.get_port()}" for host in ("127.0.0.1", local.IN_CONTAINERS)}
    found = loop.run(local.find(skip=own), PATIENCE_S)
    kinds = {(server.place.provider, server.place.choice) for server in found}
    missing = {place.choice: place for place in local.places() if (place.provider, place.choice) not in kinds}
    known = addresses.allowed_pairs()
    # Those that can be connected at once come first.
    ordered = sorted(found, key=lambda server: server.needs_key)
    servers = [{"found": server, "allowed": server.place.pair in known} for server in ordered]
    shown = {"servers": servers, "missing": list(missing.values()), "hosts": ("127.0.0.1", local.IN_CONTAINERS)}
    return cards_page(request, local=shown)


@login_required
@require_POST
def connect_one(request: HttpRequest) -> HttpResponse:
    """Allow the address of one of the known places, store a session for it, and open a chat with its first model."""
    _require_owner(request)
    wanted = request.POST.get("base_url", "")
    place = next((place for place in local.places() if place.base_url == wanted), None)
    if place is None:
        return HttpResponseBadRequest("There is no such place.")
    try:
        addresses.allow(place.base_url, actor_id=request.user.pk)
        session = _session(request.user.pk, place)
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
        return redirect("sessions:connect")
    listing = session_models.listed(session, refresh=True)
    model, suggested = session_models.first_model(session)
    if listing.error is not None or not model:
        why = listing.error.message if listing.error is not None else "It has no model yet: load one there."
        messages.warning(request, f"{session.name} is connected. {why}")
        return redirect("sessions:detail", session.pk)
    messages.success(request, f"{session.name} is connected.")
    context = contexts.create(owner=request.user, session=session, model=model, model_suggested=suggested)
    return redirect("chats:detail", context.pk)


def _session(owner_id: Pk, place: local.LocalPlace) -> AuthSession:
    """Return this person's session at the place, stored now where there is none. Raises ``ProviderError``."""
    own = selectors.owned(owner_id).filter(provider=place.provider, auth_type="none", base_url=place.base_url)
    if found := own.exclude(status=AuthSession.Status.DISABLED).first():
        return found
    return connect.create(
        owner_id=owner_id,
        provider=place.provider,
        auth_type="none",
        name=connect.suggest_name(owner_id, place.provider, stem=place.choice),
        base_url=place.base_url,
        settings={place.option: place.choice},
        actor_id=owner_id,
    )


def _require_owner(request: HttpRequest) -> None:
    if not addresses.may_allow(request.user):
        raise PermissionDenied

"""The one place that decides access to a session, and the forms of an answer that all session pages share."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from providers_app import conf
from providers_app.behaviours.oauth import OAuth
from providers_app.errors import AddressRefused, InvalidRequest, ProviderError, UnknownSession
from providers_app.registry.resolver import resolve
from providers_app.wire.guard import check_url, pair_in
from sessions_app import providers, selectors
from sessions_app.credentials import has_secret
from sessions_app.models import AuthSession
from sessions_app.presenters.status import describe
from sessions_app.services import addresses, trail

HISTORY = (
    trail.REFRESHED, trail.REFRESH_FAILED, trail.REFRESH_UNKNOWN, trail.REFRESH_REFUSED, trail.REFRESH_ASKED,
)  # fmt: skip
HISTORY_SHOWN = 6
LANE_SHOWN = 12  # characters of a lane's key


def signed_in(view: Callable[..., HttpResponseBase]) -> Callable[..., Any]:
    """Require a sign-in; a request by htmx sends the whole page there, not one row of it."""
    required = login_required(view)

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        htmx = request.htmx  # type: ignore[attr-defined]
        if htmx and not request.user.is_authenticated:
            page = htmx.current_url_abs_path or reverse("sessions:list")
            return HttpResponseClientRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}")
        return required(request, *args, **kwargs)

    return wrapper


def with_session(
    view: Callable[[HttpRequest, AuthSession], HttpResponseBase],
) -> Callable[[HttpRequest, UUID], HttpResponseBase]:
    """Give a view one session of the signed-in person; another person's does not exist (404)."""

    @never_cache
    @signed_in
    @wraps(view)
    def wrapper(request: HttpRequest, pk: UUID) -> HttpResponseBase:
        try:
            return view(request, selectors.get(request.user.pk, pk))
        except UnknownSession as error:
            raise Http404(error.message) from error

    return wrapper


def row_context(session: AuthSession) -> dict[str, Any]:
    """Return the context of a row or of a session's status card."""
    return {
        "session": session,
        "status": describe(session),
        "monogram": providers.monogram(session.provider),
        "provider": providers.info(session.provider),
        "has_secret": has_secret(session),
        "refused_address": _refused_address(session),
    }


def _refused_address(session: AuthSession) -> str:
    """Return the session's private address that was refused when it was used last, else an empty text."""
    if session.status != AuthSession.Status.MISCONFIGURED or not session.base_url:
        return ""
    try:
        pair = pair_in(session.base_url)
    except ProviderError:
        return ""
    refused = session.status_reason == AddressRefused.private(pair).message
    return f"{session.base_url.partition('://')[0]}://{pair}" if refused else ""


def card_context(session: AuthSession) -> dict[str, Any]:
    """Return the context of a session's cards: ``row_context``, and the stored sign-in of an OAuth session."""
    if session.auth_type != AuthSession.AuthType.OAUTH:
        return row_context(session)
    history = selectors.events(session, HISTORY)[:HISTORY_SHOWN]
    lane = session.lane.key[:LANE_SHOWN] if session.lane else ""
    # The flow is shown by its label; the source of a mode is told as a warning where it matters.
    told = (name for name in sorted(session.settings) if name != "flow" and not name.endswith("_source"))
    facts = [(name.replace("_", " ").capitalize(), session.settings[name]) for name in told if session.settings[name]]
    flow = session.flow
    with suppress(ProviderError):
        behaviour: OAuth = resolve(session.provider, "oauth")
        flow = next((one.label for one in behaviour.flows if one.name == session.flow), session.flow)
    login = {"flow": flow, "facts": facts, "lane": lane, "history": history}
    return row_context(session) | {"login": login}


def answer(
    request: HttpRequest, session_id: UUID, message: str, *, error: ProviderError | None = None, undo: str = ""
) -> HttpResponse:
    """Answer an action: with htmx the row or status card (``part`` of the form) and a toast, else a redirect."""
    part = "row" if request.POST.get("part") == "row" else "detail"
    if not request.htmx:  # type: ignore[attr-defined]
        add_message(request, messages.ERROR if error else messages.SUCCESS, message, error=error)
        return redirect("sessions:list") if part == "row" else redirect("sessions:detail", pk=session_id)
    session = selectors.get(request.user.pk, session_id)
    if part == "row":
        response = render(request, "sessions/_row.html", row_context(session))
    else:
        response = render(request, "sessions/_status.html", card_context(session))
    return toast(trigger_client_event(response, "sessions-changed", {}), message, error=error, undo=undo)


def allow_asked(request: HttpRequest) -> None:
    """Allow the private address that the pressed button names (``allow``), and leave a message.

    Raises ``PermissionDenied`` for a person who does not own the installation.
    """
    if not (asked := request.POST.get("allow", "")):
        return
    if not addresses.may_allow(request.user):
        raise PermissionDenied
    try:
        pair = addresses.allow(asked, actor_id=request.user.pk)
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
    else:
        messages.success(request, f"{pair} is allowed.")


def address_to_allow(base_url: str) -> str:
    """Return the private address in a base URL that must be allowed before it is reached, else an empty text."""
    try:
        check_url(base_url, conf.current().allowed_private_hosts, addresses.allowed_pairs())
    except AddressRefused as refused:
        return f"{base_url.partition('://')[0]}://{refused.pair}" if refused.pair else ""
    except InvalidRequest:
        return ""
    return ""


def see_other(address: str) -> HttpResponse:
    """Redirect after a POST or a callback: the browser follows with a GET (303)."""
    return HttpResponseRedirect(address, status=303)


def add_message(request: HttpRequest, level: int, message: str, *, error: ProviderError | None = None) -> None:
    """Leave a message for the next page; its extra tag is the error's code, which the page shows to be copied."""
    messages.add_message(request, level, message, extra_tags=error.code if error else "")


def add_advice(request: HttpRequest, session: AuthSession) -> None:
    """Leave messages for the next page about what was changed of the credential that was just given."""
    for advice in session.advice:
        messages.warning(request, advice.message)


def toast(response: HttpResponse, message: str, *, error: ProviderError | None = None, undo: str = "") -> HttpResponse:
    """Let the page show a toast beside this answer."""
    detail: dict[str, str] = {"message": message}
    if error:
        detail |= {"level": "bad", "code": error.code}
    if undo:
        detail["undo"] = undo
    return trigger_client_event(response, "toast", detail)


def text_of(error: ProviderError) -> str:
    """Return message and hint as one text."""
    return " ".join(filter(None, (error.message, error.hint)))

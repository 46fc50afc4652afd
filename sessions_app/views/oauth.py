"""The callback that a provider leads the browser to, and signing a stored session in again.

A callback's parameters are as good as a login until they are spent. They are taken out of the request first, so that no
log line or error report can hold them, and the answer redirects at once, so that they leave the address bar.
"""

import json

from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from providers_app.behaviours.oauth import answers
from providers_app.errors import InvalidLoginAnswer, LoginError, ProviderError
from sessions_app.models import AuthSession
from sessions_app.sign_in import browser_location, service
from sessions_app.views.access import add_message, see_other, text_of, with_session
from sessions_app.views.connect import address_of
from sessions_app.views.login import begin, finished

# Holds what came back while a person whose session had ended signs in again: in the browser that brought it.
COOKIE = "maestro_callback"
COOKIE_S = 600
COOKIE_MAX_CHARS = 3500
MAX_QUERY_CHARS = 16_384
_SALT = "sessions_app.callback"


@never_cache
@sensitive_variables()
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Spend the callback's parameters and redirect to the page of its sign-in, which shows the result."""
    response = _callback(request, _take_query(request))
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_POST
@with_session
def reauthorize(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Sign a stored session in again, in place, the way it was signed in before."""
    page = reverse("sessions:detail", args=[session.pk])
    if session.auth_type != AuthSession.AuthType.OAUTH:
        return redirect(f"{page}#key")
    form = address_of(session.provider, flow=session.flow, session=session.pk)
    try:
        offers = service.offers(request, session.provider)
        offer = next((one for one in offers if one.enabled and one.flow.name == session.flow), None)
        if offer is None or not offer.flow.methods:
            return redirect(form)
        given = service.remembered(session, offer.flow)
        if any(field.required and field.name not in given for field in offer.flow.fields):
            return redirect(form)
        choice = browser_location.choices(offer.flow.methods, request, offer.impossible)[0]
        if choice.problem:
            return redirect(form)
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
        return redirect(page)
    same = {"name": session.name, "flow": session.flow, "session": str(session.pk), "given": given}
    return begin(request, session.provider, page, method=choice.method, **same)


def _take_query(request: HttpRequest) -> str:
    """Take the query out of the request and return it: nothing logged or reported of the request has a code in it."""
    query = request.META.get("QUERY_STRING", "")
    request.META["QUERY_STRING"] = ""
    request.GET = QueryDict()
    if hasattr(request, "scope"):  # under ASGI
        request.scope["query_string"] = b""
    if hasattr(request, "environ"):  # under WSGI
        request.environ["QUERY_STRING"] = ""
    return query


@sensitive_variables()
def _callback(request: HttpRequest, query: str) -> HttpResponse:
    if not request.user.is_authenticated:
        return _after_login(request, query)
    browser = browser_location.this_browser(request)
    if not query and COOKIE in request.COOKIES:
        query, browser = _load_cookie(request)
    response = _complete(request, browser, query)
    response.delete_cookie(COOKIE, path=reverse("oauth-callback"), samesite="Lax")
    return response


@sensitive_variables()
def _complete(request: HttpRequest, browser: str, query: str) -> HttpResponse:
    try:
        params = _params(query)
    except InvalidLoginAnswer:
        return _to_lost("empty" if not query else "unreadable")
    try:
        state = service.find_callback(request.user.pk, browser, params)
    except LoginError:
        return _to_lost("unknown" if params.get("state") else "stateless")
    session_id = ""
    try:
        session_id = service.complete_callback(request.user.pk, browser, params)
    except LoginError:
        pass
    except ProviderError as error:
        add_message(request, messages.ERROR, text_of(error), error=error)
    if browser == browser_location.this_browser(request):
        return see_other(reverse("sessions:login", args=[state.id]))
    # Begun before the person signed in again: that page belongs to the browser session that ended.
    return finished(request, session_id, state) if session_id else _to_lost("unknown")


def _params(query: str) -> dict[str, str]:
    """Return the parameters of the query. Raises ``InvalidLoginAnswer``: none, too many, or one name twice."""
    try:
        found = QueryDict(query if len(query) <= MAX_QUERY_CHARS else "")
    except TooManyFieldsSent:
        found = QueryDict()
    params = answers.single((name, value) for name in found for value in found.getlist(name))
    if not params:
        raise InvalidLoginAnswer("Nothing came back.")
    return params


def _to_lost(why: str) -> HttpResponse:
    """Redirect to a page that explains why no sign-in waits for this; its address holds nothing of the callback."""
    return see_other(f"{reverse('sessions:login-lost')}?{urlencode({'why': why})}")


def _after_login(request: HttpRequest, query: str) -> HttpResponse:
    """Redirect to the sign-in of Maestro and back. The query waits in a signed cookie, never in an address."""
    # The sign-in at the provider is bound to the browser session that ended; signing out on purpose deletes its cookie.
    response = see_other(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': reverse('oauth-callback')})}")
    browser = browser_location.browser_of(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    value = signing.dumps({"query": query, "browser": browser}, salt=_SALT, compress=True)
    if query and len(value) <= COOKIE_MAX_CHARS:
        secure, path = settings.SESSION_COOKIE_SECURE or request.is_secure(), reverse("oauth-callback")
        response.set_cookie(COOKIE, value, max_age=COOKIE_S, path=path, secure=secure, httponly=True, samesite="Lax")
    return response


def _load_cookie(request: HttpRequest) -> tuple[str, str]:
    """Return what ``_after_login`` kept: the query, and the browser session that it belongs to."""
    try:
        kept = signing.loads(request.COOKIES[COOKIE], salt=_SALT, max_age=COOKIE_S)
        return str(kept["query"]), str(kept["browser"])
    except (signing.BadSignature, json.JSONDecodeError, KeyError, TypeError, ValueError):
        return "", browser_location.this_browser(request)

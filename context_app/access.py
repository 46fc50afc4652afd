"""Decide who may see a chat: the person of a request (else 404), and of a connection, again with every frame."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

import msgspec
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string
from django.views.decorators.http import require_http_methods

from context_app import selectors
from context_app.errors import SignedOut
from context_app.models import Context, ContextChunk
from providers_app.errors import UnknownContext


class Viewer(msgspec.Struct, frozen=True):
    """A signed-in person on one connection. ``session_key`` is the browser session's, ``None`` outside a browser."""

    user_id: Any
    session_key: str | None = None


def owner(request: HttpRequest) -> Any:
    """Return the signed-in person; every view of this app requires one."""
    return cast(Any, request.user)


def owner_view(*methods: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Make a view for the signed-in owner of a chat; other people get a 404.

    It is called with the chat, or with the chunk that the address names, in place of their keys.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @require_http_methods(methods)
        @wraps(view)
        def wrapped(request: HttpRequest, pk: UUID, chunk_id: UUID | None = None, **options: Any) -> HttpResponse:
            who = owner(request).pk
            found: Context | ContextChunk
            try:
                found = selectors.get_chunk(who, pk, chunk_id) if chunk_id else selectors.get_context(who, pk)
            except (UnknownContext, ContextChunk.DoesNotExist):
                raise Http404(f"There is no such {'chunk' if chunk_id else 'chat'}.") from None
            return view(request, found, **options)

        return wrapped

    return decorate


def viewer(scope: dict[str, Any]) -> Viewer:
    """Return the person of an ASGI scope, or of a request in that shape. Raises ``SignedOut``."""
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        raise SignedOut("You are signed out.")
    session = scope.get("session")
    return Viewer(user.pk, getattr(session, "session_key", None))


def check(person: Viewer, context_id: UUID) -> Context:
    """Return the chat. Raises ``SignedOut``, and ``UnknownContext`` unless the person owns it. Reads the database."""
    user = get_user_model()._default_manager.filter(pk=person.user_id).first()
    if user is None or not user.is_active:
        raise SignedOut("This account is signed out or disabled.")
    if person.session_key is not None and not _still_signed_in(person.session_key, user):
        raise SignedOut("You are signed out.")
    return selectors.get_context(person.user_id, context_id)


def _still_signed_in(session_key: str, user: Any) -> bool:
    """Return whether the browser session exists, is this user's, and has survived their last change of password."""
    data = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key).load()
    return (
        str(data.get(SESSION_KEY)) == str(user.pk)
        and data.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    )

"""May this connection still see this chat? Asked for every frame, and every few seconds while nothing happens."""

from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from context_app import selectors
from context_app.errors import SignedOut
from context_app.models import Context
from providers_app.errors import UnknownContext


class Viewer(msgspec.Struct, frozen=True):
    """A signed-in person on one connection. ``session_key`` is the browser session's (``None``: not known by one)."""

    user_id: Any
    session_key: str | None = None


def viewer(scope: dict[str, Any]) -> Viewer:
    """Who is behind an ASGI scope, or a request's user and session in the same shape. Raises ``SignedOut``."""
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        raise SignedOut("You are signed out.")
    session = scope.get("session")
    return Viewer(user.pk, getattr(session, "session_key", None))


def check(who: Viewer, context_id: UUID) -> Context:
    """The chat, for a person who is still signed in and owns it. Raises ``SignedOut``, ``UnknownContext``.

    Reads the database: call it on the store pool.
    """
    user = get_user_model()._default_manager.filter(pk=who.user_id).first()
    if user is None or not user.is_active:
        raise SignedOut("This account is signed out or disabled.")
    if who.session_key is not None and not _still_signed_in(who.session_key, user):
        raise SignedOut("You are signed out.")
    try:
        return selectors.get_context(who.user_id, context_id)
    except Context.DoesNotExist:
        raise UnknownContext("There is no such chat.") from None


def _still_signed_in(session_key: str, user: Any) -> bool:
    """The browser session exists, is this user's, and was not ended by a change of the password."""
    data = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key).load()
    return (
        str(data.get(SESSION_KEY)) == str(user.pk)
        and data.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    )

"""The session and model of a request, or the alias whose routes are tried for it. Synchronous; reads only.

An alias is named ``alias:<id>`` in the place of a session. The chat and the turn then have the route that would be
tried first as their session and model, for the window, the price and the advice, until an answer says who gave it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from context_app import session_models
from context_app.errors import SessionRequired
from context_app.models import Context, ContextChunk, Turn
from providers_app.chat import request
from providers_app.errors import ContextTooLong, InvalidRequest, ModelRequired, NoUsableRoute, SessionDisabled
from sessions_app import alias_selectors
from sessions_app import selectors as session_selectors
from sessions_app.models import Alias, AuthSession, Pk

ALIAS = "alias:"
UNUSABLE = (AuthSession.Status.DISABLED, AuthSession.Status.NEEDS_REAUTH)


class Choice(NamedTuple):
    """A session with a model; with an ``alias`` they are the first of its ``routes`` that can be used."""

    session: AuthSession
    model: str
    alias: Alias | None = None
    routes: Sequence[tuple[AuthSession, str]] = ()


def choose(owner_id: Pk, context: Context, ref: str | None, model: str | None) -> Choice:
    """Return what a request names, else what the chat has.

    Raises ``SessionRequired``, ``UnknownSession``, ``AmbiguousSession``, ``SessionDisabled``, ``UnknownAlias``,
    ``NoUsableRoute``, ``ModelRequired``, ``InvalidRequest``.
    """
    if not ref and context.alias_id is not None:
        ref = f"{ALIAS}{context.alias_id}"
    if isinstance(ref, str) and ref.startswith(ALIAS):
        return routes_of(alias_selectors.find(owner_id, ref.removeprefix(ALIAS)))
    session = _session(owner_id, context, ref)
    return Choice(session, _model(session, context, model))


def again(owner_id: Pk, context: Context, turn: Turn) -> Choice:
    """Return what a turn that is asked again had, as far as it is still there. Raises as ``choose``."""
    if turn.alias_id is not None:
        return choose(owner_id, context, f"{ALIAS}{turn.alias_id}", None)
    exists = turn.session is not None and turn.session.deleted_at is None
    session = _session(owner_id, context, str(turn.session_id) if exists else None)
    same = session.pk == turn.session_id and turn.model
    return Choice(session, turn.model if same else _model(session, context, None))


def routes_of(alias: Alias) -> Choice:
    """Return an alias with its usable routes. Raises ``NoUsableRoute``."""
    routes = [(one.session, one.model) for one in alias.routes.all() if one.session.status not in UNUSABLE]
    if not routes:
        raise NoUsableRoute(
            f"The alias {alias.name!r} has no route that can be used.",
            hint=f"Enable or sign in one of its sessions, or add a route at {alias_selectors.page()}.",
        )
    return Choice(*routes[0], alias, routes)


def check_window(choice: Choice, before: list[ContextChunk], more: int, default_window: int) -> None:
    """Raise ``ContextTooLong`` unless the request fits the window of a route, or the assumed one if it is unknown."""
    used = sum(chunk.tokens for chunk in before if not chunk.not_sent) + more
    windows = [(_window(*route) or default_window, route[1]) for route in choice.routes or [choice[:2]]]
    window, model = max(windows, key=lambda one: one[0])
    if used > window:
        raise ContextTooLong(f"About {used:,} tokens would be sent; the window of {model} has {window:,}.")


def _window(session: AuthSession, model: str) -> int | None:
    info = session_models.known(session, model)
    return info.context_window if info is not None else None


def _session(owner_id: Pk, context: Context, ref: str | None) -> AuthSession:
    """Return the named session, else the chat's. Raises ``SessionRequired``, ``UnknownSession`` and more."""
    if ref is None or ref == "":
        if context.session_id is None:
            raise SessionRequired("This chat has no session yet.")
        ref = str(context.session_id)
    if not isinstance(ref, str):
        raise InvalidRequest("session is the id or the name of a session.")
    session = session_selectors.find(owner_id, None, ref)
    if session.status == AuthSession.Status.DISABLED:
        raise SessionDisabled(f"The session {session.name!r} is disabled.")
    return session


def _model(session: AuthSession, context: Context, model: str | None) -> str:
    """Return the named model, else the chat's if it has the same session, else the provider's default."""
    if model is not None and not isinstance(model, str):
        raise InvalidRequest("model is the name of a model.")
    if not model and session.pk == context.session_id:
        model = context.model
    try:
        return request.model_name(session.provider, (model or "").strip() or None)
    except InvalidRequest:
        if model:
            raise
        raise ModelRequired("No model is chosen for this chat.") from None

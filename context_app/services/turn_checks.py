"""What must be true before a turn begins. Each check reads only, and names what is wrong by a typed error."""

from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth import get_user_model

from context_app import assembly, catalogue, selectors
from context_app.errors import ModelRequired, SessionRequired, SignedOut, TooManyRunning
from context_app.models import Context, ContextChunk, Stream
from providers_app.chat import parameters, request
from providers_app.errors import ContextTooLong, InvalidRequest, SessionDisabled, UnknownContext
from sessions_app import selectors as session_selectors
from sessions_app.models import AuthSession, Pk

MAX_PARAMS_BYTES = 64 * 1024


def context_of(owner_id: Pk, context_id: UUID) -> Context:
    """The owner's chat. Raises ``UnknownContext``."""
    try:
        return selectors.get_context(owner_id, context_id)
    except Context.DoesNotExist:
        raise UnknownContext("There is no such chat.") from None


def usable(session: AuthSession | None) -> bool:
    """Is the session still there?"""
    return session is not None and session.deleted_at is None


def session_of(owner_id: Pk, context: Context, ref: str | None) -> AuthSession:
    """The session that is asked: the named one, else the chat's. Raises ``SessionRequired``, ``UnknownSession`` and
    more.
    """
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


def model_of(session: AuthSession, context: Context, session_ref: str | None, model: str | None) -> str:
    """The named model, else the chat's (while it is about the same session), else the provider's default."""
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


def params_of(context: Context, params: dict[str, Any] | None) -> dict[str, Any]:
    """The parameters of the request: the given ones, else the chat's. Raises ``InvalidRequest``."""
    chosen = context.params if params is None else params
    if not isinstance(chosen, dict):
        raise InvalidRequest("params is an object with the names of parameters.")
    encoded = msgspec.json.encode(chosen)
    if len(encoded) > MAX_PARAMS_BYTES:
        raise InvalidRequest(f"params has {len(encoded):,} bytes; at most {MAX_PARAMS_BYTES:,} are taken.")
    if b"\\u0000" in encoded:
        raise InvalidRequest("params holds a NUL character, which cannot be stored.")
    parameters.parse_params(chosen)
    return chosen


def check_window(session: AuthSession, model: str, before: list[ContextChunk], more: int, default_window: int) -> None:
    """Does what is sent fit the model's window (the assumed one, where it is not known)? Raises ``ContextTooLong``."""
    info = catalogue.known(session, model)
    window = info.context_window if info is not None and info.context_window else default_window
    used = sum(chunk.tokens for chunk in assembly.sent(before)) + more  # type: ignore[attr-defined]
    if used > window:
        raise ContextTooLong(f"About {used:,} tokens would be sent; the window of {model} has {window:,}.")


def check_running(owner_id: Pk, limit: int) -> None:
    """Raises ``TooManyRunning``, ``SignedOut``. Call it in the transaction that adds a stream."""
    # The row is the queue: without it, two requests at once would both find room (SQLite has one writer anyway). An
    # account that is being removed was disabled first, so nothing begins behind its back.
    people = get_user_model().objects.select_for_update(no_key=True)
    if people.filter(pk=owner_id, is_active=True).first() is None:
        raise SignedOut("This account is disabled.")
    running = Stream.objects.filter(owner_id=owner_id, state=Stream.State.RUNNING).count()
    if running >= limit:
        raise TooManyRunning(f"{running} of your answers are being written; at most {limit} may be.")

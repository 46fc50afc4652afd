"""Sessions that come of sign-ins: stored, signed in again, revoked."""

from uuid import UUID, uuid4

from django.db import transaction

from providers_app.errors import DuplicateSession, UnknownSession
from providers_app.types.credentials import Secret
from providers_app.types.tokens import Tokens, from_plain
from sessions_app import credentials, selectors
from sessions_app.credentials import oauth_columns, token_print
from sessions_app.models import AuthSession, Pk, RefreshLane
from sessions_app.names import validate_name
from sessions_app.services import connect, notices, trail
from sessions_app.services.lifecycle import free_name, switch_off
from sessions_app.stores.lanes import lane_of

OAUTH = AuthSession.AuthType.OAUTH.value


def require_place(owner_id: Pk, provider: str, name: str) -> str:
    """Return the checked name, free for an OAuth session. Raises ``InvalidName``, ``DuplicateSession``."""
    name = validate_name(name)
    connect.require_free(owner_id, provider, OAUTH, name)
    return name


def create(
    owner_id: Pk, provider: str, name: str, tokens: Tokens, next_refresh_at: float | None, *, detail: str = ""
) -> AuthSession:
    """Store a login under a name, sealed, in one transaction. ``next_refresh_at`` is in seconds since the epoch.

    Safe to repeat: a second call returns what the first one stored, whose commit may have succeeded unseen.
    Raises as ``connect.create``, ``DuplicateSession`` also for a login that another session holds already.
    """
    name = validate_name(name)
    connect.offering(provider, OAUTH)
    if mark := token_print(tokens):
        stored = selectors.owned(owner_id).filter(provider=provider, auth_type=OAUTH, name=name, token_print=mark)
        if (session := stored.first()) is not None:
            return session
    row_id = uuid4()
    columns = credentials.sealed_columns(row_id, tokens.signing, tokens) | oauth_columns(tokens, next_refresh_at)
    session = AuthSession(id=row_id, owner_id=owner_id, provider=provider, auth_type=OAUTH, name=name, **columns)
    with free_name(owner_id, provider, OAUTH, name):
        connect.claim_place(owner_id)
        session.lane = _held_lane(provider, tokens, session.pk)
        _refuse_copy(tokens, owner_id, session.pk)
        session.save(force_insert=True)
        trail.note(session, trail.SIGNED_IN, _as_whom(tokens, detail), actor_id=owner_id)
    return session


def replace(
    owner_id: Pk, session_id: UUID, tokens: Tokens, next_refresh_at: float | None, *, detail: str = ""
) -> AuthSession:
    """Sign a session in again: same row and trail, next generation, without the errors of the old login.

    A session that a person switched off stays so; one that Maestro switched off, with its secrets, is active again.
    Raises ``UnknownSession``, ``DuplicateSession``, ``NotConfigured``.
    """
    rows = selectors.owned(owner_id).filter(pk=session_id, auth_type=OAUTH)
    with transaction.atomic():
        # The lane before the session, as every other transaction does.
        provider = rows.values_list("provider", flat=True).first()
        lane = _held_lane(provider, tokens, session_id) if provider else None
        session = rows.select_for_update().first()
        if session is None or lane is None:
            raise UnknownSession("The session that was to be signed in again is gone.", hint="Connect it anew.")
        _refuse_copy(tokens, owner_id, session.pk)
        if not credentials.has_secret(session):
            # Switched off by Maestro, not by a person: there is something to use again.
            session.status = AuthSession.Status.NEEDS_REAUTH
        changes = connect.fresh_columns(session) | oauth_columns(tokens, next_refresh_at) | {"lane": lane}
        credentials.replace(session, tokens.signing, {**changes, **credentials.NEVER_REFRESHED}, tokens)
        trail.note(session, trail.SIGNED_IN_AGAIN, _as_whom(tokens, detail), actor_id=owner_id)
        notices.resolve(session)
    return selectors.get(owner_id, session.pk)


def drop(owner_id: Pk, session_id: UUID | str, reason: str) -> None:
    """Destroy the secrets of a login that its owner revoked, keep row and trail. Raises ``UnknownSession``."""
    switch_off(selectors.get(owner_id, session_id), reason, trail.REVOKED, actor_id=owner_id)


def _held_lane(provider: str, tokens: Tokens, session_id: UUID | str) -> RefreshLane:
    """Lock the lane of this login until the transaction ends: two copies of one login cannot be stored at once."""
    return RefreshLane.objects.select_for_update().get(pk=lane_of(provider, tokens, session_id).pk)


def _refuse_copy(tokens: Tokens, owner_id: Pk, session_id: UUID) -> None:
    """Raise ``DuplicateSession`` when another session holds this refresh token: a second spend ends both logins."""
    mark = token_print(tokens)
    rows = AuthSession.objects.filter(token_print=mark).exclude(key_id="").exclude(pk=session_id)
    held = rows.defer("sealed_credential").first() if mark else None
    if held is None:
        return
    what = f"The session '{held.name}' holds this very login already."
    hint = "Use that one, or sign in for another login."
    if held.owner_id != owner_id:
        what, hint = "Another person's session holds this very login.", "Sign in for one of your own."
    elif held.deleted_at is not None:
        what = f"The session '{held.name}', which was just deleted, holds this very login."
        hint = "Take the deletion back, or wait a moment until it is destroyed."
    raise DuplicateSession(what, hint=hint)


def is_held(sealed: Secret) -> bool:
    """Say whether a session may hold the login of these tokens of a sign-in, which was about to be stored."""
    mark = token_print(from_plain(sealed.reveal().encode(), Tokens))
    return not mark or AuthSession.objects.filter(token_print=mark).exclude(key_id="").exists()


def _as_whom(tokens: Tokens, detail: str) -> str:
    return ", ".join(filter(None, (tokens.account_label and f"as {tokens.account_label}", detail)))

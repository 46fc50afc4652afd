"""Sign-ins in the database: attempts that wait for their answer, and the sessions that come of them."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from providers_app.errors import (
    DuplicateSession,
    InvalidRequest,
    LoginExpired,
    ProviderError,
    UnknownSession,
    UnsupportedOperation,
)
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginState
from providers_app.types.tokens import Tokens
from sessions_app import credentials, lanes, selectors
from sessions_app.models import AuthSession, OAuthAttempt, Pk, RefreshLane
from sessions_app.names import validate_name
from sessions_app.providers import slugs, usable
from sessions_app.services import connect, notices, trail
from sessions_app.services.lifecycle import duplicate, switch_off
from sessions_app.services.oauth_columns import as_time, fresh_refresh_columns, oauth_columns

OAUTH = AuthSession.AuthType.OAUTH.value
OPEN = (OAuthAttempt.Status.WAITING, OAuthAttempt.Status.EXCHANGING, OAuthAttempt.Status.CONFIRM)
FINAL = (OAuthAttempt.Status.DONE, OAuthAttempt.Status.FAILED, OAuthAttempt.Status.CANCELLED)
# An exchange of a process that is gone; a live one never lasts as long after its sign-in has ended.
STALLED = timedelta(minutes=2)
_NO_ERROR = {"error_code": "", "error": "", "error_hint": ""}


def state_hash(state_token: Secret) -> str:
    """What an attempt is found by when only the callback's state is known; empty for none."""
    text = state_token.reveal()
    return salted_hmac("sessions_app.login_state", text, algorithm="sha256").hexdigest() if text else ""


def open_attempt(
    *, owner_id: Pk, state: LoginState, browser: str, pending: Secret, state_token: Secret
) -> OAuthAttempt:
    """Store a new sign-in, sealed. Raises ``InvalidRequest`` when the person has too many open ones."""
    attempt = OAuthAttempt(
        id=uuid4(),
        owner_id=owner_id,
        browser=browser[:64],
        provider=state.provider,
        flow=state.flow,
        method=state.method,
        name=state.name,
        target_id=UUID(state.target) if state.target else None,
        return_to=state.return_to,
        state_hash=state_hash(state_token),
        status=OAuthAttempt.Status.WAITING,
        step=state.step,
        expires_at=as_time(state.expires_at) or timezone.now(),
    )
    for column, value in credentials.attempt_columns(attempt.pk, pending=pending).items():
        setattr(attempt, column, value)
    limit = settings.MAESTRO.sessions.logins_per_owner
    with transaction.atomic():
        # The owner's row is held while the count is compared.
        if not get_user_model().objects.select_for_update().filter(pk=owner_id).exists():
            raise UnknownSession("The sign-in has no owner: there is no such user.")
        rows = OAuthAttempt.objects.filter(owner_id=owner_id, status__in=OPEN, expires_at__gt=timezone.now())
        if rows.count() >= limit:
            raise InvalidRequest(
                f"You have {limit} sign-ins open, which is the limit.",
                hint="Finish or cancel one, or wait some minutes: an unfinished sign-in ends by itself.",
            )
        attempt.save(force_insert=True)
    return attempt


def claim_attempt(attempt_id: UUID | str, status: str) -> bool:
    """From ``status`` to ``exchanging``; true for one caller only."""
    rows = OAuthAttempt.objects.filter(pk=attempt_id, status=status)
    return bool(rows.update(status=OAuthAttempt.Status.EXCHANGING, **_NO_ERROR))


def poll_turn(attempt_id: UUID | str, held: str, seconds: float) -> str:
    """The turn to poll a waiting device login, kept in its step as ``polling@`` and the hexadecimal second it ends.

    A mark is exchanged for the next one by compare-and-swap, so two processes never hold the same one.
    """
    now = int(time.time())
    rows = OAuthAttempt.objects.filter(pk=attempt_id, status=OAuthAttempt.Status.WAITING)
    step = rows.values_list("step", flat=True).first()
    if step is None:
        return ""
    _, _, until = step.partition("@")
    if step != held and until and int(until, 16) > now:
        return ""
    mark = f"polling@{now + max(int(seconds), 1):08x}"
    return mark if rows.filter(step=step).update(step=mark) else ""


def advance_attempt(
    attempt_id: UUID | str,
    *,
    status: str | None = None,
    step: str | None = None,
    pending: Secret | None = None,
    tokens: Secret | None = None,
    error: Exception | None = None,
    account: str = "",
    session_id: str = "",
) -> None:
    """Write how far a sign-in is; a final status destroys what was sealed, and is never taken back."""
    changes: dict[str, Any] = credentials.attempt_columns(attempt_id, pending=pending, tokens=tokens)
    changes |= _words(error)
    if status is not None:
        changes["status"] = status
    if step is not None:
        changes["step"] = step[:16]
    if account:
        changes["account"] = account[:200]
    if session_id:
        changes["result_id"] = UUID(session_id)
    if status in FINAL:
        changes |= credentials.ATTEMPT_DESTROYED
    if changes:
        OAuthAttempt.objects.filter(pk=attempt_id).exclude(status__in=FINAL).update(**changes)


def prune_logins() -> int:
    """End sign-ins whose time is over, and delete those that are kept no longer; how many rows were touched."""
    now = timezone.now()
    late = Q(status__in=(OAuthAttempt.Status.WAITING, OAuthAttempt.Status.CONFIRM), expires_at__lte=now)
    stalled = Q(status=OAuthAttempt.Status.EXCHANGING, expires_at__lte=now - STALLED)
    ended = OAuthAttempt.objects.filter(late | stalled).update(
        status=OAuthAttempt.Status.FAILED,
        **_words(LoginExpired("This sign-in was not finished in time.")),
        **credentials.ATTEMPT_DESTROYED,
    )
    kept = now - timedelta(days=settings.MAESTRO.sessions.logins_kept_days)
    deleted, _ = OAuthAttempt.objects.filter(status__in=FINAL, created_at__lt=kept).delete()
    return ended + deleted


def require_place(owner_id: Pk, provider: str, name: str) -> str:
    """The checked name, free for an OAuth session. Raises ``InvalidName``, ``DuplicateSession``."""
    name = validate_name(name, slugs())
    connect.require_free(owner_id, provider, OAUTH, name)
    return name


def create(
    *,
    owner_id: Pk,
    provider: str,
    name: str,
    tokens: Tokens,
    next_refresh_at: float | None,
    detail: str = "",
    actor_id: Pk | None = None,
) -> AuthSession:
    """Store a login under a name, sealed, in one transaction.

    Raises ``UnknownProvider``, ``ProviderBroken``, ``UnsupportedOperation``, ``InvalidName``, ``DuplicateSession``
    (also for a login that another session holds already), ``InvalidRequest`` (limit), ``NotConfigured``.
    """
    name = validate_name(name, slugs())
    info = usable(provider)
    if OAUTH not in info.auth_types:
        raise UnsupportedOperation(
            f"{info.name} has no auth type 'oauth'.", hint=f"It has: {', '.join(info.auth_types)}."
        )
    session = AuthSession(id=uuid4(), owner_id=owner_id, provider=provider, auth_type=OAUTH, name=name)
    columns = credentials.sealed_columns(session.pk, tokens.signing, tokens) | oauth_columns(tokens, next_refresh_at)
    for column, value in columns.items():
        setattr(session, column, value)
    try:
        with transaction.atomic():
            connect.claim_place(owner_id)
            session.lane = _held_lane(provider, tokens, session.pk)
            _refuse_copy(tokens, owner_id, session.pk)
            session.save(force_insert=True)
            trail.note(session, trail.SIGNED_IN, _as_whom(tokens, detail), actor_id=actor_id)
    except IntegrityError:
        raise duplicate(provider, OAUTH, name) from None
    return session


def replace(
    *,
    owner_id: Pk,
    session_id: UUID | str,
    tokens: Tokens,
    next_refresh_at: float | None,
    detail: str = "",
    actor_id: Pk | None = None,
) -> AuthSession:
    """Sign a session in again: same row and trail, next generation, nothing left of what was wrong with the old login.

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
        changes: Mapping[str, Any] = {
            **connect.fresh_columns(session),
            **oauth_columns(tokens, next_refresh_at),
            **fresh_refresh_columns(),
            "lane": lane,
        }
        credentials.replace(session, tokens.signing, changes, tokens)
        trail.note(session, trail.SIGNED_IN_AGAIN, _as_whom(tokens, detail), actor_id=actor_id)
        notices.resolve(session)
    return selectors.get(owner_id, session.pk)


def drop(*, owner_id: Pk, session_id: UUID | str, reason: str, actor_id: Pk | None = None) -> None:
    """The provider ended the login at a person's wish: destroy the secrets, keep row and trail.

    Raises ``UnknownSession``.
    """
    switch_off(selectors.get(owner_id, session_id), reason, trail.REVOKED, actor_id=actor_id)


def _held_lane(provider: str, tokens: Tokens, session_id: UUID | str) -> RefreshLane:
    """The lane of this login, held until the transaction ends: two copies of one login cannot be stored at once."""
    lane = lanes.lane_of(provider, tokens, session_id)
    return RefreshLane.objects.select_for_update().get(pk=lane.pk)


def _refuse_copy(tokens: Tokens, owner_id: Pk, session_id: UUID) -> None:
    """Two sessions with one refresh token would each spend it, and the second spend ends the login of both."""
    mark = lanes.token_print(tokens)
    if not mark:
        return
    rows = AuthSession.objects.filter(token_print=mark).exclude(key_id="").exclude(pk=session_id)
    held = rows.defer("sealed_credential").first()
    if held is None:
        return
    if held.owner_id != owner_id:
        raise DuplicateSession("Another person's session holds this very login.", hint="Sign in for one of your own.")
    if held.deleted_at is not None:
        raise DuplicateSession(
            f"The session '{held.name}', which was just deleted, holds this very login.",
            hint="Take the deletion back, or wait a moment until it is destroyed.",
        )
    raise DuplicateSession(
        f"The session '{held.name}' holds this very login already.", hint="Use that one, or sign in for another login."
    )


def _words(error: Exception | None) -> dict[str, str]:
    if error is None:
        return {}
    if not isinstance(error, ProviderError):
        return {"error_code": "login_error", "error": "The sign-in failed.", "error_hint": ""}
    return {"error_code": error.code[:60], "error": error.message[:500], "error_hint": error.hint[:300]}


def _as_whom(tokens: Tokens, detail: str) -> str:
    return ", ".join(part for part in (f"as {tokens.account_label}" if tokens.account_label else "", detail) if part)

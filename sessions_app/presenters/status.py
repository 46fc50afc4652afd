"""A session's state for people: label, reason, the age of both, and the one next action."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from providers_app.refresh.gate import why_off
from sessions_app.models import AuthSession

# States whose words are a reason that was stored, and `when` its age.
_REASONS = ("needs_reauth", "forbidden", "misconfigured", "unreachable")
# States that say "the key is not good": not to be told of a session that has none.
_REFUSALS = ("needs_reauth", "forbidden")
_REFUSED_CODES = ("upstream_authentication", "upstream_permission")
ANSWER_LOST = "answer_lost"
Tone = Literal["ok", "warn", "bad", "mute"]
ActionKind = Literal["", "test", "enable", "refresh", "reauth", "key", "address", "details"]


@dataclass(frozen=True, slots=True)
class StatusView:
    """``words`` and ``when`` form one phrase ("Tested" + "4 m ago"); ``more`` is what else there is to know.

    ``action`` is a POST (test, enable, refresh, reauth), or a part of the session's page.
    """

    state: str
    label: str
    tone: Tone
    words: str
    when: datetime | None = None
    action: ActionKind = ""
    action_label: str = "None needed"
    urgent: bool = False
    more: str = ""

    @property
    def joint(self) -> str:
        """The text between ``words`` and ``when``: a reason is a sentence of its own."""
        return " · " if self.state in _REASONS else " "


def describe(session: AuthSession) -> StatusView:
    """Describe a session that was read with its ``state`` (``selectors.with_state``)."""
    state = getattr(session, "state", session.status)
    if session.auth_type == AuthSession.AuthType.NONE and (
        state in _REFUSALS or (state == "misconfigured" and session.last_error_code in _REFUSED_CODES)
    ):
        return _refused_without_key(session)
    since = session.status_changed_at
    match state:
        case "disabled":
            return _disabled(session)
        case "needs_reauth":
            return _needs_reauth(session)
        case "forbidden":
            reason = _reason(session.status_reason, "The login may not do this")
            return StatusView("forbidden", "Forbidden", "bad", reason, since, "details", "How to fix")
        case "misconfigured":
            return _misconfigured(session)
        case "expired":
            return _expired(session)
        case "unknown":
            return _outcome_unknown(session)
        case "failing":
            return _failing(session)
        case "limited":
            words = _limit_words(session)
            return StatusView("limited", "Limited", "warn", words, session.limited_until, "details", "See why")
        case "unreachable":
            reason = _reason(session.last_error, "The provider did not answer")
            return StatusView("unreachable", "Unreachable", "bad", reason, session.last_error_at, "test", "Test again")
        case "expiring":
            return _expiring(session)
        case _:
            return _active(session)


def refreshable(session: AuthSession) -> bool:
    """Say whether Maestro refreshes this login."""
    return _is_oauth(session) and session.next_refresh_at is not None and not session.read_only_reason


def _active(session: AuthSession) -> StatusView:
    if refreshable(session) and session.expires_at:
        return StatusView("active", "Active", "ok", "Refreshes by itself", session.next_refresh_at)
    if session.read_only_reason and session.expires_at:
        more = _read_only(session)
        return StatusView("active", "Active", "ok", "Never refreshed here, ends", session.expires_at, more=more)
    if session.tested_at:
        return StatusView("active", "Active", "ok", "Tested", session.tested_at)
    if session.last_used_at:
        return StatusView("active", "Active", "ok", "Worked", session.last_used_at)
    if _is_oauth(session):
        return StatusView("active", "Active", "ok", "Signed in", session.status_changed_at)
    return StatusView("active", "Active", "ok", "Not tested yet", None, "test", "Test")


def _needs_reauth(session: AuthSession) -> StatusView:
    stored, more = session.status_reason, ""
    if ANSWER_LOST in (session.refresh_error_code, session.status_reason):
        stored, more = "The answer to a refresh was lost", _LOST
    otherwise = "The provider no longer accepts the login" if _is_oauth(session) else "The provider refused the key"
    action, label = _way_back(session)
    return StatusView(
        "needs_reauth", "Needs re-auth", "bad", _reason(stored, otherwise), session.status_changed_at, action, label,
        urgent=True, more=more,
    )  # fmt: skip


def _disabled(session: AuthSession) -> StatusView:
    since = session.status_changed_at
    if session.auth_type != AuthSession.AuthType.NONE and not session.key_id:
        # Switched on again it could do nothing: a sign-in or a key is what it lacks.
        action, label = _way_back(session)
        reason = session.status_reason or "Its secrets were destroyed."
        return StatusView("disabled", "Disabled", "mute", "Switched off", since, action, label, more=reason)
    return StatusView("disabled", "Disabled", "mute", "Switched off", since, "enable", "Enable")


def _misconfigured(session: AuthSession) -> StatusView:
    reason = _reason(session.status_reason, "The address is not right")
    action: ActionKind = "details" if _is_oauth(session) else "address"
    label = "How to fix" if _is_oauth(session) else "Edit"
    return StatusView("misconfigured", "Misconfigured", "mute", reason, session.status_changed_at, action, label)


def _expired(session: AuthSession) -> StatusView:
    action, label = _way_back(session)
    more = _read_only(session) if session.read_only_reason else ""
    words = "Ended"
    if refreshable(session):
        action, label = "refresh", "Refresh now"
        words = "Access ended"
        more = f"The last refresh failed: {session.refresh_error}" if session.refresh_error else _overdue(session)
        if session.intent_generation == session.generation:
            words, more = "Last refresh has no known outcome, and access ended", _SECOND
    return StatusView("expired", "Expired", "bad", words, session.expires_at, action, label, urgent=True, more=more)


def _outcome_unknown(session: AuthSession) -> StatusView:
    """Describe an open intent: a refresh was sent and its outcome is unknown. The access token still works."""
    ends = session.expires_at
    words = f"Last refresh has no known outcome{'; still works, ends' if ends else ', sent'}"
    when = ends or session.intent_at
    return StatusView("unknown", "Outcome unknown", "warn", words, when, "reauth", "Sign in again", more=_SECOND)


def _failing(session: AuthSession) -> StatusView:
    if session.refresh_error_code:
        return StatusView(
            "failing", "Refresh failing", "warn", "Refresh failed; next try", session.next_refresh_at,
            "refresh", "Refresh now", more=session.refresh_error or session.refresh_error_code,
        )  # fmt: skip
    return StatusView(
        "failing", "Refresh overdue", "warn", "Refresh was due", session.next_refresh_at,
        "refresh", "Refresh now", more=_overdue(session),
    )  # fmt: skip


def _overdue(session: AuthSession) -> str:
    """Say why the login was not refreshed: its kind of sign-in may be disabled on this server."""
    off = why_off(session.provider, session.flow)
    return f"{off.message} {off.hint}" if off is not None else _OVERDUE


def _expiring(session: AuthSession) -> StatusView:
    action, label = _way_back(session)
    more = _read_only(session) if session.read_only_reason else ""
    return StatusView("expiring", "Expiring", "warn", "Ends", session.expires_at, action, label, more=more)


def _way_back(session: AuthSession) -> tuple[ActionKind, str]:
    return ("reauth", "Sign in again") if _is_oauth(session) else ("key", "Replace key")


def _refused_without_key(session: AuthSession) -> StatusView:
    reason = _reason(session.status_reason, "The server asks for a key, and this session has none")
    return StatusView("misconfigured", "Misconfigured", "mute", reason, session.status_changed_at, "test", "Test again")


def _reason(stored: str, otherwise: str) -> str:
    """Return a stored reason without its full stop, because its age follows."""
    return stored.strip().removesuffix(".") or otherwise


def _limit_words(session: AuthSession) -> str:
    what = "Quota used up" if session.last_error_code == "upstream_quota" else "429 from the service"
    return f"{what}, free again"


def _is_oauth(session: AuthSession) -> bool:
    return session.auth_type == AuthSession.AuthType.OAUTH


def _read_only(session: AuthSession) -> str:
    return f"Maestro does not refresh it: {session.read_only_reason}"


_LOST = (
    "A refresh was sent and its answer never arrived, and the token is not accepted again. "
    "If the provider had exchanged it, only that answer could have saved the login."
)
_OVERDUE = "Nothing has refreshed it. The schedule may not be running: /readyz says whether it is."
_SECOND = (
    "A refresh was sent and no answer could be read. Access is used while it works; then the refresh token is sent "
    "once more, and not again. A new sign-in ends the doubt."
)

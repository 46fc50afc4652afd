"""A session's state for people: label, reason, the age of both, and the one next action."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils import timezone

from providers_app.refresh.gate import why_off
from providers_app.refresh.rules import ANSWER_LOST
from sessions_app.models import AuthSession

# States whose words are a reason that was stored, and `when` its age.
_REASONS = ("needs_reauth", "forbidden", "misconfigured", "unreachable")
_REFUSED_CODES = ("upstream_authentication", "upstream_permission")
_LOST = (
    "A refresh was sent and its answer never arrived, and the token is not accepted again. "
    "If the provider had exchanged it, only that answer could have saved the login."
)
_OVERDUE = "Nothing has refreshed it. The schedule may not be running: /readyz says whether it is."
_OPEN = (
    "A refresh was sent and its outcome is unknown. Access is used while it works; after that the refresh is tried "
    "again until the provider gives a final answer. Signing in again settles it now."
)
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
    more: str = ""

    @property
    def urgent(self) -> bool:
        """``True`` where the session is of no use before ``action`` was taken."""
        return self.state in ("needs_reauth", "expired", "retrying", "refused")

    @property
    def joint(self) -> str:
        """The text between ``words`` and ``when``: a reason is a sentence of its own."""
        return " · " if self.state in _REASONS else " "


def describe(session: AuthSession) -> StatusView:
    """Describe a session that was read with its ``state`` (``selectors.with_state``)."""
    state = getattr(session, "state", session.status)
    since, ends = session.status_changed_at, session.expires_at
    oauth = session.auth_type == AuthSession.AuthType.OAUTH
    keyless = session.auth_type == AuthSession.AuthType.NONE
    again: tuple[ActionKind, str] = ("reauth", "Sign in again") if oauth else ("key", "Replace key")
    read_only = f"Maestro does not refresh it: {session.read_only_reason}" if session.read_only_reason else ""
    match state:
        case "needs_reauth" | "forbidden" | "misconfigured" if keyless and (
            state != "misconfigured" or session.last_error_code in _REFUSED_CODES
        ):
            # A session without a key is not to be told that its key is not good.
            reason = _reason(session.status_reason, "The server asks for a key, and this session has none")
            return StatusView("misconfigured", "Misconfigured", "mute", reason, since, "test", "Test again")
        case "disabled" if not keyless and not session.key_id:
            # Switched on again it could do nothing: a sign-in or a key is what it lacks.
            reason = session.status_reason or "Its secrets were destroyed."
            return StatusView("disabled", "Disabled", "mute", "Switched off", since, *again, more=reason)
        case "disabled":
            return StatusView("disabled", "Disabled", "mute", "Switched off", since, "enable", "Enable")
        case "needs_reauth":
            lost = ANSWER_LOST in (session.refresh_error_code, session.status_reason)
            otherwise = "The provider no longer accepts the login" if oauth else "The provider refused the key"
            reason = "The answer to a refresh was lost" if lost else _reason(session.status_reason, otherwise)
            more = _LOST if lost else ""
            return StatusView("needs_reauth", "Needs re-auth", "bad", reason, since, *again, more=more)
        case "forbidden":
            reason = _reason(session.status_reason, "The login may not do this")
            return StatusView("forbidden", "Forbidden", "bad", reason, since, "details", "How to fix")
        case "misconfigured":
            reason = _reason(session.status_reason, "The address is not right")
            fix: tuple[ActionKind, str] = ("details", "How to fix") if oauth else ("address", "Edit")
            return StatusView("misconfigured", "Misconfigured", "mute", reason, since, *fix)
        case "expired" | "retrying" if refreshable(session):
            more = f"The last refresh failed: {session.refresh_error}" if session.refresh_error else _overdue(session)
            words, when, next_at = "Access ended", ends, session.next_refresh_at
            if session.refresh_error_code and next_at and next_at > timezone.now():
                words, when = "Trying again", next_at
            if session.intent_generation == session.generation:
                more = _OPEN
            return StatusView(state, "Expired", "bad", words, when, "refresh", "Refresh now", more)
        case "expired":
            return StatusView("expired", "Expired", "bad", "Ended", ends, *again, more=read_only)
        case "refused":
            possible = [at for at in (session.earliest_refresh_at, session.next_refresh_at) if at]
            words = "The provider refused the access token" + ("; the next refresh is possible" if possible else "")
            more = session.refresh_error or session.last_error
            return StatusView("refused", "Access refused", "bad", words, max(possible, default=None), *again, more=more)
        case "unknown":
            # A refresh was sent and its outcome is unknown. The access token still works.
            words = f"Last refresh has no known outcome{'; still works, ends' if ends else ', sent'}"
            when = ends or session.intent_at
            return StatusView("unknown", "Outcome unknown", "warn", words, when, "reauth", "Sign in again", _OPEN)
        case "failing":
            failed = session.refresh_error or session.refresh_error_code
            label, words = ("failing", "failed; next try") if failed else ("overdue", "was due")
            return StatusView(
                "failing", f"Refresh {label}", "warn", f"Refresh {words}", session.next_refresh_at,
                "refresh", "Refresh now", more=failed or _overdue(session),
            )  # fmt: skip
        case "limited":
            quota = session.last_error_code == "upstream_quota"
            words = f"{'Quota used up' if quota else '429 from the service'}, free again"
            return StatusView("limited", "Limited", "warn", words, session.limited_until, "details", "See why")
        case "unreachable":
            reason = _reason(session.last_error, "The provider did not answer")
            return StatusView("unreachable", "Unreachable", "bad", reason, session.last_error_at, "test", "Test again")
        case "expiring":
            return StatusView("expiring", "Expiring", "warn", "Ends", ends, *again, more=read_only)
        case _ if ends and refreshable(session):
            return StatusView("active", "Active", "ok", "Refreshes by itself", session.next_refresh_at)
        case _ if ends and read_only:
            return StatusView("active", "Active", "ok", "Never refreshed here, ends", ends, more=read_only)
        case _:
            evidence = ("Tested", session.tested_at), ("Worked", session.last_used_at)
            for words, when in (*evidence, ("Signed in", since if oauth else None)):
                if when:
                    return StatusView("active", "Active", "ok", words, when)
            return StatusView("active", "Active", "ok", "Not tested yet", None, "test", "Test")


def refreshable(session: AuthSession) -> bool:
    """Say whether Maestro refreshes this login."""
    oauth = session.auth_type == AuthSession.AuthType.OAUTH
    return oauth and session.next_refresh_at is not None and not session.read_only_reason


def _overdue(session: AuthSession) -> str:
    """Say why the login was not refreshed: its kind of sign-in may be disabled on this server."""
    off = why_off(session.provider, session.flow)
    return f"{off.message} {off.hint}" if off is not None else _OVERDUE


def _reason(stored: str, otherwise: str) -> str:
    """Return a stored reason without its full stop, because its age follows."""
    return stored.strip().removesuffix(".") or otherwise

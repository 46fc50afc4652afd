"""A session's state in words: what it is, why, how old that knowledge is, and the one next action."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sessions_app.models import AuthSession

# States whose words are a reason that was stored, and `when` its age.
_REASONS = ("needs_reauth", "forbidden", "misconfigured", "unreachable")
# States that say "the key is not good": not to be told of a session that has none.
_REFUSALS = ("needs_reauth", "forbidden")
_REFUSED_CODES = ("upstream_authentication", "upstream_permission")
Tone = Literal["ok", "warn", "bad", "mute"]
ActionKind = Literal["", "test", "enable", "key", "address", "details"]


@dataclass(frozen=True, slots=True)
class StatusView:
    """``words`` and ``when`` form one phrase ("Tested" + "4 m ago"). ``action`` is a POST, or a part of the page."""

    state: str
    label: str
    tone: Tone
    words: str
    when: datetime | None = None
    action: ActionKind = ""
    action_label: str = "None needed"
    urgent: bool = False

    @property
    def joint(self) -> str:
        """What stands between ``words`` and ``when``: a reason is a sentence of its own."""
        return " · " if self.state in _REASONS else " "


def describe(session: AuthSession) -> StatusView:
    """The words for a session that was read with its ``state`` (``selectors.with_state``)."""
    state = getattr(session, "state", session.status)
    if session.auth_type == AuthSession.AuthType.NONE and (
        state in _REFUSALS or (state == "misconfigured" and session.last_error_code in _REFUSED_CODES)
    ):
        return _refused_without_key(session)
    match state:
        case "disabled":
            return StatusView(
                "disabled", "Disabled", "mute", "Switched off", session.status_changed_at, "enable", "Enable"
            )
        case "needs_reauth":
            return StatusView(
                "needs_reauth",
                "Needs re-auth",
                "bad",
                _reason(session.status_reason, "The provider refused the key"),
                session.status_changed_at,
                "key",
                "Replace key",
                urgent=True,
            )
        case "forbidden":
            reason = _reason(session.status_reason, "The key may not do this")
            return StatusView(
                "forbidden", "Forbidden", "bad", reason, session.status_changed_at, "details", "How to fix"
            )
        case "misconfigured":
            reason = _reason(session.status_reason, "The address is not right")
            return StatusView(
                "misconfigured", "Misconfigured", "mute", reason, session.status_changed_at, "address", "Edit"
            )
        case "expired":
            return StatusView(
                "expired", "Expired", "bad", "Ended", session.expires_at, "key", "Replace key", urgent=True
            )
        case "limited":
            return StatusView(
                "limited", "Limited", "warn", _limit_words(session), session.limited_until, "details", "See why"
            )
        case "unreachable":
            reason = _reason(session.last_error, "The provider did not answer")
            return StatusView("unreachable", "Unreachable", "bad", reason, session.last_error_at, "test", "Test again")
        case "expiring":
            return StatusView("expiring", "Expiring", "warn", "Ends", session.expires_at, "key", "Replace key")
        case _:
            return _active(session)


def _active(session: AuthSession) -> StatusView:
    if session.tested_at:
        return StatusView("active", "Active", "ok", "Tested", session.tested_at)
    if session.last_used_at:
        return StatusView("active", "Active", "ok", "Worked", session.last_used_at)
    return StatusView("active", "Active", "ok", "Not tested yet", None, "test", "Test")


def _refused_without_key(session: AuthSession) -> StatusView:
    reason = _reason(session.status_reason, "The server asks for a key, and this session has none")
    return StatusView("misconfigured", "Misconfigured", "mute", reason, session.status_changed_at, "test", "Test again")


def _reason(stored: str, otherwise: str) -> str:
    """A stored reason without its full stop: its age follows."""
    return stored.strip().removesuffix(".") or otherwise


def _limit_words(session: AuthSession) -> str:
    what = "Quota used up" if session.last_error_code == "upstream_quota" else "429 from the service"
    return f"{what}, free again"

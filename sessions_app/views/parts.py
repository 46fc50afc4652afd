"""What the pages show of Notices and of a stored sign-in: read once, ready for a template."""

from dataclasses import dataclass
from typing import Any, Literal

from providers_app.behaviours.oauth import OAuth
from providers_app.errors import ProviderError, UnsupportedOperation
from providers_app.registry.resolver import resolve
from sessions_app import selectors
from sessions_app.models import AuthSession, Notice, Pk
from sessions_app.presenters.status import StatusView, describe
from sessions_app.services import notices, trail

HISTORY = (
    trail.REFRESHED, trail.REFRESH_FAILED, trail.REFRESH_UNKNOWN, trail.REFRESH_REFUSED, trail.REFRESH_ASKED,
)  # fmt: skip
_TONES = ("bad", "warn", "mute")
HISTORY_SHOWN = 6
LANE_SHOWN = 12


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One Notice with the session it is about, as that is now; ``status`` names the next action."""

    notice: Notice
    session: AuthSession | None
    status: StatusView | None
    tone: Literal["bad", "warn", "mute"]


def notice_rows(owner_id: Pk) -> list[NoticeRow]:
    """The owner's open Notices: what does not work now first, then the newest; two queries, however many there are."""
    found = list(notices.open_notices(owner_id))
    ids = {notice.session_id for notice in found if notice.session_id}
    sessions = selectors.with_state(selectors.owned(owner_id)).filter(pk__in=ids) if ids else ()
    by_id = {session.pk: session for session in sessions}
    rows = [_row(notice, by_id.get(notice.session_id) if notice.session_id else None) for notice in found]
    return sorted(rows, key=lambda row: _TONES.index(row.tone))


def looked_at(owner_id: Pk, rows: list[NoticeRow]) -> None:
    """The owner has these before their eyes; written only where one is new."""
    new = [row.notice.pk for row in rows if row.notice.seen_at is None]
    if new:
        notices.see(owner_id, new)


def login_context(session: AuthSession) -> dict[str, Any]:
    """What the card of a stored sign-in needs; nothing for a session without one."""
    if session.auth_type != AuthSession.AuthType.OAUTH:
        return {}
    history = selectors.events(session, HISTORY)[:HISTORY_SHOWN]
    lane = session.lane.key[:LANE_SHOWN] if session.lane else ""
    # The flow stands there by its label already; what a mode was concluded from is told as a warning where it matters.
    told = (name for name in sorted(session.settings) if name != "flow" and not name.endswith("_source"))
    facts = [(name.replace("_", " ").capitalize(), session.settings[name]) for name in told if session.settings[name]]
    return {"login": {"flow": _flow_label(session), "facts": facts, "lane": lane, "history": history}}


def _flow_label(session: AuthSession) -> str:
    try:
        behaviour: OAuth = resolve(session.provider, "oauth")
    except (ProviderError, UnsupportedOperation):
        return session.flow
    return next((flow.label for flow in behaviour.flows if flow.name == session.flow), session.flow)


def _row(notice: Notice, session: AuthSession | None) -> NoticeRow:
    tone: Literal["bad", "warn", "mute"] = "bad" if notice.kind in notices.BAD else "warn"
    if notice.kind == notices.SWITCHED_OFF:
        tone = "mute"
    return NoticeRow(notice, session, describe(session) if session else None, tone)

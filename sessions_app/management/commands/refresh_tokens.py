"""``manage.py refresh_tokens``: refresh the logins that are due, and say what was done and why.

The exit code is 0 when every session that was asked for is well, 1 when one needs a person, 3 when one failed for now,
2 when the command was not understood or could not be carried out.
"""

import re
import time
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from providers_app import errors
from providers_app.ports import SYSTEM
from providers_app.refresh.flight import rotation_of
from providers_app.refresh.rules import decide
from providers_app.types.credentials import Secret
from providers_app.types.refresh import Trigger
from providers_app.types.tokens import Tokens
from sessions_app import selectors
from sessions_app.credentials import as_time
from sessions_app.management import terminal
from sessions_app.models import AuthSession
from sessions_app.providers import slugs
from sessions_app.services import refresh
from sessions_app.stores.refreshes import claim_of, epoch

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TIMES = ("expires", "next_try")
COLUMNS = ("session", "done", "why", *TIMES)
WORDS = {"needs_person": "needs a person", "unknown": "outcome unknown"}
FOR_NOW = {"failed", "unknown", "kept", "would fail", "would keep"}
PERSONS = {errors.SessionDisabled.code, errors.FlowDisabled.code}
WOULD = {"send": "would refresh", "person": "needs_person", "keep": "would keep"}


class Command(terminal.TerminalCommand):
    help = "Refresh the logins that are due. Exit code: 0 all are well, 1 one needs a person, 3 one failed for now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--provider", default="", help="only sessions of this provider")
        parser.add_argument("--session", default="", help="this one alone, due or not: id, name, or auth_type:name")
        parser.add_argument("--owner", default="", metavar="USER", help="only this user's; without it, every user's")
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--within", type=_duration, default=0.0, metavar="TIME", help="also what is due within 90s, 10m, 2h or 1d"
        )
        which.add_argument("--all", action="store_true", help="every login that can be refreshed, due or not")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done; nothing is sent or changed")
        terminal.add_json(parser)

    def run(self, options: dict[str, Any]) -> None:
        """Refresh, and print a row for each login."""
        try:
            rows = self._rows(options)
        except errors.ProviderError as error:
            self.report(error)
            raise SystemExit(2) from None
        if self.as_json:
            self.dump([row | {name: row[name] and row[name].isoformat() for name in TIMES} for row in rows])
        elif rows:
            self.print_table([[name.replace("_", " ").upper() for name in COLUMNS], *map(_cells, rows)])
            for row in rows:
                if row["hint"]:
                    self.note(f"{row['session']}: {row['hint']}")
        else:
            self.say("Nothing is due. `--all` refreshes every login.")
        if found := {_gravity(row) for row in rows} - {0}:
            raise SystemExit(min(found))

    def _rows(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        owner = terminal.owner_id(options["owner"]) if options["owner"] else None
        if options["provider"] and options["provider"] not in slugs():
            hint = f"There are: {', '.join(sorted(slugs()))}."
            raise errors.UnknownProvider(f"There is no provider '{options['provider'][:80]}'.", hint=hint)
        if options["session"]:
            slug, kind = options["provider"] or None, AuthSession.AuthType.OAUTH
            one = selectors.find(owner or SYSTEM, slug, options["session"], kind)
            return _work([one], "command", options | {"within": 0.0})
        whose: dict[str, Any] = {"provider": options["provider"], "owner_id": owner}
        # Where no session is named, only what is due is refreshed: as the schedule would.
        trigger: Trigger = "command" if options["all"] else "schedule"
        due = refresh.due_sessions(within_s=options["within"], **whose)
        asked = refresh.refreshable(**whose) if options["all"] else due
        chosen = {row.pk: row for row in (*asked, *refresh.ended(**whose))}
        others = (*refresh.needing_sign_in(**whose), *refresh.backing_off(**whose))
        waiting = [row for row in others if row.pk not in chosen]
        return _work(list(chosen.values()), trigger, options) + [_stored(row) for row in waiting]


def _gravity(row: dict[str, Any]) -> int:
    """Return what a row makes of the exit code: 1 needs a person, 3 failed for now, 0 is well."""
    if row["done"] == "needs_person" or row["code"] in PERSONS:
        return 1
    late = row["code"] == errors.RefreshTooEarly.code and row["expires"] and row["expires"] <= timezone.now()
    return 3 if row["done"] in FOR_NOW or row["code"] == errors.RefreshFailed.code or late else 0


def _work(sessions: list[AuthSession], trigger: Trigger, options: dict[str, Any]) -> list[dict[str, Any]]:
    if options["dry_run"]:
        return [_foreseen(session, trigger, options["within"]) for session in sessions]
    seen = {session.pk: session.generation for session in sessions}
    reports = refresh.refresh_many(seen, trigger=trigger, within_s=options["within"], seen=seen)
    return [
        _row(session, report.done, report.why, report.code, as_time(report.next_try_at))
        | {"expires": as_time(report.expires_at), "generation": report.generation}
        for session, report in zip(sessions, reports, strict=True)
    ]


def _duration(text: str) -> float:
    found = re.fullmatch(r"(\d{1,7})([smhd]?)", text.strip())
    if found is None:
        raise ArgumentTypeError(f"'{text[:20]}' is not a time; write 90s, 10m, 2h or 1d")
    return float(int(found[1]) * UNITS[found[2] or "s"])


def _foreseen(session: AuthSession, trigger: Trigger, within: float) -> dict[str, Any]:
    """Say what would be done, decided by the same rules from what is readable without opening a secret."""
    tokens = Tokens(
        flow=session.flow,
        refresh=Secret("stored" if session.token_print else ""),
        expires_at=epoch(session.expires_at),
        earliest_refresh_at=epoch(session.earliest_refresh_at),
        read_only=session.read_only_reason,
    )
    try:
        rotation = rotation_of(session.provider, session.flow)
    except errors.ProviderError as error:
        return _row(session, "would fail", error.message, error.code, session.next_refresh_at)
    claim, now = claim_of(session, tokens), time.time()
    found = decide(claim, rotation, trigger=trigger, seen_generation=None, now=now, within_s=within)
    return _row(session, WOULD.get(found.action, "would skip"), found.why, found.code, session.next_refresh_at)


def _stored(session: AuthSession) -> dict[str, Any]:
    if session.status == AuthSession.Status.NEEDS_REAUTH:
        why = session.status_reason or "the session needs a new sign-in"
        return _row(session, "needs_person", why, session.refresh_error_code or "needs_reauth", None)
    done = "unknown" if session.refresh_error_code == errors.TokenOutcomeUnknown.code else "failed"
    return _row(session, done, session.refresh_error, session.refresh_error_code, session.next_refresh_at)


def _row(session: AuthSession, done: str, why: str, code: str, next_try: datetime | None) -> dict[str, Any]:
    row = {"id": str(session.pk), "session": str(session), "done": done, "why": why, "code": code or None}
    hint = errors.NeedsReauth.hint_at(selectors.page_of(session.pk)) if done == "needs_person" else ""
    return row | {"hint": hint, "generation": session.generation, "expires": session.expires_at, "next_try": next_try}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    times = (f"{row[name]:%Y-%m-%d %H:%M:%S}Z" if row[name] else "-" for name in TIMES)
    return (row["session"], WORDS.get(row["done"], row["done"]), row["why"], *times)

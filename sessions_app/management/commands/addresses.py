"""``manage.py addresses list|allow|revoke``: the private addresses that sessions may reach."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser

from providers_app import conf
from providers_app.errors import InvalidRequest, OwnerRequired
from providers_app.wire.guard import pair_in
from sessions_app.management import terminal
from sessions_app.models import Pk
from sessions_app.services import addresses

SETTING = "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS"


class Command(terminal.TerminalCommand):
    help = "List, allow and revoke private addresses (host and port) that the sessions of this installation may reach."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="show what is allowed, by whom, and what the setting allows")
        allow = actions.add_parser("allow", help="allow one host and port, and nothing else")
        revoke = actions.add_parser("revoke", help="take it back: the next request there is refused")
        for action in (allow, revoke):
            action.add_argument("address", metavar="ADDRESS", help="host:port, or http://host:port/...")
            action.add_argument("--owner", default="", metavar="USER", help="who decides; without it, the first owner")
        for action in (listing, allow, revoke):
            terminal.add_json(action)

    def run(self, options: dict[str, Any]) -> None:
        """Carry out the action."""
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = [
            {"address": row.pair, "allowed_by": str(row.allowed_by or ""), "allowed_at": row.allowed_at.isoformat()}
            for row in addresses.listing()
        ]
        rows += [
            {"address": entry, "allowed_by": SETTING, "allowed_at": ""}
            for entry in conf.current().allowed_private_hosts
        ]
        if self.as_json or not rows:
            self.answer(rows, "No private address is allowed. Allow one with `manage.py addresses allow HOST:PORT`.")
            return
        columns = ("address", "allowed_by", "allowed_at")
        heads = [column.upper().replace("_", " ") for column in columns]
        self.print_table([heads, *([row[column] for column in columns] for row in rows)])

    def _allow(self, options: dict[str, Any]) -> None:
        pair = addresses.allow(options["address"], actor_id=_owner(options["owner"]))
        self.answer({"allowed": pair}, f"Allowed {pair}. Every session may reach this host and port, and no other.")

    def _revoke(self, options: dict[str, Any]) -> None:
        pair = pair_in(options["address"])
        if not addresses.revoke(pair, actor_id=_owner(options["owner"])):
            hint = f"`manage.py addresses list` shows what is; an entry of {SETTING} is removed there."
            raise InvalidRequest(f"{pair} is not on the list of allowed addresses.", hint=hint)
        self.answer({"revoked": pair}, f"Revoked {pair}. The next request there is refused.")


def _owner(username: str) -> Pk:
    """Return the key of an owner of the installation. Raises ``OwnerRequired``."""
    found = get_user_model().objects.filter(is_active=True, is_superuser=True).order_by("pk")
    key = (found.filter(username=username) if username else found).values_list("pk", flat=True).first()
    if key is None:
        who = f"{username[:80]!r} does not own this installation." if username else "This installation has no owner."
        raise OwnerRequired(
            who, hint=f"Owners are: {addresses.owners()}." if addresses.owners() else "Run `manage.py welcome`."
        )
    return key

"""``manage.py aliases list|create|change|delete``: names for several routes, which are tried in order."""

from typing import Any

from django.core.management.base import CommandParser

from sessions_app import alias_selectors
from sessions_app.management import terminal
from sessions_app.models import Alias, AuthSession
from sessions_app.services import aliases

ROUTE = "SESSION/MODEL"


class Command(terminal.TerminalCommand):
    help = "List, create, change and delete aliases: one name for several sessions and models, tried in order."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="show the aliases with their routes")
        create = actions.add_parser("create", help="create an alias; its routes are tried in the order given")
        change = actions.add_parser("change", help="rename an alias, or give it other routes")
        delete = actions.add_parser("delete", help="delete an alias; its sessions stay")
        for action in (create, change, delete):
            action.add_argument("name", metavar="NAME", help="the alias" if action is not create else "its name")
        create.add_argument("routes", nargs="*", metavar=ROUTE, help="a session (id or name) and its model")
        change.add_argument("--name", dest="new_name", default="", metavar="NAME", help="another name")
        change.add_argument("--routes", nargs="*", metavar=ROUTE, help="all routes, in order, instead of the present")
        for action in (create, change):
            sticky = action.add_mutually_exclusive_group()
            text = "try the route first that answered a conversation last, for its prompt cache (default)"
            sticky.add_argument("--sticky", action="store_true", default=None, help=text)
            no = "always begin with the first route"
            sticky.add_argument("--no-sticky", action="store_false", dest="sticky", default=None, help=no)
        for action in (listing, create, change, delete):
            terminal.add_owner(action)
            terminal.add_json(action)

    def run(self, options: dict[str, Any]) -> None:
        """Carry out the action."""
        getattr(self, f"_{options['action']}")(terminal.owner_id(options["owner"]), options)

    def _list(self, owner: Any, options: dict[str, Any]) -> None:
        rows = [_as_dict(alias) for alias in alias_selectors.owned(owner)]
        if self.as_json or not rows:
            create = "You have no aliases. Create one with `manage.py aliases create NAME SESSION/MODEL ...`."
            self.answer(rows, create)
            return
        table = [["NAME", "STICKY", "ROUTES"]]
        for row in rows:
            routes = [_route_words(route) for route in row["routes"]] or ["none"]
            table.append([row["name"], "yes" if row["sticky"] else "no", ", ".join(routes)])
        self.print_table(table)

    def _create(self, owner: Any, options: dict[str, Any]) -> None:
        routes = aliases.parse_routes(owner, options["routes"])
        sticky = options["sticky"] is not False
        alias = aliases.create(owner, options["name"], routes, sticky=sticky, actor_id=owner)
        self._answer(owner, alias, f"Created the alias {alias.name}")

    def _change(self, owner: Any, options: dict[str, Any]) -> None:
        alias = alias_selectors.find(owner, options["name"])
        routes = None if options["routes"] is None else aliases.parse_routes(owner, options["routes"])
        changed = aliases.change(
            alias, name=options["new_name"] or None, routes=routes, sticky=options["sticky"], actor_id=owner
        )
        self._answer(owner, alias, f"{'Changed' if changed else 'Nothing to change in'} the alias {alias.name}")

    def _delete(self, owner: Any, options: dict[str, Any]) -> None:
        alias = alias_selectors.find(owner, options["name"])
        aliases.delete(alias, actor_id=owner)
        self.answer({"deleted": str(alias.pk), "alias": alias.name}, f"Deleted the alias {alias.name}.")

    def _answer(self, owner: Any, alias: Alias, done: str) -> None:
        found = _as_dict(alias_selectors.get(owner, alias.pk))
        routes = ", ".join(_route_words(route) for route in found["routes"])
        self.answer(found, f"{done}: {routes or 'no routes'}.")


def _as_dict(alias: Alias) -> dict[str, Any]:
    routes = [
        {
            "session": route.session.name,
            "session_id": str(route.session_id),
            "provider": route.session.provider,
            "model": route.model,
            "status": route.session.status,
        }
        for route in alias.routes.all()
    ]
    return {"id": str(alias.pk), "name": alias.name, "sticky": alias.sticky, "routes": routes}


def _route_words(route: dict[str, Any]) -> str:
    status = "" if route["status"] == AuthSession.Status.ACTIVE else f" ({route['status']})"
    return f"{route['session']}/{route['model']}{status}"

"""``manage.py sessions list|create|set|delete|login|complete|flows|revoke``. A key or a code is never an argument."""

from typing import Any

from django.core.management.base import CommandParser

from providers_app import environment_keys
from providers_app.behaviours.keys import MAX_KEY_CHARS
from providers_app.errors import InvalidRequest, NeedsReauth
from providers_app.ports import Session
from providers_app.types.catalogue import SettingField
from providers_app.types.credentials import Secret
from sessions_app import alias_selectors, selectors
from sessions_app.management import sign_in, terminal
from sessions_app.models import AuthSession
from sessions_app.presenters.status import describe
from sessions_app.services import connect, lifecycle
from sessions_app.services import options as option_service

TIMES = ("created_at", "last_used_at", "tested_at", "expires_at")
SETTINGS = "="  # stands for ``--key-env`` without a name: no variable can be called so


class Command(terminal.TerminalCommand):
    help = "List, create, sign in to and delete named sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)

        listing = actions.add_parser("list", help="show the sessions of a user")
        listing.add_argument("--provider", default="", help="only this provider")
        listing.add_argument("--auth-type", default="", choices=AuthSession.AuthType.values)

        create = actions.add_parser("create", help="store a login under a name")
        create.add_argument("provider", help="provider slug")
        create.add_argument("auth_type", choices=AuthSession.AuthType.values)
        create.add_argument("name", help="3 to 50 letters, digits, _ and -")
        key = create.add_mutually_exclusive_group()
        key.add_argument("--key-stdin", action="store_true", help="read the key from standard input")
        of_variable = "read the key from this environment variable; without VAR the provider's own (OPENAI_API_KEY ...)"
        key.add_argument("--key-env", metavar="VAR", nargs="?", const=SETTINGS, default="", help=of_variable)
        create.add_argument("--base-url", default="", help="another address than the provider's own")
        option = "an option of the session; `sessions set SESSION` lists those of its provider. Never a secret"
        create.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=option)

        setting = actions.add_parser("set", help="change the options of a session, or list them")
        terminal.add_session(setting)
        assignment = "an option and its value; NAME= takes it away; without any, the options are listed"
        setting.add_argument("assignment", nargs="*", metavar="NAME=VALUE", help=assignment)

        delete = actions.add_parser("delete", help="destroy a session and its secret, at once")
        delete.add_argument("ref", nargs="+", metavar="SESSION", help="PROVIDER AUTH_TYPE NAME, or an id or name")
        delete.add_argument("--provider", default="", help="provider slug, where the name alone is ambiguous")
        delete.add_argument("--auth-type", default="", choices=AuthSession.AuthType.values)

        login = actions.add_parser("login", help="sign in to a provider on its own page")
        sign_in.add_login(login)
        complete = actions.add_parser("complete", help="go on with a sign-in: paste its code, or wait for it")
        sign_in.add_complete(complete)
        flows = actions.add_parser("flows", help="the ways to sign in, and what the vendors say to them")
        flows.add_argument("provider", nargs="?", default="", help="only this provider")
        terminal.add_json(flows)
        revoke = actions.add_parser("revoke", help="end a login at its provider, and destroy its tokens here")
        terminal.add_session(revoke)

        for action in (listing, create, delete, login, complete):
            terminal.add_owner(action)
            terminal.add_json(action)

    def run(self, options: dict[str, Any]) -> None:
        """Carry out the action."""
        lifecycle.purge_deleted()
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        owner = terminal.owner_id(options["owner"])
        rows = selectors.filtered(owner, provider=options["provider"], auth_type=options["auth_type"])
        sessions = [as_dict(session) for session in selectors.with_state(rows)]
        if self.as_json or not sessions:
            self.answer(sessions, "No sessions. Connect one with `manage.py sessions create`.")
            return
        columns = ("name", "provider", "auth_type", "state", "reason", "id")
        heads = [column.upper() for column in columns]
        self.print_table([heads, *([str(row[column]) for column in columns] for row in sessions)])
        for row in sessions:
            if row["hint"]:
                self.note(f"{row['name']}: {row['hint']}")

    def _create(self, options: dict[str, Any]) -> None:
        owner = terminal.owner_id(options["owner"])
        session = connect.create(
            owner_id=owner,
            secret=_key(options),
            **{name: options[name] for name in ("provider", "auth_type", "name", "base_url")},
            settings=option_service.parse(options["set"]),
            actor_id=owner,
        )
        for advice in session.advice:
            self.note(f"{advice.level}: {advice.message}")
        words = f"Stored {session} as {session.pk}. Nothing was asked of the provider yet."
        self.answer(as_dict(selectors.get(owner, session.pk)), words)

    def _set(self, options: dict[str, Any]) -> None:
        session = terminal.session_of(options)
        given, fields = option_service.parse(options["assignment"]), option_service.declared(session)
        changed = option_service.change(session, given, actor_id=session.owner_id) if given else ()
        if given:
            after = ", ".join(f"{name} = {session.options.get(name) or 'as configured'}" for name in changed)
            text = f"{session}: {after or 'nothing to change'}."
        else:
            lines = [_option_line(field, session) for field in fields]
            text = "\n".join(lines) or f"{session.provider} declares no options for its sessions."
        result = {"session": str(session), "id": str(session.pk), "options": session.options}
        declared = [_option_dict(field, session) for field in fields]
        self.answer(result | {"changed": changed, "declared": declared}, text)

    def _delete(self, options: dict[str, Any]) -> None:
        provider, auth_type = options["provider"], options["auth_type"]
        *kind, ref = options["ref"]
        if kind and (len(kind) != 2 or provider or auth_type):
            raise InvalidRequest("Name one session.", hint="PROVIDER AUTH_TYPE NAME, or one id or name.")
        provider, auth_type = kind or (provider, auth_type)
        session = terminal.session_of(options | {"provider": provider, "auth_type": auth_type}, ref)
        used = alias_selectors.using(session)
        lifecycle.delete(session, actor_id=session.owner_id)
        result = {"deleted": str(session.pk), "session": str(session), "aliases": used}
        self.answer(result, f"Deleted {session}. Its secret is destroyed. {alias_selectors.loss_words(used)}".strip())

    def _login(self, options: dict[str, Any]) -> None:
        if made := sign_in.login(self, options):
            self._signed_in(made)

    def _complete(self, options: dict[str, Any]) -> None:
        self._signed_in(sign_in.complete(self, options))

    _flows = sign_in.flows

    def _revoke(self, options: dict[str, Any]) -> None:
        session = terminal.session_of(options)
        revoked = lifecycle.revoke(session)
        text = f"Ended {session} at the provider. Its tokens are destroyed."
        if not revoked:
            text = f"{session.provider} has no way to end a login from here, so nothing was changed. End it on the "
            text += "provider's own page."
        self.answer({"revoked": revoked, "session": str(session), "id": str(session.pk)}, text)

    def _signed_in(self, made: Session) -> None:
        session = selectors.get(made.owner, made.id)
        account = f" as {session.account_label}" if session.account_label else ""
        self.answer(as_dict(session), f"{session} is signed in{account} ({session.pk}).")


def as_dict(session: AuthSession) -> dict[str, Any]:
    """Return a session that was read with its state, JSON-ready, without its secret."""
    status = describe(session)
    return {
        "id": str(session.pk),
        **{name: getattr(session, name) for name in ("provider", "auth_type", "name", "status")},
        "state": status.state,
        "reason": status.words,
        "hint": NeedsReauth.hint_at(selectors.page_of(session.pk)) if status.action == "reauth" else "",
        "base_url": session.base_url or None,
        "options": dict(session.options),
        "account": session.account_label or None,
    } | {name: at.isoformat() if (at := getattr(session, name)) else None for name in TIMES}


def _option_line(field: SettingField, session: AuthSession) -> str:
    value = session.options.get(field.name)
    choices = f" One of: {', '.join(field.choices)}." if field.choices else ""
    return f"{field.name} = {value if value else '(as configured)'}\n    {field.label}. {field.help}{choices}".rstrip()


def _option_dict(field: SettingField, session: AuthSession) -> dict[str, Any]:
    shown = {name: getattr(field, name) for name in ("name", "label", "help", "required", "choices")}
    return shown | {"value": session.options.get(field.name)}


def _key(options: dict[str, Any]) -> Secret:
    if options["key_env"] == SETTINGS:
        return environment_keys.key_of(options["provider"])
    if options["key_env"]:
        return terminal.variable(options["key_env"])
    return terminal.read_key(MAX_KEY_CHARS) if options["key_stdin"] else Secret("")

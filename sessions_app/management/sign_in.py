"""``manage.py sessions login|complete|flows|revoke``: sign-ins from the terminal.

A pasted code is read without echo and never printed; neither is a client's secret, which comes from standard input.
"""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from providers_app import errors, loop
from providers_app import provider as door
from providers_app.behaviours.oauth import LoginField, PendingLogin
from providers_app.ports import Session
from providers_app.provider import list_providers
from providers_app.sign_in.checks import OfferedFlow
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginState
from sessions_app.management import terminal
from sessions_app.management.terminal import TerminalCommand
from sessions_app.models import Pk

MAX_ANSWER_CHARS = 16_384
TRIES = 5
BEGIN_S = 90.0


def add_login(parser: CommandParser) -> None:
    """Add the arguments of ``login``."""
    parser.add_argument("provider", help="provider slug")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", default="", help="name of the new session")
    which.add_argument("--session", default="", help="sign this session in again, by id or name")
    add_flow(parser.add_argument)
    parser.add_argument("--client-secret-stdin", action="store_true", help="read its secret from standard input")
    parser.add_argument("--no-wait", action="store_true", help="print the address and end; go on with `complete`")


def add_flow(add: Callable[..., Any]) -> None:
    """Add the arguments that every command with a sign-in has."""
    add("--flow", default="", help="which sign-in; see `sessions flows`")
    add("--method", default="", help="how the answer comes back: loopback, paste_code, device ...")
    add("--client-id", default="", help="your own OAuth client")
    asked = (
        "a field that the sign-in asks for (`sessions flows` lists them and their choices, such as "
        "mode=auto|chatgpt|api_key); NAME=@FILE reads it from a file"
    )
    add("--field", action="append", default=[], metavar="NAME=VALUE", help=asked)
    add("--agree", action="store_true", help="agree to what the sign-in asks you to agree to")
    add("--remote-browser", action="store_true", help="the browser is on another machine than this one")


def add_complete(parser: CommandParser) -> None:
    """Add the arguments of ``complete``."""
    parser.add_argument("login", metavar="ID", help="id of a sign-in that `login --no-wait` printed")
    parser.add_argument("--confirm", action="store_true", help="take another account's tokens, or the last step again")


def login(command: TerminalCommand, options: dict[str, Any]) -> Session | None:
    """Begin a sign-in and see it through; ``None`` when the caller does not want to wait."""
    owner = terminal.owner_id(options["owner"])
    _agree(options)
    chosen: dict[str, Any] = {name: options[name] or None for name in ("flow", "method", "session")}
    begun = door.begin_login(
        options["provider"],
        name=options["name"],
        client={"id": options["client_id"], "secret": _client_secret(options)},
        given=dict(map(field, options["field"])),
        local_browser=not options["remote_browser"],
        owner=owner,
        **chosen,
    )
    pending = loop.run(begun, BEGIN_S)
    if pending.method != "direct":
        shown = {"login": pending.id, "method": pending.method, "url": pending.url, "expires_at": pending.expires_at}
        then = f"\nThen run: manage.py sessions complete {pending.id}" if options["no_wait"] else ""
        shown |= {"user_code": pending.user_code or None, "name": pending.name}
        command.answer(shown, instructions(pending) + then)
        if options["no_wait"]:
            if pending.method != "loopback":
                return None
            loop.run(door.cancel_login(pending.id, owner=owner), BEGIN_S)
            hint = "Add --method with one that is pasted."
            raise errors.InvalidRequest("With --no-wait nothing would listen for the answer.", hint=hint)
    return _see_through(command, pending.id, pending.method, owner)


def complete(command: TerminalCommand, options: dict[str, Any]) -> Session:
    """Go on with a sign-in that was begun before."""
    owner = terminal.owner_id(options["owner"])
    if options["confirm"]:
        return loop.run(door.confirm_login(options["login"], owner=owner), BEGIN_S)
    state: LoginState = loop.run(door.login_state(options["login"], owner=owner), BEGIN_S)
    return _see_through(command, state.id, state.method, owner)


def flows(command: TerminalCommand, options: dict[str, Any]) -> None:
    """Print the ways to sign in, with what their vendors say."""
    slugs = [options["provider"]] if options["provider"] else [card.slug for card in list_providers()]
    found: list[tuple[str, OfferedFlow]] = []
    for slug in slugs:
        try:
            found += [(slug, offer) for offer in loop.run(door.offered_flows(slug), BEGIN_S)]
        except errors.UnsupportedOperation:
            if options["provider"]:
                raise
    if command.as_json:
        command.dump([_as_dict(slug, offer) for slug, offer in found])
        return
    rows = [(s, one.flow.name, "on" if one.enabled else "off", ", ".join(one.flow.methods)) for s, one in found]
    head, *lines = terminal.table_lines([("PROVIDER", "FLOW", "STATE", "METHODS"), *rows])
    command.say(head)
    for line, (_, offer) in zip(lines, found, strict=True):
        flow = offer.flow
        position = " ".join(filter(None, (flow.position, flow.position_url))) if offer.enabled else offer.why_not
        command.say("\n    ".join(filter(None, (line, flow.label, position, *map(_asked, flow.fields)))))


def _see_through(command: TerminalCommand, login_id: str, method: str, owner: Pk) -> Session:
    try:
        if method in ("paste_code", "paste_url", "callback"):
            return _pasted(command, login_id, owner)
        return loop.run(door.wait_login(login_id, owner=owner))
    except errors.WrongAccount as error:
        error.hint = f"Take it with `manage.py sessions complete {login_id} --confirm`, or sign in again."
        if not _yes(command.as_json, f"{error.message} Take this account? [y/N] "):
            raise
        return loop.run(door.confirm_login(login_id, owner=owner), BEGIN_S)
    except errors.UpstreamError as error:
        if loop.run(door.login_state(login_id, owner=owner), BEGIN_S).status == "confirm":
            error.hint = f"{error.hint} Take it again: `manage.py sessions complete {login_id} --confirm`."
        raise
    except KeyboardInterrupt:
        loop.run(door.cancel_login(login_id, owner=owner), BEGIN_S)
        raise errors.LoginDenied("The sign-in was cancelled.", hint="Nothing was stored.") from None


def _pasted(command: TerminalCommand, login_id: str, owner: Pk) -> Session:
    """Read answers until one fits: one that cannot be read spends nothing."""
    for _ in range(TRIES):
        try:
            return loop.run(door.complete_login(login_id, answer=_read_answer(), owner=owner))
        except errors.InvalidLoginAnswer as error:
            command.report(error)
    raise errors.InvalidLoginAnswer("No answer could be used.", hint="Go on later with `manage.py sessions complete`.")


def _read_answer() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Code or address: ")
    line = sys.stdin.readline(MAX_ANSWER_CHARS + 2)
    if not line:
        raise errors.InvalidRequest(
            "Standard input ended before there was an answer.", hint="Paste the code, or pipe it in."
        )
    return line


def instructions(pending: PendingLogin) -> str:
    """Tell a person at the terminal where to sign in, and what to do with the answer."""
    match pending.method:
        case "device":
            then = f"Type this code there:  {pending.user_code}\nNever type a code that another person sent you."
        case "loopback":
            then = "Allow the access; this program takes the answer."
        case "paste_url":
            then = "Allow the access. The page that follows does not load: copy its address and paste it here."
        case _:
            then = "Allow the access, copy the code that is shown, and paste it here (it stays invisible)."
    return f"Open this address:\n\n  {pending.url}\n\n{then}"


def _agree(options: dict[str, Any]) -> None:
    """Ask for the consent that the flow needs. Raises ``InvalidRequest`` when it is not given."""
    name, local = options["flow"], not options["remote_browser"]
    offers = loop.run(door.offered_flows(options["provider"], local_browser=local), BEGIN_S)
    fitting = [offer.flow for offer in offers if (offer.flow.name == name if name else offer.enabled)]
    consent = fitting[0].consent if fitting else ""
    if consent and not options["agree"] and not _yes(options["json"], f"{consent} Do you agree? [y/N] "):
        raise errors.InvalidRequest(f"This sign-in needs your agreement: {consent}", hint="Pass --agree.")


def _client_secret(options: dict[str, Any]) -> Secret:
    if not options["client_secret_stdin"]:
        return Secret("")
    if sys.stdin.isatty():
        return Secret(getpass.getpass("Client secret: "))
    return Secret(sys.stdin.readline(MAX_ANSWER_CHARS).strip())


def field(text: str) -> tuple[str, Secret]:
    """Return name and value of ``NAME=VALUE`` or ``NAME=@FILE``. Raises ``InvalidRequest``."""
    name, value = terminal.pair(text, "A field is written NAME=VALUE, or NAME=@FILE.")
    if not value.startswith("@"):
        return name, Secret(value)
    try:
        return name, Secret(Path(value[1:]).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidRequest(
            f"The file for the field {name!r} cannot be read ({type(error).__name__})."
        ) from None


def _yes(as_json: bool, question: str) -> bool:
    """Ask a person at the terminal; ``False`` for a program."""
    if as_json or not sys.stdin.isatty():
        return False
    sys.stderr.write(terminal.printable(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _asked(one: LoginField) -> str:
    """Describe a field as ``--field`` takes it, with its choices."""
    value = "|".join(one.choices) or ("@FILE" if one.multiline else "VALUE")
    return f"--field {one.name}={value}: {one.label}{'' if one.required else ' (optional)'}"


def _as_dict(slug: str, offer: OfferedFlow) -> dict[str, Any]:
    flow = offer.flow
    fields = ("name", "required", "secret", "choices")
    return {
        "provider": slug,
        "flow": flow.name,
        "label": flow.label,
        "enabled": offer.enabled,
        "why_not": offer.why_not or None,
        "restricted": flow.restricted,
        "position": flow.position or None,
        "position_url": flow.position_url or None,
        "methods": list(flow.methods),
        "fields": [{name: getattr(one, name) for name in fields} for one in flow.fields],
        "client": flow.client_fields,
    }

"""``manage.py sessions login|complete|flows|revoke``: sign-ins from the terminal.

A pasted code is read without echo and never printed; neither is a client's secret, which comes from standard input.
"""

import getpass
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from providers_app import loop
from providers_app import provider as door
from providers_app.behaviours.oauth import LoginField, PendingLogin
from providers_app.errors import InvalidLoginAnswer, InvalidRequest, LoginDenied, UnsupportedOperation, WrongAccount
from providers_app.ports import Session
from providers_app.provider import list_providers
from providers_app.sign_in.checks import OfferedFlow
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginState
from sessions_app.management import terminal
from sessions_app.models import Pk

MAX_ANSWER_CHARS = 16_384
TRIES = 5
BEGIN_S = 90.0


def add_login(parser: CommandParser) -> None:
    """Add the arguments of ``login``."""
    parser.add_argument("provider", help="provider slug")
    parser.add_argument("--flow", default="", help="which sign-in; see `sessions flows`")
    parser.add_argument("--method", default="", help="how the answer comes back: loopback, paste_code, device ...")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", default="", help="name of the new session")
    which.add_argument("--session", default="", help="sign this session in again, by id or name")
    parser.add_argument("--client-id", default="", help="your own OAuth client")
    parser.add_argument("--client-secret-stdin", action="store_true", help="read its secret from standard input")
    parser.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a field that the sign-in asks for (`sessions flows` lists them and their choices, such as "
        "mode=auto|chatgpt|api_key); NAME=@FILE reads it from a file",
    )
    parser.add_argument("--agree", action="store_true", help="agree to what the sign-in asks you to agree to")
    parser.add_argument("--remote-browser", action="store_true", help="the browser is on another machine than this one")
    parser.add_argument("--no-wait", action="store_true", help="print the address and end; go on with `complete`")


def add_complete(parser: CommandParser) -> None:
    """Add the arguments of ``complete``."""
    parser.add_argument("login", metavar="ID", help="id of a sign-in that `login --no-wait` printed")
    parser.add_argument("--confirm", action="store_true", help="take the tokens although they are another account's")


def login(command: BaseCommand, options: dict[str, Any]) -> Session | None:
    """Begin a sign-in and see it through; ``None`` when the caller does not want to wait."""
    owner = terminal.owner_id(options["owner"])
    slug, flow = options["provider"], options["flow"]
    local = not options["remote_browser"]
    _agree(slug, flow, options)
    client = {"id": options["client_id"], "secret": _client_secret(options)}
    pending = loop.run(
        door.begin_login(
            slug,
            name=options["name"],
            flow=flow or None,
            method=options["method"] or None,
            session=options["session"] or None,
            client=client,
            given=dict(_field(text) for text in options["field"]),
            local_browser=local,
            owner=owner,
        ),
        BEGIN_S,
    )
    if pending.method != "direct":
        _show(command, pending, options)
    if options["no_wait"] and pending.method != "direct":
        if pending.method == "loopback":
            loop.run(door.cancel_login(pending.id, owner=owner), BEGIN_S)
            raise InvalidRequest(
                "With --no-wait nobody would listen for the answer.", hint="Add --method with one that is pasted."
            )
        return None
    return _see_through(command, pending.id, pending.method, owner, options)


def complete(command: BaseCommand, options: dict[str, Any]) -> Session:
    """Go on with a sign-in that was begun before."""
    owner = terminal.owner_id(options["owner"])
    if options["confirm"]:
        return loop.run(door.confirm_login(options["login"], owner=owner), BEGIN_S)
    state: LoginState = loop.run(door.login_state(options["login"], owner=owner), BEGIN_S)
    return _see_through(command, state.id, state.method, owner, options)


def flows(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print the ways to sign in, with what their vendors say."""
    slugs = [options["provider"]] if options["provider"] else [card.slug for card in list_providers()]
    found: list[tuple[str, OfferedFlow]] = []
    for slug in slugs:
        try:
            found += [(slug, offer) for offer in loop.run(door.offered_flows(slug), BEGIN_S)]
        except UnsupportedOperation:
            if options["provider"]:
                raise
    if options["json"]:
        terminal.dump(command, [_as_dict(slug, offer) for slug, offer in found])
        return
    rows = [
        (slug, offer.flow.name, "on" if offer.enabled else "off", ", ".join(offer.flow.methods))
        for slug, offer in found
    ]
    head, *lines = terminal.table_lines([("PROVIDER", "FLOW", "STATE", "METHODS"), *rows])
    terminal.write(command, f"{head}\n")
    for line, (_, offer) in zip(lines, found, strict=True):
        terminal.write(command, f"{line}\n" + "".join(f"    {note}\n" for note in _notes(offer)))


def _see_through(command: BaseCommand, login_id: str, method: str, owner: Pk, options: dict[str, Any]) -> Session:
    try:
        if method in ("paste_code", "paste_url", "callback"):
            return _pasted(command, login_id, owner, options)
        return loop.run(door.wait_login(login_id, owner=owner))
    except WrongAccount as error:
        error.hint = f"Take it with `manage.py sessions complete {login_id} --confirm`, or sign in again."
        if options["json"] or not sys.stdin.isatty() or not _yes(f"{error.message} Take this account? [y/N] "):
            raise
        return loop.run(door.confirm_login(login_id, owner=owner), BEGIN_S)
    except KeyboardInterrupt:
        loop.run(door.cancel_login(login_id, owner=owner), BEGIN_S)
        raise LoginDenied("The sign-in was cancelled.", hint="Nothing was stored.") from None


def _pasted(command: BaseCommand, login_id: str, owner: Pk, options: dict[str, Any]) -> Session:
    """Read answers until one fits: one that cannot be read spends nothing."""
    for _ in range(TRIES):
        try:
            return loop.run(door.complete_login(login_id, answer=_read_answer(), owner=owner))
        except InvalidLoginAnswer as error:
            terminal.report(command, error, options["json"])
    raise InvalidLoginAnswer("No answer could be used.", hint="Go on later with `manage.py sessions complete`.")


def _read_answer() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Code or address: ")
    line = sys.stdin.readline(MAX_ANSWER_CHARS + 2)
    if not line:
        raise InvalidRequest("Standard input ended before there was an answer.", hint="Paste the code, or pipe it in.")
    return line


def _show(command: BaseCommand, pending: PendingLogin, options: dict[str, Any]) -> None:
    if options["json"]:
        shown = {"login": pending.id, "method": pending.method, "url": pending.url, "expires_at": pending.expires_at}
        terminal.dump(command, shown | {"user_code": pending.user_code or None, "name": pending.name})
        return
    text = instructions(pending)
    if options["no_wait"]:
        text += f"Then run: manage.py sessions complete {pending.id}\n"
    terminal.write(command, terminal.printable(text))


def instructions(pending: PendingLogin) -> str:
    """Tell a person at the terminal where to sign in, and what to do with the answer."""
    match pending.method:
        case "device":
            then = f"Type this code there:  {pending.user_code}\nNever type a code that somebody sent you."
        case "loopback":
            then = "Allow the access; this program takes the answer."
        case "paste_url":
            then = "Allow the access. The page that follows does not load: copy its address and paste it here."
        case _:
            then = "Allow the access, copy the code that is shown, and paste it here (it stays invisible)."
    return f"Open this address:\n\n  {pending.url}\n\n{then}\n"


def _agree(slug: str, name: str, options: dict[str, Any]) -> None:
    """Ask for the consent that the flow needs. Raises ``InvalidRequest`` when it is not given."""
    offers = loop.run(door.offered_flows(slug, local_browser=not options["remote_browser"]), BEGIN_S)
    fitting = [offer.flow for offer in offers if (offer.flow.name == name if name else offer.enabled)]
    consent = fitting[0].consent if fitting else ""
    if not consent or options["agree"]:
        return
    if options["json"] or not sys.stdin.isatty() or not _yes(f"{consent} Do you agree? [y/N] "):
        raise InvalidRequest(f"This sign-in needs your agreement: {consent}", hint="Pass --agree.")


def _client_secret(options: dict[str, Any]) -> Secret:
    if not options["client_secret_stdin"]:
        return Secret("")
    if sys.stdin.isatty():
        return Secret(getpass.getpass("Client secret: "))
    return Secret(sys.stdin.readline(MAX_ANSWER_CHARS).strip())


def _field(text: str) -> tuple[str, Secret]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest("A field is written NAME=VALUE, or NAME=@FILE.")
    if not value.startswith("@"):
        return name, Secret(value)
    try:
        return name, Secret(Path(value[1:]).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The file for the field {name!r} cannot be read ({type(error).__name__}).") from None


def _yes(question: str) -> bool:
    sys.stderr.write(terminal.printable(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _notes(offer: OfferedFlow) -> list[str]:
    flow = offer.flow
    position = " ".join(part for part in (flow.position, flow.position_url) if part)
    asked = (_asked(field) for field in flow.fields)
    lines = (flow.label, position if offer.enabled else offer.why_not, *asked)
    return [terminal.printable(line) for line in lines if line]


def _asked(field: LoginField) -> str:
    """Describe a field as ``--field`` takes it, with its choices."""
    value = "|".join(field.choices) or ("@FILE" if field.multiline else "VALUE")
    return f"--field {field.name}={value}: {field.label}{'' if field.required else ' (optional)'}"


def _as_dict(slug: str, offer: OfferedFlow) -> dict[str, Any]:
    flow = offer.flow
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
        "fields": [
            {"name": field.name, "required": field.required, "secret": field.secret, "choices": list(field.choices)}
            for field in flow.fields
        ],
        "client": flow.client_fields,
    }

"""Parameters of a request as options of a command: typed text becomes arguments of the universal interface."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from providers_app.advice.values import ALIASES
from providers_app.errors import InvalidRequest
from providers_app.text import quoted
from providers_app.types.rules import EFFORTS
from sessions_app.management import terminal

MAX_FILE = 1024 * 1024  # bytes of a JSON file that is read
# Options that have a name of their own, and the parameter that each is.
NAMED = {"max_output_tokens": "max_output_tokens", "temperature": "temperature", "effort": "reasoning_effort"}


def add(parser: CommandParser) -> None:
    """Add ``--max-output-tokens --temperature --effort --schema --param --strict``."""
    parser.add_argument("--max-output-tokens", type=int, default=None, metavar="N", help="longest answer, in tokens")
    parser.add_argument("--temperature", type=float, default=None, metavar="T", help="low is steady, high is varied")
    parser.add_argument("--effort", choices=EFFORTS, default=None, help="how long the model may reason")
    parser.add_argument("--schema", default="", metavar="FILE", help="JSON Schema that the answer must have")
    other = "any other parameter, its value as JSON or as text; may be given again"
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help=other)
    strict = "refuse instead of leaving out what the provider or model does not take"
    parser.add_argument("--strict", action="store_true", default=None, help=strict)


def read(options: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of these options. Raises ``InvalidRequest`` for one that is unreadable or given twice."""
    given = [(name, options[option]) for option, name in NAMED.items() if options[option] is not None]
    if options["schema"]:
        given.append(("response_schema", read_json(options["schema"], "--schema")))
    given += [_param(text) for text in options["param"]]
    found: dict[str, Any] = {}
    for name, value in given:
        known = {ALIASES.get(one, one) for one in found}
        if ALIASES.get(name, name) in known:
            raise InvalidRequest(f"The parameter {quoted(name)} is given twice.")
        found[name] = value
    return found


def read_json(path: str, option: str) -> Any:
    """Read a JSON file. Raises ``InvalidRequest`` with the reason."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no path"
        raise InvalidRequest(f"{option}: {quoted(path)} cannot be read: {reason}.") from None
    if len(data) > MAX_FILE:
        raise InvalidRequest(f"{option}: {quoted(path)} is larger than {MAX_FILE} bytes.")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidRequest(f"{option}: {quoted(path)} is not JSON.") from None


def _param(text: str) -> tuple[str, Any]:
    name, value = terminal.pair(text, f"--param takes NAME=VALUE, not {quoted(text)}.")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value

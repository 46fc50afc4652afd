"""Headers of the gateway: ``Name: value`` with ``{variables}`` from a fixed list, and nothing else.

A template never reads a setting, a secret or the environment. What a variable holds cannot break out of its header: it
is percent-encoded where it is not plain printable ASCII.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

VARIABLES = ("user.id", "user.email", "project", "request.id")
"""The variables that a template may name."""
MAX_HEADERS_BYTES = 8192
"""Bytes of all headers of the gateway together; servers commonly take no more than that."""
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# Written by the client itself, or saying where a message ends.
_RESERVED = re.compile("connection|content-(length|type)|expect|host|keep-alive|te|trailer|transfer-encoding", re.I)
_BRACES = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[ -~]*")


def parse(text: str) -> dict[str, str]:
    """Return headers from ``Name: value`` lines; ``;`` is a line break. Raises ``ValueError`` that names the line."""
    found: dict[str, str] = {}
    for line in re.split(r"[;\n]", text):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"{line.strip()[:40]!r} is not of the form 'Name: value'")
        if name.strip().lower() in (known.lower() for known in found):
            raise ValueError(f"the header {name.strip()!r} is given twice")
        found[name.strip()] = value.strip()
    return found


def problem(name: str, value: str) -> str:
    """Return why a header cannot be sent, else the empty text; the value is not quoted."""
    if not NAME.fullmatch(name):
        return f"{name[:40]!r} is not the name of a header"
    if _RESERVED.fullmatch(name):
        return f"the header {name!r} is written by Maestro itself"
    if not _PLAIN.fullmatch(value):
        return f"the value of {name!r} holds a line break or something that is not plain ASCII"
    return unknown_variables(value, VARIABLES, f"the header {name!r}")


def unknown_variables(template: str, known: tuple[str, ...], where: str) -> str:
    """Return what is wrong with the braces of a template, else the empty text."""
    for variable in _BRACES.findall(template):
        if variable not in known:
            listed = ", ".join(f"{{{name}}}" for name in known)
            return f"{where} names {{{variable}}}, which is not among {listed}"
    rest = _BRACES.sub("", template)
    return f"{where} has a brace that belongs to no variable" if "{" in rest or "}" in rest else ""


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return the template with its variables filled in; one without a value becomes nothing."""
    return _BRACES.sub(lambda match: _safe(values.get(match[1], "")), template)


def _safe(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote(value, safe=" !#$&'()*+,/:;=?@[]-._~")

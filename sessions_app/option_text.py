"""Options of a session as text, one ``name=value`` each: what a command takes and the admin's text area holds."""

from collections.abc import Iterable, Mapping

from providers_app.errors import InvalidOption
from providers_app.text import quoted


def parse(lines: Iterable[str]) -> dict[str, str]:
    """Values by name; a name with nothing after ``=`` takes the option away. Raises ``InvalidOption``.

    Whether the provider has such options, the services decide.
    """
    found: dict[str, str] = {}
    for line in lines:
        name, sign, value = line.partition("=")
        name = name.strip()
        if not sign or not name:
            # The text is not repeated: what is no assignment may be a key that was pasted into the wrong place.
            raise InvalidOption("An option is given as name=value.", hint="For example: project=my-project")
        if name in found:
            raise InvalidOption(f"The option {quoted(name)} is given twice.", field=name)
        found[name] = value.strip()
    return found


def changes(options: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, str]:
    """What ``typed``, made of the text of ``options``, says otherwise; an empty value for what is not there any more.

    Line endings and the order of lines are no change, nor is a value that the text shows joined.
    """
    before = parse(written(options).splitlines())
    gone = {name: "" for name in before if name not in typed}
    return gone | {name: value for name, value in typed.items() if value != before.get(name, "")}


def written(options: Mapping[str, str]) -> str:
    """The options as ``parse`` reads them, one on a line; what has several lines is joined."""
    return "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in options.items())

"""Reading a provider's logins out of the files of other programs.

``imports`` is a module that a package may leave out. It is pure: decoded JSON in, logins out, nothing is asked.
"""

from typing import Any, Protocol

from providers_app.types.imports import ImportedLogin, ImportFormat


class Imports(Protocol):
    """The ``imports`` behaviour of a provider."""

    @property
    def formats(self) -> tuple[ImportFormat, ...]:
        """What it can read."""
        ...

    def recognises(self, found: Any) -> str:
        """The name of the format that this decoded JSON is in; empty when it is none of its own."""
        ...

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """The logins in files of that format, decoded JSON each, in any order. A broken one comes with its problem."""
        ...

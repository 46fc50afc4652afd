"""Decrypted credentials, in memory only, and values that refuse to be printed."""

from typing import Any

import msgspec

from providers_app.types.advice import Advice
from providers_app.types.catalogue import AuthType


class Secret:
    """A string that shows itself only to ``reveal()``; ``repr``, ``str``, formatting and pickling do not.

    >>> Secret("sk-1")
    Secret('***')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it only where it leaves for the provider or the key ring."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not serialised; seal it with the key ring")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The credential that requests of one session are signed with.

    ``base_url`` replaces the provider's own address, ``settings`` are its options (organisation, project, API version).
    ``advice`` is what was changed about a key that was just given; it is not stored.
    """

    auth_type: AuthType
    secret: Secret = Secret("")
    base_url: str | None = None
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    advice: tuple[Advice, ...] = ()

"""On whose behalf a call is made. Look-ups never cross owners, so every call has exactly one.

``owner=`` of the call, else the block ``with acting_as(user):`` around it, else the only user of the installation;
with none of these ``OwnerRequired``. ``SYSTEM`` is the installation itself and is always written out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from providers_app import ports
from providers_app.errors import OwnerRequired
from providers_app.ports import SYSTEM, Owner
from providers_app.text import quoted

_acting: ContextVar[Owner | None] = ContextVar("maestro_owner", default=None)


def as_owner(user: Any) -> Owner:
    """Return the owner that ``user`` stands for: ``SYSTEM``, a primary key, or a stored object (``pk``).

    Raises ``OwnerRequired`` for everything else.
    """
    key = user if user is SYSTEM else getattr(user, "pk", user)
    if key is SYSTEM:
        return SYSTEM
    if isinstance(key, bool) or key in (None, ""):
        raise OwnerRequired("The user who acts is not signed in, or is not stored.")
    if not isinstance(key, int | str | UUID):
        raise OwnerRequired(f"{quoted(user)} is no user.", hint="Pass a user, or the primary key of one.")
    return key if isinstance(key, int | str) else str(key)


@contextmanager
def acting_as(user: Any) -> Iterator[None]:
    """Give calls inside the block that name no ``owner`` to ``user`` (an object, its primary key, or ``SYSTEM``)."""
    token = _acting.set(as_owner(user))
    try:
        yield
    finally:
        _acting.reset(token)


def acting() -> Owner | None:
    """Return the owner of the innermost ``acting_as`` block."""
    return _acting.get()


async def find_owner(owner: Any = None) -> Owner:
    """Return the owner of this call by the rule above. Raises ``OwnerRequired``, ``NotConfigured``."""
    given = owner if owner is not None else _acting.get()
    if given is not None:
        found = given if type(given) is int else as_owner(given)
        return ports.session_store().owner_key(found) if isinstance(found, str) else found
    if (sole := await ports.session_store().sole_owner()) is not None:
        return sole
    raise OwnerRequired("It is not clear whose session is meant: this installation has no user, or several.")


async def email_of(owner: Owner | None) -> str:
    """Return the e-mail address of the owner; empty without an owner, an address, or ``People``."""
    people = ports.people()
    return "" if owner is None or people is None else await people.email_of(owner)

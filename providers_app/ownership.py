"""On whose behalf a call is made. Look-ups never cross owners, so every call has exactly one.

``owner=`` of the call, else the block ``with acting_as(user):`` around it, else the only user of the installation;
with none of these ``OwnerRequired``. ``SYSTEM`` is the installation itself and is always written out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from providers_app import ports
from providers_app.errors import OwnerRequired
from providers_app.ports import SYSTEM, Owner

_acting: ContextVar[Owner | None] = ContextVar("maestro_owner", default=None)


def as_owner(user: Any) -> Owner:
    """Return the owner that ``user`` stands for: ``SYSTEM``, a primary key, or an object with one (``pk``).

    Raises ``OwnerRequired`` for ``None``, an anonymous user, or an object that was never saved.
    """
    key = user if user is SYSTEM else getattr(user, "pk", user)
    if key is SYSTEM:
        return SYSTEM
    if isinstance(key, bool) or key in (None, ""):
        raise OwnerRequired("The user who acts is not signed in, or is not stored.")
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
    if owner is not None:
        return owner if type(owner) is int else as_owner(owner)
    if (acting_owner := _acting.get()) is not None:
        return acting_owner
    if (sole := await ports.session_store().sole_owner()) is not None:
        return sole
    raise OwnerRequired("It is not clear whose session is meant: this installation has no user, or several.")


async def email_of(owner: Owner | None) -> str:
    """Return the e-mail address of the owner; empty without an owner, an address, or an installed ``People``."""
    people = ports.people()
    return "" if owner is None or people is None else await people.email_of(owner)

"""The private addresses that sessions may reach beside the operator's setting, as the installation's owner decides."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet

from providers_app.errors import AddressRefused, InvalidRequest
from providers_app.wire.guard import pair_in
from sessions_app.models import AllowedAddress, AuthSession, Pk, status_columns
from sessions_app.services import trail

OWNERS_NAMED = 3
MAX_ADDRESSES = 200


def allowed_pairs() -> frozenset[str]:
    """Return the ``host:port`` pairs that are allowed."""
    return frozenset(AllowedAddress.objects.values_list("pair", flat=True))


def listing() -> "QuerySet[AllowedAddress]":
    """Return the allowed addresses with who allowed them, by address."""
    return AllowedAddress.objects.select_related("allowed_by").order_by("pair")


def may_allow(user: Any) -> bool:
    """Return whether this person owns the installation, and so may decide about addresses."""
    return bool(user.is_active and user.is_superuser)


def owners() -> str:
    """Return the names of the people who may decide, for a sentence."""
    found = get_user_model().objects.filter(is_active=True, is_superuser=True).order_by("pk")
    return ", ".join(user.get_full_name() or user.get_username() for user in found[:OWNERS_NAMED])


def allow(address: str, *, actor_id: Pk) -> str:
    """Allow the host and port of an address, and nothing else; return them as ``host:port``.

    Raises ``InvalidRequest``: no address, or too many; ``AddressRefused``: a metadata service. The caller has asked
    ``may_allow``.
    """
    pair = pair_in(address)
    with transaction.atomic():
        if not AllowedAddress.objects.filter(pair=pair).exists() and AllowedAddress.objects.count() >= MAX_ADDRESSES:
            raise InvalidRequest(
                f"{MAX_ADDRESSES} addresses are allowed, which is the limit.", hint="Remove one first."
            )
        _, added = AllowedAddress.objects.get_or_create(pair=pair, defaults={"allowed_by_id": actor_id})
        if added:
            trail.note_address(pair, trail.ADDRESS_ALLOWED, actor_id=actor_id)
            # What kept these sessions from working is gone; their next use says whether they do.
            refused = {
                "status": AuthSession.Status.MISCONFIGURED,
                "status_reason": AddressRefused.private(pair).message,
            }
            AuthSession.objects.filter(**refused).update(**status_columns(AuthSession.Status.ACTIVE))
    return pair


def revoke(pair: str, *, actor_id: Pk) -> bool:
    """Take a permission back: the next request to that address is refused. Return whether there was one."""
    with transaction.atomic():
        removed = bool(AllowedAddress.objects.filter(pair=pair).delete()[0])
        if removed:
            trail.note_address(pair, trail.ADDRESS_REVOKED, actor_id=actor_id)
    return removed

"""Refresh lanes: whose turn it is to refresh the logins of one account with one client.

All times of a lease are the database's, so that machines whose clocks differ agree on when it ends. Each change of a
lease is one conditional update, which decides between two.
"""

from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from providers_app.types.tokens import Tokens
from sessions_app.models import RefreshLane


def lane_key(provider: str, tokens: Tokens, session_id: object) -> str:
    """The lane of a login: one per provider, issuer, client and account; its own where the account is not known.

    Some servers end both of two logins of one account that are refreshed at the same time.
    """
    parts = (provider, tokens.issuer, tokens.client.id, tokens.account_id or str(session_id))
    return salted_hmac("sessions_app.lane", "\0".join(parts), algorithm="sha256").hexdigest()


def lane_of(provider: str, tokens: Tokens, session_id: object) -> RefreshLane:
    """The stored lane of a login, made where it is the first of its account and client."""
    lane, _ = RefreshLane.objects.get_or_create(key=lane_key(provider, tokens, session_id))
    return lane


def token_print(tokens: Tokens) -> str:
    """What tells two copies of one login: an HMAC of the refresh token, empty where there is none."""
    refresh = tokens.refresh.reveal()
    return salted_hmac("sessions_app.token", refresh, algorithm="sha256").hexdigest() if refresh else ""


def take(key: str, lease: str, holder: str, lease_s: float) -> bool:
    """Claim the lane for ``lease_s`` seconds if nobody has it."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
    rows = RefreshLane.objects.filter(free, key=key)
    return bool(rows.update(lease_token=lease, holder=holder[:100], lease_until=_from_now(lease_s)))


def renew(key: str, lease: str, lease_s: float) -> bool:
    """Hold the lane for another ``lease_s`` seconds from now; ``False`` when it is not ours any more.

    A lease that is over and that nobody took is still ours.
    """
    rows = RefreshLane.objects.filter(key=key, lease_token=lease)
    return bool(rows.update(lease_until=_from_now(lease_s)))


def give_back(key: str, lease: str) -> bool:
    """Free the lane if it is ours; was it?"""
    rows = RefreshLane.objects.filter(key=key, lease_token=lease)
    return bool(rows.update(lease_token="", lease_until=None, holder=""))


def held_by(holder: str) -> bool:
    """Is a refresh of this process under way?"""
    return RefreshLane.objects.filter(holder=holder, lease_until__gt=Now()).exists()


def left(path: str = "lane__") -> Any:
    """For ``annotate``: how long the lease still lasts, as a ``timedelta``, negative when it is over, ``None`` if free.

    ``path`` leads from the rows that are asked for to the lane's columns.
    """
    return ExpressionWrapper(F(f"{path}lease_until") - Now(), output_field=DurationField())


def _from_now(seconds: float) -> Any:
    return Now() + timedelta(seconds=seconds)

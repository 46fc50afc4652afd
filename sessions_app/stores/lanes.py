"""Refresh lanes: leases on refreshing the logins of one account with one client.

All times of a lease are the database's, so that machines whose clocks differ agree on when it ends. Each change of a
lease is one conditional update, which decides between two processes.
"""

from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from providers_app.types.tokens import Tokens
from sessions_app.models import RefreshLane


def lane_key(provider: str, tokens: Tokens, session_id: object) -> str:
    """Return the key of a login's lane: one per provider, issuer, client and account, else per session."""
    # Some servers end both of two logins of one account that are refreshed at the same time.
    parts = (provider, tokens.issuer, tokens.client.id, tokens.account_id or str(session_id))
    return salted_hmac("sessions_app.lane", "\0".join(parts), algorithm="sha256").hexdigest()


def lane_of(provider: str, tokens: Tokens, session_id: object) -> RefreshLane:
    """Return the stored lane of a login, created for the first one of its account and client."""
    return RefreshLane.objects.get_or_create(key=lane_key(provider, tokens, session_id))[0]


def take(key: str, lease: str, holder: str, lease_s: float) -> bool:
    """Claim the lane for ``lease_s`` seconds if it is free; say whether it was."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
    rows = RefreshLane.objects.filter(free, key=key)
    return bool(rows.update(lease_token=lease, holder=holder[:100], lease_until=Now() + timedelta(seconds=lease_s)))


def renew(key: str, lease: str, lease_s: float) -> bool:
    """Extend our lease, ended or not, to ``lease_s`` seconds from now; ``False`` when another process has the lane."""
    ours = RefreshLane.objects.filter(key=key, lease_token=lease)
    return bool(ours.update(lease_until=Now() + timedelta(seconds=lease_s)))


def give_back(key: str, lease: str) -> bool:
    """Free the lane if it is ours; say whether it was."""
    ours = RefreshLane.objects.filter(key=key, lease_token=lease)
    return bool(ours.update(lease_token="", lease_until=None, holder=""))


def rest(key: str, lease: str) -> bool:
    """Leave the lane closed until our lease ends, without a holder; say whether it was ours."""
    return bool(RefreshLane.objects.filter(key=key, lease_token=lease).update(lease_token="", holder=""))


def held_by(holder: str) -> bool:
    """Say whether a refresh of this process is under way."""
    return RefreshLane.objects.filter(holder=holder, lease_until__gt=Now()).exists()


def left(path: str = "lane__") -> Any:
    """Return the lease's time left as an expression on rows from which ``path`` leads to the lane: ``None`` if free."""
    return ExpressionWrapper(F(f"{path}lease_until") - Now(), output_field=DurationField())

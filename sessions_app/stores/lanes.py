"""Refresh lanes: leases on refreshing the logins of one account with one client.

The times of a lease are the database's, so that machines whose clocks differ agree on when it ends. Setting that clock
neither ends nor extends a lease that was taken on this machine since it started: what has elapsed measures that one,
whether its holder lives or not. A lease of another machine that would last longer than any can was taken before the
clock was set back, and is over. Each change of a lease is one conditional update, which decides between two processes.
"""

from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from providers_app.refresh import clock
from providers_app.types.tokens import Tokens
from sessions_app.models import RefreshLane

LONGEST_S = 660.0  # the longest lease that can be configured, and a minute


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
    rows = RefreshLane.objects.filter(_over(), key=key)
    return bool(rows.update(lease_token=lease, holder=holder[:100], **_until(lease_s)))


def renew(key: str, lease: str, lease_s: float) -> bool:
    """Extend our lease, ended or not, to ``lease_s`` seconds from now; ``False`` when another process has the lane."""
    ours = RefreshLane.objects.filter(key=key, lease_token=lease)
    return bool(ours.update(**_until(lease_s)))


def give_back(key: str, lease: str) -> bool:
    """Free the lane if it is ours; say whether it was."""
    ours = RefreshLane.objects.filter(key=key, lease_token=lease)
    return bool(ours.update(lease_token="", lease_until=None, holder="", boot=""))


def rest(key: str, lease: str) -> bool:
    """Leave the lane closed until our lease ends, without a holder; say whether it was ours."""
    return bool(RefreshLane.objects.filter(key=key, lease_token=lease).update(lease_token="", holder=""))


def held_by(holder: str) -> bool:
    """Say whether a refresh of this process is under way."""
    return RefreshLane.objects.filter(~_over(), holder=holder).exists()


def left_by_database() -> Any:
    """Return the lease's time left by the database's clock, as an expression on sessions: ``None`` if free."""
    return ExpressionWrapper(F("lane__lease_until") - Now(), output_field=DurationField())


def seconds_left(lane: RefreshLane | None, by_database: timedelta | None) -> float:
    """Return the seconds that the lane's lease still has, by the clock that counts for it; 0 for one that is over."""
    if lane is None or by_database is None:
        return 0.0
    left = lane.boot_until - clock.elapsed() if lane.boot == clock.BOOT else by_database.total_seconds()
    return left if 0 < left <= LONGEST_S else 0.0


def _over() -> Q:
    """Return the lanes that have no lease, or one that is over: as ``seconds_left`` says, decided by the database."""
    here, most = clock.elapsed(), timedelta(seconds=LONGEST_S)
    by_boot = Q(boot_until__lte=here) | Q(boot_until__gt=here + LONGEST_S)
    by_database = Q(lease_until__lte=Now()) | Q(lease_until__gt=Now() + most)
    return Q(lease_until=None) | Q(by_boot, boot=clock.BOOT) | (~Q(boot=clock.BOOT) & by_database)


def _until(lease_s: float) -> dict[str, Any]:
    """Return the columns of a lease that ends in ``lease_s`` seconds."""
    ends = Now() + timedelta(seconds=lease_s)
    return {"lease_until": ends, "boot": clock.BOOT, "boot_until": clock.elapsed() + lease_s}

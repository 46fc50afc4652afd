"""Requests and tokens a minute: a request reserves what it may cost, and settles what it did cost."""


class Bucket:
    """A token bucket of ``per_minute`` units, full at first, which fills evenly. ``None``: no limit is known.

    What is reserved is taken at once. ``settle`` corrects it to what was used, which may leave a debt; ``refund``
    gives all of it back. ``learn`` follows what the provider says, which wins over the own count; of the limit that
    was set here (``bound``) and the one that it tells, the lower one holds.
    """

    __slots__ = ("_at", "_level", "_most", "_paused_until", "_told", "per_minute")

    def __init__(self, per_minute: float | None, now: float) -> None:
        self.per_minute = self._most = per_minute
        self._told: float | None = None
        self._level, self._at, self._paused_until = per_minute or 0.0, now, 0.0

    def level(self, now: float) -> float:
        """Return what is left; negative after more was used than reserved."""
        if self.per_minute is None:
            return float("inf")
        if now > self._at:
            self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / 60)
            self._at = now
        return self._level

    def wait(self, units: float, now: float) -> float:
        """Return after how many seconds so much can be reserved, 0.0 now; a cost over the limit takes a full bucket."""
        paused = self.paused(now)
        if self.per_minute is None:
            return paused
        missing = min(units, self.per_minute) - self.level(now)
        return max(paused, missing * 60 / self.per_minute if missing > 0 else 0.0)

    def reserve(self, units: float, now: float) -> bool:
        """Take so much if it is there now."""
        if self.wait(units, now) > 0:
            return False
        if self.per_minute is not None:
            self._level -= units
        return True

    def settle(self, reserved: float, used: float, now: float) -> None:
        """Correct a reservation to what was used."""
        if self.per_minute is not None:
            self._level = min(self.per_minute, self.level(now) + reserved - used)

    def refund(self, reserved: float, now: float) -> None:
        """Give a reservation back: nothing of it was sent."""
        self.settle(reserved, 0.0, now)

    def pause(self, seconds: float, now: float) -> None:
        """Reserve nothing for so many seconds: the provider said so."""
        self._paused_until = max(self._paused_until, now + seconds)

    def paused(self, now: float) -> float:
        """Return for how many seconds the provider lets nothing through, 0.0 where it said no such thing."""
        return max(0.0, self._paused_until - now)

    def bound(self, most: float | None, now: float) -> None:
        """Set the limit that holds whatever the provider says, in units a minute; ``None``: only what it says."""
        self._most = most
        self._limit(now)

    def learn(self, now: float, limit: float | None, remaining: float | None, reset_s: float | None) -> None:
        """Follow the provider's headers: units a minute, how many are left, and in how many seconds all are there."""
        if limit is not None and limit > 0 and limit != self._told:
            self._told = limit
            self._limit(now)
        if self.per_minute is not None and remaining is not None:
            self._level = min(self.level(now), remaining)
            if remaining <= 0 and reset_s:
                self.pause(min(reset_s, 60.0 / self.per_minute), now)

    def _limit(self, now: float) -> None:
        before, level = self.per_minute, self.level(now)
        self.per_minute = min((one for one in (self._most, self._told) if one is not None), default=None)
        if self.per_minute is not None:
            self._level, self._at = (self.per_minute if before is None else min(level, self.per_minute)), now

"""The number of requests that an account takes at once, learned from its answers."""

import msgspec


class ConcurrencyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """``start`` slots at first, from ``least`` to ``most``; after a cut nothing grows for ``cool_down_s`` seconds, and
    ``probe_s`` seconds pass before more are tried than the account is known to take."""

    start: int = 16
    least: int = 1
    most: int = 256
    cut: float = 0.8
    cool_down_s: float = 2.0
    probe_s: float = 30.0
    pause_s: float = 5.0


class Change(msgspec.Struct, frozen=True):
    """A change of the number of slots, for the log and the page."""

    before: int
    after: int
    why: str


class Concurrency:
    """The slots of one account, which grow while the account is really used.

    Up to the number that it is known to take, each success adds one; beyond it, a full round of successes does. A 429
    cuts them by a fifth, and tells that the others that were under way are taken; each further one of these that is
    refused as well lowers that number, to half at most. A failure of the provider only stops their growth for a while.
    """

    def __init__(self, policy: ConcurrencyPolicy) -> None:
        self.policy = policy
        self.slots = min(policy.start, policy.most)
        self.used = 0
        self._known = policy.most
        self._half = policy.least
        self._credit = 0.0
        self._grows_at = 0.0
        self._probes_at = 0.0
        self._cut_at = float("-inf")

    def bound(self, most: int) -> None:
        """Set the most slots that there may be; those beyond them are taken away as they come free."""
        self.policy = msgspec.structs.replace(self.policy, most=most)
        self.slots = min(self.slots, most)

    @property
    def free(self) -> int:
        """Slots that are not held; none while more are held than there are after a cut."""
        return max(0, self.slots - self.used)

    def succeeded(self, now: float) -> Change | None:
        """Note an answer; returns the growth that it brings. Call it before the slot is given back."""
        slots = self.slots
        if now < self._grows_at or slots >= self.policy.most or self.used < 0.8 * slots:
            return None
        if slots >= self._known:
            if now < self._probes_at:
                return None
            self._credit += 1.0 / slots
            if self._credit < 1.0:
                return None
        self._credit = 0.0
        return self._to(slots + 1, "it is fully used and answers")

    def limited(self, now: float, began: float) -> Change | None:
        """Note a 429 of a request that ``began`` then; one that began before the last cut is of the same crowd.

        Call it before the slot is given back.
        """
        self._grows_at, self._credit = now + self.policy.cool_down_s, 0.0
        if began < self._cut_at:
            self._known = max(self._half, self._known - 1)
            return self._to(min(self.slots, self._known), "the provider answered 429 to many at once")
        self._half = max(self.policy.least, self.slots // 2)
        self._cut_at, self._probes_at = now, now + self.policy.probe_s
        self._known = max(self.policy.least, min(self.used, self.slots) - 1)
        lower = min(self.slots - 1, int(self.slots * self.policy.cut))
        return self._to(max(self.policy.least, lower), "the provider answered 429")

    def failed(self, now: float) -> None:
        """Note a failure of the provider, which says nothing of how much it takes."""
        self._grows_at = max(self._grows_at, now + self.policy.pause_s)

    def _to(self, slots: int, why: str) -> Change | None:
        before, self.slots = self.slots, slots
        return Change(before, slots, why) if before != slots else None

"""The way into one account: its slots, its limits and its queue, decided together."""

import math

import msgspec

from providers_app.resilience.buckets import Bucket
from providers_app.resilience.concurrency import Change, Concurrency, ConcurrencyPolicy
from providers_app.resilience.queue import Band, FairQueue, Place, Waiter

Seen = tuple[float | None, float | None, float | None]
"""Units a minute, units that are left, and the seconds until all are there again; what is not told is ``None``."""


class LanePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of an account. ``None`` for a limit a minute: what the provider's headers say, else none."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_queue_size: int = 1000
    queue_timeout_s: float = 60.0
    concurrency: ConcurrencyPolicy = ConcurrencyPolicy()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that wants in: whose it is, how urgent, the tokens it may cost, and the seconds it may wait.

    ``key`` is the same when the same request comes again, after it was told when to.
    """

    person: str
    band: Band = Band.INTERACTIVE
    tokens: float = 0.0
    patience_s: float = 60.0
    key: str = ""


class Ticket(msgspec.Struct, eq=False):
    """A slot with what was reserved for it; give it back with ``Lane.leave`` once.

    ``shared``: it was reserved from what all processes have together, too.
    """

    asked: Asked
    at: float
    left: bool = False
    shared: bool = False


class Refused(msgspec.Struct, frozen=True):
    """No slot: ``why`` is ``full``, ``timeout`` or ``limit``; ``place`` says when to come back."""

    why: str
    place: Place


class Lane:
    """One account. Who has to wait is held in ``queue``; ``admit`` says who may go on."""

    def __init__(self, policy: LanePolicy, now: float) -> None:
        self.policy = policy
        self.slots = Concurrency(policy.concurrency)
        self.requests = Bucket(policy.requests_per_minute, now)
        self.tokens = Bucket(policy.tokens_per_minute, now)
        self.queue = FairQueue(policy.max_queue_size)
        self._asked: dict[int, Asked] = {}
        self.unlimited = policy.requests_per_minute is None and policy.tokens_per_minute is None
        """``True`` until a limit is known or the provider asked to wait."""

    def follow(self, policy: LanePolicy, now: float) -> None:
        """Hold to other bounds from now on; what is known of the provider's limits stays."""
        self.policy = policy
        self.slots.bound(policy.concurrency.most)
        self.requests.bound(policy.requests_per_minute, now)
        self.tokens.bound(policy.tokens_per_minute, now)
        self.queue.max_size = policy.max_queue_size
        self.unlimited = self.unlimited and policy.requests_per_minute is None and policy.tokens_per_minute is None

    def enter(self, asked: Asked, now: float) -> Ticket | Waiter | Refused:
        """Return a ticket where the queue is empty and there is room, else a place in the queue, or the refusal."""
        slots = self.slots
        if not self.queue.size and slots.used < slots.slots and (self.unlimited or self._reserve(asked, now)):
            self.queue.enter(asked.person, now)
            slots.used += 1
            return Ticket(asked, now)
        patience = min(asked.patience_s, self.policy.queue_timeout_s)
        if self._limited(now) > patience:
            return self.refusal(asked, "limit", now)  # what cannot begin in time does not wait
        if patience <= 0:
            return self.refusal(asked, "timeout", now)
        waiter = self.queue.join(asked.person, asked.band, asked.tokens, now, patience, asked.key)
        if waiter is None:
            return self.refusal(asked, "full", now)
        self._asked[waiter.number] = asked
        return waiter

    def admit(self, now: float) -> list[tuple[Waiter, Ticket]]:
        """Return those who wait and may go on now, each with a ticket."""
        found = []
        while self.queue.size and self.slots.free and not self._limited(now):
            waiter = self.queue.next(self.slots.slots, now)
            if waiter is None:
                break
            asked = self._asked.pop(waiter.number)
            self._take(asked, now)
            self.slots.used += 1
            found.append((waiter, Ticket(asked, now)))
        return found

    def give_up(self, waiter: Waiter) -> bool:
        """Take a request out of the queue; ``False`` where it was admitted meanwhile."""
        self._asked.pop(waiter.number, None)
        return self.queue.leave(waiter)

    def refusal(self, asked: Asked, why: str, now: float, least_s: float = 0.0) -> Refused:
        """Return the refusal of a request, with the moment at which it should come back, in ``least_s`` at least."""
        reset = max(least_s, self.requests.wait(1, now), self.tokens.wait(asked.tokens, now))
        return Refused(why, self.queue.place(asked.person, now, reset, asked.key))

    def next_look(self, now: float) -> float | None:
        """Return in how many seconds a limit lets the next one through, ``None`` where none waits for one."""
        if not self.queue.size or not self.slots.free:
            return None
        return max(self._limited(now), 0.001)

    def leave(self, ticket: Ticket, now: float, *, used: float | None = None, sent: bool = True) -> None:
        """Give the slot back. ``used`` tokens are settled; what was not ``sent`` is refunded whole."""
        if ticket.left:
            return
        ticket.left = True
        self.slots.used -= 1
        asked = ticket.asked
        self.queue.done(asked.person, now)
        if self.unlimited and not self.queue.size:
            return
        if not sent:
            self.requests.refund(1, now)
            self.tokens.refund(asked.tokens, now)
        elif used is not None:
            self.tokens.settle(asked.tokens, used, now)
            self.queue.settle(asked.person, asked.band, asked.tokens, used)

    def learn(self, now: float, requests: Seen, tokens: Seen) -> None:
        """Follow the limits that an answer tells: units a minute, units left, and seconds until all are there."""
        self.unlimited = False
        self.requests.learn(now, *requests)
        self.tokens.learn(now, *tokens)

    def limited(self, ticket: Ticket, now: float, retry_after: float | None) -> Change | None:
        """Note a 429, after which nothing is sent for as long as the provider says."""
        if retry_after:
            self.unlimited = False
            self.requests.pause(retry_after, now)
        return self.slots.limited(now, ticket.at)

    def obstacle(self, now: float) -> str:
        """Return why a request that comes now has to wait or is refused, for people; empty where it is let in."""
        if (wait := self._limited(now)) > 0:
            paused = max(self.requests.paused(now), self.tokens.paused(now))
            what = "The provider limits it for" if paused >= wait else "It is at its limit a minute for"
            return f"{what} another {math.ceil(wait)} s."
        if self.queue.size:
            return "Other requests wait for it."
        return "" if self.slots.free else "As many requests as it takes at once are under way."

    def _limited(self, now: float) -> float:
        """Return in how many seconds the limits let any request through, 0.0 now."""
        return max(self.requests.wait(1, now), self.tokens.wait(1, now))

    def _reserve(self, asked: Asked, now: float) -> bool:
        if self.requests.wait(1, now) > 0 or self.tokens.wait(asked.tokens, now) > 0:
            return False
        self._take(asked, now)
        return True

    def _take(self, asked: Asked, now: float) -> None:
        self.requests.settle(0, 1, now)
        self.tokens.settle(0, asked.tokens, now)

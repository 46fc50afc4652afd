"""The requests and tokens a minute of one person, over all sessions together."""

from providers_app.resilience.buckets import Bucket


class Allowance:
    """Two buckets. Who takes more than there is waits until it has filled, in the order of taking.

    ``None`` for a limit: there is none.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None, now: float) -> None:
        self.requests, self.tokens = Bucket(requests_per_minute, now), Bucket(tokens_per_minute, now)

    def wait(self, tokens: float, now: float) -> float:
        """Return after how many seconds a request of so many tokens may be sent."""
        return max(self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def take(self, tokens: float, now: float) -> float:
        """Reserve a request, and return the seconds after which it may be sent."""
        wait = self.wait(tokens, now)
        self.requests.settle(0, 1, now)
        self.tokens.settle(0, tokens, now)
        return wait

    def give_back(self, tokens: float, now: float) -> None:
        """Refund a request of which nothing was sent."""
        self.requests.refund(1, now)
        self.tokens.refund(tokens, now)

    def settle(self, reserved: float, used: float, now: float) -> None:
        """Correct the reserved tokens to those that were used."""
        self.tokens.settle(reserved, used, now)

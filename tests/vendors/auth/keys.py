"""The keys that id tokens are signed with: real RSA, made once per process, because making one takes a while."""

import threading
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeyParameters, RSAKey

_made: list[RSAKey] = []
_lock = threading.Lock()


def key(number: int) -> RSAKey:
    """The key with this number; the same one for the whole process."""
    with _lock:
        while len(_made) <= number:
            facts: KeyParameters = {"kid": f"local-{len(_made) + 1}", "use": "sig", "alg": "RS256"}
            _made.append(RSAKey.generate_key(2048, parameters=facts))
        return _made[number]


class Signer:
    """Signs with the current key and publishes the keys as a JWK set (RFC 7517)."""

    def __init__(self) -> None:
        self._current = 0
        self._published = [0]

    def reset(self) -> None:
        """Back to the first key."""
        self._current, self._published = 0, [0]

    def rotate(self, *, keep_old: bool = False) -> None:
        """Sign with a new key from now on; the old ones are published no longer unless they are to be kept."""
        self._current += 1
        self._published = [*self._published, self._current] if keep_old else [self._current]

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT in compact form, RS256, with the ``kid`` of the current key."""
        now = key(self._current)
        return jwt.encode({"alg": "RS256", "kid": now.kid}, claims, now)

    def jwks(self) -> dict[str, Any]:
        """The public halves."""
        return {"keys": [key(number).as_dict(private=False) for number in self._published]}

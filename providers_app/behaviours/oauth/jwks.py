"""An issuer's published keys (RFC 7517)."""

import time
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from providers_app import conf
from providers_app.behaviours.oauth.endpoint import skew_of
from providers_app.errors import BadAnswer
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.client import Http
from providers_app.wire.status import class_of_status, retry_after

MAX_BODY = 256 * 1024
MAX_KEYS = 100
SMALLEST_RSA = 2048
_TYPES = {"RS256": "RSA", "ES256": "EC"}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One public key; ``algorithm`` is the only one it is used with."""

    id: str
    algorithm: str
    key: Any


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The published keys: ``fetched`` on the monotonic clock, ``skew``: the seconds by which our clock is behind."""

    keys: tuple[Key, ...]
    fetched: float
    skew: float | None = None

    def find(self, header: dict[str, Any]) -> list[RSAKey | ECKey]:
        """Return the keys that may have signed a token with this header; one without a key id may be of any."""
        fitting = [each for each in self.keys if each.algorithm == header.get("alg")]
        kid = header.get("kid")
        return [each.key for each in fitting if kid is None or each.id == kid]


async def fetch(url: str, http: Http) -> Keys:
    """Fetch an issuer's keys. Raises ``UpstreamError``, ``AddressRefused``."""
    request = HttpRequest(method="GET", url=url, headers={"accept": "application/json"})
    answer = await http.send(request, timeout=conf.current().refresh_timeout_s, max_body=MAX_BODY)
    if not 200 <= answer.status < 300:
        kind = class_of_status(answer.status) if answer.status >= 400 else BadAnswer
        raise kind(
            f"The issuer's keys could not be fetched (status {answer.status}).",
            hint="Check the configured address of the keys (jwks_url), then sign in again.",
            status=answer.status,
            retry_after=retry_after(answer.headers),
        )
    return Keys(keys=read(answer.body), fetched=time.monotonic(), skew=skew_of(answer.headers, time.time()))


def read(body: bytes) -> tuple[Key, ...]:
    """Return the keys that can verify a signature, and no others. Raises ``BadAnswer`` for what is no set of keys."""
    found = (payload.object_in(body) or {}).get("keys")
    if not isinstance(found, list):
        raise BadAnswer("The issuer's address of keys answered with something else.")
    made = [_key(entry) for entry in found[:MAX_KEYS] if isinstance(entry, dict)]
    return tuple(key for key in made if key is not None)


def _key(entry: dict[str, Any]) -> Key | None:
    if entry.get("use", "sig") != "sig":
        return None
    kind = entry.get("kty")
    algorithm = next((name for name, wanted in _TYPES.items() if wanted == kind), None)
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    if kind == "EC" and entry.get("crv") != "P-256":
        return None
    # Only what is needed: a published private part or certificate chain is not wanted here.
    names = ("kty", "n", "e") if kind == "RSA" else ("kty", "crv", "x", "y")
    plain = {name: entry[name] for name in names if isinstance(entry.get(name), str)}
    if kind == "RSA" and len(plain.get("n", "")) < SMALLEST_RSA // 6:
        return None  # base64url has six bits per character
    try:
        key: RSAKey | ECKey = RSAKey.import_key(plain) if kind == "RSA" else ECKey.import_key(plain)
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    kid = entry.get("kid")
    return Key(id=kid if isinstance(kid, str) else "", algorithm=algorithm, key=key)

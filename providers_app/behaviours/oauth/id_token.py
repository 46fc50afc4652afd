"""OpenID Connect id tokens: signature and claims verified against the issuer's published keys (Core, section 3.1.3.7).

RS256 and ES256 only: never ``none``, and no HMAC (whose "key" would be the public one). Keys are kept for ten minutes;
a key id that is not among them has the keys fetched again, at most every half minute.
"""

import hmac
import time
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from providers_app import conf, loop
from providers_app.behaviours.oauth.endpoint import skew_of
from providers_app.errors import BadAnswer, InvalidIdToken, Retry
from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.client import Http
from providers_app.wire.status import class_of_status, retry_after

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""The type of key (RFC 7517) by its algorithm."""
MAX_LENGTH = 64 * 1024
KEEP_S = 600.0
REFETCH_S = 30.0
CLOCKS_AGREE_S = 30.0
"""Seconds up to which two clocks count as the same; half of the leeway."""
MAX_KEYS_BODY = 256 * 1024
MAX_KEYS = 100
SMALLEST_RSA = 2048


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


async def verify(
    token: Secret,
    *,
    issuer: str | tuple[str, ...],
    audience: str,
    jwks_url: str,
    http: Http,
    nonce: Secret | None = None,
    leeway: float = 60.0,
) -> dict[str, Any]:
    """Return the claims of a token that the issuer signed, made for ``audience`` and valid now.

    ``issuer`` is compared exactly (several where a vendor spells its own name in several ways), ``leeway`` is in
    seconds. Call it on the provider loop. Raises ``InvalidIdToken`` with the reason, and the ``UpstreamError`` of
    keys that cannot be fetched.
    """
    header = _header(token)
    keys = await _keys(jwks_url, header, http)
    claims = _signed(token, header, keys)
    issuers = (issuer,) if isinstance(issuer, str) else issuer
    now, skew = time.time(), keys.skew
    check_claims(claims, issuers=issuers, audience=audience, nonce=nonce, leeway=leeway, now=now, skew=skew)
    return claims


def unverified_claims(token: Secret) -> dict[str, Any]:
    """Return the claims of a JWT without any proof; empty for a text that is no JWT.

    Only for reading the end of a token that came over TLS from its own issuer; no identity may rest on it.
    """
    try:
        return payload.object_in(jws.extract_compact(token.reveal().encode("ascii")).payload) or {}
    except (JoseError, ValueError):
        return {}


def check_claims(
    claims: dict[str, Any],
    *,
    issuers: tuple[str, ...],
    audience: str,
    nonce: Secret | None,
    leeway: float,
    now: float,
    skew: float | None = None,
) -> None:
    """Raise ``InvalidIdToken`` with the first claim that is wrong. Pure.

    ``now`` is seconds since the epoch, ``skew`` the seconds by which our clock is behind the issuer's, where known.
    """
    if claims.get("iss") not in issuers:
        hint = f"Check the configured issuer ({issuers[0]}), then sign in again."
        raise InvalidIdToken("The id token is from another issuer than the configured one (iss).", hint=hint)
    given = claims.get("aud")
    audiences = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    client = "Check the configured client id, then sign in again."
    if audience not in audiences:
        raise InvalidIdToken("The id token was made for another client (aud).", hint=client)
    if len(audiences) > 1 and claims.get("azp") != audience:
        raise InvalidIdToken("The id token is for several clients, and was not issued to ours (azp).", hint=client)
    ends, made, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if ends is None or made is None:
        raise InvalidIdToken("The id token does not say when it was made and when it ends (iat, exp).")
    if ends + leeway <= now:
        raise _ill_timed(f"ended {round(now - ends)} s ago", skew)
    if made - leeway > now:
        raise _ill_timed(f"was made {round(made - now)} s in the future", skew)
    if begins is not None and begins - leeway > now:
        raise _ill_timed(f"is valid only in {round(begins - now)} s", skew)
    if nonce is not None:
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.reveal().encode()):
            hint = "Begin the sign-in again, and use only the page that it opens."
            raise InvalidIdToken("The id token belongs to another sign-in (its nonce differs).", hint=hint)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip():
        raise InvalidIdToken("The id token names no account (sub).")


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidIdToken(f"The id token's {name} is not a time.")
    return float(value)


def _ill_timed(what: str, skew: float | None) -> InvalidIdToken:
    """Return the error for a token of another time; it may pass where this machine's clock is, or may be, the cause."""
    if skew is not None and abs(skew) < CLOCKS_AGREE_S:
        hint = "The clock of this machine agrees with the issuer's, so the token itself is wrong. Sign in again."
        return InvalidIdToken(f"The id token {what}.", hint=hint)
    clocks, hint = "", "Check the clock of this machine, then try again."
    if skew is not None:
        seconds, way, turn = round(abs(skew)), *(("behind", "forward") if skew > 0 else ("ahead of", "back"))
        clocks = f" The clock of this machine is {seconds} s {way} the issuer's."
        hint = f"Set the clock of this machine {turn} by {seconds} s, then try again."
    return _passing(InvalidIdToken(f"The id token {what}.{clocks}", hint=hint))


def _passing(error: InvalidIdToken) -> InvalidIdToken:
    error.retry = Retry.AFTER_WAIT
    return error


def _header(token: Secret) -> dict[str, Any]:
    text = token.reveal()
    if not text:
        raise InvalidIdToken("The provider gave no id token.", hint="Check the configured scopes (openid).")
    if len(text) > MAX_LENGTH:
        raise InvalidIdToken("The id token is too long.")
    try:
        header = dict(jws.extract_compact(text.encode("ascii")).protected)
    except (JoseError, ValueError):
        raise InvalidIdToken("The id token is not a signed JWT.") from None
    if header.get("alg") not in ALGORITHMS:
        raise InvalidIdToken(f"The id token is not signed with {' or '.join(ALGORITHMS)}.")
    if "crit" in header:
        raise InvalidIdToken("The id token demands an extension that is not known here (crit).")
    return header


async def _keys(url: str, header: dict[str, Any], http: Http) -> Keys:
    """Return the issuer's keys, fetched where they are old or lack the token's."""
    known: dict[str, Keys] = loop.local("oauth-jwks", dict)
    keys = known.get(url)
    now = time.monotonic()
    if keys is not None and now - keys.fetched < KEEP_S and keys.find(header):
        return keys
    if keys is None or now - keys.fetched >= REFETCH_S:
        keys = known[url] = await _fetch(url, http)
    return keys


async def _fetch(url: str, http: Http) -> Keys:
    request = HttpRequest(method="GET", url=url, headers={"accept": "application/json"})
    answer = await http.send(request, timeout=conf.current().refresh_timeout_s, max_body=MAX_KEYS_BODY)
    if not 200 <= answer.status < 300:
        kind = class_of_status(answer.status) if answer.status >= 400 else BadAnswer
        message = f"The issuer's keys could not be fetched (status {answer.status})."
        hint = "Check the configured address of the keys (jwks_url), then sign in again."
        raise kind(message, hint=hint, status=answer.status, retry_after=retry_after(answer.headers))
    return Keys(keys=keys_in(answer.body), fetched=time.monotonic(), skew=skew_of(answer.headers, time.time()))


def keys_in(body: bytes) -> tuple[Key, ...]:
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
    algorithm = next((name for name, wanted in ALGORITHMS.items() if wanted == kind), None)
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


def _signed(token: Secret, header: dict[str, Any], keys: Keys) -> dict[str, Any]:
    candidates = keys.find(header)
    if not candidates:
        hint = "The issuer may be changing its keys: try again in a minute, then check their address (jwks_url)."
        raise _passing(InvalidIdToken("The id token is signed with a key that its issuer does not publish.", hint=hint))
    text, algorithms = token.reveal().encode("ascii"), [str(header["alg"])]
    for key in candidates:
        try:
            content = bytes(jws.deserialize_compact(text, key, algorithms=algorithms).payload)
        except (JoseError, ValueError):
            continue
        if (claims := payload.object_in(content)) is None:
            raise InvalidIdToken("The id token has no claims that can be read.")
        return claims
    hint = "Check the configured issuer and the address of its keys (jwks_url), then sign in again."
    raise InvalidIdToken("The signature of the id token is wrong.", hint=hint)

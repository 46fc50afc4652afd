"""OpenID Connect id tokens: signature and claims verified against the issuer's published keys (Core, section 3.1.3.7).

RS256 and ES256 only: never ``none``, and no HMAC (whose "key" would be the public one). Keys are kept for ten minutes;
a key id that is not among them has the keys fetched again, at most every half minute.
"""

import hmac
import time
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from providers_app import loop
from providers_app.behaviours.oauth.jwks import Keys, fetch
from providers_app.errors import InvalidIdToken
from providers_app.types.credentials import Secret
from providers_app.wire import payload
from providers_app.wire.client import Http

ALGORITHMS = ("RS256", "ES256")
MAX_LENGTH = 64 * 1024
KEEP_S = 600.0
REFETCH_S = 30.0


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
    check_claims(
        claims,
        issuers=(issuer,) if isinstance(issuer, str) else issuer,
        audience=audience,
        nonce=nonce,
        leeway=leeway,
        now=time.time(),
        skew=keys.skew,
    )
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
        raise InvalidIdToken("The id token is from another issuer than the configured one.")
    given = claims.get("aud")
    audiences = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    if audience not in audiences:
        raise InvalidIdToken("The id token was made for another client (aud).")
    if len(audiences) > 1 and claims.get("azp") != audience:
        raise InvalidIdToken("The id token is for several clients, and was not issued to ours (azp).")
    _check_times(claims, leeway, now, skew)
    if nonce is not None:
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.reveal().encode()):
            raise InvalidIdToken("The id token belongs to another sign-in (its nonce differs).")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip():
        raise InvalidIdToken("The id token names no account (sub).")


def _check_times(claims: dict[str, Any], leeway: float, now: float, skew: float | None) -> None:
    clocks = _clocks(skew)
    ends, made, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if ends is None or made is None:
        raise InvalidIdToken("The id token does not say when it was made and when it ends (iat, exp).")
    if ends + leeway <= now:
        raise InvalidIdToken(f"The id token ended {round(now - ends)} s ago.{clocks}")
    if made - leeway > now:
        raise InvalidIdToken(f"The id token was made {round(made - now)} s in the future.{clocks}")
    if begins is not None and begins - leeway > now:
        raise InvalidIdToken(f"The id token is valid only in {round(begins - now)} s.{clocks}")


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidIdToken(f"The id token's {name} is not a time.")
    return float(value)


def _clocks(skew: float | None) -> str:
    if skew is None or abs(skew) < 30:
        return ""
    return f" The clock of this machine is {round(abs(skew))} s {'behind' if skew > 0 else 'ahead of'} the issuer's."


def _header(token: Secret) -> dict[str, Any]:
    text = token.reveal()
    if not text:
        raise InvalidIdToken("The provider gave no id token.")
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
        keys = known[url] = await fetch(url, http)
    return keys


def _signed(token: Secret, header: dict[str, Any], keys: Keys) -> dict[str, Any]:
    candidates = keys.find(header)
    if not candidates:
        raise InvalidIdToken("The id token is signed with a key that its issuer does not publish.")
    for key in candidates:
        if (content := _verified(token, key, str(header["alg"]))) is not None:
            if (claims := payload.object_in(content)) is None:
                raise InvalidIdToken("The id token has no claims that can be read.")
            return claims
    raise InvalidIdToken("The signature of the id token is wrong.")


def _verified(token: Secret, key: RSAKey | ECKey, algorithm: str) -> bytes | None:
    try:
        return bytes(jws.deserialize_compact(token.reveal().encode("ascii"), key, algorithms=[algorithm]).payload)
    except (JoseError, ValueError):
        return None

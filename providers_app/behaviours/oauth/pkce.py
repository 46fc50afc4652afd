"""Proof Key for Code Exchange (RFC 7636) with S256, and the random values of a sign-in."""

import base64
import hashlib
import secrets

from providers_app.types.credentials import Secret

RANDOM_BYTES = 32
"""256 bits; written as base64url they are the 43 characters that RFC 7636 section 4.1 asks for at least."""
METHOD = "S256"


def new_verifier() -> Secret:
    """Return a fresh code verifier: 43 characters of the unreserved alphabet."""
    return _random()


def challenge_of(verifier: Secret) -> str:
    """Return the S256 challenge of a verifier, without padding (RFC 7636 section 4.2)."""
    return _base64url(hashlib.sha256(verifier.reveal().encode("ascii")).digest())


def new_state() -> Secret:
    """Return a fresh state (RFC 6749 section 10.12)."""
    return _random()


def new_nonce() -> Secret:
    """Return a fresh nonce for an id token (OpenID Connect Core, section 3.1.2.1)."""
    return _random()


def _random() -> Secret:
    return Secret(_base64url(secrets.token_bytes(RANDOM_BYTES)))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

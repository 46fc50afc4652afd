"""Proof Key for Code Exchange (RFC 7636) with S256, and the random values of a sign-in."""

import base64
import hashlib
import secrets

from providers_app.types.credentials import Secret

RANDOM_BYTES = 32
"""256 bits; written as base64url they are the 43 characters that RFC 7636 section 4.1 asks for at least."""
METHOD = "S256"


def base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def challenge_of(verifier: Secret) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64url(hashlib.sha256(verifier.reveal().encode("ascii")).digest())


def new_verifier() -> Secret:
    """Return a fresh code verifier: 43 characters of the unreserved alphabet."""
    return Secret(base64url(secrets.token_bytes(RANDOM_BYTES)))


new_state = new_nonce = new_verifier
"""A fresh state (RFC 6749 section 10.12) or nonce of an id token (OpenID Connect Core, section 3.1.2.1)."""

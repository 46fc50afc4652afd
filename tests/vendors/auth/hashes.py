"""Hashes that tokens and verifiers are known by."""

import base64
import hashlib


def challenge_of(verifier: str) -> str:
    """RFC 7636 4.2, method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def hash_of(token: str) -> str:
    """How the ledger names a token."""
    return hashlib.sha256(token.encode()).hexdigest()

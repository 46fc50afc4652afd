"""Logins without a person: federation rules with a workload's identity token, and service accounts with their key."""

import secrets
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from tests.vendors.auth.records import Account, FederationRule, ServiceAccount

if TYPE_CHECKING:
    from tests.vendors.auth.book import Book

REAL_TOKEN_URI = "https://oauth2.googleapis.com/token"


def add_rule(book: "Book", rule_id: str, organization_id: str, account: str | None = None) -> FederationRule:
    """A rule that lets the workload ``repo:local/app`` in; ``workload_token`` makes what it presents."""
    issuer = f"{book.origin}/workloads"
    made = FederationRule(
        rule_id, organization_id, issuer, "https://api.anthropic.com", "repo:local/app", account or book.signed_in
    )
    with book.lock:
        book.rules[rule_id] = made
    return made


def workload_token(book: "Book", rule: FederationRule, *, ttl: float = 300, **changed: Any) -> str:
    """The identity token that the workload's own issuer gives it."""
    now = int(book.now())
    claims = {"iss": rule.issuer, "sub": rule.subject, "aud": rule.audience, "iat": now, "exp": now + int(ttl)}
    return book.signer.sign(claims | changed)


def add_service_account(book: "Book", email: str, project_id: str = "local-project") -> dict[str, str]:
    """A service account; returns what its downloaded JSON file says, private key included."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key_id = secrets.token_hex(20)
    made = ServiceAccount(email, key_id, RSAKey.import_key(public, {"kid": key_id, "alg": "RS256"}), project_id)
    with book.lock:
        book.service_accounts[email] = made
        book.accounts.setdefault(email, Account(email, email, project_id=project_id))
    return {
        "type": "service_account",
        "project_id": project_id,
        "private_key_id": key_id,
        "private_key": pem,
        "client_email": email,
        "client_id": "1" * 21,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": f"{book.origin}/token",
        "universe_domain": "googleapis.com",
    }


def assertion_refused(book: "Book", assertion: str) -> tuple[str, ServiceAccount | None, tuple[str, ...]]:
    """Why a service account's assertion is not taken (empty: it is), whose it is, and the scopes that it asks for."""
    try:
        keys = KeySet([one.public for one in book.service_accounts.values()])
        claimed = jwt.decode(assertion, keys, algorithms=["RS256"])
    except (JoseError, ValueError):
        return "bad_signature", None, ()
    claims, kid = claimed.claims, claimed.header.get("kid")
    found = book.service_accounts.get(str(claims.get("iss")))
    if found is None or kid != found.key_id:
        return "bad_signature", None, ()
    if claims.get("aud") not in (f"{book.origin}/token", REAL_TOKEN_URI):
        return "wrong_audience", found, ()
    issued, ends, now = claims.get("iat"), claims.get("exp"), book.now()
    if not isinstance(issued, int) or not isinstance(ends, int):
        return "no_times", found, ()
    # An hour at most, and ten minutes of clock skew are forgiven.
    if ends - issued > 3600 or issued > now + 600 or ends < now - 600:
        return "unreasonable_times", found, ()
    scopes = tuple(str(claims.get("scope", "")).split())
    return ("" if scopes else "no_scope"), found, scopes

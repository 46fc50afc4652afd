"""Entra's v2.0 token endpoint for applications: client credentials with a secret or a signed statement.

Error bodies as https://learn.microsoft.com/entra/identity-platform/reference-error-codes: ``error_codes`` has the
number, and the text around it is not to be relied on.
"""

import base64
import datetime
import re
import secrets
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.vendors.asgi import Answer, Reply, Request
from tests.vendors.auth.book import Book
from tests.vendors.auth.front import AuthFront, Routes, exact, read_form
from tests.vendors.auth.records import Client, Refusal
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

PATH = re.compile(r"/([^/]+)/oauth2/v2\.0/token")
RESOURCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Reason -> status, error, number, text. The texts name other numbers on purpose: whoever reads them is misled.
REFUSALS: dict[str, tuple[int, str, int, str]] = {
    "no_tenant": (400, "invalid_request", 90002, "Tenant not found. See AADSTS7000215."),
    "no_application": (400, "unauthorized_client", 700016, "Application was not found in the directory."),
    "disabled": (400, "unauthorized_client", 7000112, "Application is disabled."),
    "wrong_secret": (401, "invalid_client", 7000215, "Invalid client secret provided; not AADSTS7000222."),
    "expired_secret": (401, "invalid_client", 7000222, "The provided client secret keys are expired."),
    "bad_assertion": (401, "invalid_client", 700027, "The certificate is not registered on the application."),
    "assertion_times": (401, "invalid_client", 700024, "Client assertion is not within its valid time range."),
    "no_scope": (400, "invalid_scope", 1002012, "The scope must have /.default suffixed to the resource."),
    "no_resource": (400, "invalid_resource", 500011, "The resource principal was not found in the tenant."),
    "policy": (400, "invalid_grant", 53003, "Access has been blocked by Conditional Access policies."),
}


@dataclass
class Application:
    """A registered application. ``expired`` secrets are known and no longer good; ``certificates`` by thumbprint."""

    tenant: str
    client_id: str
    secret: str
    secret_id: str
    expired: set[str] = field(default_factory=set)
    certificates: dict[str, RSAKey] = field(default_factory=dict)
    disabled: bool = False
    blocked: bool = False

    @property
    def account(self) -> str:
        return f"{self.tenant}/{self.client_id}"


class EntraAuth(AuthFront):
    """``login.microsoftonline.com``."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.applications: dict[tuple[str, str], Application] = {}

    def register(self, *, role: bool = True, tenant: str = "") -> Application:
        """A new application with a secret; ``role``: may it use the resource?"""
        made = Application(
            tenant or str(uuid.uuid4()), str(uuid.uuid4()), "Kx8Q~" + secrets.token_urlsafe(26), str(uuid.uuid4())
        )
        with self.book.lock:
            self.applications[made.tenant, made.client_id] = made
            self.book.add_account(made.account, made.client_id).limit = None if role else "no_role"
            self.book.clients[made.client_id] = Client(made.client_id, made.secret, "entra")
        return made

    def routes(self) -> Routes:
        return {}

    def answer(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        match = PATH.fullmatch(request.path)
        if request.method != "POST" or match is None:
            return super().answer(request, entry)
        return self._later(self._token(match[1], request, entry))

    async def _token(self, tenant: str, request: Request, entry: Entry) -> Answer:
        fields = read_form(request, _bad)
        needed = {"grant_type", "client_id", "scope"}
        by_statement = {"client_assertion_type", "client_assertion"}
        exact(fields, needed | (by_statement if "client_assertion" in fields else {"client_secret"}), set(), _bad)
        if fields["grant_type"] != "client_credentials":
            return _error(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        return await self.token_request(entry, fields, lambda: self._grant(tenant, fields, entry))

    def _grant(self, tenant: str, fields: dict[str, str], entry: Entry) -> Reply:
        found = self.applications.get((tenant, fields["client_id"]))
        resource = fields["scope"].removesuffix("/.default").rstrip("/")
        reason = self._why_not(tenant, found, fields, resource)
        presented = fields.get("client_secret") or fields.get("client_assertion", "")
        account = found.account if found else ""
        self.book.note("client", fields["client_id"], account, "", 0, presented, reason, entry)
        if reason or found is None:
            raise Refusal(reason)
        made = self.book.issue(account, found.client_id, (fields["scope"],), refreshable=False)
        left = made.expires_in
        body = {"token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": made.access}
        return json_reply(200, body)

    def _why_not(self, tenant: str, found: Application | None, fields: dict[str, str], resource: str) -> str:
        if not any(known == tenant for known, _ in self.applications):
            return "no_tenant"
        if found is None:
            return "no_application"
        if found.disabled:
            return "disabled"
        reason = (
            self._statement_refused(found, fields)
            if "client_assertion" in fields
            else _secret_refused(found, fields["client_secret"])
        )
        if reason:
            return reason
        if not fields["scope"].endswith("/.default") or " " in fields["scope"]:
            return "no_scope"
        if resource not in RESOURCES:
            return "no_resource"
        return "policy" if found.blocked else ""

    def _statement_refused(self, found: Application, fields: dict[str, str]) -> str:
        """RFC 7523, as Entra checks it: PS256 by a certificate that is named by its SHA-256 thumbprint."""
        try:
            head = jwt.decode(
                fields["client_assertion"],
                lambda obj: found.certificates[str(obj.headers().get("x5t#S256"))],
                algorithms=["PS256"],
            )
        except (JoseError, ValueError, KeyError):
            return "bad_assertion"
        claims, now = head.claims, self.book.now()
        here = f"{self.book.origin}/{found.tenant}/oauth2/v2.0/token"
        if fields["client_assertion_type"] != ASSERTION_TYPE or claims.get("aud") != here or not claims.get("jti"):
            return "bad_assertion"
        if not claims.get("iss") == claims.get("sub") == found.client_id:
            return "bad_assertion"
        return "" if claims.get("nbf", now + 1e6) <= now + 300 and claims.get("exp", 0) > now else "assertion_times"

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        return _error(*REFUSALS[reason])

    def limited(self, retry_after: float) -> Reply:
        reply = _error(429, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
        reply.headers["retry-after"] = f"{retry_after:g}"
        return reply


def add_certificate(application: Application, *, days: int = 30) -> str:
    """Upload a certificate to the application; returns the PEM text of it and its key. Ends in so many days."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maestro-test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    thumbprint = base64.urlsafe_b64encode(made.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    application.certificates[thumbprint] = RSAKey.import_key(public)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (made.public_bytes(serialization.Encoding.PEM) + private).decode()


def _secret_refused(found: Application, given: str) -> str:
    if given in found.expired:
        return "expired_secret"
    return "" if secrets.compare_digest(given, found.secret) else "wrong_secret"


def _error(status: int, code: str, number: int, text: str) -> Reply:
    said: dict[str, Any] = {
        "error": code,
        "error_description": f"AADSTS{number}: {text} Trace ID: 0 Correlation ID: 0",
        "error_codes": [number],
        "timestamp": "2026-11-20 10:00:00Z",
        "trace_id": str(uuid.uuid4()),
        "correlation_id": str(uuid.uuid4()),
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return json_reply(status, said)


def _bad(text: str) -> Reply:
    return _error(400, "invalid_request", 900144, f"The request body must contain the right parameters: {text}")

"""An application that is registered at Entra: its client id with a secret or a certificate becomes an access token.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow: there is no refresh token, a new
token is requested whenever one is needed. A certificate signs a statement instead of a secret (RFC 7523 section 2.2,
https://learn.microsoft.com/entra/identity-platform/certificate-credentials). Errors are told by number, never by text,
which Entra rewords and translates (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
"""

import asyncio
import re
import time
import uuid
from urllib.parse import quote

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc import jwt
from joserfc.jwk import RSAKey

from providers_app.behaviours.oauth.endpoint import TokenEndpoint, tokens_from
from providers_app.behaviours.oauth.grants import client_credentials, rsa_key
from providers_app.behaviours.oauth.pkce import base64url
from providers_app.errors import (
    AuthenticationFailed,
    BadRequest,
    InvalidCredential,
    InvalidRequest,
    PermissionDenied,
    TokenRefused,
    UpstreamError,
)
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http
from providers_app.wire.status import recast

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"
FLOW = "entra_client"
TTL_S = 3599.0
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_S = 600
"""Seconds for which a signed statement is valid."""
CERTIFICATE_HINT = (
    "Paste one PEM text with both the certificate and its private key, as `cat cert.pem key.pem` gives it."
)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")

_RENEWAL = (
    "Make a new one in the Azure portal (App registrations, Certificates & secrets), copy the column Value, and sign "
    "in again."
)
_TENANT = "Copy the directory (tenant) ID from the application's overview in the Azure portal."
_SCOPE = "An administrator can change the scope in the settings."

_FINAL = {
    "AADSTS7000215": (
        "Entra does not accept the client secret",
        f"Often the secret's ID was copied instead of its value. {_RENEWAL}",
    ),
    "AADSTS7000222": ("The client secret has expired", _RENEWAL),
    "AADSTS700016": (
        "Entra knows no application with this client ID in this tenant",
        "Copy the application (client) ID and the directory (tenant) ID from the same application's overview.",
    ),
    "AADSTS90002": ("Entra knows no such tenant", _TENANT),
    "AADSTS900023": ("Entra cannot read the name of the tenant", _TENANT),
    "AADSTS7000112": (
        "The application is disabled in its tenant",
        "An administrator of the tenant can enable it (Enterprise applications, Properties).",
    ),
    "AADSTS700027": (
        "Entra does not know the certificate, or its signature is wrong",
        "Upload the certificate at the application (Certificates & secrets), then sign in with it and its key.",
    ),
}
TERMINAL = frozenset(_FINAL)
"""The codes after which only a person can help."""
MEANINGS: dict[str, tuple[type[UpstreamError], str, str]] = {
    **{code: (TokenRefused, *meaning) for code, meaning in _FINAL.items()},
    "AADSTS700024": (
        AuthenticationFailed,
        "Entra finds our signed statement outside its time",
        "Set the clock of this machine. Maestro then tries again.",
    ),
    "AADSTS70011": (BadRequest, "Entra does not know the scope", _SCOPE),
    "AADSTS1002012": (BadRequest, "The scope must end with /.default", _SCOPE),
    "AADSTS500011": (BadRequest, "The tenant does not know the service that the scope is for", _SCOPE),
    "AADSTS53003": (
        PermissionDenied,
        "A conditional access policy of the tenant forbids this",
        "Ask an administrator of the tenant; the policy may allow certain addresses only.",
    ),
}
"""The class, text and hint of an error by its code."""


class EntraApplication(msgspec.Struct, frozen=True, kw_only=True):
    """``tenant`` is a directory's id or domain; either ``secret`` or ``certificate`` (PEM, with its private key).

    ``authority`` and ``scope`` are the operator's settings: other clouds have their own.
    """

    tenant: str
    client_id: str
    secret: Secret = Secret("")
    certificate: Secret = Secret("")
    authority: str = AUTHORITY
    scope: str = SCOPE

    @property
    def token_url(self) -> str:
        """The v2.0 token endpoint of the tenant."""
        return f"{self.authority.rstrip('/')}/{quote(self.tenant, safe='')}/oauth2/v2.0/token"

    def check(self) -> None:
        """Raise ``InvalidRequest`` or ``InvalidCredential`` for values that cannot be right; nothing is sent."""
        if not (_GUID.fullmatch(self.tenant) or _DOMAIN.fullmatch(self.tenant)):
            raise InvalidRequest(
                "The tenant is neither a directory's ID nor its domain.",
                hint="It looks like 00000000-0000-0000-0000-000000000000, or like contoso.onmicrosoft.com.",
            )
        if not _GUID.fullmatch(self.client_id):
            raise InvalidRequest(
                "The client ID is not that of an application.",
                hint="It is the application (client) ID on the application's overview in the Azure portal.",
            )
        if bool(self.secret) == bool(self.certificate):
            raise InvalidCredential("Give either a client secret or a certificate.")
        if _GUID.fullmatch(self.secret.reveal()):
            raise InvalidCredential(
                "This is the ID of a client secret, not its value.",
                hint="Entra shows the value once, when the secret is made. Make a new one and copy the column Value.",
            )
        if self.certificate:
            self._assertion(time.time())  # a key that cannot sign is found now

    async def mint(self, http: Http, *, flow: str = FLOW, before: Tokens | None = None) -> Tokens:
        """Return an access token, fetched with one request; the account that ``before`` names is kept.

        Raises ``TokenRefused`` where only a person can help, ``InvalidCredential`` and other ``UpstreamError``.
        """
        now = time.time()
        client = OAuthClient(id=self.client_id, secret=self.secret)
        extra: dict[str, str | Secret] = {"scope": self.scope}
        if self.certificate:
            # Reading the key takes some 40 ms of arithmetic, which the loop must not wait for.
            signed = await asyncio.to_thread(self._assertion, now)
            extra |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        try:
            endpoint = TokenEndpoint(url=self.token_url, terminal=TERMINAL)
            answer = await client_credentials(endpoint, client, http, extra=extra)
        except UpstreamError as error:
            raise explained(error) from None
        issuer, bare = f"{self.authority.rstrip('/')}/{self.tenant}/v2.0", OAuthClient(id=self.client_id)
        return tokens_from(answer, flow=flow, client=bare, issuer=issuer, now=now, before=before, default_ttl=TTL_S)

    def _assertion(self, now: float) -> Secret:
        """Return the client assertion that the certificate's key signs; ``now`` is seconds since the epoch.

        Raises ``InvalidCredential`` for a text without both parts, parts that do not belong together, a certificate
        that has ended, and a key that cannot sign. Nothing of it is quoted.
        """
        key = rsa_key(self.certificate, hint=CERTIFICATE_HINT)
        certificate = _of_key(self.certificate, key)
        if certificate.not_valid_after_utc.timestamp() <= now:
            ended = certificate.not_valid_after_utc.date().isoformat()
            raise InvalidCredential(
                f"The certificate ended on {ended}.", hint="Make a new one, and upload it to Entra."
            )
        claims = {"aud": self.token_url, "iss": self.client_id, "sub": self.client_id, "jti": str(uuid.uuid4())}
        times = {"iat": int(now), "nbf": int(now), "exp": int(now) + ASSERTION_S}
        header = {"alg": "PS256", "typ": "JWT", "x5t#S256": base64url(certificate.fingerprint(hashes.SHA256()))}
        return Secret(jwt.encode(header, {**claims, **times}, RSAKey(key, key), algorithms=["PS256"]))


def explained(error: UpstreamError) -> UpstreamError:
    """Return the error with an explanation, where its code is known."""
    if error.upstream_code not in MEANINGS:
        return error
    kind, what, hint = MEANINGS[error.upstream_code]
    return recast(error, kind, hint, f"{what} ({error.upstream_code}).")


def _of_key(pem: Secret, key: RSAPrivateKey) -> x509.Certificate:
    """Return the certificate of that key; the text may hold its whole chain."""
    try:
        found = x509.load_pem_x509_certificates(pem.reveal().strip().encode())
    except ValueError:
        raise InvalidCredential(
            "There is no certificate that can be read beside the key (PEM).", hint=CERTIFICATE_HINT
        ) from None
    own = next((each for each in found if each.public_key() == key.public_key()), None)
    if own is None:
        raise InvalidCredential("The certificate is not that of the private key.", hint=CERTIFICATE_HINT)
    return own

"""A certificate instead of a client secret: a statement that its key signed (RFC 7523 section 2.2).

https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

import base64
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc import jwt

from providers_app.behaviours.oauth.grants import rsa_key
from providers_app.errors import InvalidCredential
from providers_app.types.credentials import Secret

ASSERTION_S = 600
HINT = "Paste one PEM text with both the certificate and its private key, as `cat cert.pem key.pem` gives it."


def assertion(pem: Secret, *, client_id: str, audience: str, now: float) -> Secret:
    """The statement of who we are; ``now`` is seconds since the epoch.

    Raises ``InvalidCredential`` for a text without both parts, parts that do not belong together, a certificate that
    has ended, and a key that cannot sign. Nothing of it is quoted.
    """
    key = rsa_key(pem, hint=HINT)
    certificate = _of_key(pem, key.as_dict(private=False)["n"])
    if certificate.not_valid_after_utc.timestamp() <= now:
        ended = certificate.not_valid_after_utc.date().isoformat()
        raise InvalidCredential(f"The certificate ended on {ended}.", hint="Make a new one, and upload it to Entra.")
    print_ = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    claims = {
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "jti": str(uuid.uuid4()),
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + ASSERTION_S,
    }
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": print_}
    return Secret(jwt.encode(header, claims, key, algorithms=["PS256"]))


def _of_key(pem: Secret, modulus: object) -> x509.Certificate:
    """The certificate of that key; a chain may stand around it."""
    try:
        found = x509.load_pem_x509_certificates(pem.reveal().strip().encode())
    except ValueError:
        raise InvalidCredential("There is no certificate that can be read beside the key (PEM).", hint=HINT) from None
    for certificate in found:
        public = certificate.public_key()
        if isinstance(public, RSAPublicKey) and _base64_of(public.public_numbers().n) == modulus:
            return certificate
    raise InvalidCredential("The certificate is not that of the private key.", hint=HINT)


def _base64_of(number: int) -> str:
    """As RFC 7518 section 2 writes a number."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""An application that is registered at Entra: its client id with a secret or a certificate becomes an access token.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow: no refresh token, a new token is
asked for whenever one is needed.
"""

import asyncio
import re
import time
from urllib.parse import quote

import msgspec

from providers_app.behaviours.credentials.azure_ad.certificate import assertion
from providers_app.behaviours.credentials.azure_ad.codes import TERMINAL, explained
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, tokens_from
from providers_app.behaviours.oauth.grants import client_credentials
from providers_app.errors import InvalidCredential, InvalidRequest, UpstreamError
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"
FLOW = "entra_client"
TTL_S = 3599.0
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")


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
        """The v2.0 endpoint of the tenant."""
        return f"{self.authority.rstrip('/')}/{quote(self.tenant, safe='')}/oauth2/v2.0/token"

    def check(self) -> None:
        """Raises ``InvalidRequest`` and ``InvalidCredential`` for what Entra could not know; nothing is sent."""
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
        """One access token with one request; what ``before`` knows of the account is kept.

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
            answer = await client_credentials(
                TokenEndpoint(url=self.token_url, terminal=TERMINAL), client, http, extra=extra
            )
        except UpstreamError as error:
            raise explained(error) from None
        return tokens_from(
            answer,
            flow=flow,
            client=OAuthClient(id=self.client_id),
            issuer=f"{self.authority.rstrip('/')}/{self.tenant}/v2.0",
            now=now,
            before=before,
            default_ttl=TTL_S,
        )

    def _assertion(self, now: float) -> Secret:
        return assertion(self.certificate, client_id=self.client_id, audience=self.token_url, now=now)

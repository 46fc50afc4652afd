"""Managed identity: the machine's own cloud identifies it and gives tokens; nothing secret is stored.

On virtual machines and in AKS the metadata service (IMDS), in App Service and Container Apps an address of the app's
own with a header that only it knows. https://learn.microsoft.com/entra/identity/managed-identities-azure-resources and
https://learn.microsoft.com/azure/app-service/overview-managed-identity. Both want a ``resource``, not a scope.
"""

import asyncio
import time
from urllib.parse import urlencode, urlsplit

import msgspec

from providers_app.behaviours.credentials.metadata import ask_metadata, object_of
from providers_app.behaviours.oauth.endpoint import tokens_from
from providers_app.behaviours.oauth.refusals import words_of
from providers_app.errors import (
    AuthenticationFailed,
    BadAnswer,
    PermissionDenied,
    ServerError,
    TokenRefused,
    UpstreamError,
)
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http
from providers_app.wire.status import class_of_status, retry_after

IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
RESOURCE = "https://cognitiveservices.azure.com/"
FLOW = "managed_identity"
ISSUER = "managed-identity"
VERSIONS = {"imds": "2018-02-01", "app": "2019-08-01"}
TRIES = 4
PAUSE_S = 0.8
"""Seconds before the second request; twice as long before each further one."""
LONGEST_PAUSE_S = 3.0
PASSING = frozenset({404, 410, 429})
"""Statuses after which the request is repeated, as from 500 on: the service starts, updates or limits the rate."""


class ManagedIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` and ``header`` are the operator's: an app's own address and the value of its ``X-IDENTITY-HEADER``.

    ``client_id`` is that of a user-assigned identity; empty: the machine's own.
    """

    url: str = IMDS
    header: Secret = Secret("")
    client_id: str = ""
    resource: str = RESOURCE
    tries: int = TRIES
    pause_s: float = PAUSE_S

    async def mint(self, http: Http, *, flow: str = FLOW, before: Tokens | None = None) -> Tokens:
        """Return an access token. Raises ``TokenRefused`` where there is no such identity, and other ``UpstreamError``.

        A service that is not ready is asked ``tries`` times at most; one that does not answer is not asked again.
        """
        now = time.time()
        answer = await self._asked()
        if answer.status != 200:
            raise self._refused(answer)
        found = object_of(answer)
        known = payload.text(found.get("client_id")) or self.client_id
        client = OAuthClient(id=known if known.isprintable() and len(known) <= 100 else "")
        return tokens_from(found, flow=flow, client=client, issuer=ISSUER, now=now, before=before)

    async def _asked(self) -> HttpResponse:
        """Return the first answer that is final, or the last one."""
        own = {"client_id": self.client_id} if self.client_id else {}
        query = {"api-version": VERSIONS["app" if self.header else "imds"], "resource": self.resource, **own}
        url = f"{self.url}?{urlencode(query)}"
        headers, secret = ({}, {"x-identity-header": self.header}) if self.header else ({"metadata": "true"}, {})
        answer = await ask_metadata(url, headers, secret=secret)
        for number in range(self.tries - 1):
            if answer.status not in PASSING and answer.status < 500:
                break
            pause = retry_after(answer.headers) or self.pause_s * 2**number
            await asyncio.sleep(min(pause, LONGEST_PAUSE_S))
            answer = await ask_metadata(url, headers, secret=secret)
        return answer

    def _refused(self, answer: HttpResponse) -> UpstreamError:
        status = answer.status
        words = words_of(payload.object_in(answer.body), filter(None, [self.header.reveal()]))
        code, named = words.code or None, words.named(status)
        if status == 400:
            whose = f"the identity {self.client_id}" if self.client_id else "an identity of its own"
            return TokenRefused(
                f"This machine does not have {whose} ({named}).",
                hint="Give the machine that identity in the Azure portal (Identity), or change the configured one.",
                status=status,
                upstream_code=code,
            )
        kind = ServerError if status == 410 else class_of_status(status) if status >= 400 else BadAnswer
        hint = "It may be starting or being updated; Maestro asks again."
        if issubclass(kind, AuthenticationFailed | PermissionDenied | BadAnswer):
            hint = "Check the configured address and header of the identity service."
        message = f"The identity service at {urlsplit(self.url).netloc} gave no token ({named})."
        return kind(message, hint=hint, status=status, upstream_code=code, retry_after=retry_after(answer.headers))

"""Google's own kinds of credentials, for every provider that is reached with a token of Google.

    authority         the token endpoint and the scopes
    service_account   a key file: a signed statement becomes an access token, again and again
    authorized_user   a person's refresh token with its OAuth client (application-default credentials)
    machine           the identity that Google gave this machine

A pasted file is material, never a place to go: no address in it is followed (``token_uri``, ``credential_source``), so
that a prepared file cannot have secrets sent elsewhere.
"""

import time

from providers_app.behaviours.credentials import MARGIN_S, Clock, Minted
from providers_app.behaviours.credentials.google import authorized_user, machine, service_account
from providers_app.behaviours.credentials.google.authority import Authority
from providers_app.behaviours.credentials.google.authorized_user import AuthorizedUser
from providers_app.behaviours.credentials.google.machine import Machine
from providers_app.behaviours.credentials.google.service_account import ServiceAccount
from providers_app.errors import AuthenticationFailed
from providers_app.types.credentials import Credential
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http

Source = ServiceAccount | AuthorizedUser | Machine
"""The material that tokens are made from."""


class GCPCredentialProvider:
    """Gives access tokens of Google, made from lasting material.

    A token is kept until its margin, callers that come together share one request, and a refused token is not given
    out again (see ``Minted``).
    """

    def __init__(
        self,
        source: Source,
        authority: Authority | None = None,
        *,
        margin: float = MARGIN_S,
        clock: Clock = time.time,
    ) -> None:
        self._source = source
        self._authority = authority or Authority()
        self._minted = Minted(self._mint, margin=margin, clock=clock)

    async def credential(self, http: Http) -> Credential:
        """Return the credential of a token that is valid now.

        Raises ``UpstreamError``, ``InvalidCredential``, ``LoginError``.
        """
        return await self._minted.credential(http)

    async def renewed(self, refused: Credential, error: AuthenticationFailed, http: Http) -> Credential:
        """Return the credential of a token that is not ``refused``. Raises as ``credential``."""
        return await self._minted.renewed(refused, error, http)

    async def _mint(self, http: Http) -> Tokens:
        match self._source:
            case ServiceAccount() as account:
                return await service_account.exchange(account, self._authority, http)
            case AuthorizedUser() as person:
                bare = person.tokens(authorized_user.KIND, self._authority)
                return await authorized_user.refresh(bare, self._authority, http)
            case Machine() as here:
                return await here.mint(machine.FLOW)


__all__ = [
    "Authority",
    "AuthorizedUser",
    "GCPCredentialProvider",
    "Machine",
    "ServiceAccount",
    "Source",
    "authorized_user",
    "machine",
    "service_account",
]

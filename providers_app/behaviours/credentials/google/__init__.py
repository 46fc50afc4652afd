"""Google's own kinds of credentials, for every provider that is reached with a token of Google.

A pasted file is material, never a place to go: no address in it is followed (``token_uri``, ``credential_source``), so
that a prepared file cannot have secrets sent elsewhere.
"""

import time
from functools import partial

from providers_app.behaviours.credentials import MARGIN_S, Clock, Minted
from providers_app.behaviours.credentials.google import authorized_user, machine, service_account
from providers_app.behaviours.credentials.google.authority import Authority
from providers_app.behaviours.credentials.google.authorized_user import AuthorizedUser
from providers_app.behaviours.credentials.google.machine import Machine
from providers_app.behaviours.credentials.google.service_account import ServiceAccount
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http

Source = ServiceAccount | AuthorizedUser | Machine
"""The material that tokens are made from."""


class GCPCredentialProvider(Minted):
    """Gives access tokens of Google, made from lasting material and kept until their margin; see ``Minted``."""

    def __init__(
        self, source: Source, authority: Authority | None = None, *, margin: float = MARGIN_S, clock: Clock = time.time
    ) -> None:
        super().__init__(partial(_mint, source, authority or Authority()), margin=margin, clock=clock)


async def _mint(source: Source, authority: Authority, http: Http) -> Tokens:
    match source:
        case ServiceAccount() as account:
            return await service_account.mint(account.tokens(), authority, http)
        case AuthorizedUser() as person:
            bare = person.tokens(authorized_user.KIND, authority)
            return await authorized_user.refresh(bare, authority, http)
        case Machine() as here:
            return await here.mint(machine.FLOW)


__all__ = ["Authority", "AuthorizedUser", "GCPCredentialProvider", "Machine", "ServiceAccount", "Source"]

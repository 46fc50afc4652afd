"""Entra (Azure AD): access tokens of an application, or of the identity that Azure gave to the machine.

Both have one function that makes one token, ``mint``. ``AzureADCredentialProvider`` keeps what it made; a sign-in
stores it with its session.
"""

import time

from providers_app.behaviours.credentials import MARGIN_S, Clock, Minted
from providers_app.behaviours.credentials.azure_ad.application import EntraApplication
from providers_app.behaviours.credentials.azure_ad.identity import ManagedIdentity

__all__ = ["AzureADCredentialProvider", "EntraApplication", "ManagedIdentity"]


class AzureADCredentialProvider(Minted):
    """Tokens of one application or identity, kept until ``margin`` seconds before their end; see ``Minted``."""

    def __init__(
        self, source: EntraApplication | ManagedIdentity, *, margin: float = MARGIN_S, clock: Clock = time.time
    ) -> None:
        super().__init__(source.mint, margin=margin, clock=clock)

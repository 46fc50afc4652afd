"""The source of the gateway's own token: a static one, an OAuth client, Entra, Google, or the machine's identity.

Imported when a gateway needs its first token, because signing takes libraries that load slowly.
"""

import time
from collections.abc import Callable

from pydantic import SecretStr

from providers_app.behaviours.credentials import ApiKeyCredentialProvider, CredentialProvider, Minted
from providers_app.behaviours.credentials.azure_ad import AzureADCredentialProvider, EntraApplication, ManagedIdentity
from providers_app.behaviours.credentials.azure_ad.application import AUTHORITY, SCOPE
from providers_app.behaviours.credentials.azure_ad.identity import IMDS, RESOURCE
from providers_app.behaviours.credentials.google import Authority, GCPCredentialProvider, Machine, service_account
from providers_app.behaviours.credentials.google.authority import CLOUD, TOKEN_URI
from providers_app.behaviours.credentials.google.machine import SERVER
from providers_app.behaviours.oauth import grants
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, tokens_from
from providers_app.genai_platform.config import GenAIPlatformConfig
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

FLOW = "genai_platform"


def source_of(config: GenAIPlatformConfig) -> CredentialProvider | None:
    """Return the provider of the gateway's token; ``None`` where it wants none. Makes no request."""
    return _SOURCES[config.token_source](config)


def _static(config: GenAIPlatformConfig) -> CredentialProvider:
    return ApiKeyCredentialProvider(Credential(auth_type="api_key", secret=_secret(config.token)))


def _client(config: GenAIPlatformConfig) -> CredentialProvider:
    async def mint(http: Http) -> Tokens:
        client = OAuthClient(id=config.client_id, secret=_secret(config.client_secret))
        endpoint = TokenEndpoint(url=config.token_url, terminal=frozenset())
        now = time.time()
        answer = await grants.client_credentials(endpoint, client, http, extra={"scope": config.scope})
        return tokens_from(answer, flow=FLOW, client=OAuthClient(), issuer=config.token_url, now=now)

    return Minted(mint)


def _entra(config: GenAIPlatformConfig) -> CredentialProvider:
    application = EntraApplication(
        tenant=config.tenant,
        client_id=config.client_id,
        secret=_secret(config.client_secret),
        authority=config.token_url or AUTHORITY,
        scope=config.scope or SCOPE,
    )
    return AzureADCredentialProvider(application)


def _azure_identity(config: GenAIPlatformConfig) -> CredentialProvider:
    identity = ManagedIdentity(
        url=config.token_url or IMDS,
        header=_secret(config.identity_header),
        client_id=config.client_id,
        resource=config.scope or RESOURCE,
    )
    return AzureADCredentialProvider(identity)


def _google(config: GenAIPlatformConfig) -> CredentialProvider:
    authority = Authority(token_url=config.token_url or TOKEN_URI, scopes=config.scope or CLOUD)
    return GCPCredentialProvider(service_account.read(_secret(config.service_account), authority), authority)


def _google_identity(config: GenAIPlatformConfig) -> CredentialProvider:
    return GCPCredentialProvider(Machine(server=config.token_url or SERVER))


_SOURCES: dict[str, Callable[[GenAIPlatformConfig], CredentialProvider | None]] = {
    "none": lambda config: None,
    "static": _static,
    "client_credentials": _client,
    "entra": _entra,
    "azure_identity": _azure_identity,
    "google": _google,
    "google_identity": _google_identity,
}


def _secret(value: SecretStr) -> Secret:
    return Secret(value.get_secret_value())

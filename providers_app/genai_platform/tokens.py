"""The source of the gateway's own token: a static one, an OAuth client, Entra, Google, or the machine's identity.

Imported when a gateway needs its first token, because signing takes libraries that load slowly.
"""

import time
from functools import partial

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
    match config.token_source:
        case "none":
            return None
        case "static":
            return ApiKeyCredentialProvider(Credential(auth_type="api_key", secret=_secret(config.token)))
        case "client_credentials":
            return Minted(partial(_client_credentials, config))
        case "entra":
            application = EntraApplication(
                tenant=config.tenant,
                client_id=config.client_id,
                secret=_secret(config.client_secret),
                authority=config.token_url or AUTHORITY,
                scope=config.scope or SCOPE,
            )
            return AzureADCredentialProvider(application)
        case "azure_identity":
            identity = ManagedIdentity(
                url=config.token_url or IMDS,
                header=_secret(config.identity_header),
                client_id=config.client_id,
                resource=config.scope or RESOURCE,
            )
            return AzureADCredentialProvider(identity)
        case "google":
            authority = Authority(token_url=config.token_url or TOKEN_URI, scopes=config.scope or CLOUD)
            return GCPCredentialProvider(service_account.read(_secret(config.service_account), authority), authority)
        case "google_identity":
            return GCPCredentialProvider(Machine(server=config.token_url or SERVER))


async def _client_credentials(config: GenAIPlatformConfig, http: Http) -> Tokens:
    client = OAuthClient(id=config.client_id, secret=_secret(config.client_secret))
    endpoint, now = TokenEndpoint(url=config.token_url, terminal=frozenset()), time.time()
    answer = await grants.client_credentials(endpoint, client, http, extra={"scope": config.scope})
    return tokens_from(answer, flow=FLOW, client=OAuthClient(), issuer=config.token_url, now=now)


def _secret(value: SecretStr) -> Secret:
    return Secret(value.get_secret_value())

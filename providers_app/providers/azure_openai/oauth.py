"""Signing in without a browser: an application of Entra, or the identity of the machine. Tokens are minted anew.

https://learn.microsoft.com/azure/ai-services/openai/how-to/managed-identity
"""

import asyncio
import re
from urllib.parse import urlsplit

import msgspec

from providers_app import conf
from providers_app.behaviours.addresses import permitted_url
from providers_app.behaviours.credentials.azure_ad import EntraApplication, ManagedIdentity, application, identity
from providers_app.behaviours.oauth import LoginAnswer, LoginField, LoginStart, OAuth, OAuthFlow, PendingLogin, text_of
from providers_app.behaviours.oauth.enabled import require_enabled
from providers_app.errors import AddressRefused, TokenRefused
from providers_app.providers.azure_openai import api_key
from providers_app.providers.azure_openai.config import Config
from providers_app.providers.azure_openai.options import VERSION
from providers_app.providers.azure_openai.requests import SLUG, get, read_target, without_query
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http

ENTRA = application.FLOW
IDENTITY = identity.FLOW
ENDPOINT, TENANT, CLIENT, SECRET, CERTIFICATE = "base_url", "tenant", "client_id", "client_secret", "certificate"
ROLE_URL = "https://learn.microsoft.com/azure/ai-services/openai/how-to/role-based-access-control"


class AzureOAuth(OAuth):
    """The flows ``entra_client`` and ``managed_identity``, whose access tokens end by themselves within the hour."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """Read when asked: an endpoint need not be given where the operator configured one."""
        config: Config = conf.provider(SLUG)
        own = " Leave it empty to use the one of this installation." if config.base_url else ""
        endpoint = LoginField(
            name=ENDPOINT,
            label="Endpoint",
            help=f"The resource's address, such as https://NAME.openai.azure.com; a copied target will do.{own}",
            required=not config.base_url,
        )
        return (
            OAuthFlow(
                name=ENTRA,
                label="Entra application",
                methods=("direct",),
                rotation="minted",
                description="For servers: an application of your tenant with a client secret or a certificate. It "
                "needs the role Cognitive Services OpenAI User on the resource.",
                position="Microsoft recommends Entra instead of keys.",
                position_url=ROLE_URL,
                fields=(
                    endpoint,
                    LoginField(
                        name=TENANT, label="Tenant", help="The directory (tenant) ID of the application, or its domain."
                    ),
                    LoginField(name=CLIENT, label="Client ID", help="The application (client) ID."),
                    LoginField(
                        name=SECRET,
                        label="Client secret",
                        help="The value of a client secret, not its ID. Leave it empty with a certificate.",
                        required=False,
                        secret=True,
                    ),
                    LoginField(
                        name=CERTIFICATE,
                        label="Certificate (PEM)",
                        help="Instead of a secret: the certificate and its private key in one text.",
                        required=False,
                        secret=True,
                        multiline=True,
                    ),
                ),
            ),
            OAuthFlow(
                name=IDENTITY,
                label="Managed identity",
                methods=("direct",),
                rotation="minted",
                description="The identity of the machine that Maestro runs on. No secret is stored.",
                position="Every user who may connect sessions here acts as this machine's identity.",
                position_url="https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/overview",
                restricted=True,
                fields=(endpoint,),
            ),
        )

    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Begin a sign-in. Raise ``InvalidRequest``, ``InvalidCredential``, ``AddressRefused``; nothing is sent yet."""
        given = start.given
        await _endpoint(given, start.flow.name)
        if start.flow.name == ENTRA:
            entra = _application(text_of(given, TENANT), text_of(given, CLIENT), given)
            await asyncio.to_thread(entra.check)
        return start.pending()

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Mint. Raise ``FlowDisabled``, ``AddressRefused``, ``InvalidCredential``, ``UpstreamError``."""
        given, address = pending.given, await _endpoint(pending.given, pending.flow)
        # The API version of a copied target; an option of the session takes precedence.
        version = read_target(text_of(given, ENDPOINT)).api_version
        facts = {"api_version": version} if re.fullmatch(VERSION, version) else {}
        if pending.flow == IDENTITY:
            return await self._of_machine(Tokens(flow=IDENTITY, base_url=address, facts=facts), http)
        tenant, client = text_of(given, TENANT), text_of(given, CLIENT)
        bare = Tokens(
            flow=ENTRA,
            base_url=address,
            account_id=f"{tenant}/{client}".lower(),
            account_label=f"application {client}",
            facts={TENANT: tenant, CLIENT: client, **facts},
            material={name: given[name] for name in (SECRET, CERTIFICATE) if given.get(name)},
        )
        return await self.refresh(bare, http)

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Mint new tokens from the same material. Raises as ``exchange``, and ``TokenRefused``."""
        if tokens.flow == IDENTITY:
            return await self._of_machine(tokens, http)
        entra = _application(tokens.facts.get(TENANT, ""), tokens.facts.get(CLIENT, ""), tokens.material)
        return await entra.mint(http, flow=ENTRA, before=tokens)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Ask for the list of models. Raise ``UpstreamError``."""
        return await api_key.BEHAVIOUR.test_signed(self.authorize(credential, get("/models", credential)), http)

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Name the header that this login adds."""
        message = "The request is signed with an access token of Entra (authorization: Bearer) instead of a key."
        return [Advice(level="hint", field="authorization", what=message)]

    async def _of_machine(self, before: Tokens, http: Http) -> Tokens:
        require_enabled(SLUG, self.flows, IDENTITY)  # it may have been turned off since the session was made
        _check_receiver(before.base_url)
        config = conf.provider(SLUG).identity
        source = ManagedIdentity(
            url=config.url,
            header=Secret(config.header.get_secret_value()),
            client_id=config.client_id,
            resource=config.resource,
            pause_s=config.retry_pause_s,
        )
        tokens = await source.mint(http, flow=IDENTITY, before=before)
        account = tokens.client.id or "this machine"
        if before.account_id and before.account_id != account:
            raise TokenRefused("This machine has another identity than the one of this login.")
        return msgspec.structs.replace(
            tokens,
            account_id=account,
            account_label=f"managed identity {tokens.client.id}".rstrip(),
            facts=before.facts | ({CLIENT: tokens.client.id} if tokens.client.id else {}),
            # Not secret; it says that tokens can be made anew.
            material={"identity": Secret(account)},
        )


async def _endpoint(given: dict[str, Secret], flow: str) -> str:
    """Return the given address as a base URL, or an empty text. Raise ``InvalidRequest``, ``AddressRefused``."""
    text = given.get(ENDPOINT, Secret("")).reveal()
    found = await permitted_url(without_query(text)) if text else ""
    if flow == IDENTITY:
        _check_receiver(found)
    return found


def _check_receiver(base_url: str) -> None:
    """Raise ``AddressRefused`` except for Azure's hosts: the tokens open every resource that trusts the machine."""
    config: Config = conf.provider(SLUG)
    parts = urlsplit(base_url or config.base_url)
    host, place = (parts.hostname or "").lower(), parts.netloc.lower()
    for entry in config.identity.hosts:
        named = entry.strip().lower()
        if named in (host, place) or (named.startswith(".") and host.endswith(named) and parts.scheme == "https"):
            return
    raise AddressRefused(
        "The identity of this machine is not sent to that address.",
        hint="Use the resource's own https address. An administrator can allow other hosts: "
        "MAESTRO_PROVIDERS__AZURE_OPENAI__IDENTITY__HOSTS.",
    )


def _application(tenant: str, client: str, material: dict[str, Secret]) -> EntraApplication:
    config = conf.provider(SLUG).entra
    return EntraApplication(
        tenant=tenant,
        client_id=client,
        secret=material.get(SECRET, Secret("")),
        certificate=material.get(CERTIFICATE, Secret("")),
        authority=config.authority,
        scope=config.scope,
    )


BEHAVIOUR = AzureOAuth()

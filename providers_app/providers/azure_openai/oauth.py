"""Signing in without a browser: an application of Entra, or the identity of the machine. Tokens are minted anew.

https://learn.microsoft.com/azure/ai-services/openai/how-to/managed-identity
"""

from providers_app.behaviours.keys import bearer
from providers_app.behaviours.lookups import ask, items_of, json_of
from providers_app.behaviours.oauth import LoginAnswer, Method, OAuthFlow, PendingLogin
from providers_app.errors import InvalidRequest
from providers_app.providers.azure_openai import logins
from providers_app.providers.azure_openai.dialect import CHAT
from providers_app.providers.azure_openai.requests import get
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http


class AzureOAuth:
    """The flows ``entra_client`` and ``managed_identity``."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """The second one is off until the operator turns it on."""
        return logins.flows()

    async def begin(
        self,
        flow: OAuthFlow,
        method: Method,
        client: OAuthClient,
        redirect_uri: str,
        given: dict[str, Secret],
        http: Http,
    ) -> PendingLogin:
        """Begin a sign-in. Raise ``InvalidRequest``, ``InvalidCredential``, ``AddressRefused``; nothing is sent yet."""
        logins.endpoint(given, flow.name)
        if flow.name == logins.ENTRA:
            await logins.check_application(given)
        return PendingLogin(flow=flow.name, method=method, given=given)

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Exchange the answer for tokens.

        Raises ``FlowDisabled``, ``AddressRefused``, ``InvalidCredential``, ``UpstreamError``.
        """
        return await logins.first_tokens(pending.given, pending.flow, http)

    async def poll(self, pending: PendingLogin, http: Http) -> Tokens | PendingLogin:
        """Raise ``InvalidRequest``: there is no device code."""
        raise InvalidRequest("Azure OpenAI has no sign-in with a device code.")

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Refresh with one request. Raise ``TokenRefused``, ``FlowDisabled``, ``AddressRefused``, ``UpstreamError``."""
        return await logins.again(tokens, http)

    async def api_credentials(self, tokens: Tokens, http: Http) -> Credential:
        """Return the access token."""
        return Credential(
            auth_type="oauth", secret=tokens.signing, base_url=tokens.base_url or None, settings=tokens.facts
        )

    async def revoke(self, tokens: Tokens, http: Http) -> bool:
        """Access tokens end by themselves within the hour; the secret is removed at Entra."""
        return False

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Sign with the access token."""
        return bearer(credential, request)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Test the credential with one cheap request. Raise ``UpstreamError``."""
        answer = await ask(self.authorize(credential, get("/models", credential)), http, CHAT)
        items_of(json_of(answer), "data")
        return Account(request_id=answer.headers.get("apim-request-id"))

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Name the header that this login adds."""
        message = "The request is signed with an access token of Entra (authorization: Bearer) instead of a key."
        return [Advice(level="hint", field="authorization", what=message)]


BEHAVIOUR = AzureOAuth()

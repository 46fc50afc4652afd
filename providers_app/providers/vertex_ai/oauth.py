"""Signing in to Vertex AI without a browser: a service account, a person's gcloud credentials, this machine.

What each flow is: ``flows``. A session keeps its project and location beside the token; a person's also says which
project its use is billed to (``x-goog-user-project``), as Google demands it for people.
"""

import asyncio

import msgspec

from providers_app.behaviours.credentials.google import Authority, Machine, authorized_user, service_account
from providers_app.behaviours.credentials.google.authority import advice, object_in, signed
from providers_app.behaviours.lookups import ask
from providers_app.behaviours.oauth import LoginAnswer, Method, OAuthFlow, PendingLogin
from providers_app.behaviours.oauth.enabled import why_disabled
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, revoke
from providers_app.errors import InvalidCredential, InvalidRequest, UnknownModel
from providers_app.providers.vertex_ai.dialects import GENERATE
from providers_app.providers.vertex_ai.flows import (
    ADC,
    FILE_FIELD,
    FILE_HINT,
    KEY_FIELD,
    METADATA,
    SERVICE_ACCOUNT,
    flows,
)
from providers_app.providers.vertex_ai.requests import SLUG, checked_location, checked_project, probe, settings
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http

Given = dict[str, Secret]
OVERRIDE, CONCLUDED = "override", "concluded"
"""The source of a fact: a person's word stays when they sign in again, what a file said makes way for the next."""
_NO_PROJECT = "Give the id of the project that is to be asked and billed."


class VertexOAuth:
    """The flows ``service_account``, ``adc`` and ``metadata``."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """As configured."""
        return flows()

    async def begin(
        self, flow: OAuthFlow, method: Method, client: OAuthClient, redirect_uri: str, given: Given, http: Http
    ) -> PendingLogin:
        """Reads what was pasted. Raises ``InvalidRequest``, ``InvalidCredential``, ``FlowDisabled``."""
        _check_enabled(flow.name)
        project, location = _text(given, "project"), _text(given, "location")
        if project:
            checked_project(project)
        if location:
            checked_location(location)
        if flow.name != METADATA:
            found = await asyncio.to_thread(_read, flow.name, given)
            _facts(given, found.project)
        return PendingLogin(flow=flow.name, method=method, given=given)

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Obtain the first token. Raise ``InvalidCredential``, ``LoginError``, ``UpstreamError``."""
        if pending.flow == METADATA:
            return await self._of_machine(pending.given)
        found = await asyncio.to_thread(_read, pending.flow, pending.given)
        facts = _facts(pending.given, found.project)
        if isinstance(found, service_account.ServiceAccount):
            tokens = await service_account.exchange(found, authority(), http)
            return msgspec.structs.replace(tokens, facts=tokens.facts | facts)
        bare = found.tokens(ADC, authority())
        if found.project:
            facts["quota_project"] = found.project
        tokens = await authorized_user.refresh(bare, authority(), http)
        return msgspec.structs.replace(tokens, facts=facts)

    async def poll(self, pending: PendingLogin, http: Http) -> Tokens | PendingLogin:
        """Raise ``InvalidRequest``: there are no device codes."""
        raise InvalidRequest("Vertex AI has no sign-in by device code.")

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Refresh with one request.

        Raises ``TokenRefused``, ``TokenOutcomeUnknown``, ``FlowDisabled``, ``AddressRefused``, ``UpstreamError``.
        """
        _check_enabled(tokens.flow)
        if tokens.flow == SERVICE_ACCOUNT:
            return await service_account.mint(tokens, authority(), http)
        if tokens.flow == METADATA:
            return await _machine().mint(METADATA, tokens)
        return await authorized_user.refresh(tokens, authority(), http)

    async def api_credentials(self, tokens: Tokens, http: Http) -> Credential:
        """Return the access token."""
        return Credential(auth_type="oauth", secret=tokens.signing, settings=tokens.facts)

    async def revoke(self, tokens: Tokens, http: Http) -> bool:
        """Ends a person's credentials, those of gcloud on their own machine included. Raises ``UpstreamError``."""
        if tokens.flow != ADC:
            return False
        endpoint = TokenEndpoint(url=settings().oauth.revoke_url)
        return await revoke(endpoint, {"token": tokens.refresh or tokens.access}, http)

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Sign with the access token, and for a person's with the project that is billed."""
        return signed(credential, request, credential.settings.get("quota_project"))

    async def test(self, credential: Credential, http: Http) -> Account:
        """Counts the tokens of one word, free of charge. Raises ``UpstreamError``, ``InvalidRequest``."""
        try:
            answer = await ask(self.authorize(credential, probe(credential)), http, GENERATE)
        except UnknownModel as error:
            # The login was taken, and the project too: only the model that is asked for tests is not served there.
            return Account(label=_label(credential), request_id=error.request_id)
        return Account(label=_label(credential), request_id=answer.headers.get("x-request-id"))

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Name the headers that this login adds."""
        what = "The request is signed with an access token (authorization: Bearer)."
        return advice(what, credential.settings.get("quota_project"))

    async def _of_machine(self, given: Given) -> Tokens:
        _check_enabled(METADATA)
        here = _machine()
        tokens = await here.mint(METADATA)
        own = "" if _text(given, "project") or settings().project else await here.project()
        return msgspec.structs.replace(tokens, facts=_facts(given, own))


def authority() -> Authority:
    """Return the endpoint that issues Google's tokens."""
    config = settings().oauth
    return Authority(token_url=config.token_url, scopes=config.scopes, issuer=config.issuer)


def _machine() -> Machine:
    return Machine(server=settings().oauth.metadata_url)


def _check_enabled(name: str) -> None:
    """Turning a flow off also ends what it lends. Raises ``FlowDisabled``."""
    flow = next((each for each in flows() if each.name == name), None)
    off = why_disabled(SLUG, flow) if flow is not None else None
    if off is not None:
        raise off


def _read(flow: str, given: Given) -> service_account.ServiceAccount | authorized_user.AuthorizedUser:
    if flow == SERVICE_ACCOUNT:
        return service_account.read(given.get(KEY_FIELD, Secret("")), authority())
    if flow != ADC:
        raise InvalidRequest("There is no such sign-in.")
    try:
        return authorized_user.read(object_in(given.get(FILE_FIELD, Secret("")), FILE_HINT))
    except InvalidCredential as error:
        raise InvalidCredential(error.message, hint=error.hint or FILE_HINT) from None


def _facts(given: Given, own: str) -> dict[str, str]:
    """Project and location of the session; ``own`` is the project that the material names.

    Raises ``InvalidRequest`` where no project is named at all.
    """
    chosen, location = _text(given, "project"), _text(given, "location")
    project = chosen or settings().project or own
    if not project:
        raise InvalidRequest("No project was given, and the credentials name none.", hint=_NO_PROJECT)
    facts = {"project": checked_project(project), "project_source": OVERRIDE if chosen else CONCLUDED}
    return facts | ({"location": checked_location(location), "location_source": OVERRIDE} if location else {})


def _text(given: Given, name: str) -> str:
    return given.get(name, Secret("")).reveal().strip()


def _label(credential: Credential) -> str:
    return f"project {credential.settings.get('project') or settings().project}"


BEHAVIOUR = VertexOAuth()

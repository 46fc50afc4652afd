"""One session, ready to be asked: the template that every request of every provider is made by.

    credentials   what signs the request: a key, a stored login that is refreshed when it must be, nothing
    endpoint      where it goes: the provider's address, the session's own, or the enterprise gateway in front
    client        what sends it

``open_session`` finds a session and makes its client; ``call`` asks with a credential that is good now, and after a
refusal once more with another one, where there can be another one.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from providers_app.behaviours.credentials import ApiKeyCredentialProvider, CredentialProvider, NoCredentialProvider
from providers_app.dispatch import clients, report
from providers_app.dispatch import prepare as opening
from providers_app.errors import AuthenticationFailed, PermissionDenied
from providers_app.genai_platform.endpoint import Passage, caller_of, carries, watched
from providers_app.ports import Owner, Session
from providers_app.refresh import service
from providers_app.registry.resolver import authorizer
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http

T = TypeVar("T")


def _nothing() -> None:
    pass


class OAuthCredentialProvider:
    """A stored login. Its tokens are refreshed by one process at a time, and what another one got is used."""

    def __init__(self, owner: Owner, session: Session, credential: Credential) -> None:
        self._owner = owner
        self._credential = credential
        self.session = session

    async def credential(self, http: Http) -> Credential:
        """The access token, refreshed first where it has ended. Raises as ``refresh.service.fresh``."""
        self.session, self._credential = await service.fresh(self._owner, self.session, self._credential)
        return self._credential

    async def renewed(self, refused: Credential, error: AuthenticationFailed, http: Http) -> Credential:
        """The access token after one forced refresh. Raises as ``refresh.service.renewed``."""
        if refused.secret == self._credential.secret:
            self.session, self._credential = await service.renewed(self._owner, self.session, error)
        return self._credential


class SessionClient:
    """A session with its credentials, its endpoint and its client. It belongs to the provider loop, for one call."""

    def __init__(self, owner: Owner | None, session: Session, credentials: CredentialProvider) -> None:
        self._owner = owner
        self._session = session
        self._credentials = credentials
        self._platform = clients.platform_of(session.provider)
        self.renewed = False
        """Was the session's credential renewed after a refusal?"""

    @property
    def session(self) -> Session:
        """The session as it is stored now: a refresh on the way gives it another generation."""
        found: Session = getattr(self._credentials, "session", self._session)
        return found

    @property
    def sender(self) -> Http:
        """What sends a request that ``prepare`` made."""
        return clients.http() if self._platform is None else self._platform.http

    def http(self, credential: Credential) -> Http:
        """What sends requests that are signed with ``credential``."""
        return clients.http_for(self._session.provider, self._owner, credential)

    async def credential(self) -> Credential:
        """A credential that is good now."""
        return await self._credentials.credential(clients.http())

    async def attempt(self, work: Callable[[Credential], Awaitable[T]], *, refused: Callable[[], None] = _nothing) -> T:
        """``work`` with a good credential. After a 401 again: with another token of the gateway, then with another
        credential of the session, each once and only where there can be another one.

        ``refused`` is called after each refusal. Raises the last refusal, ``NotConfigured`` where the session's
        credential was not sent and so cannot be to blame, and otherwise as ``work`` and the credential provider.
        """
        credential = await self.credential()
        gateway_renewed = session_renewed = False
        while True:
            passage = Passage()
            try:
                with watched(passage):
                    return await work(credential)
            except PermissionDenied as error:
                passage.blame(error)
                raise
            except AuthenticationFailed as error:
                last = error
            refused()
            if self._platform is not None and not gateway_renewed:
                gateway_renewed = True
                if await self._platform.renew(last, passage):
                    continue
            passage.blame(last)
            if session_renewed:
                raise last
            credential = await self._credentials.renewed(credential, last, clients.http())
            session_renewed = self.renewed = True

    async def call(self, work: Callable[[Session, Credential], Awaitable[T]]) -> T:
        """``attempt``, and a login that is refused although it was just renewed is reported."""
        try:
            return await self.attempt(lambda credential: work(self.session, credential))
        except AuthenticationFailed as error:
            if self.renewed:
                report.report(self.session, error)
            raise

    async def prepare(self, credential: Credential, chat: ChatRequest) -> tuple[HttpRequest, tuple[Advice, ...]]:
        """The request as it is sent: built, signed, and where a gateway stands in front, addressed to it.

        With it, what was left out of it, changed in it or is doubtful.
        """
        request, advice = opening.prepare(self.session, credential, chat)
        return await self.http(credential).routed(request), advice

    async def preview(self, credential: Credential, chat: ChatRequest) -> tuple[HttpRequest, tuple[Advice, ...]]:
        """The same for a person to read: nobody is asked for a token, its place is marked."""
        request, advice = opening.prepare(self.session, credential, chat)
        if self._platform is None:
            return request, advice
        caller = caller_of(self._session.provider, self._owner, credential)
        return await self._platform.preview(caller, request), advice


async def open_session(owner: Owner, provider: str | None, session: str, auth_type: str | None = None) -> SessionClient:
    """The client of the session that is named so. Raises as ``prepare.find``."""
    return client_of(owner, *await opening.find(owner, provider, session, auth_type))


def client_of(owner: Owner, session: Session, credential: Credential) -> SessionClient:
    """The client of a session that was found."""
    credentials: CredentialProvider
    if session.auth_type == "oauth":
        credentials = OAuthCredentialProvider(owner, session, credential)
    elif credential.auth_type == "none":
        credentials = NoCredentialProvider(credential)
    else:
        credentials = ApiKeyCredentialProvider(credential)
    return SessionClient(owner, session, credentials)


def client_of_credential(owner: Owner | None, provider: str, credential: Credential) -> SessionClient:
    """The client of a login that is not stored, as it is: nothing of it is refreshed."""
    bare = Session(id="", owner="", provider=provider, auth_type=credential.auth_type, name="", status="active")
    return SessionClient(owner, bare, ApiKeyCredentialProvider(credential))


def sends_credential(provider: str, credential: Credential) -> bool:
    """Does the provider get to see this credential, or does a gateway in front keep it back? Call it on the loop."""
    platform = clients.platform_of(provider)
    if platform is None:
        return True
    bare = HttpRequest(method="GET", url="https://provider.invalid/")
    return carries(platform.config, authorizer(provider, credential.auth_type)(credential, bare))

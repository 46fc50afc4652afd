"""One session, ready to be asked: its credentials, its endpoint (or the enterprise gateway in front), its client."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TypeVar

import msgspec

from providers_app import conf, errors, measures, ports
from providers_app.behaviours.credentials import ApiKeyCredentialProvider, CredentialProvider, NoCredentialProvider
from providers_app.dispatch import clients
from providers_app.dispatch.lanes import Way
from providers_app.dispatch.prepare import Prepared, find, prepare
from providers_app.genai_platform.endpoint import Passage, caller_of, carries, watched
from providers_app.ports import Owner, Session
from providers_app.refresh import service
from providers_app.registry.resolver import authorizer
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http

logger = logging.getLogger("maestro.dispatcher")

T = TypeVar("T")
UNWATCHED = nullcontext()


class _Stored(msgspec.Struct):
    """A session as it is stored, which its renewal replaces."""

    owner: Owner
    session: Session
    current: Credential


class OAuthCredentialProvider(_Stored):
    """A stored login. Its tokens are refreshed by one process at a time, and what another one got is used."""

    async def credential(self, http: Http) -> Credential:
        """Return the access token, refreshed first where it has ended. Raises as ``refresh.service.fresh``."""
        self.session, self.current = await service.fresh(self.owner, self.session, self.current)
        return self.current

    async def renewed(self, refused: Credential, error: errors.AuthenticationFailed, http: Http) -> Credential:
        """Return the access token after one forced refresh. Raises as ``refresh.service.renewed``."""
        if refused.secret == self.current.secret:
            self.session, self.current = await service.renewed(self.owner, self.session, error)
        return self.current


class StoredKeyProvider(_Stored):
    """A stored key. After a refusal the one that replaced it meanwhile is used, if there is one."""

    async def credential(self, http: Http) -> Credential:
        """Return the key."""
        return self.current

    async def renewed(self, refused: Credential, error: errors.AuthenticationFailed, http: Http) -> Credential:
        """Return the key that is stored now. Raises ``error`` where it is the refused one."""
        known = self.session
        try:
            found, credential = await find(self.owner, known.provider, known.id, after=known.generation)
        except errors.NotConfigured:  # the database is away: the refusal is what is known
            raise error from None
        if found.generation <= known.generation:
            raise error
        self.session, self.current = found, credential
        return credential


_SAID_OF_ANY = (errors.AuthenticationFailed.default_hint, errors.NeedsReauth.default_hint)
"""Hints of a refused login that name neither its kind nor its page; a provider's own is more exact."""


class SessionClient:
    """A session with its credentials, its endpoint and its client. It belongs to the provider loop, for one call."""

    def __init__(self, owner: Owner | None, session: Session, credentials: CredentialProvider) -> None:
        self._owner = owner
        self._session = session
        self._credentials = credentials
        self._direct, self._platform = clients.ways_to(session.provider)
        self.sender = self._direct if self._platform is None else self._platform.http
        """The client for a request that ``prepare`` made."""
        self.renewed = False
        """True once the session's credential was renewed after a refusal."""

    @property
    def session(self) -> Session:
        """The session as it is stored now: a refresh on the way gives it another generation."""
        found: Session = getattr(self._credentials, "session", self._session)
        return found

    async def attempt(
        self, work: Callable[[Credential], Awaitable[T]], *, refused: Callable[[], None] = lambda: None
    ) -> T:
        """Run ``work`` with a good credential; after a 401 again, with another token of the gateway, then with another
        credential of the session, each once and only where there can be another one.

        ``refused`` is called after each refusal. Raises the last refusal, ``NotConfigured`` where the session's
        credential was not sent and so cannot be to blame, and otherwise as ``work`` and the credential provider.
        """
        credential = await self._credentials.credential(self._direct)
        platform, gateway_renewed = self._platform, False
        while True:
            passage = Passage()
            try:
                with UNWATCHED if platform is None else watched(passage):
                    return await work(credential)
            except errors.PermissionDenied as error:
                passage.blame(error)
                raise
            except errors.AuthenticationFailed as error:
                last = error
                if self.session.auth_type == "oauth" and error.hint in _SAID_OF_ANY:
                    error.hint = errors.NeedsReauth.hint_at(self.session.page)
            refused()
            if platform is not None and not gateway_renewed:
                gateway_renewed = True
                if await platform.renew(last, passage):
                    continue
            passage.blame(last)
            if self.renewed:
                raise last
            try:
                credential = await self._credentials.renewed(credential, last, self._direct)
            except (errors.RefreshFailed, errors.RefreshTooEarly, errors.TokenOutcomeUnknown):
                last.mendable = True
                report(self.session, last)  # until a later refresh the provider takes nothing
                raise
            self.renewed = True
            measures.here.count(measures.RETRIES, self._session.provider, "refresh")

    async def call(self, work: Callable[[Session, Credential], Awaitable[T]]) -> T:
        """Run ``attempt`` by the session's lane, and report a login that is refused although it was just renewed.

        A login that is not stored has no lane.
        """

        async def asked(route: int) -> T:
            return await self.attempt(lambda credential: work(self.session, credential))

        known = self._session
        way = Way(self._owner, [(known, "")], conf.current().lookup_timeout_s) if known.id else None
        try:
            return await (asked(0) if way is None else way.through(asked))
        except errors.AuthenticationFailed as error:
            if self.renewed:
                report(self.session, error)
            raise
        finally:
            if way is not None:
                way.end()

    async def prepare(self, credential: Credential, chat: ChatRequest, *, preview: bool = False) -> Prepared:
        """Make the request as it is sent: built, signed, addressed. A ``preview`` only marks a gateway's token."""
        prepared = prepare(self.session, credential, chat)
        if self._platform is None:
            return prepared
        caller = caller_of(self._session.provider, self._owner, credential)
        routed = await self._platform.route(caller, prepared.request, masked=preview)
        return msgspec.structs.replace(prepared, request=routed)


async def open_session(owner: Owner, provider: str | None, session: str, auth_type: str | None = None) -> SessionClient:
    """Return the client of the session that is named so. Raises as ``prepare.find``."""
    return client_of(owner, *await find(owner, provider, session, auth_type))


def client_of(owner: Owner, session: Session, credential: Credential) -> SessionClient:
    """Return the client of a session that was found."""
    credentials: CredentialProvider
    if session.auth_type == "oauth":
        credentials = OAuthCredentialProvider(owner, session, credential)
    elif credential.auth_type == "none":
        credentials = NoCredentialProvider(credential)
    else:
        credentials = StoredKeyProvider(owner, session, credential)
    return SessionClient(owner, session, credentials)


def client_of_credential(owner: Owner | None, provider: str, credential: Credential) -> SessionClient:
    """Return the client of a login that is not stored; nothing of it is refreshed."""
    bare = Session(id="", owner="", provider=provider, auth_type=credential.auth_type, name="", status="active")
    return SessionClient(owner, bare, ApiKeyCredentialProvider(credential))


def sends_credential(provider: str, credential: Credential) -> bool:
    """Say whether the provider gets this credential; a gateway in front may keep it back. Call it on the loop."""
    platform = clients.platform_of(provider)
    if platform is None:
        return True
    bare = HttpRequest(method="GET", url="https://provider.invalid/")
    return carries(platform.config, authorizer(provider, credential.auth_type)(credential, bare))


def report(session: Session, error: Exception | None) -> None:
    """Tell the store how a use of the session went; a store that fails is logged and changes nothing else."""
    try:
        ports.session_store().report_outcome(session, error)
    except Exception:
        logger.exception("the outcome of session %s could not be recorded", session.id)

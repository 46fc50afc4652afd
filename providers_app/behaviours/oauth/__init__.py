"""Signing in with a provider's own page, and keeping the login alive.

The engine, which providers compose in their ``oauth`` module:

    pkce       verifier, challenge, state, nonce
    answers    a pasted text or a callback's parameters -> ``LoginAnswer``
    endpoint   requests to a token endpoint (form or JSON), their answers and refusals -> ``Tokens``
    grants     authorization code, refresh, RFC 8693 exchange, client credentials, JWT bearer
    device     device authorization and its polling
    id_token   OpenID Connect id tokens, verified against the issuer's published keys

A provider without such a page declares ``Unsupported``.
"""

from abc import abstractmethod
from typing import Any, Literal, Protocol

import msgspec

from providers_app.behaviours.credentials import credential_of
from providers_app.behaviours.keys import bearer
from providers_app.errors import InvalidRequest
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Rotation, Tokens
from providers_app.wire.client import Http

Method = Literal["callback", "loopback", "paste_code", "paste_url", "device", "direct"]
"""The way in which the answer of a sign-in comes back.

``callback``: the provider's page leads the browser to our own address. ``loopback``: to a listener on the machine that
the browser runs on. ``paste_code``: the page shows a code. ``paste_url``: the address that the browser landed on is
pasted. ``device``: a code is typed on the provider's page, and we ask until it was. ``direct``: no browser at all, the
material makes the tokens.
"""


class LoginField(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a flow needs from the person before it can begin; ``secret`` ones are never shown.

    ``choices`` are the only values that it takes, where there are some; the first is what a form begins with.
    ``choice_labels`` are their words for a person, in the same order.
    """

    name: str
    label: str
    help: str = ""
    required: bool = True
    secret: bool = False
    multiline: bool = False
    choices: tuple[str, ...] = ()
    choice_labels: tuple[str, ...] = ()


class OAuthFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One way to sign in.

    ``methods`` in the order in which they are offered. ``position`` is the vendor's own stand on third-party use with
    the page that says so; ``restricted`` flows are refused until the operator names them in ``enabled_flows``.
    ``consent`` is a sentence that the person must agree to. ``one_person`` sessions are never shared or offered to
    other programs. ``redirect_host``, ``redirect_path`` and ``ports`` say what a loopback listener may be (``0``: any
    free port); ``paste_redirect`` is the fixed redirect address of ``paste_code``. ``client_fields`` says that the
    person brings an OAuth client (id and secret) unless the operator configured one. ``takes_over``: tokens that an
    import brings without naming their flow are of this one. ``keeps_client``: the client was issued to the account, and
    signing in again uses the same one.
    """

    name: str
    label: str
    methods: tuple[Method, ...]
    rotation: Rotation
    description: str = ""
    position: str = ""
    position_url: str = ""
    restricted: bool = False
    consent: str = ""
    one_person: bool = False
    redirect_host: str = "127.0.0.1"
    redirect_path: str = "/oauth/callback"
    ports: tuple[int, ...] = (0,)
    paste_redirect: str = ""
    client_fields: bool = False
    fields: tuple[LoginField, ...] = ()
    takes_over: bool = False
    keeps_client: bool = False


class PendingLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that waits for its answer.

    ``url`` is the page to open (empty for ``direct``). For ``device`` the person types ``user_code`` there;
    ``device_code`` and ``interval`` (seconds between two questions) are ours. ``id``, ``name`` and ``expires_at``
    (seconds since the epoch) are set by the universal interface. ``given`` are the answers to the flow's fields.
    ``client_of`` says in words whose client it is, where it was issued to one account ("one ChatGPT account").
    ``issuer`` is the only one that the answer may name (RFC 9207; empty: not known); ``names_issuer``: it must name it.
    """

    flow: str
    method: Method
    url: str = ""
    state: Secret = Secret("")
    verifier: Secret = Secret("")
    nonce: Secret = Secret("")
    redirect_uri: str = ""
    client: OAuthClient = OAuthClient()
    user_code: str = ""
    device_code: Secret = Secret("")
    interval: float = 5.0
    given: dict[str, Secret] = msgspec.field(default_factory=dict)
    client_of: str = ""
    issuer: str = ""
    names_issuer: bool = False
    id: str = ""
    name: str = ""
    expires_at: float | None = None


class LoginAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a sign-in, read by ``answers``: a code, and the state if there is one; ``params`` is the rest."""

    code: Secret = Secret("")
    state: Secret | None = None
    params: dict[str, str] = msgspec.field(default_factory=dict)


class LoginStart(msgspec.Struct, frozen=True):
    """The choices that a sign-in begins with. ``given`` are the answers to the fields of the flow."""

    flow: OAuthFlow
    method: Method
    client: OAuthClient = OAuthClient()
    redirect_uri: str = ""
    given: dict[str, Secret] = msgspec.field(default_factory=dict)

    def pending(self, **fields: Any) -> PendingLogin:
        """Return the sign-in that waits for its answer; ``fields`` are those that the provider sets."""
        known = msgspec.structs.asdict(self)
        return PendingLogin(**{**known, "flow": self.flow.name, **fields})


def text_of(given: dict[str, Secret], name: str) -> str:
    """Return the answer to a field without spaces around it; empty where there is none."""
    return given.get(name, Secret("")).reveal().strip()


class OAuth(Protocol):
    """The ``oauth`` behaviour of a provider.

    A class that inherits from it has the usual answers already, and cannot be made without the abstract methods.
    """

    @property
    @abstractmethod
    def flows(self) -> tuple[OAuthFlow, ...]:
        """The flows in the order in which they are offered; they may depend on the configuration."""

    @abstractmethod
    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Return a new sign-in with its address, state and verifier. Raises ``InvalidRequest``, ``UpstreamError``."""

    @abstractmethod
    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Return the tokens for a checked answer (empty for ``direct``). Raises ``LoginError``, ``UpstreamError``.

        With one request: what else is asked of the network belongs to ``identified``, which may be tried again.
        """

    async def identified(self, tokens: Tokens, http: Http, pending: PendingLogin | None = None) -> Tokens:
        """Return the tokens with what their verified id token says of the account; called once they are sealed.

        ``pending`` is the sign-in that they are of; after a refresh there is none. Raises ``LoginError``,
        ``InvalidIdToken`` and the other ``UpstreamError`` of keys that cannot be fetched.
        """
        return tokens

    async def poll(self, pending: PendingLogin, http: Http) -> Tokens | PendingLogin:
        """Poll a device flow once; return the tokens, or the login that still waits (its ``interval`` may have grown).

        Raises ``LoginDenied``, ``LoginExpired``, ``UpstreamError``; ``InvalidRequest`` where there is no such flow.
        """
        raise InvalidRequest("This provider has no sign-in by device code.")

    @abstractmethod
    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Return new tokens, with one request and no retry. What the answer leaves out is kept from ``tokens``.

        Another ``account_id`` than that of ``tokens`` says that they are another account's; they are not kept then.

        Raises ``TokenRefused`` (never again), ``TokenOutcomeUnknown`` (sent, and no answer could be read), and any
        other ``UpstreamError`` or ``AddressRefused`` where it is certain that nothing was spent.
        """

    async def api_credentials(self, tokens: Tokens, http: Http) -> Credential:
        """Return the access token, or a key obtained with it, as a credential; ``facts`` are its settings."""
        return credential_of(tokens)

    async def revoke(self, tokens: Tokens, http: Http) -> bool:
        """End the login at the provider; ``False`` where it has no way to. Raises ``UpstreamError``."""
        return False

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Return the request with the credential's headers."""
        return bearer(credential, request)

    @abstractmethod
    async def test(self, credential: Credential, http: Http) -> Account:
        """Make one cheap authenticated request. Raises ``UpstreamError``."""

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Return advice about what a login of this kind takes out of a request or adds to it."""
        return []

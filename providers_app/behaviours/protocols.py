"""The behaviours of a provider package: the Protocols that the modules of a package satisfy."""

from typing import Any, Protocol

import msgspec

from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account, ModelInfo
from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import Continuing
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.types.logins import ImportedLogin, ImportFormat
from providers_app.types.rules import FormatRules, ModelRule
from providers_app.wire.client import Http


class Streaming(Protocol):
    """The ``streaming`` behaviour of a provider."""

    @property
    def dialect(self) -> Dialect:
        """The wire format that the provider speaks; of several (``SeveralDialects``) the default."""

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Return the request, without its credential. Pure."""


class SeveralDialects(Protocol):
    """A ``streaming`` behaviour whose dialect depends on the model or the session."""

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """Return the dialect of the answer to a request for ``model`` that is signed with ``credential``. Pure."""


class ApiKey(Protocol):
    """The ``api_key`` behaviour of a provider."""

    def validate(self, key: str) -> list[Advice]:
        """Return advice on the key's format, without any request; an ``error`` keeps it from being stored."""

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Return the request with the credential's headers."""

    async def test(self, credential: Credential, http: Http) -> Account:
        """Make one cheap authenticated request. Raises ``UpstreamError``."""


class Models(Protocol):
    """The ``models`` behaviour of a provider."""

    async def list(self, credential: Credential, http: Http) -> list[ModelInfo]:
        """Return the models of all pages of the list. Raises ``UpstreamError``."""

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raises ``UnknownModel`` and other ``UpstreamError``."""


class Rules(Protocol):
    """The ``rules`` behaviour of a provider; a package may leave it out."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Return the rules of the provider's models, in the order in which they apply. Pure.

        Rules of other models may be among them.
        """

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the vendor's own id of a model that this session calls otherwise, else ``model``. Pure."""


class Ruled(Protocol):
    """A dialect whose format does not take every parameter and every value."""

    def rules(self, model: str) -> FormatRules:
        """Return the parameters and values that the format takes in a request for ``model``. Pure."""


class Continued(Protocol):
    """A dialect that declares how an answer which broke off goes on; without it, a model is asked to go on."""

    @property
    def continues(self) -> bool:
        """``True`` where an answer of some model can go on exactly, so that ``continuing`` is to be asked."""

    def continuing(self, chat: ChatRequest) -> Continuing:
        """Return the ways for an answer to ``chat``, best first. Pure."""


class Resumable(Protocol):
    """A ``streaming`` behaviour whose answers can be resumed by a cursor."""

    def resume(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Return the request for what comes behind ``chat.cursor``, without its credential. Pure."""

    def cancel(self, response_id: str, credential: Credential) -> HttpRequest:
        """Return the request that ends a response without a reader. Pure."""


class Counting(Protocol):
    """The ``counting`` behaviour of a provider that counts the tokens of a request before it is sent.

    A package that has it claims ``count_tokens``; for the others Maestro estimates.
    """

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Return the counting request, without its credential. Pure."""

    def parse(self, body: bytes) -> int:
        """Return the number of input tokens in a 2xx answer. Raises ``BadAnswer`` when there is none in it."""


class Imports(Protocol):
    """The ``imports`` behaviour of a provider, which reads its logins out of the files of other programs.

    It is pure: decoded JSON in, logins out, nothing is requested.
    """

    @property
    def formats(self) -> tuple[ImportFormat, ...]:
        """The formats that it reads."""

    def recognises(self, found: Any) -> str:
        """Return the name of the format that this decoded JSON is in; empty when it is none of its own."""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """Return the logins in files of that format, decoded JSON each, in any order; a broken one has its problem."""


class Unsupported(msgspec.Struct, frozen=True):
    """``BEHAVIOUR = Unsupported("Gemini keys only")``; the reason is shown to people."""

    reason: str

"""Pytest fixtures: the servers live as long as the session, each test gets them with an empty ledger."""

from collections.abc import Iterator

import pytest

from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.auth import Book
from tests.vendors.auth.anthropic import AnthropicAuth
from tests.vendors.auth.entra import EntraAuth
from tests.vendors.auth.gce import GceMetadata
from tests.vendors.auth.google import GoogleAuth
from tests.vendors.auth.identity import IdentityService
from tests.vendors.auth.openai import OpenAIAuth
from tests.vendors.azure import AzureVendor
from tests.vendors.chat import ChatVendor
from tests.vendors.gemini import GeminiVendor
from tests.vendors.openai import OpenAIVendor
from tests.vendors.openrouter import OpenRouterVendor
from tests.vendors.server import VendorServer
from tests.vendors.vertex import VertexVendor


@pytest.fixture(scope="session")
def _books() -> dict[str, Book]:
    """One book per vendor: its authorization server writes it, its resource server reads it."""
    return {style: Book(style) for style in ("anthropic", "openai", "google", "openrouter", "entra")}


@pytest.fixture
def _clean_books(_books: dict[str, Book]) -> None:
    """Nothing was issued yet when a test begins; once per test, so that no fixture wipes what another one issued."""
    for book in _books.values():
        book.reset()


@pytest.fixture(scope="session")
def _anthropic_auth_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(AnthropicAuth(_books["anthropic"])) as server:
        yield server


@pytest.fixture(scope="session")
def _openai_auth_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(OpenAIAuth(_books["openai"])) as server:
        yield server


@pytest.fixture(scope="session")
def _google_auth_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(GoogleAuth(_books["google"])) as server:
        yield server


@pytest.fixture(scope="session")
def _anthropic_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(AnthropicVendor(_books["anthropic"])) as server:
        yield server


@pytest.fixture(scope="session")
def _openai_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(OpenAIVendor(_books["openai"]), path="/v1") as server:
        yield server


@pytest.fixture(scope="session")
def _openrouter_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(OpenRouterVendor(_books["openrouter"]), path="/api/v1") as server:
        yield server


@pytest.fixture(scope="session")
def _chat_process() -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(), path="/v1") as server:
        yield server


@pytest.fixture(scope="session")
def _gemini_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(GeminiVendor(_books["google"]), path="/v1beta") as server:
        yield server


@pytest.fixture(scope="session")
def _entra_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(EntraAuth(_books["entra"])) as server:
        yield server


@pytest.fixture(scope="session")
def _identity_process(_books: dict[str, Book], _entra_process: VendorServer) -> Iterator[VendorServer]:
    with VendorServer(IdentityService(_books["entra"])) as server:
        _books["entra"].origin = _entra_process.origin
        yield server


@pytest.fixture(scope="session")
def _azure_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(AzureVendor(_books["entra"])) as server:
        yield server


@pytest.fixture(scope="session")
def _vertex_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(VertexVendor(_books["google"])) as server:
        yield server


@pytest.fixture(scope="session")
def _gce_process(_books: dict[str, Book]) -> Iterator[VendorServer]:
    with VendorServer(GceMetadata(_books["google"])) as server:
        yield server


@pytest.fixture
def anthropic_server(_anthropic_process: VendorServer, _clean_books: None) -> VendorServer:
    """The Messages API; its key is ``tests.vendors.anthropic.VALID_KEY``."""
    return _anthropic_process.fresh()


@pytest.fixture
def openai_server(_openai_process: VendorServer, _clean_books: None) -> VendorServer:
    """The Responses API; its key is ``tests.vendors.openai.VALID_KEY``."""
    return _openai_process.fresh()


@pytest.fixture(scope="session")
def _keyless_chat_process() -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(keyless=True), path="/v1") as server:
        yield server


@pytest.fixture
def keyless_chat_server(_keyless_chat_process: VendorServer) -> VendorServer:
    """The same for everybody who reaches it, as many servers of one's own are."""
    return _keyless_chat_process.fresh()


@pytest.fixture
def chat_server(_chat_process: VendorServer) -> VendorServer:
    """A compatible server with Chat Completions; its key is ``tests.vendors.chat.VALID_KEY``."""
    return _chat_process.fresh()


@pytest.fixture
def gemini_server(_gemini_process: VendorServer, _clean_books: None) -> VendorServer:
    """The Gemini API; its key is ``tests.vendors.gemini.VALID_KEY``."""
    return _gemini_process.fresh()


@pytest.fixture
def anthropic_auth(_anthropic_auth_process: VendorServer, _clean_books: None) -> VendorServer:
    """Sign-in at Anthropic; ``.auth`` is its book, whose access tokens ``anthropic_server`` takes."""
    return _anthropic_auth_process.fresh()


@pytest.fixture
def openai_auth(_openai_auth_process: VendorServer, _clean_books: None) -> VendorServer:
    """Sign-in at OpenAI (Codex client, device code, Sign in with ChatGPT); ``openai_server`` takes its tokens."""
    return _openai_auth_process.fresh()


@pytest.fixture
def google_auth(_google_auth_process: VendorServer, _clean_books: None) -> VendorServer:
    """Sign-in at Google; ``gemini_server`` takes its tokens."""
    return _google_auth_process.fresh()


@pytest.fixture
def openrouter_server(_openrouter_process: VendorServer, _clean_books: None) -> VendorServer:
    """Sign-in and Chat Completions of OpenRouter; its key is ``tests.vendors.openrouter.VALID_KEY``."""
    return _openrouter_process.fresh()


@pytest.fixture
def azure_server(_azure_process: VendorServer, _clean_books: None) -> VendorServer:
    """A resource of Azure OpenAI, both surfaces; its key is ``tests.vendors.azure.VALID_KEY``."""
    return _azure_process.fresh()


@pytest.fixture
def vertex_server(_vertex_process: VendorServer, _clean_books: None) -> VendorServer:
    """Vertex AI: takes tokens of ``google_auth`` and ``gce_metadata``, and ``tests.vendors.vertex.VALID_KEY``."""
    assert isinstance(_vertex_process.vendor, VertexVendor)
    _vertex_process.vendor.reset()
    return _vertex_process.fresh()


@pytest.fixture
def gce_metadata(_gce_process: VendorServer, _clean_books: None) -> VendorServer:
    """The metadata server of a machine of Google Cloud; its knobs are those of ``tests.vendors.auth.gce``."""
    assert isinstance(_gce_process.vendor, GceMetadata)
    _gce_process.vendor.reset()
    return _gce_process.fresh()


@pytest.fixture
def entra_auth(_entra_process: VendorServer, _clean_books: None) -> VendorServer:
    """Entra's token endpoint; ``azure_server`` takes its tokens. ``vendor.register()`` makes an application."""
    assert isinstance(_entra_process.vendor, EntraAuth)
    _entra_process.vendor.applications.clear()
    return _entra_process.fresh()


@pytest.fixture
def imds_server(_identity_process: VendorServer, _clean_books: None) -> VendorServer:
    """The identity service of a machine at Azure, in both forms; ``azure_server`` takes its tokens."""
    assert isinstance(_identity_process.vendor, IdentityService)
    _identity_process.vendor.start_anew()
    return _identity_process.fresh()

"""Pytest fixtures: the servers live as long as the session, each test gets them with an empty ledger."""

from collections.abc import Iterator

import pytest

from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.chat import ChatVendor
from tests.vendors.gemini import GeminiVendor
from tests.vendors.openai import OpenAIVendor
from tests.vendors.server import VendorServer


@pytest.fixture(scope="session")
def _anthropic_process() -> Iterator[VendorServer]:
    with VendorServer(AnthropicVendor()) as server:
        yield server


@pytest.fixture(scope="session")
def _openai_process() -> Iterator[VendorServer]:
    with VendorServer(OpenAIVendor(), path="/v1") as server:
        yield server


@pytest.fixture(scope="session")
def _chat_process() -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(), path="/v1") as server:
        yield server


@pytest.fixture(scope="session")
def _gemini_process() -> Iterator[VendorServer]:
    with VendorServer(GeminiVendor(), path="/v1beta") as server:
        yield server


@pytest.fixture
def anthropic_server(_anthropic_process: VendorServer) -> VendorServer:
    """The Messages API; its key is ``tests.vendors.anthropic.VALID_KEY``."""
    _anthropic_process.ledger.clear()
    return _anthropic_process


@pytest.fixture
def openai_server(_openai_process: VendorServer) -> VendorServer:
    """The Responses API; its key is ``tests.vendors.openai.VALID_KEY``."""
    _openai_process.ledger.clear()
    return _openai_process


@pytest.fixture
def chat_server(_chat_process: VendorServer) -> VendorServer:
    """A compatible server with Chat Completions; its key is ``tests.vendors.chat.VALID_KEY``."""
    _chat_process.ledger.clear()
    return _chat_process


@pytest.fixture
def gemini_server(_gemini_process: VendorServer) -> VendorServer:
    """The Gemini API; its key is ``tests.vendors.gemini.VALID_KEY``."""
    _gemini_process.ledger.clear()
    return _gemini_process

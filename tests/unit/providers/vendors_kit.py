"""Providers with a key, each with its strict server, and a session of theirs."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from providers_app import ports, provider
from tests.vendors import anthropic, chat, gemini, openai
from tests.vendors.server import VendorServer


@dataclass
class Vendor:
    """One provider with its local server and a model of it."""

    slug: str
    key: str
    model: str
    server: VendorServer


VENDORS = {
    "anthropic": (anthropic.VALID_KEY, "claude-sonnet-5", "anthropic_server"),
    "openai": (openai.VALID_KEY, "gpt-5.6", "openai_server"),
    "gemini": (gemini.VALID_KEY, "gemini-3-pro", "gemini_server"),
    "remote": (chat.VALID_KEY, "local-large", "chat_server"),
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    key, model, fixture = VENDORS[request.param]
    return Vendor(request.param, key, model, request.getfixturevalue(fixture))


async def connect(vendor: Vendor, key: str = "", name: str = "main") -> ports.Session:
    return await provider.create_session(
        vendor.slug, "api_key", name=name, api_key=key or vendor.key, base_url=vendor.server.base_url
    )


TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def json_server(found: list[bytes], status: int, body: bytes) -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(b"asked")
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    return answer

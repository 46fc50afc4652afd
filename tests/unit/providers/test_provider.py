"""The universal interface against each vendor's strict server."""

import asyncio
from typing import Any

import msgspec
import pytest

from providers_app import errors, loop, provider
from providers_app.types.events import ReasoningDelta, StreamEnd, ToolCall
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.vendors_kit import TOOLS, VENDORS, Vendor, connect, vendor
from tests.vendors import chat
from tests.vendors.server import VendorServer

__all__ = ["vendor"]
pytestmark = pytest.mark.usefixtures("loopback")


async def test_a_key_is_tested_with_one_request(on_loop: Any, vendor: Vendor, sessions: MemorySessions) -> None:
    await connect(vendor)
    await provider.test_session(vendor.slug, "api_key", "main")
    assert len(vendor.server.ledger) == 1
    assert vendor.server.ledger[0].key == "right"
    assert [(error, tested) for _, error, tested in sessions.outcomes] == [(None, True)]


async def test_a_wrong_key_fails_the_test_and_is_recorded(
    on_loop: Any, vendor: Vendor, sessions: MemorySessions
) -> None:
    await connect(vendor, key="wrong-key-of-some-length")
    with pytest.raises(errors.AuthenticationFailed) as caught:
        await provider.test_session(vendor.slug, "api_key", "main")
    assert "wrong-key" not in f"{caught.value} {caught.value.hint} {caught.value.info()}"
    assert [(error, tested) for _, error, tested in sessions.outcomes] == [(caught.value, True)]


async def test_all_pages_of_models_are_listed_once_and_kept(
    on_loop: Any, vendor: Vendor, sessions: MemorySessions
) -> None:
    await connect(vendor)
    first, second = await asyncio.gather(
        provider.list_models(vendor.slug, "api_key", "main"), provider.list_models(vendor.slug, None, "main")
    )
    asked = len(vendor.server.ledger)
    assert first == second
    assert vendor.model in {model.id for model in first}
    assert len({model.id for model in first}) == len(first)
    await provider.list_models(vendor.slug, "api_key", "main")
    assert len(vendor.server.ledger) == asked
    await provider.list_models(vendor.slug, "api_key", "main", refresh=True)
    assert len(vendor.server.ledger) == 2 * asked
    assert vendor.model in {
        model.id for model in await provider.list_models(vendor.slug, None, "main", supports={"chat"})
    }
    with pytest.raises(errors.InvalidRequest, match="capability"):
        await provider.list_models(vendor.slug, "api_key", "main", supports={"flying"})


async def test_one_model_and_an_unknown_one(on_loop: Any, vendor: Vendor, sessions: MemorySessions) -> None:
    await connect(vendor)
    assert (await provider.get_model(vendor.slug, "main", vendor.model)).id == vendor.model
    with pytest.raises(errors.UnknownModel):
        await provider.get_model(vendor.slug, "main", "no-such/model")
    with pytest.raises(errors.ProviderError):
        await provider.get_model(vendor.slug, "main", "..")


@pytest.mark.parametrize("slug", ["anthropic", "gemini"])
async def test_a_listing_that_gives_the_same_cursor_for_ever_is_given_up(
    on_loop: Any, slug: str, sessions: MemorySessions, request: pytest.FixtureRequest
) -> None:
    key, model, fixture = VENDORS[slug]
    vendor = Vendor(slug, key, model, request.getfixturevalue(fixture))
    await connect(vendor, key=key + "-repeat-cursor")
    with pytest.raises(errors.BadAnswer, match="same page"):
        await provider.list_models(slug, "api_key", "main")
    assert len(vendor.server.ledger) < 10


async def test_text_streams_and_completes(on_loop: Any, vendor: Vendor, sessions: MemorySessions) -> None:
    await connect(vendor)
    events = [e async for e in provider.stream_chat(vendor.slug, "main", "Hello", model=f"{vendor.model}-text")]
    assert isinstance(events[-1], StreamEnd)
    result = await provider.complete_chat(vendor.slug, "api_key:main", "Hello", model=f"{vendor.model}-text")
    assert result.complete
    assert result.finish_reason == "stop"
    assert result.usage is not None
    assert result.usage.output_tokens


async def test_two_parallel_tool_calls_and_their_answers(
    on_loop: Any, vendor: Vendor, sessions: MemorySessions
) -> None:
    await connect(vendor)
    model = f"{vendor.model}-tools"
    events = [e async for e in provider.stream_chat(vendor.slug, "main", "Weather?", model=model, tools=TOOLS)]
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert len(calls) == 2
    assert events[-1] == msgspec.structs.replace(events[-1], finish_reason="tool_calls")


async def test_reasoning_streams(on_loop: Any, vendor: Vendor, sessions: MemorySessions) -> None:
    await connect(vendor)
    model = f"{vendor.model}-reasoning"
    stream = provider.stream_chat(vendor.slug, "main", "Why?", model=model, reasoning_effort="high")
    assert any(isinstance(event, ReasoningDelta) and event.text for event in [e async for e in stream])


async def test_the_preview_is_what_is_sent_with_the_key_redacted(
    on_loop: Any, vendor: Vendor, sessions: MemorySessions
) -> None:
    await connect(vendor)
    options: dict[str, Any] = {"model": vendor.model, "system": "Be brief.", "tools": TOOLS, "max_tokens": 100}
    preview = await provider.preview_request(vendor.slug, "main", "Grüße 🎉", **options)
    assert len(vendor.server.ledger) == 0
    [event async for event in provider.stream_chat(vendor.slug, "main", "Grüße 🎉", **options)]
    entry = vendor.server.ledger[0]
    assert msgspec.json.decode(preview.body) == entry.body
    assert int(entry.headers["content-length"]) == len(preview.body)
    assert preview.url.startswith(vendor.server.origin)
    assert entry.path in preview.url
    sent = {name.lower(): value for name, value in preview.headers.items()}
    for name, value in sent.items():
        assert value in ("***", entry.headers[name])
    assert set(entry.headers) == set(sent)
    assert list(sent.values()).count("***") == 1
    assert vendor.key not in str(preview)


async def test_tokens_are_counted_by_the_provider_or_estimated(
    on_loop: Any, vendor: Vendor, sessions: MemorySessions
) -> None:
    await connect(vendor)
    counted = await provider.count_tokens(vendor.slug, "main", "Hello " * 40, model=vendor.model, tools=TOOLS)
    assert counted.n > 40
    assert counted.source == ("estimated" if vendor.slug == "remote" else "provider")


async def test_the_interface_works_from_a_loop_that_is_not_the_providers_own(
    vendor: Vendor, sessions: MemorySessions
) -> None:
    loop.detach()
    await connect(vendor)
    with provider.acting_as(1):
        stream = provider.stream_chat(vendor.slug, "main", "Hello", model=f"{vendor.model}-words-300")
    events = [event async for event in stream]
    assert isinstance(events[-1], StreamEnd)
    assert not loop.is_current()
    held = provider.stream_chat(vendor.slug, "main", "Hello", model=f"{vendor.model}-held")
    await anext(held)
    await held.aclose()
    await vendor.server.ledger.disconnect()
    await loop.shutdown()


def test_the_interface_works_without_any_loop(chat_server: VendorServer, sessions: MemorySessions) -> None:
    loop.detach()
    vendor = Vendor("remote", chat.VALID_KEY, "local-large", chat_server)
    loop.run(connect(vendor))
    result = loop.run(provider.complete_chat("remote", "main", "Hello", model="local-large"), timeout=60)
    assert result.complete
    asyncio.run(loop.shutdown())

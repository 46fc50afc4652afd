"""The universal interface's own rules: owners, sessions that cannot work, wrong calls, servers without an endpoint."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from providers_app import errors, loop, ports, provider
from providers_app.ports import Chunk
from providers_app.registry.resolver import resolve
from providers_app.types.catalogue import TokenCount
from providers_app.types.chat import Message, TextPart
from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from tests.unit.providers.memory_store import MemoryContexts, MemorySessions
from tests.unit.providers.vendors_kit import Vendor, connect, json_server, vendor
from tests.vendors import chat
from tests.vendors.server import VendorServer

__all__ = ["vendor"]
pytestmark = pytest.mark.usefixtures("loopback")


async def test_a_server_without_keys_is_sent_none(on_loop: Any, raw_server: Any, sessions: MemorySessions) -> None:
    url = await raw_server(json_server([], 200, b'{"object":"list","data":[{"id":"one"},{"id":"two"},{"no":"id"}]}'))
    await provider.create_session("remote", "none", name="open", base_url=f"{url}/v1/")
    preview = await provider.preview_request("remote", "open", "Hello", model="one")
    assert "authorization" not in preview.headers
    assert preview.url == f"{url}/v1/chat/completions"
    account = await provider.test_session("remote", "none", "open")
    assert account.models == 2


@pytest.mark.parametrize(
    "body", [b'["one", "two"]', b'{"models": [{"name": "one"}, "two"]}', b'{"data": ["one", "two"]}']
)
async def test_lists_of_texts_and_of_names_are_read(
    on_loop: Any, raw_server: Any, sessions: MemorySessions, body: bytes
) -> None:
    url = await raw_server(json_server([], 200, body))
    await provider.create_session("remote", "none", name="open", base_url=url)
    assert [model.id for model in await provider.list_models("remote", "none", "open")] == ["one", "two"]
    assert (await provider.test_session("remote", "none", "open")).models == 2


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b'{"ok": true}', b'{"data": "no"}', b"[1, 2", b'"text"', b"\xff\xfe"]
)
async def test_a_page_that_is_no_list_of_models_fails_the_test(
    on_loop: Any, raw_server: Any, sessions: MemorySessions, body: bytes
) -> None:
    url = await raw_server(json_server([], 200, body))
    await provider.create_session("remote", "api_key", name="page", api_key="anything", base_url=url)
    with pytest.raises(errors.BadAnswer):
        await provider.test_session("remote", "api_key", "page")
    with pytest.raises(errors.BadAnswer):
        await provider.list_models("remote", "api_key", "page")
    assert [type(error) for _, error, tested in sessions.outcomes if tested] == [errors.BadAnswer]


async def test_the_demo_provider_needs_neither_key_nor_network(on_loop: Any, sessions: MemorySessions) -> None:
    await provider.create_session("demo", "none", name="show")
    result = await provider.complete_chat("demo", "show", "Hello")
    assert result.complete
    assert result.text
    account = await provider.test_session("demo", "none", "show")
    assert account.models


async def test_the_owner_rule(on_loop: Any, sessions: MemorySessions) -> None:
    @dataclass
    class User:
        pk: int | None

    await provider.create_session("openai", "api_key", name="first", api_key="sk-" + "1" * 20)  # the sole user
    assert sessions.all()[0][0].owner == 1
    sessions.users = (1, 2)
    with pytest.raises(errors.OwnerRequired):
        await provider.preview_request("openai", "first", "Hi", model="m")
    with provider.acting_as(User(1)):
        await provider.preview_request("openai", "first", "Hi", model="m")
        with pytest.raises(errors.UnknownSession):
            await provider.preview_request("openai", "first", "Hi", model="m", owner=User(2))
        with provider.acting_as(2), pytest.raises(errors.UnknownSession):
            await provider.preview_request("openai", "first", "Hi", model="m")
    await provider.preview_request("openai", "first", "Hi", model="m", owner=provider.SYSTEM)
    for nobody in (User(None), "", True):
        with pytest.raises(errors.OwnerRequired), provider.acting_as(nobody):
            pass
    sessions.users = ()
    with pytest.raises(errors.OwnerRequired):
        await provider.delete_session("openai", "api_key", "first")


async def test_without_a_store_the_error_says_what_to_run(on_loop: Any) -> None:
    with ports.use():
        ports._installed.pop("sessions", None)
        with pytest.raises(errors.NotConfigured) as caught:
            await provider.list_models("openai", "api_key", "any")
    assert "maestro_site.setup()" in caught.value.hint


@pytest.mark.parametrize(
    ("slug", "auth_type", "options", "kind"),
    [
        ("opnai", "api_key", {"api_key": "sk-x"}, errors.UnknownProvider),
        ("openai", "oauth", {}, errors.UnsupportedOperation),
        ("openai", "none", {}, errors.UnsupportedOperation),
        ("openai", "api_key", {}, errors.InvalidCredential),
        ("openai", "api_key", {"api_key": "  "}, errors.InvalidCredential),
        ("openai", "api_key", {"api_key": "sk-a b"}, errors.InvalidCredential),
        ("openai", "api_key", {"api_key": "sk-\nx"}, errors.InvalidCredential),
        ("openai", "api_key", {"api_key": "sk-é"}, errors.InvalidCredential),
        ("openai", "api_key", {"api_key": "s" * 20_000}, errors.InvalidCredential),
        ("remote", "none", {"api_key": "x", "base_url": "https://a.example"}, errors.InvalidCredential),
        ("remote", "none", {}, errors.InvalidRequest),
        ("remote", "none", {"base_url": "ftp://a"}, errors.InvalidRequest),
        ("remote", "none", {"base_url": "http://10.0.0.1/v1"}, errors.AddressRefused),
    ],
)
async def test_a_session_that_cannot_work_is_not_stored(
    on_loop: Any, sessions: MemorySessions, slug: str, auth_type: Any, options: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        await provider.create_session(slug, auth_type, name="name", **options)
    assert sessions.rows == {}
    assert options.get("api_key", "sk-") not in str(caught.value) or options["api_key"].strip() == ""


async def test_a_disabled_session_is_not_used(
    on_loop: Any, chat_server: VendorServer, sessions: MemorySessions
) -> None:
    session = await connect(Vendor("remote", chat.VALID_KEY, "m", chat_server))
    found, credential = sessions.rows[session.id]
    sessions.rows[session.id] = (msgspec.structs.replace(found, status="disabled"), credential)
    with pytest.raises(errors.SessionDisabled):
        await provider.complete_chat("remote", "main", "Hello", model="local-large")
    assert len(chat_server.ledger) == 0
    await provider.delete_session("remote", "api_key", "main")
    assert sessions.rows == {}


async def test_a_session_whose_key_was_dropped_sends_nothing(
    on_loop: Any, chat_server: VendorServer, sessions: MemorySessions
) -> None:
    session = await connect(Vendor("remote", chat.VALID_KEY, "m", chat_server))
    found, credential = sessions.rows[session.id]
    sessions.rows[session.id] = (found, msgspec.structs.replace(credential, secret=Secret("")))
    with pytest.raises(errors.InvalidCredential, match="has no key"):
        await provider.complete_chat("remote", "main", "Hello", model="local-large")
    assert len(chat_server.ledger) == 0


async def test_the_acting_user_goes_along_to_the_provider_loop(sessions: MemorySessions) -> None:
    loop.detach()
    sessions.users = (1, 2)
    with provider.acting_as(2):
        session = await provider.create_session("openai", "api_key", name="mine", api_key="sk-0123456789")
        stream = provider.stream_chat("openai", "mine", "", model="m")
    assert session.owner == 2
    with pytest.raises(errors.EmptyPrompt):  # and not OwnerRequired, though the block is over
        await anext(stream)
    await loop.shutdown()


def test_no_representation_of_a_request_shows_its_secret_or_its_body() -> None:
    request = HttpRequest(method="POST", url="https://a.example", headers={"accept": "x"}, body=b"private words")
    signed = request.with_headers({"X-Api-Key": "sk-secret"}, secret=True)
    assert "sk-secret" not in f"{signed} {signed!r} {[signed]}"
    assert "private" not in repr(signed)
    assert "'X-Api-Key': '***'" in repr(signed)


async def test_wrong_calls_are_refused_before_anything_is_sent(
    on_loop: Any, chat_server: VendorServer, sessions: MemorySessions
) -> None:
    await connect(Vendor("remote", chat.VALID_KEY, "m", chat_server))
    with pytest.raises(errors.InvalidRequest, match="No model was given"):
        await provider.complete_chat("remote", "main", "Hello")
    with pytest.raises(errors.InvalidRequest, match="printable"):
        await provider.complete_chat("remote", "main", "Hello", model="a\nb")
    with pytest.raises(errors.EmptyPrompt):
        await provider.complete_chat("remote", "main", "", model="m")
    with pytest.raises(errors.InvalidRequest, match="temperature"):
        await anext(provider.stream_chat("remote", "main", "Hello", model="m", temperature="hot"))
    for timeout in (-1, float("nan"), "soon"):
        with pytest.raises(errors.InvalidRequest, match="timeout"):
            await provider.complete_chat("remote", "main", "Hello", model="m", timeout=timeout)  # type: ignore[arg-type]
    with pytest.raises(errors.UnknownSession):
        await provider.complete_chat("remote", "other", "Hello", model="m")
    with pytest.raises(errors.UnknownProvider):
        await provider.complete_chat("remot", "main", "Hello", model="m")
    assert len(chat_server.ledger) == 0


async def test_a_context_is_sent_before_the_message_and_its_chunks_are_listed_and_deleted(
    on_loop: Any, chat_server: VendorServer, sessions: MemorySessions, contexts: MemoryContexts
) -> None:
    await connect(Vendor("remote", chat.VALID_KEY, "m", chat_server))
    chunk = Chunk(id="c1", order=1, role="user", kind="note", content="early", tokens=1, pinned=False, excluded=False)
    contexts.contexts[1, "ctx"] = [(chunk, Message("user", (TextPart("early"),)))]
    await provider.complete_chat("remote", "main", "late", model="local-large", context_id="ctx")
    assert [message["content"] for message in chat_server.ledger[0].body["messages"]] == ["early\n\nlate"]
    assert await provider.list_context_chunks("remote", "main", "ctx", query="ear", kinds={"note"}) == [chunk]
    assert await provider.list_context_chunks("remote", "main", "ctx", kinds={"code"}) == []
    await provider.delete_context_chunk("remote", "main", "ctx", "c1")
    assert await provider.list_context_chunks("remote", "main", "ctx") == []
    with pytest.raises(errors.UnknownContext):
        await provider.list_context_chunks("remote", "main", "other")
    with pytest.raises(errors.UnknownSession):
        await provider.list_context_chunks("remote", "foreign", "ctx")


def test_parameters_are_judged_for_a_provider() -> None:
    found = provider.validate_parameters("openai", "gpt-4.1", {"temperature": 9, "seed": 1})
    assert {(advice.field, advice.level) for advice in found} == {("temperature", "error"), ("seed", "warning")}
    with pytest.raises(errors.UnknownProvider):
        provider.validate_parameters("nobody", "m", {})


def test_capabilities_are_declared() -> None:
    assert "tools" in provider.provider_capabilities("gemini")
    assert "count_tokens" not in provider.provider_capabilities("remote")


async def test_counting_falls_back_to_an_estimate_on_a_server_without_the_endpoint(
    on_loop: Any, raw_server: Any, sessions: MemorySessions
) -> None:
    url = await raw_server(json_server([], 404, b'{"error": "no such page"}'))
    await provider.create_session("anthropic", "api_key", name="proxy", api_key="sk-ant-proxy", base_url=url)
    found = await provider.count_tokens("anthropic", "proxy", "Hello there", model="m")
    assert found == TokenCount(7, "estimated")


async def test_a_count_that_is_none_is_a_bad_answer(on_loop: Any, raw_server: Any, sessions: MemorySessions) -> None:
    url = await raw_server(json_server([], 200, b'{"input_tokens": "many"}'))
    await provider.create_session("openai", "api_key", name="proxy", api_key="sk-proxy", base_url=url)
    with pytest.raises(errors.BadAnswer):
        await provider.count_tokens("openai", "proxy", "Hello there", model="m")


async def test_keys_of_another_service_are_pointed_out_but_not_refused() -> None:
    found = {
        (slug, key): [advice.level for advice in resolve(slug, "api_key").validate(key)]
        for slug, key in (
            ("openai", "sk-proj-0123456789"),
            ("openai", "sk-ant-0123456789"),
            ("anthropic", "sk-ant-0123456789"),
            ("anthropic", "0123456789"),
            ("gemini", "sk-0123456789"),
            ("remote", "x"),
        )
    }
    assert list(found.values()) == [[], ["warning"], [], ["warning"], ["warning"], ["warning"]]

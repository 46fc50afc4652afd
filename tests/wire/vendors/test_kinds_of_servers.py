"""Every kind of compatible server, as strict as the real one, through the universal interface with its row alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from providers_app import errors, provider
from providers_app.providers.remote.models import MAX_BODY
from providers_app.types.chat import JsonSchema
from providers_app.types.events import Citation, ReasoningDelta, StreamEnd, StreamFailed, UsageReport
from tests.vendors.chat.kinds import KINDS, KindVendor
from tests.vendors.chat.local_servers import LLAMA_CPP
from tests.vendors.chat.vendor import VALID_KEY
from tests.vendors.script import REASONING, expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import WEATHER, calls_of, replay, text_of
from tests.wire.vendors.memory_store import MemorySessions

EXPECTED = expected_text("Hello there.")
TOOLED = [name for name in KINDS if name != "perplexity"]
SCHEMA = {
    "type": "object",
    "properties": {"sky": {"type": "string"}},
    "required": ["sky"],
    "additionalProperties": False,
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.test/cat.png"}}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, VendorServer]]:
    """One of each kind."""
    running = {name: VendorServer(KindVendor(kind), path="/v1") for name, kind in KINDS.items()}
    for server in running.values():
        server.__enter__()
    yield running
    for server in running.values():
        server.__exit__(None, None, None)


@pytest.fixture
def connected(servers: dict[str, VendorServer], store: MemorySessions) -> Any:
    """Connects one of them: ``await connected("ollama")`` gives its server."""

    async def connect(name: str, **options: str) -> VendorServer:
        server = servers[name]
        server.fresh()
        await provider.create_session(
            "remote",
            "api_key",
            name="main",
            api_key=VALID_KEY,
            base_url=server.base_url,
            settings={"server": name, **options},
        )
        return server

    return connect


async def stream(model: str = "local-large", messages: Any = "Hello there.", **more: Any) -> list[Any]:
    return [event async for event in provider.stream_chat("remote", "main", messages, model=model, **more)]


@pytest.mark.parametrize("name", KINDS)
async def test_text_comes_whole_with_usage_streamed_or_not(name: str, connected: Any) -> None:
    server = await connected(name)
    events = await stream(max_output_tokens=500, temperature=0.5, system="Be brief.")
    assert text_of(events) == EXPECTED
    assert isinstance(events[-1], StreamEnd) and events[-1].finish_reason == "stop"
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert usage.source == "provider" and usage.input_tokens and usage.output_tokens
    whole = await provider.complete_chat("remote", "main", "Hello there.", model="local-large")
    assert (whole.text, whole.complete) == (EXPECTED, True)
    assert whole.usage is not None and whole.usage.input_tokens
    assert {entry.status for entry in server.ledger} == {200}
    assert {entry.key for entry in server.ledger} <= {"right"}


@pytest.mark.parametrize("name", TOOLED)
async def test_parallel_tool_calls_come_whole_and_their_results_are_taken(name: str, connected: Any) -> None:
    server = await connected(name)
    events = await stream("local-large-tools", "Weather?", tools=[WEATHER])
    calls = calls_of(events)
    assert [call.name for call in calls] == ["weather", "weather"] and events[-1].finish_reason == "tool_calls"
    assert all(call.arguments["place"] and call.provider_id for call in calls)
    assert len({call.id for call in calls}) == 2
    answered = await stream("local-large-tools", replay("remote", "Weather?", events, ["rain", "sun"]), tools=[WEATHER])
    assert text_of(answered) == "The tools answered: rain; sun"
    sent = server.ledger[-1].body["messages"]
    ids = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    assert ids == [message["tool_call_id"] for message in sent if message["role"] == "tool"]


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("mistral", "perplexity")])
async def test_reasoning_comes_apart_and_goes_back_in_a_tool_loop_as_the_server_wants_it(
    name: str, connected: Any
) -> None:
    server = await connected(name)
    events = await stream("local-large-reasoning-tools", "Weather?", tools=[WEATHER], reasoning_effort="high")
    said = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert said == REASONING and text_of(events) == ""
    answered = await stream("local-large-tools", replay("remote", "Weather?", events, ["a", "b"]), tools=[WEATHER])
    assert isinstance(answered[-1], StreamEnd), answered[-1]
    sent = next(one for one in server.ledger[-1].body["messages"] if one["role"] == "assistant")
    field = {"ollama": "reasoning", "llama_cpp": "reasoning_content", "deepseek": "reasoning_content"}.get(name)
    assert {one for one in ("reasoning", "reasoning_content", "reasoning_details") if one in sent} == (
        {field} if field else set()
    )


async def test_reasoning_in_typed_parts_is_reasoning(connected: Any) -> None:
    server = await connected("mistral", server="generic", include_usage="false", unsupported="seed")
    with pytest.raises(errors.BadRequest) as found:
        await stream("local-large-reasoning", reasoning_effort="high")
    assert "add reasoning_effort to the option unsupported" in found.value.hint
    assert len(server.ledger) == 1


@pytest.mark.parametrize("name", KINDS)
async def test_a_schema_is_sent_as_the_server_takes_it(name: str, connected: Any) -> None:
    server = await connected(name)
    schema = JsonSchema(name="sky", schema=SCHEMA)
    events = await stream("local-large", "What sky?", response_schema=schema)
    assert isinstance(events[-1], StreamEnd), events[-1]
    body = server.ledger[-1].body
    if name == "deepseek":
        assert body["response_format"] == {"type": "json_object"}
        assert '"sky"' in body["messages"][0]["content"], "what cannot be sent as a schema is said in words"
    else:
        assert body["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("fault", ["midstream-error", "truncate", "truncate-clean", "reset"])
async def test_an_answer_that_breaks_is_never_a_clean_end(name: str, fault: str, connected: Any) -> None:
    await connected(name)
    events = await stream(f"local-large-{fault}")
    assert isinstance(events[-1], StreamFailed) and events[-1].finish_reason in ("error", "incomplete")
    assert EXPECTED.startswith(text_of(events)) and text_of(events) not in ("", EXPECTED)
    named = fault == "midstream-error" and name != "ollama"
    assert ("broke while" in events[-1].error.message or "call a function" in events[-1].error.message) is named


@pytest.mark.parametrize("name", KINDS)
async def test_models_are_listed_with_what_the_server_tells_where(name: str, connected: Any) -> None:
    server = await connected(name)
    found = {model.id: model for model in await provider.list_models("remote", "api_key", "main")}
    large = found.get("local-large")
    windows = {
        "vllm": 131_072,
        "ollama": 131_072,
        "llama_cpp": 16_384,
        "lm_studio": 8192,
        "mistral": 131_072,
        "groq": 131_072,
    }
    if name == "perplexity":
        assert "sonar" in found and large is None
        return
    assert large is not None and large.context_window == windows.get(name)
    if name == "ollama":
        assert found["local-small"].context_window == 4096, "what is allocated counts, not what the model could"
        assert "images_in" in large.capabilities and large.input_modalities == ("text", "image")
    if name == "xai":
        assert (large.input_price, large.output_price, large.cached_input_price) == (3.0, 15.0, 0.75)
    if name == "mistral":
        assert "images_in" in large.capabilities and "images_in" not in found["local-small"].capabilities
    if name == "groq":
        assert list(found) == ["local-large"] and large.max_output_tokens == 8192
    assert {entry.key for entry in server.ledger} == {"right"}


async def test_an_endless_description_changes_nothing_of_the_list(
    connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = LLAMA_CPP.native["GET", "/props"]

    def larger(body: Any) -> Any:
        return described(body) | {"chat_template": "x" * MAX_BODY}

    monkeypatch.setitem(LLAMA_CPP.native, ("GET", "/props"), larger)  # type: ignore[arg-type]
    server = await connected("llama_cpp")
    found = {model.id: model for model in await provider.list_models("remote", "api_key", "main")}
    assert "local-large" in found and found["local-large"].context_window != 16_384
    assert server.ledger[-1].path == "/props"


async def test_a_server_is_recognised_by_its_list_and_its_own_endpoints_are_asked(connected: Any) -> None:
    server = await connected("ollama", server="auto")
    account = await provider.test_session("remote", "api_key", "main")
    assert account.label.startswith("Looks like Ollama") and account.models == 2
    found = {model.id: model for model in await provider.list_models("remote", "api_key", "main")}
    assert found["local-small"].context_window == 4096
    assert {entry.path for entry in server.ledger} == {"/v1/models", "/api/ps", "/api/show"}


async def test_a_key_is_tested_without_a_list_and_without_an_answer(connected: Any, servers: Any, store: Any) -> None:
    server = await connected("perplexity")
    account = await provider.test_session("remote", "api_key", "main")
    assert account.models is None
    assert [(entry.path, entry.status) for entry in server.ledger] == [
        ("/v1/models", 404),
        ("/v1/chat/completions", 400),
    ]
    settings = {"server": "perplexity"}
    await provider.create_session(
        "remote", "api_key", name="wrong", api_key="w" * 30, base_url=server.base_url, settings=settings
    )
    with pytest.raises(errors.AuthenticationFailed):
        await provider.test_session("remote", "api_key", "wrong")


async def test_sources_are_kept_and_the_repeated_message_is_not_said_twice(connected: Any) -> None:
    await connected("perplexity")
    events = await stream()
    assert text_of(events) == EXPECTED
    assert [event.data for event in events if isinstance(event, Citation)] == [{"url": "https://example.test/source"}]


async def test_a_pictures_address_is_refused_before_it_is_sent_where_only_bytes_are_taken(connected: Any) -> None:
    server = await connected("ollama")
    question = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]}]
    with pytest.raises(errors.InvalidRequest, match="only as data"):
        await stream(messages=question)
    assert len(server.ledger) == 0


@pytest.mark.parametrize("name", ["ollama", "llama_cpp", "lm_studio"])
async def test_a_named_tool_is_the_only_one_where_it_cannot_be_named(name: str, connected: Any) -> None:
    server = await connected(name)
    other = {**WEATHER, "name": "other"}
    events = await stream("local-large-tools", "Weather?", tools=[other, WEATHER], tool_choice="weather")
    assert {call.name for call in calls_of(events)} == {"weather"}
    assert [tool["function"]["name"] for tool in server.ledger[-1].body["tools"]] == ["weather"]
    assert not isinstance(server.ledger[-1].body.get("tool_choice"), dict)


async def test_no_tools_are_given_where_they_could_not_be_forbidden(connected: Any) -> None:
    server = await connected("ollama")
    events = await stream("local-large-tools", "Weather?", tools=[WEATHER], tool_choice="none")
    assert not calls_of(events) and "tools" not in server.ledger[-1].body


@pytest.mark.parametrize(
    ("name", "options", "asked", "option"),
    [
        ("mistral", {"server": "generic", "include_usage": "false"}, {"seed": 7}, "add seed to the option unsupported"),
        ("mistral", {"server": "generic"}, {}, "include_usage"),
        ("deepseek", {"server": "generic"}, {"response_schema": SCHEMA}, "structured to json_object"),
        ("llama_cpp", {"server": "generic", "system_role": "developer"}, {"system": "Be brief."}, "system_role"),
    ],
)
async def test_a_refused_field_names_the_option_that_helps_and_nothing_is_sent_again(
    name: str, options: dict[str, str], asked: dict[str, Any], option: str, connected: Any
) -> None:
    server = await connected(name, **options)
    with pytest.raises(errors.BadRequest) as found:
        await stream("local-large", **asked)
    assert option in found.value.hint, (found.value.message, found.value.hint)
    assert len(server.ledger) == 1


async def test_a_single_option_wins_over_the_row(connected: Any) -> None:
    server = await connected("groq", max_tokens_field="max_tokens", unsupported="temperature, top_p")
    await stream(max_output_tokens=500, temperature=0.5)
    assert server.ledger[-1].body["max_tokens"] == 500 and "temperature" not in server.ledger[-1].body
    assert "max_completion_tokens" not in server.ledger[-1].body


async def test_reasoning_between_tags_is_read_as_the_session_says(connected: Any) -> None:
    await connected("vllm", think_tags="opened")
    events = await stream(messages="Hello</think> there.")
    said = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert said == "You said: Hello" and text_of(events).startswith(" there.")

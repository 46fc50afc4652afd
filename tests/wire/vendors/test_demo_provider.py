"""The demo provider through the universal interface: no key, no network, every layer in between."""

import asyncio

import pytest

from providers_app import conf, errors, provider
from providers_app.providers.demo.model_names import LISTED
from providers_app.types.events import Event, StreamEnd, StreamFailed, StreamStart, TextDelta
from tests.wire.vendors.connected import SETTINGS, text_of
from tests.wire.vendors.memory_store import MemorySessions

pytestmark = pytest.mark.usefixtures("store")


async def connect() -> None:
    await provider.create_session("demo", "none", name="demo_login")


async def ask(model: str, text: str = "Hello") -> list[Event]:
    return [event async for event in provider.stream_chat("demo", "demo_login", text, model=model)]


async def test_a_session_needs_no_key_and_can_be_tested(store: MemorySessions) -> None:
    await connect()
    account = await provider.test_session("demo", "none", "demo_login")
    assert account.models
    assert store.outcomes[-1].error is None
    with pytest.raises(errors.InvalidCredential):
        await provider.create_session("demo", "none", name="with_key", api_key="sk-something")
    with pytest.raises(errors.UnsupportedOperation):
        await provider.create_session("demo", "api_key", name="with_key", api_key="sk-something")


async def test_every_fault_is_a_model_with_a_line_of_explanation() -> None:
    await connect()
    models = {model.id: model for model in await provider.list_models("demo", "none", "demo_login")}
    assert {"demo", "demo-tools", "demo-error-429", "demo-silence", "demo-truncated"} <= models.keys()
    for model in models.values():
        assert len(model.name) > 10
        assert model.context_window
        assert (model.input_price, model.output_price) == (0.0, 0.0)
        assert "tools" in model.capabilities
    composed = await provider.get_model("demo", "demo_login", "demo-tools-d5")
    assert composed.id == "demo-tools-d5"
    with pytest.raises(errors.UnknownModel):
        await provider.get_model("demo", "demo_login", "demo-mystery")


async def test_the_models_come_as_the_provider_lists_them_and_faults_after_what_works() -> None:
    await connect()
    shown = [model.id for model in await provider.list_models("demo", "none", "demo_login")]
    assert shown == list(LISTED) and shown[0] == "demo"
    assert shown.index("demo-tools") < shown.index("demo-error-400") < shown.index("demo-unreachable")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("demo-unreachable", "The demo provider could not be reached: the connection was refused."),
        ("demo-reset-d0", "The connection to the demo provider broke off in the middle of the answer"),
    ],
)
async def test_a_failure_names_the_provider_and_no_address(model: str, said: str) -> None:
    await connect()
    try:
        told = next(event.error.message for event in await ask(model) if isinstance(event, StreamFailed))
    except errors.ProviderError as error:
        told = error.message
    assert told.startswith(said)


async def test_the_default_model_answers_at_typing_speed() -> None:
    await connect()
    started = asyncio.get_running_loop().time()
    events = [event async for event in provider.stream_chat("demo", "demo_login", "Hello", max_output_tokens=40)]
    assert isinstance(events[0], StreamStart)
    assert isinstance(events[-1], StreamEnd)
    assert 0.4 < asyncio.get_running_loop().time() - started < 30


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("demo-error-400", errors.BadRequest),
        ("demo-error-401", errors.AuthenticationFailed),
        ("demo-error-403", errors.PermissionDenied),
        ("demo-error-404", errors.UnknownModel),
        ("demo-error-408", errors.RequestTimeout),
        ("demo-error-409", errors.Conflict),
        ("demo-error-413", errors.RequestTooLarge),
        ("demo-error-429", errors.RateLimited),
        ("demo-error-500", errors.ServerError),
        ("demo-error-503", errors.UpstreamError),
        ("demo-error-529", errors.Overloaded),
        ("demo-html-502", errors.UpstreamError),
        ("demo-unreachable", errors.ConnectionFailed),
        ("demo-mystery", errors.UnknownModel),
    ],
)
async def test_a_refusal_is_raised_as_its_typed_error(model: str, kind: type[errors.UpstreamError]) -> None:
    await connect()
    with pytest.raises(kind):
        await ask(model)


@pytest.mark.parametrize(
    ("model", "finish", "code"),
    [
        ("demo-instant-midstream-error", "error", "upstream_server_error"),
        ("demo-instant-truncated", "incomplete", "stream_interrupted"),
        ("demo-instant-reset", "incomplete", "stream_interrupted"),
        ("demo-instant-bad-json", "error", "upstream_bad_answer"),
    ],
)
async def test_a_break_in_the_middle_keeps_the_text(model: str, finish: str, code: str) -> None:
    await connect()
    events = await ask(model)
    assert text_of(events).startswith("Hello!")
    assert isinstance(events[-1], StreamFailed)
    assert (events[-1].finish_reason, events[-1].error.code) == (finish, code)


async def test_an_empty_success_is_a_failure() -> None:
    await connect()
    with pytest.raises(errors.StreamInterrupted):
        await ask("demo-empty-200")


async def test_silence_ends_at_the_idle_timeout_and_a_hang_too() -> None:
    conf.configure(SETTINGS.model_copy(update={"idle_timeout_s": 1}))
    await connect()
    events = await ask("demo-instant-silence")
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].error.code == "idle_timeout"
    with pytest.raises(errors.UpstreamTimeout):
        await ask("demo-hang")


async def test_silence_can_be_stopped_at_once() -> None:
    conf.configure(SETTINGS.model_copy(update={"idle_timeout_s": 300}))
    await connect()
    stream = provider.stream_chat("demo", "demo_login", "Hello", model="demo-instant-silence")
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await asyncio.wait_for(stream.aclose(), 60)


async def test_a_stream_without_delays_leaves_the_loop_to_others() -> None:
    await connect()
    long = asyncio.create_task(ask("demo-instant-n20000"))
    short = await asyncio.wait_for(ask("demo-instant"), 60)
    assert isinstance(short[-1], StreamEnd)
    assert not long.done(), "the short answer must not wait for the long one"
    assert len(text_of(await long).split()) == 20_000

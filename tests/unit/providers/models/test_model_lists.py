"""Lists of models: kept with their age, given while they are asked for anew, asked for once by however many callers."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from providers_app import conf, errors, provider
from providers_app.behaviours.listing import MAX_MODELS
from providers_app.listing import cache as model_lists
from providers_app.listing import models as catalogue
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.catalogue import Figure, ModelInfo
from providers_app.types.credentials import Credential, Secret
from tests.unit.providers.memory_store import MemorySessions

pytestmark = pytest.mark.usefixtures("on_loop", "sessions")


class Models:
    """A provider's list that a test changes: ``gives`` is a list of models, or the error that is raised."""

    def __init__(self) -> None:
        self.gives: list[ModelInfo] | Exception = [ModelInfo(id="m")]
        self.asked = 0
        self.begun = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def list(self, credential: Any, http: Any) -> list[ModelInfo]:
        self.asked += 1
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    async def get(self, model_id: str, credential: Any, http: Any) -> ModelInfo:
        if isinstance(self.gives, Exception):
            raise self.gives
        return next(model for model in self.gives if model.id == model_id)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    made = Models()
    monkeypatch.setattr(catalogue, "resolve", lambda slug, operation: made)
    return made


@pytest.fixture
def short() -> Iterator[None]:
    """A list is old at once, and still shown."""
    with conf.use(ProvidersConfig(models_cache_s=1e-9, models_stale_s=3600, max_retries=0)):
        yield


async def listing(slug: str = "openai", *, refresh: bool = False) -> Any:
    return await provider.model_listing(slug, None, "box", refresh=refresh)


async def connect(slug: str = "openai", key: str = "sk-" + "k" * 40) -> None:
    await provider.create_session(slug, "api_key", name="box", api_key=key)


async def settle() -> None:
    """Let what was begun behind the callers' backs end."""
    while running := [task for task in asyncio.all_tasks() if task.get_name().startswith("models-")]:
        await asyncio.wait(running)


async def test_a_list_is_given_with_its_day_and_completed_from_files(models: Models) -> None:
    models.gives = [ModelInfo(id="gpt-5.6-2026-07-09", input_price=1.0), ModelInfo(id="brand-new")]
    await connect()
    found = await listing()
    assert found.fetched_at
    assert (found.stale, found.refreshing, found.error) == (False, False, None)
    known, new = found.models
    assert (new.id, known.id) == ("brand-new", "gpt-5.6-2026-07-09")
    assert (new.source, new.context_window, new.figures) == ("provider", None, {})
    assert (known.input_price, known.context_window) == (1.0, 1_050_000)
    assert known.figures["input_price"].source == "provider"
    assert known.figures["input_price"].as_of >= "2026-11-27"
    assert known.figures["context_window"] == Figure(source="shipped", as_of="2026-11-20")
    assert catalogue.cached("s1") == found
    assert (await provider.list_models("openai", None, "box")) == list(found.models)
    assert models.asked == 1


async def test_an_old_list_is_given_at_once_and_asked_for_anew_once(models: Models, short: None) -> None:
    await connect()
    await listing()
    models.gives, models.gate = [ModelInfo(id="n")], asyncio.Event()
    shown = [await listing() for _ in range(20)]
    assert {(one.models[0].id, one.stale, one.refreshing) for one in shown} == {("m", True, True)}
    assert await provider.list_models("openai", None, "box") == list(shown[0].models)
    models.gate.set()
    await settle()
    assert models.asked == 2
    after = catalogue.cached("s1")
    assert after is not None
    assert [model.id for model in after.models] == ["n"]


async def test_a_refresh_that_fails_leaves_the_list_with_the_reason_and_rests(models: Models, short: None) -> None:
    await connect()
    await listing()
    models.gives = errors.ServerError("The provider is down.")
    await listing()
    await settle()
    shown = await listing()
    assert ([model.id for model in shown.models], shown.stale) == (["m"], True)
    assert shown.error.message == "The provider is down."
    assert models.asked == 2
    await settle()
    assert models.asked == 2, "it is left alone for a while"
    asked = await listing(refresh=True)
    assert models.asked == 3, "somebody asked for it"
    assert (asked.error.code, [model.id for model in asked.models]) == ("upstream_server_error", ["m"])
    assert await provider.list_models("openai", None, "box")
    with pytest.raises(errors.ServerError):
        await provider.list_models("openai", None, "box", refresh=True)
    models.gives = [ModelInfo(id="back")]
    whole = await listing(refresh=True)
    assert (whole.error, [model.id for model in whole.models]) == (None, ["back"])


async def test_a_list_beyond_its_last_day_is_asked_for_before_it_is_shown(models: Models) -> None:
    await connect()
    with conf.use(ProvidersConfig(models_cache_s=1e-9, models_stale_s=1e-9)):
        await listing()
        models.gives = [ModelInfo(id="n")]
        assert [model.id for model in (await listing()).models] == ["n"]
        models.gives = errors.ServerError("down")
        late = await listing()
        assert ([model.id for model in late.models], late.stale) == (["n"], True), "an old list is better than none"


async def test_without_a_cache_every_call_asks(models: Models) -> None:
    await connect()
    with conf.use(ProvidersConfig(models_cache_s=0)):
        for _ in range(3):
            assert (await listing()).models
    assert models.asked == 3


async def test_without_any_list_the_files_speak_and_the_reason_is_given(models: Models) -> None:
    models.gives = errors.AuthenticationFailed("The key is refused.")
    await connect()
    shown = await listing()
    assert "gpt-5.6" in {model.id for model in shown.models}
    assert {model.source for model in shown.models} == {"shipped"}
    assert (shown.fetched_at, shown.stale, shown.error.code) == (None, False, "upstream_authentication")
    with pytest.raises(errors.AuthenticationFailed):
        await provider.list_models("openai", None, "box")


@pytest.mark.parametrize(
    "error",
    [
        errors.UnsupportedOperation("There is no list."),
        errors.NotFound("no such page", status=404),
        errors.BadRequest("not that method", status=405),
        errors.ServerError("not made", status=501),
    ],
)
async def test_a_provider_that_has_no_list_gives_what_is_known(models: Models, error: Exception) -> None:
    models.gives = error
    await connect()
    found = await provider.list_models("openai", None, "box")
    assert "gpt-5.6" in {model.id for model in found}
    assert {model.source for model in found} == {"shipped"}
    assert [model.id for model in await provider.list_models("openai", None, "box", supports="count_tokens")]
    if isinstance(error, errors.UnsupportedOperation):
        assert (await provider.get_model("openai", "box", "gpt-5.6")).source == "shipped"
        with pytest.raises(errors.UnsupportedOperation):
            await provider.get_model("openai", "box", "nobody-knows-it")


async def test_a_server_without_a_list_gives_the_models_that_the_operator_names(models: Models) -> None:
    models.gives = errors.NotFound("no such page", status=404)
    await provider.create_session("remote", "none", name="box", base_url="https://models.example.com/v1")
    with pytest.raises(errors.NotFound):
        await provider.list_models("remote", None, "box")
    setting = {"remote/box": {"mine": {"context_window": 4096, "capabilities": ["chat", "tools"]}}}
    with conf.use(ProvidersConfig(configured_models=setting)):
        (found,) = await provider.list_models("remote", None, "box", supports="tools")
        assert (found.id, found.context_window, found.source) == ("mine", 4096, "configured")
        with pytest.raises(errors.NotFound):
            await provider.test_session("remote", None, "box")


async def test_another_key_begins_anew_and_another_access_token_does_not(sessions: MemorySessions) -> None:
    await connect()
    session, credential = sessions.rows["s1"]
    lists = model_lists.ModelLists()
    kept = lists.of(session, credential)
    kept.store([ModelInfo(id="m")], credential)
    assert lists.of(session, credential) is kept
    other = Credential(auth_type="api_key", secret=Secret("sk-other"))
    assert lists.of(session, other) is not kept
    login = Credential(auth_type="oauth", secret=Secret("one"))
    again = Credential(auth_type="oauth", secret=Secret("two"))
    held = lists.of(session, login)
    held.store([ModelInfo(id="m")], login)
    assert lists.of(session, again) is held
    assert held.secret != hash(again.secret), "so it is asked for behind the caller's back"


async def test_another_account_begins_anew_and_its_refreshes_do_not(sessions: MemorySessions) -> None:
    await connect()
    row, _ = sessions.rows["s1"]
    lists = model_lists.ModelLists()
    ann, bob = (replace(row, auth_type="oauth", account=who) for who in ("acc-1", "acc-2"))
    login = Credential(auth_type="oauth", secret=Secret("one"))
    held = lists.of(ann, login)
    held.store([ModelInfo(id="of-ann")], login)
    refreshed = replace(ann, generation=ann.generation + 1)
    assert lists.of(refreshed, replace(login, secret=Secret("two"))) is held
    assert lists.peek("s1", "acc-1") is held
    assert lists.peek("s1", "acc-2") is None, "a page shows nothing of the account that was there before"
    assert lists.of(bob, replace(login, secret=Secret("three"))).listed is None


async def test_only_so_many_lists_and_models_are_kept(sessions: MemorySessions) -> None:
    await connect()
    lists = model_lists.ModelLists()
    session, credential = sessions.rows["s1"]
    many = [ModelInfo(id=f"m{n}") for n in range(model_lists.KEPT_MODELS // 4)]
    for number in range(6):
        one = replace(session, id=f"s{number}")
        lists.of(one, credential).store(many, credential)
    lists.of(replace(session, id="one more"), credential)
    assert [lists.peek(f"s{n}") is not None for n in range(6)] == [False, False, True, True, True, True]
    for number in range(model_lists.KEPT + 10):
        lists.of(replace(session, id=f"t{number}"), credential)
    assert sum(lists.peek(f"t{n}") is not None for n in range(model_lists.KEPT + 10)) == model_lists.KEPT


async def test_a_list_with_too_many_models_is_refused(models: Models) -> None:
    models.gives = [ModelInfo(id=str(number)) for number in range(MAX_MODELS + 1)]
    await connect()
    with pytest.raises(errors.BadAnswer, match="more than 20,000"):
        await provider.list_models("openai", None, "box")


async def test_a_caller_that_leaves_does_not_take_the_list_from_the_others(models: Models) -> None:
    models.gate = asyncio.Event()
    await connect()
    first, second = asyncio.create_task(listing()), asyncio.create_task(listing())
    await models.begun.wait()
    first.cancel()
    models.gate.set()
    assert [model.id for model in (await second).models] == ["m"]
    assert models.asked == 1

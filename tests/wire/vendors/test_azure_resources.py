"""What belongs to a resource of Azure: copied addresses, API versions, deployments, and its own refusals."""

from collections.abc import Iterator

import pytest

from providers_app import conf, errors, provider
from providers_app.registry.settings import build_model
from providers_app.types.events import StreamEnd, UsageReport
from tests.vendors.azure import VALID_KEY, AzureVendor
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.azure_desk import CLASSIC, V1, Azure
from tests.wire.vendors.connected import SETTINGS, text_of
from tests.wire.vendors.memory_store import MemorySessions

EXPECTED = expected_text("Hello there.")


@pytest.fixture
def vendor(azure_server: VendorServer, store: MemorySessions) -> Azure:
    """Sessions without any option."""
    return Azure("azure_openai", azure_server, VALID_KEY, "chat-prod", None, store)


COPIED = {
    "": "/openai/v1/chat/completions",
    "/": "/openai/v1/chat/completions",
    "/openai": "/openai/v1/chat/completions",
    "/openai/v1/": "/openai/v1/chat/completions",
    "/openai/v1/chat/completions": "/openai/v1/chat/completions",
    "/openai/deployments/chat-prod": "/openai/deployments/chat-prod/chat/completions",
    "/openai/deployments/chat-prod/chat/completions": "/openai/deployments/chat-prod/chat/completions",
    "/openai/deployments/other/chat/completions/": "/openai/deployments/chat-prod/chat/completions",
}


@pytest.mark.parametrize(("path", "asked"), COPIED.items())
async def test_an_address_may_be_copied_from_anywhere(vendor: Azure, path: str, asked: str) -> None:
    await vendor.connect(path=path)
    assert text_of(await vendor.stream()) == EXPECTED
    assert vendor.ledger[-1].path == asked
    await provider.test_session("azure_openai", "api_key", "main")
    assert vendor.ledger[-1].path.removeprefix("/openai").removeprefix("/v1") == "/models"


async def test_a_copied_target_brings_its_api_version(vendor: Azure) -> None:
    await vendor.connect(path="/openai/deployments/chat-prod/chat/completions?api-version=2024-06-01")
    assert text_of(await vendor.stream()) == EXPECTED
    assert vendor.ledger[-1].query == {"api-version": "2024-06-01"}
    with pytest.raises(errors.InvalidRequest, match="query"):
        await vendor.connect("other", path="/openai?api-version=2024-06-01&code=secret")
    with pytest.raises(errors.InvalidOption, match="API version is a date"):
        await vendor.connect("other", path="/openai?api-version=latest")


async def test_an_api_version_alone_means_the_classic_surface(vendor: Azure) -> None:
    await vendor.connect(settings={"api_version": "2024-06-01"})
    assert text_of(await vendor.stream()) == EXPECTED
    assert vendor.ledger[-1].query == {"api-version": "2024-06-01"}


@pytest.mark.parametrize("version", ["2024-02-01", "2024-08-01-preview"])
async def test_an_old_version_is_not_sent_what_it_refuses(vendor: Azure, version: str) -> None:
    await vendor.connect(settings={"api_version": version})
    events = await vendor.stream("words-60", max_output_tokens=20, reasoning_effort="high")
    assert isinstance(events[-1], StreamEnd) and events[-1].finish_reason == "length"
    body = vendor.ledger[-1].body
    assert body["max_tokens"] == 20
    assert not {"stream_options", "max_completion_tokens", "reasoning_effort"} & set(body)
    assert not any(isinstance(event, UsageReport) for event in events), "that version counts no streams"
    whole = await provider.complete_chat("azure_openai", "main", "Hello there.", model="chat-prod")
    assert whole.usage is not None and whole.usage.output_tokens


async def test_an_unknown_version_is_a_place_that_is_not_found_with_what_to_check(vendor: Azure) -> None:
    await vendor.connect(settings={"api_version": "2031-01-01"})
    with pytest.raises(errors.NotFound) as caught:
        await vendor.stream()
    assert not isinstance(caught.value, errors.UnknownModel)
    assert "API version" in caught.value.hint


@pytest.mark.parametrize("settings", [CLASSIC, V1])
async def test_a_deployment_that_is_not_there_is_an_unknown_model(vendor: Azure, settings: dict[str, str]) -> None:
    await vendor.connect(settings=settings)
    with pytest.raises(errors.UnknownModel) as caught:
        await vendor.stream("mystery")
    assert caught.value.upstream_code == "DeploymentNotFound"


async def test_without_deployments_the_resources_models_are_listed(vendor: Azure) -> None:
    for settings in (V1, CLASSIC):
        name = f"on_{settings['surface']}"
        await vendor.connect(name, settings=settings)
        models = await provider.list_models("azure_openai", "api_key", name)
        assert [model.id for model in models] == ["gpt-4.1", "gpt-4o-2024-08-06", "gpt-5.6"]
        assert {model.source for model in models} == {"provider"}
        assert (models[0].lifecycle, models[2].lifecycle) == ("active", "preview")
        assert models[0].retires_at == "2028-01-01"
        one = await provider.get_model("azure_openai", name, "gpt-4.1")
        assert one.retires_at == "2028-01-01"
        with pytest.raises(errors.UnknownModel):
            await provider.get_model("azure_openai", name, "no/such model")


async def test_declared_deployments_are_the_list_in_their_order(vendor: Azure) -> None:
    await vendor.connect(settings={"deployments": "reasoner=gpt-5.6, chat-prod=gpt-4.1, filtered"})
    models = await provider.list_models("azure_openai", "api_key", "main")
    assert [(model.id, model.source) for model in models] == [
        ("reasoner", "configured"),
        ("chat-prod", "configured"),
        ("filtered", "configured"),
    ]
    assert [model.underlying for model in models] == ["gpt-5.6", "gpt-4.1", ""]
    assert [model.name for model in models] == ["reasoner (gpt-5.6)", "chat-prod (gpt-4.1)", "filtered"]
    assert len(vendor.ledger) == 0, "nobody has to be asked"
    assert (await provider.get_model("azure_openai", "main", "filtered")).id == "filtered"
    with pytest.raises(errors.UnknownModel) as caught:
        await provider.get_model("azure_openai", "main", "gpt-5.6")
    assert "reasoner, chat-prod, filtered" in caught.value.hint


async def test_the_deployment_in_a_copied_address_is_declared_by_it(vendor: Azure) -> None:
    await vendor.connect(path="/openai/deployments/chat-prod/chat/completions")
    assert [model.id for model in await provider.list_models("azure_openai", "api_key", "main")] == ["chat-prod"]


@pytest.fixture
def configured(azure_server: VendorServer, store: MemorySessions) -> Iterator[None]:
    """The operator configured a resource with its deployments."""
    own = {"deployments": "reasoner=gpt-5.6,chat-prod", "api": "responses", "surface": "v1"}
    conf.configure(build_model()(**{**SETTINGS.model_dump(), "azure_openai": own}))
    yield
    conf.configure(None)


async def test_the_operators_settings_hold_where_a_session_says_nothing(vendor: Azure, configured: None) -> None:
    await vendor.connect()
    assert [model.id for model in await provider.list_models("azure_openai", "api_key", "main")] == [
        "reasoner",
        "chat-prod",
    ]
    assert text_of(await vendor.stream()) == EXPECTED
    assert vendor.ledger[-1].path == "/openai/v1/responses"
    with pytest.raises(errors.InvalidRequest, match="needs a base URL"):
        await provider.create_session("azure_openai", "api_key", name="bare", api_key=VALID_KEY)
    everything = {**SETTINGS.model_dump(), "azure_openai": {"base_url": vendor.server.base_url}}
    with conf.use(build_model()(**everything)):
        await provider.create_session("azure_openai", "api_key", name="bare", api_key=VALID_KEY)
        await provider.test_session("azure_openai", "api_key", "bare")
    await vendor.connect("own", settings={"api": "chat", "deployments": "chat-prod"})
    events = [e async for e in provider.stream_chat("azure_openai", "own", "Hello there.", model="chat-prod")]
    assert text_of(events) == EXPECTED
    assert vendor.ledger[-1].path == "/openai/v1/chat/completions"


async def test_a_gateways_body_without_an_error_object_is_understood(vendor: Azure) -> None:
    await vendor.connect(settings=CLASSIC)
    with pytest.raises(errors.RateLimited, match="Rate limit is exceeded") as caught:
        await vendor.stream("status-429-retry-after-ms-1500")
    assert (caught.value.status, caught.value.retry_after) == (429, 1.5)
    assert str(caught.value.request_id).startswith("apim-")


async def test_a_wrong_key_is_told_from_a_wrong_resource(vendor: Azure) -> None:
    await vendor.connect(key="0" * 84)
    with pytest.raises(errors.AuthenticationFailed) as caught:
        await provider.test_session("azure_openai", "api_key", "main")
    assert caught.value.upstream_code == "401"
    assert "belong to the same resource" in caught.value.hint


async def test_a_resource_that_takes_no_keys_says_how_to_go_on(vendor: Azure) -> None:
    await vendor.connect()
    server = vendor.server.vendor
    assert isinstance(server, AzureVendor)
    server.keys_disabled = True
    try:
        with pytest.raises(errors.PermissionDenied) as caught:
            await provider.test_session("azure_openai", "api_key", "main")
    finally:
        server.keys_disabled = False
    assert "Entra" in caught.value.hint

"""Where requests to Vertex AI go, and what is in them, to the byte."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from providers_app import conf, errors, ports, provider
from providers_app.providers.vertex_ai.config import Config
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import PreparedRequest
from tests.wire.vendors.memory_store import MemorySessions

GEMINI, CLAUDE = "gemini-2.5-pro", "claude-sonnet-4-5@20250929"


@pytest.fixture
def sessions() -> Iterator[MemorySessions]:
    store = MemorySessions()
    with ports.use(sessions=store):
        yield store


def configured(**changes: Any) -> Any:
    return conf.use(build_model()(vertex_ai=Config(**changes)))  # type: ignore[call-arg]


async def previewed(
    sessions: MemorySessions, model: str, *, express: bool = False, stream: bool = True, **changes: Any
) -> PreparedRequest:
    """The request that would be sent for a session with these settings."""
    base_url = changes.pop("base_url", None)
    given = {"project": "p-1", "location": "europe-west4", **changes}
    facts = {name: value for name, value in given.items() if value}
    credential = (
        Credential(auth_type="api_key", secret=Secret("AQ.secret-key"), base_url=base_url)
        if express
        else Credential(auth_type="oauth", secret=Secret("ya29.secret-token"), settings=facts, base_url=base_url)
    )
    await sessions.create(1, "vertex_ai", credential.auth_type, "main", credential)
    prepared = await provider.preview_request("vertex_ai", "main", "Hi", model=model, stream=stream)
    assert "secret" not in repr(prepared)
    return prepared


HOSTS = [
    ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
    ("northamerica-northeast1", "https://northamerica-northeast1-aiplatform.googleapis.com"),
    ("global", "https://aiplatform.googleapis.com"),
    ("us", "https://aiplatform.us.rep.googleapis.com"),
    ("eu", "https://aiplatform.eu.rep.googleapis.com"),
]


@pytest.mark.parametrize(("location", "host"), HOSTS)
async def test_the_location_decides_the_host(sessions: MemorySessions, location: str, host: str) -> None:
    prepared = await previewed(sessions, GEMINI, location=location)
    path = f"/v1beta1/projects/p-1/locations/{location}/publishers/google/models/{GEMINI}"
    assert prepared.url == f"{host}{path}:streamGenerateContent?alt=sse"
    assert prepared.headers["authorization"] == "***" and "x-goog-api-key" not in prepared.headers


async def test_without_a_location_it_is_global_and_the_operator_may_say_otherwise(sessions: MemorySessions) -> None:
    prepared = await previewed(sessions, GEMINI, location="")
    assert prepared.url.startswith("https://aiplatform.googleapis.com/v1beta1/projects/p-1/locations/global/")
    with configured(location="us-east5", project="ours", api_version="v1"):
        await sessions.delete(1, (await sessions.lookup(1, "vertex_ai", "main"))[0].id)
        prepared = await previewed(sessions, GEMINI, location="", project="")
    assert prepared.url.startswith("https://us-east5-aiplatform.googleapis.com/v1/projects/ours/locations/us-east5/")


@pytest.mark.parametrize("location", ["europe-west4.evil.example", "evil.example/#", "a@b", "EU", "..", "1x", "-a"])
async def test_what_is_no_location_becomes_no_host(sessions: MemorySessions, location: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="not a location"):
        await previewed(sessions, GEMINI, location=location)


@pytest.mark.parametrize("project", ["../x", "a/b", "p?x", "x" * 101])
async def test_what_is_no_project_goes_into_no_path(sessions: MemorySessions, project: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="not the id"):
        await previewed(sessions, GEMINI, project=project)


async def test_a_key_of_express_mode_needs_neither_project_nor_location(sessions: MemorySessions) -> None:
    prepared = await previewed(sessions, GEMINI, express=True)
    path = f"/v1beta1/publishers/google/models/{GEMINI}:streamGenerateContent?alt=sse"
    assert prepared.url == "https://aiplatform.googleapis.com" + path
    assert prepared.headers["x-goog-api-key"] == "***" and "authorization" not in prepared.headers


@pytest.mark.parametrize("name", [CLAUDE, f"anthropic/{CLAUDE}", f"publishers/anthropic/models/{CLAUDE}"])
@pytest.mark.parametrize("stream", [True, False])
async def test_claude_is_asked_without_a_model_in_the_body(sessions: MemorySessions, name: str, stream: bool) -> None:
    prepared = await previewed(sessions, name, location="us-east5", stream=stream)
    method = "streamRawPredict" if stream else "rawPredict"
    path = f"/v1/projects/p-1/locations/us-east5/publishers/anthropic/models/{CLAUDE}:{method}"
    assert prepared.url == "https://us-east5-aiplatform.googleapis.com" + path
    body = json.loads(prepared.body)
    assert body["anthropic_version"] == "vertex-2023-10-16" and "model" not in body
    assert body.get("stream") == (True if stream else None)
    assert "anthropic-version" not in prepared.headers


@pytest.mark.parametrize("name", [GEMINI, f"google/{GEMINI}", f"publishers/google/models/{GEMINI}", f"models/{GEMINI}"])
async def test_names_of_googles_models(sessions: MemorySessions, name: str) -> None:
    prepared = await previewed(sessions, name)
    assert f"/publishers/google/models/{GEMINI}:" in prepared.url


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-sonnet-4@20250514", {"type": "enabled", "budget_tokens": 2048}),
        ("claude-haiku-4-5@20251001", {"type": "enabled", "budget_tokens": 2048}),
        ("claude-opus-5", {"type": "adaptive", "display": "summarized"}),
    ],
)
async def test_the_kind_of_thinking_is_known_by_the_ids_of_vertex(
    sessions: MemorySessions, model: str, thinking: dict[str, Any]
) -> None:
    await previewed(sessions, model)
    prepared = await provider.preview_request("vertex_ai", "main", "Hi", model=model, reasoning_effort="low")
    assert json.loads(prepared.body)["thinking"] == thinking


async def test_a_gateway_keeps_its_path_and_its_version(sessions: MemorySessions) -> None:
    with configured(base_url="https://gateway.example/vertex/"):
        prepared = await previewed(sessions, GEMINI)
        assert prepared.url.startswith("https://gateway.example/vertex/v1beta1/projects/p-1/locations/europe-west4/")
    with configured(base_url="https://gateway.example/vertex/v1"):
        prepared = await provider.preview_request("vertex_ai", "main", "Hi", model=CLAUDE)
        assert prepared.url.startswith("https://gateway.example/vertex/v1/projects/p-1/")


async def test_a_sessions_own_address_counts_for_its_own_key_only(sessions: MemorySessions) -> None:
    prepared = await previewed(sessions, GEMINI, base_url="https://own.example")
    assert prepared.url.startswith("https://europe-west4-aiplatform.googleapis.com/")
    await sessions.delete(1, (await sessions.lookup(1, "vertex_ai", "main"))[0].id)
    prepared = await previewed(sessions, GEMINI, express=True, base_url="https://own.example")
    assert prepared.url.startswith("https://own.example/v1beta1/publishers/google/models/")


@pytest.mark.parametrize(
    "changes", [{"location": "evil.example"}, {"project": "a/b"}, {"api_version": "../x"}, {"enabled_flows": ("adc",)}]
)
def test_settings_are_judged_when_they_are_read(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Config(**changes)

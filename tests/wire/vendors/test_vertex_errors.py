"""What goes wrong on Vertex AI: projects, locations, models, quotas, broken streams, leaving in the middle."""

import asyncio
import json

import pytest

from providers_app import errors, loop, provider
from providers_app.errors import Retry
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import StreamEnd, StreamFailed, TextDelta
from tests.vendors.script import expected_text
from tests.vendors.vertex import VALID_KEY
from tests.vendors.vertex.refusals import DISABLED, MISSING, UNBILLED
from tests.waiting import put_forward
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.vertex_desk import CLAUDE, GEMINI, VertexDesk, desk

__all__ = ["desk"]
EXPECTED = expected_text("Hello there.")
BOTH = pytest.mark.parametrize("model", [GEMINI, CLAUDE])


@BOTH
@pytest.mark.parametrize(
    ("project", "kind", "said"),
    [
        (DISABLED, errors.PermissionDenied, "Enable the Vertex AI API"),
        (UNBILLED, errors.BillingRequired, "billing account"),
        (MISSING, errors.PermissionDenied, "no such project"),
        ("somebody-elses", errors.PermissionDenied, "roles/aiplatform.user"),
    ],
)
async def test_a_project_that_cannot_be_asked(
    desk: VertexDesk, model: str, project: str, kind: type[errors.UpstreamError], said: str
) -> None:
    await desk.connect("service_account", project=project)
    with pytest.raises(kind) as caught:
        await desk.stream(model)
    assert said in caught.value.hint
    assert caught.value.retry is Retry.NEVER
    with pytest.raises(kind):
        await provider.test_session("vertex_ai", "oauth", "main")


async def test_a_project_that_may_not_be_billed(desk: VertexDesk) -> None:
    await desk.connect("adc", credentials=_with(desk, quota_project_id="somebody-elses"), project="ada-project")
    with pytest.raises(errors.PermissionDenied) as caught:
        await desk.stream(GEMINI)
    assert "serviceUsageConsumer" in caught.value.hint


def _with(desk: VertexDesk, **changes: str) -> str:
    return json.dumps(desk.adc_file(**changes))


@pytest.mark.parametrize(
    ("location", "model", "kind"),
    [
        ("global", "gemini-no-such", errors.UnknownModel),
        ("us-central1", "gemini-3-flash", errors.UnknownModel),
        ("us-central1", "claude-no-such", errors.UnknownModel),
        ("us-central1", CLAUDE, errors.BadRequest),
    ],
)
async def test_a_model_that_is_not_served_there(
    desk: VertexDesk, location: str, model: str, kind: type[errors.UpstreamError]
) -> None:
    await desk.connect("service_account", location=location)
    with pytest.raises(kind) as caught:
        await desk.stream(model)
    assert f"the location {location}" in caught.value.hint and "global" in caught.value.hint
    if kind is errors.UnknownModel:
        with pytest.raises(errors.UnknownModel):
            await desk.stream(f"locations/eu/publishers/google/models/{model}")


async def test_one_model_can_be_asked_elsewhere_than_the_session(desk: VertexDesk) -> None:
    await desk.connect("service_account", location="us-central1")
    elsewhere = "locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001"
    assert text_of(await desk.stream(elsewhere)) == EXPECTED
    path = desk.api.ledger[-1].path
    assert "/projects/local-project/locations/us-east5/" in path and path.endswith("@20251001:streamRawPredict")
    counted = await provider.count_tokens("vertex_ai", "main", "Hello there.", model=elsewhere)
    assert counted.source == "provider" and "/locations/us-east5/" in desk.api.ledger[-1].path


@pytest.mark.parametrize(
    "model", ["meta/llama-4", "publishers/mistralai/models/x", "a/b/c", "gemini-3?x=1", "claude-#"]
)
async def test_names_that_are_no_model_here(desk: VertexDesk, model: str) -> None:
    await desk.connect("service_account")
    with pytest.raises(errors.InvalidRequest):
        await desk.stream(model)
    assert len(desk.api.ledger) == 0


STATUSES = [
    ("status-400", errors.BadRequest, Retry.NEVER),
    ("status-429", errors.RateLimited, Retry.AFTER_WAIT),
    ("status-500", errors.ServerError, Retry.AFTER_WAIT),
    ("status-503", errors.Overloaded, Retry.AFTER_WAIT),
    ("html-403", errors.PermissionDenied, Retry.NEVER),
    ("html-502", errors.ServerError, Retry.AFTER_WAIT),
    ("empty-404", errors.NotFound, Retry.NEVER),
]


@BOTH
@pytest.mark.parametrize(
    ("fault", "kind", "retry"), STATUSES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_statuses_are_typed_errors(
    desk: VertexDesk, model: str, fault: str, kind: type[errors.UpstreamError], retry: Retry
) -> None:
    await desk.connect("service_account")
    with pytest.raises(kind) as caught:
        await desk.stream(f"{model}-{fault}")
    assert caught.value.retry is retry and caught.value.message
    assert "roles/aiplatform" not in caught.value.hint


@BOTH
async def test_shared_capacity_passes_and_a_used_up_quota_does_not(desk: VertexDesk, model: str) -> None:
    await desk.connect("service_account")
    with pytest.raises(errors.RateLimited) as caught:
        await desk.stream(f"{model}-status-429-retry-after-3")
    assert caught.value.retry_after == 3 and "shared" in caught.value.hint
    with pytest.raises(errors.QuotaExhausted):
        await desk.stream(f"{model}-status-429-quota")


@BOTH
@pytest.mark.parametrize("fault", ["truncate", "truncate-clean", "reset", "midstream-error"])
async def test_a_stream_that_breaks_is_never_a_clean_end(desk: VertexDesk, model: str, fault: str) -> None:
    await desk.connect("service_account")
    events = await desk.stream(f"{model}-{fault}")
    assert isinstance(events[-1], StreamFailed), events[-1]
    expected = "upstream_overloaded" if fault == "midstream-error" else "stream_interrupted"
    assert events[-1].error.code == expected
    assert EXPECTED.startswith(text_of(events)) and text_of(events)


@BOTH
async def test_silence_ends_with_a_timeout_and_closes_upstream(desk: VertexDesk, model: str) -> None:
    await desk.connect("service_account")
    with desk.configured(idle_timeout_s=60):
        async for event in provider.stream_chat("vertex_ai", "main", "Hello there.", model=f"{model}-silence"):
            if isinstance(event, TextDelta):
                loop.current().call_soon_threadsafe(put_forward, 60)
    assert isinstance(event, StreamFailed) and event.error.code == "idle_timeout"
    await desk.api.ledger.disconnect()


@BOTH
async def test_cancelling_closes_it_upstream(desk: VertexDesk, model: str) -> None:
    await desk.connect("service_account")
    began = asyncio.Event()

    async def read() -> None:
        asked = provider.stream_chat("vertex_ai", "main", "Hello", model=f"{model}-held")
        async for event in asked:
            if isinstance(event, TextDelta):
                began.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(began.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await desk.api.ledger.disconnect()).finished_at is None


@BOTH
async def test_a_server_that_ignores_the_wish_for_a_stream(desk: VertexDesk, model: str) -> None:
    await desk.connect("service_account")
    events = await desk.stream(f"{model}-plain")
    assert text_of(events) == EXPECTED and isinstance(events[-1], StreamEnd)


async def test_a_wrong_key_is_an_authentication_error_that_does_not_quote_it(desk: VertexDesk) -> None:
    wrong = VALID_KEY[:12] + "WrongWrongWrongWrong"
    credential = Credential(auth_type="api_key", secret=Secret(wrong))
    await desk.sessions.create(desk.sessions.owner, "vertex_ai", "api_key", "main", credential)
    for call in (desk.stream(GEMINI), provider.test_session("vertex_ai", "api_key", "main")):
        with pytest.raises(errors.AuthenticationFailed) as caught:
            await call
        assert wrong not in caught.value.message + caught.value.hint + repr(caught.value)
        assert "express mode" in caught.value.hint


async def test_a_session_without_a_project_asks_nobody(desk: VertexDesk) -> None:
    credential = Credential(auth_type="oauth", secret=Secret("ya29.x"))
    await desk.sessions.create(desk.sessions.owner, "vertex_ai", "oauth", "main", credential)
    with pytest.raises(errors.InvalidRequest, match="no project"):
        await desk.stream(GEMINI)
    assert len(desk.api.ledger) == 0

"""The panel and the preview with what an answer holds beside text: server tools, images, blocks of a provider's own."""

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.urls import reverse
from django.utils import timezone

from context_app import media_store
from context_app.models import ContextChunk, Stream, Turn
from context_app.streams import writes
from context_app.streams.answer_chunks import answer_chunks
from context_app.streams.live import Ending
from providers_app.types.events import Event, GeneratedFile, OpaqueBlock, ServerToolEvent, TextDelta
from tests.web.context.conftest import Person

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = base64.b64encode(bytes(range(256)) * 12).decode()
USED = ServerToolEvent("server_tool_use", {"id": "s1", "name": "web_search", "input": {"query": "ferry <b>"}})
FOUND = ServerToolEvent(
    "web_search_tool_result",
    {"tool_use_id": "s1", "content": [{"url": "https://a.example/", "title": "A", "encrypted_content": SECRET}]},
)
RAN = ServerToolEvent("executableCode", {"executableCode": {"language": "PYTHON", "code": "print(1)\nprint(2)"}})
GAVE = ServerToolEvent("codeExecutionResult", {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}})


def answered(ada: Person, *events: Event) -> list[ContextChunk]:
    """The chunks of a stored answer that consists of these events."""
    stream = Stream.objects.create(owner=ada.user, heartbeat_at=timezone.now())
    turn = Turn.objects.create(context=ada.context, stream=stream, provider="demo", model="demo")
    ada.add(content="question", turn=turn)
    ending = Ending(state="complete", result={}, chunks=answer_chunks(events, "demo"), at=timezone.now())
    assert writes.finish(stream.pk, ending, len(events))
    return list(ContextChunk.objects.filter(turn=turn, role="assistant").order_by("order"))


def post(ada: Person, name: str, chunk: ContextChunk) -> Any:
    return ada.client.post(reverse(f"chats:{name}", args=[ada.context.pk, chunk.pk]), headers={"HX-Request": "true"})


def peek(ada: Person, chunk: ContextChunk) -> str:
    return ada.client.get(reverse("chats:chunk", args=[ada.context.pk, chunk.pk])).content.decode()


@pytest.fixture
def image(ada: Person, settings: Any, tmp_path: Path) -> GeneratedFile:
    settings.DATA_DIR = tmp_path
    data = b"\x89PNG" + bytes(range(256)) * 12
    ref = str(media_store.store(ada.user.pk, "image/png", data, "plan.png"))
    return GeneratedFile("image/png", ref, name="plan.png", size=len(data))


def test_the_new_kinds_are_rows_in_filter_meter_and_counts(ada: Person, image: GeneratedFile) -> None:
    rows = answered(ada, USED, FOUND, TextDelta("So."), image, OpaqueBlock("new_kind", {"x": 1}))
    html = ada.client.get(reverse("chats:panel", args=[ada.context.pk])).content.decode()
    for kind, name in (("server_tool", "Server tools"), ("image", "Images and files"), ("block", "Provider data")):
        assert f'data-kind-filter="{kind}"' in html and name in html
        assert f'<rect class="kind-{kind}"' in html
    assert f"{len(rows) + 1} sent · 0 excluded" in html
    assert "Searched the web · ferry &lt;b&gt;" in html and "1 result · web_search" in html and "plan.png" in html
    assert html.count("data-completes") == 1


def test_a_row_unfolded_shows_data_without_its_bulk_and_an_image_as_one(ada: Person, image: GeneratedFile) -> None:
    used, found, picture, block = answered(ada, USED, FOUND, image, OpaqueBlock("new_kind", {"deep": [{"x": "<b>"}]}))
    assert "&quot;query&quot;: &quot;ferry &lt;b&gt;&quot;" in peek(ada, used)
    text = peek(ada, found)
    assert SECRET not in text and f"{SECRET[:48]}… ({len(SECRET):,} characters)" in text
    assert f'<img src="{reverse("chats:media", args=[image.ref])}" alt="plan.png"' in peek(ada, picture)
    assert "&quot;deep&quot;: [\n" in peek(ada, block) and "&lt;b&gt;" in peek(ada, block)
    ContextChunk.objects.filter(pk=block.pk).update(metadata={"kind": "x", "data": {"t": "word " * 9000}})
    assert len(peek(ada, block)) < 9000


@pytest.mark.parametrize("events", [(USED, FOUND), (RAN, GAVE)])
@pytest.mark.parametrize("half", [0, 1])
def test_a_server_tool_and_its_result_are_edited_together(ada: Person, events: Any, half: int) -> None:
    halves = answered(ada, *events)
    assert halves[0].metadata["call_id"] == halves[1].metadata["call_id"]
    html = post(ada, "exclude", halves[half]).content.decode()
    assert 'hx-swap-oob="true"' in html.split(f'id="chunk-{halves[1 - half].pk}"')[1].split(">")[0]
    assert ContextChunk.objects.filter(excluded=True).count() == 2
    url = reverse("chats:bulk", args=[ada.context.pk])
    ada.client.post(url, {"action": "delete", "ids": [str(halves[half].pk)]})
    assert not ContextChunk.objects.filter(kind="server_tool", deleted_at=None).exists()
    ada.client.post(reverse("chats:undo", args=[ada.context.pk]))
    assert ContextChunk.objects.filter(kind="server_tool", deleted_at=None).count() == 2


def test_the_preview_has_the_image_short_in_view_and_whole_in_its_bytes(ada: Person, image: GeneratedFile) -> None:
    answered(ada, TextDelta("Here."), image)
    ada.add(content="Go on.")
    url = reverse("chats:preview", args=[ada.context.pk])
    sent = ada.client.get(url, {"download": "1"}).content
    whole = base64.b64encode(media_store.path_of(UUID(image.ref)).read_bytes()).decode()
    assert whole in json.dumps(json.loads(sent)), "what is sent is whole"
    html = ada.client.get(url).content.decode()
    view, bytes_ = html.split('<template id="preview-bytes">')
    assert whole not in view and whole in bytes_
    assert "characters)" in view and "plan.png" in view

"""Edits in the panel to their limits: each is named, taken back and done again; numbers and counts at their bounds."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from context_app import urls
from context_app.models import ContextChunk, ContextEdit, Turn
from context_app.services import chunks
from context_app.views import panel
from tests.web.context.conftest import Person

ROOT = Path(__file__).parents[3]
SOURCES = [
    *(ROOT / "templates").rglob("*.html"),
    *(path for app in ("context_app", "sessions_app", "maestro_site") for path in (ROOT / app).rglob("*.py")),
]


def test_each_address_of_the_chats_is_led_to_and_each_name_on_a_page_has_one() -> None:
    named = set(re.findall(r"chats:([\w-]+)", " ".join(path.read_text() for path in SOURCES)))
    undo_leads_back = {"restore-chunk"}
    assert named | undo_leads_back == {str(pattern.name) for pattern in urls.urlpatterns}


def post(ada: Person, name: str, chunk: ContextChunk | None = None, **data: Any) -> Any:
    args = [ada.context.pk, chunk.pk] if chunk else [ada.context.pk]
    return ada.client.post(reverse(f"chats:{name}", args=args), data, headers={"HX-Request": "true"})


def message(response: Any) -> str:
    return str(json.loads(response["HX-Trigger"])["toast"]["message"])


def call(ada: Person) -> ContextChunk:
    turn = Turn.objects.create(context=ada.context)
    return ada.add("tool_call", "{}", turn=turn, metadata={"call_id": "c", "name": "look"})


def pinned(ada: Person) -> ContextChunk:
    return ada.add(pinned=True)


def excluded(ada: Person) -> ContextChunk:
    return ada.add(excluded=True)


def deleted(ada: Person) -> ContextChunk:
    return ada.add(deleted_at=timezone.now())


@pytest.mark.parametrize(
    ("address", "make", "data", "action", "name"),
    [
        ("add-note", None, {"content": "Mind this"}, "add", "Note"),
        ("exclude", Person.add, {}, "exclude", "Exclusion"),
        ("include", excluded, {}, "include", "Inclusion"),
        ("pin-chunk", Person.add, {}, "pin", "Pin"),
        ("unpin-chunk", pinned, {}, "unpin", "Unpinning"),
        ("intent", call, {"purpose": "test_pass"}, "intent", "Intent"),
        ("delete-chunk", Person.add, {}, "delete", "Deletion"),
        ("restore-chunk", deleted, {}, "restore", "Return"),
    ],
)
def test_an_edit_is_written_down_by_its_name_taken_back_and_done_again(
    ada: Person, address: str, make: Any, data: dict[str, Any], action: str, name: str
) -> None:
    assert post(ada, address, make and make(ada), **data).status_code == 200
    after = states()
    edit = ContextEdit.objects.get()
    assert (edit.action, edit.actor_id, edit.undone_at) == (action, ada.user.pk, None)
    assert message(post(ada, "undo")) == f"{name} undone"
    assert states() != after
    assert message(post(ada, "undo")) == "Nothing to undo"
    assert message(post(ada, "redo")) == f"{name} done again"
    assert states() == after
    assert message(post(ada, "redo")) == "Nothing to redo"


def states() -> list[Any]:
    rows = ContextChunk.objects.order_by("order")
    return [(row.pinned, row.excluded, row.intent, row.not_sent, row.deleted_at is None) for row in rows]


def test_a_change_of_the_system_text_is_named_too(ada: Person) -> None:
    chunks.set_system(context=ada.context, actor=ada.user, content="Be brief.")
    chunks.set_system(context=ada.context, actor=ada.user, content="Be kind.")
    chunks.set_system(context=ada.context, actor=ada.user, content="")
    actions = ContextEdit.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["add", "edit", "delete"]
    names = [message(post(ada, "undo")) for _ in range(3)]
    assert names == ["Deletion undone", "Change undone", "Note undone"]


def test_what_a_person_adds_says_that_they_did(ada: Person) -> None:
    post(ada, "add-note", content="Mind this")
    chunks.set_system(context=ada.context, actor=ada.user, content="Be brief.")
    assert list(ContextChunk.objects.values_list("provenance", flat=True)) == [{"by": "person"}] * 2


@pytest.mark.parametrize(("given", "role"), [({}, "user"), ({"role": ""}, "user"), ({"role": "system"}, "system")])
def test_a_note_is_a_message_unless_it_is_system_text(ada: Person, given: dict[str, Any], role: str) -> None:
    html = post(ada, "add-note", content="Mind this", **given).content.decode()
    assert ContextChunk.objects.get().role == role
    assert "<textarea" in html and "Mind this" not in html.split("<textarea")[1], "the form is empty again"


@pytest.mark.parametrize(("number", "undoes"), [("9" * 18, False), ("9" * 19, True), ("x", True), ("", True)])
@pytest.mark.parametrize("by_address", [True, False])
def test_the_number_of_no_edit_undoes_nothing_and_what_is_no_number_the_last(
    ada: Person, number: str, undoes: bool, by_address: bool
) -> None:
    post(ada, "pin-chunk", ada.add())
    if by_address:
        url = reverse("chats:undo", args=[ada.context.pk])
        response = ada.client.post(f"{url}?edit={number}")
    else:
        response = post(ada, "undo", edit=number)
    assert message(response) == ("Pin undone" if undoes else "Nothing to undo")
    assert ContextChunk.objects.get().pinned is not undoes


def test_after_a_new_edit_there_is_nothing_to_redo(ada: Person) -> None:
    chunk = ada.add()
    post(ada, "pin-chunk", chunk)
    assert panel.panel(ada.context)["redoable"] is False
    post(ada, "undo")
    shown = panel.panel(ada.context)
    assert (shown["redoable"], shown["latest_edit"]) == (True, None)
    post(ada, "pin-chunk", chunk)
    shown, edit = panel.panel(ada.context), ContextEdit.objects.get()
    assert (shown["redoable"], shown["latest_edit"]) == (False, edit.pk)
    assert panel.frame(ada.context, edit.pk) == {name: value for name, value in shown.items() if name != "chunks"}


def test_undo_takes_the_edit_with_the_number(ada: Person) -> None:
    first, second = ada.add(), ada.add()
    post(ada, "pin-chunk", first)
    edit = ContextEdit.objects.get()
    post(ada, "pin-chunk", second)
    assert message(post(ada, "undo", edit=edit.pk)) == "Pin undone"
    assert [row.pinned for row in ContextChunk.objects.order_by("order")] == [False, True]


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("action", ["exclude", "delete"])
def test_a_selection_is_edited_up_to_its_limit(
    ada: Person, monkeypatch: pytest.MonkeyPatch, action: str, beyond: int
) -> None:
    monkeypatch.setattr(panel, "MAX_BULK", 3 - beyond)
    ids = [str(ada.add(tokens=1000).pk), str(ada.add(tokens=234).pk), str(uuid4())]
    response = post(ada, "bulk", action=action, ids=ids)
    done = f"2 chunks {action}d, −1,234 tokens"
    assert message(response) == ("At most 2 chunks are changed at once." if beyond else done)
    changed = ContextChunk.objects.filter(not_sent=f"{action}d")
    assert changed.count() == (0 if beyond else 2)


def test_of_a_selection_only_the_halves_of_its_own_calls_go_along(ada: Person) -> None:
    first, other, text = call(ada), call(ada), ada.add(metadata={"call_id": "c"})
    result = ada.add("tool_result", "found", turn=first.turn, metadata={"call_id": "c"})
    assert message(post(ada, "bulk", action="exclude", ids=[str(result.pk)])).startswith("2 chunks excluded")
    assert set(ContextChunk.objects.filter(excluded=True)) == {first, result}
    post(ada, "bulk", action="delete", ids=[str(text.pk)])
    assert set(ContextChunk.objects.filter(deleted_at=None)) == {first, result, other}


def test_one_chunk_is_counted_as_one(ada: Person) -> None:
    assert message(post(ada, "exclude", ada.add(tokens=1234))) == "1 chunk excluded, −1,234 tokens"
    assert message(post(ada, "delete-chunk", ada.add())) == "1 chunk deleted"
    assert message(post(ada, "delete-chunk", call(ada))) == "1 chunk deleted"


def test_an_edit_that_changes_nothing_says_nothing(ada: Person) -> None:
    chunk = ada.add(pinned=True)
    for address in ("pin-chunk", "include"):
        response = post(ada, address, chunk)
        assert "HX-Trigger" not in response and f'id="chunk-{chunk.pk}"' in response.content.decode()
    assert not ContextEdit.objects.exists()


def test_a_peek_is_cut_at_its_limit(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "MAX_PEEK_CHARS", 50)
    for length, shown in ((50, "x" * 50), (51, "x" * 49 + "…")):
        chunk = ada.add(content="x" * length)
        html = ada.client.get(reverse("chats:chunk", args=[ada.context.pk, chunk.pk])).content.decode()
        assert f">{shown}<" in html


def test_the_bar_of_the_meter_is_as_long_as_the_window_or_what_is_used(ada: Person, settings: Any) -> None:
    small = settings.MAESTRO.context.model_copy(update={"default_window": 1000})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"context": small})
    ada.add("note", tokens=250)
    ada.add("user", tokens=125)
    ada.add("user", tokens=400, excluded=True)
    meter = panel.panel(ada.context)["meter"]
    assert (meter["used"], meter["over"], meter["percent"], meter["largest"]) == (375, 0, 37.5, 400)
    assert (meter["sent"], meter["excluded"], meter["window_known"], meter["cost"]) == (2, 1, False, None)
    assert [(part["kind"], part["x"], part["width"]) for part in meter["parts"]] == [
        ("note", 0.0, 25.0),
        ("user", 25.0, 12.5),
    ]
    ada.add("assistant", tokens=1125)
    meter = panel.panel(ada.context)["meter"]
    assert (meter["used"], meter["over"], meter["percent"]) == (1500, 500, 100.0)
    assert [part["width"] for part in meter["parts"]] == [16.667, 8.333, 75.0]


def test_an_empty_chat_has_an_empty_meter(ada: Person) -> None:
    meter = panel.panel(ada.context)["meter"]
    assert (meter["used"], meter["over"], meter["percent"], meter["largest"], meter["parts"]) == (0, 0, 0.0, 0, [])

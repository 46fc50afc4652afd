"""The context panel through HTMX: rows come and go, the meter follows out of band."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from context_app import session_models
from context_app.models import Context, ContextChunk, ContextEdit, Turn
from context_app.views import panel
from sessions_app.models import AuthSession
from tests.web.context.conftest import Person


def act(ada: Person, name: str, chunk: ContextChunk) -> Any:
    return ada.client.post(reverse(f"chats:{name}", args=[ada.context.pk, chunk.pk]), headers={"HX-Request": "true"})


def pair(ada: Person) -> tuple[ContextChunk, ContextChunk]:
    turn = Turn.objects.create(context=ada.context)
    data = {"call_id": "c1", "name": "look", "arguments": {"q": "x"}}
    return ada.add("tool_call", "{}", turn=turn, metadata=data), ada.add(
        "tool_result", "found", turn=turn, metadata=data
    )


def test_a_row_carries_what_the_page_counts_with(ada: Person) -> None:
    chunk = ada.add("file", "text", metadata={"name": "a.py"}, tokens=1234)
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert f'id="chunk-{chunk.pk}"' in page
    assert 'data-kind="file" data-tokens="1234" data-state="complete"' in page
    assert "1,234" in page


def test_the_row_of_a_tool_call_says_its_risk_and_unfolded_its_intent(ada: Person) -> None:
    call, result = pair(ada)
    ContextChunk.objects.filter(pk=call.pk).update(
        intent={"purpose": "test_pass", "scope": "<b>", "risk_level": "high"}
    )
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert page.count('class="risk" data-risk="high" title="Making tests pass · &lt;b&gt; · high risk · by rule"') == 1
    peek = ada.client.get(reverse("chats:chunk", args=[ada.context.pk, call.pk])).content.decode()
    assert "Making tests pass · &lt;b&gt; · high risk · by rule" in peek
    ContextChunk.objects.filter(pk=call.pk).update(intent={})
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert 'data-risk="medium" title="Not declared · look · medium risk · by rule"' in page
    assert "risk" not in ada.client.get(reverse("chats:chunk", args=[ada.context.pk, result.pk])).content.decode()


def test_a_person_sets_the_intent_of_a_call_in_its_opened_row(ada: Person, eve: Person) -> None:
    call, result = pair(ada)
    peek = ada.client.get(reverse("chats:chunk", args=[ada.context.pk, call.pk])).content.decode()
    url = reverse("chats:intent", args=[ada.context.pk, call.pk])
    assert f'hx-post="{url}"' in peek
    ContextChunk.objects.filter(pk=call.pk).update(intent={"scope": "look", "risk_level": "low", "source": "tool"})
    assert 'data-risk="low"' in ada.client.post(url, {"purpose": "test_pass"}).content.decode()
    ContextChunk.objects.filter(pk=call.pk).update(intent={})
    response = ada.client.post(url, {"purpose": "best_practice", "scope": " <i>docs ", "risk_level": "high"})
    html = response.content.decode()
    assert 'data-risk="high" title="Good practice · &lt;i&gt;docs · high risk · stated by you"' in html
    toast = json.loads(response["HX-Trigger"])["toast"]
    assert toast["message"] == "Intent saved"
    ada.client.post(url, {"purpose": "", "scope": "", "risk_level": "low"})
    call.refresh_from_db()
    assert call.intent == {"purpose": "best_practice", "scope": "<i>docs", "risk_level": "high", "source": "person"}
    undone = ada.client.post(toast["undo"])
    assert "Intent undone" in undone["HX-Trigger"]
    call.refresh_from_db()
    assert call.intent == {}
    assert eve.client.post(url, {"purpose": "maintenance"}).status_code == 404
    for target, given in ((call, {"purpose": "fun"}), (call, {"scope": "\x00"}), (result, {"purpose": "maintenance"})):
        refused = ada.client.post(reverse("chats:intent", args=[ada.context.pk, target.pk]), given)
        assert (refused.status_code, refused["HX-Reswap"]) == (422, "none")
        assert json.loads(refused["HX-Trigger"])["toast"]["message"]
    call.state = ContextChunk.State.STREAMING
    call.save()
    assert "<form" not in ada.client.get(reverse("chats:chunk", args=[ada.context.pk, call.pk])).content.decode()


def test_adding_a_note_returns_its_row_and_the_meter(ada: Person) -> None:
    response = ada.client.post(reverse("chats:add-note", args=[ada.context.pk]), {"content": "Mind <b>this</b>"})
    html = response.content.decode()
    chunk = ContextChunk.objects.get()
    assert html.index(f'id="chunk-{chunk.pk}"') < html.index('id="context-meter"')
    assert "Mind &lt;b&gt;this&lt;/b&gt;" in html
    assert html.count('hx-swap-oob="true"') == 6
    assert "1 sent · 0 excluded" in html


@pytest.mark.parametrize("content", ["", "  \n "])
def test_a_blank_note_is_refused_in_its_form(ada: Person, content: str) -> None:
    response = ada.client.post(reverse("chats:add-note", args=[ada.context.pk]), {"content": content})
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#note-form"
    assert "Write something first." in response.content.decode()
    assert not ContextChunk.objects.exists()


def test_a_note_that_is_too_long_is_refused(ada: Person, settings: Any) -> None:
    small = settings.MAESTRO.context.model_copy(update={"max_chunk_chars": 1000})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"context": small})
    response = ada.client.post(reverse("chats:add-note", args=[ada.context.pk]), {"content": "x" * 1001})
    assert response.status_code == 422
    assert "at most 1,000" in response.content.decode()


def test_exclude_returns_the_row_and_offers_undo_of_exactly_that(ada: Person) -> None:
    chunk = ada.add(tokens=700)
    response = act(ada, "exclude", chunk)
    html = response.content.decode()
    assert 'data-state="excluded"' in html
    assert "not sent" in html
    assert "0 sent · 1 excluded" in html
    toast = json.loads(response["HX-Trigger"])["toast"]
    assert "−700 tokens" in toast["message"]
    back = ada.client.post(toast["undo"])
    assert 'data-state="complete"' in back.content.decode()
    assert 'id="context-chunks" hx-swap-oob="innerHTML"' in back.content.decode()


def test_a_row_that_is_not_sent_says_why_and_the_counts_add_up(ada: Person) -> None:
    ada.add(tokens=5)
    turn = Turn.objects.create(context=ada.context)
    broken = {"call_id": "c1", "name": "look", "invalid_arguments": "{oops"}
    ada.add("tool_call", "{oops", turn=turn, metadata=broken, tokens=70)
    ada.add("tool_result", "found", turn=turn, metadata={"call_id": "c1"}, tokens=70)
    html = ada.client.get(reverse("chats:panel", args=[ada.context.pk])).content.decode()
    assert "not sent: arguments are not valid JSON" in html and "not sent: its tool call is not sent" in html
    assert "1 sent · 2 excluded" in html and 'data-used="5"' in html
    assert html.count('data-sent="true"') == 1 and html.count('data-sent="false"') == 2


def test_include_pin_and_unpin_return_the_row(ada: Person) -> None:
    chunk = ada.add()
    act(ada, "exclude", chunk)
    assert 'data-excluded="false"' in act(ada, "include", chunk).content.decode()
    assert 'data-pinned="true"' in act(ada, "pin-chunk", chunk).content.decode()
    assert 'data-pinned="false"' in act(ada, "unpin-chunk", chunk).content.decode()


def test_delete_returns_nothing_in_the_rows_place(ada: Person) -> None:
    kept, chunk = ada.add(content="kept"), ada.add()
    html = act(ada, "delete-chunk", chunk).content.decode()
    assert "<li" not in html.split('id="context-meter"')[0]
    assert "1 sent · 0 excluded" in html
    again = act(ada, "delete-chunk", chunk)
    assert again.status_code == 200
    assert ContextEdit.objects.count() == 1
    restored = act(ada, "restore-chunk", chunk).content.decode()
    assert restored.index(str(kept.pk)) < restored.index(str(chunk.pk))


@pytest.mark.parametrize("half", [0, 1])
def test_the_other_half_of_a_tool_call_goes_out_of_band(ada: Person, half: int) -> None:
    halves = pair(ada)
    html = act(ada, "exclude", halves[half]).content.decode()
    other = html.split(f'id="chunk-{halves[1 - half].pk}"')[1].split(">")[0]
    assert 'hx-swap-oob="true"' in other
    gone = act(ada, "delete-chunk", halves[half]).content.decode()
    assert f'<li id="chunk-{halves[1 - half].pk}" hx-swap-oob="delete">' in gone


def test_bulk_edits_many_and_spares_the_pinned(ada: Person) -> None:
    rows = [ada.add(content=str(number), tokens=100) for number in range(3)]
    act(ada, "pin-chunk", rows[0])
    url = reverse("chats:bulk", args=[ada.context.pk])
    response = ada.client.post(url, {"action": "exclude", "ids": [*(str(row.pk) for row in rows), "nonsense"]})
    assert "2 chunks excluded, −200 tokens" in json.loads(response["HX-Trigger"])["toast"]["message"]
    nothing = ada.client.post(url, {"action": "delete", "ids": [str(rows[0].pk)]})
    assert "pinned chunks stay" in json.loads(nothing["HX-Trigger"])["toast"]["message"]
    gone = ada.client.post(url, {"action": "delete", "ids": [str(rows[1].pk)]})
    assert f'id="chunk-{rows[1].pk}"' not in gone.content.decode()


@pytest.mark.parametrize("edit", ["", "0", "x", "99999999999999999999999"])
def test_undo_without_anything_to_undo_says_so(ada: Person, edit: str) -> None:
    for name in ("undo", "redo"):
        response = ada.client.post(reverse(f"chats:{name}", args=[ada.context.pk]), {"edit": edit})
        assert response.status_code == 200
        assert "Nothing to" in json.loads(response["HX-Trigger"])["toast"]["message"]


def test_undo_and_redo_survive_a_reload(ada: Person) -> None:
    chunk = ada.add()
    act(ada, "delete-chunk", chunk)
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert f'id="chunk-{chunk.pk}"' not in page
    assert f'id="chunk-{chunk.pk}"' in ada.client.post(reverse("chats:undo", args=[ada.context.pk])).content.decode()
    assert (
        f'id="chunk-{chunk.pk}"' not in ada.client.post(reverse("chats:redo", args=[ada.context.pk])).content.decode()
    )


def test_search_looks_into_the_text(ada: Person) -> None:
    chunk = ada.add(content="first line\nthe NEEDLE is here")
    ada.add(content="hay")
    url = reverse("chats:search", args=[ada.context.pk])
    assert ada.client.get(url, {"q": "needle"}).json() == {"ids": [str(chunk.pk)]}
    assert len(ada.client.get(url).json()["ids"]) == 2


def test_peek_shows_the_text_escaped(ada: Person) -> None:
    chunk = ada.add(content="<script>x</script>")
    html = ada.client.get(reverse("chats:chunk", args=[ada.context.pk, chunk.pk])).content.decode()
    assert "&lt;script&gt;" in html


def test_a_provider_without_models_is_asked_once_only(ada: Person) -> None:
    AuthSession.objects.filter(pk=ada.session.pk).update(provider="nonesuch")
    url = reverse("chats:panel", args=[ada.context.pk])
    assert "?models=1" in ada.client.get(url).content.decode()
    assert "?models=1" not in ada.client.get(url, {"models": "1"}).content.decode()
    assert "?models=1" not in ada.client.get(url).content.decode()


def test_a_context_beyond_the_window_says_how_far(ada: Person) -> None:
    ada.add(tokens=128_700)
    html = ada.client.get(reverse("chats:panel", args=[ada.context.pk])).content.decode()
    assert "700 tokens too many" in html


@pytest.mark.both
def test_an_edit_has_a_bounded_number_of_queries(
    ada: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [ada.add(content=str(number)) for number in range(60)]
    ada.client.get(reverse("chats:panel", args=[ada.context.pk]))
    with django_assert_max_num_queries(11):
        act(ada, "exclude", rows[3])
    with django_assert_max_num_queries(8):
        ada.client.get(reverse("chats:panel", args=[ada.context.pk]))


@pytest.mark.both
@pytest.mark.parametrize("half", [None, 0, 1])
def test_the_deletion_of_a_chunk_takes_few_queries(
    ada: Person, django_assert_max_num_queries: DjangoAssertNumQueries, half: int | None
) -> None:
    rows, halves = [ada.add(content=str(number)) for number in range(60)], pair(ada)
    ada.client.get(reverse("chats:panel", args=[ada.context.pk]))
    with django_assert_max_num_queries(11):
        response = act(ada, "delete-chunk", rows[3] if half is None else halves[half])
    assert json.loads(response["HX-Trigger"])["toast"]["undo"].endswith(f"?edit={ContextEdit.objects.get().pk}")


def test_edits_need_post(ada: Person) -> None:
    chunk = ada.add()
    for name in ("exclude", "include", "pin-chunk", "unpin-chunk", "delete-chunk", "restore-chunk"):
        assert ada.client.get(reverse(f"chats:{name}", args=[ada.context.pk, chunk.pk])).status_code == 405


@pytest.mark.parametrize("number", ["²", "٣٤", "-1", "9" * 30, "x", "1 "])
def test_an_edit_number_that_is_none_is_no_crash(ada: Person, number: str) -> None:
    response = ada.client.post(reverse("chats:undo", args=[ada.context.pk]), {"edit": number})
    assert response.status_code == 200


def test_a_selection_that_is_too_large_changes_nothing_and_says_so(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ada.add(content=str(number)) for number in range(3)]
    monkeypatch.setattr(panel, "MAX_BULK", 2)
    url = reverse("chats:bulk", args=[ada.context.pk])
    response = ada.client.post(url, {"action": "delete", "ids": [str(row.pk) for row in rows]})
    assert "At most 2" in json.loads(response["HX-Trigger"])["toast"]["message"]
    assert ContextChunk.objects.filter(deleted_at=None).count() == 3


def test_a_long_chat_is_selected_whole(ada: Person) -> None:
    ids = [str(uuid4()) for _ in range(1500)]
    response = ada.client.post(reverse("chats:bulk", args=[ada.context.pk]), {"action": "exclude", "ids": ids})
    assert response.status_code == 200


@pytest.mark.both
def test_a_nul_in_a_search_finds_nothing_special(ada: Person) -> None:
    ada.add(content="needle")
    found = ada.client.get(reverse("chats:search", args=[ada.context.pk]), {"q": "nee\x00dle"})
    assert len(found.json()["ids"]) == 1
    for name in ("chats:sidebar", "chats:list", "sessions:list"):
        assert ada.client.get(reverse(name), {"q": "a\x00", "provider": "\x00"}).status_code == 200, name
    made = ada.client.post(reverse("chats:new"), {"model": "demo\x00" + "x" * 500})
    assert made.status_code == 302


def test_somebody_elses_session_is_neither_shown_nor_asked(ada: Person, eve: Person) -> None:
    ada.context.session = eve.session
    ada.context.save()
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert 'value="eve_demo"' not in page and ">eve_demo<" not in page.split("chat-list")[0]
    ada.client.get(reverse("chats:panel", args=[ada.context.pk]), {"models": "1"})
    assert not session_models.is_remembered(eve.session), "her key was not used"


def test_the_window_and_the_price_of_a_known_model_need_no_list(ada: Person) -> None:
    AuthSession.objects.filter(pk=ada.session.pk).update(provider="anthropic", auth_type="api_key")
    Context.objects.filter(pk=ada.context.pk).update(model="claude-opus-5-20260724")
    html = ada.client.get(reverse("chats:panel", args=[ada.context.pk])).content.decode()
    assert 'data-window="1000000"' in html and 'data-price="5.0"' in html
    assert "From Maestro&#x27;s model file" in html

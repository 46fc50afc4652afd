"""The chat page and the list beside it."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries

from context_app.models import Context, Stream
from context_app.services import contexts
from sessions_app.models import AuthSession
from tests.web.context.conftest import Person

STRIPE = "How would you write a FastAPI application that handles Stripe-based subscriptions?"


def test_a_stranger_must_sign_in(client: Client, ada: Person) -> None:
    for url in (reverse("chats:list"), reverse("chats:detail", args=[ada.context.pk])):
        response = client.get(url)
        assert response.status_code == 302
        assert reverse("login") in response["Location"]


def test_the_list_offers_a_first_question(ada: Person) -> None:
    page = ada.client.get(reverse("chats:list")).content.decode()
    assert STRIPE in page
    assert "Chat of ada" in page


def test_without_a_session_the_page_says_what_to_do(ada: Person) -> None:
    AuthSession.objects.all().delete()
    for url in (reverse("chats:list"), reverse("chats:detail", args=[ada.context.pk])):
        page = ada.client.get(url).content.decode()
        assert "Connect a session to begin" in page
        assert "Try the demo" in page
        assert re.search(r'<textarea class="composer-text"[^>]* disabled', page)


def test_a_chat_has_conversation_composer_and_panel(ada: Person) -> None:
    turn = ada.turn("Why <b>?", "**Because** <script>alert(1)</script>")
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert f'id="turn-{turn.pk}"' in page
    assert "<strong>Because</strong>" in page
    assert "<script>alert" not in page
    assert 'id="context-chunks"' in page
    assert 'id="context-chunks-empty"' in page
    assert page.count('class="chunk kind-') == 2
    assert "2 sent · 0 excluded" in page


def test_no_page_has_inline_script_style_or_handlers(ada: Person) -> None:
    ada.turn()
    ada.add("note", "mind")
    for url in (reverse("chats:list"), reverse("chats:detail", args=[ada.context.pk])):
        page = ada.client.get(url).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert "<style" not in page
        assert not re.search(r"<[^>]*\sstyle=", page)
        assert not re.search(r"<[^>]*\son[a-z]+=", page)
        assert "hx-on" not in page


@pytest.mark.parametrize("state", ["running", "interrupted", "failed", "cancelled"])
def test_every_state_of_an_answer_is_drawn(ada: Person, state: str) -> None:
    ada.turn(state=state)
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert f'data-state="{state}"' in page


def test_the_number_of_queries_does_not_grow(
    ada: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        ada.turn(f"Question {number}")
        Context.objects.create(owner=ada.user, title=f"Other {number}", session=ada.session)
    url = reverse("chats:detail", args=[ada.context.pk])
    ada.client.get(url)
    with django_assert_max_num_queries(18):
        assert ada.client.get(url).status_code == 200


def test_long_conversations_come_in_pieces(ada: Person) -> None:
    turns = [ada.turn(f"Question {number}") for number in range(35)]
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert f"turn-{turns[4].pk}" not in page
    assert f"turn-{turns[5].pk}" in page
    earlier = reverse("chats:earlier", args=[ada.context.pk]) + f"?before={turns[5].pk}"
    assert earlier.replace("&", "&amp;") in page
    piece = ada.client.get(earlier).content.decode()
    assert [turn.pk for turn in turns if f'id="turn-{turn.pk}"' in piece] == [turn.pk for turn in turns[:5]]
    assert "Show earlier" not in piece


@pytest.mark.parametrize("before", ["", "x", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_turn_is_404(ada: Person, before: str) -> None:
    assert ada.client.get(reverse("chats:earlier", args=[ada.context.pk]), {"before": before}).status_code == 404


def test_new_takes_the_session_and_model_used_last(ada: Person) -> None:
    ada.turn()
    response = ada.client.post(reverse("chats:new"))
    made = Context.objects.exclude(pk=ada.context.pk).get()
    assert response["Location"] == reverse("chats:detail", args=[made.pk])
    assert (made.session, made.model) == (ada.session, "demo")


def test_new_twice_leaves_one_empty_chat(ada: Person) -> None:
    first = ada.client.post(reverse("chats:new"))
    second = ada.client.post(reverse("chats:new"), {"session": str(ada.session.pk), "model": "demo-instant"})
    assert first["Location"] == second["Location"]
    assert Context.objects.get(title="").model == "demo-instant"


def test_new_with_a_foreign_session_is_404(ada: Person, eve: Person) -> None:
    assert ada.client.post(reverse("chats:new"), {"session": str(eve.session.pk)}).status_code == 404
    assert ada.client.post(reverse("chats:new"), {"session": "x"}).status_code == 404


def test_the_list_groups_searches_and_hides_the_archive(ada: Person) -> None:
    now = timezone.now()
    for title, days, pinned in (("Old one", 40, False), ("Week one", 4, False), ("Dear one", 3, True)):
        made = Context.objects.create(owner=ada.user, title=title, pinned=pinned)
        Context.objects.filter(pk=made.pk).update(updated_at=now - timedelta(days=days))
    away = Context.objects.create(owner=ada.user, title="Away", archived_at=now)
    ada.add(content="about needles in hay")
    page = ada.client.get(reverse("chats:sidebar")).content.decode()
    places = [
        page.index(word) for word in ("Pinned", "Dear one", "Today", "Last 7 days", "Week one", "Older", "Old one")
    ]
    assert places == sorted(places)
    assert "Away" not in page
    found = ada.client.get(reverse("chats:sidebar"), {"q": "NEEDLES"}).content.decode()
    assert "Chat of ada" in found
    assert "Old one" not in found
    none = ada.client.get(reverse("chats:sidebar"), {"q": "<zzz>"}).content.decode()
    assert "&lt;zzz&gt;" in none
    archived = ada.client.get(reverse("chats:sidebar"), {"archived": "1"}).content.decode()
    assert str(away.pk) in archived
    assert "Dear one" not in archived


def test_the_list_marks_chats_that_answer(ada: Person) -> None:
    turn = ada.turn(state=Stream.State.RUNNING)
    assert "answering" in ada.client.get(reverse("chats:sidebar")).content.decode()
    Stream.objects.filter(pk=turn.stream_id).update(state="complete")
    assert "answering" not in ada.client.get(reverse("chats:sidebar")).content.decode()


def test_the_list_has_a_bounded_number_of_queries(
    ada: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        Context.objects.create(owner=ada.user, title=f"Chat {number}", session=ada.session)
    ada.client.get(reverse("chats:sidebar"))
    with django_assert_max_num_queries(6):
        ada.client.get(reverse("chats:sidebar"))


def test_rename_trims_escapes_and_refreshes_the_list(ada: Person) -> None:
    response = ada.client.post(reverse("chats:rename", args=[ada.context.pk]), {"title": "  A <b>  title "})
    assert "A &lt;b&gt; title" in response.content.decode()
    assert "chats-changed" in json.loads(response["HX-Trigger"])
    ada.context.refresh_from_db()
    assert ada.context.title == "A <b> title"
    long = ada.client.post(reverse("chats:rename", args=[ada.context.pk]), {"title": "x" * 201})
    assert long.status_code == 422


def test_pin_and_archive_turn_on_and_off(ada: Person) -> None:
    for name, field in (("pin", "pinned"), ("archive", "archived_at")):
        for expected in (True, False):
            ada.client.post(reverse(f"chats:{name}", args=[ada.context.pk]))
            ada.context.refresh_from_db()
            assert bool(getattr(ada.context, field)) is expected


def test_tidying_does_not_move_a_chat_in_the_list(ada: Person) -> None:
    before = Context.objects.get(pk=ada.context.pk).updated_at
    ada.client.post(reverse("chats:pin", args=[ada.context.pk]))
    assert Context.objects.get(pk=ada.context.pk).updated_at == before


def test_a_deleted_chat_is_gone_until_it_is_brought_back(ada: Person) -> None:
    url = reverse("chats:detail", args=[ada.context.pk])
    response = ada.client.post(reverse("chats:delete", args=[ada.context.pk]), headers={"HX-Request": "true"})
    toast = json.loads(response["HX-Trigger"])["toast"]
    assert ada.client.get(url).status_code == 404
    assert "Chat of ada" not in ada.client.get(reverse("chats:sidebar")).content.decode()
    back = ada.client.post(toast["undo"], headers={"HX-Request": "true"})
    assert back["HX-Redirect"] == url
    assert ada.client.get(url).status_code == 200


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why?", "Why?"),
        ("\n\n# A heading\nmore", "A heading"),
        ("word " * 40, "word " * 14 + "word…"),
        (f"{'a' * 38} {'b' * 39} more", f"{'a' * 38} {'b' * 39}…"),
        ("x" * 80, "x" * 80),
        ("   ", ""),
    ],
)
def test_the_title_comes_from_the_first_message(ada: Person, text: str, title: str) -> None:
    context = Context.objects.create(owner=ada.user)
    contexts.title_from(context, text)
    context.refresh_from_db()
    assert context.title == title


def test_a_title_that_somebody_gave_stands(ada: Person) -> None:
    assert contexts.title_from(ada.context, "Another") is False
    stale = Context(pk=ada.context.pk, owner=ada.user)
    assert contexts.title_from(stale, "Another") is False
    ada.context.refresh_from_db()
    assert ada.context.title == "Chat of ada"


def test_a_persons_own_message_is_text_and_no_markdown(ada: Person) -> None:
    typed = r"Path C:\*.log and \\srv\share, __init__.py, 2*3*4*5 <b>bold</b>"
    ada.turn(question=typed)
    page = ada.client.get(reverse("chats:detail", args=[ada.context.pk])).content.decode()
    assert f'<div class="bubble">{escape(typed)}</div>' in page

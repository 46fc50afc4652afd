"""No address of the chats shows, changes or betrays what belongs to somebody else."""

import uuid

import pytest
from django.urls import reverse

from context_app import urls
from context_app.models import Context, ContextChunk, ContextEdit
from tests.web.context.conftest import Person

STREAMS = {"continue", "events", "retry", "send", "stop"}
NAMES = sorted(str(pattern.name) for pattern in urls.urlpatterns if "<uuid:pk>" in str(pattern.pattern))
CHUNK_NAMES = {str(pattern.name) for pattern in urls.urlpatterns if "<uuid:chunk_id>" in str(pattern.pattern)}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in STREAMS])
def test_a_foreign_chat_does_not_exist(ada: Person, eve: Person, name: str) -> None:
    chunk = eve.add(content="secret of eve")
    eve.turn()
    rows = (
        ContextChunk.objects.filter(deleted_at=None, excluded=False, pinned=False).count(),
        ContextEdit.objects.count(),
    )
    for owner_context in (eve.context.pk, uuid.uuid4()):
        args = [owner_context, chunk.pk] if name in CHUNK_NAMES else [owner_context]
        url = reverse(f"chats:{name}", args=args)
        answers = [ada.client.get(url), ada.client.post(url, {"title": "x", "content": "x"})]
        assert {answer.status_code for answer in answers} <= {404, 405}
        assert 404 in {answer.status_code for answer in answers}
        assert all(b"secret of eve" not in answer.content for answer in answers)
    fresh = Context.objects.get(pk=eve.context.pk)
    assert (fresh.title, fresh.pinned, fresh.archived_at, fresh.deleted_at) == ("Chat of eve", False, None, None)
    assert rows == (
        ContextChunk.objects.filter(deleted_at=None, excluded=False, pinned=False).count(),
        ContextEdit.objects.count(),
    )


@pytest.mark.parametrize("name", sorted(CHUNK_NAMES))
def test_a_foreign_chunk_is_not_reached_through_an_own_chat(ada: Person, eve: Person, name: str) -> None:
    chunk = eve.add(content="secret of eve")
    url = reverse(f"chats:{name}", args=[ada.context.pk, chunk.pk])
    assert 404 in {ada.client.get(url).status_code, ada.client.post(url).status_code}
    chunk.refresh_from_db()
    assert (chunk.excluded, chunk.pinned, chunk.deleted_at) == (False, False, None)


def test_bulk_edits_pass_over_foreign_chunks(ada: Person, eve: Person) -> None:
    chunk = eve.add()
    ada.client.post(reverse("chats:bulk", args=[ada.context.pk]), {"action": "delete", "ids": [str(chunk.pk)]})
    chunk.refresh_from_db()
    assert chunk.deleted_at is None


def test_the_list_and_its_search_know_only_the_own_chats(ada: Person, eve: Person) -> None:
    eve.add(content="secret of eve")
    for params in ({}, {"q": "eve"}, {"q": "secret"}, {"archived": "1"}):
        assert "Chat of eve" not in ada.client.get(reverse("chats:sidebar"), params).content.decode()

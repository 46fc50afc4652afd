"""Chats: how one begins, what its title and model are cut to, and what a change of it leaves alone."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from context_app.models import Context, ContextChunk, Turn
from context_app.services import contexts

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Any:
    return get_user_model().objects.create_user("ada")


def longest(name: str) -> int:
    """The characters that a column holds."""
    return int(Context._meta.get_field(name).max_length or 0)


@pytest.mark.parametrize(("suggested", "model", "stored"), [(True, "m", True), (False, "m", False), (True, " ", False)])
def test_a_model_is_maestros_choice_only_where_that_is_said(
    owner: Any, suggested: bool, model: str, stored: bool
) -> None:
    made = contexts.create(owner=owner, model=model, model_suggested=suggested)
    assert Context.objects.get(pk=made.pk).model_suggested is stored
    assert contexts.create(owner=owner, model="other").model_suggested is False, "nothing was said"


def test_a_model_and_a_title_are_cut_to_what_their_columns_hold(owner: Any) -> None:
    made = contexts.create(owner=owner, model=" a\x00b" + "m" * 300)
    assert made.model == "ab" + "m" * (longest("model") - 2)
    assert contexts.update(context=made, title="  t  " + "t" * 300) is made
    assert made.title == "t " + "t" * (longest("title") - 2)
    made.refresh_from_db()
    assert (len(made.model), len(made.title)) == (longest("model"), longest("title"))
    assert contexts.create_new(owner=owner.pk, title="x" * 300).title == "x" * longest("title")


def used(context: Context) -> None:
    Turn.objects.create(context=context)


def noted(context: Context) -> None:
    ContextChunk.objects.create(context=context, order=1, kind="note", role="user", content="x")


@pytest.mark.parametrize(
    "touch",
    [
        used,
        noted,
        lambda context: contexts.update(context=context, title="named"),
        lambda context: contexts.update(context=context, pinned=True),
        lambda context: contexts.update(context=context, archived_at=timezone.now()),
        lambda context: contexts.delete(context=context),
    ],
)
def test_a_second_new_chat_is_the_first_one_as_long_as_nothing_was_done_with_it(owner: Any, touch: Any) -> None:
    first = contexts.create(owner=owner, model="a")
    first.params = {"top_k": 7}
    first.save()
    again = contexts.create(owner=owner, model="b")
    assert again.pk == first.pk and (again.model, again.params) == ("b", {})
    touch(again)
    assert contexts.create(owner=owner).pk != first.pk
    other = get_user_model().objects.create_user("eve")
    assert contexts.create(owner=other).owner == other


def test_a_change_of_a_chat_does_not_move_it_in_the_list(owner: Any) -> None:
    made = contexts.create(owner=owner)
    before = Context.objects.get(pk=made.pk).updated_at
    contexts.update(context=made, pinned=True)
    deleted = contexts.delete(context=made)
    assert deleted is made and made.deleted_at is not None
    assert contexts.restore(context=made) is made and made.deleted_at is None
    after = Context.objects.get(pk=made.pk)
    assert (after.updated_at, after.pinned, after.deleted_at) == (before, True, None)


def test_a_new_chat_with_a_system_text_begins_with_it(owner: Any) -> None:
    made = contexts.create_new(owner=owner.pk, title="T", system="Be brief.")
    chunk = ContextChunk.objects.get()
    assert (chunk.context, chunk.kind, chunk.content, made.owner) == (made, "system", "Be brief.", owner)
    contexts.create_new(owner=owner.pk)
    assert Context.objects.count() == 2 and ContextChunk.objects.count() == 1

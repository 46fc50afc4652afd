"""Each list of contexts in the admin: its columns, words, filters and dates, and what it does not count."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from context_app import admin
from context_app.models import Context, ContextChunk, ContextEdit, MediaFile, Stream, Turn
from tests.web.admin_lists import Listed, address, check
from tests.web.context.conftest import BACKEND, Person

LISTS = (
    *(admin.ContextAdmin, admin.ContextChunkAdmin, admin.ContextEditAdmin),
    *(admin.MediaFileAdmin, admin.StreamAdmin, admin.TurnAdmin),
)
GROWING = (*LISTS[1:],)
"""Lists of tables with a row for each message, so that a search must not count them."""


@pytest.fixture
def operator(db: Any, django_user_model: Any) -> Client:
    client = Client()
    root = django_user_model.objects.create_superuser("root", password="correct horse battery")
    client.force_login(root, backend=BACKEND)
    return client


def at(year: int) -> datetime:
    return datetime(year, 5, 6, 7, 8, tzinfo=UTC)


def wrote(row: Model, **columns: Any) -> Any:
    """The row with other values, its times included."""
    type(row)._default_manager.filter(pk=row.pk).update(**columns)
    return type(row)._default_manager.get(pk=row.pk)


def chats(ada: Person, eve: Person) -> Listed:
    for number in range(3):
        ada.add(deleted_at=timezone.now() if number == 2 else None)
    row = wrote(
        ada.context, title="Zebra", model="striped", pinned=True,
        archived_at=at(2001), deleted_at=at(2002), updated_at=at(2003),
    )  # fmt: skip
    wrote(eve.session, provider="remote")
    columns = {
        "shown_title": "Zebra", "owner": "ada", "session": "ada_demo", "model": "striped", "chunk_count": "2",
        "pinned": "True", "archived_at": "2001", "deleted_at": "2002", "updated_at": "2003",
    }  # fmt: skip
    return Listed(row, eve.context, columns, ("zebra", "ada", "ada_demo", "striped", str(row.pk)), "2003")


def pieces(ada: Person, eve: Person) -> Listed:
    wrote(ada.context, title="Zebra")
    intent = {"purpose": "test_pass", "risk_level": "high"}
    row = wrote(
        ada.add("tool_call", "needle in hay", tokens=1234, metadata={"call_id": "c", "name": "look"}),
        pinned=True, excluded=True, not_sent="no_name", intent=intent, role="tool", state="partial",
        deleted_at=at(2001), created_at=at(2002),
    )  # fmt: skip
    columns = {
        "preview": "needle in hay", "kind": "Tool call", "role": "Tool", "risk": "high", "tokens": "1234",
        "state": "Partial", "pinned": "True", "excluded": "True", "context": "Zebra", "created_at": "2002",
    }  # fmt: skip
    words = ("needle", "zebra", "ada", str(row.pk), str(ada.context.pk))
    return Listed(row, eve.add("user", "something else"), columns, words, "2002")


def edits(ada: Person, eve: Person) -> Listed:
    wrote(ada.context, title="Zebra")
    row = wrote(
        ContextEdit.objects.create(context=ada.context, actor=ada.user, action="unpin"),
        undone_at=at(2001), at=at(2002),
    )  # fmt: skip
    other = ContextEdit.objects.create(context=eve.context, actor=eve.user, action="add")
    columns = {"at": "2002", "action": "unpin", "context": "Zebra", "actor": "ada", "undone_at": "2001"}
    return Listed(row, other, columns, ("zebra", str(ada.context.pk), "ada"))


def files(ada: Person, eve: Person) -> Listed:
    wrote(ada.context, title="Zebra")
    row = MediaFile.objects.create(
        owner=ada.user, context=ada.context, media_type="image/png", size=1234, name="plan.png"
    )
    row = wrote(row, created_at=at(2001))
    other = MediaFile.objects.create(owner=eve.user, media_type="image/webp", size=5, name="cat")
    columns = {
        "created_at": "2001", "owner": "ada", "media_type": "image/png", "size": "1234", "name": "plan.png",
        "context": "Zebra",
    }  # fmt: skip
    return Listed(row, other, columns, (str(row.pk), "ada", "plan", str(ada.context.pk)))


def streams(ada: Person, eve: Person) -> Listed:
    row = wrote(
        Stream.objects.create(owner=ada.user, state="failed", process="host-7", last_seq=1234, heartbeat_at=at(2001)),
        created_at=at(2002), ended_at=at(2003),
    )  # fmt: skip
    other = Stream.objects.create(owner=eve.user, heartbeat_at=timezone.now())
    columns = {
        "id": str(row.pk), "owner": "ada", "state": "Failed", "process": "host-7", "last_seq": "1234",
        "heartbeat_at": "2001", "created_at": "2002", "ended_at": "2003",
    }  # fmt: skip
    return Listed(row, other, columns, (str(row.pk), "ada", "host-7"))


def turns(ada: Person, eve: Person) -> Listed:
    wrote(ada.context, title="Zebra")
    row = wrote(
        ada.turn(state="cancelled"), provider="anthropic", model="striped", session_label="first", created_at=at(2001)
    )
    columns = {
        "created_at": "2001", "context": "Zebra", "provider": "anthropic", "model": "striped",
        "session_label": "first", "state": "Stopped",
    }  # fmt: skip
    words = (str(row.pk), "zebra", "first", "striped", str(ada.context.pk))
    return Listed(row, eve.turn(), columns, words)


MADE = dict(zip(LISTS, (chats, pieces, edits, files, streams, turns), strict=True))


@pytest.mark.parametrize("kind", LISTS)
def test_each_column_shows_its_value_and_each_word_filter_and_date_finds_its_row(
    operator: Client, ada: Person, eve: Person, kind: Any
) -> None:
    assert run_checks() == []
    check(operator, kind, MADE[kind](ada, eve))


@pytest.mark.parametrize("kind", GROWING)
def test_a_search_does_not_count_the_whole_table(operator: Client, ada: Person, eve: Person, kind: Any) -> None:
    MADE[kind](ada, eve)
    page = operator.get(address(kind, "changelist"), {"q": "nothing"}).content.decode()
    assert "Show all" in page and " total" not in page


def test_of_a_chat_its_title_and_pin_can_be_changed_and_the_rest_is_read(
    operator: Client, ada: Person, eve: Person
) -> None:
    row: Any = chats(ada, eve).row
    wrote(row, params={"top_k": 7}, created_at=at(2004))
    url = address(Context, "change", row.pk)
    page = operator.get(url)
    form = page.context["adminform"]
    assert set(form.form.fields) == {"title", "pinned"}
    text = page.content.decode()
    for shown in (str(row.pk), ">ada<", "ada_demo", "striped", "top_k", "2001", "2002", "2003", "2004"):
        assert shown in text, shown
    assert operator.post(url, {"title": "Okapi", "model": "other", "owner": eve.user.pk}).status_code == 302
    row.refresh_from_db()
    assert (row.title, row.pinned, row.model, row.owner_id) == ("Okapi", False, "striped", ada.user.pk)


def test_bulk_actions_say_how_many_rows_they_changed(operator: Client, ada: Person, eve: Person) -> None:
    url = address(Context, "changelist")
    chosen = {"_selected_action": [str(ada.context.pk), str(eve.context.pk)]}
    wrote(ada.context, archived_at=at(2001))
    assert "1 archived." in operator.post(url, {"action": "put_away", **chosen}, follow=True).content.decode()
    assert Context.objects.get(pk=ada.context.pk).archived_at == at(2001), "it was archived then"
    wrote(eve.context, deleted_at=at(2002))
    assert "1 deleted." in operator.post(url, {"action": "remove", **chosen}, follow=True).content.decode()
    assert Context.objects.get(pk=eve.context.pk).deleted_at == at(2002), "it goes when it would have gone"


def test_a_chat_that_is_deleted_already_keeps_its_day(operator: Client, ada: Person) -> None:
    wrote(ada.context, deleted_at=at(2001))
    assert operator.post(address(Context, "delete", ada.context.pk), {"post": "yes"}).status_code == 302
    assert Context.objects.get(pk=ada.context.pk).deleted_at == at(2001)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("", "(empty)"),
        (" \n\t", "(empty)"),
        ("one\n  two", "one two"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 80 + "…"),
        (" " * 199 + "yz", "y"),
    ],
)
def test_the_preview_of_a_chunk_is_one_line_of_at_most_eighty_characters(ada: Person, content: str, shown: str) -> None:
    registered = admin.ContextChunkAdmin(ContextChunk, admin.admin.site)
    assert registered.preview(ContextChunk(content=content)) == shown
    assert registered.risk(ContextChunk(kind="user")) == "–"


def test_a_turn_without_an_answer_has_no_state(operator: Client, ada: Person) -> None:
    assert admin.TurnAdmin(Turn, admin.admin.site).state(Turn()) == "–"

"""How the answers of a chat continue is a setting that the journal of edits knows: undo takes it back."""

from typing import Any

from context_app.models import Context, ContextChunk, ContextEdit
from context_app.views import panel
from tests.web.context.conftest import Person
from tests.web.context.test_panel_edits import message, post


def choose(person: Person, continuing: str) -> Any:
    return post(person, "params", continuing=continuing)


def chosen(person: Person) -> str:
    return str(Context.objects.get(pk=person.context.pk).continuing)


def test_how_answers_continue_is_an_edit_that_undo_and_redo_know(ada: Person) -> None:
    for choice in ("instruct", "instruct", "never"):
        assert choose(ada, choice).status_code == 200
    assert list(ContextEdit.objects.order_by("id").values_list("action", "actor")) == [("continuing", ada.user.pk)] * 2
    seen = []
    for action in ("undo", "undo", "undo", "redo", "redo", "redo"):
        response = post(ada, action)
        drawn = response.content.decode()
        field = drawn[drawn.index('<select name="continuing"') :]
        assert f'value="{chosen(ada)}" selected' in field and 'hx-swap-oob="true"' in field.split(">")[0]
        seen.append((chosen(ada), message(response)))
    name = "Change of how answers continue"
    assert seen == [
        *(("instruct", f"{name} undone"), ("auto", f"{name} undone"), ("auto", "Nothing to undo")),
        *(("instruct", f"{name} done again"), ("never", f"{name} done again"), ("never", "Nothing to redo")),
    ]


def test_undo_puts_back_one_edit_after_the_other_whatever_it_was_about(ada: Person) -> None:
    chunk = ada.add()
    choose(ada, "restart")
    post(ada, "pin-chunk", chunk)
    post(ada, "undo")
    assert (chosen(ada), ContextChunk.objects.get().pinned) == ("restart", False)
    post(ada, "undo")
    assert chosen(ada) == "auto"
    choose(ada, "exact")
    assert panel.panel(ada.context)["redoable"] is False, "a new choice ends what could be redone"


def test_a_forged_journal_entry_changes_no_other_column(ada: Person) -> None:
    choose(ada, "never")
    edit = ContextEdit.objects.get()
    edit.before = {str(ada.context.pk): {"continuing": "auto", "title": "x", "owner_id": 0}}
    edit.save()
    post(ada, "undo")
    found = Context.objects.get(pk=ada.context.pk)
    assert (found.continuing, found.title, found.owner_id) == ("auto", ada.context.title, ada.user.pk)

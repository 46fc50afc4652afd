"""The forms of the chat page: what they take to their limits, and what becomes of it."""

from typing import Any

import pytest
from django.test import RequestFactory

from context_app import forms
from context_app.models import Context


def longest(name: str) -> int:
    return int(Context._meta.get_field(name).max_length or 0)


@pytest.mark.parametrize(("text", "found"), [(" a\x00b ", "ab"), ("x" * 201, "x" * 200), ("", "")])
def test_a_search_has_no_nul_and_an_end(rf: RequestFactory, text: str, found: str) -> None:
    assert forms.search_text(rf.get("/", {"q": text})) == found
    assert forms.search_text(rf.get("/")) == ""


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_title_and_a_model_are_as_long_as_their_columns(beyond: int) -> None:
    title = forms.TitleForm({"title": " " + "t" * (longest("title") + beyond)})
    assert title.is_valid() is not bool(beyond)
    session = "12345678-1234-5678-1234-567812345678"
    chosen = forms.ChooseForm({"session": session, "model": "m" * (longest("model") + beyond) + " "})
    assert chosen.is_valid() is not bool(beyond)
    assert forms.TitleForm({"title": ""}).is_valid()
    assert not forms.ChooseForm({"session": session, "model": " "}).is_valid()
    assert not forms.ChooseForm({"session": "x", "model": "m"}).is_valid()


@pytest.mark.parametrize(("given", "role"), [({}, ""), ({"role": "user"}, "user"), ({"role": "system"}, "system")])
def test_a_note_is_a_message_or_system_text(given: dict[str, str], role: str) -> None:
    form = forms.NoteForm({"content": "x", **given})
    assert form.is_valid() and form.cleaned_data == {"content": "x", "role": role}
    assert not forms.NoteForm({"content": "x", "role": "tool"}).is_valid()
    assert forms.NoteForm({"content": " "}).errors == {"content": ["Write something first."]}


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize(("form", "field"), [(forms.NoteForm, "content"), (forms.ParametersForm, "system")])
def test_text_is_as_long_as_a_chunk(settings: Any, form: Any, field: str, beyond: int) -> None:
    small = settings.MAESTRO.context.model_copy(update={"max_chunk_chars": 1000})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"context": small})
    filled = form({field: "x" * (1000 + beyond)})
    assert filled.is_valid() is not bool(beyond)
    if beyond:
        assert filled.errors[field] == ["This is 1,001 characters; a chunk has at most 1,000."]


GIVEN = {"max_output_tokens": "12", "temperature": "0.5", "top_p": "0.9", "reasoning_effort": "high", "system": "Be."}


def test_parameters_that_are_filled_in_are_sent_and_blank_ones_are_not() -> None:
    form = forms.ParametersForm(GIVEN)
    assert form.is_valid()
    assert form.params() == {"max_output_tokens": 12, "temperature": 0.5, "top_p": 0.9, "reasoning_effort": "high"}
    empty = forms.ParametersForm({})
    assert empty.is_valid() and empty.params() == {}
    zero = forms.ParametersForm({"temperature": "0", "top_p": "0"})
    assert zero.is_valid() and zero.params() == {"temperature": 0.0, "top_p": 0.0}, "nought is a choice"


@pytest.mark.parametrize("effort", [*forms.EFFORTS, ""])
def test_every_effort_can_be_chosen(effort: str) -> None:
    assert forms.ParametersForm({"reasoning_effort": effort}).is_valid()
    assert not forms.ParametersForm({"reasoning_effort": f"{effort}_x"}).is_valid()


def test_a_field_says_how_it_is_typed() -> None:
    form = forms.ParametersForm()
    assert 'inputmode="numeric"' in str(form["max_output_tokens"]) and 'min="1"' in str(form["max_output_tokens"])
    for name, step in (("temperature", "0.1"), ("top_p", "0.05")):
        assert 'inputmode="decimal"' in str(form[name]) and f'step="{step}"' in str(form[name])
    for name in ("max_output_tokens", "temperature", "top_p"):
        assert "placeholder=" in str(form[name]) and not form.fields[name].required and form.fields[name].help_text
    assert not forms.ParametersForm({"max_output_tokens": "1.5"}).is_valid()
    assert "placeholder=" in str(form["system"]) and 'rows="6"' in str(form["system"])
    assert 'rows="4"' in str(forms.NoteForm()["content"])

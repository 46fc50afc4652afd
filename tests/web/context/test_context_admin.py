"""Contexts and what belongs to them in the admin: searchable, read-only, no query per row."""

import pytest
from django.contrib.admin import site
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from context_app.models import Context, ContextChunk, ContextEdit, MediaFile
from tests.web.context.conftest import BACKEND, Person

MODELS = ["context", "contextchunk", "contextedit", "mediafile", "stream", "turn"]


@pytest.fixture
def operator(ada: Person) -> Client:
    ada.user.is_staff = ada.user.is_superuser = True
    ada.user.save()
    client = Client()
    client.force_login(ada.user, backend=BACKEND)
    return client


@pytest.mark.parametrize("model", MODELS)
def test_lists_search_and_need_no_query_per_row(
    operator: Client, ada: Person, model: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(15):
        ada.turn(f"Question {number}")
        Context.objects.create(owner=ada.user, title=f"Chat {number}", session=ada.session)
        ContextEdit.objects.create(context=ada.context, actor=ada.user, action="pin")
    url = reverse(f"admin:context_app_{model}_changelist")
    operator.get(url)
    with django_assert_max_num_queries(16):
        assert operator.get(url).status_code == 200
    assert operator.get(url, {"q": "ada"}).status_code == 200
    assert operator.get(url, {"q": str(ada.context.pk)}).status_code == 200


def test_every_column_filter_and_search_of_every_list_is_one_of_its_rows(operator: Client, ada: Person) -> None:
    ada.turn("Question")
    assert run_checks() == []
    for shown in (registered for kind, registered in site._registry.items() if kind._meta.app_label == "context_app"):
        url = reverse(f"admin:context_app_{shown.opts.model_name}_changelist")
        for name in shown.list_filter:
            if isinstance(name, str):
                assert operator.get(url, {f"{name}__isnull": "False"}).status_code == 200, name
        for number, name in enumerate(shown.list_display, 1):
            assert operator.get(url, {"o": str(number)}).status_code == 200, name
        assert operator.get(url, {"q": "nothing"}).context["cl"].result_count == 0


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_by_hand(operator: Client, model: str) -> None:
    assert operator.get(reverse(f"admin:context_app_{model}_add")).status_code == 403


@pytest.mark.parametrize("model", [model for model in MODELS if model != "context"])
def test_rows_are_read_and_not_changed(operator: Client, ada: Person, model: str) -> None:
    turn = ada.turn("As it was said")
    edit = ContextEdit.objects.create(context=ada.context, actor=ada.user, action="pin")
    chunk = turn.chunks.get(kind="user")
    file = MediaFile.objects.create(owner=ada.user, media_type="image/png", size=3)
    keys = {"contextchunk": chunk.pk, "contextedit": edit.pk, "stream": turn.stream_id, "turn": turn.pk}
    pk = {**keys, "mediafile": file.pk}[model]
    url = reverse(f"admin:context_app_{model}_change", args=[pk])
    page = operator.get(url).content.decode()
    assert 'name="_save"' not in page and "<textarea" not in page
    assert operator.post(url, {"content": "changed", "kind": "user", "role": "user", "order": 1}).status_code == 403
    chunk.refresh_from_db()
    assert chunk.content == "As it was said"


def test_pages_of_single_rows_open(operator: Client, ada: Person) -> None:
    turn = ada.turn("<script>alert(1)</script>")
    chunk = turn.chunks.first()
    assert chunk is not None
    for model, pk in (
        ("context", ada.context.pk),
        ("contextchunk", chunk.pk),
        ("turn", turn.pk),
        ("stream", turn.stream_id),
        ("mediafile", MediaFile.objects.create(owner=ada.user, media_type="image/png", size=5).pk),
    ):
        response = operator.get(reverse(f"admin:context_app_{model}_change", args=[pk]))
        assert response.status_code == 200
        assert b"<script>alert(1)" not in response.content


def test_the_list_of_files_is_searched_by_their_owner(operator: Client, ada: Person) -> None:
    MediaFile.objects.create(owner=ada.user, media_type="image/webp", size=5)
    page = operator.get(reverse("admin:context_app_mediafile_changelist"), {"q": "ada"}).content.decode()
    assert "image/webp" in page


def test_bulk_actions_archive_and_delete(operator: Client, ada: Person) -> None:
    url = reverse("admin:context_app_context_changelist")
    operator.post(url, {"action": "put_away", "_selected_action": [str(ada.context.pk)]})
    ada.context.refresh_from_db()
    assert ada.context.archived_at is not None
    operator.post(url, {"action": "remove", "_selected_action": [str(ada.context.pk)]})
    ada.context.refresh_from_db()
    assert ada.context.deleted_at is not None


def test_deleting_a_chat_here_can_be_undone_as_everywhere(operator: Client, ada: Person) -> None:
    operator.post(reverse("admin:context_app_context_delete", args=[ada.context.pk]), {"post": "yes"})
    ada.context.refresh_from_db()
    assert ada.context.deleted_at is not None
    page = operator.get(reverse("admin:context_app_context_changelist")).content.decode()
    assert 'value="remove"' in page and 'value="delete_selected"' not in page


def test_tool_calls_are_found_by_risk_and_purpose(operator: Client, ada: Person) -> None:
    def add(content: str, intent: dict[str, str]) -> None:
        metadata = {"call_id": content, "name": "deploy"}
        chunk = ada.add("tool_call", content, metadata=metadata)
        ContextChunk.objects.filter(pk=chunk.pk).update(intent=intent)

    add("stated-high", {"purpose": "test_pass", "scope": "s", "risk_level": "high"})
    add("older-high", {"purpose": "tidy up", "risk": "high"})
    add("unsaid", {})
    add("no-purpose", {"purpose": None, "scope": "s", "risk_level": "low", "source": "tool"})
    add("before", {"purpose": "maintenance", "scope": "s", "risk_level": "low", "source": "rule"})
    ada.add("user", "no call")

    everything = {"stated-high", "older-high", "unsaid", "no-purpose", "before", "no call"}

    def found(**filters: str) -> set[str]:
        page = operator.get(reverse("admin:context_app_contextchunk_changelist"), filters).content.decode()
        return {word for word in everything if f">{word}<" in page}

    assert found(risk="high") == {"stated-high", "older-high"}
    assert found(risk="medium") == {"unsaid"}
    assert found(risk="low") == {"no-purpose", "before"}
    assert found(purpose="test_pass") == {"stated-high"}
    assert found(purpose="maintenance") == {"before"}
    assert found(purpose="none") == {"older-high", "unsaid", "no-purpose"}
    assert found(risk="nonsense") == found(purpose="nonsense") == everything

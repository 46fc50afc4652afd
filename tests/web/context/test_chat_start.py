"""What the page of a new chat offers: who is asked, which models there are, and the chats that were put away."""

import json
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from context_app.models import Context
from providers_app import conf
from sessions_app.models import AuthSession
from tests.web.context.conftest import Person


def chosen(person: Person) -> tuple[str, str]:
    """The session's id and the model in the composer of the start page."""
    page = person.client.get(reverse("chats:list")).content.decode()
    found = [re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', page) for name in ("session", "model")]
    assert all(found)
    return found[0][1], found[1][1]  # type: ignore[index]


def chat(person: Person, session: AuthSession | None, model: str, days: float) -> Context:
    """A chat that was last used so many days ago."""
    made = Context.objects.create(owner=person.user, title="Used", session=session, model=model)
    Context.objects.filter(pk=made.pk).update(updated_at=timezone.now() - timedelta(days=days))
    return made


def other(person: Person, name: str, **fields: str) -> AuthSession:
    """Another session of the person; its provider comes first in the list."""
    values = {"provider": "anthropic", "auth_type": "api_key"} | fields
    return AuthSession.objects.create(owner=person.user, name=name, **values)


def test_the_newest_chat_decides_who_is_asked(ada: Person) -> None:
    work = other(ada, "a_work")
    Context.objects.filter(pk=ada.context.pk).update(updated_at=timezone.now() - timedelta(days=2))
    chat(ada, work, "claude-one", 1)
    assert chosen(ada) == (str(work.pk), "claude-one")
    chat(ada, ada.session, "demo-slow", 0.5)
    assert chosen(ada) == (str(ada.session.pk), "demo-slow")


@pytest.mark.parametrize(
    "gone",
    [{"status": "disabled"}, {"status": "needs_reauth"}, {"deleted_at": timezone.now()}],
    ids=["disabled", "refused", "deleted"],
)
def test_a_chat_whose_session_cannot_be_asked_is_passed_over(ada: Person, gone: dict[str, object]) -> None:
    other(ada, "a_first")
    bad = other(ada, "a_work")
    chat(ada, bad, "claude-one", 0)
    AuthSession.objects.filter(pk=bad.pk).update(**gone)
    assert chosen(ada) == (str(ada.session.pk), "demo")


def test_deleted_chats_and_those_without_a_model_do_not_decide(ada: Person, eve: Person) -> None:
    work = other(ada, "a_work")
    Context.objects.filter(pk=chat(ada, work, "claude-one", 0).pk).update(deleted_at=timezone.now())
    chat(ada, work, "", 0)
    Context.objects.create(owner=eve.user, session=eve.session, model="demo-hang")
    assert chosen(ada) == (str(ada.session.pk), "demo")


def test_without_a_chat_the_first_session_that_has_a_model_to_begin_with_is_taken(ada: Person) -> None:
    Context.objects.all().delete()
    work = other(ada, "a_work", provider="azure_openai")  # its deployments have names of their own
    assert chosen(ada) == (str(ada.session.pk), "demo")
    AuthSession.objects.filter(pk=ada.session.pk).update(status="disabled")
    assert chosen(ada) == (str(work.pk), "")
    made = ada.client.post(reverse("chats:new"))
    assert Context.objects.get(pk=made["Location"].split("/")[-2]).session == work


def test_a_provider_without_a_default_begins_with_its_general_model_which_is_marked(ada: Person) -> None:
    Context.objects.all().delete()
    AuthSession.objects.filter(pk=ada.session.pk).update(status="disabled")
    work = other(ada, "a_work")
    session, model = chosen(ada)
    assert session == str(work.pk) and model.startswith("claude-sonnet-")
    assert "chosen by Maestro" in ada.client.get(reverse("chats:list")).content.decode()
    new = reverse("chats:new")
    made = Context.objects.get(pk=ada.client.post(new, {"session": session, "model": model})["Location"].split("/")[-2])
    assert (made.model, made.model_suggested) == (model, True)
    own = ada.client.post(new, {"session": session, "model": "claude-opus-5"})["Location"].split("/")[-2]
    context = Context.objects.get(pk=own)
    assert (context.model, context.model_suggested) == ("claude-opus-5", False)
    page = ada.client.get(reverse("chats:detail", args=[own])).content.decode()
    assert "chosen by Maestro" not in page


def test_a_configured_default_is_no_choice_of_maestros(ada: Person) -> None:
    Context.objects.all().delete()
    AuthSession.objects.filter(pk=ada.session.pk).update(status="disabled")
    work = other(ada, "a_work")
    tree = settings.MAESTRO.providers
    configured = tree.anthropic.model_copy(update={"default_model": "claude-haiku-5-5"})
    with conf.use(tree.model_copy(update={"anthropic": configured})):
        assert chosen(ada) == (str(work.pk), "claude-haiku-5-5")
        assert "chosen by Maestro" not in ada.client.get(reverse("chats:list")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_models_of_the_demo_come_in_its_own_order(ada: Person) -> None:
    page = ada.client.get(reverse("chats:models"), {"session": str(ada.session.pk)}).content.decode()
    shown = re.findall(r'data-model="([^"]+)"', page)
    assert shown[:3] == ["demo", "demo-instant", "demo-slow"]
    faults = [at for at, model in enumerate(shown) if "-error-" in model or model in {"demo-hang", "demo-reset"}]
    normal = [shown.index(model) for model in ("demo-reasoning", "demo-tools", "demo-long", "demo-markdown")]
    assert faults and max(normal) < min(faults)


def test_archived_chats_are_counted_listed_searched_and_taken_back(ada: Person, eve: Person) -> None:
    sidebar = reverse("chats:sidebar")
    Context.objects.filter(pk=eve.context.pk).update(archived_at=timezone.now())
    assert "Nothing is archived." in ada.client.get(sidebar, {"archived": "1"}).content.decode()
    ada.add(content="about needles in hay")
    answer = ada.client.post(reverse("chats:archive", args=[ada.context.pk]))
    told = json.loads(answer["HX-Trigger"])
    assert told["toast"]["message"] == "Chat archived" and "chats-changed" in told
    listed = ada.client.get(sidebar).content.decode()
    assert "Chat of ada" not in listed and 'Archived</span><span class="num">1</span>' in listed
    archived = ada.client.get(sidebar, {"archived": "1"}).content.decode()
    assert "Chat of ada" in archived and "Chat of eve" not in archived
    assert "All chats" in archived and 'name="archived" value="1"' in archived
    assert "Chat of ada" in ada.client.get(sidebar, {"archived": "1", "q": "NEEDLES"}).content.decode()
    none = ada.client.get(sidebar, {"archived": "1", "q": "thimble"}).content.decode()
    assert "Chat of ada" not in none and "thimble" in none
    assert ada.client.get(reverse("chats:detail", args=[ada.context.pk])).status_code == 200
    ada.client.post(told["toast"]["undo"])
    assert "Chat of ada" in ada.client.get(sidebar).content.decode()
    assert "Nothing is archived." in ada.client.get(sidebar, {"archived": "1"}).content.decode()

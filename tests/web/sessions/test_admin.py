"""Django admin: filters, actions, a credential that goes in and never comes out, several people."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.services import lifecycle
from tests.unit.sessions.support import CANARY, make, make_remote, settle
from tests.vendors.server import VendorServer
from tests.web.sessions.support import messages_of, signed_in, text_of

LIST = reverse("admin:sessions_app_authsession_changelist")
ADD = reverse("admin:sessions_app_authsession_add")


@pytest.fixture
def root(db: Any) -> User:
    return User.objects.create_superuser("root", password="a long enough password")


@pytest.fixture
def admin(root: User) -> Client:
    return signed_in(root)


def change(session: AuthSession) -> str:
    return reverse("admin:sessions_app_authsession_change", args=[session.pk])


def fields(owner: User, **given: str) -> dict[str, Any]:
    return {
        "owner": owner.pk, "provider": "anthropic", "auth_type": "api_key", "name": "from_admin", "base_url": "",
        "key": f"sk-ant-{CANARY}",
    } | given  # fmt: skip


def test_sessions_of_several_people_are_listed_filtered_and_found(admin: Client, alice: User, bob: User) -> None:
    make(alice, "hers")
    lifecycle.disable(make(bob, "his"))
    page = text_of(admin.get(LIST))
    assert "hers" in page and "his" in page and "alice" in page
    assert admin.get(LIST, {"state_group": "disabled"}).context["cl"].result_count == 1
    assert admin.get(LIST, {"state_group": "nonsense"}).context["cl"].result_count == 2
    assert admin.get(LIST, {"q": "alice"}).context["cl"].result_count == 1
    assert admin.get(LIST, {"provider": "anthropic", "owner__id__exact": bob.pk}).status_code == 200


def test_a_session_is_added_through_the_service(admin: Client, alice: User, root: User) -> None:
    answer = admin.post(ADD, fields(alice))
    assert answer.status_code == 302, answer.context["errors"]
    session = AuthSession.objects.get()
    assert (session.owner, session.name) == (alice, "from_admin")
    assert credentials.open_credential(session).secret.reveal() == f"sk-ant-{CANARY}"
    event = SessionEvent.objects.get()
    assert (event.action, event.actor, event.owner) == ("created", root, alice)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": "openai"}, "invalid_name"),
        ({"name": "taken"}, "duplicate_session"),
        ({"key": ""}, "invalid_credential"),
        ({"base_url": "x" * 501}, ""),
        ({"auth_type": "none"}, "unsupported_operation"),
        ({"auth_type": "oauth"}, "unsupported_operation"),
        ({"base_url": "http://10.0.0.1/"}, "address_refused"),
    ],
)
def test_a_wrong_form_is_refused_and_the_key_does_not_come_back(
    admin: Client, alice: User, given: dict[str, str], code: str
) -> None:
    make(alice, "taken")
    answer = admin.post(ADD, fields(alice, **given))
    assert answer.status_code == 200 and (f"[{code}]" if code else "500 characters") in answer.content.decode()
    assert CANARY not in answer.content.decode() and AuthSession.objects.count() == 1


def test_what_is_refused_at_the_last_moment_is_a_message_and_not_a_crash(
    admin: Client, alice: User, settings: Any
) -> None:
    limited = settings.MAESTRO.sessions.model_copy(update={"per_owner_limit": 1})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"sessions": limited})
    make(alice, "the_only_one")
    answer = admin.post(ADD, fields(alice))
    assert answer.status_code == 302 and "[invalid_request]" in messages_of(answer)
    assert AuthSession.objects.count() == 1


def test_the_change_page_shows_no_secret_and_fixes_the_owner(admin: Client, alice: User, bob: User) -> None:
    session = make(alice, "hers", secret=Secret(CANARY))
    page = admin.get(change(session)).content.decode()
    sealed = bytes(AuthSession.objects.get().sealed_credential)
    for form in (CANARY, sealed.hex(), repr(sealed)[2:-1], "sealed_credential"):
        assert form not in page
    assert 'name="owner"' not in page and 'name="provider"' not in page
    answer = admin.post(change(session), fields(bob, name="renamed", key="", provider="openai"))
    assert answer.status_code == 302
    row = AuthSession.objects.get()
    assert (row.owner, row.provider, row.name) == (alice, "anthropic", "renamed")
    assert credentials.open_credential(row).secret.reveal() == CANARY, "an empty field keeps the stored key"


def test_key_and_address_change_through_the_services(admin: Client, alice: User) -> None:
    session = make(alice, "hers")
    admin.post(change(session), fields(alice, name="hers", key=f"sk-ant-new-{CANARY}"))
    row = AuthSession.objects.get()
    assert credentials.open_credential(row).secret.reveal() == f"sk-ant-new-{CANARY}" and row.generation == 1
    admin.post(change(session), fields(alice, name="hers", key="", base_url="https://proxy.example"))
    row = AuthSession.objects.get()
    assert row.base_url == "https://proxy.example" and not row.key_id and row.status == "needs_reauth"


@pytest.mark.django_db(transaction=True)
def test_the_actions_test_disable_and_enable(admin: Client, alice: User, vendor: VendorServer) -> None:
    good = make_remote(alice, vendor, "good_one")
    bad = make_remote(alice, vendor, "bad_one", key=CANARY)
    chosen = {"_selected_action": [str(good.pk), str(bad.pk)]}
    told = messages_of(admin.post(LIST, {"action": "test_selected"} | chosen))
    assert "good_one works" in told and "[upstream_authentication]" in told and CANARY not in told
    admin.post(LIST, {"action": "disable_selected"} | chosen)
    assert set(AuthSession.objects.values_list("status", flat=True)) == {"disabled"}
    admin.post(LIST, {"action": "enable_selected"} | chosen)
    assert set(AuthSession.objects.values_list("status", flat=True)) == {"active"}


@pytest.mark.django_db(transaction=True)
def test_only_so_many_are_tested_at_once(admin: Client, alice: User) -> None:
    made = [make(alice, f"demo_{n}", provider="demo", auth_type="none", secret=Secret("")) for n in range(21)]
    chosen = [str(session.pk) for session in made]
    told = messages_of(admin.post(LIST, {"action": "test_selected", "_selected_action": chosen}))
    assert "Only the first 20" in told and AuthSession.objects.filter(tested_at__isnull=False).count() == 20
    settle()


def test_deleting_destroys(admin: Client, alice: User) -> None:
    first, second = make(alice, "first"), make(alice, "second")
    answer = admin.post(reverse("admin:sessions_app_authsession_delete", args=[first.pk]), {"post": "yes"})
    assert answer.status_code == 302
    data = {"action": "delete_selected", "_selected_action": [str(second.pk)], "post": "yes"}
    assert admin.post(LIST, data).status_code == 302
    assert not AuthSession.objects.exists()
    assert SessionEvent.objects.filter(action="deleted").count() == 2


def test_the_audit_trail_is_read_only(admin: Client, alice: User) -> None:
    make(alice, "hers")
    url = reverse("admin:sessions_app_sessionevent_changelist")
    assert "anthropic/api_key:hers" in text_of(admin.get(url))
    event = SessionEvent.objects.get()
    assert admin.get(reverse("admin:sessions_app_sessionevent_add")).status_code == 403
    assert admin.post(reverse("admin:sessions_app_sessionevent_delete", args=[event.pk])).status_code == 403


def test_a_person_who_is_no_staff_sees_no_admin(alice: User) -> None:
    assert signed_in(alice).get(LIST).status_code == 302


def test_only_installed_providers_can_be_chosen(admin: Client, alice: User) -> None:
    page = admin.get(ADD).content.decode()
    assert '<option value="anthropic">' in page and "Last used" not in page
    answer = admin.post(ADD, fields(alice, provider="nobody"))
    assert answer.status_code == 200 and "provider" in answer.context["adminform"].form.errors
    assert not AuthSession.objects.exists()


@pytest.mark.parametrize("action", ["disable_selected", "enable_selected"])
def test_a_session_that_goes_away_meanwhile_does_not_stop_the_others(
    admin: Client, alice: User, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    gone, stays = make(alice, "aa_gone"), make(alice, "bb_stays")
    deed = getattr(lifecycle, action.removesuffix("_selected"))

    def another_operator_is_faster(session: AuthSession, **given: Any) -> None:
        if session.pk == gone.pk:
            lifecycle.delete(gone)
        deed(session, **given)

    monkeypatch.setattr(lifecycle, action.removesuffix("_selected"), another_operator_is_faster)
    answer = admin.post(LIST, {"action": action, "_selected_action": [gone.pk, stays.pk]}, follow=True)
    assert answer.status_code == 200
    assert "[unknown_session]" in text_of(answer)

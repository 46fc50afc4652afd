"""The sessions that come of sign-ins in the database: new ones, copies, and those that are signed in again."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers_app import loop
from providers_app.errors import (
    DuplicateSession,
    InvalidName,
    UnknownProvider,
    UnknownSession,
    UnsupportedOperation,
    WrongAccount,
)
from providers_app.sign_in import flow as login_flow
from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.models import AuthSession, OAuthAttempt, RefreshLane, SessionEvent
from sessions_app.services import lifecycle, notices, oauth
from sessions_app.stores import lanes
from sessions_app.stores.sessions import as_session
from tests.unit.providers.login_flow.signer import Side
from tests.unit.sessions.login_store_kit import answer, at_once, begin, create, side, sign_in, tokens
from tests.unit.sessions.support import make

__all__ = ["side"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_a_sign_in_makes_the_whole_round(alice: User, side: Side) -> None:
    session = sign_in(alice, side)
    assert (session.provider, session.auth_type, session.name, session.status) == (
        "signer",
        "oauth",
        "dev_login",
        "active",
    )
    assert (session.flow, session.account_id, session.account_label) == ("page", "acc-1", "acc-1@signer.test")
    assert session.settings == {"plan": "plus", "mode": "direct"}
    assert session.expires_at is not None and session.next_refresh_at is not None
    assert timedelta(minutes=4) < session.expires_at - session.next_refresh_at < timedelta(minutes=6)
    held = credentials.open_tokens(session)
    assert held is not None and held.refresh.reveal().startswith("refresh-")
    assert session.token_print == credentials.token_print(held) and session.lane is not None
    assert session.lane.key == lanes.lane_key("signer", held, session.pk)
    credential = credentials.open_credential(session)
    assert (credential.auth_type, credential.secret, credential.settings) == ("oauth", held.access, session.settings)
    attempt = OAuthAttempt.objects.get()
    assert (attempt.status, attempt.step, attempt.result_id) == ("done", "done", session.pk)
    assert not bytes(attempt.sealed_pending) and not attempt.pending_key_id
    event = SessionEvent.objects.get()
    assert (event.action, event.actor_id) == ("signed-in", alice.pk)
    assert event.detail == "as acc-1@signer.test, page, paste_code"


@pytest.mark.parametrize("provider", ["demo", "remote", "nobody"])
def test_a_provider_without_a_sign_in_gets_no_login(alice: User, provider: str) -> None:
    with pytest.raises((UnsupportedOperation, UnknownProvider)):
        oauth.create(alice.pk, provider, "a_login", tokens(), None)
    assert not AuthSession.objects.exists() and not RefreshLane.objects.exists()


def test_one_refresh_token_is_in_one_session(alice: User, bob: User, side: Side) -> None:
    first = create(alice, "first_one", tokens())
    with pytest.raises(DuplicateSession, match="first_one"):
        create(alice, "second_one", tokens())
    with pytest.raises(DuplicateSession) as caught:
        create(bob, "bobs_one", tokens())
    assert "first_one" not in f"{caught.value.message}{caught.value.hint}"
    other = create(alice, "third_one", tokens("refresh-3"))
    with pytest.raises(DuplicateSession, match="first_one"):
        oauth.replace(owner_id=alice.pk, session_id=other.pk, tokens=tokens(), next_refresh_at=None)
    oauth.replace(owner_id=alice.pk, session_id=first.pk, tokens=tokens(), next_refresh_at=None)
    lifecycle.trash(first)
    with pytest.raises(DuplicateSession, match="just deleted"):
        create(alice, "second_one", tokens())
    lifecycle.delete(first)
    create(alice, "second_one", tokens())
    for name in ("no_refresh_1", "no_refresh_2"):
        create(alice, name, tokens("", access=Secret("same")))


def test_storing_a_login_again_returns_what_was_stored(alice: User, bob: User, side: Side) -> None:
    """The database may have stored it although its answer was lost; the sign-in then stores it again."""
    first = create(alice, "dev_login", tokens())
    assert create(alice, "dev_login", tokens()).pk == first.pk
    assert SessionEvent.objects.count() == AuthSession.objects.count() == 1
    with pytest.raises(DuplicateSession):
        create(alice, "dev_login", tokens("refresh-2"))
    with pytest.raises(DuplicateSession):
        create(bob, "dev_login", tokens())


def test_a_copy_that_comes_at_the_same_moment_is_refused(alice: User, bob: User, side: Side) -> None:
    owners = iter([(alice, "one_copy"), (bob, "one_copy"), (alice, "two_copy"), (bob, "two_copy")])
    lock = threading.Lock()

    def work() -> str:
        with lock:
            owner, name = next(owners)
        return str(create(owner, name, tokens()).pk)

    found = at_once(4, work)
    assert sum(isinstance(end, str) for end in found) == 1, found
    assert AuthSession.objects.count() == 1


def test_two_logins_of_one_account_share_a_lane(alice: User, bob: User, side: Side) -> None:
    one, two = create(alice, "one_login", tokens("r1")), create(bob, "two_login", tokens("r2"))
    assert one.lane_id == two.lane_id
    three = create(alice, "three_login", tokens("r3", account_id="acc-2"))
    four = create(alice, "four_login", tokens("r4", account_id=""))
    five = create(alice, "five_login", tokens("r5", account_id=""))
    assert len({one.lane_id, three.lane_id, four.lane_id, five.lane_id}) == 4
    assert RefreshLane.objects.count() == 4


@pytest.mark.parametrize(("name", "error"), [("x", InvalidName), ("openai", InvalidName), ("taken", DuplicateSession)])
def test_names_are_judged(alice: User, side: Side, name: str, error: type[Exception]) -> None:
    create(alice, "taken", tokens("r0"))
    with pytest.raises(error):
        oauth.require_place(alice.pk, "signer", name)
    with pytest.raises(error):
        create(alice, name, tokens("r1"))


def test_a_key_session_of_the_same_name_is_no_obstacle(alice: User, side: Side) -> None:
    make(alice, "shared_name", provider="anthropic")
    assert oauth.require_place(alice.pk, "anthropic", "shared_name") == "shared_name"


def test_a_session_is_signed_in_again_in_place(alice: User, side: Side) -> None:
    session = sign_in(alice, side)
    notices.raise_notice(session, notices.NEEDS_REAUTH, "Sign in again")
    AuthSession.objects.update(
        status="needs_reauth",
        status_reason="refused",
        last_error_code="x",
        last_error="y",
        intent_generation=0,
        intent_at=timezone.now(),
        presentations=2,
        refresh_attempts=5,
        refresh_error_code="token_refused",
        refresh_error="refused",
        refresh_failed_at=timezone.now(),
        next_refresh_at=None,
    )
    pending = begin(alice, name="", session=str(session.pk))
    answer(alice, pending, side.allow(pending.url))
    again = AuthSession.objects.get()
    assert (again.pk, again.generation, again.status, again.status_reason) == (session.pk, 1, "active", "")
    assert (again.last_error_code, again.refresh_error_code, again.refresh_error) == ("", "", "")
    assert (again.intent_generation, again.intent_at, again.presentations, again.refresh_attempts) == (None, None, 0, 0)
    assert again.next_refresh_at is not None and again.token_print != session.token_print
    assert [event.action for event in SessionEvent.objects.order_by("id")] == ["signed-in", "signed-in-again"]
    assert not notices.open_notices(alice.pk).exists()


def test_switched_off_by_a_person_stays_off_and_by_maestro_does_not(alice: User, side: Side) -> None:
    session = sign_in(alice, side)
    lifecycle.disable(session)
    oauth.replace(owner_id=alice.pk, session_id=session.pk, tokens=tokens("r2"), next_refresh_at=None)
    assert AuthSession.objects.get().status == "disabled"
    oauth.drop(owner_id=alice.pk, session_id=session.pk, reason="Ended.")
    gone = AuthSession.objects.get()
    assert gone.status == "disabled" and not credentials.has_secret(gone)
    oauth.replace(owner_id=alice.pk, session_id=session.pk, tokens=tokens("r3"), next_refresh_at=None)
    assert AuthSession.objects.get().status == "active"


def test_a_refresh_that_is_under_way_cannot_write_over_a_new_sign_in(alice: User, side: Side) -> None:
    session = sign_in(alice, side)
    oauth.replace(owner_id=alice.pk, session_id=session.pk, tokens=tokens("r2"), next_refresh_at=None)
    assert not credentials.swap(session.pk, session.generation, tokens("late"), {})
    held = credentials.open_tokens(AuthSession.objects.get())
    assert held is not None and held.refresh.reveal() == "r2"


def test_another_account_waits_for_a_word(alice: User, side: Side) -> None:
    session = sign_in(alice, side)
    pending = begin(alice, name="", session="dev_login")
    with pytest.raises(WrongAccount):
        answer(alice, pending, side.allow(pending.url, "acc-2"))
    state = loop.run(login_flow.login_state(pending.id, browser="b1", owner=alice.pk))
    assert (state.status, state.account, state.expected) == ("confirm", "acc-2@signer.test", "acc-1@signer.test")
    assert AuthSession.objects.get().generation == 0
    assert loop.run(login_flow.confirm_login(pending.id, browser="b1", owner=alice.pk)).id == str(session.pk)
    stored = AuthSession.objects.get()
    assert (stored.account_id, stored.generation) == ("acc-2", 1) and stored.lane_id != session.lane_id
    assert as_session(stored).account == "acc-2"
    assert not bytes(OAuthAttempt.objects.latest("created_at").sealed_tokens)


def test_the_target_may_be_gone(alice: User, side: Side) -> None:
    session = sign_in(alice, side)
    pending = begin(alice, name="", session="dev_login")
    lifecycle.trash(session)
    with pytest.raises(UnknownSession):
        answer(alice, pending, side.allow(pending.url))
    assert OAuthAttempt.objects.get(pk=pending.id).status == "failed"


def test_a_read_only_login_is_never_due(alice: User, side: Side) -> None:
    held = tokens(read_only="Another program holds this login too.", expires_at=timezone.now().timestamp() + 60)
    session = oauth.create(
        owner_id=alice.pk, provider="signer", name="imported", tokens=held, next_refresh_at=timezone.now().timestamp()
    )
    session.refresh_from_db()
    assert session.next_refresh_at is None and session.read_only_reason.startswith("Another program")
    assert session.expires_at is not None

"""Sign-ins in the database: sealed, single use, bound; and the sessions that come of them."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections, connection
from django.utils import timezone

from maestro_site.conf import MaestroSettings
from providers_app import loop, ports
from providers_app.errors import (
    DuplicateSession,
    InvalidLoginAnswer,
    InvalidName,
    InvalidRequest,
    LoginDenied,
    LoginError,
    LoginExpired,
    LoginUsed,
    UnknownLogin,
    UnknownSession,
    WrongAccount,
)
from providers_app.sign_in import flow as login_flow
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginState
from providers_app.types.tokens import OAuthClient, Tokens
from sessions_app import credentials
from sessions_app.models import AuthSession, OAuthAttempt, RefreshLane, SessionEvent
from sessions_app.services import lifecycle, notices, oauth
from sessions_app.stores import lanes, logins, pool
from sessions_app.stores.logins import DjangoLoginStore
from sessions_app.stores.refreshes import DjangoRefreshStore
from sessions_app.stores.sessions import as_session
from tests.unit.providers.login_flow.signer import Side, installed
from tests.unit.sessions.support import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

STORE = DjangoLoginStore()
CANARY = "canary-login-8Kd1Wy6Qz9Vt2"
PENDING = Secret(f'{{"flow":"page","method":"paste_code","verifier":"{CANARY}"}}')


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """The provider ``signer`` is installed; this is what it knows."""
    with installed(tmp_path, monkeypatch) as found:
        yield found
    pool.shutdown()


def begin(owner: User, **given: Any) -> Any:
    options = {"name": "dev_login", "method": "paste_code", "browser": "b1", "owner": owner.pk, **given}
    return loop.run(login_flow.begin_login("signer", **options), 20)


def answer(owner: User, pending: Any, text: str) -> Any:
    return loop.run(login_flow.complete_login(pending.id, answer=text, browser="b1", owner=owner.pk), 20)


def sign_in(owner: User, side: Side, name: str = "dev_login", account: str = "acc-1") -> AuthSession:
    pending = begin(owner, name=name)
    made = answer(owner, pending, side.allow(pending.url, account))
    return AuthSession.objects.get(pk=made.id)


def tokens(refresh: str = "refresh-1", **given: Any) -> Tokens:
    values: dict[str, Any] = {
        "flow": "page",
        "access": Secret("access-1"),
        "refresh": Secret(refresh),
        "client": OAuthClient(id="maestro-test"),
        "issuer": "https://signer.test",
        "account_id": "acc-1",
        "account_label": "acc-1@signer.test",
    }
    return Tokens(**(values | given))


def create(owner: User, name: str, held: Tokens) -> AuthSession:
    return oauth.create(owner_id=owner.pk, provider="signer", name=name, tokens=held, next_refresh_at=None)


def opened(owner: User, **given: Any) -> OAuthAttempt:
    now = timezone.now().timestamp()
    values: dict[str, Any] = {
        "id": "",
        "provider": "signer",
        "flow": "page",
        "method": "paste_code",
        "name": "dev_login",
        "status": "waiting",
        "step": "made",
        "created_at": now,
        "expires_at": now + 600,
    }
    state = LoginState(**(values | given))
    opening = STORE.open_login(owner.pk, state, browser="b1", pending=PENDING, state_token=Secret("state-1"))
    return OAuthAttempt.objects.get(pk=loop.run(opening).id)


def advance(attempt: OAuthAttempt, **given: Any) -> None:
    loop.run(STORE.advance_login(str(attempt.pk), **given))


def claim(attempt: OAuthAttempt) -> bool:
    return loop.run(STORE.claim_login(str(attempt.pk)))


def turn(attempt: OAuthAttempt, held: str, seconds: float) -> str:
    return loop.run(STORE.poll_turn(str(attempt.pk), held=held, seconds=seconds))


def test_the_apps_install_the_stores(db: Any) -> None:
    assert isinstance(ports.login_store(), DjangoLoginStore)
    assert isinstance(ports.refresh_store(), DjangoRefreshStore)


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


def test_what_waits_is_sealed(alice: User) -> None:
    attempt = opened(alice)
    advance(attempt, status="confirm", tokens=Secret(f"tokens {CANARY}"))
    attempt.refresh_from_db()
    for sealed in (attempt.sealed_pending, attempt.sealed_tokens):
        assert bytes(sealed) and CANARY.encode() not in bytes(sealed)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sessions_app_oauthattempt")
        assert CANARY not in repr([bytes(v) if isinstance(v, memoryview) else v for v in cursor.fetchall()[0]])
        assert "state-1" not in attempt.state_hash
    pending, held = credentials.open_attempt(attempt)
    assert CANARY in pending.reveal() and CANARY in held.reveal()
    assert CANARY not in repr(loop.run(DjangoLoginStore().find_login(alice.pk, login_id=str(attempt.pk), browser="b1")))


@pytest.mark.parametrize("status", ["done", "failed", "cancelled"])
def test_an_end_destroys_what_was_sealed_and_stays_the_end(alice: User, status: str) -> None:
    attempt = opened(alice)
    advance(attempt, tokens=Secret("tokens"))
    advance(attempt, status=status, error=LoginDenied("No."))
    advance(attempt, status="waiting", pending=PENDING, error=LoginExpired("Late."))
    attempt.refresh_from_db()
    assert (attempt.status, attempt.error_code, attempt.error) == (status, "login_denied", "No.")
    assert not bytes(attempt.sealed_pending) and not bytes(attempt.sealed_tokens)
    assert not claim(attempt)


def at_once(number: int, work: Callable[[], Any]) -> list[Any]:
    """What that many threads got, with a connection each, that began at the same moment."""
    barrier, found = threading.Barrier(number), []

    def one() -> None:
        barrier.wait()
        try:
            found.append(work())
        except Exception as error:
            found.append(error)
        finally:
            connection.close()
            close_old_connections()

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def test_of_many_that_claim_at_once_one_has_it(alice: User) -> None:
    for _ in range(5):
        attempt = opened(alice)
        found = at_once(6, lambda attempt=attempt: claim(attempt))  # type: ignore[misc]
        assert sorted(found) == [False] * 5 + [True]


def test_of_many_that_want_the_turn_one_has_it(alice: User) -> None:
    attempt = opened(alice, method="device")
    marks = [mark for mark in at_once(6, lambda: turn(attempt, "", 30)) if mark]
    assert len(marks) == 1
    assert turn(attempt, "", 30) == ""
    kept = turn(attempt, marks[0], 60)
    assert kept and turn(attempt, marks[0] if marks[0] != kept else "polling@0", 60) == ""
    found = loop.run(DjangoLoginStore().find_login(alice.pk, login_id=str(attempt.pk), browser="b1"))
    assert found.state.step == "polling"
    OAuthAttempt.objects.update(step=f"polling@{0x10:08x}")
    assert turn(attempt, "", 30)
    assert claim(attempt)
    assert turn(attempt, kept, 30) == ""


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


def test_a_person_has_a_limited_number_of_sign_ins(alice: User, bob: User, side: Side, settings: Any) -> None:
    before: MaestroSettings = settings.MAESTRO
    limited = before.sessions.model_copy(update={"logins_per_owner": 2})
    settings.MAESTRO = before.model_copy(update={"sessions": limited})
    first = begin(alice, name="one_login")
    begin(alice, name="two_login")
    with pytest.raises(InvalidRequest, match="2 sign-ins"):
        begin(alice, name="three_login")
    begin(bob, name="three_login")
    loop.run(login_flow.cancel_login(first.id, browser="b1", owner=alice.pk))
    begin(alice, name="three_login")


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


def test_foreign_sign_ins_do_not_exist(alice: User, bob: User, side: Side) -> None:
    pending = begin(alice, method="callback", origin="https://maestro.example")
    came = dict(pair.split("=") for pair in side.allow(pending.url).partition("?")[2].split("&"))
    for owner, browser in ((bob, "b1"), (alice, "b2"), (alice, "")):
        with pytest.raises(UnknownLogin):
            loop.run(login_flow.complete_callback(came, browser=browser, owner=owner.pk))
        with pytest.raises(UnknownLogin):
            loop.run(login_flow.login_state(pending.id, browser=browser, owner=owner.pk))
    for wrong in ("", "x", "0" * 32):
        with pytest.raises(UnknownLogin):
            loop.run(login_flow.login_state(wrong, browser="b1", owner=alice.pk))
    session = loop.run(login_flow.complete_callback(came, browser="b1", owner=alice.pk))
    assert session.name == "dev_login"
    with pytest.raises(LoginUsed):
        loop.run(login_flow.complete_callback(came, browser="b1", owner=alice.pk))


def test_a_wrong_answer_is_shown_and_spends_nothing(alice: User, side: Side) -> None:
    pending = begin(alice)
    with pytest.raises(InvalidLoginAnswer):
        answer(alice, pending, "code#another-state")
    attempt = OAuthAttempt.objects.get()
    assert (attempt.status, attempt.error_code) == ("waiting", "invalid_login_answer")
    answer(alice, pending, side.allow(pending.url))
    assert OAuthAttempt.objects.get().error == ""


def test_a_device_code_completes_by_itself(alice: User, side: Side) -> None:
    pending = begin(alice, method="device")
    for code in side.devices:
        side.devices[code] = "acc-7"
    session = loop.run(login_flow.wait_login(pending.id, browser="b1", owner=alice.pk), 20)
    assert AuthSession.objects.get(pk=session.id).account_id == "acc-7"


def test_old_sign_ins_are_ended_and_later_deleted(alice: User) -> None:
    live, late, stalled, young = opened(alice), opened(alice), opened(alice), opened(alice)
    now = timezone.now()
    OAuthAttempt.objects.filter(pk=late.pk).update(expires_at=now - timedelta(seconds=1))
    OAuthAttempt.objects.filter(pk=stalled.pk).update(status="exchanging", expires_at=now - timedelta(minutes=3))
    OAuthAttempt.objects.filter(pk=young.pk).update(status="exchanging", expires_at=now - timedelta(minutes=1))
    assert logins.prune_logins() == 2
    assert {row.pk: row.status for row in OAuthAttempt.objects.all()} == {
        live.pk: "waiting",
        late.pk: "failed",
        stalled.pk: "failed",
        young.pk: "exchanging",
    }
    ended = OAuthAttempt.objects.get(pk=late.pk)
    assert ended.error_code == "login_expired" and not bytes(ended.sealed_pending)
    OAuthAttempt.objects.update(created_at=now - timedelta(days=8))
    assert logins.prune_logins() == 2
    assert {row.pk for row in OAuthAttempt.objects.all()} == {live.pk, young.pk}


def test_a_read_only_login_is_never_due(alice: User, side: Side) -> None:
    held = tokens(read_only="Another program holds this login too.", expires_at=timezone.now().timestamp() + 60)
    session = oauth.create(
        owner_id=alice.pk, provider="signer", name="imported", tokens=held, next_refresh_at=timezone.now().timestamp()
    )
    session.refresh_from_db()
    assert session.next_refresh_at is None and session.read_only_reason.startswith("Another program")
    assert session.expires_at is not None


def test_the_core_asks_for_a_person(side: Side) -> None:
    store = DjangoLoginStore()
    with pytest.raises(InvalidRequest):
        loop.run(store.require_place(ports.SYSTEM, "signer", "some_name"))
    with pytest.raises(LoginError):
        loop.run(store.find_login(1, login_id="not-an-id"))

"""One answer, one session: what spends a sign-in, what does not, and who may give the answer."""

import asyncio
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from providers_app import errors
from providers_app.behaviours.oauth import PendingLogin, grants
from providers_app.errors import (
    ConnectionFailed,
    InvalidLoginAnswer,
    LoginDenied,
    LoginExpired,
    LoginUsed,
    ServerError,
    TokenRefused,
    UnknownLogin,
)
from providers_app.sign_in import flow as login_flow
from providers_app.sign_in.exchange import sealed
from providers_app.sign_in.owed import revoke_owed
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import Tokens, to_plain
from tests.unit.providers.login_flow.memory_logins import MemoryLogins
from tests.unit.providers.login_flow.signer import BEHAVIOUR, Side
from tests.waiting import until

BROWSER = "browser-hash-1"
ORIGIN = "https://maestro.example"


async def begin(method: str = "paste_code", name: str = "dev_login", **given: object) -> PendingLogin:
    return await login_flow.begin_login(
        "signer",
        name=name,
        method=method,
        **{"browser": BROWSER, "owner": 1, "origin": ORIGIN, **given},  # type: ignore[arg-type]
    )


async def give(pending: PendingLogin, answer: object) -> object:
    return await login_flow.complete_login(pending.id, answer=answer, browser=BROWSER, owner=1)  # type: ignore[arg-type]


def params(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


async def test_a_pasted_code_becomes_a_session(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    session = await give(pending, f"  {side.allow(pending.url)}\n")
    assert (session.provider, session.auth_type, session.name) == ("signer", "oauth", "dev_login")  # type: ignore[attr-defined]
    tokens = logins.tokens[session.id]  # type: ignore[attr-defined]
    assert tokens.account_id == "acc-1" and tokens.facts == {"plan": "plus", "mode": "direct"}
    assert tokens.api_key.reveal() == "" and tokens.signing == tokens.access
    state = logins.state(pending.id)
    assert (state.status, state.step, state.account) == ("done", "done", "acc-1@signer.test")
    assert not logins.rows[pending.id].attempt.pending
    due = logins.refreshes[session.id]  # type: ignore[attr-defined]
    assert due is not None and tokens.expires_at is not None and due == pytest.approx(tokens.expires_at - 300, abs=5)


async def test_what_begin_returns_has_no_secret(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    sealed = logins.rows[pending.id].attempt.pending.reveal()
    assert '"verifier":""' not in sealed
    plain = to_plain(pending).decode()
    assert all(f'"{name}":""' in plain for name in ("state", "verifier", "nonce", "device_code"))


async def test_a_callback_finds_its_sign_in_by_its_state(logins: MemoryLogins, side: Side) -> None:
    first, second = await begin("callback", "one"), await begin("callback", "two", return_to="/sessions/")
    assert second.redirect_uri == "https://maestro.example/oauth/callback/"
    came = params(side.allow(second.url))
    session = await login_flow.complete_callback(came, browser=BROWSER, owner=1)
    assert session.name == "two" and logins.state(second.id).return_to == "/sessions/"
    assert logins.state(first.id).status == "waiting"
    with pytest.raises(LoginUsed):
        await login_flow.complete_callback(came, browser=BROWSER, owner=1)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   ",
        "this is no code at all",
        "https://signer.test/authorize?response_type=code",
        "#only-a-state",
        "code#the-wrong-state",
        {"code": "code-0001-of-the-signer", "state": "the-wrong-state"},
        {"state": "x"},
    ],
)
async def test_an_answer_that_is_none_of_ours_spends_nothing(logins: MemoryLogins, side: Side, answer: object) -> None:
    pending = await begin()
    with pytest.raises(InvalidLoginAnswer):
        await give(pending, answer)
    state = logins.state(pending.id)
    assert (state.status, state.code) == ("waiting", "invalid_login_answer") and state.error
    assert "exchange" not in side.asked
    await give(pending, side.allow(pending.url))
    assert (logins.state(pending.id).status, logins.state(pending.id).error) == ("done", "")


async def test_an_answer_of_another_sign_in_is_refused(logins: MemoryLogins, side: Side) -> None:
    first, second = await begin(name="one"), await begin(name="two")
    with pytest.raises(InvalidLoginAnswer):
        await give(first, side.allow(second.url))
    assert logins.state(first.id).status == logins.state(second.id).status == "waiting"
    assert "exchange" not in side.asked


async def test_an_answer_works_once(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    code = side.allow(pending.url)
    await give(pending, code)
    with pytest.raises(LoginUsed):
        await give(pending, code)
    assert side.asked.count("exchange") == 1


async def test_of_many_that_answer_at_once_one_exchanges(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    code = side.allow(pending.url)
    side.hold = asyncio.Event()
    givers = [asyncio.create_task(give(pending, code)) for _ in range(8)]
    await until(lambda: "exchange" in side.asked)
    await asyncio.sleep(0.05)
    side.hold.set()
    ends = await asyncio.gather(*givers, return_exceptions=True)
    assert sum(not isinstance(end, Exception) for end in ends) == 1
    assert all(isinstance(end, LoginUsed) for end in ends if isinstance(end, Exception))
    assert side.asked.count("exchange") == 1 and len(logins.sessions.rows) == 1


async def test_an_expired_sign_in_takes_no_answer(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    code = side.allow(pending.url)
    logins.age(pending.id, 601)
    for _ in range(2):
        with pytest.raises(LoginExpired):
            await give(pending, code)
    assert logins.state(pending.id).status == "failed" and not logins.rows[pending.id].attempt.pending
    assert "exchange" not in side.asked


@pytest.mark.parametrize(("owner", "browser"), [(2, BROWSER), (1, "another-browser"), (1, ""), (2, "")])
async def test_somebody_elses_sign_in_does_not_exist(
    logins: MemoryLogins, side: Side, owner: int, browser: str
) -> None:
    pending = await begin("callback")
    came = params(side.allow(pending.url))
    calls = [
        login_flow.complete_callback(came, browser=browser, owner=owner),
        login_flow.complete_login(pending.id, answer=came, browser=browser, owner=owner),
        login_flow.login_state(pending.id, browser=browser, owner=owner),
        login_flow.cancel_login(pending.id, browser=browser, owner=owner),
        login_flow.confirm_login(pending.id, browser=browser, owner=owner),
    ]
    for call in calls:
        with pytest.raises(UnknownLogin):
            await call
    assert logins.state(pending.id).status == "waiting" and "exchange" not in side.asked


async def test_a_callback_without_a_state_or_for_another_method_is_nobodys(logins: MemoryLogins, side: Side) -> None:
    pasted = await begin("paste_url")
    for came in ({"code": "x"}, {}, params(side.allow(pasted.url))):
        with pytest.raises(UnknownLogin):
            await login_flow.complete_callback(came, browser=BROWSER, owner=1)
    assert logins.state(pasted.id).status == "waiting"


async def test_a_denied_consent_ends_it(logins: MemoryLogins, side: Side) -> None:
    pending = await begin("callback")
    with pytest.raises(LoginDenied):
        await login_flow.complete_callback(params(side.allow(pending.url, deny=True)), browser=BROWSER, owner=1)
    state = logins.state(pending.id)
    assert (state.status, state.code) == ("failed", "login_denied") and state.error
    assert not logins.rows[pending.id].attempt.pending
    with pytest.raises(LoginUsed):
        await give(pending, side.allow(pending.url))


async def test_an_error_that_does_not_prove_its_origin_ends_nothing(logins: MemoryLogins, side: Side) -> None:
    pending = await begin("paste_url")
    with pytest.raises(LoginDenied):
        await give(pending, f"{pending.redirect_uri}?error=access_denied")
    assert (logins.state(pending.id).status, logins.state(pending.id).code) == ("waiting", "login_denied")
    await give(pending, side.allow(pending.url))
    assert logins.state(pending.id).status == "done"


async def test_a_failed_exchange_spends_the_answer(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    code = side.allow(pending.url)
    side.faults.append(ServerError(f"The signer failed on {code.partition('#')[0]}.", status=500))
    with pytest.raises(ServerError) as caught:
        await give(pending, code)
    state = logins.state(pending.id)
    assert (state.status, state.code) == ("failed", "upstream_server_error")
    assert code.partition("#")[0] not in f"{caught.value} {caught.value.info()} {state}"
    with pytest.raises(LoginUsed):
        await give(pending, code)
    assert side.asked.count("exchange") == 1


async def test_an_exchange_that_never_left_this_machine_spends_nothing(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    code = side.allow(pending.url)
    failed = ConnectionFailed("The signer could not be reached.")
    failed.sent = False
    side.faults.append(failed)
    with pytest.raises(ConnectionFailed):
        await give(pending, code)
    assert (logins.state(pending.id).status, logins.state(pending.id).code) == ("waiting", "connection_failed")
    await give(pending, code)
    assert logins.state(pending.id).status == "done"


async def test_a_step_after_the_exchange_is_taken_again_alone(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key endpoint cannot be reached: the code is spent, so it is not asked for again, and nothing is dropped."""
    failed = ConnectionFailed("The key endpoint could not be reached.")
    failed.sent = False
    failing: list[Exception] = [failed, ServerError("And again.")]

    async def key(tokens: Tokens, http: object) -> Credential:
        if failing:
            raise failing.pop(0)
        return Credential(auth_type="oauth", secret=Secret("sk-made"))

    monkeypatch.setattr(BEHAVIOUR, "api_credentials", key)
    pending = await begin()
    code = side.allow(pending.url)
    with pytest.raises(ConnectionFailed, match="key endpoint") as caught:
        await give(pending, code)
    assert "need not sign in again" in caught.value.hint
    state = logins.state(pending.id)
    assert (state.status, state.step, state.code) == ("confirm", "finish", "connection_failed")
    assert logins.rows[pending.id].attempt.tokens, "sealed in the attempt"
    with pytest.raises(LoginUsed):
        await give(pending, code)
    with pytest.raises(ServerError):
        await login_flow.confirm_login(pending.id, browser=BROWSER, owner=1)
    session = await login_flow.confirm_login(pending.id, browser=BROWSER, owner=1)
    assert logins.tokens[session.id].api_key == Secret("sk-made") and side.asked.count("exchange") == 1
    assert logins.state(pending.id).status == "done" and not logins.rows[pending.id].attempt.tokens


@pytest.mark.parametrize("failed", [errors.PermissionDenied("No keys for you."), errors.BadAnswer("No keys.")])
async def test_a_look_up_that_fails_drops_nothing(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch, failed: errors.UpstreamError
) -> None:
    """It is made without a credential: whatever its answer is, it is not about the login."""
    failing: list[Exception] = [failed]

    async def identified(tokens: Tokens, http: object, pending: PendingLogin) -> Tokens:
        assert pending.flow == "page" and pending.verifier, "the sign-in that the tokens are of"
        if failing:
            raise failing.pop()
        return msgspec.structs.replace(tokens, account_label="verified")

    monkeypatch.setattr(BEHAVIOUR, "identified", identified)
    pending = await begin()
    with pytest.raises(type(failed)):
        await give(pending, side.allow(pending.url))
    assert (logins.state(pending.id).status, logins.state(pending.id).step) == ("confirm", "finish")
    session = await login_flow.confirm_login(pending.id, browser=BROWSER, owner=1)
    assert logins.tokens[session.id].account_label == "verified" and side.asked.count("exchange") == 1
    assert side.revoked == []


async def test_an_id_token_that_is_refused_ends_the_sign_in_and_the_login(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing: list[Exception] = [ServerError("No revocation now.")]

    async def identified(tokens: Tokens, http: object, pending: PendingLogin) -> Tokens:
        side.faults.extend(failing)
        failing.clear()
        raise errors.InvalidIdToken("Not signed.")

    monkeypatch.setattr(BEHAVIOUR, "identified", identified)
    first, second = await begin(), await begin(name="another")
    for pending in (first, second):
        with pytest.raises(errors.InvalidIdToken, match="Not signed"):
            await give(pending, side.allow(pending.url))
        state = logins.state(pending.id)
        assert (state.status, state.error) == ("failed", "Not signed.")
        await until(lambda: not side.faults)
    await until(lambda: len(side.revoked) == 1 and len(logins.owed) == 1)
    said = "the login that a sign-in to signer/dev_login obtained was not revoked: upstream_server_error; it is kept"
    assert [text.startswith(said) for text in caplog.messages if "revoked" in text] == [True]
    assert logins.owed == [first.id] and await revoke_owed() == 1, "the schedule tries again"
    assert len(side.revoked) == 2 and logins.owed == [] and not logins.rows[first.id].attempt.tokens


async def test_a_stop_after_the_exchange_keeps_the_tokens(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = [asyncio.CancelledError()]

    async def identified(tokens: Tokens, http: object, pending: PendingLogin) -> Tokens:
        if stops:
            raise stops.pop()
        return tokens

    monkeypatch.setattr(BEHAVIOUR, "identified", identified)
    pending = await begin()
    with pytest.raises(asyncio.CancelledError):
        await give(pending, side.allow(pending.url))
    state = logins.state(pending.id)
    assert (state.status, state.step) == ("confirm", "finish") and "need not sign in again" in state.hint
    await login_flow.confirm_login(pending.id, browser=BROWSER, owner=1)
    assert logins.state(pending.id).status == "done"


async def test_tokens_that_may_be_a_session_s_are_not_revoked(logins: MemoryLogins, side: Side) -> None:
    """The process ended between storing them and saying so."""
    pending = await begin()
    await logins.claim_login(pending.id)
    await logins.advance_login(pending.id, step="store", tokens=sealed(side.tokens("page", "acc-1")))
    logins.age(pending.id, 900)
    assert (await login_flow.login_state(pending.id, browser=BROWSER, owner=1)).status == "failed"
    await asyncio.sleep(0)
    assert side.revoked == []


async def test_a_step_that_is_refused_for_good_ends_the_sign_in(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def key(tokens: Tokens, http: object) -> Credential:
        raise errors.PermissionDenied(f"No key for {tokens.access.reveal()}.")

    monkeypatch.setattr(BEHAVIOUR, "api_credentials", key)
    pending = await begin()
    with pytest.raises(errors.PermissionDenied, match=r"\*\*\*"):
        await give(pending, side.allow(pending.url))
    assert logins.state(pending.id).status == "failed" and not logins.rows[pending.id].attempt.tokens
    await until(lambda: len(side.revoked) == 1)


async def test_a_code_that_was_accepted_is_never_asked_for_again(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up inside the exchange, after the token request, that cannot be sent."""
    failed = ConnectionFailed("The keys of the issuer could not be reached.")
    failed.sent = False

    async def exchange(pending: PendingLogin, answer: object, http: object) -> Tokens:
        grants.code_spent.set(True)
        raise failed

    monkeypatch.setattr(BEHAVIOUR, "exchange", exchange)
    pending = await begin()
    with pytest.raises(ConnectionFailed):
        await give(pending, side.allow(pending.url))
    assert logins.state(pending.id).status == "failed"


async def test_a_refused_code_says_so(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    state = side.allow(pending.url).partition("#")[2]
    with pytest.raises(TokenRefused):
        await give(pending, f"another-code#{state}")
    assert (logins.state(pending.id).status, logins.state(pending.id).code) == ("failed", "token_refused")


async def test_code_of_a_provider_that_breaks_is_a_typed_error(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    side.faults.append(ZeroDivisionError("with a secret"))
    with pytest.raises(errors.ProviderBroken) as caught:
        await give(pending, side.allow(pending.url))
    assert "with a secret" not in str(caught.value) and logins.state(pending.id).status == "failed"


async def test_a_caller_that_leaves_does_not_lose_the_login(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    side.hold = asyncio.Event()
    giver = asyncio.create_task(give(pending, side.allow(pending.url)))
    await until(lambda: "exchange" in side.asked)
    assert logins.state(pending.id).status == "exchanging"
    giver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giver
    side.hold.set()
    session = await asyncio.wait_for(login_flow.wait_login(pending.id, browser=BROWSER, owner=1), 60)
    assert session.name == "dev_login" and logins.state(pending.id).status == "done"


async def test_a_database_that_is_away_for_a_moment_loses_nothing(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    logins.away = ["create_session", "create_session", "advance_login", "advance_login"]
    await give(pending, side.allow(pending.url))
    assert logins.state(pending.id).status == "done" and len(logins.sessions.rows) == 1
    assert logins.away == []


async def test_a_cancelled_sign_in_takes_no_answer(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    code = side.allow(pending.url)
    await login_flow.cancel_login(pending.id, browser=BROWSER, owner=1)
    await login_flow.cancel_login(pending.id, browser=BROWSER, owner=1)
    assert logins.state(pending.id).status == "cancelled" and not logins.rows[pending.id].attempt.pending
    with pytest.raises(LoginUsed):
        await give(pending, code)
    with pytest.raises(LoginDenied):
        await login_flow.wait_login(pending.id, browser=BROWSER, owner=1)
    assert "exchange" not in side.asked


async def test_what_is_done_is_not_cancelled(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    await give(pending, side.allow(pending.url))
    with pytest.raises(LoginUsed):
        await login_flow.cancel_login(pending.id, browser=BROWSER, owner=1)
    assert logins.state(pending.id).status == "done"


async def test_an_exchange_of_a_process_that_is_gone_is_given_up(logins: MemoryLogins, side: Side) -> None:
    pending = await begin()
    assert await logins.claim_login(pending.id)
    logins.age(pending.id, 610)
    assert (await login_flow.login_state(pending.id, browser=BROWSER, owner=1)).status == "exchanging"
    logins.age(pending.id, 200)
    state = await login_flow.login_state(pending.id, browser=BROWSER, owner=1)
    assert (state.status, state.code) == ("failed", "login_expired")

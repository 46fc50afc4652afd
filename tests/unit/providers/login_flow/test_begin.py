"""What is judged before a provider is asked anything, and signing a session in again."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from providers_app import conf, provider
from providers_app.errors import (
    ConnectionFailed,
    DuplicateSession,
    FlowDisabled,
    InvalidRequest,
    LoginError,
    LoginExpired,
    LoginUsed,
    ServerError,
    TokenRefused,
    UnknownSession,
    UnsupportedOperation,
    WrongAccount,
)
from providers_app.listing.cache import lists
from providers_app.listing.models import cached
from providers_app.registry.settings import ProvidersConfig, build_model, config_class
from providers_app.sign_in import flow as login_flow
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.tokens import Tokens
from tests.unit.providers.login_flow.memory_logins import MemoryLogins
from tests.unit.providers.login_flow.signer import BEHAVIOUR, Side
from tests.waiting import until

TERMS = "Signer wants only its own program to do this. https://signer.test/terms"


async def begin(**given: Any) -> Any:
    return await login_flow.begin_login("signer", **{"name": "dev_login", "owner": 1, **given})


async def signed_in(side: Side, name: str = "dev_login", account: str = "acc-1") -> Any:
    pending = await begin(name=name, method="paste_code")
    return await login_flow.complete_login(pending.id, answer=side.allow(pending.url, account), owner=1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flow": "paage"}, "page, device, machine, forbidden"),
        ({"flow": "page", "method": "device"}, "callback"),
        ({"method": "smoke"}, "loopback"),
        ({"method": "callback"}, "not known"),
        ({"method": "callback", "origin": "http://maestro.example"}, "https"),
        ({"method": "callback", "origin": "https://maestro.example/else"}, "https"),
        ({"method": "callback", "origin": "https://user@maestro.example"}, "https"),
        ({"method": "callback", "origin": "https://maestro.example:x"}, "https"),
        ({"method": "loopback", "local_browser": False}, "not on the machine"),
        ({"flow": "machine"}, "The machine's key."),
        ({"flow": "machine", "given": {"key": "  "}}, "Key"),
        ({"flow": "machine", "given": {"key": "k", "kee": "x"}}, "'kee'"),
        ({"flow": "machine", "given": {"key": "k" * 70_000}}, "65536"),
        ({"client": {"id": "mine"}}, "client of its own"),
        ({"return_to": "https://evil.example/"}, "return_to"),
        ({"return_to": "//evil.example/"}, "return_to"),
        ({"return_to": "/\\evil.example/"}, "return_to"),
        ({"owner": provider.SYSTEM}, "person"),
    ],
)
async def test_what_cannot_work_is_said_before_the_provider_is_asked(
    logins: MemoryLogins, side: Side, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await begin(**given)
    assert says in f"{caught.value.message} {caught.value.hint}"
    assert side.asked == [] and logins.rows == {}


async def test_a_name_that_is_taken_is_said_first(logins: MemoryLogins, side: Side) -> None:
    await signed_in(side)
    side.asked.clear()
    with pytest.raises(DuplicateSession):
        await begin()
    assert side.asked == []


async def test_a_restricted_flow_is_off_until_the_operator_names_it(
    logins: MemoryLogins, side: Side, loopback: ProvidersConfig
) -> None:
    with pytest.raises(FlowDisabled) as caught:
        await begin(flow="forbidden")
    assert TERMS in caught.value.message
    assert "MAESTRO_PROVIDERS__SIGNER__ENABLED_FLOWS=forbidden" in caught.value.hint
    offered = {offer.flow.name: offer for offer in await login_flow.offered_flows("signer")}
    assert not offered["forbidden"].enabled and TERMS in offered["forbidden"].why_not
    assert side.asked == []
    config = config_class("signer")(enabled_flows=("forbidden",))
    with conf.use(build_model()(**{**loopback.model_dump(), "signer": config})):
        pending = await begin(flow="forbidden", client={"id": "mine", "secret": "hidden-secret"})
        assert (await login_flow.offered_flows("signer"))[3].enabled
    assert (
        pending.client.id == "mine"
        and "hidden-secret" not in msgspec.json.encode(pending, enc_hook=lambda secret: secret.reveal()).decode()
    )


async def test_flows_say_which_methods_work_from_here(logins: MemoryLogins, side: Side) -> None:
    far = (await login_flow.offered_flows("signer", origin="http://far.example", local_browser=False))[0]
    assert far.methods == ("paste_url", "paste_code") and set(far.impossible) == {"callback", "loopback"}
    near = (await login_flow.offered_flows("signer", origin="http://127.0.0.1:8000"))[0]
    assert near.methods == ("callback", "loopback", "paste_url", "paste_code") and near.enabled


async def test_the_first_method_that_works_is_taken(logins: MemoryLogins, side: Side) -> None:
    assert (await begin(name="one", local_browser=False)).method == "paste_url"
    assert (await begin(name="two", origin="http://localhost:8000")).method == "callback"
    assert (await begin(name="three", method="paste_code")).redirect_uri == "code-page"
    assert (await begin(name="four")).method == "loopback"
    assert (await begin(name="five", method="device")).flow == "device"


async def test_providers_without_a_sign_in_say_so(logins: MemoryLogins) -> None:
    with pytest.raises(UnsupportedOperation):
        await login_flow.begin_login("demo", name="some_name", owner=1)


async def test_a_flow_without_a_browser_completes_at_once(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(flow="machine", given={"key": "the-machine-key"})
    state = await login_flow.login_state(pending.id, owner=1)
    assert state.status == "done" and pending.url == "" and pending.given == {}
    tokens = logins.tokens[state.session_id]
    assert tokens.material["key"].reveal() == "the-machine-key"
    assert logins.refreshes[state.session_id] is not None


async def test_a_flow_without_a_browser_that_fails_says_why(logins: MemoryLogins, side: Side) -> None:
    with pytest.raises(TokenRefused) as caught:
        await begin(flow="machine", given={"key": "a-wrong-machine-key"})
    assert "a-wrong-machine-key" not in str(caught.value)
    assert logins.state("login-1").status == "failed" and logins.sessions.rows == {}


async def test_tokens_whose_end_is_not_known_are_due_in_an_hour(logins: MemoryLogins, side: Side) -> None:
    side.expires_in = None
    session = await signed_in(side)
    assert logins.refreshes[session.id] == pytest.approx(time.time() + 3600, abs=60)


async def test_a_session_is_signed_in_again_in_place(logins: MemoryLogins, side: Side) -> None:
    before = await signed_in(side)
    pending = await begin(name="", session="dev_login", method="paste_code")
    assert (pending.name, pending.flow) == ("dev_login", "page")
    after = await login_flow.complete_login(pending.id, answer=side.allow(pending.url), owner=1)
    assert (after.id, after.generation) == (before.id, before.generation + 1)
    assert len(logins.sessions.rows) == 1


async def test_the_flow_that_a_session_had_is_its_flow(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(name="by_machine", flow="machine", given={"key": "the-machine-key"})
    with pytest.raises(InvalidRequest, match="Key"):
        await begin(session="by_machine")
    assert logins.state(pending.id).status == "done"


async def test_nobody_signs_in_to_anothers_session(logins: MemoryLogins, side: Side) -> None:
    await signed_in(side)
    with pytest.raises(UnknownSession):
        await begin(session="dev_login", owner=2)


async def other_account(logins: MemoryLogins, side: Side) -> Any:
    await signed_in(side)
    pending = await begin(name="", session="dev_login", method="paste_code")
    with pytest.raises(WrongAccount) as caught:
        await login_flow.complete_login(pending.id, answer=side.allow(pending.url, "acc-2"), owner=1)
    assert "acc-2@signer.test" in caught.value.message
    state = logins.state(pending.id)
    assert (state.status, state.code, state.account) == ("confirm", "wrong_account", "acc-2@signer.test")
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-1"]
    return pending


async def test_another_account_waits_for_a_word(logins: MemoryLogins, side: Side) -> None:
    pending = await other_account(logins, side)
    with pytest.raises(WrongAccount):
        await login_flow.wait_login(pending.id, owner=1)
    with pytest.raises(LoginUsed):
        await login_flow.complete_login(pending.id, answer=side.allow(pending.url), owner=1)
    ends = await asyncio.gather(
        *(login_flow.confirm_login(pending.id, owner=1) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(end, LoginUsed) for end in ends) == 3
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-2"]
    assert [session.generation for session, _ in logins.sessions.all()] == [1]
    assert logins.state(pending.id).status == "done" and not logins.rows[pending.id].attempt.tokens
    assert side.asked.count("exchange") == 2


async def test_another_account_is_asked_about_after_a_step_that_was_taken_again(
    logins: MemoryLogins, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await signed_in(side)
    failing = [ConnectionFailed("The key endpoint could not be reached.")]

    async def key(tokens: Tokens, http: Any) -> Credential:
        if failing:
            raise failing.pop()
        return Credential(auth_type="oauth", secret=tokens.signing)

    monkeypatch.setattr(BEHAVIOUR, "api_credentials", key)
    pending = await begin(name="", session=before.id, method="paste_code")
    with pytest.raises(ConnectionFailed):
        await login_flow.complete_login(pending.id, answer=side.allow(pending.url, "acc-2"), owner=1)
    with pytest.raises(WrongAccount):
        await login_flow.confirm_login(pending.id, owner=1)
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-1"]
    await login_flow.confirm_login(pending.id, owner=1)
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-2"]


async def test_another_account_can_be_declined(logins: MemoryLogins, side: Side) -> None:
    pending = await other_account(logins, side)
    await login_flow.cancel_login(pending.id, owner=1)
    await until(lambda: not logins.rows[pending.id].attempt.tokens)
    assert len(side.revoked) == 1 and side.revoked != [tokens.refresh.reveal() for tokens in logins.tokens.values()]
    with pytest.raises(LoginUsed):
        await login_flow.confirm_login(pending.id, owner=1)
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-1"]


async def test_a_word_that_comes_too_late_stores_nothing(logins: MemoryLogins, side: Side) -> None:
    pending = await other_account(logins, side)
    logins.age(pending.id, 601)
    with pytest.raises(LoginExpired):
        await login_flow.confirm_login(pending.id, owner=1)
    assert [tokens.account_id for tokens in logins.tokens.values()] == ["acc-1"]
    await until(lambda: len(side.revoked) == 1)


async def test_there_is_nothing_to_confirm_before_an_answer(logins: MemoryLogins, side: Side) -> None:
    pending = await begin(method="paste_code")
    with pytest.raises(LoginError):
        await login_flow.confirm_login(pending.id, owner=1)
    assert logins.state(pending.id).status == "waiting"


async def test_a_login_is_ended_at_the_provider(logins: MemoryLogins, side: Side) -> None:
    session = await signed_in(side)
    refresh = logins.tokens[session.id].refresh.reveal()
    side.faults.append(ServerError("Not now."))
    with pytest.raises(ServerError):
        await login_flow.revoke_session("signer", "dev_login", owner=1)
    side.can_revoke = False
    assert not await login_flow.revoke_session("signer", "dev_login", owner=1)
    assert logins.dropped == []
    side.can_revoke = True
    assert await login_flow.revoke_session("signer", "dev_login", owner=1)
    assert side.revoked[-1] == refresh and logins.dropped == [session.id]


async def test_the_models_of_the_login_before_are_not_those_of_the_new_one(logins: MemoryLogins, side: Side) -> None:
    session = await signed_in(side)
    kept = lists().of(*logins.sessions.rows[session.id])
    kept.store([ModelInfo(id="of-the-login-before")], logins.sessions.rows[session.id][1])
    assert cached(session.id) is not None
    pending = await begin(name="", session="dev_login", method="paste_code")
    await login_flow.complete_login(pending.id, answer=side.allow(pending.url, "acc-1"), owner=1)
    assert cached(session.id) is None

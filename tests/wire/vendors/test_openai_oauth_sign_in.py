"""Signing in to OpenAI against its strict server: three flows, every plan, and every way in which it goes wrong."""

from collections.abc import Iterator

import msgspec
import pytest

from providers_app import errors
from providers_app.behaviours.oauth import PendingLogin
from providers_app.types.credentials import Secret
from providers_app.types.tokens import Tokens, secrets_of
from tests.vendors.auth import Fault, clients
from tests.vendors.auth.device_codes import enter
from tests.vendors.server import VendorServer
from tests.wire.vendors.openai_logins import OpenAIDesk


@pytest.fixture
def desk(openai_auth: VendorServer, openai_server: VendorServer) -> Iterator[OpenAIDesk]:
    found = OpenAIDesk(openai_auth, openai_server)
    with found.configured():
        yield found


def work_account(desk: OpenAIDesk, plan: str = "business") -> None:
    desk.book.add_account("acct-w", "w@work.example", plan=plan, organization_id="org-w", project_id="proj-w")


async def test_sign_in_with_chatgpt(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-1", "ada@example.com", plan="plus")
    pending = await desk.begin("chatgpt")
    assert pending.client.id == "dynamic_agent_client"
    tokens = await desk.finish(pending, desk.book.approve(pending.url))
    assert tokens.flow == "chatgpt" and tokens.issuer == desk.server.origin
    assert tokens.client.id.startswith("oaiapp_"), "the client that the callback named is kept"
    assert "chatgpt.tokens.use.direct" in tokens.scopes
    assert (tokens.account_id, tokens.account_label) == ("user-acct-1", "ada@example.com")
    assert tokens.facts == {"flow": "chatgpt", "mode": "plan", "mode_source": "flow"}
    assert tokens.earliest_refresh_at is not None and tokens.expires_at is not None
    assert 0 < tokens.expires_at - tokens.earliest_refresh_at <= 361
    assert tokens.due_at(86400, tokens.expires_at - 3600) >= tokens.earliest_refresh_at, "no margin makes it too early"


@pytest.mark.parametrize("offset", [-900.0, 30.0])
async def test_the_time_of_the_first_refresh_is_that_of_the_server_s_clock(desk: OpenAIDesk, offset: float) -> None:
    desk.book.clock_offset = offset
    tokens = await desk.sign_in("chatgpt")
    allowed = desk.book.refreshes[tokens.refresh.reveal()].earliest_at
    assert tokens.earliest_refresh_at is not None and tokens.expires_at is not None
    assert 0 <= tokens.earliest_refresh_at + offset - allowed < 5, "our clock is ahead, and it is still not too early"
    assert tokens.earliest_refresh_at < tokens.expires_at


async def test_a_later_sign_in_uses_the_client_that_was_issued(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-1", "ada@example.com")
    first = await desk.sign_in("chatgpt")
    again = await desk.sign_in("chatgpt", client=first.client.id)
    assert (again.client, again.account_id) == (first.client, first.account_id)
    assert again.refresh != first.refresh


async def test_without_the_plan_permission_nobody_is_signed_in(desk: OpenAIDesk) -> None:
    withheld = ("chatgpt.tokens.use.direct",)
    desk.book.add_account("acct-1", "ada@example.com", scopes_withheld=withheld)
    with pytest.raises(errors.MissingScope, match="permission to use your ChatGPT plan") as caught:
        await desk.sign_in("chatgpt")
    assert "allow the use of your plan" in caught.value.hint


@pytest.mark.parametrize("flow", ["codex", "device"])
@pytest.mark.parametrize("plan", ["free", "go", "plus", "pro", "team"])
async def test_personal_plans_are_used_through_chatgpt(desk: OpenAIDesk, flow: str, plan: str) -> None:
    desk.book.add_account("acct-1", "ada@example.com", plan=plan)
    tokens = await desk.sign_in(flow)
    assert not tokens.api_key
    assert tokens.facts["mode"] == "chatgpt" and tokens.facts["account_id"] == "acct-1"
    assert (tokens.account_id, tokens.account_label) == ("acct-1/user-acct-1", "ada@example.com")
    assert (tokens.flow, tokens.client.id) == (flow, clients.CODEX)
    assert await desk.credential(tokens) == await desk.credential(tokens)
    assert (await desk.credential(tokens)).secret == tokens.access


@pytest.mark.parametrize("plan", ["business", "enterprise", "hc", "edu", "education", "platinum", ""])
async def test_work_and_unknown_plans_get_a_key(desk: OpenAIDesk, plan: str) -> None:
    work_account(desk, plan)
    tokens = await desk.sign_in("codex")
    assert tokens.api_key and tokens.signing == tokens.api_key != tokens.access
    assert (tokens.facts["organization"], tokens.facts["project"]) == ("org-w", "proj-w")
    assert tokens.facts["mode"] == "api_key"
    assert tokens.facts["mode_source"] == ("unknown" if plan in ("platinum", "") else "plan")
    assert [spend.accepted for spend in desk.book.ledger if spend.kind == "exchange"] == [True]


async def test_an_address_of_openai_is_personal(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-1", "sam@openai.com", plan="enterprise")
    assert (await desk.sign_in("codex")).facts["mode"] == "chatgpt"


async def test_the_person_may_choose_the_mode(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-1", "ada@example.com", plan="plus", organization_id="org-1", project_id="proj-1")
    tokens = await desk.sign_in("codex", mode="api_key")
    assert tokens.api_key and tokens.facts["mode_source"] == "override"
    work_account(desk)
    desk.book.signed_in = "acct-w"
    tokens = await desk.sign_in("device", mode="chatgpt")
    assert not tokens.api_key and tokens.facts["mode"] == "chatgpt"


async def test_the_operator_may_choose_it_and_the_person_still_wins(desk: OpenAIDesk) -> None:
    work_account(desk)
    with desk.configured(oauth={"mode": "chatgpt"}):
        assert (await desk.sign_in("codex")).facts["mode"] == "chatgpt"
        assert (await desk.sign_in("codex", mode="api_key")).facts["mode"] == "api_key"


@pytest.mark.parametrize(("organization", "lacking"), [(None, "organization and project"), ("org-1", "project")])
async def test_no_key_without_an_organization_and_a_project(
    desk: OpenAIDesk, organization: str | None, lacking: str
) -> None:
    desk.book.add_account("acct-1", "ada@work.example", plan="business", organization_id=organization)
    with pytest.raises(errors.LoginError, match=f"names no {lacking} at") as caught:
        await desk.sign_in("codex")
    assert "mode chatgpt" in caught.value.hint and "platform.openai.com" in caught.value.hint
    assert not [spend for spend in desk.book.ledger if spend.kind == "exchange"], "it is not even asked"


async def test_a_refused_key_says_the_way_on(desk: OpenAIDesk) -> None:
    work_account(desk)
    tokens = await desk.sign_in("codex")
    stale = msgspec.structs.replace(tokens, api_key=Secret(""), id_token=Secret("no-longer-a-token"))
    with pytest.raises(errors.LoginError, match="refused to give this account an API key") as caught:
        await desk.credential(stale)
    assert "mode chatgpt" in caught.value.hint


# The device code


async def test_a_device_code_waits_until_it_was_typed(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-1", "ada@example.com")
    pending = await desk.begin("device")
    assert pending.url == f"{desk.server.origin}/codex/device"
    assert len(pending.user_code) == 9 and pending.interval == 1.0 and pending.method == "device"
    assert pending.user_code not in pending.url
    for _ in range(3):
        waiting = await desk.poll(pending)
        assert isinstance(waiting, PendingLogin) and waiting.interval == 1.0
    assert enter(desk.book, pending.user_code, "acct-1")
    assert isinstance(await desk.poll(pending), Tokens)


async def test_a_device_code_may_be_refused_or_end(desk: OpenAIDesk) -> None:
    pending = await desk.begin("device")
    enter(desk.book, pending.user_code, desk.book.signed_in, deny=True)
    with pytest.raises(errors.LoginDenied):
        await desk.poll(pending)
    pending = await desk.begin("device")
    desk.book.clock_offset = 16 * 60
    with pytest.raises(errors.LoginExpired):
        await desk.poll(pending)


async def test_device_codes_may_be_turned_off(desk: OpenAIDesk) -> None:
    desk.book.device_enabled = False
    with pytest.raises(errors.LoginError, match="no device code") as caught:
        await desk.begin("device")
    assert "security settings" in caught.value.hint and "browser" in caught.value.hint


# What goes wrong


@pytest.mark.parametrize("flow", ["chatgpt", "codex"])
async def test_access_that_was_not_allowed(desk: OpenAIDesk, flow: str) -> None:
    pending = await desk.begin(flow)
    with pytest.raises(errors.LoginDenied, match="not allowed"):
        await desk.finish(pending, desk.book.approve(pending.url, deny=True))
    assert desk.book.ledger == [], "nothing was exchanged"


@pytest.mark.parametrize("flow", ["chatgpt", "codex"])
async def test_a_code_works_once(desk: OpenAIDesk, flow: str) -> None:
    pending = await desk.begin(flow)
    landed = desk.book.approve(pending.url)
    await desk.finish(pending, landed)
    with pytest.raises(errors.InvalidLoginAnswer, match="used already"):
        await desk.finish(pending, landed)


@pytest.mark.parametrize("flow", ["chatgpt", "codex"])
async def test_another_sign_in_s_answer_is_not_taken(desk: OpenAIDesk, flow: str) -> None:
    mine, other = await desk.begin(flow), await desk.begin(flow)
    with pytest.raises(errors.InvalidLoginAnswer, match="another sign-in"):
        await desk.finish(mine, desk.book.approve(other.url))
    wrong = msgspec.structs.replace(mine, verifier=other.verifier)
    with pytest.raises(errors.InvalidLoginAnswer):
        await desk.finish(wrong, desk.book.approve(mine.url))


async def test_the_nonce_is_compared(desk: OpenAIDesk) -> None:
    pending = await desk.begin("chatgpt")
    wrong = msgspec.structs.replace(pending, nonce=Secret("another-nonce"))
    with pytest.raises(errors.InvalidIdToken, match="nonce"):
        await desk.finish(wrong, desk.book.approve(pending.url))


async def test_a_token_of_another_issuer_is_not_taken(desk: OpenAIDesk) -> None:
    pending = await desk.begin("codex")
    landed = desk.book.approve(pending.url)
    own_keys = {"issuer": "https://other.example", "jwks_url": f"{desk.server.origin}/.well-known/jwks.json"}
    with desk.configured(oauth=own_keys), pytest.raises(errors.InvalidIdToken, match="another issuer"):
        await desk.finish(pending, landed)


async def test_a_clock_that_is_wrong_is_named(desk: OpenAIDesk) -> None:
    desk.book.clock_offset = 7200
    with pytest.raises(errors.InvalidIdToken, match="in the future"):
        await desk.sign_in("codex")


@pytest.mark.parametrize("flow", ["chatgpt", "codex", "device"])
@pytest.mark.parametrize("kind", ["html", "empty", "garbage"])
async def test_answers_that_are_no_tokens(desk: OpenAIDesk, flow: str, kind: str) -> None:
    desk.book.faults.append(Fault(kind, "after"))  # type: ignore[arg-type]
    # A device code is handed out once: there is nothing left to ask again.
    with pytest.raises(errors.LoginError if flow == "device" else errors.BadAnswer, match="where tokens should be"):
        await desk.sign_in(flow)


async def test_the_discovery_document_must_be_the_issuer_s(desk: OpenAIDesk) -> None:
    elsewhere = {"issuer": f"{desk.server.origin}/", "authorize_url": ""}
    with desk.configured(siwc=elsewhere), pytest.raises(errors.BadAnswer, match="another issuer's"):
        await desk.begin("chatgpt")
    with desk.configured(siwc={"authorize_url": "", "token_url": ""}):
        assert (await desk.sign_in("chatgpt")).facts["mode"] == "plan"


async def test_restricted_flows_are_refused_by_default(desk: OpenAIDesk) -> None:
    with desk.configured(enabled_flows=()):
        for flow in ("codex", "device"):
            with pytest.raises(errors.FlowDisabled, match="OpenAI made this client for its own program"):
                await desk.begin(flow)
        assert (await desk.sign_in("chatgpt")).access, "the official flow is on"
    with desk.configured(enabled_flows=("device",)), pytest.raises(errors.FlowDisabled):
        await desk.begin("codex")


@pytest.mark.parametrize("flow", ["chatgpt", "codex", "device"])
async def test_no_secret_shows(desk: OpenAIDesk, flow: str) -> None:
    work_account(desk)
    pending = await desk.begin(flow)
    tokens = await desk.sign_in(flow)
    shown = repr(tokens) + repr(pending) + str(tokens.facts) + repr(await desk.credential(tokens))
    hidden = [*secrets_of(tokens), *secrets_of(msgspec.structs.replace(pending, url=""))]
    assert len(hidden) >= 3
    # The page's address carries state and nonce by design; everything else is hidden.
    open_values = {pending.state.reveal(), pending.nonce.reveal()}
    assert not [secret for secret in hidden if secret in shown and secret not in open_values]

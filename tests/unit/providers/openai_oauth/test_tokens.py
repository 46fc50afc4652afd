"""The times of tokens as OpenAI's answers give them, and what a refresh may leave out. Pure."""

import base64
import json
import time
from typing import Any

import msgspec
import pytest

from providers_app.errors import TokenOutcomeUnknown
from providers_app.providers.openai import sign_in
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens

HOUR = 3600.0
BEFORE = Tokens(
    flow="codex",
    access=Secret("old-access"),
    refresh=Secret("old-refresh"),
    id_token=Secret("old-id"),
    expires_at=4_000_000_000.0,
    scopes=("openid",),
    account_id="acct-1/user-1",
    facts={"mode": "chatgpt", "plan": "plus", "account_id": "acct-1"},
)


def jwt(**claims: Any) -> str:
    """Unsigned: nothing here rests on a signature."""
    parts = ({"alg": "RS256"}, claims)
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*coded, "c2ln"])


def read(flow: str = "chatgpt", **answer: Any) -> Tokens:
    given = {"access_token": "new-access", "refresh_token": "new-refresh", **answer}
    return sign_in.tokens_of(given, flow=flow, client=OAuthClient(id="c"), issuer="https://i.example")


def near(value: float | None, expected: float) -> bool:
    return value is not None and abs(value - expected) < 5


def test_the_end_is_what_the_answer_says_first() -> None:
    now = time.time()
    assert near(read("codex", expires_in="60", access_token=jwt(exp=now + HOUR)).expires_at, now + 60)
    assert near(read("codex", access_token=jwt(exp=now + HOUR)).expires_at, now + HOUR)
    assert near(read("codex").expires_at, now + 8 * 86400)
    assert near(read("chatgpt").expires_at, now + HOUR)
    for broken in (jwt(exp="soon"), jwt(exp=True), jwt(exp=-5), jwt(), "a.b.c", "eyJ"):
        assert near(read("codex", access_token=broken).expires_at, now + 8 * 86400)


@pytest.mark.parametrize("ahead", [-600.0, 0.0, 600.0, 3000.0])
def test_the_first_refresh_is_by_our_clock(ahead: float) -> None:
    """``ahead``: seconds by which our clock is before the server's."""
    now = time.time()
    server = now - ahead
    for allowed in (server + 3240, str(int(server + 3240)), (server + 3240) * 1000):
        found = read(expires_in=3600, earliest_refresh_at=allowed, id_token=jwt(iat=server)).earliest_refresh_at
        assert near(found, now + 3240)


@pytest.mark.parametrize("ahead", [-600.0, 0.0, 600.0])
def test_without_an_id_token_it_is_never_before_the_last_minutes(ahead: float) -> None:
    now = time.time()
    found = read(expires_in=3600, earliest_refresh_at=now - ahead + 3240)
    assert found.earliest_refresh_at is not None and found.expires_at is not None
    assert found.expires_at - 301 <= found.earliest_refresh_at <= found.expires_at


def test_a_server_that_names_no_time_is_asked_in_the_last_minutes() -> None:
    found = read(expires_in=3600)
    assert near(found.earliest_refresh_at, time.time() + 3300)
    assert read("codex", expires_in=3600).earliest_refresh_at is None, "the other flows are free"


def test_a_time_that_is_a_duration_needs_no_clock() -> None:
    found = read(expires_in=3600, earliest_refresh_at="3240", id_token=jwt(iat=5))
    assert near(found.earliest_refresh_at, time.time() + 3240)


@pytest.mark.parametrize(
    "changed", [{"refresh_token": "r2"}, {"id_token": "i2"}, {"refresh_token": "r2", "id_token": "i2"}]
)
def test_a_refresh_may_leave_the_access_token_as_it_is(changed: dict[str, str]) -> None:
    ends = time.time() + 500
    before = msgspec.structs.replace(BEFORE, expires_at=ends)
    answer = sign_in.completed(dict(changed), before)
    found = sign_in.tokens_of(answer, flow="codex", client=before.client, issuer="", before=before)
    assert found.access == BEFORE.access and near(found.expires_at, ends)
    assert found.refresh == Secret(changed.get("refresh_token", "old-refresh"))
    assert found.id_token == Secret(changed.get("id_token", "old-id"))
    assert (found.scopes, found.facts, found.account_id) == (BEFORE.scopes, BEFORE.facts, BEFORE.account_id)


@pytest.mark.parametrize("answer", [{}, {"access_token": ""}, {"expires_in": 60}, {"refresh_token": None}], ids=repr)
def test_a_refresh_that_gives_no_token_at_all_has_no_known_outcome(answer: dict[str, Any]) -> None:
    with pytest.raises(TokenOutcomeUnknown):
        sign_in.completed(answer, BEFORE)


def identity(account: str = "acct-1", plan: str = "pro", sub: str = "user-1") -> dict[str, Any]:
    return {"sub": sub, "https://api.openai.com/auth": {"chatgpt_account_id": account, "chatgpt_plan_type": plan}}


def refreshed(id_token: str) -> Tokens:
    answer = {"access_token": "a", "id_token": id_token}
    new = sign_in.tokens_of(answer, flow="codex", client=BEFORE.client, issuer="", before=BEFORE)
    return sign_in.claimed(new, BEFORE)


def test_nothing_of_an_id_token_is_taken_before_it_is_verified() -> None:
    found = refreshed(jwt(**identity(plan="HC")))
    assert (found.facts, found.account_id) == (BEFORE.facts, BEFORE.account_id)


@pytest.mark.parametrize("claims", [identity(account="acct-2"), identity(sub="user-2")])
def test_tokens_that_claim_another_account_say_so(claims: dict[str, Any]) -> None:
    found = refreshed(jwt(**claims))
    assert found.account_id not in ("", BEFORE.account_id) and found.access == Secret("a")


def test_an_id_token_that_cannot_be_read_loses_no_login() -> None:
    for broken in ("garbage", jwt(), jwt(sub=5)):
        found = refreshed(broken)
        assert (found.access, found.account_id) == (Secret("a"), BEFORE.account_id)

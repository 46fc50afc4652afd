"""The authorization servers refuse what the real ones refuse, so that a sign-in or a refresh against them can fail."""

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.vendors.auth import Fault
from tests.vendors.auth.clients import CODEX, SIWC_FIRST
from tests.vendors.auth.front import PageRefused
from tests.vendors.auth.hashes import challenge_of
from tests.vendors.server import VendorServer
from tests.waiting import wait_until
from tests.wire.vendors.auth_asks import (
    CALLBACK,
    CODEX_ASK,
    RESOURCE,
    STATE,
    address,
    codex_refresh,
    codex_token,
    params,
    sign_in,
)


def test_the_pages_buttons_lead_back_with_code_and_state(openai_auth: VendorServer) -> None:
    openai_auth.auth.add_account("acct-1", "ada@example.com")
    url = address(openai_auth, "/oauth/authorize", CODEX_ASK)
    page = httpx.get(url)
    assert "ada@example.com" in page.text
    assert "<li>offline_access</li>" in page.text
    allowed = httpx.post(url, data={"decision": "allow"})
    assert allowed.status_code == 302
    assert allowed.headers["location"].startswith(CALLBACK + "?code=")
    assert params(allowed.headers["location"])["state"] == STATE
    denied = httpx.post(url, data={"decision": "deny"})
    assert params(denied.headers["location"]) == {
        "error": "access_denied",
        "error_description": "The user denied the request.",
        "state": STATE,
    }
    assert params(openai_auth.auth.approve(url, deny=True))["error"] == "access_denied"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:8080/auth/callback",
        "http://127.0.0.1:1455/auth/callback",
        "http://localhost:1455/auth/callback/",
        "http://localhost:1455/auth/callback?x=1",
        "https://localhost:1455/auth/callback",
    ],
)
def test_a_redirect_address_is_exact(openai_auth: VendorServer, redirect_uri: str) -> None:
    url = address(openai_auth, "/oauth/authorize", CODEX_ASK, redirect_uri=redirect_uri)
    assert httpx.get(url).status_code == 400
    with pytest.raises(PageRefused, match="redirect_uri_mismatch"):
        openai_auth.auth.approve(url)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"state": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"invented": "1"}, "invalid_request"),
    ],
)
def test_a_wrong_question_is_sent_back(openai_auth: VendorServer, change: dict[str, Any], error: str) -> None:
    location = openai_auth.auth.approve(address(openai_auth, "/oauth/authorize", CODEX_ASK, **change))
    assert params(location)["error"] == error


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"code_verifier": "w" * 60}, "bad_verifier"),
        ({"redirect_uri": CALLBACK.replace("1455", "1457")}, "redirect_mismatch"),
    ],
)
def test_a_code_is_bound_and_spent_even_by_a_failure(
    openai_auth: VendorServer, change: dict[str, str], reason: str
) -> None:
    code = sign_in(openai_auth)
    assert codex_token(openai_auth, code, **change).json()["error"] == "invalid_grant"
    assert codex_token(openai_auth, code).status_code == 400
    assert [(line.kind, line.accepted, line.reason) for line in openai_auth.auth.ledger] == [
        ("code", False, reason),
        ("code", False, "code_reused"),
    ]


def test_a_code_used_twice_ends_what_was_issued_for_it(openai_auth: VendorServer) -> None:
    code = sign_in(openai_auth)
    tokens = codex_token(openai_auth, code).json()
    assert codex_token(openai_auth, code).status_code == 400
    assert openai_auth.auth.access(tokens["access_token"])[0] == "revoked"
    assert codex_refresh(openai_auth)(tokens["refresh_token"]).status_code == 401


def test_a_code_ends(openai_auth: VendorServer) -> None:
    code = sign_in(openai_auth)
    openai_auth.auth.clock_offset = 601
    assert codex_token(openai_auth, code).status_code == 400
    assert openai_auth.auth.ledger[0].reason == "code_expired"


def test_a_refresh_rotates_and_reuse_ends_the_family(openai_auth: VendorServer) -> None:
    book, refresh = openai_auth.auth, codex_refresh(openai_auth)
    first = book.issue("acct-default", CODEX)
    second = refresh(first.refresh).json()
    assert second["refresh_token"] != first.refresh
    assert book.access(second["access_token"])[0] == "valid"
    again = refresh(first.refresh)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "refresh_token_reused")
    assert book.access(second["access_token"])[0] == "revoked"
    assert refresh(second["refresh_token"]).json()["error"]["code"] == "refresh_token_invalidated"
    summary = book.summary()
    assert summary["accepted_spends"] == {"fam-1:1": 1}
    assert summary["second_presentations"] == {"fam-1:1": 1}
    assert summary["unexplained"] == ["fam-1:1"]
    assert summary["burned"] == {"fam-1": "reused"}


def test_two_logins_of_one_account_are_two_families(openai_auth: VendorServer) -> None:
    book, refresh = openai_auth.auth, codex_refresh(openai_auth)
    one, other = book.issue("acct-default", CODEX), book.issue("acct-default", CODEX)
    refresh(one.refresh)
    assert refresh(one.refresh).status_code == 401
    assert refresh(other.refresh).status_code == 200


def test_a_refresh_token_belongs_to_its_client_and_ends(openai_auth: VendorServer) -> None:
    book = openai_auth.auth
    book.add_client("app_other", kind="codex")
    issued = book.issue("acct-default", "app_other")
    assert codex_refresh(openai_auth)(issued.refresh).status_code == 401
    mine = book.issue("acct-default", CODEX)
    book.clock_offset = book.refresh_ttl + 1
    assert codex_refresh(openai_auth)(mine.refresh).json()["error"]["code"] == "refresh_token_expired"
    assert [line.reason for line in book.ledger] == ["client_mismatch", "expired"]


def test_a_server_that_does_not_rotate_takes_the_token_again(openai_auth: VendorServer) -> None:
    book, refresh = openai_auth.auth, codex_refresh(openai_auth)
    book.rotates = False
    issued = book.issue("acct-default", CODEX)
    answers = [refresh(issued.refresh).json() for _ in range(2)]
    assert {answer["refresh_token"] for answer in answers} == {issued.refresh}
    assert answers[0]["access_token"] != answers[1]["access_token"]
    assert (book.summary()["accepted_twice"], book.summary()["second_presentations"]) == ([], {})


def test_a_refresh_before_its_time_burns_the_login(openai_auth: VendorServer) -> None:
    book = openai_auth.auth
    issued = book.issue("acct-default", SIWC_FIRST)
    form = {"grant_type": "refresh_token", "refresh_token": issued.refresh, "client_id": issued.client_id}
    url = f"{openai_auth.origin}/api/accounts/oauth/token"
    assert issued.earliest_refresh_at == pytest.approx(issued.expires_at - 360, abs=1)
    early = httpx.post(url, data={**form, "resource": RESOURCE})
    assert (early.status_code, early.json()["error"]) == (400, "invalid_grant")
    assert book.summary()["burned"] == {"fam-1": "too_early"}
    assert book.access(issued.access)[0] == "revoked"
    in_time = book.issue("acct-default", SIWC_FIRST, ttl=300)
    answer = httpx.post(url, data={**form, "refresh_token": in_time.refresh, "resource": RESOURCE}).json()
    assert answer["earliest_refresh_at"] == pytest.approx(time.time() + 3600 - 360, abs=5)
    assert "scope" not in answer


def test_overlapping_refreshes_of_one_lane_end_both_logins(openai_auth: VendorServer) -> None:
    book = openai_auth.auth
    book.lane_check, book.latency = True, 60
    issued = [book.issue("acct-default", CODEX) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        asked = pool.map(codex_refresh(openai_auth), [one.refresh for one in issued])
        wait_until(lambda: book.summary()["overlaps"])
        book.go_on.set()
        answers = list(asked)
    assert [answer.status_code for answer in answers] == [401, 401]
    assert book.summary()["overlaps"] == 1
    assert book.summary()["accepted"] == 0
    assert book.summary()["burned"] == {"fam-1": "overlap", "fam-2": "overlap"}


def test_refreshes_one_after_the_other_or_of_other_accounts_do_not_overlap(openai_auth: VendorServer) -> None:
    book = openai_auth.auth
    book.lane_check, book.latency = True, 0.2
    book.add_account("acct-2", "b@example.com")
    issued = [book.issue(account, CODEX) for account in ("acct-default", "acct-2")]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(codex_refresh(openai_auth), [one.refresh for one in issued]))
    following = codex_refresh(openai_auth)(answers[0].json()["refresh_token"])
    assert [answer.status_code for answer in (*answers, following)] == [200, 200, 200]
    assert book.summary()["overlaps"] == 0


def test_a_rate_limit_spends_nothing(openai_auth: VendorServer) -> None:
    book, refresh = openai_auth.auth, codex_refresh(openai_auth)
    issued = book.issue("acct-default", CODEX)
    book.rate_limit(2, 7)
    answers = [refresh(issued.refresh) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"
    summary = book.summary()
    assert (summary["rate_limited"], summary["accepted"], summary["second_presentations"]) == (2, 1, {})


@pytest.mark.parametrize("kind", ["reset", "html", "empty", "garbage", "status", "hang"])
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_fault_before_spends_nothing_and_one_after_has_spent(
    openai_auth: VendorServer, kind: Any, where: Any
) -> None:
    book, refresh = openai_auth.auth, codex_refresh(openai_auth)
    issued = book.issue("acct-default", CODEX)
    book.faults.append(Fault(kind, where))
    try:
        answer = codex_refresh(openai_auth, read_s=0.5 if kind == "hang" else 60)(issued.refresh)
    except httpx.TransportError:
        assert kind in ("reset", "hang")
    else:
        assert answer.status_code == (503 if kind == "status" else 200)
        assert b"refresh_token" not in answer.content
    wait_until(lambda: len(book.ledger) == 1)
    assert not book.faults
    again = refresh(issued.refresh)
    summary = book.summary()
    if where == "before":
        assert again.status_code == 200
        assert summary["accepted_spends"] == {"fam-1:1": 1}
        assert summary["lost_answers"] == []
    else:
        assert again.json()["error"]["code"] == "refresh_token_reused"
        assert summary["lost_answers"] == ["fam-1:1"]
        assert summary["burned"] == {"fam-1": "reused"}
    assert summary["unexplained"] == []


def test_a_late_request_is_served_though_the_client_has_left(openai_auth: VendorServer) -> None:
    book = openai_auth.auth
    issued = book.issue("acct-default", CODEX)
    book.faults.append(Fault("delay", "before", 60))
    with pytest.raises(httpx.ReadTimeout):
        codex_refresh(openai_auth, read_s=0.2)(issued.refresh)
    wait_until(lambda: not book.faults)  # it has arrived
    book.go_on.set()
    wait_until(lambda: book.ledger)
    assert book.ledger[0].accepted
    assert not book.ledger[0].answered


def test_a_fault_can_wait_for_its_grant(openai_auth: VendorServer) -> None:
    openai_auth.auth.faults.append(Fault("status", status=500, grant="refresh_token"))
    tokens = codex_token(openai_auth, sign_in(openai_auth)).json()
    assert codex_refresh(openai_auth)(tokens["refresh_token"]).status_code == 500


def test_many_clients_at_once_get_one_acceptance(openai_auth: VendorServer) -> None:
    issued = openai_auth.auth.issue("acct-default", CODEX)
    start = threading.Barrier(8)

    def race(_: int) -> int:
        start.wait()
        return codex_refresh(openai_auth)(issued.refresh).status_code

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(race, range(8)))
    assert found == [200] + [401] * 7
    assert openai_auth.auth.summary()["accepted_spends"] == {"fam-1:1": 1}


def test_id_tokens_verify_with_the_published_keys(openai_auth: VendorServer) -> None:
    book = openai_auth.auth
    book.add_account("acct-1", "ada@example.com", plan="enterprise", organization_id="org-1", project_id="proj-1")
    token = codex_token(openai_auth, sign_in(openai_auth)).json()["id_token"]
    url = f"{openai_auth.origin}/.well-known/jwks.json"
    keys = httpx.get(url).json()
    assert "d" not in keys["keys"][0]
    claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["email"]) == (openai_auth.origin, [CODEX], "ada@example.com")
    assert claims["https://api.openai.com/auth"]["chatgpt_plan_type"] == "enterprise"
    assert claims["https://api.openai.com/auth"]["organization_id"] == "org-1"
    book.rotate_keys()
    with pytest.raises((JoseError, ValueError)):
        jwt.decode(token, KeySet.import_key_set(httpx.get(url).json()), algorithms=["RS256"])
    newer = book.issue("acct-1", CODEX).id_token
    assert jwt.decode(newer, KeySet.import_key_set(httpx.get(url).json()), algorithms=["RS256"]).claims["sub"]


def test_the_servers_clock_is_seen_in_its_answers(openai_auth: VendorServer) -> None:
    openai_auth.auth.clock_offset = 3600
    said = httpx.get(f"{openai_auth.origin}/.well-known/jwks.json").headers.get_list("date")
    assert len(said) == 1
    assert parsedate_to_datetime(said[0]).timestamp() == pytest.approx(time.time() + 3600, abs=3)


def test_a_challenge_is_the_hash_of_the_verifier() -> None:
    # The example of RFC 7636, appendix B.
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert base64.urlsafe_b64decode(challenge_of("x") + "=")

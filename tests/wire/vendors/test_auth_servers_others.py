"""Anthropic's, Google's and OpenRouter's flows at the strict servers."""

import json
import secrets
import time
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.vendors import anthropic, openrouter
from tests.vendors.anthropic.tokens import CLAUDE_CODE_ONLY, NOT_ALLOWED
from tests.vendors.auth import workloads
from tests.vendors.auth.clients import CLAUDE_CODE, GOOGLE_DESKTOP, GOOGLE_SECRET, GOOGLE_WEB
from tests.vendors.auth.front import PageRefused
from tests.vendors.server import VendorServer
from tests.wire.vendors.auth_asks import (
    CLAUDE_ASK,
    CONSOLE,
    GOOGLE_ASK,
    OAUTH,
    PKCE,
    STATE,
    VERIFIER,
    address,
    bearer,
    params,
)


def claude_body(code: str, **changed: str | None) -> dict[str, str]:
    """The exchange of the code that the page shows."""
    given, _, state = code.partition("#")
    body: dict[str, str | None] = {"grant_type": "authorization_code", "code": given, "state": state}
    body |= {"client_id": CLAUDE_CODE, "redirect_uri": CONSOLE, "code_verifier": VERIFIER, **changed}
    return {name: value for name, value in body.items() if value is not None}


def test_anthropic_shows_the_code_with_its_state(anthropic_auth: VendorServer) -> None:
    book, url = anthropic_auth.auth, f"{anthropic_auth.origin}/v1/oauth/token"
    book.add_account("acct-1", "ada@example.com", scopes_withheld=["user:profile"])
    login = address(anthropic_auth, "/oauth/authorize", CLAUDE_ASK)
    assert f"#{STATE}</code>" in httpx.post(login, data={"decision": "allow"}).text
    code = book.approve(login)
    assert code.endswith(f"#{STATE}")
    assert httpx.post(url, data=claude_body(code)).status_code == 400
    assert "state: Field required" in httpx.post(url, json=claude_body(code, state=None)).text
    assert "invented: Extra" in httpx.post(url, json=claude_body(code, invented="1")).text
    tokens = httpx.post(url, json=claude_body(code)).json()
    assert (tokens["scope"], tokens["expires_in"]) == ("user:inference", 28_800)
    assert tokens["account"] == {"uuid": "acct-1", "email_address": "ada@example.com"}
    profile = httpx.get(f"{anthropic_auth.origin}/api/oauth/profile", headers=bearer(tokens["access_token"]))
    assert profile.json()["error"]["message"] == "OAuth token does not meet scope requirement user:profile"
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": CLAUDE_CODE}
    assert httpx.post(url, json=refresh).json()["refresh_token"] != tokens["refresh_token"]
    assert httpx.post(url, json=refresh).json() == {
        "error": "invalid_grant",
        "error_description": "Refresh token not found or invalid",
    }


def test_anthropic_compares_the_state(anthropic_auth: VendorServer) -> None:
    url = f"{anthropic_auth.origin}/v1/oauth/token"
    code = anthropic_auth.auth.approve(address(anthropic_auth, "/oauth/authorize", CLAUDE_ASK))
    assert httpx.post(url, json=claude_body(code, state="x" * 20)).json()["error"] == "invalid_grant"
    assert httpx.post(url, json=claude_body(code)).status_code == 400


def test_anthropics_api_takes_a_token_with_its_beta_and_without_a_key(
    anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    book, url = anthropic_auth.auth, f"{anthropic_server.origin}/v1/models"
    issued = book.issue("acct-default", CLAUDE_CODE)

    def ask(**changed: str) -> tuple[int, str]:
        answer = httpx.get(url, headers={**OAUTH, **bearer(issued.access), **changed})
        return answer.status_code, answer.json().get("error", {}).get("message", "")

    assert ask() == (200, "")
    assert ask(**{"anthropic-beta": "other"}) == (401, "OAuth authentication is currently not supported.")
    assert ask(**{"x-api-key": anthropic.VALID_KEY})[0] == 401
    assert ask(authorization="Bearer sk-ant-oat01-unknown") == (401, "Invalid authentication credentials")
    book.blocked = CLAUDE_CODE_ONLY
    assert ask() == (400, CLAUDE_CODE_ONLY)
    book.blocked = NOT_ALLOWED
    assert ask() == (401, NOT_ALLOWED)
    book.blocked = ""
    book.end_all_access()
    assert ask()[1].startswith("OAuth token has expired.")
    book.burn(issued.family, "test")
    assert ask() == (403, "OAuth token has been revoked. Please obtain a new token.")
    assert anthropic_server.ledger[0].key == "right"
    assert anthropic_server.ledger[1].key == "wrong"


def test_anthropic_makes_a_key_out_of_a_login(anthropic_auth: VendorServer, anthropic_server: VendorServer) -> None:
    url = f"{anthropic_auth.origin}/api/oauth/claude_cli/create_api_key"
    bare = anthropic_auth.auth.issue("acct-default", CLAUDE_CODE, ["user:inference"])
    assert httpx.post(url, headers=bearer(bare.access)).status_code == 403
    issued = anthropic_auth.auth.issue("acct-default", CLAUDE_CODE)
    key = httpx.post(url, headers=bearer(issued.access)).json()["raw_key"]
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    assert httpx.get(f"{anthropic_server.origin}/v1/models", headers=headers).status_code == 200


def test_anthropics_federation_wants_its_beta_and_a_fitting_assertion(anthropic_auth: VendorServer) -> None:
    book, url = anthropic_auth.auth, f"{anthropic_auth.origin}/v1/oauth/token"
    rule = workloads.add_rule(book, "fdrl_1", "org-1")
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": workloads.workload_token(book, rule),
        "federation_rule_id": "fdrl_1",
        "organization_id": "org-1",
    }
    beta = {"anthropic-beta": "oauth-2025-04-20,oidc-federation-2026-04-01"}
    assert httpx.post(url, json=body).status_code == 400
    given = httpx.post(url, json=body, headers=beta).json()
    assert "refresh_token" not in given
    for wrong in (
        {"organization_id": "org-2"},
        {"federation_rule_id": "fdrl_2"},
        {"assertion": workloads.workload_token(book, rule, sub="repo:other/app")},
        {"assertion": workloads.workload_token(book, rule, ttl=-5)},
    ):
        assert httpx.post(url, json={**body, **wrong}, headers=beta).json()["error"] == "invalid_grant"
    issued = book.issue("acct-default", CLAUDE_CODE)
    refresh = {"grant_type": "refresh_token", "refresh_token": issued.refresh, "client_id": CLAUDE_CODE}
    assert httpx.post(url, json=refresh, headers=beta).status_code == 400


def google_form(**changed: str) -> dict[str, str]:
    """What every request of the web client carries."""
    return {"client_id": GOOGLE_WEB, "client_secret": GOOGLE_SECRET, **changed}


def test_google_knows_only_registered_addresses_and_asks_for_the_secret(google_auth: VendorServer) -> None:
    book, url = google_auth.auth, f"{google_auth.origin}/token"
    login = address(google_auth, "/o/oauth2/v2/auth", GOOGLE_ASK)
    with pytest.raises(PageRefused):
        book.approve(login)
    book.add_client(GOOGLE_WEB, redirects=[GOOGLE_ASK["redirect_uri"]])
    form = google_form(
        grant_type="authorization_code",
        code=params(book.approve(login))["code"],
        redirect_uri=GOOGLE_ASK["redirect_uri"],
        code_verifier=VERIFIER,
    )
    assert httpx.post(url, json=form).status_code == 400
    assert httpx.post(url, data={**form, "client_secret": "wrong"}).json()["error"] == "invalid_client"
    tokens = httpx.post(url, data=form).json()
    refresh = google_form(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    answers = [httpx.post(url, data=refresh).json() for _ in range(2)]
    assert ["refresh_token" in answer for answer in answers] == [False, False]
    assert httpx.post(f"{google_auth.origin}/revoke", data={"token": tokens["refresh_token"]}).status_code == 200
    assert httpx.post(url, data=refresh).json()["error"] == "invalid_grant"


def test_google_gives_a_refresh_token_for_offline_access_and_the_first_consent(google_auth: VendorServer) -> None:
    book, loopback = google_auth.auth, "http://127.0.0.1:5123/callback"
    ask = {**GOOGLE_ASK, "client_id": GOOGLE_DESKTOP, "redirect_uri": loopback}

    def refreshable(**changed: str | None) -> bool:
        login = address(google_auth, "/o/oauth2/v2/auth", ask, **changed)
        form = google_form(client_id=GOOGLE_DESKTOP, grant_type="authorization_code", redirect_uri=loopback)
        form |= {"code": params(book.approve(login))["code"], "code_verifier": VERIFIER}
        return "refresh_token" in httpx.post(f"{google_auth.origin}/token", data=form).json()

    assert not refreshable(access_type=None)
    assert not refreshable(prompt=None)
    assert refreshable()


def test_gemini_takes_a_token_with_its_project(google_auth: VendorServer, gemini_server: VendorServer) -> None:
    book, url = google_auth.auth, f"{gemini_server.origin}/v1beta/models"
    book.add_account("acct-1", "ada@example.com", project_id="my-project")
    issued = book.issue("acct-1", GOOGLE_WEB)

    def reason(**changed: str) -> str:
        headers = {**bearer(issued.access), "x-goog-user-project": "my-project", **changed}
        answer = httpx.get(url, headers={name: value for name, value in headers.items() if value})
        return "" if answer.status_code == 200 else answer.json()["error"]["details"][0]["reason"]

    assert reason() == ""
    assert reason(**{"x-goog-user-project": ""}) == "SERVICE_DISABLED"
    assert reason(**{"x-goog-user-project": "another"}) == "USER_PROJECT_DENIED"
    assert reason(**{"x-goog-api-key": "AIzaSyX"}) == "CONSUMER_INVALID"
    book.end_access(issued.access)
    assert reason() == "ACCESS_TOKEN_EXPIRED"


def test_a_service_accounts_assertion_is_verified(google_auth: VendorServer, gemini_server: VendorServer) -> None:
    book, url = google_auth.auth, f"{google_auth.origin}/token"
    file = workloads.add_service_account(book, "robot@local.iam.gserviceaccount.com")
    stranger = workloads.add_service_account(book, "other@local.iam.gserviceaccount.com")

    def mint(key: dict[str, str] = file, named: dict[str, str] = file, **changed: Any) -> httpx.Response:
        now = int(time.time())
        claims = {"iss": file["client_email"], "aud": file["token_uri"], "iat": now, "exp": now + 3600}
        claims |= {"scope": "https://www.googleapis.com/auth/cloud-platform", **changed}
        header = {"alg": "RS256", "kid": named["private_key_id"]}
        assertion = jwt.encode(header, claims, RSAKey.import_key(key["private_key"]))
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        return httpx.post(url, data=form)

    token = mint().json()
    assert isinstance(token["expires_in"], str)
    models = httpx.get(f"{gemini_server.origin}/v1beta/models", headers=bearer(token["access_token"]))
    assert models.status_code == 200
    assert mint(key=stranger).json()["error_description"] == "Invalid JWT Signature."
    assert mint(key=stranger, named=stranger).json()["error_description"] == "Invalid JWT Signature."
    assert "audience" in mint(aud="https://elsewhere.example").json()["error_description"]
    assert "reasonable timeframe" in mint(exp=int(time.time()) + 7200).json()["error_description"]
    assert mint(scope="").json()["error"] == "invalid_scope"


def test_openrouter_gives_a_key_once_for_a_verifier(openrouter_server: VendorServer) -> None:
    book, keys = openrouter_server.auth, f"{openrouter_server.origin}/api/v1/auth/keys"
    callback = f"http://localhost:3000/done?nonce={secrets.token_hex(8)}"
    location = book.approve(address(openrouter_server, "/auth", PKCE, callback_url=callback))
    assert location.startswith(callback + "&code=")
    body = {"code": params(location)["code"], "code_verifier": VERIFIER, "code_challenge_method": "S256"}
    given = httpx.post(keys, json=body).json()["key"]
    assert httpx.post(keys, json=body).status_code == 403
    key = httpx.get(f"{openrouter_server.origin}/api/v1/key", headers=bearer(given))
    assert key.json()["data"]["limit_remaining"] == 7.5
    shown = book.approve(address(openrouter_server, "/auth", PKCE, key_label="Maestro"))
    assert shown in httpx.post(keys, json={**body, "code": shown, "code_verifier": "w" * 60}).request.content.decode()
    assert book.ledger[-1].reason == "bad_verifier"
    plain = book.approve(address(openrouter_server, "/auth", PKCE, key_label="Maestro"))
    wrong = httpx.post(keys, json={"code": plain, "code_verifier": VERIFIER, "code_challenge_method": "plain"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, 400)
    with pytest.raises(PageRefused):
        book.approve(f"{openrouter_server.origin}/auth?key_label=x")


def test_openrouters_stream_has_comments_and_its_own_error(openrouter_server: VendorServer) -> None:
    url = f"{openrouter_server.origin}/api/v1/chat/completions"
    body = {"model": "openai/gpt-5.6", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    headers = bearer(openrouter.VALID_KEY)
    text = httpx.post(url, headers=headers, json=body).text
    assert text.startswith(": OPENROUTER PROCESSING\n\n")
    assert '"cost":0.00042' in text
    broken = httpx.post(url, headers=headers, json={**body, "model": "openai/gpt-5.6-midstream-error"}).text
    chunk = json.loads(broken.strip().split("data: ")[-2].split("\n")[0])
    assert (chunk["error"]["code"], chunk["choices"][0]["finish_reason"]) == (502, "error")
    assert httpx.post(url, headers=bearer("sk-or-v1-x"), json=body).json()["error"]["code"] == 401
    assert httpx.get(f"{openrouter_server.origin}/api/v1/models").status_code == 200

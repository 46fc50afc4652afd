"""OpenAI's flows at the strict server: exchange for a key, device login, ChatGPT backend, Sign in with ChatGPT."""

import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.vendors.auth.clients import CODEX
from tests.vendors.auth.front import PageRefused
from tests.vendors.auth.hashes import challenge_of
from tests.vendors.server import VendorServer
from tests.wire.vendors.auth_asks import LOOPBACK, RESOURCE, SIWC_ASK, VERIFIER, address, codex_token, params


def test_an_id_token_becomes_a_key_only_with_organization_and_project(
    openai_auth: VendorServer, openai_server: VendorServer
) -> None:
    book = openai_auth.auth
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "client_id": CODEX,
        "requested_token": "openai-api-key",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    book.add_account("acct-1", "ada@example.com", organization_id="org-1", project_id="proj-1")
    url = f"{openai_auth.origin}/oauth/token"
    without = httpx.post(url, data={**form, "subject_token": book.issue("acct-default", CODEX).id_token})
    assert without.status_code == 403
    given = httpx.post(url, data={**form, "subject_token": book.issue("acct-1", CODEX).id_token}).json()
    headers = {"authorization": f"Bearer {given['access_token']}", "openai-organization": "org-1"}
    models = f"{openai_server.origin}/v1/models"
    assert httpx.get(models, headers=headers).status_code == 200
    other = httpx.get(models, headers={**headers, "openai-organization": "org-2"})
    assert other.json()["error"]["code"] == "mismatched_organization"
    forged = jwt.encode({"alg": "RS256"}, {"aud": [CODEX], "exp": 9e9}, RSAKey.generate_key(2048))
    assert httpx.post(url, data={**form, "subject_token": forged}).status_code == 401


def test_the_device_flow_waits_for_the_person(openai_auth: VendorServer) -> None:
    base = f"{openai_auth.origin}/api/accounts/deviceauth"
    begun = httpx.post(f"{base}/usercode", json={"client_id": CODEX}).json()
    assert begun["interval"] == "1"
    asked = {"device_auth_id": begun["device_auth_id"], "user_code": begun["user_code"]}
    assert httpx.post(f"{base}/token", json=asked).status_code == 403
    page = f"{openai_auth.origin}/codex/device"
    assert 'name="user_code"' in httpx.get(page).text
    assert httpx.post(page, data={"user_code": "AAAA-AAAA", "decision": "allow"}).status_code == 400
    typed = begun["user_code"].lower()
    assert httpx.post(page, data={"user_code": typed, "decision": "allow"}).status_code == 200
    given = httpx.post(f"{base}/token", json=asked).json()
    assert challenge_of(given["code_verifier"]) == given["code_challenge"]
    assert httpx.post(f"{base}/token", json=asked).status_code == 404
    exchange = {"redirect_uri": f"{openai_auth.origin}/deviceauth/callback", "code_verifier": given["code_verifier"]}
    assert codex_token(openai_auth, given["authorization_code"], **exchange).status_code == 200


def test_a_device_login_can_be_denied_and_switched_off(openai_auth: VendorServer) -> None:
    base = f"{openai_auth.origin}/api/accounts/deviceauth"
    begun = httpx.post(f"{base}/usercode", json={"client_id": CODEX}).json()
    assert openai_auth.auth.enter_device_code(begun["user_code"], deny=True)
    asked = {"device_auth_id": begun["device_auth_id"], "user_code": begun["user_code"]}
    assert httpx.post(f"{base}/token", json=asked).json()["error"]["code"] == "access_denied"
    openai_auth.auth.device_enabled = False
    assert httpx.post(f"{base}/usercode", json={"client_id": CODEX}).status_code == 404


def test_sign_in_with_chatgpt_registers_by_itself(openai_auth: VendorServer, openai_server: VendorServer) -> None:
    book, path = openai_auth.auth, "/api/accounts/authorize"
    found = httpx.get(f"{openai_auth.origin}/.well-known/openid-configuration").json()
    assert found["authorization_endpoint"] == openai_auth.origin + path
    said = params(book.approve(address(openai_auth, path, SIWC_ASK)))
    assert said["client_id"].startswith("oaiapp_")
    form = {"grant_type": "authorization_code", "code": said["code"], "code_verifier": VERIFIER, "resource": RESOURCE}
    exchange = {**form, "client_id": said["client_id"], "redirect_uri": LOOPBACK}
    assert httpx.post(found["token_endpoint"], json=exchange).status_code == 400
    tokens = httpx.post(found["token_endpoint"], data=exchange).json()
    claims = jwt.decode(
        tokens["id_token"], KeySet.import_key_set(httpx.get(found["jwks_uri"]).json()), algorithms=["RS256"]
    ).claims
    assert (claims["nonce"], claims["aud"]) == (SIWC_ASK["nonce"], [said["client_id"]])
    later = address(openai_auth, path, SIWC_ASK, client_id=said["client_id"], agent_name_hint=None)
    assert params(book.approve(later))["client_id"] == said["client_id"]
    body = {"model": "gpt-5.6", "store": False, "stream": True, "input": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    streamed = httpx.post(f"{openai_server.origin}/v1/responses", headers=headers, json=body)
    assert "content-type" not in streamed.headers
    last = json.loads(streamed.text.strip().rsplit("data: ", 1)[1])
    assert (last["type"], last["response"]["output"]) == ("response.completed", [])
    models = httpx.get(f"{openai_server.origin}/v1/models", headers=headers).json()["models"]
    assert [model["visibility"] for model in models] == ["list", "list", "hide"]
    revoked = httpx.post(found["revocation_endpoint"], data={"token": tokens["refresh_token"], "client_id": "x"})
    assert (revoked.status_code, revoked.content) == (200, b"")
    refused = httpx.get(f"{openai_server.origin}/v1/models", headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"detail": {"error_code": "invalid_token"}})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"nonce": None}, "invalid_request"),
        ({"resource": "https://api.openai.com"}, "invalid_request"),
        ({"ext_agent_host_id": "urn:uuid:not-one"}, "invalid_request"),
        ({"ext_agent_host_id": None}, "invalid_request"),
        ({"agent_name_hint": None}, "invalid_request"),
        ({"redirect_uri": "http://localhost:5123/auth/callback"}, ""),
        ({"redirect_uri": "http://127.0.0.1:5123/callback"}, ""),
    ],
)
def test_sign_in_with_chatgpt_refuses(openai_auth: VendorServer, change: dict[str, Any], error: str) -> None:
    url = address(openai_auth, "/api/accounts/authorize", SIWC_ASK, **change)
    if error:
        assert params(openai_auth.auth.approve(url))["error"] == error
    else:
        with pytest.raises(PageRefused):
            openai_auth.auth.approve(url)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"store": True}, "Store must be set to false"),
        ({"stream": False}, "Stream must be set to true"),
        ({"instructions": None}, "Instructions are required"),
        ({"max_output_tokens": 100}, "Unsupported parameter: max_output_tokens"),
        ({"stream_options": {}}, "Unsupported parameter: stream_options"),
        ({"input": "hi"}, "Input must be a list"),
        ({"input": [{"role": "system", "content": "x"}]}, "System messages are not allowed"),
    ],
)
def test_the_chatgpt_backend_refuses(
    openai_auth: VendorServer, openai_server: VendorServer, change: dict[str, Any], said: str
) -> None:
    token = openai_auth.auth.issue("acct-default", CODEX).access
    headers = {"authorization": f"Bearer {token}", "chatgpt-account-id": "acct-default"}
    url = f"{openai_server.origin}/backend-api/codex/responses"
    body = {"model": "gpt-5.6", "instructions": "", "store": False, "stream": True}
    whole = {**body, "input": [{"role": "user", "content": "hi"}]}
    assert httpx.post(url, headers=headers, json=whole).text.count("response.completed") == 2
    refused = httpx.post(url, headers=headers, json={**whole, **change})
    assert (refused.status_code, refused.json()) == (400, {"detail": said})


def test_the_chatgpt_backend_wants_account_version_and_a_live_token(
    openai_auth: VendorServer, openai_server: VendorServer
) -> None:
    book = openai_auth.auth
    token = book.issue("acct-default", CODEX).access
    headers = {"authorization": f"Bearer {token}"}
    url = f"{openai_server.origin}/backend-api/codex/models"
    assert httpx.get(url, headers=headers, params={"client_version": "1.0.0"}).status_code == 400
    headers["ChatGPT-Account-ID"] = "acct-default"
    assert httpx.get(url, headers=headers).json() == {"detail": "client_version is required"}
    assert httpx.get(url, headers=headers, params={"client_version": "1.0.0"}).json()["models"][0]["slug"] == "gpt-5.6"
    book.accounts["acct-default"].limit = "usage_limit_reached"
    limited = httpx.get(url, headers=headers, params={"client_version": "1.0.0"})
    assert (limited.status_code, limited.json()["error"]["type"]) == (429, "usage_limit_reached")
    book.end_access(token)
    ended = httpx.get(url, headers=headers, params={"client_version": "1.0.0"})
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "token_expired")
    assert httpx.get(f"{openai_server.origin}/v1/models", headers=headers).status_code == 401

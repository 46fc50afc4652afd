"""Google sign-ins: what is asked for, what is accepted, and what each refusal means."""

import email.utils
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from providers_app import conf
from providers_app.behaviours.credentials.google import service_account
from providers_app.behaviours.oauth import LoginAnswer, LoginStart, OAuthFlow, PendingLogin
from providers_app.errors import (
    AuthenticationFailed,
    BadAnswer,
    InvalidCredential,
    InvalidIdToken,
    InvalidRequest,
    LoginError,
    MissingScope,
    TokenRefused,
)
from providers_app.providers.gemini import models
from providers_app.providers.gemini.config import Config, OAuthConfig
from providers_app.providers.gemini.oauth import BEHAVIOUR, service_accounts
from providers_app.registry.settings import ProvidersConfig, build_model
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http
from tests.unit.providers.oauth.conftest import TokenServer

CLOUD = "https://www.googleapis.com/auth/cloud-platform"
OWN = OAuthClient(id="own.apps.googleusercontent.com", secret=Secret("own-secret"))
PROJECT = {"project": Secret("my-project-1")}
SIGNER = RSAKey.generate_key(2048, {"kid": "g1"})
PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
KEY_FILE = {
    "type": "service_account",
    "project_id": "p1",
    "private_key_id": "abc123",
    "private_key": PEM,
    "client_email": "bot@p1.iam.gserviceaccount.com",
    "client_id": "1234",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}


def flow(name: str) -> OAuthFlow:
    return next(each for each in BEHAVIOUR.flows if each.name == name)


def settings(**oauth: Any) -> ProvidersConfig:
    return build_model()(
        allowed_private_hosts=("127.0.0.1",),
        refresh_timeout_s=2,
        gemini=Config(oauth=OAuthConfig(**oauth)),  # type: ignore[call-arg]
    )


@pytest.fixture(autouse=True)
def _google(server: TokenServer, loopback: Any, on_loop: Any) -> Iterator[None]:
    with conf.use(settings(token_url=f"{server.origin}/token", jwks_url=f"{server.origin}/keys")):
        yield


async def begun(http: Http, client: OAuthClient = OWN, **given: Secret) -> PendingLogin:
    uri = "http://127.0.0.1:4567/oauth/callback"
    return await BEHAVIOUR.begin(LoginStart(flow("google"), "loopback", client, uri, given or PROJECT), http)


def granted(pending: PendingLogin, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": pending.client.id,
        "sub": "1170",
        "email": "ada@example.com",
        "iat": now,
        "exp": now + 3600,
        "nonce": pending.nonce.reveal(),
        **changes.pop("claims", {}),
    }
    token = jwt.encode({"alg": "RS256", "kid": "g1"}, claims, SIGNER)
    found = {
        "access_token": "ya29.a",
        "refresh_token": "1//r",
        "expires_in": 3599,
        "scope": f"openid {CLOUD}",
        "id_token": token,
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


async def exchanged(server: TokenServer, http: Http, pending: PendingLogin, **changes: Any) -> Tokens:
    server.answer(200, granted(pending, **changes))
    server.answer(200, {"keys": [SIGNER.as_dict(private=False)]})
    tokens = await BEHAVIOUR.exchange(pending, LoginAnswer(code=Secret("4/c")), http)
    return await BEHAVIOUR.identified(tokens, http, pending)


async def test_the_page_is_asked_for_a_lasting_login(http: Http) -> None:
    pending = await begun(http)
    parts = urlsplit(pending.url)
    asked = {name: value for name, [value] in parse_qs(parts.query).items()}
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://accounts.google.com/o/oauth2/v2/auth"
    assert (asked["access_type"], asked["prompt"], asked["response_type"]) == ("offline", "consent", "code")
    assert asked["client_id"] == OWN.id
    assert asked["redirect_uri"] == "http://127.0.0.1:4567/oauth/callback"
    assert {"openid", "email", CLOUD} <= set(asked["scope"].split())
    assert asked["code_challenge_method"] == "S256"
    assert (asked["state"], asked["nonce"]) == (pending.state.reveal(), pending.nonce.reveal())
    assert "own-secret" not in pending.url
    assert pending.verifier.reveal() not in pending.url


async def test_a_first_sign_in(server: TokenServer, http: Http) -> None:
    pending = await begun(http)
    tokens = await exchanged(server, http, pending)
    assert (tokens.account_id, tokens.account_label) == ("1170", "ada@example.com")
    assert (tokens.refresh, tokens.facts) == (Secret("1//r"), {"project": "my-project-1"})
    assert tokens.client == OWN
    assert server.seen[0].form["client_secret"] == "own-secret"
    assert server.seen[0].form["code_verifier"] == pending.verifier.reveal()
    credential = await BEHAVIOUR.api_credentials(tokens, http)
    assert credential == Credential(auth_type="oauth", secret=Secret("ya29.a"), settings={"project": "my-project-1"})


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"scope": "openid email"}, MissingScope, "cloud-platform"),
        ({"scope": "https://www.googleapis.com/auth/generative-language.retriever"}, MissingScope, "not granted"),
        ({"refresh_token": None}, LoginError, "no refresh token"),
        ({"id_token": None}, InvalidIdToken, "no id token"),
        ({"claims": {"aud": "someone-else"}}, InvalidIdToken, "another client"),
        ({"claims": {"nonce": "other"}}, InvalidIdToken, "nonce"),
        ({"claims": {"iss": "https://evil.example"}}, InvalidIdToken, "issuer"),
    ],
)
async def test_a_sign_in_that_cannot_be_used(
    server: TokenServer, http: Http, changes: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        await exchanged(server, http, await begun(http), **changes)
    assert caught.value.hint  # type: ignore[attr-defined]


async def test_a_silent_scope_is_what_was_asked_for(server: TokenServer, http: Http) -> None:
    tokens = await exchanged(server, http, await begun(http), scope=None)
    assert CLOUD in tokens.scopes


async def test_googles_other_spelling_of_its_name(server: TokenServer, http: Http) -> None:
    assert await exchanged(server, http, await begun(http), claims={"iss": "accounts.google.com"})


async def test_without_openid_the_account_is_unknown(server: TokenServer, http: Http) -> None:
    with conf.use(settings(token_url=f"{server.origin}/token", scopes=CLOUD)):
        pending = await begun(http)
        assert "nonce" not in pending.url
        tokens = await exchanged(server, http, pending, id_token=None, scope=CLOUD)
    assert tokens.account_id == ""


async def test_a_client_is_needed_and_the_operators_is_used_where_none_is_given(
    server: TokenServer, http: Http
) -> None:
    with pytest.raises(InvalidRequest, match="none was given") as caught:
        await begun(http, OAuthClient())
    assert "Credentials" in caught.value.hint
    shared = {"client_id": "shared-id", "client_secret": "shared-secret", "token_url": f"{server.origin}/token"}
    with conf.use(settings(**shared)):
        assert (await begun(http, OAuthClient())).client == OAuthClient(id="shared-id", secret=Secret("shared-secret"))
        assert (await begun(http)).client == OWN
        # A login that was made with an earlier secret of the operator's goes on with the present one.
        server.answer(200, {"access_token": "ya29.b"})
        old = OAuthClient(id="shared-id", secret=Secret("earlier"))
        tokens = await BEHAVIOUR.refresh(Tokens(flow="google", refresh=Secret("1//r"), client=old), http)
    assert server.seen[-1].form["client_secret"] == "shared-secret"
    assert tokens.client.secret == Secret("shared-secret")


@pytest.mark.parametrize("project", ["", "a b", "a\r\nx-evil: 1", "проект", "x" * 101, "-a"])
async def test_a_quota_project_that_is_none(http: Http, project: str) -> None:
    with pytest.raises(InvalidRequest, match="quota project"):
        await begun(http, project=Secret(project))


REFRESHABLE = Tokens(
    flow="google",
    access=Secret("old"),
    refresh=Secret("1//r"),
    client=OWN,
    account_id="1170",
    scopes=(CLOUD,),
    facts={"project": "my-project-1"},
)


async def test_a_refresh_keeps_the_refresh_token_and_the_account(server: TokenServer, http: Http) -> None:
    server.answer(200, {"access_token": "ya29.b", "expires_in": 3599, "scope": CLOUD, "token_type": "Bearer"})
    found = await BEHAVIOUR.refresh(REFRESHABLE, http)
    assert server.seen[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "1//r",
        "client_id": OWN.id,
        "client_secret": "own-secret",
    }
    assert (found.access, found.refresh, found.account_id) == (Secret("ya29.b"), Secret("1//r"), "1170")
    assert found.facts == REFRESHABLE.facts
    assert found.expires_at == pytest.approx(time.time() + 3599, abs=5)


async def test_refusals_of_a_refresh(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
    with pytest.raises(TokenRefused):
        await BEHAVIOUR.refresh(REFRESHABLE, http)
    server.answers.clear()
    server.answer(400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"})
    with pytest.raises(TokenRefused, match="organisation's policy"):
        await BEHAVIOUR.refresh(REFRESHABLE, http)
    server.answers.clear()
    server.answer(401, {"error": "invalid_client"})
    with pytest.raises(AuthenticationFailed) as caught:
        await BEHAVIOUR.refresh(REFRESHABLE, http)
    assert type(caught.value) is AuthenticationFailed
    server.answers.clear()
    server.answer(200, b"<html>")
    with pytest.raises(BadAnswer):
        await BEHAVIOUR.refresh(REFRESHABLE, http)


async def test_signing_and_advice() -> None:
    person = Credential(auth_type="oauth", secret=Secret("ya29.a"), settings={"project": "my-project-1"})
    signed = BEHAVIOUR.authorize(person, HttpRequest(method="GET", url="https://h/"))
    assert signed.headers == {"authorization": "Bearer ya29.a", "x-goog-user-project": "my-project-1"}
    assert "ya29.a" not in repr(signed)
    robot = Credential(auth_type="oauth", secret=Secret("ya29.a"), settings={"account_project": "p1"})
    assert BEHAVIOUR.authorize(robot, HttpRequest(method="GET", url="https://h/")).headers == {
        "authorization": "Bearer ya29.a"
    }
    chat = ChatRequest(model="m", messages=())
    assert [advice.field for advice in BEHAVIOUR.advise(chat, person)] == ["authorization", "x-goog-user-project"]
    assert "my-project-1" in BEHAVIOUR.advise(chat, person)[1].message
    assert [advice.field for advice in BEHAVIOUR.advise(chat, robot)] == ["authorization"]


def test_the_list_of_models_is_signed_by_what_the_session_has() -> None:
    request = HttpRequest(method="GET", url="https://h/")
    key = models.BEHAVIOUR.sign(Credential(auth_type="api_key", secret=Secret("AIza-key")), request)
    assert key.headers == {"x-goog-api-key": "AIza-key"}
    token = models.BEHAVIOUR.sign(Credential(auth_type="oauth", secret=Secret("ya29.a")), request)
    assert token.headers == {"authorization": "Bearer ya29.a"}


# Service accounts


def key_file(**changes: Any) -> Secret:
    return Secret(json.dumps({name: value for name, value in {**KEY_FILE, **changes}.items() if value is not None}))


async def direct(server: TokenServer, http: Http) -> Tokens:
    given = {"service_account": key_file()}
    pending = await BEHAVIOUR.begin(LoginStart(flow("service_account"), "direct", given=given), http)
    return await BEHAVIOUR.exchange(pending, LoginAnswer(), http)


async def test_a_service_account_signs_for_itself_again_and_again(server: TokenServer, http: Http) -> None:
    server.answer(200, {"access_token": "ya29.1", "expires_in": "3599", "token_type": "Bearer"})
    server.answer(200, {"access_token": "ya29.2"})
    tokens = await direct(server, http)
    assert (tokens.access, tokens.refresh) == (Secret("ya29.1"), Secret(""))
    assert (tokens.account_id, tokens.account_label) == (KEY_FILE["client_email"],) * 2
    assert tokens.expires_at == pytest.approx(time.time() + 3599, abs=5)
    again = await BEHAVIOUR.refresh(tokens, http)
    assert (again.access, again.account_id) == (Secret("ya29.2"), tokens.account_id)
    assert again.expires_at == pytest.approx(time.time() + 3600, abs=5)
    public = RSAKey.import_key(RSAKey.import_key(PEM).as_pem(private=False))
    for seen in server.seen:
        claims = jwt.decode(seen.form["assertion"], public, algorithms=["RS256"]).claims
        assert (claims["aud"], claims["scope"]) == (KEY_FILE["token_uri"], CLOUD)
    assert await BEHAVIOUR.revoke(tokens, http) is False
    assert PEM.splitlines()[1] not in repr(tokens)


async def test_a_deleted_key_is_final_and_a_wrong_clock_is_not(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    with pytest.raises(TokenRefused, match="it was deleted"):
        await direct(server, http)
    server.answers.clear()
    late = email.utils.formatdate(time.time() + 7200, usegmt=True)
    server.answer(400, {"error": "invalid_grant"}, Date=late)
    with pytest.raises(AuthenticationFailed, match="120 minutes behind") as caught:
        await direct(server, http)
    assert not isinstance(caught.value, TokenRefused)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (Secret(""), "not JSON"),
        (Secret("AIza-a-key"), "not JSON"),
        (Secret("[1]"), "not a JSON object"),
        (Secret("{}"), "not the key of a service account"),
        (key_file(type="authorized_user"), "credentials of a person"),
        (key_file(type="external_account"), "not followed"),
        (key_file(type="impersonated_service_account"), "not followed"),
        (key_file(type="external_account_authorized_user"), "not followed"),
        (key_file(type="gdch_service_account"), "Distributed Cloud"),
        (key_file(type=["service_account"]), "not the key"),
        (key_file(universe_domain="evil.example"), "another cloud"),
        (key_file(token_uri="https://evil.example/token"), "token_uri"),
        (key_file(token_uri="https://oauth2.googleapis.com/token/../x"), "token_uri"),
        (key_file(client_email=None), "lacks client_email"),
        (key_file(client_email="a\nb@c"), "lacks client_email"),
        (key_file(private_key=None), "private_key"),
        (key_file(private_key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "cannot be read"),
        (key_file(private_key_id="../../x y"), "lacks"),
    ],
)
async def test_other_files_are_refused_with_the_reason(
    server: TokenServer, http: Http, text: Secret, said: str
) -> None:
    with pytest.raises(InvalidCredential, match=said) as caught:
        given = {"service_account": text}
        await BEHAVIOUR.begin(LoginStart(flow("service_account"), "direct", given=given), http)
    assert "evil" not in caught.value.message
    assert PEM.splitlines()[1] not in f"{caught.value.message}{caught.value.hint}"
    assert server.seen == []


def test_a_configured_token_address_may_be_named_by_the_file(server: TokenServer) -> None:
    found = service_account.read(key_file(token_uri=f"{server.origin}/token"), service_accounts())
    assert found.token_uri == f"{server.origin}/token"


async def test_there_is_no_device_code(http: Http) -> None:
    with pytest.raises(InvalidRequest):
        await BEHAVIOUR.poll(PendingLogin(flow="google", method="device"), http)

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from providers_app.behaviours.oauth import LoginAnswer, PendingLogin, grants
from providers_app.errors import BadRequest, InvalidCredential, InvalidLoginAnswer, TokenOutcomeUnknown, TokenRefused
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens
from providers_app.wire.client import Http
from tests.unit.providers.oauth.conftest import TokenServer

CLIENT = OAuthClient(id="me", secret=Secret("shh"))
PENDING = PendingLogin(
    flow="f", method="callback", verifier=Secret("v" * 43), redirect_uri="https://me/cb?x=1", client=CLIENT
)
GOOD = {"access_token": "at"}


def pem(key: object, *, password: bytes = b"", public: bool = False) -> Secret:
    if public:
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        data = key.public_key().public_bytes(serialization.Encoding.PEM, kind)  # type: ignore[attr-defined]
    else:
        seal = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        data = key.private_bytes(  # type: ignore[attr-defined]
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, seal
        )
    return Secret(data.decode())


KEY = rsa.generate_private_key(65537, 2048)


def test_a_sign_in_address_keeps_its_own_query_and_leaves_out_what_is_empty() -> None:
    url = grants.authorization_url(
        "https://auth.example/authorize?tenant=a%20b#top",
        {"scope": "openid email", "state": Secret("s&t"), "nonce": Secret(""), "redirect_uri": "http://127.0.0.1:1/cb"},
    )
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "auth.example", "/authorize", "")
    assert parse_qs(parts.query, strict_parsing=True) == {
        "tenant": ["a b"],
        "scope": ["openid email"],
        "state": ["s&t"],
        "redirect_uri": ["http://127.0.0.1:1/cb"],
    }


async def test_an_authorization_code(server: TokenServer, http: Http) -> None:
    server.answer(200, GOOD)
    answer = LoginAnswer(code=Secret("4/0Ab+c"))
    assert await grants.authorization_code(server.endpoint, PENDING, answer, http, extra={"resource": "r"}) == GOOD
    assert server.seen[0].form == {
        "grant_type": "authorization_code",
        "code": "4/0Ab+c",
        "redirect_uri": "https://me/cb?x=1",
        "client_id": "me",
        "client_secret": "shh",
        "code_verifier": "v" * 43,
        "resource": "r",
    }


async def test_a_code_that_is_not_taken(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": "invalid_grant", "error_description": "Malformed auth code."})
    with pytest.raises(InvalidLoginAnswer, match="used already or is too old") as caught:
        await grants.authorization_code(server.endpoint, PENDING, LoginAnswer(code=Secret("c")), http)
    assert "Malformed" not in caught.value.message


async def test_a_refresh(server: TokenServer, http: Http) -> None:
    server.answer(200, GOOD)
    tokens = Tokens(flow="f", refresh=Secret("rt"), client=OAuthClient(id="public"))
    await grants.refresh_token(server.endpoint, tokens, http, extra={"scope": "a"})
    wanted = {"grant_type": "refresh_token", "refresh_token": "rt", "client_id": "public", "scope": "a"}
    assert server.seen[0].form == wanted


async def test_a_refresh_spends_and_the_others_do_not(server: TokenServer, http: Http) -> None:
    server.answer(502, b"")
    with pytest.raises(TokenOutcomeUnknown):
        await grants.refresh_token(server.endpoint, Tokens(flow="f", refresh=Secret("rt")), http)
    for call in (
        grants.token_exchange(server.endpoint, fields={"subject_token": Secret("x")}, http=http),
        grants.client_credentials(server.endpoint, CLIENT, http),
        grants.jwt_bearer(server.endpoint, Secret("a.b.c"), http),
    ):
        with pytest.raises(Exception, match="status 502") as caught:
            await call
        assert not isinstance(caught.value, TokenOutcomeUnknown)


async def test_token_exchange_client_credentials_and_jwt_bearer(server: TokenServer, http: Http) -> None:
    server.answer(200, GOOD)
    await grants.token_exchange(server.endpoint, fields={"subject_token": Secret("x"), "client_id": "me"}, http=http)
    await grants.client_credentials(server.endpoint, CLIENT, http, extra={"scope": "s"})
    await grants.jwt_bearer(server.endpoint, Secret("a.b.c"), http)
    assert [seen.form for seen in server.seen] == [
        {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "x", "client_id": "me"},
        {"grant_type": "client_credentials", "client_id": "me", "client_secret": "shh", "scope": "s"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
    ]


async def test_a_refusal_of_other_grants_is_typed(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": "invalid_grant"})
    with pytest.raises(TokenRefused):
        await grants.jwt_bearer(server.endpoint, Secret("a.b.c"), http)
    server.answers.clear()
    server.answer(400, {"error": "unsupported_grant_type"})
    with pytest.raises(BadRequest):
        await grants.token_exchange(server.endpoint, fields={}, http=http)


def test_a_service_accounts_statement() -> None:
    found = grants.service_account_assertion(
        email="sa@p.iam.gserviceaccount.com",
        key_pem=pem(KEY),
        key_id="kid-1",
        audience="https://oauth2.googleapis.com/token",
        scope="a b",
        now=1_800_000_000.9,
    )
    public = RSAKey.import_key(pem(KEY, public=True).reveal())
    token = jwt.decode(found.reveal(), public, algorithms=["RS256"])
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    assert token.claims == {
        "iss": "sa@p.iam.gserviceaccount.com",
        "aud": "https://oauth2.googleapis.com/token",
        "scope": "a b",
        "iat": 1_800_000_000,
        "exp": 1_800_003_600,
    }


@pytest.mark.parametrize(
    "bad",
    [
        Secret(""),
        Secret("not a key at all"),
        Secret("-----BEGIN PRIVATE KEY-----\nTOPSECRETKEYMATERIAL\n-----END PRIVATE KEY-----\n"),
        pem(KEY, password=b"pw"),
        pem(KEY, public=True),
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 1024)),
        Secret(pem(KEY).reveal().replace("\n", "\\n")),
        Secret('{"kty": "oct", "k": "AAAA"}'),
    ],
    ids=["empty", "text", "garbage", "sealed", "public", "ec", "short", "escaped", "jwk"],
)
def test_a_key_that_cannot_sign_is_refused_without_a_word_of_it(bad: Secret) -> None:
    with pytest.raises(InvalidCredential) as caught:
        grants.service_account_assertion(email="e@x", key_pem=bad, key_id="", audience="a", scope="s", now=0)
    shown = f"{caught.value.message} {caught.value.hint} {caught.value.__cause__!r}"
    pieces = re.findall(r"[A-Za-z0-9+/]{16,}", bad.reveal())
    assert not any(piece in shown for piece in pieces)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None

"""Id tokens against keys that a real server publishes; each tampering is refused for its own reason."""

import base64
import email.utils
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from providers_app.behaviours.oauth import id_token
from providers_app.errors import AnswerTooLarge, BadAnswer, InvalidIdToken, Retry, ServerError, UpstreamError
from providers_app.types.credentials import Secret
from providers_app.wire.client import Http
from tests.unit.providers.oauth.conftest import TokenServer

RSA = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
RSA2 = RSAKey.generate_key(2048, {"kid": "r2", "use": "sig", "alg": "RS256"})
EC = ECKey.generate_key("P-256", {"kid": "e1", "use": "sig"})
ISSUER = "https://issuer.example"
NONCE = Secret("nonce-1")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {"iss": ISSUER, "aud": "me", "sub": "acct-1", "exp": now + 3600, "iat": now, "nonce": "nonce-1", **changes}
    return {name: value for name, value in found.items() if value is not None}


def sign(content: dict[str, Any], key: Any = RSA, header: dict[str, Any] | None = None) -> Secret:
    wanted = header if header is not None else {"alg": "RS256" if key.key_type == "RSA" else "ES256", "kid": key.kid}
    return Secret(jwt.encode(wanted, content, key, algorithms=[wanted["alg"]]))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def publish(server: TokenServer, *keys: Any, **headers: str) -> None:
    server.answers.clear()
    server.answer(
        200, {"keys": [key.as_dict(private=False) if hasattr(key, "as_dict") else key for key in keys]}, **headers
    )


async def verified(server: TokenServer, http: Http, token: Secret, **options: Any) -> dict[str, Any]:
    options = {"issuer": ISSUER, "audience": "me", "nonce": NONCE, **options}
    return await id_token.verify(token, jwks_url=f"{server.origin}/keys", http=http, **options)


@pytest.fixture(autouse=True)
def _loop(on_loop: Any) -> None:
    """The keys are kept with the provider loop."""


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
async def test_a_good_token(server: TokenServer, http: Http, key: Any) -> None:
    publish(server, RSA, EC)
    assert (await verified(server, http, sign(claims(), key)))["sub"] == "acct-1"
    assert server.seen[0].line == "GET /keys HTTP/1.1"


async def test_several_audiences_and_spellings_of_the_issuer(server: TokenServer, http: Http) -> None:
    publish(server, RSA)
    await verified(server, http, sign(claims(aud=["me"])))
    await verified(server, http, sign(claims(aud=["other", "me"], azp="me")))
    await verified(server, http, sign(claims(iss="issuer.example")), issuer=(ISSUER, "issuer.example"))
    await verified(server, http, sign(claims(nonce=None)), nonce=None)
    await verified(server, http, sign(claims(exp=time.time() - 30, iat=time.time() + 30)))


BAD_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://issuer.example/"}, "issuer"),
    ({"iss": "https://evil.example"}, "issuer"),
    ({"iss": None}, "issuer"),
    ({"iss": ["https://issuer.example"]}, "issuer"),
    ({"aud": "you"}, "another client"),
    ({"aud": ["you", "they"]}, "another client"),
    ({"aud": None}, "another client"),
    ({"aud": {"me": 1}}, "another client"),
    ({"aud": ["me", "you"]}, "azp"),
    ({"aud": ["me", "you"], "azp": "you"}, "azp"),
    ({"exp": 1}, "ended"),
    ({"exp": None}, "does not say"),
    ({"iat": None}, "does not say"),
    ({"exp": "tomorrow"}, "exp is not a time"),
    ({"exp": True}, "exp is not a time"),
    ({"iat": 9_999_999_999}, "in the future"),
    ({"nbf": 9_999_999_999}, "valid only in"),
    ({"nonce": "nonce-2"}, "nonce"),
    ({"nonce": "ñ"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"nonce": 5}, "nonce"),
    ({"sub": ""}, "sub"),
    ({"sub": "  "}, "sub"),
    ({"sub": None}, "sub"),
    ({"sub": 7}, "sub"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_CLAIMS)
async def test_claims_that_are_not_ours_or_not_of_now(
    server: TokenServer, http: Http, change: dict[str, Any], reason: str
) -> None:
    publish(server, RSA)
    with pytest.raises(InvalidIdToken, match=reason):
        await verified(server, http, sign(claims(**change)))


def forged() -> dict[str, tuple[Secret, str]]:
    good = sign(claims()).reveal()
    head, body, signature = good.split(".")
    hmac_head = part({"alg": "HS256", "kid": "r1"})
    mac = hmac.digest(RSA.as_pem(private=False), f"{hmac_head}.{body}".encode(), hashlib.sha256)
    mac_text = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    stranger = RSAKey.generate_key(2048, {"kid": "r1"})
    return {
        "none": (Secret(f"{part({'alg': 'none'})}.{body}."), "not signed with"),
        "None": (Secret(f"{part({'alg': 'None', 'kid': 'r1'})}.{body}.{signature}"), "not signed with"),
        "hmac with the public key": (Secret(f"{hmac_head}.{body}.{mac_text}"), "not signed with"),
        "RS512": (sign(claims(), RSA, {"alg": "RS512", "kid": "r1"}), "not signed with"),
        "PS256": (sign(claims(), RSA, {"alg": "PS256", "kid": "r1"}), "not signed with"),
        "no algorithm": (Secret(f"{part({'kid': 'r1'})}.{body}.{signature}"), "signed"),
        "another key under the same id": (sign(claims(), stranger), "signature"),
        "other claims": (Secret(f"{head}.{part(claims(sub='acct-2'))}.{signature}"), "signature"),
        "no signature": (Secret(f"{head}.{body}."), "sign"),
        "half a signature": (Secret(f"{head}.{body}.{signature[:100]}"), "signature"),
        "an unknown key": (sign(claims(), RSA2), "does not publish"),
        "the id of the other kind of key": (sign(claims(), RSA, {"alg": "RS256", "kid": "e1"}), "does not publish"),
        "crit": (
            Secret(f"{part({'alg': 'RS256', 'kid': 'r1', 'crit': ['x'], 'x': 1})}.{body}.{signature}"),
            "crit|JWT",
        ),
        "no JWT": (Secret("opaque-token"), "not a signed JWT"),
        "five parts": (Secret("a.b.c.d.e"), "not a signed JWT"),
        "not ASCII": (Secret("ü.ü.ü"), "not a signed JWT"),
        "empty": (Secret(""), "no id token"),
        "endless": (Secret("a" * 70_000), "too long"),
        "a list of claims": (
            Secret(jws.serialize_compact({"alg": "RS256", "kid": "r1"}, b"[1]", RSA, algorithms=["RS256"])),
            "no claims",
        ),
        "no JSON": (
            Secret(jws.serialize_compact({"alg": "RS256", "kid": "r1"}, b"hello", RSA, algorithms=["RS256"])),
            "no claims",
        ),
    }


FORGED = forged()


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token(server: TokenServer, http: Http, name: str) -> None:
    token, reason = FORGED[name]
    publish(server, RSA, EC)
    with pytest.raises(InvalidIdToken, match=reason) as caught:
        await verified(server, http, token)
    assert not token or token.reveal()[:40] not in caught.value.message


async def test_keys_are_kept_and_fetched_once_more_for_an_unknown_one(
    server: TokenServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, RSA)
    for _ in range(3):
        await verified(server, http, sign(claims()))
    assert len(server.seen) == 1
    publish(server, RSA2)
    with pytest.raises(InvalidIdToken):  # too soon after the last time
        await verified(server, http, sign(claims(), RSA2))
    assert len(server.seen) == 1
    clock = time.monotonic() + id_token.REFETCH_S + 1
    monkeypatch.setattr("time.monotonic", lambda: clock)
    await verified(server, http, sign(claims(), RSA2))
    with pytest.raises(InvalidIdToken):  # no longer published; not asked again at once
        await verified(server, http, sign(claims(), RSA))
    assert len(server.seen) == 2
    clock += id_token.KEEP_S + 1  # the sum of two floats may be less than both together
    await verified(server, http, sign(claims(), RSA2))
    assert len(server.seen) == 3


async def test_a_token_without_a_key_id_is_tried_with_each_key(server: TokenServer, http: Http) -> None:
    publish(server, EC, RSA2, RSA)
    assert await verified(server, http, sign(claims(), RSA, {"alg": "RS256"}))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"", ServerError),
        (302, b"", BadAnswer),
        (200, b"<html>", BadAnswer),
        (200, {"keys": "none"}, BadAnswer),
        (200, b" " * (id_token.MAX_KEYS_BODY + 1), AnswerTooLarge),
        (200, {"keys": []}, InvalidIdToken),
        (200, {"keys": [5, {}, {"kty": "RSA"}, {"kty": "RSA", "n": "!", "e": "AQAB"}]}, InvalidIdToken),
    ],
)
async def test_keys_that_cannot_be_had(
    server: TokenServer, http: Http, status: int, body: Any, kind: type[UpstreamError]
) -> None:
    server.answer(status, body)
    with pytest.raises(UpstreamError) as caught:
        await verified(server, http, sign(claims()))
    assert type(caught.value) is kind


async def test_a_clock_that_is_wrong_is_named(server: TokenServer, http: Http) -> None:
    publish(server, RSA, Date=email.utils.formatdate(time.time() + 600, usegmt=True))
    token = sign(claims(iat=int(time.time()) + 600, exp=int(time.time()) + 4200))
    with pytest.raises(InvalidIdToken, match=r"clock of this machine is (599|600) s behind"):
        await verified(server, http, token)


HINTS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://evil.example"}, f"configured issuer ({ISSUER})"),
    ({"aud": "you"}, "configured client id"),
    ({"aud": ["me", "you"]}, "configured client id"),
    ({"nonce": "nonce-2"}, "only the page that it opens"),
    ({"sub": ""}, "Sign in again; if it stays"),
]


@pytest.mark.parametrize(("change", "hint"), HINTS)
async def test_a_refusal_says_what_to_do_about_its_cause(
    server: TokenServer, http: Http, change: dict[str, Any], hint: str
) -> None:
    publish(server, RSA)
    with pytest.raises(InvalidIdToken) as caught:
        await verified(server, http, sign(claims(**change)))
    assert hint in caught.value.hint and "clock" not in caught.value.hint
    assert caught.value.retry is Retry.NEVER


async def test_a_signature_or_key_that_is_wrong_names_the_keys(server: TokenServer, http: Http) -> None:
    publish(server, RSA)
    stranger = RSAKey.generate_key(2048, {"kid": "r1"})
    for key, retry in ((stranger, Retry.NEVER), (RSA2, Retry.AFTER_WAIT)):
        with pytest.raises(InvalidIdToken) as caught:
            await verified(server, http, sign(claims(), key))
        assert "jwks_url" in caught.value.hint and caught.value.retry is retry


@pytest.mark.parametrize(
    ("ahead", "turn"),
    [(600, "Set the clock of this machine forward by"), (-600, "Set the clock of this machine back by")],
)
async def test_where_it_is_the_clock_the_difference_is_said(
    server: TokenServer, http: Http, ahead: int, turn: str
) -> None:
    now = time.time() + ahead
    publish(server, RSA, Date=email.utils.formatdate(now, usegmt=True))
    with pytest.raises(InvalidIdToken, match=r"clock of this machine is \d+ s") as caught:
        await verified(server, http, sign(claims(iat=int(now), exp=int(now) + 300)))
    assert turn in caught.value.hint and caught.value.retry is Retry.AFTER_WAIT


async def test_where_it_is_not_the_clock_that_is_said(server: TokenServer, http: Http) -> None:
    publish(server, RSA, Date=email.utils.formatdate(usegmt=True))
    with pytest.raises(InvalidIdToken, match="ended") as caught:
        await verified(server, http, sign(claims(exp=5)))
    assert "agrees with the issuer's" in caught.value.hint and caught.value.retry is Retry.NEVER


def published(**changes: Any) -> dict[str, Any]:
    return {**RSA.as_dict(private=False), **changes}


@pytest.mark.parametrize(
    "entry",
    [
        published(use="enc"),
        published(alg="RS512"),
        published(kty="oct"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "r1", "alg": "HS256"},
        {**ECKey.generate_key("P-384", {"kid": "x"}).as_dict(private=False)},
        {**RSA.as_dict(private=False), "n": RSA.as_dict(private=False)["n"][:170]},
    ],
)
def test_keys_that_are_not_used(entry: dict[str, Any]) -> None:
    assert id_token.keys_in(json.dumps({"keys": [entry]}).encode()) == ()


def test_reading_claims_without_proof() -> None:
    assert id_token.unverified_claims(sign(claims(exp=5), RSA2))["exp"] == 5
    for text in ("", "opaque", "a.b.c", "ü.b.c", f"{part({'alg': 'RS256'})}.{part([1])}.x"):
        assert id_token.unverified_claims(Secret(text)) == {}

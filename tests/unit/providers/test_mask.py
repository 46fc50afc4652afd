"""A key of any shape is taken out of what a server says about it."""

import json

import pytest

from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import OAuthClient, Tokens, secrets_of
from providers_app.wire.answer import Mask

KEY = "correct-horse-battery"


@pytest.fixture
def mask() -> Mask:
    request = HttpRequest(method="GET", url="https://x", headers={"accept": "application/json"})
    return Mask(request.with_headers({"Authorization": f"Bearer {KEY}"}, secret=True))


def test_bytes_text_and_headers(mask: Mask) -> None:
    assert mask.data(f"no {KEY}, no Bearer {KEY}".encode()) == b"no ***, no ***"
    assert mask.text(KEY) == "***"
    assert mask.headers({"x": KEY, "content-type": "application/json"}) == {
        "x": "***",
        "content-type": "application/json",
    }


def test_trivial_values_do_not_blank_out_ordinary_words() -> None:
    request = HttpRequest(method="GET", url="https://x").with_headers({"x-api-key": "key"}, secret=True)
    assert Mask(request).text("the key is wrong") == "the key is wrong"


def test_a_key_is_found_in_every_spelling_that_json_has_for_it() -> None:
    key = 'base64/key+with"quote\\=='
    mask = Mask(HttpRequest(method="GET", url="https://x").with_headers({"x-api-key": key}, secret=True))
    for body in (json.dumps({"message": key}), json.dumps({"message": key}).replace("/", "\\/")):
        assert json.loads(body)["message"] == key
        assert json.loads(mask.data(body.encode())) == {"message": "***"}


def test_every_secret_of_a_login_is_known_also_that_of_its_client_and_what_lasts() -> None:
    client = OAuthClient(id="app", secret=Secret("client-secret"))
    material = {"assertion": Secret("assertion-secret"), "empty": Secret("")}
    tokens = Tokens(
        flow="page", access=Secret("access-secret"), client=client, material=material, facts={"plan": "pro"}
    )
    assert sorted(secrets_of(tokens)) == ["access-secret", "assertion-secret", "client-secret"]


@pytest.mark.parametrize(
    "written",
    [
        "Bearer sk-ant-api03-abc/def+ghi=jklmnop",
        "sk-ant-api03-abc/def+ghi=jklmnop",
        "abc/def+ghi=jklmnop",
        "sk-ant-api03-abc%2Fdef%2Bghi%3Djklmnop",
        "sk-ant-api03-abc\\/def+ghi=jklmnop",
    ],
)
def test_a_key_is_found_without_its_mark_and_in_an_address(written: str) -> None:
    key = "Bearer sk-ant-api03-abc/def+ghi=jklmnop"
    mask = Mask(HttpRequest(method="GET", url="https://x").with_headers({"Authorization": key}, secret=True))
    for text in (written, f"={written}&", f"the key {written}."):
        assert mask.text(text).endswith(text[text.index(written) + len(written) :]) and "***" in mask.text(text)
        assert "jklmnop" not in mask.text(text) and b"jklmnop" not in mask.data(text.encode())

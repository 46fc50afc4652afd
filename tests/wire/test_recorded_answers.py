"""Recorded answers that are no chat: token counts, images, tokens. And no recording is left without its test."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from providers_app.behaviours.oauth.token_answer import tokens_from
from providers_app.dialects import openai_images
from providers_app.errors import BadAnswer, UpstreamError
from providers_app.registry.resolver import resolve
from providers_app.types.tokens import OAuthClient
from tests.wire import recordings
from tests.wire.recordings import DIALECT_OF_API, MODEL_LIST_APIS, OTHER_APIS, Recording

PROVIDER_OF_COUNT = {"anthropic.count_tokens": "anthropic", "gemini.countTokens": "gemini"}
COUNTS = recordings.of_apis(PROVIDER_OF_COUNT)
IMAGES = recordings.of_apis({"openai.images"})
TOKENS = recordings.of_apis({"google.oauth_token"})


def names(cases: list[Recording]) -> list[str]:
    return [case.name for case in cases]


def test_every_folder_of_recordings_is_claimed_by_exactly_one_test() -> None:
    folders = {path.parent for root in recordings.ROOTS for path in root.glob("*/*/*")}
    read = {f"{folder.parent.name}/{folder.name}" for folder in folders}
    assert read == {one.name for one in recordings.everything()}, "a folder without meta.json is never read"
    for one in recordings.everything():
        claims = [one.api in apis for apis in (DIALECT_OF_API, OTHER_APIS, MODEL_LIST_APIS)]
        assert sum(claims) == 1, f"{one.name} ({one.api}) is read by {sum(claims)} tests"
    here = {one.name for one in (*COUNTS, *IMAGES, *TOKENS)}
    assert here == {one.name for one in recordings.of_apis(OTHER_APIS)}
    assert (Path(__file__).parent / "test_recorded_models.py").is_file()


@pytest.mark.parametrize("recording", COUNTS, ids=names(COUNTS))
def test_recorded_count_of_tokens(recording: Recording) -> None:
    counting = resolve(PROVIDER_OF_COUNT[recording.api], "counting")
    assert counting.parse(recording.body) == recording.expected["input_tokens"]


@pytest.mark.parametrize("recording", IMAGES, ids=names(IMAGES))
def test_recorded_images(recording: Recording) -> None:
    expected = recording.expected
    if recording.status >= 400:
        error = openai_images.error(recording.status, recording.headers, recording.body)
        want = expected["error"]
        assert (error.type, error.message, error.status, error.upstream_code) == (
            want["type"], want["message"], want["status"], want["code"],
        )  # fmt: skip
        return
    found = openai_images.read(recording.body)
    assert [(image.url or None, image.revised_prompt or None) for image in found.images] == [
        (image["url"], image["revised_prompt"]) for image in expected["images"]
    ]
    for image, want in zip(found.images, expected["images"], strict=True):
        text = base64.b64encode(image.data)
        assert (len(text) or None) == want["b64_len"]
        assert (hashlib.sha256(text).hexdigest() if text else None) == want["b64_sha256"]
        assert str(len(image.data)) in repr(image) or not image.data
    assert found.created == expected["created"]
    usage, want = found.usage, expected["usage"]
    if want is None:
        assert usage is None
        return
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (
        want["input_tokens"], want["output_tokens"], want["total_tokens"],
    )  # fmt: skip
    assert usage.raw.items() <= want.items(), "the provider's own object is kept, its cost included"


@pytest.mark.parametrize("recording", TOKENS, ids=names(TOKENS))
def test_recorded_token_answer(recording: Recording) -> None:
    want = recording.expected["token"]
    client = OAuthClient(id="client")
    found = tokens_from(json.loads(recording.body), flow="google", client=client, now=1000.0)
    assert found.access.reveal() == want["access_token"]
    assert found.expires_at == 1000.0 + want["expires_in"]
    assert found.scopes == tuple(want["scope"].split())


def test_images_in_other_shapes() -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    body = {"data": [{"b64_json": png, "revised_prompt": "a cat"}, {"url": f"data:image/webp;base64,{png}"}]}
    found = openai_images.read(json.dumps({**body, "output_format": "png"}).encode())
    assert [(image.data, image.media_type, image.url) for image in found.images] == [
        (b"\x89PNG", "image/png", ""),
        (b"\x89PNG", "image/webp", ""),
    ]
    assert found.images[0].revised_prompt == "a cat" and found.usage is None
    assert openai_images.read(b'{"data": []}').images == ()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"data": null}',
        b'{"data": [{}]}',
        b'{"data": ["x"]}',
        b'{"data": [{"b64_json": "no base64!"}]}',
        json.dumps({"data": [{"url": "https://x.test/y"}] * 65}).encode(),
    ],
)
def test_what_is_no_list_of_images_is_a_typed_error(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        openai_images.read(body)


def test_an_error_inside_a_200_is_that_error() -> None:
    with pytest.raises(UpstreamError) as found:
        openai_images.read(b'{"data": [], "error": {"message": "No.", "code": "moderation_blocked"}}')
    assert found.value.code == "upstream_content_filter" and found.value.message == "No."

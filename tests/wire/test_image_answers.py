"""The answers of an address that makes images."""

import base64
import json
from typing import Any

import pytest

from providers_app.dialects import openai_images
from providers_app.dialects.openai_images import MAX_IMAGES, Image
from providers_app.errors import BadAnswer, RateLimited, UpstreamError

DATA = b"\x89PNG\r\n"
ENCODED = base64.b64encode(DATA).decode()
URL = "https://pictures.example/1.png"


def read(value: Any) -> openai_images.ImagesResult:
    return openai_images.read(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("item", "image"),
    [
        ({"b64_json": ENCODED}, Image(data=DATA, media_type="image/webp")),
        ({"b64_json": ENCODED, "url": URL}, Image(data=DATA, media_type="image/webp")),
        ({"url": URL}, Image(url=URL, media_type="image/webp")),
        ({"url": f"data:image/jpeg;base64,{ENCODED}"}, Image(data=DATA, media_type="image/jpeg")),
        (
            {"url": URL, "mime_type": "image/gif", "revised_prompt": "A dog."},
            Image(url=URL, media_type="image/gif", revised_prompt="A dog."),
        ),
    ],
)
def test_an_image_is_given_or_lies_somewhere(item: dict[str, Any], image: Image) -> None:
    assert read({"data": [item], "output_format": "webp"}).images == (image,)
    assert (read({"data": [{"url": URL}]}).images[0].media_type, repr(Image(url=URL))) == (
        "",
        f"Image({URL}, media_type='')",
    )
    assert repr(Image(data=DATA, media_type="image/png")) == "Image(6 bytes, media_type='image/png')"


def test_tokens_and_the_time_are_kept() -> None:
    found = read({"data": [], "created": 7, "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}})
    assert found.created == 7 and found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.source) == (3, 4, "provider")
    assert read({"data": []}) == openai_images.ImagesResult(images=())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"data": [{}]}, "neither given nor anywhere"),
        ({"data": [{"b64_json": "%"}]}, "no base64"),
        ({"data": [{"url": URL}] * (MAX_IMAGES + 1)}, f"more than {MAX_IMAGES} images"),
    ],
)
def test_what_is_no_list_of_images_is_refused(value: Any, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        read(value)
    with pytest.raises(BadAnswer, match="no list of images"):
        openai_images.read(b"<html>")
    assert len(read({"data": [{"url": URL}] * MAX_IMAGES}).images) == MAX_IMAGES


def test_an_error_is_typed_inside_a_good_status_and_outside() -> None:
    error = {"error": {"type": "rate_limit_exceeded", "message": "Slow down."}}
    for value in (error, {**error, "data": []}):
        with pytest.raises(UpstreamError, match="Slow down") as caught:
            read(value)
        assert isinstance(caught.value, RateLimited)
    found = openai_images.error(429, {}, json.dumps(error).encode())
    assert isinstance(found, RateLimited) and (found.status, found.message) == (429, "Slow down.")

"""The answer of ``POST /images/generations`` and ``/images/edits``, from OpenAI and what resembles it. Pure.

GPT image models give base64 and count tokens; older models and compatible servers may give an address instead, which
works for about an hour.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.dialects.answer import usage_of
from providers_app.dialects.error_words import OPENAI_CHAT
from providers_app.errors import BadAnswer, UpstreamError
from providers_app.types.events import Usage
from providers_app.wire import payload
from providers_app.wire.error_body import fields_of
from providers_app.wire.status import error_of_answer, error_of_fields


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image: its bytes, or an address where it lies for a while (never fetched by reading the answer).

    ``media_type`` is what the provider calls it (empty: it does not say). ``revised_prompt`` is what it was made from,
    where the provider rewrote what was asked.
    """

    data: bytes = b""
    url: str = ""
    media_type: str = ""
    revised_prompt: str = ""

    def __repr__(self) -> str:
        """Without the bytes, which fill a screen and say nothing."""
        what = f"{len(self.data)} bytes" if self.data else self.url[:80]
        return f"Image({what}, media_type={self.media_type!r})"


class ImagesResult(msgspec.Struct, frozen=True, kw_only=True):
    """Images and token counts of one request; ``created`` is in seconds since the epoch."""

    images: tuple[Image, ...]
    usage: Usage | None = None
    created: int | None = None


MAX_IMAGES = 64
"""More than any provider makes at once."""


def read(body: bytes) -> ImagesResult:
    """Parse the images of a 2xx answer. Raise ``BadAnswer``, or the error that such an answer holds."""
    try:
        value = payload.decode(body)
    except ValueError:
        raise BadAnswer("The address answered with something that is no list of images.") from None
    items = value.get("data") if isinstance(value, dict) else None
    if not isinstance(items, list) or value.get("error"):
        raise error_of_fields(fields_of(value), OPENAI_CHAT)
    if len(items) > MAX_IMAGES:
        raise BadAnswer(f"The provider answered with more than {MAX_IMAGES} images.")
    usage = payload.mapping(value.get("usage"))
    made = payload.text(value.get("output_format"))
    return ImagesResult(
        images=tuple(_image(payload.mapping(item), f"image/{made}" if made else "") for item in items),
        usage=usage_of(usage) if usage else None,
        created=payload.count(value.get("created")),
    )


def error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Return the typed error of an answer with an error status."""
    return error_of_answer(status, headers, body, OPENAI_CHAT)


def _image(item: dict[str, Any], media_type: str) -> Image:
    encoded, url = payload.text(item.get("b64_json")), payload.text(item.get("url"))
    if url.startswith("data:"):  # some servers put the image itself into the address
        head, _, encoded = url.partition(",")
        media_type, url = head.removeprefix("data:").partition(";")[0], ""
    if not encoded and not url:
        raise BadAnswer("The provider answered with an image that is neither given nor anywhere to be found.")
    try:
        data = base64.b64decode(encoded, validate=True) if encoded else b""
    except (binascii.Error, ValueError):
        raise BadAnswer("The provider answered with an image that is no base64.") from None
    return Image(
        data=data,
        url="" if data else url,
        media_type=payload.text(item.get("mime_type")) or media_type,
        revised_prompt=payload.text(item.get("revised_prompt")),
    )

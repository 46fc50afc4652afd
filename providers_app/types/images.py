"""Images that a model made."""

import msgspec

from providers_app.types.usage import Usage


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
    """Everything that one request made; ``created`` is seconds since the epoch."""

    images: tuple[Image, ...]
    usage: Usage | None = None
    created: int | None = None

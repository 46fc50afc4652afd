"""Where a part of an answer came from: signatures, encrypted reasoning and ids go back only there."""

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """The provider's slug, the model that was asked (its name as in the request), and the session's id.

    ``None`` means that it is not known, which binds to nothing.
    """

    provider: str
    model: str | None = None
    session: str | None = None

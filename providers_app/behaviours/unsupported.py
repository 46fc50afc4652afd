"""What a provider cannot do, said aloud instead of a missing module."""

import msgspec


class Unsupported(msgspec.Struct, frozen=True):
    """``BEHAVIOUR = Unsupported("Gemini keys only")``; the reason is shown to people."""

    reason: str

"""What it means when the gateway's own token is refused: a matter of the settings, and nothing about any session."""

from collections.abc import Iterator
from contextlib import contextmanager

from providers_app.errors import (
    AuthenticationFailed,
    BadAnswer,
    BadRequest,
    InvalidCredential,
    InvalidRequest,
    LoginError,
    NotConfigured,
    NotFound,
    PermissionDenied,
    ProviderError,
)

# What a token endpoint says to a client that it does not know, and what our own reading of the settings finds.
REFUSALS = (
    AuthenticationFailed,
    PermissionDenied,
    BadRequest,
    NotFound,
    BadAnswer,
    InvalidCredential,
    InvalidRequest,
    LoginError,
)
HINT = "Check MAESTRO_GENAI_PLATFORM__TOKEN_SOURCE and the settings that it needs."


@contextmanager
def gateways_matter() -> Iterator[None]:
    """A refusal inside the block is no refusal of the session: it becomes ``NotConfigured``."""
    try:
        yield
    except REFUSALS as error:
        raise not_configured(error) from None


def not_configured(error: ProviderError) -> NotConfigured:
    """What a refusal of the token means: a matter of the settings."""
    return NotConfigured(f"The gateway's token could not be had: {error.message}", hint=HINT)

"""Guards around a provider's own code: an exception or a missed deadline ends one call, with a typed error."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from providers_app.errors import InvalidRequest, ProviderBroken, ProviderError
from providers_app.types.chat import ChatRequest
from providers_app.wire import payload

logger = logging.getLogger("maestro.dispatcher")


class faults_of:  # noqa: N801  read like the functions of ``contextlib``; a class, because each request enters it twice
    """Let only ``ProviderError`` leave the block, in which the code of the provider ``slug`` runs.

    A ``chat`` that cannot be written as JSON is the caller's fault (``InvalidRequest``), everything else is the
    provider's (``ProviderBroken``). The log names the place and not the message, which may quote a key.
    """

    __slots__ = ("_chat", "_slug")

    def __init__(self, slug: str, chat: ChatRequest | None = None) -> None:
        self._slug, self._chat = slug, chat

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, ProviderError) or not isinstance(error, Exception):
            return
        reason = _unwritable(self._chat) if self._chat is not None else ""
        if reason:
            raise InvalidRequest(f"The request cannot be written as JSON: {reason}.") from None
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("provider %s failed: %s at %s:%s", self._slug, type(error).__name__, place.filename, place.lineno)
        raise ProviderBroken(f"The provider {self._slug!r} failed with {type(error).__name__}.") from None


@asynccontextmanager
async def deadline(seconds: float | None, error: ProviderError) -> AsyncIterator[None]:
    """Cancel the block after so many seconds (``None``: never) and raise ``error``; its own ``TimeoutError`` passes."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise error from None


def _unwritable(chat: ChatRequest) -> str:
    try:
        payload.encode(chat)
    except UnicodeError:
        return "it contains lone surrogates, which are no text"
    except RecursionError:
        return "it is nested too deeply"
    except (TypeError, ValueError, OverflowError):
        return "it contains a value that JSON does not have"
    return ""

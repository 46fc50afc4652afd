"""An answer that a provider has begun, read from its connection as events."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from providers_app import errors
from providers_app.chat import stored_media
from providers_app.chat.counting import estimated
from providers_app.dialects.reader import AnswerReader, unreadable
from providers_app.dispatch import budget
from providers_app.dispatch.credentials import SessionClient
from providers_app.dispatch.events import Annotator
from providers_app.ports import Owner
from providers_app.types.chat import ChatRequest
from providers_app.types.dialect import Dialect
from providers_app.types.events import Event, GeneratedFile, StreamEnd, StreamFailed, UsageReport
from providers_app.wire.answer import HttpStream

DRAIN_S = 0.1


class Incoming(msgspec.Struct, eq=False):
    """One answer of ``stream``, which belongs to ``owner``; ``last`` is its last event so far.

    ``client`` has its session, ``lasts`` says that more requests may go on with it: the dialect may pause it, or it can
    be continued. All requests of an answer have ``total_s`` seconds from ``begun`` on.
    ``heard`` are all its events, where they are kept for a listener.
    """

    owner: Owner
    chat: ChatRequest
    client: SessionClient
    dialect: Dialect
    stream: HttpStream
    parts: AsyncGenerator[bytes, None]
    reader: AnswerReader
    annotate: Annotator
    share: budget.Share
    begun: float
    lasts: bool = False
    last: Event | None = None
    total_s: float | None = None
    heard: list[Event] | None = None

    async def more(self) -> list[Event]:
        """Return the next events. Never raises for what the provider or the network does."""
        try:
            while not (events := await self.read()):
                pass
        except errors.ProviderError as error:
            return await stored_media.keep(self.owner, self._kept(self.reader.fail(error)))
        return events

    async def read(self) -> list[Event]:
        """Return the events of one read of the network, or of the end of the body. Raises ``UpstreamError``."""
        share = self.share
        share.wire = self.reader.held
        if (share.wire or share.kept or share.counted) and budget.running.full(share):
            await budget.running.pause(share)
        try:
            if self.total_s is None:
                data = await anext(self.parts, None)
            else:
                async with asyncio.timeout_at(self.begun + self.total_s):
                    data = await anext(self.parts, None)
        except errors.ProviderError:
            raise
        except TimeoutError:
            raise errors.TotalTimeout(f"The answer was not whole within {self.total_s:g} s.") from None
        except Exception as error:  # noqa: BLE001  a fault of a local responder ends this answer only
            raise unreadable(error) from None
        events = self._kept(self.reader.close() if data is None else self.reader.feed(data))
        for event in events:
            if type(event) is GeneratedFile:
                return await stored_media.keep(self.owner, events)
        return events

    async def whole(self) -> list[Event]:
        """Return the events of an answer in one piece. Raises ``UpstreamError``."""
        try:
            body = await self.stream.read(self.reader.left, each=self._room)
        except errors.ProviderError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of a local responder ends this answer only
            raise unreadable(error) from None
        return await stored_media.keep(self.owner, self._kept(self.reader.whole(body)))

    async def drain(self) -> None:
        """Read what may follow the end of the answer, so that the connection can carry the next request."""
        if isinstance(self.last, StreamEnd):
            await self.stream.drain(DRAIN_S)

    async def _room(self, size: int) -> None:
        """Wait for room for a body of which ``size`` bytes were read."""
        self.share.wire = size
        if budget.running.full(self.share):
            await budget.running.pause(self.share)

    def _kept(self, events: list[Event]) -> list[Event]:
        """Annotate the events and remember the last one. Never raises."""
        try:
            events = self.annotate.events(events)
        except Exception as error:  # noqa: BLE001  a dialect's event with fields that are none ends this answer only
            self.reader.ended = True
            events = [StreamFailed(error=unreadable(error).info(), finish_reason="incomplete")]
        if events:
            self.last = events[-1]
            if type(self.last) is StreamFailed and self.reader.usage is None:
                events.insert(-1, UsageReport(estimated(self.chat, self.reader.text_bytes)))
        if self.heard is not None:
            self.heard += events
        return events

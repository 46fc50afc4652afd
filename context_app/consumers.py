"""The chat socket: decode frames, and hand them to the connection."""

import logging
import time
from collections import deque
from contextlib import suppress

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.urls import path

from context_app import access, frames
from context_app.conf import ContextConfig
from context_app.connection import RESTART, ChatConnection, Disconnected, close_code
from context_app.errors import BadFrame, SignedOut, TooManyConnections
from context_app.streams.runtime import current
from providers_app import request_id
from providers_app.errors import ProviderError, UnknownContext

logger = logging.getLogger(__name__)

TOO_MANY, TOO_LARGE, TOO_MANY_OPEN = 4408, 4409, 4429


class ChatConsumer(AsyncWebsocketConsumer):
    """One open chat page, after its origin was checked and its browser session loaded."""

    chat: ChatConnection | None = None

    async def connect(self) -> None:
        """Accept first: only an accepted socket can be refused with a close code."""
        await self.accept()
        self.frame_times: deque[float] = deque()
        if current().closing:
            await self.close(RESTART)
            return
        try:
            who = access.viewer(self.scope)
            chat = ChatConnection(who, self.scope["url_route"]["kwargs"]["pk"], self.send, self._close_with)
            await chat.open()
        except (SignedOut, UnknownContext) as error:
            await self.close(close_code(error))
        except TooManyConnections as error:
            await self.send(text_data=frames.error(error))
            await self.close(TOO_MANY_OPEN)
        except ProviderError as error:  # the database does not answer: the page comes back with a back-off
            await self.send(text_data=frames.error(error))
            await self.close(RESTART)
        else:
            self.chat = chat

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle one client frame, which is a request of its own in the log."""
        request_id.begin()
        config: ContextConfig = settings.MAESTRO.context
        raw = (bytes_data or b"") if text_data is None else text_data.encode("utf-8", "replace")
        if len(raw) > config.max_frame_bytes:
            await self._close_with(TOO_LARGE)
            return
        if self._too_many(config.max_frames_per_second):
            await self._close_with(TOO_MANY)
            return
        if self.chat is None:
            return
        try:
            if text_data is None:
                raise BadFrame("Frames are text.")
            await self.chat.handle(frames.decode(text_data))
        except (SignedOut, UnknownContext) as error:
            await self._close_with(close_code(error))
        except ProviderError as error:
            await self.send(text_data=frames.error(error, frames.client_id_of(raw)))
        except Disconnected:
            logger.debug("a chat's socket was gone before its answer")
        except Exception:
            logger.exception("a chat frame failed")
            broken = ProviderError("The frame could not be handled because of an error inside Maestro.")
            await self.send(text_data=frames.error(broken, frames.client_id_of(raw)))

    async def disconnect(self, code: int) -> None:
        """Stop reading; answers go on being written."""
        chat, self.chat = self.chat, None
        if chat is not None:
            await chat.close()

    async def _close_with(self, code: int) -> None:
        chat, self.chat = self.chat, None
        with suppress(Exception):  # it may be gone already
            await self.close(code)
        if chat is not None:
            await chat.close()

    def _too_many(self, limit: int) -> bool:
        now = time.monotonic()
        while self.frame_times and now - self.frame_times[0] >= 1:
            self.frame_times.popleft()
        self.frame_times.append(now)
        return len(self.frame_times) > limit


websocket_urlpatterns = [path("ws/chats/<uuid:pk>/", ChatConsumer.as_asgi())]

"""Run one upstream stream, from the first byte to the last, as a detached task on the provider loop."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from django.utils import timezone

from context_app.streams.live import LiveStream
from context_app.streams.transcript import INTERRUPTED, Transcript, encode
from providers_app import checkpoints, provider
from providers_app.chat.counting import estimated
from providers_app.dispatch import aliases
from providers_app.dispatch.abandoned import left_running
from providers_app.dispatch.budget import share_of_runner
from providers_app.errors import Cancelled, ProviderError
from providers_app.types.chat import ChatRequest, Message, Tool, ToolChoice
from providers_app.types.continuing import Way
from providers_app.types.events import ErrorInfo, Event, StreamFailed, Usage, UsageReport

logger = logging.getLogger(__name__)

STOPPED, SHUTDOWN, LOST = "stopped", "shutdown", "lost"
"""Reasons to cancel: a person pressed Stop, the server stops, another process took the stream over."""

Source = Callable[[], AsyncGenerator[Event, None]]


class TurnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a turn: the arguments of ``provider.stream_chat``.

    With an ``alias`` (its id), ``provider``, ``session`` and ``model`` are those of its first route; ``last`` is the
    session and model that answered in this ``conversation`` last.
    With a ``way`` it goes on with an answer, whose events so far are ``earlier``.
    """

    owner: Any
    provider: str
    session: str
    model: str
    messages: tuple[Message, ...]
    params: dict[str, Any]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    alias: str = ""
    conversation: str = ""
    last: tuple[str, str] | None = None
    earlier: tuple[Event, ...] = ()
    way: Way | None = None

    def estimated(self, characters: int) -> Usage:
        """Return the estimated tokens of the request and of so many characters of its answer."""
        return estimated(ChatRequest(model=self.model, messages=self.messages, tools=self.tools), characters)

    def open(self) -> AsyncGenerator[Event, None]:
        """Begin to stream; the request is sent when the first event is asked for."""
        if self.way is not None:
            return self._going_on(self.way)
        options = {"tools": self.tools, "tool_choice": self.tool_choice, "owner": self.owner, **self.params}
        if self.alias:
            aliases.conversation.set((self.conversation, self.last))
            return provider.stream_chat(aliases.ALIAS, self.alias, self.messages, **options)
        return provider.stream_chat(self.provider, self.session, self.messages, model=self.model, **options)

    async def _going_on(self, way: Way) -> AsyncGenerator[Event, None]:
        """Yield the events of the earlier answer, then those that go on with it."""
        params = dict(self.params)
        replay = params.pop("enable_stream_replay", None)
        options = {"tools": self.tools, "tool_choice": self.tool_choice, "owner": self.owner, **params}
        made = await checkpoints.checkpoint_of(
            self.provider, self.session, self.messages, self.earlier, model=self.model, **options
        )
        # Only the provider can tell whether it still has the answer. Where it has not, the next way is taken.
        policy = None if way == "cursor" else way
        source = provider.continue_from_checkpoint(made, policy=policy, replay=True, enable_stream_replay=replay)
        async with aclosing(source):
            async for event in source:
                yield event


class Runner:
    """Pump events from upstream into a ``LiveStream``; ``changed`` is called after each one."""

    def __init__(
        self,
        live: LiveStream,
        source: Source,
        slug: str,
        changed: Callable[[LiveStream], None],
        used: Callable[[int], Usage] | None = None,
    ) -> None:
        """``used`` estimates the tokens of an answer of so many characters that the provider did not count."""
        self.live = live
        self._used = used
        self._source = source
        self._changed = changed
        self._transcript = Transcript(slug)

    async def run(self) -> None:
        """Run until upstream ends, breaks, or the stream is cancelled. Always leaves an ending, never raises."""
        share_of_runner.set(self.live.share)
        left_running.set(lambda: self.live.cancel_reason in (SHUTDOWN, LOST))
        cut = ErrorInfo(code="stream_interrupted", message="The provider's answer ended without an end.")
        spent = False
        try:
            async with aclosing(self._source()) as source:
                # Iterated to its end, beyond the terminal event: that frees the connection for the next call.
                async for event in source:
                    if not self._append(event):
                        break
        except asyncio.CancelledError:
            cut, spent = _reason(self.live.cancel_reason), self.live.share.asked
        except ProviderError as error:
            self.live.failure, cut = error.with_traceback(None), error.info()
        except Exception:
            logger.exception("the answer %s broke inside Maestro", self.live.id)
            cut = ErrorInfo(code="internal_error", message="The answer broke because of an error inside Maestro.")
        self._close(cut, spent=spent)

    def abandon(self) -> None:
        """Leave an ending even if the task was cancelled before its first step."""
        self._close(_reason(self.live.cancel_reason))

    def _close(self, cut: ErrorInfo, *, spent: bool = False) -> None:
        """End the answer, if nothing did. ``spent``: the provider has its request, although nothing came of it yet."""
        if self._transcript.terminal is None:
            if self._used is not None and self._transcript.uncounted(spent=spent):
                self._append(UsageReport(self._used(self._transcript.size)))
            self._append(StreamFailed(error=cut, finish_reason=_finish_reason(cut)))

    def _append(self, event: Event) -> bool:
        """Append an event; ``False`` when the stream no longer belongs to this process."""
        if self._transcript.terminal is not None:
            return True
        event, data = encode(event)
        if not self.live.append([data], self._transcript.size):
            return False
        self._transcript.add(event, len(data))
        if self._transcript.terminal is not None:
            self.live.finish = partial(self._transcript.ending, timezone.now())
        self._changed(self.live)
        return True


def _finish_reason(cut: ErrorInfo) -> Any:
    if cut.code in (INTERRUPTED, "stream_interrupted"):
        return "incomplete"
    return "cancelled" if cut.code == Cancelled.code else "error"


def _reason(reason: str) -> ErrorInfo:
    if reason == STOPPED:
        return Cancelled("The answer was stopped.").info()
    return ErrorInfo(
        code=INTERRUPTED,
        message="The server was stopped while this answer was being written.",
        hint="Regenerate for a whole answer.",
    )

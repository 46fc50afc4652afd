"""``manage.py chat SESSION [PROMPT or -]``: one answer, printed as it arrives; with ``--context`` in a stored chat.

With ``--provider alias`` SESSION is the name of an alias, and stderr says which of its routes answered, and why not an
earlier one.

Exit code 0 means a complete answer, 3 that the provider ended it early or that it shows nothing, 1 any error, as stderr
says. Ctrl-C cancels the request at the provider, prints what there is, and gives 130.
"""

import sys
import threading
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from providers_app import loop, provider
from providers_app.dispatch.aliases import ALIAS, routing_words
from providers_app.errors import Cancelled, EmptyPrompt, InvalidRequest, ProviderError
from providers_app.streaming import fold
from providers_app.types.chat import ChatResult
from providers_app.types.continuing import SAID
from providers_app.types.events import (
    ErrorInfo,
    Event,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
)
from sessions_app.management import parameters, terminal

MAX_PROMPT_CHARS = 8_000_000
CLOSING_S = 5.0
INTERRUPTED = 130
ENDED_EARLY = 3
EARLY_ENDS = {
    "length": ("The answer reached its limit of tokens", "Allow more with --max-output-tokens."),
    "content_filter": ("The provider's filter ended the answer", ""),
    "pause": ("The provider paused the answer", "Ask it to go on."),
    "stop": ("The provider ended the answer", "Ask again, or choose another model."),
}


class Command(terminal.TerminalCommand):
    help = "Ask a session one question and print the answer as it arrives."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Options may stand between SESSION and PROMPT, which a plain parser refuses for an optional PROMPT."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        terminal.add_session(parser)
        parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="the question; - or nothing reads stdin")
        parser.add_argument("--model", default="", help="model id; without it, the provider's default")
        parser.add_argument("--system", default="", help="system prompt; with --context, that of the chat")
        parser.add_argument("--context", default="", help="go on with a stored chat: its title or id, or new")
        parameters.add(parser)

    def run(self, options: dict[str, Any]) -> None:
        """Print the answer; with JSON the last line is the result, whatever happened."""
        answer = _Answer(self)
        try:
            interrupted = self._ask(answer, options)
        except ProviderError as error:
            if self.as_json:
                self.dump(_as_result(fold([StreamFailed(error=error.info())])))
            raise
        result = answer.finish(interrupted)
        if interrupted:
            self.report(Cancelled("The answer was stopped; what arrived is above."))
            raise SystemExit(INTERRUPTED)
        if (problem := result.error or _early_end(result)) is not None:
            broken = ProviderError(problem.message, hint=problem.hint)
            broken.code = problem.code  # type: ignore[misc]
            self.report(broken)
            raise SystemExit(ENDED_EARLY if result.complete else 1)

    def _ask(self, answer: "_Answer", options: dict[str, Any]) -> bool:
        """Print the answer; ``True`` when Ctrl-C ended it. Raises what kept it from beginning."""
        prompt, params = _prompt(options["prompt"]), parameters.read(options)
        if options["provider"] == ALIAS:
            owner = terminal.owner_id(options["owner"])
            named = ALIAS, options["session"]
        else:
            session = terminal.session_of(options)
            owner, named = session.owner_id, (session.provider, str(session.pk))
        params |= {"model": options["model"] or None, "system": options["system"] or None, "strict": options["strict"]}
        if options["context"]:
            new = options["context"] == "new"
            stored = None if new else terminal.context_of(owner, options["context"]).id
            params |= {"store": True, "context_id": stored}
        stream = provider.stream_chat(*named, prompt, owner=owner, **params)
        interrupted = answer.run(stream)
        if answer.gone:
            # The reader of the output left, so no message can be given.
            raise SystemExit(1)
        if answer.failure is not None and not answer.events:
            self._name_context(answer.failure.context_id)
            raise answer.failure
        if options["context"]:
            self._name_context(fold(answer.events).context_id)
        return interrupted

    def _name_context(self, context_id: str | None) -> None:
        """Say on stderr which chat it was; JSON has it in its events."""
        if context_id and not self.as_json:
            self.note(f"context: {context_id}")


def _is_shown(result: ChatResult) -> bool:
    return bool(result.text.strip() or result.refusal or result.tool_calls or result.images)


def _early_end(result: ChatResult) -> ErrorInfo | None:
    """Return why a complete answer is less than was asked for, ``None`` where it is not."""
    why, hint = EARLY_ENDS.get(result.finish_reason, ("The provider ended the answer", ""))
    shown = _is_shown(result)
    if shown and result.finish_reason in ("stop", "tool_calls"):
        return None
    raw = f" ({result.finish_reason_raw})" if result.finish_reason_raw else ""
    message = f"{why}{raw}{'' if shown else ', and there is nothing in it to show'}."
    return ErrorInfo(code=f"answer_{result.finish_reason}", message=message, hint=hint)


def _as_result(result: ChatResult) -> dict[str, Any]:
    return {"type": "result", **result.to_dict()}


class _Answer:
    """Takes the events on the provider loop and prints each at once; keeps them for the result."""

    def __init__(self, command: terminal.TerminalCommand) -> None:
        self.events: list[Event] = []
        self.failure: ProviderError | None = None
        self.gone = False
        self._command = command
        self._done = threading.Event()
        self._crash: BaseException | None = None
        self._ends_line = True
        self._advised = False

    def run(self, stream: Any) -> bool:
        """Print the whole answer; ``True`` when Ctrl-C ended it. The request is closed when this returns."""
        task = loop.spawn(self._consume(stream), name="chat-command")
        interrupted = False
        try:
            self._done.wait()
        except KeyboardInterrupt:
            interrupted = True
            loop.cancel(task)
            with suppress(KeyboardInterrupt):
                self._done.wait(CLOSING_S)
        terminal.settle()
        if self._crash is not None and not interrupted:
            raise self._crash
        return interrupted

    def finish(self, interrupted: bool) -> ChatResult:
        """Return the result of what arrived; with JSON, print it as the last line."""
        events = list(self.events)
        if not events or not isinstance(events[-1], StreamEnd | StreamFailed):
            if interrupted:
                events.append(StreamFailed(error=Cancelled("Stopped by the reader.").info(), finish_reason="cancelled"))
            elif self.failure is not None:
                events.append(StreamFailed(error=self.failure.info(), finish_reason="incomplete"))
        result = fold(events)
        if self._command.as_json:
            self._command.dump(_as_result(result))
        elif not self._ends_line:
            self._command.write("\n")
        return result

    async def _consume(self, stream: Any) -> None:
        try:
            async with aclosing(stream):
                async for event in stream:
                    self._print(event)
                    self.events.append(event)
        except ProviderError as error:
            self.failure = error
        except BrokenPipeError:
            self.gone = True
        except Exception as error:  # noqa: BLE001 - carried to the command's own thread
            self._crash = error
        finally:
            self._done.set()

    def _print(self, event: Event) -> None:
        if self._command.as_json:
            self._command.write(msgspec.json.encode(event).decode() + "\n")
        elif isinstance(event, TextDelta) and event.text:
            self._command.write(terminal.printable(event.text))
            self._ends_line = event.text.endswith("\n")
        elif isinstance(event, StreamContinued):
            self._command.note(f"continued: {SAID[event.way]}. {event.reason}".rstrip())
        elif isinstance(event, StreamStart) and not self._advised:
            # What was left out of the request or changed in it, and what is doubtful about it.
            self._advised = True
            for line in dict.fromkeys(f"{item.level}: {item.message}" for item in event.advice):
                self._command.note(line)
            if event.routing is not None:
                self._command.note(routing_words(event.routing))


def _prompt(given: str | None) -> str:
    """Return the prompt from the argument or standard input. Raises ``EmptyPrompt``, ``InvalidRequest``."""
    if given is None and sys.stdin.isatty():
        raise EmptyPrompt("There is no prompt.", hint="Give it as the last argument, or pipe it in.")
    try:
        text = sys.stdin.read(MAX_PROMPT_CHARS + 1) if given in (None, "-") else str(given)
    except UnicodeDecodeError:
        raise InvalidRequest("Standard input is not text.") from None
    if len(text) > MAX_PROMPT_CHARS:
        raise InvalidRequest(f"The prompt is longer than {MAX_PROMPT_CHARS} characters.")
    if not text.strip():
        raise EmptyPrompt("The prompt is empty.")
    return text

"""``manage.py contexts list|show|delete|export``: the stored chats of a person."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from context_app import seams, server_tools
from context_app.models import ContextChunk
from context_app.tool_intents import shown_intent
from providers_app import loop, ports, provider
from providers_app.types.chat import Chunk, StoredContext
from sessions_app.management import terminal

HEADINGS = {"tool_call": "Tool call", "tool_result": "Tool result", "server_tool": "Server tool", "block": "Block"}
CODE = ("tool_call", "file")
REASONS = dict(ContextChunk.NotSent.choices)


class Command(terminal.TerminalCommand):
    help = "List, show, delete and export stored chats."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="show the chats of a user, the one that changed last first")
        listing.add_argument("--query", default="", help="only with this text in title or content")
        listing.add_argument("--archived", action="store_true", help="the archived ones instead")
        listing.add_argument("--limit", type=int, default=50, help="how many at most")
        show = actions.add_parser("show", help="show the chunks of a chat")
        delete = actions.add_parser("delete", help="delete a chat; on its page it can be restored for a day")
        export = actions.add_parser("export", help="print a chat as a document")
        export.add_argument("--format", choices=("markdown", "json"), default="markdown")
        for action in (show, delete, export):
            action.add_argument("context", metavar="CONTEXT", help="title or id")
        for action in (listing, show, delete, export):
            terminal.add_owner(action)
            terminal.add_json(action)

    def run(self, options: dict[str, Any]) -> None:
        """Carry out the action."""
        owner = terminal.owner_id(options["owner"])
        if options["action"] == "list":
            self._list(owner, options)
            return
        context = terminal.context_of(owner, options["context"])
        if options["action"] == "delete":
            loop.run(provider.delete_context(context.id, owner=owner))
            self.answer({"deleted": context.id}, f"Deleted {context.title or context.id}.")
            return
        chunks = loop.run(ports.context_store().list_chunks(owner, context.id))
        document = {"context": msgspec.to_builtins(context), "chunks": msgspec.to_builtins(chunks)}
        if self.as_json or options.get("format") == "json":
            self.dump(document)
        elif options["action"] == "export":
            self.say(as_markdown(context, chunks))
        else:
            self._show(context, chunks)

    def _list(self, owner: Any, options: dict[str, Any]) -> None:
        given = {name: options[name] for name in ("query", "archived", "limit")}
        found = loop.run(provider.list_contexts(owner=owner, **given))
        if self.as_json or not found:
            self.answer(msgspec.to_builtins(found), "No chats. Begin one with `manage.py chat SESSION --context new`.")
            return
        rows = [(one.title or "-", one.model or "-", str(one.chunks), _time(one.updated_at), one.id) for one in found]
        self.print_table([("TITLE", "MODEL", "CHUNKS", "CHANGED", "ID"), *rows], right={2})

    def _show(self, context: StoredContext, chunks: list[Chunk]) -> None:
        self.say(f"{context.title or '(no title)'}  {context.model}  {context.tokens:,} tokens  {context.id}")
        rows = [
            (
                chunk.kind,
                str(chunk.tokens),
                f"no: {REASONS[chunk.not_sent]}" if chunk.not_sent else "yes",
                _line(chunk.content) + (" [continued]" if seams.of_metadata(chunk.metadata) else ""),
                chunk.id,
            )
            for chunk in chunks
        ]
        self.print_table([("KIND", "TOKENS", "SENT", "TEXT", "ID"), *rows], right={1})


def as_markdown(context: StoredContext, chunks: list[Chunk]) -> str:
    """Return a chat as a Markdown document: a heading for each chunk, sources under the text that they support."""
    parts = [f"# {context.title or 'Chat'}", f"{context.model or 'No model'}, {_time(context.updated_at)}"]
    for chunk in chunks:
        name = chunk.metadata.get("name")
        heading = HEADINGS.get(chunk.kind, chunk.kind.capitalize()) + (f": {name}" if name else "")
        parts.append(f"## {heading}" + (" (not sent)" if chunk.not_sent else ""))
        parts.append(_fenced(chunk.content) if chunk.kind in CODE else chunk.content)
        parts += [f"*{seams.in_words(seam)}*" for seam in seams.of_metadata(chunk.metadata)]
        if chunk.intent is not None:
            shown = shown_intent(chunk.intent)
            parts.append(f"{shown['purpose']} · {shown['scope']} · {shown['risk']} risk · {shown['source'].lower()}")
        data = chunk.metadata.get("data")
        if isinstance(data, dict) and (given := server_tools.result(str(chunk.metadata.get("kind")), data)["output"]):
            parts.append(_fenced(given))
        if where := chunk.metadata.get("ref") or chunk.metadata.get("url"):
            parts.append(f"File: {where}")
        cited = list(enumerate((one for one in chunk.metadata.get("citations") or () if one.get("url")), 1))
        if cited:
            parts.append("\n".join(f"{n}. [{one.get('title') or one['url']}]({one['url']})" for n, one in cited))
    return "\n\n".join(parts)


def _fenced(text: str) -> str:
    """Return a code block whose fence is longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"

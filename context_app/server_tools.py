"""Read the blocks of tools that a provider runs itself, in any provider's form, and show JSON. Pure."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

TITLES = {
    "web_search": "Searched the web",
    "web_search_preview": "Searched the web",
    "x_search": "Searched X",
    "web_fetch": "Read a page",
    "file_search": "Searched files",
    "tool_search": "Searched the tools",
    "code_execution": "Ran code",
    "code_interpreter": "Ran code",
    "executableCode": "Ran code",
    "bash_code_execution": "Ran a command",
    "local_shell": "Ran a command",
    "shell": "Ran a command",
    "text_editor_code_execution": "Edited a file",
    "image_generation": "Made an image",
    "computer": "Used a computer",
    "compaction": "Shortened the conversation",
}
RESULT = "(?:_tool_result|_output|codeExecutionResult|toolResponse)$"
"""The end of the kind of a block that holds only the result of an earlier one."""
PENDING = "(?:_tool_use|executableCode|toolCall)$"
"""The end of the kind of a block whose result follows in one of its own."""
ASKED = ("query", "queries", "url", "path", "command", "code", "action")
"""Members of a tool's input that tell best what it did."""
FOR_SCRIPTS = {"titles": json.dumps(TITLES), "asked": " ".join(ASKED), "result": RESULT, "pending": PENDING}
"""The same for the page's script, which draws a running answer."""
MAX_SHOWN = 20_000
MAX_DEPTH = 60
_ENCODED = re.compile(r"(?:data:[\w.+/-]+;base64,)?[A-Za-z0-9+/_=-]+")
_HEAD = 48
_SUFFIX = re.compile(r"_(?:tool_)?(?:use|call|result|output)$")
_RESULTS = ("content", "output", "outputs", "results", "result", "error", "tools")
_NAMED, _TEXTS = (
    ("title", "filename", "url", "uri"),
    ("text", "logs", "stdout", "stderr", "output", "message", "error_code"),
)
_OK = ("OUTCOME_OK", 1, None)


def is_result(kind: str) -> bool:
    """Return whether a block of this kind belongs to an earlier one, whose result it is."""
    return re.search(RESULT, kind) is not None


def name_of(kind: str, data: Mapping[str, Any]) -> str:
    """Return the tool's name: as the provider gives it, else from the kind of the block."""
    return str(data.get("name") or "") or _SUFFIX.sub("", kind)


def title(kind: str, data: Mapping[str, Any]) -> str:
    """Return what a tool did in few words; a tool of a connected server with the server's name."""
    name, server = name_of(kind, data), data.get("server_name") or data.get("server_label")
    known = TITLES.get(name) or next((words for tool, words in TITLES.items() if name.startswith(f"{tool}_")), "")
    return f"{server}: {name}" if server else known or f"Used {name}"


def asked(kind: str, data: Mapping[str, Any]) -> str:
    """Return the most telling part of a tool's input; empty where there is none."""
    inner = inner_of(kind, data)
    given = inner.get("arguments") or inner.get("args") or inner.get("input")
    if isinstance(given, str):  # some send their arguments as the text of JSON
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    for source in (given, inner.get("action"), inner):
        if isinstance(source, Mapping):
            for member in ASKED:
                told = source.get(member)
                if told and isinstance(told, str | list):
                    return told if isinstance(told, str) else ", ".join(map(str, told))
    if isinstance(given, Mapping):
        return ", ".join(f"{name}={value}" for name, value in given.items())
    return str(given or "")


def inner_of(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object with the members of a block: one provider nests it under the name of its kind."""
    inner = data.get(kind)
    return inner if isinstance(inner, Mapping) else data


def result(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result in a block for its card: ``output`` as text, ``facts`` in few words, whether it ``failed``."""
    inner = inner_of(kind, data)
    found = next((inner[name] for name in _RESULTS if inner.get(name)), None)
    if found is None and isinstance(action := inner.get("action"), Mapping):
        found = action.get("sources")
    count = len(found) if isinstance(found, list) and all(map(_named, found)) else 0
    wrong = isinstance(found, Mapping) and (found.get("error_code") or found.get("return_code"))
    failed = bool(wrong or inner.get("is_error") or inner.get("error") or inner.get("outcome") not in _OK)
    return {
        "output": _readable(found)[:MAX_SHOWN] if found else "",
        "facts": f"{count} result{'s' * (count > 1)}" if count else "",
        "failed": failed or inner.get("status") in ("failed", "incomplete"),
    }


def _readable(found: Any) -> str:
    """Return a result as a person reads it: titles and addresses, output, else its JSON."""
    if isinstance(found, str):
        return found
    if isinstance(found, list):
        return "\n".join(map(_readable, found))
    if isinstance(found, Mapping):
        for names, between in ((_NAMED, " · "), (_TEXTS, "\n")):
            words = [found[name] for name in names if isinstance(found.get(name), str)]
            if words:
                return between.join(filter(None, words))
    return indented(found, longest=200)


def _named(item: Any) -> bool:
    return isinstance(item, Mapping) and any(item.get(name) for name in _NAMED)


def indented(value: Any, *, longest: int = 2_000, limit: int = 400_000) -> str:
    """Return JSON for a page: at most ``limit`` characters, and of encoded strings over ``longest`` only the head."""
    text = json.dumps(_short(value, longest, 0), ensure_ascii=False, indent=2)
    return text if len(text) <= limit else text[:limit] + "\n…"


def _short(value: Any, longest: int, depth: int) -> Any:
    if isinstance(value, str):
        if len(value) <= longest or not _ENCODED.fullmatch(value):
            return value
        return f"{value[:_HEAD]}… ({len(value):,} characters)"
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {name: _short(item, longest, depth + 1) for name, item in value.items()}
    return [_short(item, longest, depth + 1) for item in value] if isinstance(value, list) else value

"""`manage.py contexts` and `manage.py chat --context`: stored chats from the terminal."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from context_app.management.commands.contexts import as_markdown
from providers_app.types.chat import Chunk, StoredContext
from providers_app.types.intent import ToolIntent
from tests.processes import manage, rows

FAST = ("--model", "demo-instant-n5")


def done(data: Path, *arguments: str, code: int = 0) -> Any:
    ended = manage(data, *arguments)
    assert ended.returncode == code, ended.stderr
    return ended


def test_a_chat_goes_on_by_its_title_its_id_or_anew(demo_data: Path) -> None:
    begun = done(demo_data, "chat", "try_demo", "Hello there", "--context", "new", "--system", "Be brief.", *FAST)
    context_id = begun.stderr.removeprefix("context: ").strip()
    assert begun.stdout == "1. A clockmaker winds the\n"
    assert done(demo_data, "chat", "try_demo", "More", "--context", "hello THERE").stderr == begun.stderr
    last = done(demo_data, "chat", "try_demo", "Again", "--context", context_id, "--json")
    lines = [json.loads(line) for line in last.stdout.splitlines()]
    assert lines[0]["context_id"] == lines[-1]["context_id"] == context_id and last.stderr == ""
    shown = json.loads(done(demo_data, "contexts", "show", "Hello there", "--json").stdout)
    assert [chunk["kind"] for chunk in shown["chunks"]] == ["system", *("user", "assistant") * 3]
    assert {row["state"] for row in rows(demo_data, "SELECT state FROM context_app_stream")} == {"complete"}

    listed = done(demo_data, "contexts", "list", "--query", "again").stdout
    assert "Hello there" in listed and context_id in listed
    shown = done(demo_data, "contexts", "show", context_id).stdout
    assert "Be brief." in shown and shown.count(" yes ") == 7
    exported = done(demo_data, "contexts", "export", context_id).stdout
    assert exported.startswith("# Hello there\n") and "## User\n\nMore\n" in exported
    document = json.loads(done(demo_data, "contexts", "export", context_id, "--format", "json").stdout)
    assert document["context"]["id"] == context_id and len(document["chunks"]) == 7

    done(demo_data, "chat", "try_demo", "Hello there", "--context", "new", *FAST)
    two = done(demo_data, "contexts", "show", "Hello there", code=1).stderr
    assert "2 chats are called" in two and context_id in two
    assert done(demo_data, "contexts", "delete", context_id).stdout == "Deleted Hello there.\n"
    assert "unknown_context" in done(demo_data, "contexts", "show", context_id, code=1).stderr
    assert "unknown_context" in done(demo_data, "chat", "try_demo", "x", "--context", context_id, code=1).stderr


def test_a_refused_answer_names_the_chat_and_is_kept(demo_data: Path) -> None:
    refused = done(demo_data, "chat", "try_demo", "Hi", "--context", "new", "--model", "demo-error-429", code=1).stderr
    named, error = refused.splitlines()
    assert named.startswith("context: ") and error.startswith("error[upstream_rate_limit]")
    assert "Hi" in done(demo_data, "contexts", "show", named.removeprefix("context: ")).stdout


def test_chats_are_those_of_their_owner(demo_data: Path) -> None:
    done(demo_data, "chat", "try_demo", "Mine", "--context", "new", *FAST)
    with closing(sqlite3.connect(demo_data / "maestro.sqlite3")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(auth_user)") if row[1] != "id"]
        copied = ", ".join("'other'" if name == "username" else name for name in columns)
        database.execute(f"INSERT INTO auth_user ({', '.join(columns)}) SELECT {copied} FROM auth_user")
    assert "No chats" in done(demo_data, "contexts", "list", "--owner", "other").stdout
    assert "unknown_context" in done(demo_data, "contexts", "show", "Mine", "--owner", "other", code=1).stderr
    assert "owner_required" in done(demo_data, "contexts", "list", code=1).stderr


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        ({"kind": "tool_call", "content": "a ``` b", "metadata": {"name": "look"}},
         "## Tool call: look\n\n````\na ``` b\n````"),
        ({"kind": "assistant", "content": "Yes.", "metadata": {"citations": [{"url": "https://a.example", "title": "A"},
         {"quote": "q"}]}}, "## Assistant\n\nYes.\n\n1. [A](https://a.example)"),
        ({"kind": "note", "content": "n", "not_sent": "blank"}, "## Note (not sent)\n\nn"),
        ({"kind": "server_tool", "content": "web_search_tool_result", "metadata": {"kind": "web_search_tool_result",
         "data": {"content": [{"title": "A", "url": "https://a.example"}]}}},
         "## Server tool\n\nweb_search_tool_result\n\n```\nA · https://a.example\n```"),
        ({"kind": "tool_call", "content": "{}", "metadata": {"name": "look"},
         "intent": ToolIntent(None, "look", "low")},
         "## Tool call: look\n\n```\n{}\n```\n\nNot declared · look · low risk · by rule"),
        ({"kind": "image", "content": "Plan", "metadata": {"ref": "r1", "media_type": "image/png"}},
         "## Image\n\nPlan\n\nFile: r1"),
    ],
)  # fmt: skip
def test_the_document_of_a_chat(chunk: dict[str, Any], text: str) -> None:
    context = StoredContext(
        id="i", title="T", session=None, model="", pinned=False, archived=False,
        created_at=0, updated_at=0, chunks=1, tokens=1,
    )  # fmt: skip
    given: dict[str, Any] = {"excluded": False, **chunk}
    made = Chunk(id="c", order=1, role="user", tokens=1, pinned=False, **given)
    assert as_markdown(context, [made]) == f"# T\n\nNo model, 1970-01-01 00:00 UTC\n\n{text}"

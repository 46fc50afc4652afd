"""What is shown of blocks of server tools, in the forms of all providers."""

from typing import Any

import pytest

from context_app import server_tools


@pytest.mark.parametrize(
    ("kind", "data", "title", "asked"),
    [
        ("server_tool_use", {"name": "web_search", "input": {"query": "q"}}, "Searched the web", "q"),
        ("web_search_call", {"action": {"type": "search", "query": "q"}}, "Searched the web", "q"),
        ("file_search_call", {"queries": ["a", "b"]}, "Searched files", "a, b"),
        ("code_interpreter_call", {"code": "1+1"}, "Ran code", "1+1"),
        ("executableCode", {"executableCode": {"language": "PYTHON", "code": "1+1"}}, "Ran code", "1+1"),
        ("mcp_call", {"server_label": "s", "name": "t", "arguments": '{"a": 1}'}, "s: t", "a=1"),
        ("custom_tool_call", {"name": "look", "input": '{"query": "q", "limit": 2}'}, "Used look", "q"),
        ("custom_tool_call", {"name": "look", "input": "free words"}, "Used look", "free words"),
        (
            "server_tool_use",
            {"name": "text_editor_code_execution", "input": {"command": "create", "path": "/a"}},
            "Edited a file",
            "/a",
        ),
        ("mcp_tool_use", {"server_name": "s", "name": "t", "input": {"a": 1}}, "s: t", "a=1"),
        ("server_tool_use", {"name": "tool_search_tool_bm25", "input": {}}, "Searched the tools", ""),
        ("toolCall", {"toolCall": {"toolType": "X", "args": {"x": 1}}}, "Used toolCall", "x=1"),
        ("new_call", {"input": None}, "Used new", ""),
    ],
)
def test_what_a_tool_did_is_said_in_words(kind: str, data: dict[str, Any], title: str, asked: str) -> None:
    assert (server_tools.title(kind, data), server_tools.asked(kind, data)) == (title, asked)


@pytest.mark.parametrize(
    ("kind", "data", "output", "facts", "failed"),
    [
        (
            "web_search_tool_result",
            {"content": [{"url": "https://a", "title": "A"}] * 2},
            "A · https://a",
            "2 results",
            0,
        ),
        ("web_search_tool_result", {"content": {"type": "x", "error_code": "max_uses_exceeded"}}, "max_uses", "", 1),
        ("bash_code_execution_tool_result", {"content": {"stdout": "out", "return_code": 1}}, "out", "", 1),
        ("bash_code_execution_tool_result", {"content": {"stdout": "out", "stderr": "e"}}, "out\ne", "", 0),
        ("bash_code_execution_tool_result", {"content": {"type": "x", "stdout": "", "stderr": ""}}, "", "", 0),
        ("mcp_tool_result", {"is_error": True, "content": [{"type": "text", "text": "no"}]}, "no", "", 1),
        ("mcp_call", {"output": "612 rows", "error": None}, "612 rows", "", 0),
        ("mcp_call", {"output": None, "error": "refused"}, "refused", "", 1),
        ("web_search_call", {"status": "completed", "action": {"sources": [{"url": "https://a"}]}}, "", "1 result", 0),
        ("web_search_call", {"status": "failed"}, "", "", 1),
        ("code_interpreter_call", {"outputs": [{"type": "logs", "logs": "2"}]}, "2", "", 0),
        ("codeExecutionResult", {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}, "2", "", 0),
        ("codeExecutionResult", {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "x"}}, "x", "", 1),
        ("codeExecutionResult", {"codeExecutionResult": {"outcome": 2}}, "", "", 1),
        ("new_output", {"output": {"some": [1]}}, '"some"', "", 0),
        ("new_output", {"output": {"blob": "A" * 5000}}, "(5,000 characters)", "", 0),
        ("new_output", {"output": "x" * 50_000}, "x", "", 0),
        ("server_tool_use", {"input": {}}, "", "", 0),
    ],
)
def test_what_came_of_it_is_readable(kind: str, data: dict[str, Any], output: str, facts: str, failed: int) -> None:
    found = server_tools.result(kind, data)
    assert output in found["output"] and len(found["output"]) <= server_tools.MAX_SHOWN
    assert (found["facts"], found["failed"]) == (facts, bool(failed))


def test_json_in_view_is_short_where_it_is_encoded_and_whole_where_it_is_text() -> None:
    words, blob = "long words " * 500, "data:image/png;base64," + "iVBOR+/" * 500
    shown = server_tools.indented({"words": words, "blob": [blob]})
    assert words in shown and blob not in shown and f"{blob[:48]}… ({len(blob):,} characters)" in shown
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    assert "…" in server_tools.indented(deep)
    assert len(server_tools.indented(["a b"] * 1000, limit=500)) < 510

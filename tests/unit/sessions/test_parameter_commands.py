"""Parameters on the command line, and `manage.py advise`."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from providers_app.errors import InvalidRequest
from sessions_app.management import parameters
from sessions_app.models import AuthSession
from tests.unit.sessions.commands import Run

NONE: dict[str, Any] = {"max_output_tokens": None, "temperature": None, "effort": None, "schema": "", "param": []}


def test_options_become_parameters(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    given = {
        **NONE,
        "max_output_tokens": 5,
        "effort": "low",
        "schema": str(schema),
        "param": ["seed=7", "stop=END", 'extra={"top_k": 3}', "top_p= 0.5", "parallel_tool_calls=false"],
    }
    assert parameters.read(given) == {
        "max_output_tokens": 5,
        "reasoning_effort": "low",
        "response_schema": {"type": "object"},
        "seed": 7,
        "stop": "END",
        "extra": {"top_k": 3},
        "top_p": 0.5,
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"param": ["seed"]}, "NAME=VALUE"),
        ({"param": ["=1"]}, "NAME=VALUE"),
        ({"param": ["seed=1", "seed=2"]}, "twice"),
        ({"param": ["max_tokens=1"], "max_output_tokens": 3}, "twice"),
        ({"schema": "/no/such/file"}, "cannot be read"),
        ({"schema": "a\x00b"}, "cannot be read"),
        ({"schema": __file__}, "not JSON"),
    ],
)
def test_options_that_cannot_be_read(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parameters.read({**NONE, **change})


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_text('"' + "x" * parameters.MAX_FILE + '"')
    with pytest.raises(InvalidRequest, match="larger"):
        parameters.read_json(str(large), "--schema")


def test_chat_leaves_out_what_the_model_does_not_take_and_says_so(demo: AuthSession, run: Run) -> None:
    arguments = ("chat", "try_demo", "Hello", "--model", "demo-no-sampling-d0", "--temperature", "0.5")
    code, out, err = run(*arguments)
    assert code == 0 and out
    assert err == "warning: temperature is not sent. This demo model takes no sampling parameters, as its name says.\n"
    code, out, err = run(*arguments, "--strict")
    assert code == 1 and out == "" and err.startswith("error[unsupported_parameter]: temperature is not sent.")
    code, out, err = run(*arguments, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and err == ""
    assert lines[0]["advice"] == lines[-1]["advice"] and lines[-1]["advice"][0]["code"] == "not_for_model"


def test_chat_refuses_what_cannot_be_sent(demo: AuthSession, run: Run) -> None:
    for arguments in (("--temperature", "9"), ("--param", "temprature=1"), ("--param", "stop=[1]")):
        code, out, err = run("chat", "try_demo", "Hello", "--model", "demo-d0", *arguments)
        assert code == 1 and out == "" and err.startswith("error[invalid_parameter]"), err
    code, _, err = run("chat", "try_demo", "Hello", "--model", "demo-d0", "--param", "seed")
    assert code == 1 and err.startswith("error[invalid_request]")


def test_chat_with_parameters_sends_them(demo: AuthSession, run: Run) -> None:
    arguments = ("--max-output-tokens", "5", "--temperature", "0.5", "--effort", "low", "--param", "seed=3")
    code, out, err = run("chat", "try_demo", "Hello", "--model", "demo-n50-d0", "--json", *arguments)
    result = json.loads(out.splitlines()[-1])
    assert code == 3 and result["finish_reason"] == "length", err


def test_advise_says_what_would_happen(run: Run) -> None:
    code, out, err = run("advise", "openai", "gpt-5.6", "--temperature", "0.5", "--param", "seed=1")
    assert code == 0 and err == ""
    assert out.splitlines()[0] == "warning seed         seed is not sent.  [not_in_format]"
    assert "[not_for_model]" in out
    code, out, _ = run("advise", "openai", "gpt-5.6", "--temperature", "0.5", "--strict")
    assert code == 1
    code, out, _ = run("advise", "openai", "gpt-4.1", "--max-output-tokens", "3", "--json")
    (item,) = json.loads(out)["advice"]
    assert code == 1 and (item["level"], item["field"], item["nearest"]) == ("error", "max_output_tokens", 16)
    code, out, _ = run("advise", "anthropic", "claude-opus-5")
    assert (code, out) == (0, "Nothing to say: everything is sent as it is.\n")
    code, _, err = run("advise", "nobody", "m")
    assert code == 1 and err.startswith("error[unknown_provider]")


def test_advise_judges_tools_and_sessions(alice: User, transactional_db: Any, run: Run, tmp_path: Path) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text('[{"name": "a.b"}]')
    code, out, _ = run("advise", "openai", "gpt-4.1", "--tools", str(tools))
    assert code == 0 and 'Nearest: "a_b"' in out
    tools.write_text('[{"name": "a", "parameters": {"type": "string"}}]')
    code, out, _ = run("advise", "openai", "gpt-4.1", "--tools", str(tools))
    assert code == 1 and "[tool_top]" in out
    AuthSession.objects.create(
        owner=alice, provider="openai", auth_type="oauth", name="plan", settings={"mode": "chatgpt"}
    )
    code, out, _ = run("advise", "openai", "gpt-5.6", "--max-output-tokens", "500", "--session", "plan")
    assert code == 0 and "[refused_by_login]" in out
    code, _, err = run("advise", "openai", "gpt-5.6", "--session", "missing")
    assert code == 1 and err.startswith("error[unknown_session]")

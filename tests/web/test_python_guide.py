"""Every sample of ``docs/python.md``, run from top to bottom as one script against the strict local servers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, environment
from tests.vendors.anthropic import VALID_KEY
from tests.vendors.server import VendorServer

PAGE = (ROOT / "docs" / "python.md").read_text()
SAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RUN = """
import ast, asyncio, inspect, json, sys

names = {"__name__": "__main__"}

async def main():
    for number, sample in enumerate(json.load(open(sys.argv[1]))):
        code = compile(sample, f"sample {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if inspect.iscoroutine(found := eval(code, names)):
            await found
        print(f"[sample {number}]", flush=True)

asyncio.run(main())
print(names["ask"]("Hello"))
names["stream"]("Hello")
"""


@pytest.mark.timeout(120)
def test_the_samples_run(tmp_path: Path, anthropic_server: VendorServer, openrouter_server: VendorServer) -> None:
    """The answer to ``input`` comes from the person's side of the sign-in: the page behind the printed address."""
    assert len(SAMPLES) >= 13
    (tmp_path / "samples.json").write_text(json.dumps(SAMPLES))
    settings = {
        "ANTHROPIC_API_KEY": VALID_KEY,
        "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "MAESTRO_PROVIDERS__ANTHROPIC__BASE_URL": anthropic_server.base_url,
        "MAESTRO_PROVIDERS__OPENROUTER__BASE_URL": openrouter_server.base_url,
        "MAESTRO_PROVIDERS__OPENROUTER__AUTH_URL": f"{openrouter_server.origin}/auth",
    }
    script = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "samples.json")],
        cwd=ROOT,
        env=environment(tmp_path / "data", **settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert script.stdin is not None and script.stdout is not None and script.stderr is not None
    lines = []
    for line in script.stdout:
        lines.append(line.rstrip())
        if line.startswith("Open "):
            script.stdin.write(openrouter_server.auth.approve(line.split()[1]) + "\n")
            script.stdin.flush()
    problems = script.stderr.read()
    assert script.wait(30) == 0 and problems == "", problems
    assert [line for line in lines if line.startswith("[sample")] == [f"[sample {n}]" for n in range(len(SAMPLES))]
    told = "\n".join(lines)
    assert "my_router active" in told and "finished: stop" in told and "On call 4" in told
    assert "maintenance get_weather high stated by the person" in told
    assert "Did you mean 'anthropic'?" in told and "create_context" in told and "upstream_rate_limit" in told

    first, second = (entry.body["messages"] for entry in anthropic_server.ledger.of("/messages")[-2:])
    assert [message["role"] for message in first] == ["user"] and "17" in str(first)
    assert "17." not in str(second[0]) and second[-1]["role"] == "user", "the first chunk was deleted"

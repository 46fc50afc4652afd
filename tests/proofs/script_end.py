"""Scripts that end right after a stream: each in a process of its own, in all the ways in which a script can end.

Every process has to end with the code that its script gave, print nothing on standard error but what a script's own
exit prints, and leave the outcome of its call in the database: that its session was used. Where the answer is stored in
a context, its stream must have ended there too.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tests.processes import ROOT, environment, rows

HEAD = """
import asyncio, os, sys, maestro_site
maestro_site.setup()
from providers_app import errors, loop, provider
from providers_app.types.events import StreamEnd, TextDelta

NAME = sys.argv[1]

def ask(model, **options):
    return provider.stream_chat("demo", NAME, "Hello", model=model, **options)

async def make():
    await provider.create_session("demo", "none", name=NAME)
"""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One way to end: the script's body, its exit code, and its streams' states as a pattern."""

    body: str
    code: int = 0
    states: str = ""


ENDINGS = {
    "the iteration ends": Ending(body="""
async def main():
    await make()
    async for event in ask("demo-d1-n20"):
        pass
asyncio.run(main())
"""),
    "break at the last event": Ending(body="""
async def main():
    await make()
    async for event in ask("demo-d1-n20"):
        if isinstance(event, StreamEnd):
            break
asyncio.run(main())
"""),
    "break in the middle": Ending(body="""
async def main():
    await make()
    async for event in ask("demo-d5-n2000"):
        if isinstance(event, TextDelta):
            break
asyncio.run(main())
"""),
    "exit in the middle": Ending(code=3, body="""
async def main():
    await make()
    async for event in ask("demo-d5-n2000"):
        if isinstance(event, TextDelta):
            sys.exit(3)
asyncio.run(main())
"""),
    "without a loop": Ending(body="""
loop.run(make())
loop.run(provider.complete_chat("demo", NAME, "Hello", model="demo-d1-n20"))
"""),
    "after a refusal": Ending(body="""
async def main():
    await make()
    try:
        async for event in ask("demo-error-429"):
            pass
    except errors.RateLimited:
        pass
asyncio.run(main())
"""),
    "after an answer that broke off": Ending(body="""
async def main():
    await make()
    async for event in ask("demo-truncated-d0"):
        pass
asyncio.run(main())
"""),
    "a stored answer": Ending(states="complete", body="""
async def main():
    await make()
    async for event in ask("demo-d1-n20", store=True):
        pass
asyncio.run(main())
"""),
    "a stored answer, left in the middle": Ending(states="cancelled", body="""
async def main():
    await make()
    async for event in ask("demo-d5-n2000", store=True):
        if isinstance(event, TextDelta):
            break
asyncio.run(main())
"""),
    "a stored answer, exit in the middle": Ending(code=3, states="cancelled|interrupted", body="""
async def main():
    await make()
    async for event in ask("demo-d5-n2000", store=True):
        if isinstance(event, TextDelta):
            sys.exit(3)
asyncio.run(main())
"""),
    "a stored answer, without a loop": Ending(states="complete", body="""
loop.run(make())
loop.run(provider.complete_chat("demo", NAME, "Hello", model="demo-d1-n20", store=True))
"""),
}  # fmt: skip


def run(runs: int, say: Callable[[str], None], endings: dict[str, Ending] = ENDINGS, data: Path | None = None) -> bool:
    """Run so many scripts, two beside each other, the ways in turn; print a table. ``True`` when all were clean.

    ``data`` is a data folder with a migrated database; without it one is made.
    """
    names = [list(endings)[number % len(endings)] for number in range(runs)]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        if data is None:
            data = Path(folder)
            subprocess.run([sys.executable, "-c", HEAD, "none"], cwd=ROOT, env=environment(data), check=True)
        found = list(pool.map(partial(_run_one, data), range(runs), (endings[name] for name in names)))
    clean = Counter(name for name, problem in zip(names, found, strict=True) if not problem)
    say("| how the script ends | runs | clean |")
    say("|---|---:|---:|")
    for name in endings:
        say(f"| {name} | {names.count(name)} | {clean[name]} |")
    for problem in filter(None, found):
        say(problem)
    return not any(found)


def _run_one(data: Path, number: int, ending: Ending) -> str:
    """Run one script; return what was wrong with it, or nothing."""
    name = f"script_{number}"
    done = subprocess.run(
        [sys.executable, "-c", HEAD + ending.body, name],
        cwd=ROOT,
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (row,) = rows(data, "SELECT id, last_used_at FROM sessions_app_authsession WHERE name = ?", name) or [
        {"id": "", "last_used_at": None}
    ]
    states = rows(
        data,
        "SELECT s.state FROM context_app_stream s JOIN context_app_turn t ON t.stream_id = s.id WHERE t.session_id = ?",
        row["id"],
    )
    seen: dict[str, Any] = {
        "code": done.returncode,
        "stderr": done.stderr,
        "outcome": "used" if row["last_used_at"] else "none",
    }
    found = ",".join(state["state"] for state in states)
    wanted = {"code": ending.code, "stderr": "", "outcome": "used"}
    if seen == wanted and re.fullmatch(ending.states, found):
        return ""
    return f"{name}: {seen}, {found or 'no stream'} instead of {wanted}, {ending.states or 'none'}"

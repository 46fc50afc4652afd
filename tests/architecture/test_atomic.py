"""Transactions are short: no waiting inside ``atomic()``, and the parts that write most are watched doing it."""

import ast
import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.fixtures_atomic import LongTransaction, short_transactions
from tests.unit.context.streams_kit import close_kit, make_turn, open_kit, stored, watch, words

__all__ = ["short_transactions"]

ROOT = Path(__file__).resolve().parents[2]
APPS = ("sessions_app", "context_app", "gateway_app", "pipelines_app", "maestro_site")
WAITING = {"sleep", "wait", "result", "join", "run", "in_store", "hand_over", "urlopen", "get_model", "list_models"}
HARMLESS = {("str", "join"), ("spool", "join")}


def test_long_transaction_is_found(transactional_db: Any, request: pytest.FixtureRequest) -> None:
    watcher = request.getfixturevalue("short_transactions")
    with transaction.atomic(), transaction.atomic():
        time.sleep(0.25)
    assert len(watcher.found) == 1, "the outermost block counts, once"
    assert "test_atomic.py" in watcher.found[0]
    watcher.found.clear()
    with transaction.atomic():
        pass
    with pytest.raises(RuntimeError), transaction.atomic():
        raise RuntimeError
    assert watcher.found == []
    assert issubclass(LongTransaction, AssertionError)


def test_streams_commit_in_short_transactions(transactional_db: Any, short_transactions: Any, tmp_path: Path) -> None:
    async def many() -> None:
        kit = await open_kit(tmp_path / "spool")
        lives = [await kit.begin(words(50, every=0.002)) for _ in range(30)]
        await asyncio.gather(*(watch(live.id) for live in lives))
        await close_kit(kit)

    asyncio.run(many())


def test_take_over_of_a_long_answer_is_a_short_transaction(
    transactional_db: Any, short_transactions: Any, tmp_path: Path
) -> None:
    from context_app.conf import ContextConfig
    from context_app.streams import spool
    from context_app.streams.runtime import Runtime
    from providers_app.types.events import TextDelta
    from tests.unit.context.streams_kit import encoded

    stream, _ = make_turn("ada", "dead-1")
    events = encoded([TextDelta(f"word {number} ") for number in range(30_000)])
    (tmp_path / "dead-1.1.log").write_bytes(spool.frame(stream.pk, 1, spool.join(events)))
    assert Runtime(tmp_path, ContextConfig()).take_over() == [stream.pk]
    assert len(stored(stream.pk)) == 30_000


def test_nothing_waits_inside_atomic() -> None:
    """No await, sleep, HTTP or hand-over stands inside ``with transaction.atomic()`` or ``@transaction.atomic``."""
    files = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    assert len(files) > 20
    found = [f"{path.relative_to(ROOT)}:{line}: {what}" for path in files for line, what in waiting(path.read_text())]
    assert found == []


def test_planted_waits_are_found() -> None:
    planted = """
async def one():
    with transaction.atomic():
        await thing()
def two():
    with suppress(X), transaction.atomic(using="x"):
        time.sleep(1)
@transaction.atomic
def three():
    loop.run(coro)
def fine():
    with transaction.atomic():
        ", ".join(x)
    time.sleep(1)
"""
    assert [line for line, _ in waiting(planted)] == [4, 7, 10]


def waiting(source: str) -> list[tuple[int, str]]:
    """Lines inside transactions that wait for something."""
    found = set()
    for block in ast.walk(ast.parse(source)):
        if not _is_transaction(block):
            continue
        for node in ast.walk(block):
            if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
                found.add((node.lineno, "await"))
            if isinstance(node, ast.Call) and (name := _waits(node.func)):
                found.add((node.lineno, name))
    return sorted(found)


def _is_transaction(node: ast.AST) -> bool:
    if isinstance(node, ast.With):
        return any(_names_atomic(item.context_expr) for item in node.items)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return any(_names_atomic(decorator) for decorator in node.decorator_list)
    return False


def _names_atomic(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
    return (isinstance(node, ast.Attribute) and node.attr == "atomic") or (
        isinstance(node, ast.Name) and node.id == "atomic"
    )


def _waits(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id if function.id in WAITING else ""
    if isinstance(function, ast.Attribute) and function.attr in WAITING:
        if isinstance(function.value, ast.Constant):
            return ""
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        return "" if (owner, function.attr) in HARMLESS else function.attr
    return ""

"""``make bench``: run every benchmark of this folder and print one table.

Each module offers ``run() -> list[Row]``. Modules run in processes of their own, one after the other, so that neither
memory nor an event loop of one colours the next. ``--only NAME`` runs one, ``--write FILE`` also writes the table. The
exit code is 1 when a benchmark fails or a bound does not hold.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks._row import Row

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", help="run one module")
    parser.add_argument("--write", type=Path, help="also write the table, with date and commit, to this file")
    parser.add_argument("--module", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.module:
        return _run_here(options.module)
    names = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    rows: list[Row] = []
    failed = []
    for name in [options.only] if options.only else names:
        found = _run_apart(name)
        if found is None:
            failed.append(name)
            continue
        rows += found
    table = _table(rows)
    print(table)
    if options.write:
        options.write.write_text(_page(table))
    for name in failed:
        print(f"error: the benchmark {name} failed; see above", file=sys.stderr)
    missed = [row for row in rows if not row.holds]
    for row in missed:
        print(f"error: {row.what}: {row.measured}, and the bound is {row.bound}", file=sys.stderr)
    return 1 if failed or missed else 0


def _run_apart(name: str) -> list[Row] | None:
    print(f"... {name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as data:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAESTRO_")}
        if recordings := os.environ.get("MAESTRO_RECORDINGS"):
            environment["MAESTRO_RECORDINGS"] = recordings
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a start is measured as it is the second time
        environment |= {"MAESTRO_DATA_DIR": data, "MAESTRO_ENV_FILE": os.devnull}
        environment["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", "--module", name],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0 or not done.stdout.strip():
        return None
    return [Row(*row) for row in json.loads(done.stdout.strip().splitlines()[-1])]


def _run_here(name: str) -> int:
    module = __import__(f"tests.benchmarks.{name}", fromlist=["run"])
    print(json.dumps(module.run()))
    return 0


def _table(rows: list[Row]) -> str:
    heads = ("what", "measured", "bound")
    cells = [heads, *((row.what, row.measured, row.bound if row.holds else f"{row.bound}: missed") for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(3)]
    head, *lines = (
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    )
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([head, rule, *lines])


def _page(table: str) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return (
        "# Benchmarks\n\n"
        "`make bench` prints this table; each row is measured by a module of `tests/benchmarks`. A bound is what the\n"
        "product promises on a machine like this one; figures of one run compare with each other, not with those of\n"
        "another machine.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}, {machine}.\n\n{table}\n"
    )


if __name__ == "__main__":
    sys.exit(main())

"""From ``manage.py up`` to the first answered page, on fresh and on existing data."""

import tempfile
import time
from pathlib import Path

import httpx

from tests.benchmarks._row import Row, below
from tests.processes import Up


def run() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for label in ("fresh data", "existing data"):
            begun = time.monotonic()
            server = Up(Path(folder)).start()
            try:
                httpx.get(f"{server.base}/login/", trust_env=False).raise_for_status()
                took = time.monotonic() - begun
                code, stopped = server.stop()
            finally:
                server.kill()
            rows.append(below(f"`up` to first answered page, {label}", took, 5, "s", digits=2))
        rows.append(below("SIGTERM to gone", stopped, 5, "s", digits=2, note=f"exit code {code}"))
    return rows

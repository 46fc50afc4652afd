"""From ``manage.py up`` to the first answered page, on fresh and on existing data."""

import tempfile
import time
from pathlib import Path

import httpx

from tests.processes import Up


def run() -> list[tuple[str, str, str]]:
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
            rows.append((f"`up` to first answered page, {label}", f"{took:.2f} s", "< 5 s"))
        rows.append(("SIGTERM to gone", f"{stopped:.2f} s (exit code {code})", "< 5 s"))
    return rows

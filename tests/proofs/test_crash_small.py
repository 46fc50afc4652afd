"""The crash at a size for every run, each point once at each server; ``make crash`` runs it at full size."""

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.proofs.crash_worker import POINTS

pytestmark = pytest.mark.both


def test_a_process_that_is_killed_loses_no_login_that_could_be_saved() -> None:
    database = "postgres" if os.environ.get("TEST_DATABASE") == "postgres" else "sqlite"
    done = subprocess.run(
        [sys.executable, "-m", "tests.proofs", "crash", "--runs", "12", "--database", database],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "crash: 12 runs, 0 not as they must be"
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if line.startswith("|")]
    assert [row[0] for row in cells[2:]] == [*POINTS, *POINTS]
    assert [row[0] for row in cells if row[-1] == "answer_lost"] == ["during the POST", "after the answer"]

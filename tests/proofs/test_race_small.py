"""The race at a size for every run; ``make race`` runs it at full size."""

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.both


def test_processes_that_race_spend_each_token_once() -> None:
    database = "postgres" if os.environ.get("TEST_DATABASE") == "postgres" else "sqlite"
    size = ["--processes", "3", "--expiries", "20", "--database", database]
    done = subprocess.run(
        [sys.executable, "-m", "tests.proofs", "race", *size],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "race: 20 expiries, 20 accepted, 0 lost"

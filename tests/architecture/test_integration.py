"""Tests against real providers run only when they are asked for, and do what they promise (here, strictly local)."""

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.vendors.openai import VALID_KEY
from tests.vendors.server import VendorServer


@pytest.mark.timeout(240)
def test_only_the_provider_that_has_a_key_is_asked_and_only_by_its_marker(openai_server: VendorServer) -> None:
    variables = {
        "OPENAI_API_KEY": VALID_KEY,
        "INTEGRATION_BASE_URL_OPENAI": openai_server.base_url,
        "INTEGRATION_MODEL_OPENAI": "gpt-5.6",
    }
    environment = {name: value for name, value in os.environ.items() if name != "COVERAGE_FILE"} | variables
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-m", "integration", "tests/integration"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout and "skipped" not in done.stdout
    assert "test_a_key_from_end_to_end[openai]" in done.stdout
    assert "pass  clean-up" in done.stdout
    assert VALID_KEY not in done.stdout + done.stderr
    assert len(openai_server.ledger.of("/responses")) >= 3


def test_nothing_of_it_is_in_a_usual_run(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> None:
    asked = any(word in (pytestconfig.option.markexpr or "") for word in ("integration", "provider_"))
    assert asked or not any(item.get_closest_marker("integration") for item in request.session.items)

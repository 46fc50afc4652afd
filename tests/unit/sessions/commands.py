"""Fixtures of the commands' tests."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from providers_app.types.credentials import Secret
from sessions_app.models import AuthSession
from tests.processes import with_demo
from tests.unit.sessions.support import make, settle

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command: exit code, stdout, stderr."""

    def command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            call_command(*arguments, stdout=out, stderr=err)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, out.getvalue(), err.getvalue()

    return command


@pytest.fixture
def demo(alice: User, transactional_db: Any) -> Iterator[AuthSession]:
    yield make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))
    settle()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of its own with one user and a demo session, made by the commands themselves."""
    return with_demo(tmp_path_factory.mktemp("installation") / "data")

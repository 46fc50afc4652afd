"""``tools/venv.sh`` on machines that have less than a whole Python, played by stand-ins on an otherwise empty path."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

LACKS_VENV = """#!/bin/sh
case "$*" in
    *"import venv"*) exit 1 ;;
    *"-m virtualenv"*) exit 1 ;;
    *version_info*) echo "3.12" ;;
esac
exit 0
"""
SHIM_WITHOUT_PYTHON = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "rm", "mkdir", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def make(path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "tools" / "venv.sh")],
        cwd=cwd,
        env={**os.environ, "PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_any_python_one_line_says_what_to_install(path: Path, tmp_path: Path) -> None:
    script(path, "python3.13", SHIM_WITHOUT_PYTHON)
    done = make(path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "3.11" in done.stderr


def test_without_the_venv_module_one_line_names_the_package(path: Path, tmp_path: Path) -> None:
    script(path, "python3.13", SHIM_WITHOUT_PYTHON)
    script(path, "python3.12", LACKS_VENV)
    done = make(path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "python3.12-venv" in done.stderr


@pytest.mark.parametrize("tool", ["virtualenv", "uv"])
def test_virtualenv_or_uv_stand_in_for_the_module(path: Path, tmp_path: Path, tool: str) -> None:
    script(path, "python3.12", LACKS_VENV)
    script(path, tool, '#!/bin/sh\nmkdir .venv && echo "$*" > .venv/called\n')
    done = make(path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "python3.12" in (tmp_path / ".venv" / "called").read_text()


def test_the_newest_that_runs_is_taken(path: Path, tmp_path: Path) -> None:
    script(path, "python3.11", "#!/bin/sh\nexit 1\n")
    script(path, "python3.13", SHIM_WITHOUT_PYTHON)
    script(path, "python3.12", '#!/bin/sh\ncase "$*" in *"-m venv"*) mkdir .venv ;; esac\nexit 0\n')
    done = make(path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv").is_dir()

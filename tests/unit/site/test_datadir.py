"""The data folder and its key files are private to their user, or Maestro does not start."""

import errno
from pathlib import Path
from typing import Any

import pytest

from maestro_site import datadir
from maestro_site.datadir import DataDirError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("found", [0o700, 0o750, 0o755, 0o777])
def test_a_folder_is_made_private(tmp_path: Path, found: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(found)
    assert mode(datadir.ensure(folder)) == 0o700


@pytest.mark.parametrize("found", [0o600, 0o640, 0o644, 0o666])
def test_a_key_file_is_made_private_and_read(tmp_path: Path, found: int) -> None:
    key = tmp_path / "it's.key"
    key.write_text("secret\n")
    key.chmod(found)
    assert datadir.read_or_create(key, "another") == "secret" and mode(key) == 0o600


def test_what_cannot_be_made_private_is_refused_with_the_line_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "of somebody else"
    folder.mkdir(mode=0o755)
    key = folder / "encryption.key"
    key.write_text("secret")
    key.chmod(0o640)

    def refused(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(DataDirError, match=r"\(755\)\. Run `chmod 700 '.*of somebody else'` as its owner") as folders:
        datadir.ensure(folder)
    with pytest.raises(DataDirError, match=r"\(640\)\. Run `chmod 600 '.*encryption.key'` as its owner") as files:
        datadir.read_or_create(key, "another")
    assert "secret" not in str(folders.value) + str(files.value)


def test_a_folder_that_everybody_shares_is_not_taken_over(tmp_path: Path) -> None:
    shared = tmp_path / "like-tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(DataDirError, match="MAESTRO_DATA_DIR"):
        datadir.ensure(shared)
    assert mode(shared) == 0o777


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(DataDirError, match=r"is full\. Free some space"):
        datadir.ensure(tmp_path / "data")

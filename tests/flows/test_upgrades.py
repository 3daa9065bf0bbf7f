"""A newer version on data that an older one left: other rules, a file that it cannot read, a file that is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.records import Record
from hullwise.cli.starter import ensure_starter
from hullwise.scanning import publication
from hullwise.store import feeds, generations, publications
from hullwise.store.tables import generations as generations_table
from tests.support import registry as support
from tests.support.advisories import osv, write
from tests.support.continuous import begin, check_current, finding_names
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry
from tests.support.s3 import S3Server
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
    """The records stay; keys and digest are made again, and the next start finds nothing to do. The next fetch is of
    whole feeds: the rules may read the same documents otherwise."""
    registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"))
    with registry.services.database.write() as tx:
        feeds.succeeded(tx, "osv", [], "2026-01-02T03:04:05Z", registry.clock())
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
    with registry.services.database.read() as tx:
        assert feeds.states(tx)["osv"].cursor == ""
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
    begin(registry, again)
    registry.work()
    assert finding_names(registry.services, again.id) == finding_names(registry.services, stored.id)


def test_a_refresh_on_remote_storage_loses_nothing(s3_moto: S3Server, tmp_path: Path) -> None:
    """The same verdicts from newer sources are another file under another name: the next build begins with them, here
    and on a node that has the old one lying about."""
    settings: dict[str, Any] = {"blobs_url": f"{s3_moto.url}/{tmp_path.name}", "blobs_options": dict(s3_moto.options)}
    with support.registry(tmp_path, **settings) as found:
        found.publish(osv("CVE-2024-0001", "flask"))
        silent = Record("CVE-2024-0001", "nvd", (), modified="2026-01-01T00:00:00Z")
        before = head_file(found)

        def fill(builder: GenerationBuilder) -> None:
            # What decides no verdict here: a record of a vulnerability in nothing that is known.
            builder.add(msgspec.structs.replace(silent, id="CVE-2024-9999"))

        refreshed = publication.publish(found.services, fill)
        assert (refreshed.new, refreshed.number) == (False, 1)
        assert head_file(found) != before
        found.publish(osv("CVE-2024-0002", "mako"))
        with found.services.database.read() as tx:
            row = generations.get(tx, 2)
        assert row is not None
        assert (row.records, {source["name"] for source in row.sources}) == (3, {"osv", "nvd"})
        with found.services.open_generation(row) as generation:
            assert generation.record_count == 3


def test_a_lost_file_of_an_open_publication_stops_no_other(registry: Registry) -> None:
    """What was begun and cannot go on is dropped, with all that it had written ahead."""
    registry.publish(osv("CVE-2024-0001", "flask"))
    stored = registry.push(registry.repository(), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    folder = write(registry.folder / "lost", osv("CVE-2024-0002", "flask"))

    def die(what: str, done: int, total: int) -> None:
        if done == total:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publication.publish(registry.services, lambda builder: _load(folder, builder), die)
    with registry.services.database.read() as tx:
        begun = publications.unfinished(tx)
    assert begun is not None
    registry.services.generation_path(begun.generation).unlink()
    assert registry.publish(osv("CVE-2024-0003", "flask")).number == 2
    assert check_matches(registry.services) == 2
    assert registry.finding_names(stored) == ["CVE-2024-0001"]
    with registry.services.database.read() as tx:
        ended = publications.get(tx, begun.id)
    assert ended is not None
    assert ended.state == "dropped"


def _load(folder: Path, builder: GenerationBuilder) -> None:
    documents.load([folder], builder)

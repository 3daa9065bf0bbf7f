"""Vulnerabilities, their names and their assessments, on both engines."""

from __future__ import annotations

import sqlalchemy as sa

from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import RecordRef, SeverityClaim
from hullwise.store import assessments
from hullwise.store.engine import Database
from hullwise.store.tables import assessments as assessments_table
from tests.support.rows import assessment


def about(tx: sa.Connection) -> dict[str, int]:
    """Vulnerability id by shown name."""
    rows = tx.execute(sa.select(assessments_table.c.name, assessments_table.c.vulnerability_id))
    return {row.name: row.vulnerability_id for row in rows}


def test_an_assessment_comes_back_as_it_was_saved(database: Database) -> None:
    """Every field is read back; what search and order need stands in columns of its own."""
    claim = SeverityClaim("GHSA", "CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Severity.CRITICAL, 9.8)
    full = assessment(
        "CVE-2020-1",
        "flask",
        Severity.CRITICAL,
        ids=("CVE-2020-1", "GHSA-x"),
        chosen=claim,
        claims=(claim, SeverityClaim("debian", "word", "low", Severity.LOW)),
        fix="1.2",
        state="fixed",
        records=(RecordRef("GHSA-x", "osv", "< 1.2", "1.2"),),
        summary="Words, “quoted” – and 漢字.",
        references=("https://example.org/1", "https://example.org/2"),
        published="2020-01-01T00:00:00Z",
    )
    plain = assessment("CVE-2020-2")
    with database.write() as tx:
        vulnerability = assessments.new_vulnerability(tx, 4)
        ids = assessments.save(tx, {full: vulnerability, plain: vulnerability})
        assert assessments.load(tx, [ids[plain], ids[full], ids[full], 10**9]) == {ids[full]: full, ids[plain]: plain}
        columns = assessments_table.c
        query = sa.select(columns.name, columns.severity, columns.score).order_by(columns.name)
        assert tx.execute(query).all() == [("CVE-2020-1", "CRITICAL", 9.8), ("CVE-2020-2", "HIGH", None)]


def test_the_same_assessment_is_kept_once(database: Database) -> None:
    """Saved again it has the id that it had; a change of any field is another assessment."""
    with database.write() as tx:
        vulnerability = assessments.new_vulnerability(tx, 1)
        first = assessments.save(tx, {assessment("CVE-1"): vulnerability})
        again = assessments.save(tx, {assessment("CVE-1"): vulnerability, assessment("CVE-1", fix="2"): vulnerability})
        assert again[assessment("CVE-1")] == first[assessment("CVE-1")] != again[assessment("CVE-1", fix="2")]
        assert assessments.save(tx, {}) == {}


def test_many_assessments_at_once(database: Database) -> None:
    """More than one statement holds are saved and loaded."""
    wanted = [assessment(f"CVE-{number}") for number in range(1_100)]
    with database.write() as tx:
        vulnerability = assessments.new_vulnerability(tx, 1)
        ids = assessments.save(tx, dict.fromkeys(wanted, vulnerability))
        assert assessments.load(tx, list(ids.values())) == {number: each for each, number in ids.items()}


def test_an_assessment_follows_its_vulnerability(database: Database) -> None:
    """One that is saved as being about another vulnerability, since aliases changed, is about that one from then on."""
    with database.write() as tx:
        old, new = (assessments.new_vulnerability(tx, 1) for _ in range(2))
        first = assessments.save(tx, {assessment("CVE-1"): old, assessment("CVE-2"): old})
        second = assessments.save(tx, {assessment("CVE-1"): new})
        assert second[assessment("CVE-1")] == first[assessment("CVE-1")]
        assert about(tx) == {"CVE-1": new, "CVE-2": old}


def test_the_smaller_id_is_the_older_vulnerability(database: Database) -> None:
    """Ids grow."""
    with database.write() as tx:
        made = [assessments.new_vulnerability(tx, since) for since in (7, 1, 1)]
    assert made == sorted(set(made))


def test_a_name_names_one_vulnerability(database: Database) -> None:
    """A name given to another vulnerability names that one only; names never given are left out."""
    with database.write() as tx:
        one, two = (assessments.new_vulnerability(tx, 1) for _ in range(2))
        assessments.name_vulnerability(tx, one, {"CVE-1": "2020-01-01T00:00:00Z", "GHSA-1": ""})
        assert assessments.names(tx, ["CVE-1", "GHSA-1", "PYSEC-1"]) == {
            "CVE-1": (one, "2020-01-01T00:00:00Z"),
            "GHSA-1": (one, ""),
        }
        assessments.name_vulnerability(tx, two, {"GHSA-1": "", "PYSEC-1": ""})
        assert assessments.names_of(tx, [one, two, 10**9]) == {one: {"CVE-1"}, two: {"GHSA-1", "PYSEC-1"}}


def test_a_name_learns_when_its_record_was_published(database: Database) -> None:
    """What was only an alias at first takes the date of the record that comes later, and keeps it without one."""
    with database.write() as tx:
        one = assessments.new_vulnerability(tx, 1)
        assessments.name_vulnerability(tx, one, {"GHSA-1": ""})
        assessments.name_vulnerability(tx, one, {"GHSA-1": "2021-01-01T00:00:00Z"})
        assert assessments.names(tx, ["GHSA-1"]) == {"GHSA-1": (one, "2021-01-01T00:00:00Z")}
        assessments.name_vulnerability(tx, one, {"GHSA-1": ""})
        assert assessments.names(tx, ["GHSA-1"]) == {"GHSA-1": (one, "2021-01-01T00:00:00Z")}


def test_names_are_told_apart_by_case(database: Database) -> None:
    """Ids of records are compared letter by letter."""
    with database.write() as tx:
        one, two = (assessments.new_vulnerability(tx, 1) for _ in range(2))
        assessments.name_vulnerability(tx, one, {"GHSA-ab": ""})
        assessments.name_vulnerability(tx, two, {"GHSA-AB": ""})
        assert assessments.names(tx, ["GHSA-ab", "GHSA-AB"]) == {"GHSA-ab": (one, ""), "GHSA-AB": (two, "")}

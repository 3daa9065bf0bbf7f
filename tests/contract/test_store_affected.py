"""Vulnerabilities by name, assessments by what they take care of, and how their images are found."""

from __future__ import annotations

import re

from hullwise.domain.scans import ScanType
from hullwise.store import affected, assessments
from hullwise.store.engine import Database
from tests.support.rows import ACCOUNT, REGION, assessment


def test_a_name_in_any_case(database: Database) -> None:
    """One of the spellings; else, what differs from the first in case alone."""
    with database.write() as tx:
        one, two = assessments.new_vulnerability(tx, 1), assessments.new_vulnerability(tx, 1)
        assessments.name_vulnerability(tx, one, {"CVE-2024-1": "", "openSUSE-SU-2024:1": ""})
        assessments.name_vulnerability(tx, two, {"CVE-2024-2": ""})
        assert assessments.named(tx, ["cve-2024-1", "CVE-2024-1"]) == {"CVE-2024-1": one}
        assert assessments.named(tx, ["cve-2024-2"]) == {"CVE-2024-2": two}
        assert assessments.named(tx, ["OpenSuse-su-2024:1", "OPENSUSE-SU-2024:1"]) == {"openSUSE-SU-2024:1": one}
        assert assessments.named(tx, ["CVE-2024-", "CVE_2024-1", "%"]) == {}


def test_what_an_advisory_takes_care_of(database: Database) -> None:
    """Of those above an id that name any, whatever else their texts hold; and the last id."""
    plain = assessment("CVE-1", references=('"upstream":["CVE-9"]}', "]}"), details='"upstream":["CVE-9"]}')
    several = assessment("DSA-1", upstream=("CVE-2", "CVE-3"))
    with database.write() as tx:
        vulnerability = assessments.new_vulnerability(tx, 1)
        assert assessments.with_upstream(tx, 0) == ({}, 0)
        first = assessments.save(tx, {several: vulnerability})[several]
        last = assessments.save(tx, {plain: vulnerability})[plain]
        assert assessments.with_upstream(tx, 0) == ({first: ("CVE-2", "CVE-3")}, last)
        assert assessments.with_upstream(tx, first) == ({}, last)
        assert assessments.about(tx, [vulnerability]) == {first, last}
        assert assessments.vulnerabilities_of(tx, [last]) == {vulnerability}


def test_images_are_found_from_the_vulnerability(database: Database) -> None:
    """No table is gone through: each step is a look into an index. (PostgreSQL plans by how much there is.)"""
    if not database.is_sqlite:
        return
    query = affected.query([1, 2], ACCOUNT, REGION, ScanType.BASIC, 0, 101, 3)
    statement = query.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.read() as tx:
        plan = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    steps = [step for step in plan if re.match(r"SCAN|SEARCH", step)]
    assert [step for step in steps if step.startswith("SCAN")] == ["SCAN parts", "SCAN found"]
    assert "hw_assessments" in steps[0]
    assert "hw_images USING INTEGER PRIMARY KEY" in steps[-2]

"""What is joined on reading: exploitation by any name, ends of support by the clock; and reading beside changes."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hullwise.advisories import building
from hullwise.domain.packages import Distribution
from hullwise.domain.scans import ScanType
from hullwise.scanning import joined, overlay_changes, reading, synchronisation
from hullwise.store import scans
from hullwise.store.tables import reports
from tests.support.advisories import osv
from tests.support.edges import Edges, edges
from tests.support.images import image, layer, python_packages
from tests.support.registry import ACCOUNT, Registry

HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]
LOW = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]

DEBIAN_9 = b'PRETTY_NAME="Debian GNU/Linux 9 (stretch)"\nID=debian\nVERSION_ID="9"\nVERSION_CODENAME=stretch\n'
STATUS = (
    b"Package: bash\nStatus: install ok installed\nVersion: 4.4-5\nArchitecture: amd64\nDescription: shell\n\n"
    b"Package: alma\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\nDescription: lib\n"
)
DEBIAN = image([layer({"etc/os-release": DEBIAN_9, "var/lib/dpkg/status": STATUS, **python_packages(flask="1.0")})])
COMPLETE = "The scan was completed successfully."

RECORDS = [
    # One CVE, by the record's own id and by an alias alone.
    osv("CVE-2024-1001", "flask", severity=HIGH),
    osv("GHSA-aaaa-bbbb-cccc", "flask", severity=HIGH, aliases=["CVE-2024-1002"]),
    # A record on several CVEs keeps its own name.
    osv("GHSA-dddd-eeee-ffff", "flask", severity=LOW, aliases=["CVE-2024-1003", "CVE-2024-1004"]),
    osv("GHSA-gggg-hhhh-jjjj", "flask", severity=LOW),
    # A distribution's advisory takes care of CVEs that are not its names (OSV schema, `upstream`).
    osv("DSA-1-1", "bash", ecosystem="Debian:9", severity=LOW, upstream=["CVE-2024-1005"]),
]
EPSS = """#model_version:v2026.06.15,score_date:2026-08-22T00:00:00Z
cve,epss,percentile
CVE-2024-1001,0.00042,0.12345
CVE-2024-1002,0.97,0.9999
CVE-2024-1003,0.1,0.5
CVE-2024-1004,0.2,0.6
CVE-2024-1005,0.3,0.7
"""


def exploited(cve: str, ransomware: str) -> dict[str, str]:
    named = {"cveID": cve, "vulnerabilityName": "Flask", "dateAdded": "2024-02-03", "dueDate": "2024-02-24"}
    return named | {"requiredAction": "Update", "knownRansomwareCampaignUse": ransomware, "notes": ""}


KEV = {
    "catalogVersion": "2026.08.22",
    "dateReleased": "2026-08-22T10:00:00.000Z",
    "count": 3,
    "vulnerabilities": [
        exploited("CVE-2024-1002", "Known"),
        exploited("CVE-2024-1003", "Unknown"),
        exploited("CVE-2024-1005", "Unknown"),
    ],
}


def load(registry: Registry, name: str, text: str) -> None:
    """Import one document, as `advisories import` does."""
    folder = registry.folder / "enrichment"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    synchronisation.take(registry.services, building.steps([path]))


@pytest.fixture
def edge(registry: Registry) -> Edges:
    """The APIs of a registry with an image of Debian 9 and Flask, which was scanned."""
    found = edges(registry)
    registry.publish(*RECORDS)
    registry.repository("team/app")
    found.push("team/app", DEBIAN)
    registry.work()
    return found


def describe(edge: Edges) -> dict[str, Any]:
    answer = edge.aws("DescribeImageScanFindings", repositoryName="team/app", imageId={"imageTag": "latest"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


JOINED = ("epss_", "exploit_", "kev_")


def split(found: dict[str, Any]) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """By finding what was joined; and the answer without it."""
    extra: dict[str, dict[str, str]] = {}
    for finding in found["imageScanFindings"]["findings"]:
        pairs = {each["key"]: each["value"] for each in finding["attributes"]}
        extra[finding["name"]] = {key: value for key, value in pairs.items() if key.startswith(JOINED)}
        finding["attributes"] = [each for each in finding["attributes"] if not each["key"].startswith(JOINED)]
    return extra, found


def epss(score: str, percentile: str) -> dict[str, str]:
    return {"epss_score": score, "epss_percentile": percentile, "epss_date": "2026-08-22T00:00:00Z"}


def test_exploitation_is_joined_by_any_name(edge: Edges) -> None:
    """EPSS and KEV stand on a finding of which any name, or what its advisory takes care of, is the CVE; of several
    CVEs the likelier one's; absent where not loaded; and neither order nor counts change."""
    extra, before = split(describe(edge))
    order = [finding["name"] for finding in before["imageScanFindings"]["findings"]]
    assert sorted(order[:2]) == ["CVE-2024-1001", "CVE-2024-1002"]
    assert sorted(order[2:]) == ["DSA-1-1", "GHSA-dddd-eeee-ffff", "GHSA-gggg-hhhh-jjjj"]
    assert before["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 2, "LOW": 3}
    assert extra == {name: {} for name in order}
    load(edge.registry, "epss_scores-2026-08-22.csv", EPSS)
    extra, after = split(describe(edge))
    assert after == before
    scores = {
        "CVE-2024-1001": epss("0.00042", "0.12345"),
        "CVE-2024-1002": epss("0.97000", "0.99990"),
        "GHSA-dddd-eeee-ffff": epss("0.20000", "0.60000"),
        "GHSA-gggg-hhhh-jjjj": {},
        "DSA-1-1": epss("0.30000", "0.70000"),
    }
    assert extra == scores
    load(edge.registry, "known_exploited_vulnerabilities.json", json.dumps(KEV))
    extra, after = split(describe(edge))
    assert after == before
    kev = {"exploit_available": "YES", "kev_date_added": "2024-02-03", "kev_due_date": "2024-02-24"}
    assert extra == scores | {
        "CVE-2024-1002": scores["CVE-2024-1002"] | kev | {"kev_ransomware": "YES"},
        "GHSA-dddd-eeee-ffff": scores["GHSA-dddd-eeee-ffff"] | kev,
        "DSA-1-1": scores["DSA-1-1"] | kev,
    }


def lifecycles(release: str, ends: str | None, extended: str | None) -> str:
    entry = {"name": release, "codename": "Stretch", "eolFrom": ends, "eoesFrom": extended}
    return json.dumps({"result": {"name": "debian", "releases": [entry]}, "generated_at": "2026-08-22T00:00:00Z"})


# Debian's own days for stretch: security support until 2020-07-18, LTS until 2022-06-30.
STRETCH = ("2020-07-18", "2022-06-30")


def test_an_ended_release_is_said_so(edge: Edges) -> None:
    """After ECR's own sentence and that on suppressed findings, and as data; where nobody says, nothing."""
    before = describe(edge)
    assert before["imageScanStatus"]["description"] == COMPLETE
    assert "endOfLife" not in {k for k, v in before["imageScanFindings"]["hullwise"].items() if v is not None}
    load(edge.registry, "debian.json", lifecycles("8", "2018-06-17", "2020-06-30"))
    assert describe(edge) == before
    load(edge.registry, "debian.json", lifecycles("9", *STRETCH))
    found = describe(edge)
    sentence = "debian 9 reached its end of life on 2022-06-30."
    assert found["imageScanStatus"] == {"status": "COMPLETE", "description": f"{COMPLETE} {sentence}"}
    assert found["imageScanFindings"]["hullwise"]["endOfLife"] == {
        "distribution": "debian",
        "release": "9",
        "state": "ended",
        "ends": "2020-07-18",
        "extendedEnds": "2022-06-30",
        "asOf": "2026-08-22T00:00:00Z",
        "source": "endoflife.date",
    }
    for name in ("findings", "findingSeverityCounts"):
        assert found["imageScanFindings"][name] == before["imageScanFindings"][name]
    rule(edge.registry, vulnerability="DSA-1-1")
    suppressed = "1 finding is suppressed and not counted."
    assert describe(edge)["imageScanStatus"]["description"] == f"{COMPLETE} {suppressed} {sentence}"


def test_support_ends_by_the_clock(edge: Edges) -> None:
    """Days are the last of support: the image's release leaves it on the next, without a write."""
    today = edge.registry.clock.moment.date()
    day = timedelta(days=1)
    left = f"{COMPLETE} debian 9 left its regular support on {today - day}."
    cases = [
        (today, None, "supported", COMPLETE),
        (today - day, today, "extended", left),
        (today - day, None, "ended", f"{COMPLETE} debian 9 reached its end of life on {today - day}."),
        (None, None, "supported", COMPLETE),
    ]
    for ends, extended, state, description in cases:
        stated = (None if date is None else date.isoformat() for date in (ends, extended))
        load(edge.registry, "debian.json", lifecycles("9", *stated))
        found = describe(edge)
        assert found["imageScanFindings"]["hullwise"]["endOfLife"]["state"] == state
        assert found["imageScanStatus"]["description"] == description


STATES = {
    datetime(2020, 7, 18, 23, 59, 59, tzinfo=UTC): "supported",
    datetime(2020, 7, 19, tzinfo=UTC): "extended",
    datetime(2022, 6, 30, 23, 59, 59, tzinfo=UTC): "extended",
    datetime(2022, 7, 1, tzinfo=UTC): "ended",
}
NOBODY_SAYS = [
    None,
    Distribution("debian", "10", "buster"),
    Distribution("ubuntu", "9"),
    Distribution("debian", ""),
    Distribution("kali", "9", "", ("debian",)),
    Distribution("", ""),
]


def test_ends_of_releases(registry: Registry) -> None:
    """Supported, extended and ended follow each other at midnight in UTC; a point release and a derivative that ships
    the release's packages count as the release; of other distributions nobody says anything."""
    load(registry, "debian.json", lifecycles("9", *STRETCH))
    same = [
        Distribution("debian", "9", "stretch"),
        Distribution("debian", "9.13"),
        Distribution("raspbian", "9", "stretch", ("debian",)),
    ]
    with registry.services.database.read() as tx:
        for moment, state in STATES.items():
            for distribution in same:
                found = joined.end_of_life(tx, distribution, moment)
                assert found is not None
                assert (found.state, found.distribution, found.release) == (state, "debian", "9")
            assert [joined.end_of_life(tx, each, moment) for each in NOBODY_SAYS] == [None] * len(NOBODY_SAYS)


def rule(registry: Registry, **criteria: str) -> int:
    services, fields = registry.services, {"reason": "not reachable", "author": "Ada", **criteria}
    return services.database.run(lambda tx: overlay_changes.add_rule(tx, services, ACCOUNT, **fields)).id  # type: ignore[arg-type]


def drop(registry: Registry, number: int) -> None:
    services = registry.services
    services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, ACCOUNT, number))


def exchange(registry: Registry, number: int, vulnerability: str) -> int:
    """One rule for another, in one transaction."""
    services = registry.services

    def change(tx: sa.Connection) -> int:
        overlay_changes.remove_rule(tx, services, ACCOUNT, number)
        return overlay_changes.add_rule(
            tx, services, ACCOUNT, vulnerability=vulnerability, reason="not reachable", author="Ada"
        ).id

    return services.database.run(change)


READERS, ROUNDS = 8, 24


def test_reading_beside_changes(registry: Registry) -> None:
    """Eight readers of an image whose report under the rules is yet to be made, while rules come and go: no error, each
    answer is one of a state that there was, and each report is kept once."""
    names = ["CVE-2024-2001", "CVE-2024-2002", "CVE-2024-2003"]
    registry.publish(*(osv(name, "flask", severity=HIGH) for name in names))
    repository = registry.repository("team/app")
    stored = registry.push(repository, image([layer(python_packages(flask="1.0"))]))
    registry.work()
    services, over = registry.services, threading.Event()
    # One rule is there at a time or none: a reader never sees two.
    states = {frozenset[str](), *(frozenset({name}) for name in names)}

    def read() -> set[frozenset[str]]:
        seen = set()
        while not over.is_set():
            with services.database.read() as tx:
                found = scans.of_images(tx, [stored.id], ScanType.BASIC)
                report = reading.current(tx, services, repository, {stored.id: stored}, found)[stored.id].report
                listed = reading.page(tx, report, 0, report.findings)
            hidden = [each.assessment.name for each in listed if each.suppression is not None]
            assert [each.assessment.name for each in listed] == [n for n in names if n not in hidden] + hidden
            assert (report.suppressed, sum(report.counts.values())) == (len(hidden), 3 - len(hidden))
            seen.add(frozenset(hidden))
        return seen

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read) for _ in range(READERS)]
        try:
            number = rule(registry, vulnerability=names[0])
            for turn in range(1, ROUNDS):
                time.sleep(0.02)
                number = exchange(registry, number, names[turn % len(names)])
            drop(registry, number)
        finally:
            over.set()
        seen = set().union(*(each.result(60) for each in readers))
    assert seen <= states
    assert len(seen) > 1
    columns = reports.c
    key = (columns.inventory_id, columns.generation, columns.overlay_revision)
    with services.database.read() as tx:
        assert tx.execute(sa.select(*key).group_by(*key).having(sa.func.count() > 1)).all() == []
        # One without rules, and at most one for each set of rules that there was.
        assert 1 <= tx.execute(sa.select(sa.func.count()).select_from(reports)).scalar_one() <= 1 + ROUNDS
    assert registry.finding_names(stored) == names

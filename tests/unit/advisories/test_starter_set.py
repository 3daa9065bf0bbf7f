"""The bundled advisories are sound: well formed, in order, and right at the edges of their ranges."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from itertools import chain, pairwise
from typing import Any

import pytest
from cvss import CVSS3

from hullwise.versions import apk, dpkg, pep440, semver

Record = dict[str, Any]

FOLDER = resources.files("hullwise.advisories.starter")
ECOSYSTEMS: dict[str, tuple[str, str, Callable[[str], bytes]]] = {
    "pypi": (r"PyPI", "ECOSYSTEM", pep440.key),
    "npm": (r"npm", "SEMVER", semver.key),
    "debian": (r"Debian:1[0-2]", "ECOSYSTEM", dpkg.key),
    "alpine": (r"Alpine:v3\.\d+", "ECOSYSTEM", apk.key),
}
MEMBERS = {
    "schema_version",
    "id",
    "modified",
    "published",
    "summary",
    "details",
    "severity",
    "affected",
    "references",
    "database_specific",
}


def load(name: str) -> list[Record]:
    """The records of one file, in its order."""
    records: list[Record] = json.loads(FOLDER.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return records


RECORDS = [(name, record) for name in ECOSYSTEMS for record in load(name)]
each_record = pytest.mark.parametrize(("file", "record"), RECORDS, ids=[record["id"] for _, record in RECORDS])


def affected(name: str, ecosystem: str, package: str, version: str) -> set[str]:
    """Ids of the records in this file whose ranges hold the version."""
    key = ECOSYSTEMS[name][2]
    found = set()
    for record in load(name):
        for entry in record["affected"]:
            if entry["package"] != {"ecosystem": ecosystem, "name": package}:
                continue
            bounds = [next(iter(event.values())) for event in entry["ranges"][0]["events"]]
            # Every bound that is not above the version flips it from safe to affected or back.
            if sum(bound == "0" or key(bound) <= key(version) for bound in bounds) % 2:
                found.add(record["id"])
    return found


@each_record
def test_record_has_the_needed_members(file: str, record: Record) -> None:
    """A record has all members a finding shows, no unknown ones, and says where it is from."""
    assert record.keys() - {"aliases"} == MEMBERS
    assert record["schema_version"] == "1.7.0"
    assert re.fullmatch(r"CVE-\d{4}-\d{4,}", record["id"])
    assert record["database_specific"].keys() == {"source", "cwe_ids"}
    assert record["database_specific"]["source"] == "hullwise-starter"
    assert record["database_specific"]["cwe_ids"]
    assert all(re.fullmatch(r"CWE-\d+", cwe) for cwe in record["database_specific"]["cwe_ids"])


@each_record
def test_record_has_one_cvss_3_vector(file: str, record: Record) -> None:
    """The one severity is a CVSS 3 vector that parses, written in the order of the specification."""
    (severity,) = record["severity"]
    assert severity["type"] == "CVSS_V3"
    assert CVSS3(severity["score"]).clean_vector() == severity["score"]


@each_record
def test_record_was_published_before_it_was_modified(file: str, record: Record) -> None:
    """Both dates are UTC timestamps, and all records carry the date of the set."""
    published, modified = (
        datetime.strptime(record[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for name in ("published", "modified")
    )
    assert published < modified == datetime(2026, 11, 1, tzinfo=UTC)


@each_record
def test_texts_are_short(file: str, record: Record) -> None:
    """A summary fits a line without a full stop, details are one to three sentences."""
    assert 0 < len(record["summary"]) <= 80
    assert "\n" not in record["summary"] + record["details"]
    assert not record["summary"].endswith(".")
    assert 0 < len(record["details"]) < 600
    assert record["details"].endswith(".")


@each_record
def test_references_are_typed_links(file: str, record: Record) -> None:
    """Each reference is an https link of a type that OSV knows, NVD's entry among them, and none comes twice."""
    urls = [reference["url"] for reference in record["references"]]
    assert len(urls) == len(set(urls)) >= 2
    assert all(url.startswith("https://") for url in urls)
    assert f"https://nvd.nist.gov/vuln/detail/{record['id']}" in urls
    assert {reference["type"] for reference in record["references"]} <= {"ADVISORY", "FIX", "REPORT", "WEB"}


@each_record
def test_packages_are_of_the_ecosystem_of_the_file(file: str, record: Record) -> None:
    """A record names each package of a release once, and only of the ecosystem that its file is for."""
    ecosystem, _, _ = ECOSYSTEMS[file]
    packages = [(entry["package"]["ecosystem"], entry["package"]["name"]) for entry in record["affected"]]
    assert len(packages) == len(set(packages)) >= 1
    assert all(re.fullmatch(ecosystem, name) for name, _ in packages)


@each_record
def test_ranges_alternate_and_ascend(file: str, record: Record) -> None:
    """Events come in pairs of introduced and fixed, strictly ascending in the ecosystem's own order."""
    _, kind, key = ECOSYSTEMS[file]
    for entry in record["affected"]:
        (spans,) = entry["ranges"]
        events = spans["events"]
        assert spans["type"] == kind
        assert all(len(event) == 1 for event in events)
        assert list(chain.from_iterable(events)) == ["introduced", "fixed"] * (len(events) // 2)
        bounds = [bound for event in events for bound in event.values()]
        keys = [key(bound) for bound in (bounds[1:] if bounds[0] == "0" else bounds)]
        assert all(lower < higher for lower, higher in pairwise(keys))


def test_ids_and_aliases_are_unique_and_in_order() -> None:
    """No id or alias is in the set twice, every alias is a GHSA or PYSEC id, and each file is sorted by id."""
    aliases = list(chain.from_iterable(record.get("aliases", ()) for _, record in RECORDS))
    names = [record["id"] for _, record in RECORDS] + aliases
    assert len(names) == len(set(names))
    form = re.compile(r"GHSA(-[23456789cfghjmpqrvwx]{4}){3}|PYSEC-\d{4}-\d+")
    assert [alias for alias in aliases if not form.fullmatch(alias)] == []
    for name in ECOSYSTEMS:
        ids = [record["id"] for record in load(name)]
        assert ids == sorted(ids)


def test_no_text_is_used_twice() -> None:
    """Each record is described in words of its own."""
    texts = [record[member] for _, record in RECORDS for member in ("summary", "details")]
    assert len(texts) == len(set(texts))


def test_set_is_small() -> None:
    """The set has 50 to 80 records of all four ecosystems in less than 120 kB."""
    files = {entry.name: entry for entry in FOLDER.iterdir() if entry.name.endswith(".json")}
    assert files.keys() == {f"{name}.json" for name in ECOSYSTEMS}
    assert 50 <= len(RECORDS) <= 80
    assert sum(len(entry.read_bytes()) for entry in files.values()) < 120_000
    assert all(len(load(name)) >= 8 for name in ECOSYSTEMS)


def test_readme_says_date_licence_and_where_the_rest_is() -> None:
    """Who finds the folder learns its licence, its date, and that it is not complete."""
    readme = FOLDER.joinpath("README.md").read_text(encoding="utf-8")
    for fact in ("CC0-1.0", "2026-11-01", "hullwise advisories import"):
        assert fact in readme


# Package, version and expected ids, by hand from the advisories that the records link to.
@pytest.mark.parametrize(
    ("package", "version", "ids"),
    [
        ("jinja2", "2.10", {"CVE-2019-10906", "CVE-2024-22195"}),
        ("jinja2", "2.10.1", {"CVE-2024-22195"}),
        ("jinja2", "3.1.3", set()),
        ("django", "2.2.0", {"CVE-2019-14234", "CVE-2019-19844", "CVE-2022-28346"}),
        ("django", "2.2.9", {"CVE-2022-28346"}),
        ("django", "2.2.28", set()),
        ("django", "3.0", {"CVE-2019-19844"}),
        ("requests", "2.19.0", {"CVE-2018-18074", "CVE-2023-32681"}),
        ("requests", "2.20.0", {"CVE-2023-32681"}),
        ("urllib3", "1.24", {"CVE-2019-11324", "CVE-2023-43804"}),
        ("urllib3", "1.26.17", set()),
        ("urllib3", "2.0.5", {"CVE-2023-43804"}),
        ("pillow", "8.0.0", {"CVE-2022-22817", "CVE-2023-50447"}),
        ("cryptography", "3.2", {"CVE-2020-36242", "CVE-2023-0286"}),
        ("cryptography", "3.0", {"CVE-2023-0286"}),
        ("pyyaml", "5.3", {"CVE-2020-14343"}),
        ("flask", "0.12.2", {"CVE-2018-1000656", "CVE-2023-30861"}),
        ("flask", "2.3.0", {"CVE-2023-30861"}),
        ("flask", "2.2.5", set()),
        ("werkzeug", "0.14.1", {"CVE-2023-25577"}),
        ("idna", "2.7", {"CVE-2024-3651"}),
        ("certifi", "2018.4.16", {"CVE-2023-37920"}),
        ("certifi", "2023.07.22", set()),
        ("aiohttp", "3.7.3", {"CVE-2021-21330", "CVE-2024-23334"}),
        ("lxml", "4.6.1", {"CVE-2021-43818"}),
        ("paramiko", "2.4.1", {"CVE-2018-1000805"}),
        ("paramiko", "2.0.9", set()),
        ("mako", "1.1.2", {"CVE-2022-40023"}),
        ("bleach", "3.1.0", {"CVE-2020-6816"}),
        ("sqlparse", "0.2.4", {"CVE-2024-4340"}),
        ("tornado", "6.1", {"CVE-2023-28370"}),
        ("setuptools", "40.8.0", {"CVE-2024-6345"}),
        ("pip", "20.0.2", {"CVE-2021-3572"}),
        ("gunicorn", "19.9.0", {"CVE-2024-1135"}),
    ],
)
def test_old_python_releases_are_found(package: str, version: str, ids: set[str]) -> None:
    """Old releases have the vulnerabilities that were announced for them, and the fixed releases do not."""
    assert affected("pypi", "PyPI", package, version) == ids


@pytest.mark.parametrize(
    ("package", "version", "ids"),
    [
        ("lodash", "4.17.11", {"CVE-2019-10744"}),
        ("lodash", "4.17.12", set()),
        ("minimist", "0.2.3", {"CVE-2021-44906"}),
        ("minimist", "0.2.4", set()),
        ("minimist", "1.2.5", {"CVE-2021-44906"}),
        ("qs", "6.5.2", {"CVE-2022-24999"}),
        ("qs", "6.5.3", set()),
        ("qs", "6.10.2", {"CVE-2022-24999"}),
        ("express", "5.0.0-beta.2", {"CVE-2024-29041"}),
        ("express", "5.0.0-beta.3", set()),
        ("ansi-regex", "4.1.0", {"CVE-2021-3807"}),
        ("tar", "2.2.2", set()),
        ("tar", "6.1.1", {"CVE-2021-32803"}),
        ("node-fetch", "2.6.7", set()),
        ("node-fetch", "3.1.0", {"CVE-2022-0235"}),
        ("ws", "7.5.9", {"CVE-2024-37890"}),
        ("ws", "2.0.0", set()),
        ("semver", "7.5.1", {"CVE-2022-25883"}),
        ("jquery", "3.4.1", {"CVE-2020-11023"}),
    ],
)
def test_old_npm_releases_are_found(package: str, version: str, ids: set[str]) -> None:
    """Each branch of an npm package is affected up to its own fix."""
    assert affected("npm", "npm", package, version) == ids


@pytest.mark.parametrize(
    ("name", "release", "package", "version", "ids"),
    [
        ("debian", "Debian:12", "glibc", "2.36-9", {"CVE-2023-4911", "CVE-2024-2961"}),
        ("debian", "Debian:12", "glibc", "2.36-9+deb12u3", {"CVE-2024-2961"}),
        ("debian", "Debian:11", "glibc", "2.31-13+deb11u9", set()),
        ("debian", "Debian:10", "glibc", "2.28-10", {"CVE-2024-2961"}),
        ("debian", "Debian:11", "zlib", "1:1.2.11.dfsg-2", {"CVE-2018-25032"}),
        ("debian", "Debian:11", "zlib", "1:1.2.11.dfsg-2+deb11u1", set()),
        ("debian", "Debian:11", "xz-utils", "5.2.5-2", {"CVE-2022-1271"}),
        ("debian", "Debian:11", "xz-utils", "5.2.5-2.1~deb11u1", set()),
        ("debian", "Debian:12", "openssh", "1:9.2p1-2+deb12u2", {"CVE-2024-6387"}),
        ("debian", "Debian:11", "openssh", "1:8.4p1-5", set()),
        ("debian", "Debian:11", "curl", "7.74.0-1.3+deb11u9", {"CVE-2023-38545"}),
        ("debian", "Debian:10", "curl", "7.64.0-4+deb10u2", set()),
        ("alpine", "Alpine:v3.11", "musl", "1.1.24-r2", {"CVE-2020-28928"}),
        ("alpine", "Alpine:v3.12", "musl", "1.1.24-r9", {"CVE-2020-28928"}),
        ("alpine", "Alpine:v3.12", "musl", "1.1.24-r10", set()),
        ("alpine", "Alpine:v3.14", "apk-tools", "2.12.5-r1", {"CVE-2021-36159"}),
        ("alpine", "Alpine:v3.14", "busybox", "1.33.1-r6", {"CVE-2022-28391"}),
        ("alpine", "Alpine:v3.11", "openssl", "1.1.1f-r0", {"CVE-2020-1967", "CVE-2021-3711"}),
        ("alpine", "Alpine:v3.11", "openssl", "1.1.1l-r0", set()),
        ("alpine", "Alpine:v3.19", "musl", "1.2.4_git20230717-r4", {"CVE-2025-26519"}),
    ],
)
def test_old_distribution_packages_are_found(
    name: str, release: str, package: str, version: str, ids: set[str]
) -> None:
    """A source package is affected up to the version its own release fixed it in, and in no other release."""
    assert affected(name, release, package, version) == ids

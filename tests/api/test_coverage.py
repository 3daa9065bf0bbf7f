"""A scan says what it looked at, and what of that the advisories speak of, as long as its report is read."""

from __future__ import annotations

from typing import Any

from hullwise.cli.starter import ensure_starter
from hullwise.domain.enrichment import Lifecycle
from hullwise.store import enrichment
from tests.support.advisories import osv
from tests.support.edges import Edges
from tests.support.images import DEBIAN_12, image, layer, python_packages
from tests.support.rpms import built, ndb

STATUS = b"""\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1.2
"""
NODE = {"app/package.json": b'{"name": "app", "version": "1.0.0"}'}
DAMAGED = {"app/node_modules/ms/package.json": b"{"}
PARTS = {"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": STATUS, **python_packages(Flask="1.0"), **NODE, **DAMAGED}
APP = image([layer(PARTS)])


def coverage(edge: Edges) -> dict[str, Any]:
    answer = edge.oci("GET", "/api/v1/findings?repository=team/app&image=latest")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["coverage"]
    return found


def test_what_a_scan_looked_at(edge: Edges) -> None:
    """Readers, damaged files, packages by kind with the reason of those that are not matched."""
    edge.registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"))
    edge.registry.push(edge.registry.repository("team/app"), APP)
    edge.registry.work()
    found = coverage(edge)
    assert {"dpkg", "rpm", "maven", "go"} <= found["readers"].keys()
    assert [each["path"] for each in found["unreadable"]] == ["app/node_modules/ms/package.json"]
    assert found["advisories"] == {"namespace": "debian:12", "loaded": False, "comprehensive": True}
    assert found["packages"] == {
        "dpkg": {"found": 2, "matched": 0, "notMatched": {"no advisories on debian:12 are loaded": 2}},
        "npm": {"found": 1, "matched": 0, "notMatched": {"a guess, or no dependency": 1}},
        "pypi": {"found": 1, "matched": 1, "notMatched": {}},
    }
    assert found["endOfLife"] is None
    assert found["notes"][0] == "No advisories on debian:12 are loaded: its own packages were not judged."


def test_it_says_where_the_bundled_advisories_are_all_that_there_is(edge: Edges) -> None:
    """Until others are loaded too."""
    only = "Only the small bundled set of advisories was used; `hullwise advisories sync` loads real data."
    ensure_starter(edge.registry.services)
    repository = edge.registry.repository("team/app")
    edge.registry.push(repository, image([layer(python_packages(Flask="1.0"))]))
    edge.registry.work()
    assert coverage(edge)["notes"] == [only]
    edge.registry.publish(osv("CVE-2024-0001", "flask", fixed="2.0"))
    edge.registry.push(repository, image([layer(python_packages(Flask="1.1"))]))
    edge.registry.work()
    assert coverage(edge)["notes"] == []


def test_it_follows_the_advisories(edge: Edges) -> None:
    """Once there are some on the distribution, a new scan says so; and how the support of the release stands."""
    edge.registry.publish(osv("CVE-2024-0001", "bash", fixed="6.0", ecosystem="Debian:12"))
    edge.registry.push(edge.registry.repository("team/app"), APP)
    edge.registry.work()
    services = edge.registry.services
    ended = Lifecycle("debian", "12", "bookworm", "2020-01-01", "", "endoflife.date")
    enrichment.replace_lifecycles(services.database.run, [ended], "2026-01-05", edge.registry.clock())
    found = coverage(edge)
    assert found["advisories"]["loaded"] is True
    assert found["packages"]["dpkg"] == {"found": 2, "matched": 2, "notMatched": {}}
    assert (found["endOfLife"]["state"], found["endOfLife"]["release"]) == ("ended", "12")
    assert "debian 12 reached its end of life on 2020-01-01." in found["notes"]


ALMA_9 = b'ID="almalinux"\nVERSION_ID="9.4"\n'


def test_packages_of_others(edge: Edges) -> None:
    """The distribution's advisories do not speak of what others built, whatever its name: a scan says how much was not
    judged."""
    database = ndb(
        built("bash", "5.1-1.el9", "AlmaLinux"),
        built("nginx", "1.18-1.el9", "NGINX Packaging <nginx-packaging@f5.com>"),
        built("jq", "1.6-1.el9"),
    )
    packages = image([layer({"etc/os-release": ALMA_9, "var/lib/rpm/Packages.db": database})])
    named = {"bash": "ALSA-2024:0001", "nginx": "ALSA-2024:0002", "jq": "ALSA-2024:0003"}
    records = [osv(record, name, fixed="9-1.el9", ecosystem="AlmaLinux:9") for name, record in named.items()]
    edge.registry.publish(*records)
    edge.registry.push(edge.registry.repository("team/app"), packages)
    edge.registry.work()
    answer = edge.oci("GET", "/api/v1/findings?repository=team/app&image=latest")
    assert {each["package"] for each in answer.json()["findings"]} == {"bash", "jq"}
    kinds = answer.json()["coverage"]["packages"]
    assert kinds == {"rpm": {"found": 3, "matched": 2, "notMatched": {"built by others than the distribution": 1}}}
    said = edge.oci("GET", "/api/v1/explanation?repository=team/app&image=latest&vulnerability=ALSA-2024:0002").json()
    assert said["sentence"] == "ALSA-2024:0002 is not judged in this image: nobody's advisories are about its nginx."
    assert [each["verdict"] for each in said["packages"]] == ["not judged"]


def test_a_deb_of_others(edge: Edges) -> None:
    """Neither what Debian fixed is missing in NodeSource's build, nor is it free of what Debian never had."""
    others = (
        STATUS
        + b"""
Package: nodejs
Status: install ok installed
Architecture: amd64
Maintainer: Ivan Iguaran <ivan@nodesource.com>
Version: 18.20.4-1nodesource1
"""
    )
    edge.registry.publish(
        osv("CVE-2024-0001", "nodejs", fixed="20.0-1", ecosystem="Debian:12"),
        osv("CVE-2024-0002", "bash", fixed="6.0", ecosystem="Debian:12"),
    )
    parts = {"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": others}
    edge.registry.push(edge.registry.repository("team/app"), image([layer(parts)]))
    edge.registry.work()
    answer = edge.oci("GET", "/api/v1/findings?repository=team/app&image=latest").json()
    assert {each["package"] for each in answer["findings"]} == {"bash"}
    assert answer["coverage"]["packages"] == {
        "dpkg": {"found": 3, "matched": 2, "notMatched": {"built by others than the distribution": 1}}
    }
    said = edge.oci("GET", "/api/v1/explanation?repository=team/app&image=latest&vulnerability=CVE-2024-0001").json()
    assert [each["verdict"] for each in said["packages"]] == ["not judged"]


def test_builds_that_cannot_be_compared(edge: Edges) -> None:
    """A module's build that does not say of which module, and one whose version is not known: listed, and told."""
    database = ndb(
        built("bash", "5.1-1.el8", "AlmaLinux"),
        built("nodejs", "10.24.0-1.module_el8.3.0+2023+d2377ea3", "AlmaLinux"),
        built("jq", "", "AlmaLinux"),
    )
    parts = {"etc/os-release": b'ID="almalinux"\nVERSION_ID="8.3"\n', "var/lib/rpm/Packages.db": database}
    edge.registry.publish(
        *(
            osv(record, name, fixed="99-1.el8", ecosystem="AlmaLinux:8")
            for name, record in {"bash": "ALSA-2024:0001", "nodejs": "ALSA-2024:0002", "jq": "ALSA-2024:0003"}.items()
        )
    )
    edge.registry.push(edge.registry.repository("team/app"), image([layer(parts)]))
    edge.registry.work()
    answer = edge.oci("GET", "/api/v1/findings?repository=team/app&image=latest").json()
    assert {each["package"] for each in answer["findings"]} == {"bash"}
    assert answer["coverage"]["packages"]["rpm"] == {
        "found": 3,
        "matched": 1,
        "notMatched": {"built for a module, and it does not say which": 1, "the version is not known": 1},
    }
    said = edge.oci("GET", "/api/v1/explanation?repository=team/app&image=latest&vulnerability=ALSA-2024:0002").json()
    assert [each["verdict"] for each in said["packages"]] == ["not judged"]


RUNTIMES = {
    "usr/local/lib/ruby/3.3.0/x86_64-linux/rbconfig.rb": b"".join(
        f'  CONFIG["{name}"] = "{value}"\n'.encode()
        for name, value in (("MAJOR", 3), ("MINOR", 3), ("TEENY", 0), ("PATCHLEVEL", 0), ("ruby_install_name", "ruby"))
    ),
    "usr/local/include/python3.12/patchlevel.h": b'#define PY_VERSION "3.12.1"\n',
    "opt/java/release": b'JAVA_VERSION="1.8.0_392"\n',
    "usr/local/include/php/main/php_version.h": b'#define PHP_VERSION "8.2.1"\n',
}


def test_each_runtime_for_itself(edge: Edges) -> None:
    """That there is data on Ruby says nothing of Python, and none is read on PHP and Java."""
    affected = {"ranges": [{"type": "GIT", "repo": "https://github.com/python/cpython"}], "versions": ["v3.12.1"]}
    edge.registry.push(edge.registry.repository("team/app"), image([layer(RUNTIMES)]))
    edge.registry.publish({"id": "CVE-2024-0001", "modified": "2024-01-01T00:00:00Z", "affected": [affected]})
    edge.registry.work()
    assert coverage(edge)["packages"] == {
        "runtime": {
            "found": 4,
            "matched": 1,
            "notMatched": {"no advisories on runtime ruby are loaded": 1, "nobody publishes advisories on them": 2},
        }
    }

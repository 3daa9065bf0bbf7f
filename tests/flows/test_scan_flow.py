"""Push, scan, read: the rules from end to end, on both engines."""

from __future__ import annotations

from hullwise.domain.scans import ScanStatus
from tests.support.advisories import osv
from tests.support.images import image, layer, python_packages
from tests.support.registry import Registry


def test_a_pushed_image_is_scanned_and_its_findings_are_read(registry: Registry) -> None:
    """A push to a repository that scans on push ends in a complete scan with what the advisories say."""
    registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    repository = registry.repository()
    pushed = registry.push(repository, image([layer(python_packages(Jinja2="2.10", flask="1.0"))]))
    assert registry.scans_of(pushed).latest.status is ScanStatus.PENDING
    registry.work()
    assert registry.scans_of(pushed).latest.status is ScanStatus.COMPLETE
    assert registry.finding_names(pushed) == ["CVE-2019-10906"]


def test_an_import_shows_on_packages_scanned_before_it(registry: Registry) -> None:
    """A package that was matched before an import is hit by what the import brings, in the next scan of any image."""
    registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    first = registry.push(registry.repository("first/app"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    assert registry.finding_names(first) == []
    registry.publish(osv("CVE-2023-30861", "flask", fixed="2.2.5"))
    second = registry.push(registry.repository("second/app"), image([layer(python_packages(flask="1.0"))]))
    registry.work()
    assert registry.finding_names(second) == ["CVE-2023-30861"]
    assert registry.finding_names(first) == []

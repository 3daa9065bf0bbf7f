"""Push, scan, read: the rules from end to end, on both engines."""

from __future__ import annotations

import psutil
import pytest
import sqlalchemy as sa

from hullwise import app
from hullwise.domain.scans import ScanStatus
from hullwise.inventory.nursery import Nursery
from hullwise.store.tables import layer_analyses
from tests.support.advisories import osv
from tests.support.images import Image, image, layer, python_packages
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


@pytest.mark.parametrize("author", ["a\0b", "\ud800"])
def test_what_no_database_keeps_stops_no_scan(registry: Registry, author: str) -> None:
    """A config with NUL or half of a character in it, which docker takes, is that of a scanned image."""
    registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    repository = registry.repository()
    pushed = registry.push(repository, image([layer(python_packages(Jinja2="2.10"))], author=author))
    registry.work()
    assert registry.scans_of(pushed).latest.status is ScanStatus.COMPLETE
    assert registry.image(repository, pushed.digest).author == author.replace("\0", "\ufffd").replace(
        "\ud800", "\ufffd"
    )


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


def test_layers_are_merged_once(registry: Registry) -> None:
    """Another image of the same layers has its inventory and its report without a look at them, whatever else is in its
    config; one with them in another order, or whose config names others, has not."""
    registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    lower, upper = layer({"etc/motd": b"hello"}), layer(python_packages(Jinja2="2.10"))
    registry.push(registry.repository(), image([lower, upper]))
    registry.work()

    def scanned(name: str, pushed: Image) -> tuple[ScanStatus, bool, int | None]:
        """How its scan ends, whether it looked at what layers hold, and its report."""
        with registry.services.database.write() as tx:
            tx.execute(layer_analyses.delete())
        stored = registry.push(registry.repository(name), pushed)
        registry.work()
        scan = registry.scans_of(stored).latest
        with registry.services.database.read() as tx:
            return scan.status, tx.execute(sa.select(layer_analyses)).first() is not None, scan.report_id

    again = scanned("again/app", image([lower, upper], author="somebody else"))
    assert again == (ScanStatus.COMPLETE, False, 1)
    turned = scanned("turned/app", image([upper, lower]))
    assert turned[:2] == (ScanStatus.COMPLETE, True)
    lying = scanned("lying/app", image([lower, upper], diff_ids=[upper.diff_id, lower.diff_id]))
    assert lying == (ScanStatus.FAILED, True, None)
    assert scanned("again/more", image([lower, upper], author="a third")) == again


def test_scans_share_the_process_that_forks_readers(registry: Registry) -> None:
    """A worker's outlives its scans: the next one is read by the same, and by another once that was killed."""
    registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    repository = registry.repository()
    others = set(psutil.Process().children())
    with Nursery() as nursery:
        seen = []
        for number in range(3):
            # Of several layers, which are read at the same time.
            parts = [layer({f"etc/{number}-{part}": b"x", **python_packages(Jinja2="2.10")}) for part in range(4)]
            pushed = registry.push(repository, image(parts), tag=f"t{number}")
            registry.queue.run(app.handlers(registry.services, nursery))
            assert registry.finding_names(pushed) == ["CVE-2019-10906"]
            (forking,) = set(psutil.Process().children()) - others
            seen.append(forking.pid)
            if number == 1:
                forking.kill()
        assert seen[0] == seen[1] != seen[2]
    assert set(psutil.Process().children()) <= others

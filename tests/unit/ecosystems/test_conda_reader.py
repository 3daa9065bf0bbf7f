"""The reader of conda-meta. Expected values: a record that py-rattler wrote, conda's documentation of PrefixRecord."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.domain.packages import Distribution, FoundPackage
from hullwise.ecosystems.conda import CONDA
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.namespaces import namespace

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
RECORD = "opt/conda/conda-meta/a-1-0.json"


def test_real_file() -> None:
    """Name, version and platform of a record."""
    data = (ASSETS / "xz-5.8.1.conda-meta.json").read_bytes()
    assert CONDA.read(RECORD, data).packages == (FoundPackage("xz", "5.8.1", architecture="linux-64"),)


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        (RECORD, True),
        ("conda-meta/xz-5.8.1-hbcc6ac9_2.json", True),
        ("opt/conda/envs/x/conda-meta/xz-5.8.1-hbcc6ac9_2.json", True),
        ("opt/conda/conda-meta/history", False),
        ("opt/conda/conda-meta/sub/xz-5.8.1-0.json", False),
        ("opt/conda/pkgs/xz-5.8.1-0/info/index.json", False),
        ("opt/my-conda-meta/xz.json", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """Records of an environment; the cache of packages holds what is in no environment too."""
    assert CONDA.claims(path) is claimed


@pytest.mark.parametrize("distribution", [None, Distribution("debian", "12"), Distribution("conda", "1")])
def test_nobody_advises(distribution: Distribution | None) -> None:
    """No advisories speak of conda's packages, whatever the image is."""
    assert namespace("conda", distribution) == ""


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version": "1"}', b'{"pinned": []}'])
def test_no_record(data: bytes) -> None:
    """What names nothing is no package."""
    assert CONDA.read(RECORD, data) == Reading()


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"[]", b'{"name": 1}', b'{"name": "a\\u001b"}', b'{"name": "a/b"}', b'{"name": "%b"}' % (b"a" * 257)],
)
def test_damaged(data: bytes) -> None:
    """No JSON, or a name that is none: unreadable."""
    with pytest.raises(Unreadable):
        CONDA.read(RECORD, data)

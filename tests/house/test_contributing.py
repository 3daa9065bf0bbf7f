"""What CONTRIBUTING.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems.ecosystem import Ecosystem, Unreadable
from hullwise.inventory.claims import Claims, read

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")

# The beginning of a file of Debian's package r-cran-rlang.
DESCRIPTION = b"""\
Package: rlang
Version: 1.0.6
Title: Functions for Base Types and Core R and 'Tidyverse' Features
Description: A toolbox for working with base types, core R features
  like the condition system, and core 'Tidyverse' features.
License: MIT + file LICENSE
"""


@pytest.fixture(scope="module")
def cran() -> Ecosystem:
    (source,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, "cran.py", "exec"), names)
    found: Ecosystem = names["CRAN"]
    return found


def test_the_example_of_an_ecosystem_reads_a_real_file(cran: Ecosystem) -> None:
    """Through the same door as every reader's files."""
    path = "usr/lib/R/site-library/rlang/DESCRIPTION"
    folder, _, name = path.rpartition("/")
    assert Claims([cran]).of(path, folder, name) == [cran]
    assert Claims([cran]).of("srv/rlang/DESCRIPTION", "srv/rlang", "DESCRIPTION") == []
    assert read(cran, path, DESCRIPTION).packages == (FoundPackage("rlang", "1.0.6"),)


@pytest.mark.parametrize("data", [b"", b"Title: a", b"\xff\xfe"])
def test_the_example_refuses_what_is_no_package(cran: Ecosystem, data: bytes) -> None:
    """With the one error that readers have."""
    with pytest.raises(Unreadable):
        cran.read("usr/lib/R/library/a/DESCRIPTION", data)

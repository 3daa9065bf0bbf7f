"""Names that an ecosystem holds for the same. Expected values: NuGet's documentation (a package ID is
case-insensitive), Composer's schema (names are lower case), Hex's of names,
crates.io's source (canon_crate_name)."""

from __future__ import annotations

import pytest

from hullwise.ecosystems import spellings
from tests.support.advisories import package


@pytest.mark.parametrize(
    ("namespace", "installed", "spoken"),
    [
        ("nuget", "Newtonsoft.Json", ("newtonsoft.json",)),
        ("packagist", "PHPOffice/PHPExcel", ("phpoffice/phpexcel",)),
        ("hex", "Phoenix", ("phoenix",)),
        ("crates.io", "serde-json_x", ("serde-json_x", "serde-json-x", "serde_json_x")),
        ("npm", "JSONStream", ("JSONStream",)),
        ("rubygems", "RedCloth", ("RedCloth",)),
        ("maven", "org.A:B", ("org.A:B",)),
        ("debian:12", "zlib", ("zlib",)),
        ("", "Anything", ("Anything",)),
    ],
)
def test_what_is_spoken(namespace: str, installed: str, spoken: tuple[str, ...]) -> None:
    """Lower case where case is the same, and as written elsewhere."""
    assert spellings.spoken(namespace, installed) == spoken
    assert (spoken != (installed,)) == (namespace in spellings.FREE)


def test_what_is_installed_of_a_name() -> None:
    """The names themselves, and every spelling of them that is installed in the same namespace."""
    installed = [("nuget", "NewtonSoft.Json"), ("nuget", "Serilog"), ("packagist", "Newtonsoft.Json")]
    assert spellings.installed_as([("nuget", "newtonsoft.json"), ("npm", "ms")], installed) == [
        ("npm", "ms"),
        ("nuget", "NewtonSoft.Json"),
        ("nuget", "newtonsoft.json"),
    ]


@pytest.mark.parametrize(
    ("namespace", "asked", "meant"),
    [
        ("nuget", "NEWTONSOFT.json", True),
        ("nuget", "Newtonsoft", False),
        ("npm", "newtonsoft.json", False),
        ("npm", "Newtonsoft.Json", True),
    ],
)
def test_what_somebody_asks_for(namespace: str, asked: str, meant: bool) -> None:
    """Any spelling that the ecosystem holds for the same."""
    assert spellings.is_called(package("Newtonsoft.Json", "1.0", namespace), asked) is meant

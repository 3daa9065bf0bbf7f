"""Go modules with capitals, which package URLs write in lower case (purl-spec, `golang`)."""

from __future__ import annotations

from pathlib import Path

from hullwise.advisories import explanation
from hullwise.domain.packages import Occurrence
from tests.support.advisories import generation, osv, package, write

NAME = "github.com/Masterminds/goutils"


def test_a_module_is_found_by_its_path_and_by_its_url(tmp_path: Path) -> None:
    """GO-2021-0092, in a program and in an SBOM. Neither is said to be missing beside the other."""
    document = osv("GO-2021-0092", NAME, fixed="1.1.1", ecosystem="Go")
    with generation(tmp_path / "generation.sqlite", write(tmp_path / "documents", document)) as found:
        for name in (NAME, NAME.lower()):
            module = package(name, "v1.1.0", "go")
            (hit,) = found.match(module)
            assert (hit.package, hit.fix) == (name, "1.1.1")
            explained = explanation.explain(found, [Occurrence(module, "opt/app", "")], "GO-2021-0092")
            assert ([each.verdict for each in explained.examined], explained.elsewhere) == (["affected"], ())
        assert found.match(package(NAME.upper(), "v1.1.0", "go")) == ()
        assert explanation.explain(found, [], "GO-2021-0092").elsewhere == (("go", NAME),)

"""Photon OS: its CVE metadata, one JSON a release (packages.broadcom.com/photon/photon_cve_metadata).

    cve_data_photon5.0.json
    [{"cve_id": "CVE-2023-38545", "pkg": "curl", "cve_score": 9.8, "status": "Fixed",
      "aff_ver": "all versions before 8.1.2-3.ph5 are vulnerable", "res_ver": "8.1.2-3.ph5"}, …]

The release stands in the name of the file alone. `NA` for both versions says that the package is not affected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused, cut, is_id, not_crowded
from hullwise.domain.vulnerabilities import SeverityClaim
from hullwise.ecosystems.namespaces import osv_namespace
from hullwise.versions import rpm
from hullwise.versions.invalid import InvalidVersion

SOURCE = "photon"
DOCUMENT_LIMIT = 64 << 20
"""Bytes of one document. The largest is about 18 MB."""

_FILE = re.compile(r"cve_data_photon([0-9]{1,2}(?:\.[0-9]{1,2})?)\.json")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,255}")
_NONE = frozenset({"", "NA"})


class _Entry(msgspec.Struct):
    cve_id: str
    pkg: str
    res_ver: str
    aff_ver: str = ""
    status: str = ""
    cve_score: float | str | None = None


_decoder = msgspec.json.Decoder(list[_Entry])
_first = msgspec.json.Decoder(_Entry)


def is_entry(item: bytes) -> bool:
    """Whether an item of an array is one of these."""
    try:
        _first.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def parse(document: bytes, path: str) -> tuple[str, Iterator[Record | Unused]]:
    """The name of the source that the document states whole, and its records. `path`: its name, of which the last part
    tells the release. Raises Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    match = _FILE.fullmatch(PurePosixPath(path).name)
    namespace = osv_namespace(f"Photon OS:{match[1]}") if match else None
    if namespace is None:
        raise Unparsable("its name does not tell the release of Photon OS, as in cve_data_photon5.0.json")
    not_crowded(document, 8)
    try:
        entries = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    source = f"{SOURCE}/{namespace.partition(':')[2]}"
    return source, _records(entries, namespace, source)


def _records(entries: list[_Entry], namespace: str, source: str) -> Iterator[Record | Unused]:
    # CVE → package → the highest of what is said
    said: dict[str, dict[str, _Said]] = {}
    scores: dict[str, float] = {}
    for entry in entries:
        issue = entry.cve_id.strip()
        found = _said(entry) if is_cve(issue) and is_id(issue) else "no CVE id"
        if isinstance(found, str):
            yield Unused(cut(issue, 64), found)
            continue
        known = said.setdefault(issue, {})
        known[entry.pkg] = max(found, known.get(entry.pkg, found))
        if isinstance(entry.cve_score, float) and 0 <= entry.cve_score <= 10:
            scores[issue] = max(entry.cve_score, scores.get(issue, 0.0))
    for issue in sorted(said):
        yield Record(
            id=issue,
            source=source,
            affected=tuple(_affected(namespace, package, found) for package, found in sorted(said[issue].items())),
            severity=_severity(scores.get(issue)),
            url=f"https://nvd.nist.gov/vuln/detail/{issue}",
        )


_Said = tuple[int, bytes, str]
"""How much is said, the key of the fix, and the fix: they sort as they count. On a hundredth of what 5.0 speaks of, one
entry has a fix and another says that the package is not affected: the fix is what can be looked up. Of several fixes
the highest counts: the earlier ones were incomplete."""

_UNAFFECTED: _Said = (0, b"", "")
_UNFIXED: _Said = (1, b"", "")


def _said(entry: _Entry) -> _Said | str:
    """What an entry says of its package, or why it says nothing that can be used."""
    if _NAME.fullmatch(entry.pkg) is None:
        return "names no package"
    version, affected = entry.res_ver.strip(), entry.aff_ver.strip()
    if version not in _NONE:
        try:
            return 2, rpm.key(version), version
        except InvalidVersion:
            return "version that cannot be ordered"
    if entry.status.lower() in {"", "not affected"} and affected in _NONE:
        return _UNAFFECTED
    return "status that is not known" if affected in _NONE else _UNFIXED


def _affected(namespace: str, package: str, said: _Said) -> Affected:
    if said == _UNAFFECTED:
        return Affected(namespace, package, unaffected=True)
    fix = said[2]
    return Affected(namespace, package, (Interval("0", fix),), state="fixed" if fix else "affected")


def _severity(score: float | None) -> tuple[SeverityClaim, ...]:
    """A score without a vector, as NVD gave it."""
    return () if score is None else (SeverityClaim("Photon", "CVSS_V3", "", ratings.band(score, "CVSS_V3"), score),)

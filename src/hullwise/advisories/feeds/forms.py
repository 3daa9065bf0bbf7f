"""Which feed a document is of: told by what it holds, and by its name only where YAML and tables leave no choice.

first bytes      {  [              JSON: the members at its top tell the rest
                 <updates          XML: its root element tells the rest
                 <oval_definitions
                 #model_version    EPSS
                 [29 Mar 2023] DSA Debian's lists, and others that are not taken
name             .yml .yaml        YAML: its keys at the margin tell the rest
                 .csv              a table
                 CVE-2024-1234     fields of Ubuntu's tracker, where `Candidate:` and `PublicDate` are among the first
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from hullwise.advisories import xml_documents
from hullwise.advisories.records import Unparsable, Unused

HEAD = 512
"""Bytes that `look` is shown; fewer where the document has fewer."""

Kind = Literal["json", "yaml", "table", "xml", "fields"]
Form = Literal[
    "array", "osv", "cvelist", "nodejs", "nvd", "secdb", "tracker", "rubysec", "friendsofphp", "kev", "epss",
    "endoflife", "redhat", "ubuntu", "updateinfo", "oval", "nodejs-index",
]  # fmt: skip

OTHER = "file of no advisory form"
"""Reason for a file that does not even look like a document."""
VEX = "VEX: `hullwise vex add` takes it"

_BOM = b"\xef\xbb\xbf"
_LIST = re.compile(rb"\[[0-9]{2} [A-Z][a-z]{2} [0-9]{4}\] D[SLT]A-")
_TRACKED = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_CANDIDATE = re.compile(rb"(?=.*^Candidate:)(?=.*^PublicDate)", re.MULTILINE | re.DOTALL)
_ROOTS: dict[str, Form] = {"updates": "updateinfo", "oval_definitions": "oval"}
_ADVISORY_KEY = re.compile(rb"^(?:(gem|engine|library)|(reference)):", re.MULTILINE)


def look(head: bytes, path: str) -> Kind | Unused:
    """The kind of a document that begins with `head`, so that the rest of what is none is never unpacked. `path`:
    its name. Raises Unparsable where the name promises a document and the bytes are none."""
    head = head.removeprefix(_BOM).lstrip()
    suffix = PurePosixPath(path).suffix.lower()
    if _LIST.match(head):
        return Unused(path, "Debian's list of DSAs or DLAs: the tracker's JSON says more")
    if not head or head[:1] in b"{[":
        return "json"
    if head[:1] == b"<":
        if xml_documents.root(head) in _ROOTS:
            return "xml"
        raise Unparsable("is a page of HTML or XML")
    if is_tracked(path) and _CANDIDATE.match(head):
        return "fields"
    if head.startswith(b"#model_version") or suffix == ".csv":
        return "table"
    if suffix in {".yml", ".yaml"}:
        return "yaml"
    if suffix == ".json":
        raise Unparsable("is neither an object nor an array of JSON")
    return Unused(path, OTHER)


def is_tracked(path: str) -> bool:
    """Whether a file has a name as those of Ubuntu's tracker have."""
    return _TRACKED.fullmatch(PurePosixPath(path).name) is not None


_Member = msgspec.Raw | msgspec.UnsetType


class _Probe(msgspec.Struct, rename={"schema": "$schema", "context": "@context", "metadata": "cveMetadata",
                                     "bom_format": "bomFormat", "date_released": "dateReleased",
                                     "catalog_version": "catalogVersion", "old_items": "CVE_Items",
                                     "first": "1"}):  # fmt: skip
    """The members that tell one form from another, not decoded."""

    id: _Member = msgspec.UNSET
    module_name: _Member = msgspec.UNSET
    vulnerable: _Member = msgspec.UNSET
    patched: _Member = msgspec.UNSET
    metadata: _Member = msgspec.UNSET
    containers: _Member = msgspec.UNSET
    packages: _Member = msgspec.UNSET
    urlprefix: _Member = msgspec.UNSET
    context: _Member = msgspec.UNSET
    statements: _Member = msgspec.UNSET
    document: _Member = msgspec.UNSET
    bom_format: _Member = msgspec.UNSET
    vulnerabilities: _Member = msgspec.UNSET
    date_released: _Member = msgspec.UNSET
    catalog_version: _Member = msgspec.UNSET
    old_items: _Member = msgspec.UNSET
    result: _Member = msgspec.UNSET
    schema: _Member = msgspec.UNSET
    first: _Member = msgspec.UNSET


_probe = msgspec.json.Decoder(_Probe)

_BY_MEMBERS: tuple[tuple[tuple[str, ...], Form | Unused], ...] = (
    (("module_name",), "nodejs"),
    (("bom_format",), Unused("", VEX)),
    (("context", "statements"), Unused("", VEX)),
    (("document", "vulnerabilities"), Unused("", VEX)),
    (("vulnerable", "patched"), "nodejs"),
    (("metadata", "containers"), "cvelist"),
    (("packages", "urlprefix"), "secdb"),
    (("vulnerabilities", "catalog_version"), "kev"),
    (("vulnerabilities", "date_released"), "kev"),
    (("vulnerabilities",), "nvd"),
    (("old_items",), Unused("", "NVD's JSON 1.1, which ended in 2023")),
    (("id",), "osv"),
    (("result",), "endoflife"),
    (("schema",), Unused("", "not an advisory; a JSON schema")),
    (("first",), "nodejs-index"),
)
"""Members that are all there, and whose document that is; the first that fits. Debian's tracker has none of them: its
members are packages, of which none is called as the first record of Node.js's index."""


_RED_HAT = "Red Hat Product Security"


class _Publisher(msgspec.Struct):
    name: str = ""


class _Csaf(msgspec.Struct):
    category: str = ""
    publisher: _Publisher = msgspec.field(default_factory=_Publisher)


def _is_redhat(document: _Member) -> bool:
    """Whether a CSAF document is of Red Hat's feed, and not about somebody's own products. Those that it takes back
    have no vulnerabilities."""
    if isinstance(document, msgspec.UnsetType):
        return False
    try:
        found = msgspec.json.decode(document, type=_Csaf)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return found.publisher.name == _RED_HAT and found.category in {"csaf_vex", "csaf_security_advisory"}


def of_json(body: bytes) -> Form | Unused:
    """Raises Unparsable for what is no JSON."""
    if body.startswith(b"[") or body[:HEAD].lstrip().startswith(b"["):
        return "array"
    try:
        probe = _probe.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    if _is_redhat(probe.document):
        return "redhat"
    present = {member for member in _probe.type.__struct_fields__ if getattr(probe, member) is not msgspec.UNSET}
    return next((form for members, form in _BY_MEMBERS if present.issuperset(members)), "tracker")


def of_yaml(body: bytes) -> Form:
    """Raises Unparsable for YAML of another kind."""
    found = _ADVISORY_KEY.search(body)
    if found is None:
        raise Unparsable("YAML of no advisory")
    return "rubysec" if found[1] else "friendsofphp"


def of_table(body: bytes, path: str) -> Form | Unused:
    return "epss" if b"cve,epss,percentile" in body[:HEAD] else Unused(path, "table that is not EPSS's")


def tell(kind: Kind, body: bytes, path: str) -> Form | Unused:
    """The feed that a whole document is of, or why it is not taken. Raises Unparsable where it is of none."""
    if kind == "yaml":
        return of_yaml(body)
    if kind == "fields":
        return "ubuntu"
    if kind == "xml":
        return _ROOTS[xml_documents.root(body[:HEAD])]
    return of_json(body) if kind == "json" else of_table(body, path)


def without_mark(body: bytes) -> bytes:
    """Without a byte order mark, which editors write and JSON may ignore (RFC 8259, 8.1)."""
    return body.removeprefix(_BOM)

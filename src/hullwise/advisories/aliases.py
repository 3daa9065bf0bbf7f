"""One vulnerability under many names.

Aliases are symmetric and transitive (OSV schema, `aliases`). One rule keeps careless data from welding distinct
vulnerabilities together: no two CVEs ever become one. A record that names several CVEs as its aliases stands for a
vulnerability of its own, and still lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
# A vendor's own record on one CVE, such as DEBIAN-CVE-2024-1 or ALPINE-CVE-2024-1 of osv.dev.
_VENDOR_CVE = re.compile(r"[A-Z]+-(CVE-[0-9]{4}-[0-9]{4,})")

NOTICES = {"USN": "UBUNTU", "LSN": "UBUNTU", "DSA": "DEBIAN", "DLA": "DEBIAN"}
"""Notices, by the beginning of their ids, and how the ids of the same vendor's records on one CVE begin. OSV has both:
a vulnerability would be found twice. Where each that a notice takes care of has a record of its own, which knows of
more, such as which of them a release has at all, the notice steps back, in releases that such records speak of."""


def is_cve(name: str) -> bool:
    return _CVE.fullmatch(name) is not None


def plain(name: str) -> str:
    """`CVE-2024-1` of a vendor's own record on it, such as `UBUNTU-CVE-2024-1`; any other name as it is."""
    vendor = _VENDOR_CVE.fullmatch(name)
    return vendor[1] if vendor else name


def names_of(record_id: str, aliases: Iterable[str]) -> list[str]:
    """The names that a record gives to one vulnerability, its own first: without other CVEs where it names several, be
    it by vendors' records on them."""
    own = {record_id, plain(record_id)}
    named = [record_id, *aliases]
    names = list(dict.fromkeys([*named, *map(plain, named)]))
    if len({plain(name) for name in names if is_cve(plain(name))}) > 1:
        names = [name for name in names if name in own or not is_cve(plain(name))]
    return names


def _rank(name: str) -> tuple[int, str]:
    """CVE before GHSA before all others."""
    return (0 if is_cve(name) else 1 if name.startswith("GHSA-") else 2), name


def roots(records: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """For (id, aliases) of each record: every name to the one that is shown for its vulnerability.

    That is the CVE where there is one, else the first GHSA id, else the first id of all. The answer does not depend on
    the order of the records.
    """
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    edges = set()
    for record_id, aliases in records:
        first, *others = names_of(record_id, aliases)
        parent.setdefault(first, first)
        for other in others:
            parent.setdefault(other, other)
            edges.add((min(first, other), max(first, other)))
    for one, other in sorted(edges):
        a, b = sorted((find(one), find(other)), key=_rank)
        # The representative of a set is its best name, so two CVEs meet here and nowhere else.
        if a != b and not (is_cve(a) and is_cve(b)):
            parent[b] = a
    return {name: find(name) for name in parent}

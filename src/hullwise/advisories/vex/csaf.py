"""CSAF 2.0 (OASIS standard of 18 November 2022), VEX profile and advisories: product tree, then vulnerabilities.

    {"document": {"csaf_version": "2.0", "publisher": …, "tracking": {"id": …, "current_release_date": …}},
     "product_tree": {
       "branches": [{"branches": […], "product": {"product_id": "P", "product_identification_helper": {"purl": …}}}],
       "full_product_names": [product, …],
       "relationships": [{"category": "default_component_of", "full_product_name": {"product_id": "P-of-Q"},
                          "product_reference": "P", "relates_to_product_reference": "Q"}],
       "product_groups": [{"group_id": "G", "product_ids": ["P", …]}]},
     "vulnerabilities": [{"cve": …, "product_status": {"known_not_affected": ["P-of-Q"]},
                          "flags": [{"label": …, "product_ids": […], "group_ids": […]}], "threats": …}]}

A product that only a CPE or a name tells is left out with everything in it: "not affected in Enterprise Linux 8" must
not be taken for "not affected".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import msgspec

from hullwise.advisories.records import Unparsable, cut, read_moment
from hullwise.advisories.vex.document import (
    DEPTH_LIMIT,
    STATEMENT_LIMIT,
    Document,
    Tally,
    decode,
    decode_part,
    short,
    usable_ids,
    walk,
    within_limit,
)
from hullwise.advisories.vex.products import CPE_ONLY, NO_PURL, Named, Purls, product
from hullwise.domain.overlays import Product, Statement, Status

VERSION = "2.0"

# Product status groups (3.2.3.9). What suppresses comes first: said at one time, the last of them decides.
_STATUSES: dict[str, Status] = {
    "known_not_affected": "not_affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
    "under_investigation": "under_investigation",
    "first_affected": "affected",
    "last_affected": "affected",
    "known_affected": "affected",
}

# 3.2.2.4.1: each says that the one product is there together with the other.
_RELATIONSHIPS = frozenset(
    {"default_component_of", "external_component_of", "installed_on", "installed_with", "optional_component_of"}
)

UNKNOWN_PRODUCT = "product is not in the product tree"


class _Helper(msgspec.Struct):
    purl: str | None = None
    cpe: str | None = None


class _Product(msgspec.Struct, gc=False):
    product_id: str
    product_identification_helper: _Helper | None = None


class _Branch(msgspec.Struct, gc=False):
    branches: tuple[_Branch, ...] = ()
    product: _Product | None = None


class _Relationship(msgspec.Struct):
    category: str
    full_product_name: _Product
    product_reference: str
    relates_to_product_reference: str


class _Group(msgspec.Struct):
    group_id: str
    product_ids: tuple[str, ...] = ()


class ProductTree(msgspec.Struct):
    branches: tuple[_Branch, ...] = ()
    full_product_names: tuple[_Product, ...] = ()
    relationships: tuple[_Relationship, ...] = ()
    product_groups: tuple[_Group, ...] = ()


class _Id(msgspec.Struct):
    text: str


class Remark(msgspec.Struct):
    """A flag, a threat or a remediation."""

    label: str = ""
    category: str = ""
    details: str = ""
    product_ids: list[str] | None = None
    group_ids: list[str] | None = None


class _Vulnerability(msgspec.Struct):
    cve: str | None = None
    ids: tuple[_Id, ...] = ()
    product_status: dict[str, list[str]] = {}
    flags: tuple[Remark, ...] = ()
    threats: tuple[Remark, ...] = ()
    remediations: tuple[Remark, ...] = ()


class _Publisher(msgspec.Struct):
    name: str = ""


class _Tracking(msgspec.Struct):
    id: str
    version: str = ""
    current_release_date: str = ""


class _About(msgspec.Struct):
    csaf_version: str
    tracking: _Tracking
    publisher: _Publisher = msgspec.field(default_factory=_Publisher)


class _Document(msgspec.Struct):
    document: _About
    vulnerabilities: list[msgspec.Raw]
    product_tree: ProductTree = msgspec.field(default_factory=ProductTree)


_document = msgspec.json.Decoder(_Document)
_vulnerability = msgspec.json.Decoder(_Vulnerability)


def parse(document: bytes) -> Document:
    """One CSAF document. Raises Unparsable where the bytes are none at all, or over a limit.

    Each statement was said when the document was last released."""
    raw = decode(document, _document)
    about = raw.document
    if about.csaf_version != VERSION:
        raise Unparsable(f"CSAF {about.csaf_version[:16]} is not read")
    within_limit(len(raw.vulnerabilities), STATEMENT_LIMIT, "statements")
    tally, products = Tally(), _Products(raw.product_tree)
    issued = read_moment(about.tracking.current_release_date)
    for part in raw.vulnerabilities:
        vulnerability = decode_part(part, _vulnerability)
        if vulnerability is None:
            tally.leave_out("", "statement is of another shape")
        else:
            _take(vulnerability, issued, products, tally)
    return Document(
        id=short(about.tracking.id),
        author=short(about.publisher.name),
        version=short(about.tracking.version),
        issued=issued,
        format="csaf",
        statements=tuple(tally.statements),
        unused=tuple(tally.unused),
    )


class _Products:
    """What each product id stands for. An id is looked up once, however often it is referred to."""

    def __init__(self, tree: ProductTree) -> None:
        self.groups = {group.group_id: group.product_ids for group in tree.product_groups}
        self._purls = Purls()
        self._helpers = {item.product_id: item.product_identification_helper for item in all_products(tree)}
        self._relationships = {item.full_product_name.product_id: item for item in tree.relationships}
        self._found: dict[str, Product | str] = {}

    def product(self, product_id: str) -> Product | str:
        """What it stands for, or the reason why it cannot be used."""
        found = self._found.get(product_id)
        if found is None:
            found = self._found[product_id] = self._resolve(product_id)
        return found

    def _resolve(self, product_id: str) -> Product | str:
        names: list[Named] = []
        pending = [product_id]
        steps = 0
        while pending:
            # Relationships may form circles, and double at each step.
            steps += 1
            if steps > DEPTH_LIMIT:
                return f"product is nested over {DEPTH_LIMIT} deep"
            current = pending.pop()
            relationship = self._relationships.get(current)
            if relationship is None:
                named = self._name(current)
                if isinstance(named, str):
                    return named
                names.append(named)
            elif relationship.category not in _RELATIONSHIPS:
                return "relationship of products is not known"
            else:
                # The component's own names come first, those of what it is in behind them.
                pending += [relationship.relates_to_product_reference, relationship.product_reference]
        return product(names[:1], tuple(dict.fromkeys(names[1:])))

    def _name(self, product_id: str) -> Named | str:
        if product_id not in self._helpers:
            return UNKNOWN_PRODUCT
        helper = self._helpers[product_id] or _Helper()
        if helper.purl:
            return self._purls.read(helper.purl)
        return CPE_ONLY if helper.cpe else NO_PURL


def all_products(tree: ProductTree) -> list[_Product]:
    """The products of the tree's list and branches. Raises Unparsable where branches are too deep or too many."""
    found = list(tree.full_product_names)
    for branch in walk(tree.branches, lambda branch: branch.branches):
        found += [branch.product] if branch.product is not None else []
    return found


@dataclasses.dataclass(slots=True)
class Remarks:
    """One text a product: the first that is given for it, else the first that is given for all."""

    by_product: dict[str, str] = dataclasses.field(default_factory=dict)
    for_all: str = ""

    def of(self, product_id: str) -> str:
        return self.by_product.get(product_id, self.for_all)


def remarks(items: Iterable[tuple[Remark, str]], groups: Mapping[str, tuple[str, ...]], tally: Tally) -> Remarks:
    found = Remarks()
    for item, text in items:
        members = [groups.get(group_id, ()) for group_id in item.group_ids or ()]
        tally.count(sum(map(len, members)))
        for product_ids in (item.product_ids or (), *members):
            for product_id in product_ids:
                found.by_product.setdefault(product_id, text)
        if item.product_ids is None and item.group_ids is None:
            found.for_all = found.for_all or text
    return found


def _take(vulnerability: _Vulnerability, issued: str, products: _Products, tally: Tally) -> None:
    ids = usable_ids((vulnerability.cve, *(item.text for item in vulnerability.ids)))
    if not ids:
        tally.leave_out("", "names no vulnerability")
        return
    for name in vulnerability.product_status.keys() - _STATUSES.keys():
        # `recommended` names the versions to move to, and says nothing of the vulnerability.
        tally.leave_out(ids[0], "recommended versions" if name == "recommended" else "status is not known")
    if not vulnerability.product_status:
        tally.leave_out(ids[0], "gives no status")
        return
    labels = remarks(((item, item.label) for item in vulnerability.flags), products.groups, tally)
    impacts = [item for item in vulnerability.threats if item.category == "impact"]
    impact = remarks(((item, item.details) for item in impacts), products.groups, tally)
    action = remarks(((item, item.details) for item in vulnerability.remediations), products.groups, tally)
    for name, status in _STATUSES.items():
        texts: dict[tuple[str, str, str], dict[Product, None]] = {}
        for product_id in dict.fromkeys(vulnerability.product_status.get(name, ())):
            found = products.product(product_id)
            if isinstance(found, str):
                tally.leave_out(ids[0], found)
                continue
            # A threat is an impact statement only there (4.5); elsewhere it may be a severity.
            spared = status == "not_affected"
            label, why = (labels.of(product_id), impact.of(product_id)) if spared else ("", "")
            advice = action.of(product_id) if status == "affected" else ""
            texts.setdefault((label, why, advice), {})[found] = None
        for (label, why, advice), members in texts.items():
            tally.add(
                Statement(
                    vulnerability=ids[0],
                    aliases=ids[1:],
                    status=status,
                    products=tuple(members),
                    justification=short(label),
                    impact=cut(why),
                    action=cut(advice),
                    at=issued,
                )
            )

"""OpenVEX, 0.0.x and 0.2.0 (openvex.dev, OPENVEX-SPEC.md): statements, each with its products.

    {"@context": "https://openvex.dev/ns/v0.2.0", "@id": …, "author": …, "timestamp": …, "version": 1, "statements": [
      {"vulnerability": {"name": "CVE-…", "aliases": […]},               0.0.x: a text
       "products": [{"@id": purl, "identifiers": {"purl": …},            0.0.x: texts
                     "subcomponents": [{"@id": purl}, …]}, …],           0.0.x: texts beside `products`
       "status": "not_affected", "justification": …, "impact_statement": …}, …]}

A product may be an image, or a package in any image; its subcomponents narrow it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hullwise.advisories.records import Unparsable, cut, read_moment
from hullwise.advisories.vex.document import (
    STATEMENT_LIMIT,
    Document,
    Tally,
    decode,
    decode_part,
    short,
    usable_ids,
    within_limit,
)
from hullwise.advisories.vex.products import CPE_ONLY, NO_PURL, Named, Purls, is_purl, product
from hullwise.domain.digests import is_digest
from hullwise.domain.overlays import ImageRef, PackageRef, Product, Statement, Status

CONTEXT = "https://openvex.dev/ns"
"""How `@context` begins, in every version of the format."""

_STATUSES: dict[str, Status] = {
    "not_affected": "not_affected",
    "fixed": "fixed",
    "affected": "affected",
    "under_investigation": "under_investigation",
}


class _Component(msgspec.Struct, gc=False, rename={"id": "@id"}):
    id: str | None = None
    identifiers: dict[str, str] | None = None
    hashes: dict[str, str] | None = None


class _Product(_Component, gc=False, rename={"id": "@id"}):
    subcomponents: list[_Component | str] | None = None


class _Vulnerability(msgspec.Struct):
    name: str | None = None
    aliases: list[str] | None = None


class _Statement(msgspec.Struct):
    vulnerability: _Vulnerability | str | None = None
    timestamp: str | None = None
    products: list[_Product | str] | None = None
    subcomponents: list[_Component | str] | None = None
    status: str | None = None
    status_notes: str | None = None
    justification: str | None = None
    impact_statement: str | None = None
    action_statement: str | None = None


class _Document(msgspec.Struct, rename={"context": "@context", "id": "@id"}):
    context: str
    statements: list[msgspec.Raw]
    id: str = ""
    author: str | None = None
    timestamp: str | None = None
    version: str | int | float | None = None


_document = msgspec.json.Decoder(_Document)
_statement = msgspec.json.Decoder(_Statement)


def parse(document: bytes) -> Document:
    """One OpenVEX document. Raises Unparsable where the bytes are none at all, or over a limit.

    A statement without a time was said when the document was (spec, `Inheritance Flow`)."""
    raw = decode(document, _document)
    if not raw.context.startswith(CONTEXT):
        raise Unparsable("is no OpenVEX document")
    within_limit(len(raw.statements), STATEMENT_LIMIT, "statements")
    tally, purls, issued = Tally(), Purls(), read_moment(raw.timestamp or "")
    for part in raw.statements:
        said = decode_part(part, _statement)
        if said is None:
            tally.leave_out("", "statement is of another shape")
        else:
            _take(said, issued, purls, tally)
    return Document(
        id=short(raw.id),
        author=short(raw.author or ""),
        version=short(str(raw.version if raw.version is not None else "")),
        issued=issued,
        format="openvex",
        statements=tuple(tally.statements),
        unused=tuple(tally.unused),
    )


def _take(said: _Statement, issued: str, purls: Purls, tally: Tally) -> None:
    named = said.vulnerability
    if isinstance(named, _Vulnerability):
        ids = usable_ids((named.name, *(named.aliases or ()))) if usable_ids((named.name,)) else ()
    else:
        ids = usable_ids((named,))
    if not ids:
        tally.leave_out("", "names no vulnerability")
        return
    status = _STATUSES.get(said.status or "")
    if status is None:
        tally.leave_out(ids[0], "status is not known")
        return
    if not said.products:
        # In another document around this one they could be inherited; there is none.
        tally.leave_out(ids[0], "names no product")
        return
    products = tuple(dict.fromkeys(_products(said, ids[0], purls, tally)))
    if products:
        statement = Statement(
            vulnerability=ids[0],
            aliases=ids[1:],
            status=status,
            products=products,
            justification=short(said.justification or ""),
            impact=cut(said.impact_statement or said.status_notes or ""),
            action=cut(said.action_statement or ""),
            at=read_moment(said.timestamp or "") or issued,
        )
        tally.add(statement)


def _products(said: _Statement, vulnerability: str, purls: Purls, tally: Tally) -> Iterator[Product]:
    """Each usable product of a statement; the others are tallied."""
    shared = _parts(said.subcomponents, vulnerability, purls, tally)
    for item in said.products or ():
        whole = _Product(id=item) if isinstance(item, str) else item
        named = _named(whole, purls)
        parts = _parts(whole.subcomponents, vulnerability, purls, tally) if whole.subcomponents else shared
        narrowed = bool(whole.subcomponents or said.subcomponents)
        if isinstance(named, str):
            tally.leave_out(vulnerability, named)
            continue
        tally.count(len(named) * max(1, len(parts)))
        if narrowed and not parts:
            # What it narrows to is tallied above. Without that it would say more than its author did.
            continue
        for name in named:
            found = product(parts, (name,)) if narrowed else product((name,), ())
            if isinstance(found, Product):
                yield found
            else:
                tally.leave_out(vulnerability, found)


def _parts(
    items: list[_Component | str] | None, vulnerability: str, purls: Purls, tally: Tally
) -> tuple[PackageRef, ...]:
    """The packages that subcomponents name; those that name none are tallied."""
    parts: dict[PackageRef, None] = {}
    for item in items or ():
        named = _named(_Component(id=item) if isinstance(item, str) else item, purls)
        if isinstance(named, str):
            tally.leave_out(vulnerability, named.replace("product", "subcomponent"))
            continue
        for name in named:
            if isinstance(name, PackageRef):
                parts[name] = None
            else:
                tally.leave_out(vulnerability, "subcomponent is an image")
    return tuple(parts)


def _named(component: _Component, purls: Purls) -> tuple[Named, ...] | str:
    """What a component's identifiers name: each usable package URL, else the digest that may be an image's; or why
    there is nothing (spec, `Component Fields`)."""
    identifiers = component.identifiers or {}
    texts = [text for text in (identifiers.get("purl"), component.id) if text is not None and is_purl(text)]
    found = [purls.read(text) for text in dict.fromkeys(texts)]
    digest = f"sha256:{(component.hashes or {}).get('sha-256', '').lower()}"
    names = tuple(
        msgspec.structs.replace(name, digest=digest)
        if isinstance(name, ImageRef) and not name.digest and is_digest(digest)
        else name
        for name in found
        if not isinstance(name, str)
    )
    if names:
        return names
    if found:
        return str(found[0])
    if is_digest(digest):
        return (ImageRef(digest=digest),)
    spelled = (*identifiers, (component.id or "").partition(":")[0])
    return CPE_ONLY if any(name in {"cpe", "cpe22", "cpe23"} for name in spelled) else NO_PURL

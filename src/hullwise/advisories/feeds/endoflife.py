"""endoflife.date: until when releases of distributions are supported.

/api/debian.json             [{"cycle": "12", "codename": "Bookworm", "eol": "2026-06-10", …}, …]
/api/v1/products/debian      {"result": {"name": "debian", "releases": [{"name": "12", "eolFrom": …}, …]}, …}
/api/v1/products/full        the same with a list of products
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from hullwise.advisories.records import Unparsable, Unused, read_moment
from hullwise.domain.enrichment import Lifecycle

SOURCE = "endoflife"
DOCUMENT_LIMIT = 32 << 20
"""Bytes of one document. That of all products is about 3 MB."""

DISTRIBUTIONS = {
    "debian": "debian",
    "ubuntu": "ubuntu",
    "alpine": "alpine",
    "alpine-linux": "alpine",
    "almalinux": "almalinux",
    "rocky-linux": "rocky",
    "rhel": "rhel",
    "centos": "centos",
    "oracle-linux": "ol",
    "amazon-linux": "amzn",
    "sles": "sles",
    "opensuse": "opensuse-leap",
    "fedora": "fedora",
    "photon": "photon",
}
"""Their product to `ID` of os-release. Alpine has had both names."""


class _Cycle(msgspec.Struct, rename="camel"):
    """A release in the classic form."""

    cycle: str
    codename: str | None = None
    eol: str | bool | None = None
    extended_support: str | bool | None = None


class _Release(msgspec.Struct, rename="camel"):
    """A release in the form of version 1, where flags and dates are apart."""

    name: str
    codename: str | None = None
    is_eol: bool | None = None
    eol_from: str | None = None
    eoes_from: str | None = None


class _Product(msgspec.Struct):
    name: str
    releases: list[_Release]


class _Answer(msgspec.Struct):
    result: _Product | list[_Product]
    generated_at: str | None = None
    last_modified: str | None = None


_decoder = msgspec.json.Decoder(list[_Cycle] | _Answer)

_RELEASE = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")

_Ending = tuple[str, str, str | bool | None, str | bool | None]
"""Release, codename, end and extended end as the document has them."""


def parse(document: bytes, product: str = "") -> tuple[str, Iterator[Lifecycle | Unused]]:
    """When the answer was made, as `records.moment` writes it, and the releases of distributions.

    The classic form names neither day nor product: `product` is then the name of its file without `.json`, and the day
    is empty. Raises Unparsable, also where no product or no release is named. Dates are the last days of support, and
    those in the future are the rule.
    """
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        raw = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    if isinstance(raw, _Answer):
        as_of = read_moment(raw.generated_at or "") or read_moment(raw.last_modified or "")
        products = raw.result if isinstance(raw.result, list) else [raw.result]
        endings = {item.name: [_ending(release) for release in item.releases] for item in products}
    else:
        as_of = ""
        endings = {product: [(item.cycle, item.codename or "", item.eol, item.extended_support) for item in raw]}
    if "" in endings:
        raise Unparsable("names no product")
    if not any(endings.values()):
        raise Unparsable("names no release")
    return as_of, _lifecycles(endings)


def _ending(release: _Release) -> _Ending:
    # The flag says whether it has ended by now; it is needed where no day is given.
    return release.name, release.codename or "", release.eol_from or release.is_eol, release.eoes_from


def _lifecycles(endings: dict[str, list[_Ending]]) -> Iterator[Lifecycle | Unused]:
    seen: set[tuple[str, str]] = set()
    for product, releases in endings.items():
        distribution = DISTRIBUTIONS.get(product)
        if distribution is None:
            yield Unused(product[:64], "product that is no distribution")
            continue
        for ending in releases:
            found = _lifecycle(distribution, ending)
            if isinstance(found, Lifecycle) and (distribution, found.release) in seen:
                yield Unused(f"{distribution} {found.release}", "named twice")
                continue
            if isinstance(found, Lifecycle):
                seen.add((distribution, found.release))
            yield found


def _lifecycle(distribution: str, ending: _Ending) -> Lifecycle | Unused:
    release, codename, end, extended = ending
    name = f"{distribution} {release[:32]}"
    if _RELEASE.fullmatch(release) is None:
        return Unused(name, "release without a number")
    if end is True:
        # An empty end would say that it goes on.
        return Unused(name, "ended on a day that is not stated")
    ends = read_moment(end)[:10] if isinstance(end, str) else ""
    if isinstance(end, str) and not ends:
        return Unused(name, "date that is none")
    return Lifecycle(
        distribution=distribution,
        release=release,
        # `Jammy Jellyfish` is `jammy` in os-release.
        codename=codename[:64].partition(" ")[0].lower(),
        ends=ends,
        extended_ends=read_moment(extended)[:10] if isinstance(extended, str) else "",
        source="endoflife.date",
    )

"""NVD: its JSON 2.0, as yearly files and as pages of the API (nvd.nist.gov/developers/vulnerabilities).

    {"vulnerabilities": [{"cve": {"id": "CVE-2021-44228", "vulnStatus": "Analyzed", "descriptions": […],
                                  "metrics": {"cvssMetricV31": [{"source": …, "type": "Primary", "cvssData": …}]}}}]}

Its ranges are of products and not of packages, so that a record names none: it brings severities and texts.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Record, Unparsable, Unused, cut, is_id, not_crowded, read_moment
from hullwise.domain.vulnerabilities import SeverityClaim

SOURCE = "nvd"
DOCUMENT_LIMIT = 512 << 20
"""Bytes of one document. A year is 100 to 200 MB."""
METRIC_LIMIT = 50
"""Metrics of one CVE. Real ones have up to about ten."""
SUMMARY_LIMIT = 400

_SCORERS = {"nvd@nist.gov": "NVD", "134c704f-9b21-4f2e-91b3-4a467353bcc0": "CISA-ADP"}
"""Who scores without an address of a domain of their own."""


class _Text(msgspec.Struct):
    lang: str = ""
    value: str = ""


class _Cvss(msgspec.Struct, rename="camel"):
    vector_string: str = ""


class _Metric(msgspec.Struct, rename="camel"):
    source: str = ""
    type: str = ""
    cvss_data: _Cvss | None = None


class _Metrics(msgspec.Struct):
    v31: list[_Metric] = msgspec.field(default_factory=list, name="cvssMetricV31")
    v30: list[_Metric] = msgspec.field(default_factory=list, name="cvssMetricV30")
    v40: list[_Metric] = msgspec.field(default_factory=list, name="cvssMetricV40")
    v2: list[_Metric] = msgspec.field(default_factory=list, name="cvssMetricV2")


class _Cve(msgspec.Struct, rename="camel"):
    id: str
    published: str | None = None
    last_modified: str | None = None
    vuln_status: str | None = None
    descriptions: list[_Text] = []
    metrics: _Metrics | None = None


class _Item(msgspec.Struct):
    cve: _Cve


class _Feed(msgspec.Struct):
    # One by one, so that a broken record costs itself and not its year, and memory holds the bytes only.
    vulnerabilities: list[msgspec.Raw]


_feed_decoder = msgspec.json.Decoder(_Feed)
_item_decoder = msgspec.json.Decoder(_Item)


def parse(document: bytes) -> Iterator[Parsed]:
    """What became of each CVE; of one that is rejected nothing is used. Raises Unparsable at once.

    A page or file states a part of NVD: none of it is gone for not being in there. Dates in the future are kept, since
    a parser has no clock.
    """
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    not_crowded(document, 16)
    try:
        feed = _feed_decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    return (_item(raw) for raw in feed.vulnerabilities)


def _item(raw: msgspec.Raw) -> Parsed:
    try:
        cve = _item_decoder.decode(raw).cve
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Parsed("", None, (Unused("", "record that is not of the feed's form"),))
    if not (is_cve(cve.id) and is_id(cve.id)):
        return Parsed("", None, (Unused(cve.id[:64], "no CVE id"),))
    if (cve.vuln_status or "").lower() == "rejected":
        return Parsed(cve.id, None, (Unused(cve.id, "rejected"),))
    claims, unused = _claims(cve)
    record = Record(
        id=cve.id,
        source=SOURCE,
        affected=(),
        published=read_moment(cve.published or ""),
        modified=read_moment(cve.last_modified or ""),
        summary=cut(english([(text.lang, text.value) for text in cve.descriptions]), SUMMARY_LIMIT),
        severity=claims,
        url=f"https://nvd.nist.gov/vuln/detail/{cve.id}",
    )
    return Parsed(cve.id, record, tuple(unused))


def english(texts: list[tuple[str, str]]) -> str:
    """The first text whose language is English, without blanks around it; empty where there is none."""
    return next((value.strip() for lang, value in texts if lang.lower().partition("-")[0] == "en"), "")


def _claims(cve: _Cve) -> tuple[tuple[SeverityClaim, ...], list[Unused]]:
    metrics = cve.metrics or _Metrics()
    kinds = (("CVSS_V3", metrics.v31), ("CVSS_V3", metrics.v30), ("CVSS_V4", metrics.v40), ("CVSS_V2", metrics.v2))
    listed = [(kind, metric) for kind, group in kinds for metric in group]
    unused = [Unused(cve.id, f"gives over {METRIC_LIMIT} metrics")] if len(listed) > METRIC_LIMIT else []
    # NVD's own first, as it marks them; the sort keeps the order of versions.
    listed = sorted(listed[:METRIC_LIMIT], key=lambda item: item[1].type != "Primary")
    claims: list[SeverityClaim] = []
    for kind, metric in listed:
        vector = metric.cvss_data.vector_string if metric.cvss_data else ""
        claim = ratings.cvss(scorer(metric.source), kind, vector)
        if claim is None:
            unused.append(Unused(cve.id, "severity that is no CVSS vector"))
        else:
            claims.append(claim)
    return tuple(dict.fromkeys(claims)), unused


def scorer(source: str) -> str:
    """Who scored, for people: `NVD`, else the domain of the address (`security@apache.org` is `apache.org`), else what
    stands there. At most 64 characters."""
    return cut(_SCORERS.get(source) or source.rpartition("@")[2] or "unknown", 64)

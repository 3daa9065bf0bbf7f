"""The CVE List: one CVE record a document, version 5 of the form (github.com/CVEProject/cvelistV5).

    {"dataType": "CVE_RECORD", "cveMetadata": {"cveId": …, "state": "PUBLISHED"},
     "containers": {"cna": {"providerMetadata": …, "descriptions": […], "metrics": [{"cvssV3_1": …}]}, "adp": […]}}

Like NVD's it brings severities and texts, and names no package.
"""

from __future__ import annotations

import itertools

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.aliases import is_cve
from hullwise.advisories.feeds.nvd import METRIC_LIMIT, SUMMARY_LIMIT, english
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Record, Unparsable, Unused, cut, is_id, read_moment
from hullwise.domain.vulnerabilities import SeverityClaim

SOURCE = "cvelist"
DOCUMENT_LIMIT = 16 << 20
"""Bytes of one document. The largest real ones, with every version of a product listed, are some megabytes."""


class _Metadata(msgspec.Struct, rename="camel"):
    cve_id: str
    state: str = ""
    date_published: str | None = None
    date_updated: str | None = None


class _Text(msgspec.Struct):
    lang: str = ""
    value: str = ""


class _Cvss(msgspec.Struct, rename="camel"):
    vector_string: str = ""


class _Metric(msgspec.Struct):
    """One of them, or none where the metric is no CVSS (SSVC, KEV)."""

    v31: _Cvss | None = msgspec.field(default=None, name="cvssV3_1")
    v30: _Cvss | None = msgspec.field(default=None, name="cvssV3_0")
    v40: _Cvss | None = msgspec.field(default=None, name="cvssV4_0")
    v2: _Cvss | None = msgspec.field(default=None, name="cvssV2_0")


class _Provider(msgspec.Struct, rename="camel"):
    short_name: str | None = None


class _Container(msgspec.Struct, rename="camel"):
    provider_metadata: _Provider | None = None
    descriptions: list[_Text] = []
    metrics: list[_Metric] = []


class _Containers(msgspec.Struct):
    cna: _Container
    adp: list[_Container] = []


class _Document(msgspec.Struct, rename="camel"):
    cve_metadata: _Metadata
    containers: _Containers


_decoder = msgspec.json.Decoder(_Document)


def parse(document: bytes) -> Parsed:
    """One CVE record. Raises Unparsable. Dates in the future are kept, since a parser has no clock."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        raw = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    about = raw.cve_metadata
    if not (is_cve(about.cve_id) and is_id(about.cve_id)):
        raise Unparsable("no usable id")
    if about.state.upper() == "REJECTED":
        return Parsed(about.cve_id, None, (Unused(about.cve_id, "rejected"),))
    claims, unused = _claims(raw)
    texts = [(text.lang, text.value) for text in raw.containers.cna.descriptions]
    record = Record(
        id=about.cve_id,
        source=SOURCE,
        affected=(),
        published=read_moment(about.date_published or ""),
        modified=read_moment(about.date_updated or ""),
        summary=cut(english(texts), SUMMARY_LIMIT),
        severity=claims,
        url=f"https://www.cve.org/CVERecord?id={about.cve_id}",
    )
    return Parsed(about.cve_id, record, unused)


def _claims(raw: _Document) -> tuple[tuple[SeverityClaim, ...], tuple[Unused, ...]]:
    """Those of the CNA, then those of the others who enrich the record."""
    record_id = raw.cve_metadata.cve_id
    listed = [
        (_name(container), kind, vector.vector_string)
        for container in itertools.chain([raw.containers.cna], raw.containers.adp)
        for metric in container.metrics
        for kind, vector in _vectors(metric)
    ]
    unused = [Unused(record_id, f"gives over {METRIC_LIMIT} metrics")] if len(listed) > METRIC_LIMIT else []
    claims: list[SeverityClaim] = []
    for source, kind, vector in listed[:METRIC_LIMIT]:
        claim = ratings.cvss(source, kind, vector)
        if claim is None:
            unused.append(Unused(record_id, "severity that is no CVSS vector"))
        else:
            claims.append(claim)
    return tuple(dict.fromkeys(claims)), tuple(unused)


def _vectors(metric: _Metric) -> list[tuple[str, _Cvss]]:
    stated = (("CVSS_V3", metric.v31), ("CVSS_V3", metric.v30), ("CVSS_V4", metric.v40), ("CVSS_V2", metric.v2))
    return [(kind, vector) for kind, vector in stated if vector is not None]


def _name(container: _Container) -> str:
    provider = container.provider_metadata
    return cut((provider.short_name if provider else None) or "unknown", 64)

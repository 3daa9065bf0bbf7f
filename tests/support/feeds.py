"""Feeds on 127.0.0.1, each in the form in which it is really published, small.

    with Feeds() as feeds:
        feeds.osv("PyPI", osv("PYSEC-2026-1", "flask"))
        settings(feed_addresses=feeds.addresses, outbound_private=PRIVATE)

Documents have an ETag and a Last-Modified; conditions and ranges are answered as RFC 9110 has it. `asked` counts what
was asked for by path, `sent` what was answered with a body.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hullwise.advisories import fetching
from hullwise.advisories.fetching import Fetching, Update
from hullwise.remotes.remote import Remote
from hullwise.remotes.rules import OutboundRules
from hullwise.settings import Settings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PRIVATE = ("127.0.0.1",)
PUBLISHED = datetime(2025, 12, 1, tzinfo=UTC)
"""When a feed's first document was made; each that is changed later is a minute younger."""

ASKED = datetime(2026, 1, 1, tzinfo=UTC)
"""When a feed is asked, unless a test says otherwise."""

ADDRESSES = {
    "osv": "/osv",
    "debian": "/tracker/data/json",
    "alpine": "/secdb",
    "wolfi": "/os/security.json",
    "chainguard": "/chainguard/security.json",
    "redhat": "/vex",
    "amazon": "/amazonlinux",
    "oracle": "/com.oracle.elsa-all.xml.bz2",
    "photon": "/photon_cve_metadata",
    "nodejs": "/vuln/core/index.json",
    "nvd": "/feeds/json/cve/2.0",
    "kev": "/known_exploited_vulnerabilities.json",
    "epss": "/epss_scores-current.csv.gz",
    "endoflife": "/api",
}
"""Path of each feed on the server."""


def remote(settings: Settings) -> Remote:
    """Asks as the product does, without waiting between two attempts."""
    rules = OutboundRules(settings.outbound, settings.outbound_private, str(settings.outbound_proxy))
    return Remote(rules, sleep=lambda _: None)


def builds() -> list[int]:
    """Processes that build a generation for this one (proc(5))."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"hullwise.advisories.child" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


@dataclass(frozen=True)
class Document:
    body: bytes
    modified: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


@dataclass
class Feeds:
    """A context manager: the server runs for the block."""

    documents: dict[str, Document] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    """By path: the status that is answered in place of the document."""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """By path: after how many bytes of body each next answer breaks off."""
    asked: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """(path, Range) of requests that were answered in part."""
    _ecosystems: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    _vex: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))
    """When each document of Red Hat changed, and when each of them was deleted."""
    _changes: int = 0

    def __enter__(self) -> Feeds:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def addresses(self) -> dict[str, str]:
        """For the setting `feed_addresses`."""
        return {feed: f"http://127.0.0.1:{self._server.server_port}{path}" for feed, path in ADDRESSES.items()}

    def forget(self) -> None:
        """Count from zero."""
        self.asked.clear()
        self.sent.clear()
        self.ranges.clear()

    def put(self, path: str, body: bytes, *, modified: datetime | None = None) -> None:
        """Publish a document, anew where it is another one than before."""
        held = self.documents.get(path)
        if held is None or held.body != body:
            self._changes += 1
            self.documents[path] = Document(body, modified or PUBLISHED + timedelta(minutes=self._changes))

    def osv(self, ecosystem: str, *records: dict[str, Any], drop: tuple[str, ...] = ()) -> None:
        """Publish these records beside those of the ecosystem that are there, without those of the ids `drop`."""
        held = self._ecosystems.setdefault(ecosystem, {})
        held |= {record["id"]: record for record in records}
        for record_id in drop:
            del held[record_id]
            del self.documents[f"/osv/{ecosystem}/{record_id}.json"]
        for record in records:
            self.put(f"/osv/{ecosystem}/{record['id']}.json", encoded(record))
        # Newest first (google.github.io/osv.dev/data).
        newest = sorted(held.values(), key=lambda record: str(record["modified"]), reverse=True)
        listing = "".join(f"{record['modified']},{record['id']}\n" for record in newest)
        self.put("/osv/ecosystems.txt", "\n".join(sorted(self._ecosystems)).encode() + b"\n")
        self.put(f"/osv/{ecosystem}/modified_id.csv", listing.encode())
        self.put(f"/osv/{ecosystem}/all.zip", zipped({f"{name}.json": encoded(held[name]) for name in held}))

    def debian(self, tracker: Mapping[str, Any]) -> None:
        self.put(ADDRESSES["debian"], encoded(tracker))

    def alpine(self, release: str, repository: str, fixes: Mapping[str, Mapping[str, list[str]]]) -> None:
        """`fixes` by package: ids by the version that fixes them."""
        said = {"distroversion": release, "reponame": repository, **_secdb(fixes)}
        said["urlprefix"] = "https://dl-cdn.alpinelinux.org/alpine"
        self.put(f"/secdb/{release}/{repository}.json", encoded(said))

    def wolfi(self, fixes: Mapping[str, Mapping[str, list[str]]]) -> None:
        said = {"reponame": "os", "urlprefix": "https://packages.wolfi.dev", **_secdb(fixes)}
        self.put(ADDRESSES["wolfi"], encoded(said))

    def chainguard(self, fixes: Mapping[str, Mapping[str, list[str]]]) -> None:
        said = {"reponame": "chainguard", "urlprefix": "https://packages.cgr.dev", **_secdb(fixes)}
        self.put(ADDRESSES["chainguard"], encoded(said))

    def redhat(self, moment: str, fixes: Mapping[str, str], *, gone: tuple[str, ...] = ()) -> None:
        """Publish VEX documents that changed at this moment: what fixes the package expat of RHEL 9, by CVE; empty:
        they name no package of it. Those of the CVEs `gone` are deleted, and stay in the list of changes."""
        changed, deleted = self._vex
        for cve, fix in fixes.items():
            self.put(f"{ADDRESSES['redhat']}/{vex_name(cve)}", encoded(vex(cve, fix, moment)))
            changed[vex_name(cve)] = moment
        for cve in gone:
            del self.documents[f"{ADDRESSES['redhat']}/{vex_name(cve)}"]
            deleted[vex_name(cve)] = moment
        for name, listed in (("changes.csv", changed), ("deletions.csv", deleted)):
            newest = sorted(listed.items(), key=lambda item: item[1], reverse=True)
            self.put(f"{ADDRESSES['redhat']}/{name}", "".join(f'"{at}","{when}"\n' for at, when in newest).encode())

    def redhat_archive(self, day: str) -> None:
        """Of all documents of Red Hat that there are now."""
        names = [name for name in self._vex[0] if f"{ADDRESSES['redhat']}/{name}" in self.documents]
        body = tarred({name: self.documents[f"{ADDRESSES['redhat']}/{name}"].body for name in names})
        archive = f"csaf_vex_{day}.tar.zst"
        self.put(f"{ADDRESSES['redhat']}/{archive}", zstd.compress(body))
        self.put(f"{ADDRESSES['redhat']}/archive_latest.txt", archive.encode())

    def amazon(self, release: str, fixes: Mapping[str, str]) -> None:
        """A new repository of Amazon Linux 2 or 2023: what fixes the package expat, by the number of the advisory."""
        place = {"2": "2/core/latest", "2023": "al2023/core/mirrors/latest"}[release]
        updates = "".join(_update(f"ALAS{release}-{number}", fix) for number, fix in fixes.items())
        found = hashlib.sha256(updates.encode()).hexdigest()
        base = f"{ADDRESSES['amazon']}/{place.split('/')[0]}/guids/{found}/x86_64"
        name = f"repodata/{found}-updateinfo.xml.gz"
        index = f'<repomd><data type="updateinfo"><location href="{name}"/></data></repomd>'
        body = f'<?xml version="1.0" ?>\n<updates>{updates}</updates>'.encode()
        mirror = f"https://cdn.amazonlinux.com{base.removeprefix(ADDRESSES['amazon'])}/\n"
        self.put(f"{ADDRESSES['amazon']}/{place}/x86_64/mirror.list", mirror.encode())
        self.put(f"{base}/repodata/repomd.xml", index.encode())
        self.put(f"{base}/{name}", gzip.compress(body, mtime=0))

    def oracle(self, fixes: Mapping[str, str]) -> None:
        """Errata of Oracle Linux 9: what fixes the package expat, by the number of the advisory."""
        definitions = "".join(_definition(f"ELSA-{number}", fix) for number, fix in fixes.items())
        body = f"<oval_definitions><definitions>{definitions}</definitions></oval_definitions>"
        self.put(ADDRESSES["oracle"], bz2.compress(body.encode()))

    def photon(self, release: str, fixes: Mapping[str, str]) -> None:
        """What fixes the package expat, by CVE."""
        entries = [{"cve_id": cve, "pkg": "expat", "res_ver": fix, "status": "Fixed"} for cve, fix in fixes.items()]
        self.put(f"{ADDRESSES['photon']}/cve_data_photon{release}.json", encoded(entries))

    def nodejs(self, **fixes: str) -> None:
        """What fixes Node.js 20, by CVE, whose hyphens are underscores."""
        records = {
            str(number): {"cve": [name.replace("_", "-")], "vulnerable": "20.x", "patched": f"^{fix}"}
            for number, (name, fix) in enumerate(fixes.items(), start=1)
        }
        self.put(ADDRESSES["nodejs"], encoded(records))

    def nvd(self, year: int, **vectors: str) -> None:
        """A year's file with these vectors of CVSS 3.1 by CVE, whose hyphens are underscores."""
        items = [_nvd_item(name.replace("_", "-"), vector) for name, vector in vectors.items()]
        said = {"format": "NVD_CVE", "version": "2.0", "totalResults": len(items), "vulnerabilities": items}
        self.put(f"{ADDRESSES['nvd']}/nvdcve-2.0-{year}.json.gz", gzip.compress(encoded(said), mtime=0))

    def kev(self, *cves: str, released: str = "2025-12-20T12:00:00.0000Z") -> None:
        entries = [{"cveID": cve, "vulnerabilityName": "A name", "dateAdded": "2025-12-01"} for cve in cves]
        said = {"catalogVersion": "2025.12.20", "dateReleased": released, "count": len(entries)}
        self.put(ADDRESSES["kev"], encoded({**said, "vulnerabilities": entries}))

    def epss(self, scores: Mapping[str, tuple[str, str]], day: str = "2025-12-20") -> None:
        """Score and percentile by CVE."""
        lines = [f"#model_version:v2025.03.14,score_date:{day}T12:55:00Z", "cve,epss,percentile"]
        lines += [f"{cve},{score},{percentile}" for cve, (score, percentile) in scores.items()]
        self.put(ADDRESSES["epss"], gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))

    def endoflife(self, product: str, **ends: str) -> None:
        """End of support by cycle; an underscore in a cycle is its point, and the first one is dropped."""
        cycles = [{"cycle": name[1:].replace("_", "."), "eol": end} for name, end in ends.items()]
        self.put(f"/api/{product}.json", encoded(cycles))


class Asking:
    """One feed asked again and again; what it answers is taken each time, unless a test says otherwise."""

    def __init__(self, feeds: Feeds, folder: Path, feed: str, **rules: Any) -> None:
        self._rules = OutboundRules(private=PRIVATE, **rules)
        self._feeds, self._feed, self._folder = feeds, feed, folder
        self.known: dict[str, Any] = {}
        self.cursors: dict[str, str] = {}

    def __call__(self, *, taken: bool = True, now: datetime = ASKED) -> Update:
        self._feeds.forget()
        with Remote(self._rules, sleep=lambda _: None) as remote:
            update = fetching.fetch(
                self._feed,
                Fetching(
                    feed=self._feed,
                    remote=remote,
                    address=self._feeds.addresses[self._feed],
                    folder=self._folder,
                    known=self.known,
                    cursors=self.cursors,
                    held=0,
                    now=now,
                    report=lambda name, done, of: None,
                ),
            )
        for part in update.parts if taken else ():
            self.known |= {file.url: file.validators for file in part.files}
            self.cursors |= dict([part.cursor] if part.cursor else [])
        return update


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def zipped(documents: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes are the same whenever it is made."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, document in documents.items():
            archive.writestr(zipfile.ZipInfo(name), document, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def tarred(documents: Mapping[str, bytes]) -> bytes:
    """A tar whose bytes are the same whenever it is made."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, document in documents.items():
            member = tarfile.TarInfo(name)
            member.size = len(document)
            archive.addfile(member, io.BytesIO(document))
    return target.getvalue()


def vex_name(cve: str) -> str:
    """`2024/cve-2024-1000.json`."""
    return f"{cve[4:8]}/{cve.lower()}.json"


def vex(cve: str, fix: str, moment: str) -> dict[str, Any]:
    """What fixes the package expat of RHEL 9, or nothing of it, in the shape of the document of a CVE
    (redhatproductsecurity.github.io/security-data-guidelines/csaf-vex)."""
    place, cpe = "BaseOS-9", "cpe:/o:redhat:enterprise_linux:9::baseos"
    if not fix:
        place, cpe, fix = "openshift_4", "cpe:/a:redhat:openshift:4", "2.5.0-1"
    package, purl = f"expat-0:{fix}.x86_64", f"pkg:rpm/redhat/expat@{fix}?arch=x86_64"
    tracking = {"id": cve, "status": "final", "initial_release_date": moment, "current_release_date": moment}
    names = {"name": "expat in it", "product_id": f"{place}:{package}"}
    inside = {"category": "default_component_of", "full_product_name": names}
    branches = [_product("product_name", place, cpe=cpe), _product("product_version", package, purl=purl)]
    return {
        "document": {
            "category": "csaf_vex",
            "publisher": {"category": "vendor", "name": "Red Hat Product Security"},
            "tracking": tracking,
        },
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Red Hat", "branches": branches}],
            "relationships": [{**inside, "product_reference": package, "relates_to_product_reference": place}],
        },
        "vulnerabilities": [{"cve": cve, "product_status": {"fixed": [f"{place}:{package}"]}}],
    }


def _product(category: str, name: str, **helper: str) -> dict[str, Any]:
    product = {"name": name, "product_id": name, "product_identification_helper": helper}
    return {"category": category, "name": name, "product": product}


def _secdb(fixes: Mapping[str, Mapping[str, list[str]]]) -> dict[str, Any]:
    return {"packages": [{"pkg": {"name": name, "secfixes": fixed}} for name, fixed in fixes.items()]}


def _update(name: str, fix: str) -> str:
    version, _, release = fix.partition("-")
    package = f'<package name="expat" epoch="0" version="{version}" release="{release}" arch="x86_64"/>'
    pkglist = f"<pkglist><collection>{package}</collection></pkglist>"
    return f'<update type="security"><id>{name}</id><issued date="2025-11-01 00:00"/>{pkglist}</update>'


def _definition(name: str, fix: str) -> str:
    comments = "Oracle Linux 9 is installed", f"expat is earlier than 0:{fix}"
    criteria = "".join(f'<criterion comment="{comment}"/>' for comment in comments)
    metadata = f'<metadata><reference source="elsa" ref_id="{name}"/></metadata>'
    return f'<definition class="patch">{metadata}<criteria operator="AND">{criteria}</criteria></definition>'


def _nvd_item(cve: str, vector: str) -> dict[str, Any]:
    metric = {"source": "nvd@nist.gov", "type": "Primary", "cvssData": {"version": "3.1", "vectorString": vector}}
    return {
        "cve": {
            "id": cve,
            "published": "2025-11-01T00:00:00.000",
            "lastModified": "2025-12-01T00:00:00.000",
            "vulnStatus": "Analyzed",
            "descriptions": [{"lang": "en", "value": f"About {cve}"}],
            "metrics": {"cvssMetricV31": [metric]},
        }
    }


def _handler(feeds: Feeds) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One segment an answer: a second one would wait for the first one's acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            path = unquote(self.path)
            feeds.asked[path] += 1
            document = feeds.documents.get(path)
            if path in feeds.failing or document is None:
                self._say(feeds.failing.get(path, 404), b"")
            elif self._is_known(document):
                self._say(304, b"", ETag=document.etag)
            else:
                feeds.sent[path] += 1
                self._send(path, document)

        def _is_known(self, document: Document) -> bool:
            # RFC 9110, 13.2.2: a date counts where there is no tag.
            if tag := self.headers.get("If-None-Match"):
                return bool(tag == document.etag)
            return self.headers.get("If-Modified-Since") == _date(document.modified)

        def _send(self, path: str, document: Document) -> None:
            about = {"ETag": document.etag, "Last-Modified": _date(document.modified)}
            status, body, whole = 200, document.body, len(document.body)
            if "Range" in self.headers and self.headers.get("If-Range") == document.etag:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                status, body = 206, document.body[start:]
                about["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
                feeds.ranges.append((path, self.headers["Range"]))
            self._say(status, body, cut=feeds.cuts[path].pop(0) if feeds.cuts.get(path) else None, **about)

        def _say(self, status: int, body: bytes, *, cut: int | None = None, **about: str) -> None:
            self.send_response(status, HTTPStatus(status).phrase)
            for name, value in about.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            if status >= 500:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body[:cut])
            self.close_connection = self.close_connection or cut is not None

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)

"""Who made a record, under which licence, and what has to be said where it is shown or passed on.

A source that collects other people's records (osv.dev, the bundled set) is credited by the prefix of the record's id;
every other one by its own name. Licences are those of osv.dev's list of data sources (google.github.io/osv.dev/data)
and of the publishers themselves. What none of them states is `not stated`.
"""

from __future__ import annotations

import msgspec

from hullwise.advisories.records import cut

NOT_STATED = "not stated"


class Credit(msgspec.Struct, frozen=True):
    """Whom to name."""

    name: str
    licence: str
    """An SPDX id, or plain words where there is none; `not stated` where the publisher says nothing."""
    url: str
    notice: str
    """What has to be said, one sentence or two; empty where nothing has to be."""

    @property
    def short(self) -> str:
        """Name and licence: `RustSec, CC0-1.0`."""
        return f"{self.name}, {'licence ' if self.licence == NOT_STATED else ''}{self.licence}"


_NVD_NOTICE = (
    "This product uses the NVD API but is not endorsed or certified by the NVD. The data is in the public domain."
)

_NVD = Credit("National Vulnerability Database", "public domain", "https://nvd.nist.gov/", _NVD_NOTICE)
_GITHUB = "https://github.com"


def _of(name: str, licence: str, url: str, notice: str = "") -> Credit:
    return Credit(name, licence, url, notice)


_ALMALINUX = _of("AlmaLinux", "MIT", f"{_GITHUB}/AlmaLinux/osv-database")
_ALAS = _of("Amazon Linux Security Center", NOT_STATED, "https://alas.aws.amazon.com/")
_ALPINE = _of("Alpine Linux security database", NOT_STATED, "https://secdb.alpinelinux.org/")
_ANDROID = _of("Android Security Bulletins", NOT_STATED, "https://source.android.com/docs/security/bulletin")
_CHAINGUARD = _of("Chainguard Security Notices", NOT_STATED, "https://images.chainguard.dev/security")
_CURL = _of("curl", NOT_STATED, "https://curl.se/docs/security.html")
_DEBIAN = _of("Debian Security Tracker", NOT_STATED, "https://security-tracker.debian.org/tracker/")
_DEBIAN_ADVISORIES = _of("Debian Security Advisories", NOT_STATED, "https://www.debian.org/security/")
_FRIENDSOFPHP = _of("FriendsOfPHP", "Unlicense", f"{_GITHUB}/FriendsOfPHP/security-advisories")
_MAGEIA = _of("Mageia Security Advisories", NOT_STATED, "https://advisories.mageia.org/")
_NODEJS = _of("Node.js Security Working Group", "MIT", f"{_GITHUB}/nodejs/security-wg")
_OSV = _of("OSV.dev", NOT_STATED, "https://osv.dev/")
_ORACLE = _of("Oracle Linux Errata", NOT_STATED, "https://linux.oracle.com/security/")
_PHOTON = _of("Photon OS", NOT_STATED, f"{_GITHUB}/vmware/photon/wiki/Security-Advisories")
_RED_HAT = _of("Red Hat, Inc.", "CC-BY-4.0", "https://access.redhat.com/security/data")
_ROCKY = _of("Rocky Linux", "BSD, which one is not stated", "https://errata.rockylinux.org/")
_RUBYSEC = _of("RubySec", "public domain, without texts of OSVDB", f"{_GITHUB}/rubysec/ruby-advisory-db")
_SUSE = _of("SUSE", "CC-BY-4.0", "https://www.suse.com/support/security/")
_UBUNTU = _of("Ubuntu Security Team, Canonical", "CC-BY-SA-4.0", f"{_GITHUB}/canonical/ubuntu-security-notices")

_BY_PREFIX: dict[str, Credit] = {
    "A": _ANDROID,
    "ALBA": _ALMALINUX,
    "ALEA": _ALMALINUX,
    "ALPINE": _ALPINE,
    "ALSA": _ALMALINUX,
    "ASB": _ANDROID,
    "AZL": _of("Microsoft Azure Linux", NOT_STATED, f"{_GITHUB}/microsoft/AzureLinuxVulnerabilityData"),
    "BELL": _of("BellSoft", NOT_STATED, f"{_GITHUB}/bell-sw/osv-database"),
    "BIT": _of("Bitnami Vulnerability Database", "Apache-2.0", f"{_GITHUB}/bitnami/vulndb"),
    "CGA": _CHAINGUARD,
    "CLEANSTART": _of("CleanStart", NOT_STATED, f"{_GITHUB}/cleanstart-dev/cleanstart-security-advisories"),
    "CURL": _CURL,
    "CVE": _NVD,
    "DEBIAN": _DEBIAN,
    "DHI": _of("Docker Hardened Images", NOT_STATED, f"{_GITHUB}/docker-hardened-images/advisories"),
    "DLA": _DEBIAN_ADVISORIES,
    "DRUPAL": _of("Drupal Security Team", NOT_STATED, f"{_GITHUB}/DrupalSecurityTeam/drupal-advisory-database"),
    "DSA": _DEBIAN_ADVISORIES,
    "DTSA": _DEBIAN_ADVISORIES,
    "ECHO": _of("Echo", NOT_STATED, "https://advisory.echohq.com/"),
    "EEF": _of("Erlang Ecosystem Foundation", "CC-BY-4.0", "https://cna.erlef.org/"),
    "ELA": _of("Freexian Extended LTS", NOT_STATED, "https://www.freexian.com/lts/extended/"),
    "FRIENDSOFPHP": _FRIENDSOFPHP,
    "GHSA": _of("GitHub Advisory Database", "CC-BY-4.0", f"{_GITHUB}/github/advisory-database"),
    "GO": _of("Go Vulnerability Database", "CC-BY-4.0", f"{_GITHUB}/golang/vulndb"),
    "GSD": _of("Global Security Database", "CC0-1.0", f"{_GITHUB}/cloudsecurityalliance/gsd-database"),
    "HSEC": _of("Haskell Security Advisories", "CC0-1.0", f"{_GITHUB}/haskell/security-advisories"),
    "JLSEC": _of("Julia Security Advisories", NOT_STATED, f"{_GITHUB}/JuliaLang/SecurityAdvisories.jl"),
    "KUBE": _of("Kubernetes CVE feed", NOT_STATED, f"{_GITHUB}/kubernetes-sigs/cve-feed-osv"),
    "LBSEC": _of("LoopBack", NOT_STATED, f"{_GITHUB}/loopbackio/security"),
    "LSN": _UBUNTU,
    "MAL": _of("OpenSSF Malicious Packages", "Apache-2.0", f"{_GITHUB}/ossf/malicious-packages"),
    "MGASA": _MAGEIA,
    "MINI": _of("Minimus", NOT_STATED, "https://packages.mini.dev/"),
    "NSWG": _NODEJS,
    "OESA": _of("openEuler", NOT_STATED, "https://www.openeuler.org/en/security/security-bulletins"),
    "OPENSUSE": _SUSE,
    "OSEC": _of("OCaml Security Advisories", "CC0-1.0", f"{_GITHUB}/ocaml/security-advisories"),
    "OSV": _of("OSS-Fuzz", "CC-BY-4.0", f"{_GITHUB}/google/oss-fuzz-vulns"),
    "PHSA": _PHOTON,
    "PSF": _of("Python Software Foundation", "CC-BY-4.0", f"{_GITHUB}/psf/advisory-database"),
    "PUB": _ANDROID,
    "PYSEC": _of("PyPI Advisory Database", "CC-BY-4.0", f"{_GITHUB}/pypa/advisory-database"),
    "RHBA": _RED_HAT,
    "RHEA": _RED_HAT,
    "RHSA": _RED_HAT,
    "RLSA": _ROCKY,
    "ROOT": _of("Root", NOT_STATED, "https://root.io/security"),
    "RSEC": _of("R Consortium Advisory Database", "Apache-2.0", f"{_GITHUB}/RConsortium/r-advisory-database"),
    "RUBYSEC": _RUBYSEC,
    "RUSTSEC": _of("RustSec", "CC0-1.0", f"{_GITHUB}/rustsec/advisory-db"),
    "RXSA": _ROCKY,
    "SUSE": _SUSE,
    "UBUNTU": _UBUNTU,
    "USN": _UBUNTU,
    "V8": _of("Chromium", NOT_STATED, f"{_GITHUB}/google/chromium-policy-vulnfeed"),
}
"""By what stands before the first `-` of a record's id, in capitals (OSV schema, `id`)."""

_COLLECTIONS: dict[str, Credit] = {
    "osv": _OSV,
    "starter": _of("Hullwise's bundled records", NOT_STATED, ""),
}
"""Sources of other people's records, with the credit of those whose prefix is not known."""

_BY_SOURCE: dict[str, Credit] = {
    "alpine-secdb": _ALPINE,
    "amazon-updateinfo": _ALAS,
    "chainguard-secdb": _CHAINGUARD,
    "cvelist": _of("CVE List", "CVE Terms of Use", "https://www.cve.org/Legal/TermsOfUse"),
    "debian-tracker": _DEBIAN,
    "endoflife": _of("endoflife.date", "MIT", "https://endoflife.date/"),
    "epss": _of(
        "FIRST",
        "free with attribution",
        "https://www.first.org/epss/",
        "Exploit Prediction Scoring System (EPSS) scores by FIRST, https://www.first.org/epss/.",
    ),
    "friendsofphp": _FRIENDSOFPHP,
    "kev": _of("CISA", "CC0-1.0", "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"),
    "nodejs": _NODEJS,
    "nvd": _NVD,
    "oracle-oval": _ORACLE,
    "photon": _PHOTON,
    "redhat": _RED_HAT,
    "rubysec": _RUBYSEC,
    "ubuntu-tracker": _of(
        "Ubuntu Security Team, Canonical", NOT_STATED, "https://git.launchpad.net/ubuntu-cve-tracker"
    ),
    "wolfi-secdb": _of("Wolfi", NOT_STATED, "https://packages.wolfi.dev/os/security.json"),
}
"""By the part of a source's name before the first `/`."""


def credit(record_id: str, source: str, stated_licence: str = "") -> Credit:
    """The credit of a record. `source` is its `Record.source`; `record_id` may be empty for what has no ids.

    A licence that the record itself states takes the place of its publisher's: RustSec marks what it took over from
    GitHub so. Never raises; a source that is not known is named as it is, and its licence is `not stated`.
    """
    family = source.partition("/")[0]
    found = _BY_SOURCE.get(family) or _BY_PREFIX.get(record_id.partition("-")[0].upper())
    found = found or _COLLECTIONS.get(family) or Credit(cut(source, 128), NOT_STATED, "", "")
    licence = cut(" ".join(stated_licence.split()), 64) or found.licence
    return Credit(found.name, licence, found.url, found.notice or _notice(found, licence))


def _notice(found: Credit, licence: str) -> str:
    """What Creative Commons' licences ask for: the name, the licence, the address, and that it was changed (CC BY 4.0,
    section 3a)."""
    if not licence.startswith("CC-BY-"):
        return ""
    said = f"{found.name}, {licence}, {found.url}; changed: parts of it, in another form."
    return f"{said} What is made of it is under the same licence." if licence.startswith("CC-BY-SA") else said

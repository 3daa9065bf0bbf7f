"""What hits a version of a package, worked out by hand from the text of the shared advisories, in every ecosystem.

The comment above a row names the records of the package that decide, with their ranges: `[a, b)` begins with `a` and is
fixed in `b`, `[a, b]` holds `b` too, `…)` has no end.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Extras, Tally
from hullwise.advisories.generation import Generation
from hullwise.domain.packages import Package
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment
from hullwise.ecosystems.namespaces import canonical_name
from tests.support.advisories import package

pytestmark = pytest.mark.accuracy

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW
UNDEFINED, INFORMATIONAL = Severity.UNDEFINED, Severity.INFORMATIONAL


@dataclass(frozen=True, slots=True)
class Hits:
    """What is found, by shown name."""

    found: frozenset[str]
    fix: Mapping[str, str] = field(default_factory=dict)
    """Of some of them; empty where nobody names one."""
    severity: Mapping[str, Severity] = field(default_factory=dict)
    total: int = 0
    """How many are found, where `found` is a part of them. 0: it is all of them."""
    spared: frozenset[str] = frozenset()
    """Which are not, of a part."""


def hits(names: str, *, fix: str, severity: Severity) -> Hits:
    """`names`, blanks between them: `2020-1` is a CVE, other ids are written out. `fix` and `severity` are of the
    first."""
    found = [_name(name) for name in names.split()]
    return Hits(frozenset(found), {found[0]: fix}, {found[0]: severity})


def many(total: int, names: str, *, spared: str, fix: str, severity: Severity) -> Hits:
    """As above, of so many that only some are named."""
    some = hits(names, fix=fix, severity=severity)
    return replace(some, total=total, spared=frozenset(map(_name, spared.split())))


def _name(text: str) -> str:
    return f"CVE-{text}" if text[0].isdigit() else text


NONE = Hits(frozenset())

Pairs = dict[tuple[str, str, str], Hits]
"""By namespace, package and version."""

PYPI: Pairs = {
    # PYSEC-2020-96 [5.1, 5.3.1), PYSEC-2021-142 [0, 5.4); not PYSEC-2018-49 [0, 5.1), PYSEC-2020-176 [5.1, 5.2b1).
    ("pypi", "PyYAML", "5.3"): hits("2020-1747 2020-14343", fix="5.3.1", severity=UNDEFINED),
    # A prerelease is below its release: PYSEC-2018-49, PYSEC-2021-142, and neither of those that begin with 5.1.
    ("pypi", "pyyaml", "5.1b7"): hits("2017-18342 2020-14343", fix="5.1", severity=UNDEFINED),
    # Exactly the prerelease that ends PYSEC-2020-176.
    ("pypi", "pyyaml", "5.2b1"): hits("2020-14343 2020-1747", fix="5.4", severity=UNDEFINED),
    ("pypi", "pyyaml", "5.4b1"): hits("2020-14343", fix="5.4", severity=UNDEFINED),
    # PYSEC-2023-61 is [3.2, 3.2.19), [4.0, 4.1.9), [4.2, 4.2.1): below the last, and yet among its `versions`.
    ("pypi", "Django", "4.2rc1"): hits("2023-31047", fix="4.2.1", severity=UNDEFINED),
    # [1.7a0, 1.7b4) of PYSEC-2014-19 and -20, and eleven that begin with 0 or 1.5: 2015-8, -10, -11, -20, 2016-2, -3,
    # -15, -16, -18, 2019-16, 2021-98. Not the [1.7, …) of 2015-5, -9, -18, -22, -23.
    ("pypi", "django", "1.7b3"): many(
        13,
        "2014-1418 2014-3730 2015-2241 2015-5143 2015-5144 2015-8213 2016-2512 2016-2513 2016-6186 2016-7401"
        " 2016-9014 2019-19844 2021-33203",
        spared="2015-0220 2015-2316 2015-2317 2015-5963 2015-5964 2014-0480",
        fix="1.7b4",
        severity=UNDEFINED,
    ),
    # PYSEC-2019-108 [0, 1.16.1), PYSEC-2021-856 [0, 1.19.1), PYSEC-2021-857 [0, 1.19.0); a build of 1.16.0 is 1.16.0.
    ("pypi", "numpy", "1.16.0+mkl"): hits("2019-6446 2021-41495 2021-41496", fix="1.16.1", severity=UNDEFINED),
    ("pypi", "numpy", "1.16.1+mkl"): hits("2021-41495 2021-41496", fix="1.19.1", severity=UNDEFINED),
    # PYSEC-2022-42969 is [0, 1.11.0], PYSEC-2020-92 [0, 1.10.0). A build of 1.11.0 is above it in PEP 440's order.
    ("pypi", "py", "1.11.0"): hits("2022-42969", fix="", severity=UNDEFINED),
    ("pypi", "py", "1.11.0+local.1"): hits("2022-42969", fix="", severity=UNDEFINED),
    ("pypi", "py", "1.11.1"): NONE,
    # PYSEC-2021-114 is [2.11, 2.11.7), [0, 2.11.6), [2.12, 2.12.4), in this order: the end of the second does not cut
    # the first. PYSEC-2021-103 [0, 2.11.8), 2023-55 [1.5, 4.1.4), 2023-56 [0, 4.1.4), 2024-86 [2.0, 5.2.6).
    ("pypi", "wagtail", "2.11.6"): hits(
        "2021-29434 2021-32681 2023-28836 2023-28837 2024-39317", fix="2.11.7", severity=UNDEFINED
    ),
    # PYSEC-2019-155 [0, 0.15.1), beside a GIT range whose hash is cut short.
    ("pypi", "python_dbusmock", "0.15.0"): hits("2015-1326", fix="0.15.1", severity=UNDEFINED),
    # PYSEC-2020-341 [0, 2.3); PEP 503 makes one name of `jw.util`, `jw_util` and `JW-Util`.
    ("pypi", "JW_Util", "2.2"): hits("2020-13388", fix="2.3", severity=UNDEFINED),
    # `a3` is no version, and PYSEC-2017-41 and PYSEC-2019-126 list it.
    ("pypi", "supervisor", "a3"): hits("2017-11610 2019-12105", fix="", severity=UNDEFINED),
    # All versions, and withdrawn: PYSEC-2022-43055.
    ("pypi", "hyperledger", "0.1.5"): NONE,
    # PYSEC-2022-15 is withdrawn; PYSEC-2022-14 [0, 0.5.3).
    ("pypi", "loguru", "0.5.2"): hits("2022-0338", fix="0.5.3", severity=UNDEFINED),
    # PSF's records on CPython name commits and no package.
    ("pypi", "cpython", "3.8.0"): NONE,
}

NPM: Pairs = {
    # GHSA-7fhm-mqm4-2wp7 [0, 1.2.2) is withdrawn by its title alone; GHSA-xvch-5gv4-984h [0, 0.2.4), [1.0.0, 1.2.6).
    ("npm", "minimist", "0.2.4"): hits("GHSA-7fhm-mqm4-2wp7", fix="1.2.2", severity=MEDIUM),
    # Of xvch the vector says 9.8.
    ("npm", "minimist", "1.0.0"): hits("2021-44906 GHSA-7fhm-mqm4-2wp7", fix="1.2.6", severity=CRITICAL),
    # Just above GHSA-mhpp-875w-9cpv [3.0.0-rc.1, 3.0.0-rc.1]; NSWG-ECO-328 and -330 have it patched. 6c3j [1.1.4,
    # 3.4.0), gxr4 [1.12.0, 3.5.0), jpcq and 257q [1.0.3, 3.5.0).
    ("npm", "jquery", "3.0.0"): hits("2019-11358 2020-11022 2020-11023 2020-23064", fix="3.4.0", severity=MEDIUM),
    # 2pqj [0, 1.9.0) with `<= 1.8.3` last known, q4m3 [1.2.1, 1.9.0); NSWG-ECO-328 `>=1.4.0 <=1.11.3`, and -329
    # `>=1.7.1 <=1.8.3`, neither with a CVE. gxr4 begins with 1.12.0.
    ("npm", "jquery", "1.8.3"): hits(
        "2012-6708 2019-11358 2020-11023 2020-23064 2020-7656 NSWG-ECO-328 NSWG-ECO-329", fix="1.9.0", severity=MEDIUM
    ),
    # p6mc [3.7.0, 4.17.19), 35jh [0, 4.17.21), f23m [0, 4.18.0), r5fr [4.0.0, 4.18.0), xxjr [4.0.0, 4.17.23);
    # NSWG-ECO-516 `>=4.17.15 <4.17.19`, without a CVE. Not x5rq [4.7.0, 4.17.11), jf85 [0, 4.17.12).
    ("npm", "lodash", "4.17.15"): hits(
        "2020-8203 2021-23337 2026-2950 2026-4800 2025-13465 NSWG-ECO-516", fix="4.17.19", severity=HIGH
    ),
    # fvqr and NSWG-ECO-368 end at 4.17.5, and are one; NSWG-ECO-493 at 4.17.11; all others of 4.17.15 but 516. The
    # vector of 368 is AV:L/AC:H/PR:H/UI:R/A:L.
    ("npm", "lodash", "4.17.4"): hits(
        "2018-3721 2018-16487 2019-10744 2019-1010266 2020-8203 2021-23337 2026-2950 2026-4800 2025-13465",
        fix="4.17.5",
        severity=LOW,
    ),
    # 4.17.23 is the last known of f23m and r5fr, and the fix of xxjr.
    ("npm", "lodash", "4.17.23"): hits("2026-4800 2026-2950", fix="4.18.0", severity=HIGH),
    ("npm", "lodash", "4.18.0"): NONE,
    # GHSA-9c47-m6qq-7p4h [2.0.0, 2.2.2), [0, 1.0.2): 7.1. npm's names have case.
    ("npm", "json5", "1.0.1"): hits("2022-46175", fix="1.0.2", severity=HIGH),
    ("npm", "json5", "2.2.1"): hits("2022-46175", fix="2.2.2", severity=HIGH),
    ("npm", "json5", "1.0.2"): NONE,
    ("npm", "JSON5", "1.0.1"): NONE,
    # GHSA-x6fg begins with 1.0.4, NSWG-ECO-31 on the same CVE with 0: any record counts. Both end at 4.3.2; the vector
    # of 31 says 5.3. GHSA-c2qf [0, 5.7.2).
    ("npm", "semver", "1.0.3"): hits("2015-8855 2022-25883", fix="4.3.2", severity=MEDIUM),
    # c2qf: [7.0.0, 7.5.2), [6.0.0, 6.3.1), [0, 5.7.2); the vector says 5.3, the word HIGH.
    ("npm", "semver", "6.3.0"): hits("2022-25883", fix="6.3.1", severity=MEDIUM),
    # GHSA-4j66 [0.0.12, 1.1.39], GHSA-v9mx [0.0.12, 1.1.30).
    ("npm", "bun", "1.1.39"): hits("2025-8022", fix="", severity=HIGH),
    ("npm", "bun", "1.1.40"): NONE,
    ("npm", "bun", "0.0.11"): NONE,
    # NSWG-ECO-22 `<=0.3.0` names two CVEs and is neither; GHSA-9cw2 [0, 0.3.1) is one of them. 23 and 24 are hjcp and
    # cfjh. Not xf5p [0.3.14, …), ch52 [0.4.0, …), 7m7q [0.5.0, …), 4r62 [1.1.1, …), 6v9c [18.0.0, …).
    ("npm", "marked", "0.3.0"): hits(
        "2014-3743 NSWG-ECO-22 NSWG-ECO-101 2015-1370 2015-8854 2016-10531 2017-1000427 2017-17461 2018-25110"
        " 2022-21680 2022-21681 GHSA-32vw-r77c-gm67 GHSA-8wp3-cp9v-44fm GHSA-wjmf-58vc-xqjr",
        fix="0.3.1",
        severity=MEDIUM,
    ),
    # GHSA-rv95 [0, 4.19.2), [5.0.0-alpha.1, 5.0.0-beta.3), GHSA-qw6h [0, 4.20.0), [5.0.0-alpha.1, 5.0.0); not pj86
    # [5.0.0, 5.2.0). AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N is 6.1.
    ("npm", "express", "5.0.0-beta.2"): hits("2024-29041 2024-43796", fix="5.0.0-beta.3", severity=MEDIUM),
    # GHSA-4x49 is 4.4.2 alone.
    ("npm", "debug", "4.4.2"): hits("2025-59144", fix="", severity=HIGH),
    # Seven of fourteen are [0, 7.5.x); GHSA-29xp is 7.5.1 alone.
    ("npm", "tar", "7.5.1"): hits(
        "2025-64118 2026-23745 2026-23950 2026-24842 2026-26960 2026-29786 2026-31802", fix="", severity=MEDIUM
    ),
}

NODEJS: Pairs = {
    # NSWG-ECO-77 `< 3.1.3 || >= 4.0.0 <4.1.1`: 5.3.
    ("npm", "hawk", "4.1.0"): hits("2016-2515", fix="4.1.1", severity=MEDIUM),
    ("npm", "hawk", "3.1.3"): NONE,
    # NSWG-ECO-397 `>=2.0.0-alpha8 <=2.0.0-rc2 || >=2.0.0 <=2.13.0`, GHSA-5f7m [2.0.0-alpha8, 2.14.0), without a name in
    # common. GHSA-fvq6 and NSWG-ECO-66 end with alpha7.
    ("npm", "mysql", "2.0.0-alpha8"): hits("GHSA-5f7m-mmpc-qhh4 NSWG-ECO-397", fix="2.14.0", severity=MEDIUM),
    ("npm", "mysql", "2.0.0-alpha7"): hits("2015-9244 NSWG-ECO-66", fix="2.0.0-alpha8", severity=MEDIUM),
    # NSWG-ECO-309 `>=2.2.6 <2.47.0 || >2.51.0 <=2.67.0`; GHSA-p8p7 [0, 2.88.2].
    ("npm", "request", "2.51.0"): hits("2023-28155", fix="", severity=MEDIUM),
    ("npm", "request", "2.67.0"): hits("2023-28155 NSWG-ECO-309", fix="", severity=MEDIUM),
    ("npm", "request", "2.88.3"): NONE,
    # NSWG-ECO-11 `2.0.x || 2.1.x` is GHSA-cqr7 [2.0.0, 2.2.0), 7.5; NSWG-ECO-12 has `CVE-2014-4671A`, which is no id.
    ("npm", "hapi", "2.1.7"): hits(
        "2014-3742 2014-4671 2015-9241 2015-9243 GHSA-7hx8-2rxv-66xv NSWG-ECO-12 NSWG-ECO-45 NSWG-ECO-63 NSWG-ECO-65",
        fix="2.2.0",
        severity=HIGH,
    ),
}

GO: Pairs = {
    # Six records end at 1.25.13: GO-2026-5026, -5972, -6089, -6090, -6091, -6218. GO-2026-5942 begins with 1.26.
    ("go", "stdlib", "go1.25.12"): hits(
        "2026-33818 2026-39821 2026-56853 2026-56858 2026-56860 2026-56862", fix="1.25.13", severity=UNDEFINED
    ),
    ("go", "stdlib", "1.26.6"): NONE,
    # [1.27.0-0, 1.27.0-rc.2) of GO-2026-4970 and -5856, and seven that go on to rc.3.
    ("go", "stdlib", "go1.27rc1"): hits(
        "2026-39822 2026-42505 2026-33818 2026-39821 2026-46600 2026-56853 2026-56858 2026-56860 2026-56862",
        fix="1.27.0-rc.2",
        severity=UNDEFINED,
    ),
    # GO-2023-2185 has two entries on the package: [0, 1.20.11), [1.21.0-0, 1.21.4) and [1.20.11, 1.20.12), [1.21.4,
    # 1.21.5). GO-2023-2186 has only the former. Counted by a reading of all 137 records. All imports of
    # GO-2023-2185 are of `goos: [windows]`.
    ("go", "stdlib", "1.20.11"): many(
        56,
        "2023-45283 2023-39326 2024-24790 2025-47907 2026-56862",
        spared="2023-45284 2023-39325 2024-24788 2025-47910",
        fix="1.20.12",
        severity=INFORMATIONAL,
    ),
    # GO-2022-1059 [0, 0.3.8), GO-2026-5970 [0, 0.39.0); GO-2021-0113 ends at 0.3.7 itself.
    ("go", "golang.org/x/text", "v0.3.7"): hits("2022-32149 2026-56852", fix="0.3.8", severity=UNDEFINED),
    # GO-2022-0603 [0, 3.0.0-20220521103104-8f96da9f5d5e).
    ("go", "gopkg.in/yaml.v3", "v3.0.0-20210107192922-496545a6307b"): hits(
        "2022-28948", fix="3.0.0-20220521103104-8f96da9f5d5e", severity=UNDEFINED
    ),
    ("go", "gopkg.in/yaml.v3", "v3.0.0-20220521103104-8f96da9f5d5e"): NONE,
    # GO-2024-3005 [27.0.0+incompatible, 27.1.1+incompatible); GO-2026-4883, -4887, -5617, -5668, -5746 [0, …).
    # GO-2025-3829 ends at 25.0.13.
    ("go", "github.com/docker/docker", "v27.1.0+incompatible"): hits(
        "2024-41110 2026-33997 2026-34040 2026-41567 2026-41568 2026-42306",
        fix="27.1.1+incompatible",
        severity=UNDEFINED,
    ),
    ("go", "github.com/docker/docker", "v27.1.1+incompatible"): hits(
        "2026-33997 2026-34040 2026-41567 2026-41568 2026-42306", fix="", severity=UNDEFINED
    ),
    # GO-2022-0379 [0, 2.8.0+incompatible); GO-2021-0072 ends at 2.7.0-rc.0.
    ("go", "github.com/docker/distribution", "v2.7.1+incompatible"): hits(
        "GHSA-qq97-vm5h-rrhg", fix="2.8.0+incompatible", severity=UNDEFINED
    ),
    # GO-2020-0017 [0.0.0-20150717181359-44718f8a89b0, …).
    ("go", "github.com/dgrijalva/jwt-go", "v3.2.0+incompatible"): hits("2020-26160", fix="", severity=UNDEFINED),
    # GO-2022-0244 is [1.2.1-0.20180103161547-0ef6afb2f6cd, 1.2.1-0.20180404165556-75cca531ea76), all above 1.2.0.
    ("go", "github.com/satori/go.uuid", "v1.2.0"): NONE,
    ("go", "github.com/satori/go.uuid", "v1.2.1-0.20180103161547-0ef6afb2f6cd"): hits(
        "2021-3538", fix="1.2.1-0.20180404165556-75cca531ea76", severity=UNDEFINED
    ),
    # GO-2021-0265 [0, 1.9.3) has two CVEs, and no other record speaks of either: shown by the first of its GHSA ids.
    ("go", "github.com/tidwall/gjson", "v1.9.2"): hits("GHSA-c9gm-7rfj-8w5h", fix="1.9.3", severity=UNDEFINED),
    # In SemVer rc10 is below rc3, which ends GO-2022-0835 and begins GO-2025-4097; rc93 begins GO-2024-2491, rc95
    # GO-2023-1627. [0, …) to rc8.0.2019…, rc9.0.2020…, rc91, rc95, 1.1.2, 1.1.14, 1.2.8, 1.2.8, 1.3.6.
    ("go", "github.com/opencontainers/runc", "v1.0.0-rc10"): hits(
        "2016-9962 2019-16884 2019-19921 GHSA-g54h-m393-cpwq 2021-30465 2022-29162 2024-45310 2025-31133 2025-52881"
        " 2026-41579",
        fix="1.0.0-rc3",
        severity=UNDEFINED,
    ),
    # GO-2024-2730, withdrawn.
    ("go", "github.com/gorilla/sessions", "v1.2.1"): NONE,
}

CRATES: Pairs = {
    # RUSTSEC-2020-0071 [0.0.0-0, 0.2.0), [0.2.1-0, 0.2.1), …, [0.2.7-0, 0.2.23): 6.2.
    ("crates.io", "time", "0.1.43"): hits("2020-26235", fix="0.2.0", severity=MEDIUM),
    ("crates.io", "time", "0.2.0"): NONE,
    ("crates.io", "time", "0.2.22"): hits("2020-26235", fix="0.2.23", severity=MEDIUM),
    ("crates.io", "time", "0.2.23"): NONE,
    # RUSTSEC-2021-0003 [0.6.3, 0.6.14): 9.8; RUSTSEC-2018-0018 ends at 0.6.13 itself.
    ("crates.io", "smallvec", "0.6.13"): hits("2021-25900", fix="0.6.14", severity=CRITICAL),
    # RUSTSEC-2019-0012 [0.6.3, 0.6.10); RUSTSEC-2019-0009 begins with 0.6.5, RUSTSEC-2018-0003 ends at 0.6.3.
    ("crates.io", "smallvec", "0.6.4"): hits("2019-15554 2018-25023 2021-25900", fix="0.6.10", severity=CRITICAL),
    # RUSTSEC-2020-0041 [0.0.0-0, 0.6.3) has six CVEs and six GHSA ids, 7.5; two more records have no end.
    ("crates.io", "sized-chunks", "0.6.2"): hits(
        "GHSA-64gv-qg2v-vxv6 RUSTSEC-2026-0251 RUSTSEC-2026-0255", fix="0.6.3", severity=HIGH
    ),
    # RUSTSEC-2024-0399 is [0.23.0, 0.23.0), which is empty, and [0.23.13, 0.23.18); RUSTSEC-2024-0336 [0.23.0, 0.23.5).
    ("crates.io", "rustls", "0.23.0"): hits("2024-32650", fix="0.23.5", severity=HIGH),
    # RUSTSEC-2023-0005 [0.2.0, 1.18.5); RUSTSEC-2023-0001 ends at 1.18.4 itself.
    ("crates.io", "tokio", "1.18.4"): hits("GHSA-4q83-7cq4-p6wg", fix="1.18.5", severity=UNDEFINED),
    # RUSTSEC-2020-0049 [0.0.0-0, 0.3.0-beta.1): 9.8.
    ("crates.io", "actix-codec", "0.3.0-alpha.2"): hits("2020-35902", fix="0.3.0-beta.1", severity=CRITICAL),
    ("crates.io", "actix-codec", "0.3.0-beta.1"): NONE,
    # RUSTSEC-2021-0069 [0.10.0-alpha.1, 0.10.0-rc.3); RUSTSEC-2020-0069 ends at 0.10.0-alpha.4.
    ("crates.io", "lettre", "0.10.0-rc.2"): hits("2021-38189", fix="0.10.0-rc.3", severity=UNDEFINED),
    # RUSTSEC-2021-0147 is withdrawn, RUSTSEC-2025-0069 is not: `informational: unmaintained`.
    ("crates.io", "daemonize", "0.5.0"): hits("RUSTSEC-2025-0069", fix="", severity=INFORMATIONAL),
    ("crates.io", "xml-rs", "0.8.0"): NONE,
}

MAVEN: Pairs = {
    # The vectors say 10.0 (jfh8), 9.0 (7rjr), 8.6 (p6xc) and 6.6 (8489).
    # jfh8 [2.13.0, 2.15.0), 7rjr [2.13.0, 2.16.0), p6xc [2.13.0, 2.17.0), 8489 [2.13.0, 2.17.1).
    ("maven", "org.apache.logging.log4j:log4j-core", "2.14.1"): hits(
        "2021-44228 2021-44832 2021-45046 2021-45105", fix="2.15.0", severity=CRITICAL
    ),
    # jfh8 [2.4, 2.12.2) and 7rjr [0, 2.12.2) end here; p6xc [2.4.0, 2.12.3), 8489 [2.4, 2.12.4).
    ("maven", "org.apache.logging.log4j:log4j-core", "2.12.2"): hits(
        "2021-45105 2021-44832", fix="2.12.3", severity=HIGH
    ),
    # jfh8 [0, 2.3.1) and p6xc [0, 2.3.1) end here; 7rjr [0, 2.12.2), 8489 [2.0-beta7, 2.3.2).
    ("maven", "org.apache.logging.log4j:log4j-core", "2.3.1"): hits(
        "2021-44832 2021-45046", fix="2.3.2", severity=MEDIUM
    ),
    ("maven", "org.apache.logging.log4j:log4j-core", "2.0-beta6"): hits(
        "2021-45046 2021-44228 2021-45105", fix="2.12.2", severity=CRITICAL
    ),
    ("maven", "org.apache.logging.log4j:log4j-core", "2.0-rc1"): hits(
        "2021-44832 2021-45046 2021-44228 2021-45105", fix="2.3.2", severity=MEDIUM
    ),
    ("maven", "org.apache.logging.log4j:log4j-core", "2.17.1"): NONE,
    # GHSA-36p3-wjmg-h94x [0, 5.2.20.RELEASE), [5.3.0, 5.3.18): 9.8. A release candidate is below its release.
    ("maven", "org.springframework:spring-beans", "5.2.19.RELEASE"): hits(
        "2022-22965", fix="5.2.20.RELEASE", severity=CRITICAL
    ),
    ("maven", "org.springframework:spring-beans", "5.2.20.RELEASE"): NONE,
    ("maven", "org.springframework:spring-beans", "5.3.0-RC1"): NONE,
    ("maven", "org.springframework:spring-beans", "5.3.17"): hits("2022-22965", fix="5.3.18", severity=CRITICAL),
    # GHSA-mjmj-j48q-9wg2 [0, 2.0) with `<= 1.33` last known: 8.3.
    ("maven", "org.yaml:snakeyaml", "1.33"): hits("2022-1471", fix="2.0", severity=HIGH),
    # GHSA-599f-7c49-w659 [1.5, 1.10.0): 9.8.
    ("maven", "org.apache.commons:commons-text", "1.9"): hits("2022-42889", fix="1.10.0", severity=CRITICAL),
    ("maven", "org.apache.commons:commons-text", "1.4"): NONE,
}

ALMALINUX: Pairs = {
    # ALSA-2022:7106 ends at 1.2.11-19.el8_6; ALSA-2022:1642 at this one.
    ("almalinux:8", "zlib", "1.2.11-18.el8_5"): hits("ALSA-2022:7106", fix="1.2.11-19.el8_6", severity=MEDIUM),
    ("almalinux:9", "zlib", "1.2.11-31.el9_0.1"): hits("ALSA-2022:7314", fix="1.2.11-32.el9_0", severity=MEDIUM),
    ("almalinux:9", "zlib", "1.2.11-32.el9_0"): NONE,
    # `.el8` is below `.el8_6.2`, where ALSA-2022:0951 and -5314 end; 6878 at `.el8_6.3`, 2023:0103 at 10.el8_7.1, and
    # 2024:1615, 6989, 9502, 2025:3913, 21776, 2026:22721 later. ALBA-2022:2113 is none.
    ("almalinux:8", "expat", "2.2.5-8.el8"): hits(
        "ALSA-2022:0951 ALSA-2022:5314 ALSA-2022:6878 ALSA-2023:0103 ALSA-2024:1615 ALSA-2024:6989 ALSA-2024:9502"
        " ALSA-2025:3913 ALSA-2025:21776 ALSA-2026:22721",
        fix="2.2.5-8.el8_6.2",
        severity=HIGH,
    ),
    ("almalinux:8", "expat", "2.2.5-8.el8_6.2"): hits(
        "ALSA-2022:6878 ALSA-2023:0103 ALSA-2024:1615 ALSA-2024:6989 ALSA-2024:9502 ALSA-2025:3913 ALSA-2025:21776"
        " ALSA-2026:22721",
        fix="2.2.5-8.el8_6.3",
        severity=HIGH,
    ),
    # ALSA-2023:0096 ends at 1:1.12.8-23.el8_7.1, -4498 at 1:1.12.8-24.el8_8.1. ALBA-2022:2071, which ends at
    # 1:1.12.8-18.el8, fixes bugs and names no CVE.
    ("almalinux:8", "dbus", "1:1.12.8-17.el8"): hits(
        "ALSA-2023:0096 ALSA-2023:4498", fix="1:1.12.8-23.el8_7.1", severity=MEDIUM
    ),
    ("almalinux:8", "dbus", "1:1.12.8-24.el8_8.1"): NONE,
    # No epoch is epoch 0, which is below 1 whatever follows.
    ("almalinux:8", "dbus", "1.12.8-26.el8"): hits(
        "ALSA-2023:4498 ALSA-2023:0096", fix="1:1.12.8-24.el8_8.1", severity=MEDIUM
    ),
    # ALSA-2025:11805 ends at 1.28-423.el8_10; the fixes of the modules perl:5.24, 5.30 and 5.32 are for their builds.
    ("almalinux:8", "perl-Errno", "1.28-421.el8"): hits("ALSA-2025:11805", fix="1.28-423.el8_10", severity=MEDIUM),
    # ALSA-2025:0733 ends at 1.0.6-28.el8_10; ALSA-2024:8922, on the same CVE, at this one.
    ("almalinux:8", "bzip2", "1.0.6-27.el8_10"): hits("ALSA-2025:0733", fix="1.0.6-28.el8_10", severity=MEDIUM),
    # 114.el9_7.alma.1 ends ALSA-2025:20532, and is below 114.el9_7.1.alma.1 of ALSA-2026:4760: numbers beat letters.
    ("almalinux:9", "grub2-common", "1:2.06-114.el9_7.alma.1"): hits(
        "ALSA-2026:4760", fix="1:2.06-114.el9_7.1.alma.1", severity=MEDIUM
    ),
    # 1.9.5p2-10.el9_6.1, 1.9.5p2-15.el9_7, 1.9.17p2-3.el9_8; ALSA-2024:0811 ends at this one.
    ("almalinux:9", "sudo", "1.9.5p2-10.el9_3"): hits(
        "ALSA-2025:9978 ALSA-2026:12310 ALSA-2026:19220", fix="1.9.5p2-10.el9_6.1", severity=HIGH
    ),
}

DEBIAN: Pairs = {
    # CVE-2018-25032 ends at 1:1.2.11.dfsg-2+deb11u1 in 11 and at 1:1.2.11.dfsg-4 in 12; RubySec rates it 7.5, for
    # nokogiri. CVE-2022-37434 at -2+deb11u2 and -4.1.
    ("debian:11", "zlib", "1:1.2.11.dfsg-2"): hits(
        "2018-25032 2022-37434", fix="1:1.2.11.dfsg-2+deb11u1", severity=HIGH
    ),
    ("debian:11", "zlib", "1:1.2.11.dfsg-2+deb11u1"): hits(
        "2022-37434", fix="1:1.2.11.dfsg-2+deb11u2", severity=UNDEFINED
    ),
    ("debian:12", "zlib", "1:1.2.13.dfsg-1"): NONE,
    # Without the epoch it is below both.
    ("debian:12", "zlib", "1.2.13.dfsg-1"): hits("2022-37434 2018-25032", fix="1:1.2.11.dfsg-4.1", severity=UNDEFINED),
    # CVE-2022-48624 and CVE-2024-32487 end at 590-2.1~deb12u1, which is below 590-2.1; CVE-2022-46663 at 590-1.2.
    ("debian:12", "less", "590-2"): hits("2022-48624 2024-32487", fix="590-2.1~deb12u1", severity=UNDEFINED),
    ("debian:12", "less", "590-2.1~deb12u1"): NONE,
    ("debian:12", "less", "590-2.1"): NONE,
    # The same two in 11: 551-2+deb11u1. CVE-2022-46663 is not there.
    ("debian:11", "less", "551-2"): hits("2022-48624 2024-32487", fix="551-2+deb11u1", severity=UNDEFINED),
    # CVE-2022-1271 ends at 5.2.5-2.1~deb11u1, CVE-2026-34743 at 5.2.5-2.1~deb11u2.
    ("debian:11", "xz-utils", "5.2.5-2"): hits("2022-1271 2026-34743", fix="5.2.5-2.1~deb11u1", severity=UNDEFINED),
    ("debian:11", "xz-utils", "5.2.5-2.1~deb11u1"): hits("2026-34743", fix="5.2.5-2.1~deb11u2", severity=UNDEFINED),
    ("debian:11", "xz-utils", "5.2.5-2.1"): NONE,
    # CVE-2025-32462 ends at +deb12u2, CVE-2026-35535 at +deb12u4; CVE-2023-27320 at 1.9.13p3-1, CVE-2005-4890 at
    # 1.9.6-1~exp2.
    ("debian:12", "sudo", "1.9.13p3-1+deb12u1"): hits(
        "2025-32462 2026-35535", fix="1.9.13p3-1+deb12u2", severity=UNDEFINED
    ),
    # CVE-2021-43618 ends at 2:6.2.1+dfsg-1+deb11u1.
    ("debian:11", "gmp", "2:6.2.1+dfsg-1"): hits("2021-43618", fix="2:6.2.1+dfsg-1+deb11u1", severity=UNDEFINED),
    # CVE-2022-1304 ends at 1.46.6~rc1-1.
    ("debian:12", "e2fsprogs", "1.46.6~rc1-0.1"): hits("2022-1304", fix="1.46.6~rc1-1", severity=UNDEFINED),
    ("debian:12", "e2fsprogs", "1.46.6-1"): NONE,
}

ALPINE: Pairs = {
    # CVE-2019-16884 ends at 1.0.0_rc9, which has no `-r`; CVE-2019-5736 at 1.0.0_rc7.
    ("alpine:3.11", "runc", "1.0.0_rc8-r0"): hits("2019-16884", fix="1.0.0_rc9", severity=UNDEFINED),
    ("alpine:3.11", "runc", "1.0.0_rc9-r0"): NONE,
    ("alpine:3.11", "runc", "1.0.0-r0"): NONE,
    # In 3.9 community CVE-2019-5736 ends at 1.0.0_rc6-r1, and nothing is said of the other.
    ("alpine:3.9", "runc", "1.0.0_rc6-r0"): hits("2019-5736", fix="1.0.0_rc6-r1", severity=UNDEFINED),
    # CVE-2019-5747 stands under 1.29.3-r10 and 1.30.1-r2: the first fix was not enough.
    ("alpine:3.11", "busybox", "1.29.3-r10"): hits("2019-5747", fix="1.30.1-r2", severity=UNDEFINED),
    # CVE-2019-14697 ends at 1.1.23-r2.
    ("alpine:3.11", "musl", "1.1.23-r1"): hits("2019-14697", fix="1.1.23-r2", severity=UNDEFINED),
    ("alpine:3.11", "musl", "1.1.23-r10"): NONE,
    ("alpine:3.9", "musl", "1.1.20-r4"): hits("2019-14697", fix="1.1.20-r5", severity=UNDEFINED),
    # CVE-2018-10754 ends at 6.1_p20180414-r0; `_git` is above 6.1 and below `_p`.
    ("alpine:3.11", "ncurses", "6.1_git20190101-r0"): hits("2018-10754", fix="6.1_p20180414-r0", severity=UNDEFINED),
    # CVE-2018-18584 to -18586 end at 0.8_alpha-r0, four others at this one.
    ("alpine:3.11", "libmspack", "0.7.1_alpha-r0"): hits(
        "2018-18584 2018-18585 2018-18586", fix="0.8_alpha-r0", severity=UNDEFINED
    ),
    ("alpine:3.11", "libmspack", "0.8-r0"): NONE,
    # CVE-2019-1551 ends at 1.1.1d-r3, three at 1.1.1d-r1.
    ("alpine:3.11", "openssl", "1.1.1d-r2"): hits("2019-1551", fix="1.1.1d-r3", severity=UNDEFINED),
    # Ids with noise: `CVE_2019-2426`, `CVE-2017-17434-1` and `-2`, `CVE-2019-19451.patch`, `CVE 2018-16859`.
    ("alpine:3.11", "openjdk7", "7.201.2.6.16-r1"): hits(
        "2019-2426 2018-11212 2019-2422 2019-2602 2019-2684 2019-2698", fix="7.211.2.6.17-r0", severity=UNDEFINED
    ),
    ("alpine:3.11", "rsync", "3.1.2-r6"): hits("2017-17434 2017-16548 2017-17433", fix="3.1.2-r7", severity=UNDEFINED),
    ("alpine:3.11", "dia", "0.97.3-r0"): hits("2019-19451", fix="0.97.3-r1", severity=UNDEFINED),
    ("alpine:3.9", "ansible", "2.7.2-r0"): hits(
        "2018-16859 2018-16876 2019-38287 2019-101562 2019-10206", fix="2.7.3-r0", severity=UNDEFINED
    ),
    # Five CVEs under `0`: not affected, ever.
    ("alpine:3.8", "db", "5.3.28-r0"): NONE,
}

RUBYGEMS: Pairs = {
    # `= 2.2.10` and `>= 2.2.18` are patched of CVE-2020-36327, 8.8; `>= 2.2.33` of CVE-2021-43809, 6.7.
    ("rubygems", "bundler", "2.2.10"): hits("2021-43809", fix="2.2.33", severity=MEDIUM),
    ("rubygems", "bundler", "2.2.11"): hits("2020-36327 2021-43809", fix="2.2.18", severity=HIGH),
    # CVE-2022-24440: `= 1.6.0`, `>= 1.6.3` patched, `>= 1.6.0, < 1.6.2` unaffected, 8.1. CVE-2022-21223: `>= 1.6.2`.
    ("rubygems", "cocoapods-downloader", "1.6.2"): hits("2022-24440", fix="1.6.3", severity=HIGH),
    ("rubygems", "cocoapods-downloader", "1.6.1"): hits("2022-21223", fix="1.6.2", severity=HIGH),
    ("rubygems", "cocoapods-downloader", "1.5.9"): hits("2022-24440 2022-21223", fix="1.6.0", severity=HIGH),
    # CVE-2026-33210 has `~> 2.15.2.1`, `~> 2.17.1.2`, `>= 2.19.2` patched, 8.3 in CVSS v4; CVE-2026-54696 `>= 2.19.9`.
    ("rubygems", "json", "2.15.2.1"): hits("2026-54696", fix="2.19.9", severity=LOW),
    ("rubygems", "json", "2.16.0"): hits("2026-33210 2026-54696", fix="2.17.1.2", severity=HIGH),
    # CVE-2025-27788: below 2.10.0 unaffected.
    ("rubygems", "json", "2.10.1"): hits("2025-27788 2026-54696", fix="2.10.2", severity=HIGH),
    # A prerelease: `< 2.0.0.beta1` is unaffected of CVE-2018-11627, 6.1, and `< 2.0.0` of CVE-2018-7212.
    ("rubygems", "sinatra", "2.0.0.rc1"): hits(
        "2018-11627 2022-29970 2022-45442 2024-21510 2025-61921", fix="2.0.2", severity=MEDIUM
    ),
    # CVE-2023-28120 `~> 6.1.7, >= 6.1.7.3`, 5.3; -38037 `~> 6.1.7, >= 6.1.7.5`; three of 2026 from 7.2.3.1 on.
    # CVE-2023-22796 is patched in `~> 6.1.7, >= 6.1.7.1`.
    ("rubygems", "activesupport", "6.1.7.2"): hits(
        "2023-28120 2023-38037 2026-33169 2026-33170 2026-33176", fix="6.1.7.3", severity=MEDIUM
    ),
    # `>= 2.2.3`, 6.4; `>= 2.3.1`; three `>= 2.19.1`, unaffected below nothing, 2.1.0 and 2.2.0; `>= 2.25.2`. Three
    # others begin with 2.25.0, CVE-2018-8048 is patched in 2.2.1.
    ("rubygems", "loofah", "2.2.2"): hits(
        "2018-16468 2019-15587 2022-23514 2022-23515 2022-23516 2026-73490", fix="2.2.3", severity=MEDIUM
    ),
    # `~> 0.5.1` is below 0.6.
    ("rubygems", "i18n", "0.6.0"): hits("2013-4492 2014-10077", fix="0.6.6", severity=MEDIUM),
}

PACKAGIST: Pairs = {
    # The file 2014-12-29-1.yaml, without a CVE: >=1.8.0, <1.12.0. Composer's names have no case.
    ("packagist", "Monolog/Monolog", "1.11.0"): hits(
        "FRIENDSOFPHP-monolog/monolog-2014-12-29-1", fix="1.12.0", severity=UNDEFINED
    ),
    ("packagist", "monolog/monolog", "1.7.0"): NONE,
    # <0.18.3; CVE-2018-20583 is >=0.15.6, <0.18.1.
    ("packagist", "league/commonmark", "v0.18.1"): hits("2019-10010", fix="0.18.3", severity=UNDEFINED),
    # CVE-2017-14775: >=5.4.0, <=5.4.36 and no time; CVE-2017-9303: >=5.4.0, <5.4.22.
    ("packagist", "illuminate/auth", "v5.4.36"): hits("2017-14775", fix="", severity=UNDEFINED),
    ("packagist", "illuminate/auth", "v5.4.37"): NONE,
    # <=1.7.2 in one branch, >=2.0.0, <=2.1.0 in the other, neither fixed.
    ("packagist", "amphp/http", "1.7.2"): hits("2024-2653", fix="", severity=UNDEFINED),
    ("packagist", "amphp/http", "1.7.3"): NONE,
    # The branch 5.3.x, >=5.3.0, <5.4.0, has no time: 5.4.0 is no fix, and is in the branch 5.4.x, >=5.4.0, <5.4.52.
    ("packagist", "symfony/yaml", "v5.3.14"): hits(
        "2026-45133 2026-45304 2026-45305", fix="5.4.52", severity=UNDEFINED
    ),
    ("packagist", "symfony/yaml", "v5.4.51"): hits(
        "2026-45133 2026-45304 2026-45305", fix="5.4.52", severity=UNDEFINED
    ),
    # CVE-2021-34551 and -3603: <6.5.0; CVE-2020-36326: >=6.1.8, <6.4.1.
    ("packagist", "PHPMailer/PHPMailer", "v6.4.1"): hits("2021-34551 2021-3603", fix="6.5.0", severity=UNDEFINED),
    # A prerelease is an end of its own: CVE-2015-8371 is <1.0.0-beta1. Composer reads >=1.0 as >=1.0.0.0-dev: the three
    # of 2026 (>=1.0, <2.2.27 and the like) hold it too.
    ("packagist", "composer/composer", "1.0.0-alpha11"): hits(
        "2015-8371 2021-29472 2021-41116 2022-24828 2026-40176 2026-40261 2026-45793",
        fix="1.0.0-beta1",
        severity=UNDEFINED,
    ),
}

RUNTIMES: Pairs = {
    # 163 to 171, with `25.x` all but 166's `24.x || 25.x`, are patched in ^25.8.2; 163 is `high`.
    ("runtime", "node", "25.8.1"): hits(
        "2026-21637 2026-21710 2026-21711 2026-21712 2026-21713 2026-21714 2026-21715 2026-21716 2026-21717",
        fix="25.8.2",
        severity=HIGH,
    ),
    ("runtime", "node", "25.8.2"): NONE,
    # The same without 165, of 25.x alone.
    ("runtime", "node", "24.14.0"): hits(
        "2026-21637 2026-21710 2026-21712 2026-21713 2026-21714 2026-21715 2026-21716 2026-21717",
        fix="24.14.1",
        severity=HIGH,
    ),
    # 152: ^23.11.1. A prerelease of a line is in it.
    ("runtime", "node", "23.11.0"): hits("2025-23166", fix="23.11.1", severity=HIGH),
    # 141 and 150 are of win32 alone; 139 and 140 are patched in ^21.7.2.
    ("runtime", "node", "21.7.2"): NONE,
    # 103, 105, 106, 107: ^19.6.1. 104 has ^19.2.0.
    ("runtime", "node", "19.6.0"): hits("2023-23918 2023-23936 2023-24807 2023-23920", fix="19.6.1", severity=HIGH),
    # 93: ^17.7.2. 89 to 92 have ^17.3.1.
    ("runtime", "node", "17.7.1"): hits("2022-0778", fix="17.7.2", severity=HIGH),
    # 70 and 71 ^15.5.1, 72 ^15.5.0, 73 to 75 ^15.10.0, 76 and 77 ^15.14.0. 69 has 15.2.1, and 15.3.0 has its fix.
    ("runtime", "node", "15.3.0"): hits(
        "2020-8265 2020-8287 2020-1971 2021-22883 2021-22884 2021-23840 2021-3450 2021-3449",
        fix="15.5.1",
        severity=HIGH,
    ),
    # 63, 64, 65: ^13.8.0.
    ("runtime", "node", "13.7.0"): hits("2019-15604 2019-15605 2019-15606", fix="13.8.0", severity=HIGH),
    # 49, 50, 52: ^9.11.2; 51 is `9.7.x`, and patched in the same; 54 `<= 10`, patched in >= 10.9.0. 47 and 48: ^9.10.0.
    ("runtime", "node", "9.10.0"): hits(
        "2018-7161 2018-7162 2018-7164 2018-7167 2018-12115", fix="9.11.2", severity=HIGH
    ),
    # Below 9.7.0 without 51.
    ("runtime", "node", "9.6.1"): hits(
        "2018-7161 2018-7159 2018-7160 2018-7162 2018-7167 2018-12115", fix="9.11.2", severity=HIGH
    ),
    # CVE-2026-46727: `< 4.0` unaffected, `>= 4.0.5` patched, 8.1. CVE-2026-41316 `>= 4.0.3`.
    ("runtime", "ruby", "4.0.4"): hits("2026-46727", fix="4.0.5", severity=HIGH),
    ("runtime", "ruby", "4.0.5"): NONE,
    # CVE-2026-41316: `~> 3.3.12`, `~> 3.4.10`, 8.1. Those of 2025 have `~> 3.3.10` and `>= 3.4.8`.
    ("runtime", "ruby", "3.3.11"): hits("2026-41316", fix="3.3.12", severity=HIGH),
    ("runtime", "ruby", "3.4.9"): hits("2026-41316", fix="3.4.10", severity=HIGH),
    # PSF's records have commits, and none lists a version.
    ("runtime", "python", "3.8.0"): NONE,
}

EXPECTED: Pairs = {
    **PYPI, **NPM, **NODEJS, **GO, **CRATES, **MAVEN, **ALMALINUX, **DEBIAN, **ALPINE, **RUBYGEMS, **PACKAGIST,
    **RUNTIMES,
}  # fmt: skip

BINARIES: dict[Package, Hits] = {
    # A rebuild, +b1, is in the binary's version alone: CVE-2026-103111 ends at source 10.42-1+deb12u2.
    Package("dpkg", "debian:12", "libpcre2-8-0", "10.42-1+b1", "pcre2", "10.42-1", "amd64", ""): hits(
        "2026-103111", fix="10.42-1+deb12u2", severity=UNDEFINED
    ),
    # The rebuild of what fixes CVE-2024-28085.
    Package("dpkg", "debian:12", "mount", "2.38.1-5+deb12u1+b1", "util-linux", "2.38.1-5+deb12u1", "amd64", ""): NONE,
    # The binary has an epoch that its source has not, and would be above all fixes: CVE-2024-28085, 2.38.1-5+deb12u1.
    Package("dpkg", "debian:12", "bsdutils", "1:2.38.1-5+b1", "util-linux", "2.38.1-5", "amd64", ""): hits(
        "2024-28085", fix="2.38.1-5+deb12u1", severity=UNDEFINED
    ),
    # Of Alpine's subpackages secdb knows the origin.
    Package("apk", "alpine:3.11", "musl-utils", "1.1.23-r1", "musl", "1.1.23-r1", "x86_64", ""): hits(
        "2019-14697", fix="1.1.23-r2", severity=UNDEFINED
    ),
}


@dataclass(frozen=True, slots=True)
class Everything:
    """A generation of all shared advisories, and what the import said."""

    generation: Generation
    tally: Tally
    extras: Extras


def _build(path: Path, inputs: list[Path], base: Path | None = None) -> tuple[Tally, Extras]:
    extras = Extras()
    with GenerationBuilder(path, base) as builder:
        tally = documents.load(inputs, builder, extras=extras)
        builder.seal(datetime(2026, 6, 1, tzinfo=UTC))
    return tally, extras


@pytest.fixture(scope="session")
def everything(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    path = tmp_path_factory.mktemp("everything") / "generation.sqlite"
    tally, extras = _build(path, [shared / "advisories"])
    with Generation(path) as generation:
        yield Everything(generation, tally, extras)


def _compare(assessments: tuple[Assessment, ...], expected: Hits) -> None:
    found = {assessment.name: assessment for assessment in assessments}
    assert len(found) == len(assessments)
    if expected.total:
        assert len(found) == expected.total
        assert found.keys() >= expected.found
        assert found.keys().isdisjoint(expected.spared)
    else:
        assert found.keys() == expected.found
    assert {name: found[name].fix for name in expected.fix} == expected.fix
    assert {name: found[name].severity for name in expected.severity} == expected.severity


@pytest.mark.parametrize(("namespace", "name", "version"), EXPECTED)
def test_what_hits_a_version_is_what_the_advisories_say(
    everything: Everything, namespace: str, name: str, version: str
) -> None:
    """Every vulnerability that the raw records give for the version is found, none else, with that fix and severity."""
    found = everything.generation.match(package(canonical_name(namespace, name), version, namespace))
    _compare(found, EXPECTED[namespace, name, version])


@pytest.mark.parametrize("installed", BINARIES, ids=lambda item: f"{item.name}-{item.version}")
def test_the_version_of_the_source_decides(everything: Everything, installed: Package) -> None:
    """A binary package is hit by what its source's version is hit by, whatever its own name and version."""
    _compare(everything.generation.match(installed), BINARIES[installed])


def test_records_with_a_name_in_common_are_one_finding(everything: Everything) -> None:
    """GHSA-fvqr-27wr-82fm and NSWG-ECO-368 both name CVE-2018-3721: one finding, with both records and all ids."""
    found = {item.name: item for item in everything.generation.match(package("lodash", "4.17.4", "npm"))}
    assert {record.id for record in found["CVE-2018-3721"].records} == {"GHSA-fvqr-27wr-82fm", "NSWG-ECO-368"}
    assert {"CVE-2018-3721", "GHSA-fvqr-27wr-82fm", "NSWG-ECO-368"} <= set(found["CVE-2018-3721"].ids)


def test_two_cves_never_become_one(everything: Everything) -> None:
    """NSWG-ECO-22 names CVE-2014-1850 and CVE-2014-3743, and keeps both names; the latter has a finding of its own."""
    found = {item.name: item for item in everything.generation.match(package("marked", "0.3.0", "npm"))}
    assert {record.id for record in found["CVE-2014-3743"].records} == {"GHSA-9cw2-jqp5-7x39"}
    assert set(found["NSWG-ECO-22"].ids) == {"NSWG-ECO-22", "CVE-2014-1850", "CVE-2014-3743"}


def test_a_range_that_ends_without_a_fix_leaves_it_open(everything: Everything) -> None:
    """PYSEC-2022-42969 ends with `last_affected`, and the branch 5.4.x of illuminate/auth without a time: affected."""
    states = {
        item.name: item.state
        for name, version, namespace in (("py", "1.11.0", "pypi"), ("illuminate/auth", "v5.4.36", "packagist"))
        for item in everything.generation.match(package(name, version, namespace))
    }
    assert set(states.values()) == {"affected"}


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, archive.read(member)


def _osv(text: bytes, _: str) -> str:
    return str(json.loads(text)["id"])


def _nodejs(text: bytes, path: str) -> str:
    stated: dict[str, Any] = json.loads(text)
    return f"NSWG-ECO-{stated['id']}" if "module_name" in stated else f"NSWG-CORE-{Path(path).stem}"


def _yaml(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return found


def _rubysec(text: bytes, _: str) -> str:
    stated = _yaml(text)
    about = stated.get("gem") or stated.get("engine") or stated["library"]
    prefix = next(prefix for prefix in ("cve", "ghsa", "osvdb") if stated.get(prefix))
    return f"RUBYSEC-{about}-{prefix.upper()}-{stated[prefix]}"


def _friendsofphp(text: bytes, path: str) -> str:
    return f"FRIENDSOFPHP-{_yaml(text)['reference'].removeprefix('composer://').lower()}-{Path(path).stem}"


ONE_RECORD = {"osv": _osv, "nodejs": _nodejs, "rubysec": _rubysec, "friendsofphp": _friendsofphp}
"""How the record of a document is called, for zips of one record a document."""


def _kind(path: Path) -> str:
    return "osv" if path.parent.name == "osv" else path.stem.partition("-")[0]


def test_every_document_is_taken_or_named(everything: Everything, shared: Path) -> None:
    """Each file and zip member is a record in use, or stands among what is not used by reason; none is unreadable."""
    folder, tally = shared / "advisories", everything.tally
    stated: dict[str, dict[str, set[bytes]]] = {kind: {} for kind in ONE_RECORD}
    single = 0
    for path in sorted(folder.rglob("*.zip")):
        if (kind := _kind(path)) in ONE_RECORD:
            for member, text in _members(path):
                single += 1
                stated[kind].setdefault(ONE_RECORD[kind](text, member), set()).add(text)
    with closing(sqlite3.connect(everything.generation.path)) as file:
        in_use = set(file.execute("SELECT source, record FROM records"))
        left_out = set(file.execute("SELECT source, record FROM unused"))
    for kind, texts in stated.items():
        # AlmaLinux has its advisories on several releases in the zip of each, in the same words.
        assert {len(same) for same in texts.values()} == {1}
        assert texts.keys() == {record for source, record in in_use | left_out if source == kind}
    whole = [(name, json.loads(text)) for name, text in _members(folder / "native" / "alpine-secdb.zip")]
    assert {f"alpine-secdb/{name.removesuffix('.json')}" for name, _ in whole} == {
        source for source in everything.generation.sources if source.startswith("alpine-secdb/")
    }
    tracker = json.loads(gzip.decompress(next((folder / "native").glob("debian-*.json.gz")).read_bytes()))
    assert {record for source, record in in_use if source == "debian-tracker"} == {
        issue for issues in tracker.values() for issue in issues
    }
    # What has no record: two lists, the schema, a table of scores, VEX; and the extras.
    assert tally.unused["Debian's list of DSAs or DLAs: the tracker's JSON says more"] == 2
    assert tally.unused["not an advisory; a JSON schema"] == 1
    assert tally.unused["table that is not EPSS's"] == 1
    assert tally.unused["VEX: `hullwise vex add` takes it"] == 8
    enrichment = everything.extras.enrichment()
    assert (len(enrichment.exploited), len(enrichment.scores)) == (1_662, 1_556)
    tracked, extras = 1, 2
    assert tally.documents == single + len(whole) + tracked + extras + 2 + 1 + 1 + 8
    assert (tally.unreadable_count, tally.unreadable) == (0, [])


def test_the_reasons_are_those_of_the_data(everything: Everything, shared: Path) -> None:
    """As many records are left out for being withdrawn, naming no package or no vulnerability as the raw data has."""
    wanted: Counter[str] = Counter()
    for path in sorted((shared / "advisories" / "osv").glob("*.zip")):
        for _, text in _members(path):
            stated = json.loads(text)
            unnamed = not any(item.get("package") for item in stated["affected"])
            bugs = stated["id"][:4] in {"ALBA", "ALEA"} and not (stated.get("related") or stated.get("upstream"))
            wanted["withdrawn"] += bool(stated.get("withdrawn"))
            wanted["names no package"] += unnamed
            wanted["bug fix or enhancement that names no vulnerability"] += bugs
    assert {reason: everything.tally.unused[reason] for reason in wanted} == wanted


def test_neither_order_nor_what_was_there_before_changes_the_digest(
    everything: Everything, shared: Path, tmp_path: Path
) -> None:
    """The same files in the opposite order, imported over a generation of some of them, give the same digest."""
    files = sorted((path for path in (shared / "advisories").rglob("*") if path.is_file()), reverse=True)
    taken = [path for path in files if path.name.endswith((".zip", ".gz"))]
    partial, whole = tmp_path / "partial.sqlite", tmp_path / "whole.sqlite"
    _build(partial, taken[::3])
    _build(whole, taken, partial)
    with Generation(partial) as before, Generation(whole) as generation:
        assert before.digest != generation.digest
        assert generation.digest == everything.generation.digest
        assert generation.record_count == everything.generation.record_count

"""Who built a .deb that neither Debian nor Ubuntu built: their advisories do not speak of it, whatever its name.

A stanza of dpkg's does not name the repository that a package came from. What tells is how other repositories number
their builds, who maintains them, and fields that Debian's own tools never write. Only signs that no package of Debian
or Ubuntu has are taken; without one, a package is the distribution's. Of the 63,666 packages of Debian 12 in three
suites none has one (November 2026), nor do Debian's own backports (`~bpo12+1`), updates (`+deb12u1`, `~deb12u1`,
`+squeeze1`) and Ubuntu's (`0ubuntu0.22.04.1`, `~22.04.1`, `+esm1`).
"""

from __future__ import annotations

import re

# Releases whose name third parties write into versions. Not those before: Debian itself wrote `+wheezy1` and
# `~squeeze1`, until `+deb8u1`, and Ubuntu's backports `~precise1`.
_CODENAMES = (
    "jessie|stretch|buster|bullseye|bookworm|trixie|forky|duke"
    "|xenial|bionic|focal|jammy|kinetic|lunar|mantic|noble|oracular|plucky|questing|resolute"
)

_VERSIONS = {
    # deb.nodesource.com: nodejs 18.20.4-1nodesource1, 16.20.2-deb-1nodesource1
    "NodeSource": r"nodesource[0-9]",
    # apt.postgresql.org: postgresql-15 15.1-1.pgdg120+1, libpq5 17.0-1.pgdg22.04+1. Their maintainer is Debian's.
    "PostgreSQL": r"[.~+]pgdg[0-9+]",
    # mirror.mariadb.org: mariadb-server 1:10.11.2+maria~deb12, 1:10.6.12+maria~ubu2204
    "MariaDB": r"\+maria~",
    # packages.sury.org: php8.2 8.2.10-2+0~20230905.50+debian12~1.gbp1b2c3d
    # ppa:ondrej: php8.1 8.1.2-1+ubuntu22.04.1+deb.sury.org+1
    "deb.sury.org": r"\+0~20[0-9]{6}\.[0-9]+\+debian[0-9]+~|\+deb\.sury\.org",
    # ppa:git-core: git 1:2.39.2-0ppa1~ubuntu22.04.1, 1:2.11.0-2~ppa0~ubuntu16.04.1
    "a personal archive": r"~ppa[0-9]|-0ppa[0-9]",
    # nginx.org: 1.25.0-1~bookworm; docker.com: 5:24.0.5-1~debian.12~bookworm, 5:24.0.5-1~ubuntu.22.04~jammy;
    # redis.io: 6:7.2.0-1rl1~bookworm1; ppa:deadsnakes: python3.11 3.11.4-1+jammy1; puppet: 7.25.0-1bullseye
    "a repository for one release": rf"(?:[~+]|-[0-9.]+)(?:{_CODENAMES})(?![a-z])",
}
_VERSION = re.compile("|".join(f"({pattern})" for pattern in _VERSIONS.values()))

_MAINTAINERS = {
    "nodesource.com": "NodeSource",
    "nginx.com": "nginx.org",
    "nginx-packaging@f5.com": "nginx.org",
    "docker.com": "Docker",
    "containerd.io": "Docker",
    "maria-developers@lists.launchpad.net": "MariaDB",
    "lists.mariadb.org": "MariaDB",
    "mariadb.org": "MariaDB",
    "mariadb.com": "MariaDB",
    "mysql-build@oss.oracle.com": "MySQL",
    "percona.com": "Percona",
    "packaging@mongodb.com": "MongoDB",
    "redis.io": "Redis",
    "elastic.co": "Elastic",
    "influxdb.com": "InfluxData",
    "influxdata.com": "InfluxData",
    "contact@grafana.com": "Grafana",
    "support@gitlab.com": "GitLab",
    "hashicorp.com": "HashiCorp",
    "puppetlabs.com": "Puppet",
    "cudatools@nvidia.com": "NVIDIA",
    "chromium-packagers@google.com": "Google",
    "vscode-linux@microsoft.com": "Microsoft",
    "dotnetpackages@dotnetfoundation.org": "Microsoft",
}
"""By the address in `Maintainer`, or by its domain where nobody maintains anything of Debian's from there: people at
Google, Microsoft and NVIDIA do."""

_OWN = ("debian", "ubuntu")


def builder(version: str, maintainer: str, stated: str) -> str:
    """Who built a package, where that is neither Debian nor Ubuntu; empty where nothing says so.

    `stated`: its field `Vendor`, which fpm and nfpm write into every package and Debian's tools into none, or
    `Origin` (deb-control(5))."""
    if sign := _VERSION.search(version):
        return list(_VERSIONS)[(sign.lastindex or 1) - 1]
    address = maintainer.rpartition("<")[2].rstrip("> \t").lower()
    known = _MAINTAINERS.get(address) or _MAINTAINERS.get(address.rpartition("@")[2])
    return known or ("" if stated.lower().startswith(_OWN) else stated)

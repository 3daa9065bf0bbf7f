"""Applications that Bitnami built from source into its images: redis, postgresql, nginx, and what they are linked with.

No file of theirs says what they are but the SBOM beside each, `opt/bitnami/redis/.spdx-redis.spdx`, which `sbom` reads:

    pkg:bitnami/redis@7.4.1-0?arch=amd64&distro=debian-12     version, and behind the hyphen Bitnami's revision of it
"""

from __future__ import annotations

from hullwise.ecosystems.ecosystem import Ecosystem, Reading
from hullwise.ecosystems.namespaces import scheme


def read(path: str, data: bytes) -> Reading:
    """Nothing: no file is claimed."""
    return Reading()


BITNAMI = Ecosystem(
    name="bitnami",
    version=1,
    read=read,
    version_key=scheme("bitnami"),
    purl_type="bitnami",
    osv_names=("Bitnami",),
)

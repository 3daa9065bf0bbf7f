"""Every kind of package that is found in an image. A new one is a file here and a line in this list."""

from __future__ import annotations

from hullwise.ecosystems.apk import APK
from hullwise.ecosystems.bitnami import BITNAMI
from hullwise.ecosystems.conda import CONDA
from hullwise.ecosystems.dotnet import NUGET
from hullwise.ecosystems.dpkg import DPKG
from hullwise.ecosystems.ecosystem import Ecosystem
from hullwise.ecosystems.erlang import HEX
from hullwise.ecosystems.go import GO
from hullwise.ecosystems.java import MAVEN
from hullwise.ecosystems.node import NPM
from hullwise.ecosystems.os_release import OS_RELEASE
from hullwise.ecosystems.php import PACKAGIST
from hullwise.ecosystems.python import PYPI
from hullwise.ecosystems.rpm import RPM
from hullwise.ecosystems.ruby import RUBYGEMS
from hullwise.ecosystems.runtimes import RUNTIME
from hullwise.ecosystems.rust import CRATES
from hullwise.ecosystems.sbom import SBOM

ECOSYSTEMS: tuple[Ecosystem, ...] = (
    OS_RELEASE,
    DPKG,
    APK,
    RPM,
    PYPI,
    NPM,
    GO,
    CRATES,
    MAVEN,
    RUBYGEMS,
    PACKAGIST,
    NUGET,
    HEX,
    CONDA,
    BITNAMI,
    RUNTIME,
    SBOM,
)

BY_NAME: dict[str, Ecosystem] = {ecosystem.name: ecosystem for ecosystem in ECOSYSTEMS}

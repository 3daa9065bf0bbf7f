"""Language packages that a distribution's package installed are told by its lists of files, while they are those."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from hullwise.domain.packages import Occurrence, OwnedFile
from hullwise.ecosystems import ECOSYSTEMS
from hullwise.ecosystems.apk import APK
from hullwise.inventory.image import ReadLayer, merge
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import LayerLimits
from hullwise.inventory.walk import read_layer

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
OS = "ID=debian\nVERSION_ID=12\n"
STATUS = (
    "Package: python3-mako\nStatus: install ok installed\nVersion: 1.2-1\nSource: mako (1.2-1)\nArchitecture: all\n"
)
METADATA = "Metadata-Version: 2.1\nName: Mako\nVersion: 1.2\n"
SITE = "usr/lib/python3/dist-packages/Mako-1.2.dist-info/METADATA"
INFO = "var/lib/dpkg/info/python3-mako.md5sums"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def layer(entries: Mapping[str, str | bytes]) -> LayerInventory:
    """Files, and symbolic links where the content begins with `-> `."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str) and content.startswith("-> "):
                member.type, member.linkname = tarfile.SYMTYPE, content[3:]
                archive.addfile(member)
                continue
            data = content.encode() if isinstance(content, str) else content
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    buffer.seek(0)
    return read_layer(buffer, ECOSYSTEMS, LayerLimits())


def mako(*layers: Mapping[str, str]) -> Occurrence:
    """The one Python package of the image of these layers."""
    found = merge([ReadLayer(f"L{index}", layer(entries)) for index, entries in enumerate(layers)])
    (only,) = [each for each in found.occurrences if each.package.ecosystem == "pypi"]
    return only


DEBIAN = {
    "etc/os-release": OS,
    "var/lib/dpkg/status": STATUS,
    INFO: f"{md5(METADATA)}  {SITE}\n{md5('x')}  usr/share/doc/python3-mako/copyright\n",
    SITE: METADATA,
}


def test_a_file_of_a_package_has_an_owner() -> None:
    """Whose advisories are asked first: those on the source package, in the release of the image."""
    found = mako(DEBIAN)
    assert (found.owner, found.package.scope, found.package.namespace) == ("python3-mako", "debian:12 mako", "pypi")


def test_the_order_of_the_tar_does_not_matter() -> None:
    """The list may come before the file that it names, or after it."""
    assert mako(dict(reversed(DEBIAN.items()))).owner == "python3-mako"


def test_another_layer_may_have_the_list() -> None:
    """A layer that touches the lists alone, as `chmod -R` does, takes nothing away; nor does another package."""
    status = STATUS + "\nPackage: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n"
    found = mako(DEBIAN, {INFO: DEBIAN[INFO], "var/lib/dpkg/status": status})
    assert (found.owner, found.layer) == ("python3-mako", "L0")


def test_what_another_program_wrote_there_has_no_owner() -> None:
    """`pip install --upgrade` over the distribution's file: the digest is another."""
    found = mako(DEBIAN, {SITE: METADATA + "Home-page: elsewhere\n"})
    assert (found.owner, found.package.scope) == ("", "")


def test_a_package_that_was_removed_owns_nothing() -> None:
    """Its list may stay behind."""
    assert mako(DEBIAN, {"var/lib/dpkg/status": STATUS.replace("install ok", "deinstall ok config-files")}).owner == ""


@pytest.mark.parametrize("gone", ["var/lib/dpkg/info/.wh.python3-mako.md5sums", "var/lib/dpkg/.wh.info"])
def test_without_its_list_a_package_owns_nothing(gone: str) -> None:
    """Nothing says what it installed."""
    assert mako(DEBIAN, {gone: ""}).owner == ""


def test_a_list_may_name_a_path_through_a_link() -> None:
    """`lib` is a link to `usr/lib` since Debian merged them; older packages still say `lib/…`."""
    old = {**DEBIAN, INFO: f"{md5(METADATA)}  {SITE.removeprefix('usr/')}\n"}
    assert mako({"lib": "-> usr/lib", **old}).owner == "python3-mako"
    assert mako(old).owner == ""


def test_elsewhere_the_path_alone_tells() -> None:
    """Files outside of the folders of distributions are not hashed: a vendor's package in /opt owns them by name."""
    path = f"opt/vendor/{SITE}"
    entries = {**DEBIAN, INFO: f"{md5('another')}  {path}\n", path: METADATA}
    del entries[SITE]
    assert mako(entries).owner == "python3-mako"


def test_an_owner_of_no_known_release_is_named_only() -> None:
    """Nobody publishes advisories on it: what is said upstream stands."""
    found = mako({**DEBIAN, "etc/os-release": "ID=hull\nVERSION_ID=1\n"})
    assert (found.owner, found.package.scope) == ("python3-mako", "")


def test_an_owner_of_another_repository_is_named_only() -> None:
    """The distribution's advisories do not speak of what is in a vendor's own package."""
    status = STATUS + "Maintainer: Fleet <fleet@docker.com>\n"
    found = mako({**DEBIAN, "var/lib/dpkg/status": status})
    assert (found.owner, found.package.scope, found.package.namespace) == ("python3-mako", "", "pypi")


@pytest.mark.parametrize("version", ["", "x:1.2-1"])
def test_an_owner_that_is_not_judged_is_named_only(version: str) -> None:
    """Nothing can be compared with its version: what is said upstream of its content stands."""
    status = STATUS.replace("Version: 1.2-1", f"Version: {version}").replace("mako (1.2-1)", "mako")
    found = mako({**DEBIAN, "var/lib/dpkg/status": status})
    assert (found.owner, found.package.scope) == ("python3-mako", "")


SBOM_OF_MAKO = json.dumps({"bomFormat": "CycloneDX", "components": [{"purl": "pkg:pypi/mako@1.2"}]})
LAUNCH = "layers/sbom/launch/app/sbom.cdx.json"


def makos(image: Mapping[str, str]) -> list[tuple[str, str]]:
    """Place and scope of each in an image of one layer."""
    return [
        (each.path, each.package.scope)
        for each in merge([ReadLayer("L", layer(image))]).occurrences
        if each.package.ecosystem == "pypi"
    ]


def test_what_an_application_brought_along_is_not_what_was_installed_for_the_distribution() -> None:
    """An SBOM that names the same package as the distribution's own file speaks of another one; beside a file of the
    application's, or in the same package of the distribution, it says nothing new."""
    own, mine = (SITE, "debian:12 mako"), "app/lib/Mako-1.2.dist-info/METADATA"
    assert makos({**DEBIAN, LAUNCH: SBOM_OF_MAKO}) == [(LAUNCH, ""), own]
    assert makos({**DEBIAN, LAUNCH: SBOM_OF_MAKO, mine: METADATA}) == [(mine, ""), own]
    within = "usr/lib/python3/dist-packages/Mako-1.2.dist-info/sboms/mako.cdx.json"
    listed = DEBIAN[INFO] + f"{md5(SBOM_OF_MAKO)}  {within}\n"
    assert makos({**DEBIAN, INFO: listed, within: SBOM_OF_MAKO}) == [own]


def test_a_guess_does_not_silence_an_sbom() -> None:
    """A jar without pom.properties is never matched; the same artifact in an SBOM is."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        manifest = "Implementation-Vendor-Id: org.apache.commons\nImplementation-Version: 1.9\n"
        archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{manifest}\n")
        archive.writestr("A.class", b"\xca\xfe\xba\xbe")
    purl = {"purl": "pkg:maven/org.apache.commons/commons-text@1.9"}
    sbom = json.dumps({"bomFormat": "CycloneDX", "components": [purl]})
    image: dict[str, str | bytes] = {"app/lib/commons-text-1.9.jar": jar.getvalue(), LAUNCH: sbom}
    found = merge([ReadLayer("L", layer(image))]).occurrences
    assert [(each.path, each.package.namespace) for each in found] == [
        ("app/lib/commons-text-1.9.jar", ""),
        (LAUNCH, "maven"),
    ]
    assert {each.package.name for each in found} == {"org.apache.commons:commons-text"}


def test_a_jar_that_names_itself_is_listed_once() -> None:
    """The SBOM of the application around it says nothing new of it."""

    def jar(members: Mapping[str, str | bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return out.getvalue()

    properties = "version=1.9\ngroupId=org.apache.commons\nartifactId=commons-text\n"
    text = jar({"META-INF/maven/org.apache.commons/commons-text/pom.properties": properties})
    purls = [{"purl": f"pkg:maven/org.apache.commons/commons-{name}"} for name in ("text@1.9", "lang3@3.12.0")]
    sbom = json.dumps({"bomFormat": "CycloneDX", "components": purls})
    app = jar({"META-INF/sbom/application.cdx.json": sbom, "BOOT-INF/lib/text.jar": text})
    assert [
        (each.path, each.package.name, each.package.namespace)
        for each in merge([ReadLayer("L", layer({"app.jar": app}))]).occurrences
    ] == [
        ("app.jar!/BOOT-INF/lib/text.jar", "org.apache.commons:commons-text", "maven"),
        ("app.jar!/META-INF/sbom/application.cdx.json", "org.apache.commons:commons-lang3", "maven"),
    ]


def test_alpine_keeps_sha1() -> None:
    """`Z:Q1` and the digest in base 64 after each `R:`, below its folder `F:` (apk-package(5))."""
    sha1 = base64.b64encode(hashlib.sha1(METADATA.encode(), usedforsecurity=False).digest()).decode()
    site = "usr/lib/python3.12/site-packages/Mako-1.2.dist-info"
    installed = f"P:py3-mako\nV:1.2-r0\nA:noarch\no:py3-mako\nF:{site}\nR:METADATA\na:0:0:644\nZ:Q1{sha1}\n"
    image = {
        "etc/os-release": "ID=alpine\nVERSION_ID=3.20.1\n",
        "lib/apk/db/installed": installed,
        f"{site}/METADATA": METADATA,
    }
    assert (mako(image).owner, mako(image).package.scope) == ("py3-mako", "alpine:3.20 py3-mako")
    assert mako(image, {f"{site}/METADATA": METADATA + "License: MIT\n"}).owner == ""


@pytest.mark.parametrize(
    ("owner", "source", "path", "data", "runtime"),
    [
        (
            "libruby3.1",
            "ruby3.1",
            "usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb",
            (ASSETS / "ruby-3.1.2.rbconfig.rb").read_text(),
            "ruby 3.1.2",
        ),
        (
            "libpython3.11-dev",
            "python3.11",
            "usr/include/python3.11/patchlevel.h",
            (ASSETS / "python-3.11.7.patchlevel.h").read_text(),
            "python 3.11.7",
        ),
    ],
)
def test_a_runtime_of_the_distribution_has_an_owner(
    owner: str, source: str, path: str, data: str, runtime: str
) -> None:
    """As Debian 12 lists them, by architecture; the same file elsewhere is nobody's."""
    status = f"Package: {owner}\nStatus: install ok installed\nVersion: 1.0-1\nSource: {source}\nArchitecture: amd64\n"
    image = {
        "etc/os-release": OS,
        "var/lib/dpkg/status": status,
        f"var/lib/dpkg/info/{owner}:amd64.md5sums": f"{md5(data)}  {path}\n",
        path: data,
        f"opt/{path}": data,
    }
    found = merge([ReadLayer("L", layer(image))]).occurrences
    assert [
        (each.path, f"{each.package.name} {each.package.version}", each.owner, each.package.scope)
        for each in found
        if each.package.ecosystem == "runtime"
    ] == [(f"opt/{path}", runtime, "", ""), (path, runtime, owner, f"debian:12 {source}")]


def test_layers_keep_only_what_some_reader_wants() -> None:
    """Of a list of thousands of files, the few that name packages of languages."""
    kept = [file.path for reading in layer(DEBIAN).readings for file in reading.owned]
    assert kept == [SITE]


SHA1, SHA256, MD5 = (bytes(range(size)) for size in (20, 32, 16))
"""Digests of nothing in particular."""


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


@pytest.mark.parametrize(
    ("stated", "digest"),
    [
        (f"Q1{_base64(SHA1)}", f"sha1:{SHA1.hex()}"),
        (f"Q2{_base64(SHA256)}", f"sha256:{SHA256.hex()}"),
        (f"Q1{_base64(SHA256[:20])}{_base64(SHA256[20:])}", f"sha256:{SHA256.hex()}"),
        (f"X1{SHA1.hex()}", f"sha1:{SHA1.hex()}"),
        (f"X1{SHA256.hex()}", f"sha256:{SHA256.hex()}"),
        (f"X2{SHA256.hex()}", f"sha256:{SHA256.hex()}"),
        (MD5.hex(), f"md5:{MD5.hex()}"),
        ("Q1=", "sha1:"),
        ("Q3AAAA", "sha1:"),
        ("X1xyz", "sha1:"),
        ("", "sha1:"),
    ],
)
def test_checksums_of_every_apk(stated: str, digest: str) -> None:
    """As apk-tools reads them (`apk_blob_pull_digest`); what is none is that of no file."""
    data = f"P:a\nV:1-r0\nF:usr/bin\nR:a\nZ:{stated}\n".encode()
    (owned,) = APK.read("lib/apk/db/installed", data).owned
    assert owned == OwnedFile("a", "usr/bin/a", digest)

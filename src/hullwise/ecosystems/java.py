"""Installed Java libraries: jars, and archives of jars (wars, ears, executable jars of Spring Boot), by what is inside.

    META-INF/maven/GROUP/ARTIFACT/pom.properties   groupId, artifactId and version; one for each library that a
                                                   shaded jar was made of; as Maven Archiver writes it. What it leaves
                                                   out of group and artifact, its path says. Read where an archive was
                                                   unpacked too
    META-INF/MANIFEST.MF                           JAR File Specification: names and versions as their makers like them
    META-INF/sbom/*.json                           what an application brings along (Spring Boot, "SBOM" of its build
                                                   plugins), as `sbom` reads it
    BOOT-INF/lib/, WEB-INF/lib/, lib/, ...         jars in jars

Only pom.properties and SBOMs name a library with certainty. For an archive that has no pom.properties, or only those of
others while its file's name has a version, its manifest and its file's name are guessed from. Their makers name
themselves as they like (`com.google.inject` is `com.google.inject:guice`), so a guess finds no advisory: it would miss
what there is and find what is not. A guess without a version would tell nothing beyond the file's path, and is left
out; one that an SBOM around it names is too.

No claim is laid to jmod files, which are parts of a JDK and no libraries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from hullwise.domain.packages import FoundPackage
from hullwise.ecosystems import sbom
from hullwise.ecosystems.archives import MIB, Archive, Exhausted, Member, Work
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable
from hullwise.ecosystems.namespaces import PUBLISHERS

ENDINGS = (".jar", ".war", ".ear", ".rar", ".par", ".sar", ".hpi", ".jpi", ".nar")
"""Libraries; web, enterprise, resource, persistence and service archives; plugins of Jenkins; archives of NiFi."""

DEEPEST = 8
"""Archives inside each other. Real ones have three: jar, war, ear."""

HELD_BYTES = 64 * MIB
"""Bytes of packed archives that are unpacked at once, one inside the other. Those that are stored take none."""

LONGEST = 256
"""Characters of a name and of a version."""

_PROPERTIES_BYTES = 4096
"""Bytes of a pom.properties; real ones have 60 to 200."""

_MANIFEST_BYTES = 128 << 10
"""Bytes of a manifest that are read: its main section is at its beginning, the rest are digests of files."""

_SBOM_BYTES = 8 * MIB
"""Bytes of an SBOM: some KB a library, with licences and digests."""

_LONGEST_PLACE = 1024
"""Characters, of which the last are kept."""

_DOCUMENTS = ("-sources", "-javadoc")
"""Classifiers of jars that have the pom.properties of a library and none of its classes: Maven's source plugin has
written it into them since 3.0.0."""

_SUFFIXES = (*ENDINGS, *(ending.upper() for ending in ENDINGS))
_NESTED = tuple(suffix.encode() for suffix in _SUFFIXES)
_MANIFEST = b"META-INF/MANIFEST.MF"
# Not every .json: a war may have thousands for its pages.
_SBOMS = (b".cdx.json", b".spdx.json", b"bom.json")
_PROPERTIES = "pom.properties"
_WANTED = (b"/pom.properties", _MANIFEST, *_SBOMS, *_NESTED)

_POM = re.compile(rb"(?:.*/)?META-INF/maven/([^/]+)/([^/]+)/pom\.properties", re.DOTALL)
_SBOM = re.compile(rb"(?:.*/)?META-INF/sbom/[^/]+", re.DOTALL)
_PACKED_BY_RAR = b"Rar!"
"""How archives begin that are called as Java's resource adapters are."""

# java.util.Properties takes more: other escapes, lines that go on. Values that would need them fit no pattern below.
_PROPERTY = re.compile(rb"^[ \t\f]*(groupId|artifactId|version)[ \t\f]*[=: \t\f][ \t\f]*([^\r\n]*)", re.MULTILINE)

# Attributes of manifests: JAR File Specification, OSGi Core, and Jenkins' plugins. Specification-Version is left out:
# it is that of an API. They come after the name of a file with a version in it, which is nearer to Maven's.
_OF_VERSION = ("implementation-version", "plugin-version", "bundle-version")
_OF_NAME = ("short-name", "bundle-symbolicname", "automatic-module-name", "implementation-title")
_OF_GROUP = ("group-id", "implementation-vendor-id")
_ATTRIBUTE = re.compile(
    rf"^({'|'.join((*_OF_VERSION, *_OF_NAME, *_OF_GROUP))}): *([^;\n]*)".encode(), re.MULTILINE | re.IGNORECASE
)

# Maven's model validator takes these letters in a group and an artifact. Expressions that nobody filled in
# (`${project.version}`, `@version@`) do not fit either.
_ID = re.compile(r"[A-Za-z0-9_.-]+")
_VERSION = re.compile(r"[A-Za-z0-9_.+~-]+")

_DIGIT = re.compile("[0-9]")
# What goes on in a version behind a hyphen: `1.0-beta-2`, but not the `api` of `log4j-1.2-api-2.17.1`.
_FURTHER = re.compile(
    "[0-9]|(?:alpha|beta|milestone|rc|cr|snapshot|sp|[abm]|pre|ga|final|release)(?![a-z])", re.IGNORECASE
)


def claims(path: str) -> bool:
    """Every archive of Java, wherever it lies: a class path may name any folder. Of one that was unpacked, each
    pom.properties."""
    return path.endswith(_SUFFIXES) or _pom(path) is not None


def _pom(path: str) -> re.Match[bytes] | None:
    return _POM.fullmatch(path.encode("utf-8", "backslashreplace")) if path.endswith(_PROPERTIES) else None


def read(path: str, data: bytes) -> Reading:
    """The libraries in an archive and in all archives inside it, each once for each place; of an archive that was
    unpacked, the one that this pom.properties names.

    What can not be read of it (encrypted members, archives too deep or too large, damage inside) is passed over where
    any library is certain. Raises `Unreadable` where none is, and where it is no zip archive; an empty file says
    nothing."""
    if not data:
        return Reading()
    if pom := _pom(path):
        if len(data) > _PROPERTIES_BYTES:
            raise Unreadable(f"more than {_PROPERTIES_BYTES:,} bytes")
        return Reading(packages=tuple(_certain(data, pom, _Place("", path))))
    reader = _Reader(Work(len(data)))
    try:
        reader.archive(_Place("", path), memoryview(data), DEEPEST, HELD_BYTES)
    except Unreadable as error:
        reader.problems.append(str(error))
    if reader.problems and all(package.unmatched for package in reader.found):
        raise Unreadable(reader.problems[0])
    return Reading(packages=tuple(dict.fromkeys(reader.found)))


class _Place(NamedTuple):
    """Where an archive is."""

    inside: str
    """As in `FoundPackage.place`."""

    path: str
    """In the archive around it, or in the image."""

    def of(self, member: Member) -> _Place:
        path = _text(member.name)
        return _Place(f"{self.inside}!/{path}"[-_LONGEST_PLACE:] if self.inside else path, path)


class _Reader:
    """What is found in an archive and those inside it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._purls = sbom.MOST_PURLS
        self.found: list[FoundPackage] = []
        self.problems: list[str] = []

    def archive(self, place: _Place, data: memoryview, depth: int, held: int) -> None:
        """Note the libraries of an archive: its own, then those of the archives in it."""
        if data[: len(_PACKED_BY_RAR)] == _PACKED_BY_RAR:
            return
        archive = Archive(data, self._work)
        members = list(archive.members(_WANTED))
        own: list[FoundPackage] = []
        for member in members:
            if pom := _POM.fullmatch(member.name):
                with self._noting():
                    own += _certain(archive.text(member, _PROPERTIES_BYTES), pom, place)
        if not own or not _itself(own, place):
            with self._noting():
                own += _guessed(_manifest(archive, members), place)
        nested = [member for member in members if member.size and member.name.endswith(_NESTED)]
        # What the SBOM of a library in an archive names was there when that was built, and need not be here.
        own += self._listed(archive, members, place) if nested or not place.inside else []
        if _stem(place)[0].endswith(_DOCUMENTS):
            own = [msgspec.structs.replace(package, unmatched=True) for package in own]
        self.found += own
        begin = len(self.found)
        for member in nested:
            with self._noting():
                self._nested(archive, member, place, depth - 1, held)
        listed = {_called(package) for package in own if package.ecosystem == MAVEN.name and not package.unmatched}
        self.found[begin:] = [
            package for package in self.found[begin:] if not package.unmatched or _called(package) not in listed
        ]

    def _listed(self, archive: Archive, members: Sequence[Member], place: _Place) -> list[FoundPackage]:
        """What the SBOMs of an archive say that is in it. Raises `Exhausted`."""
        found: list[FoundPackage] = []
        for member in members:
            if member.name.endswith(_SBOMS) and _SBOM.fullmatch(member.name):
                inside, path = place.of(member)
                with self._noting():
                    packages = sbom.read(path, archive.text(member, _SBOM_BYTES)).packages
                    self._purls -= len(packages)
                    if self._purls < 0:
                        raise Exhausted(f"more than {sbom.MOST_PURLS:,} packages in SBOMs in all")
                    found += (msgspec.structs.replace(package, place=inside) for package in packages)
        return found

    def _nested(self, archive: Archive, member: Member, place: _Place, depth: int, held: int) -> None:
        if not depth:
            raise Unreadable(f"more than {DEEPEST} archives inside each other")
        content = archive.content(member, held)
        self.archive(place.of(member), content, depth, held if member.stored else held - len(content))

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Go on after what can not be read, unless it is because too much was."""
        try:
            yield
        except Exhausted:
            raise
        except Unreadable as error:
            self.problems.append(str(error))


def _called(package: FoundPackage) -> tuple[str, str]:
    """Artifact and version."""
    return package.name.rpartition(":")[2], package.version


def _text(name: bytes) -> str:
    """The name of a member, printable: what is not UTF-8 or no plain text is escaped."""
    text = name[-_LONGEST_PLACE:].decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()[-_LONGEST_PLACE:]


def _fitting(pattern: re.Pattern[str], value: str) -> str:
    value = value.strip()
    return value if len(value) <= LONGEST and pattern.fullmatch(value) else ""


def _certain(properties: bytes, pom: re.Match[bytes], place: _Place) -> list[FoundPackage]:
    """The library that a pom.properties names with group, artifact and version, or none. `pom`: its path."""
    said = {"groupId": pom[1].decode("latin-1"), "artifactId": pom[2].decode("latin-1")}
    said |= {key.decode(): value.decode("latin-1") for key, value in _PROPERTY.findall(properties)}
    group, artifact = (_fitting(_ID, said.get(key, "")) for key in ("groupId", "artifactId"))
    version = _fitting(_VERSION, said.get("version", ""))
    name = f"{group}:{artifact}"
    if not (group and artifact and version) or len(name) > LONGEST:
        return []
    return [FoundPackage(name, version, place=place.inside)]


def _manifest(archive: Archive, members: Sequence[Member]) -> dict[str, str]:
    """The attributes that are guessed from, by their names in lower case, of the manifest's main section."""
    for member in members:
        if member.name == _MANIFEST:
            text = archive.head(member, _MANIFEST_BYTES).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            main = text.partition(b"\n\n")[0].replace(b"\n ", b"")
            return {name.decode().lower(): value.decode("latin-1") for name, value in _ATTRIBUTE.findall(main)}
    return {}


def _divided(stem: str) -> tuple[str, str]:
    """Name and version of a file called `name-version`; empty without a version.

    The version begins with a number, and may end with a platform: `netty-all` and `4.1.68.Final-linux-x86_64`."""
    parts = stem.split("-")
    last = max(at for at, part in enumerate(parts) if not at or _DIGIT.match(part))
    first = last
    while first > 1 and _FURTHER.match(parts[first - 1]):
        first -= 1
    while first < last and not _DIGIT.match(parts[first]):
        first += 1
    return ("-".join(parts[:first]), "-".join(parts[first:])) if last and stem[0] != "-" else ("", "")


def _stem(place: _Place) -> tuple[str, str, str]:
    """The file's name without its ending, and as it is divided."""
    stem = place.path.rpartition("/")[2].rpartition(".")[0]
    return stem, *(_divided(stem) if len(stem) <= LONGEST else ("", ""))


def _itself(certain: Sequence[FoundPackage], place: _Place) -> bool:
    """Whether an archive is one of the libraries that its pom.properties name, as far as its file's name tells: by
    Maven `quarkus-core-2.0.jar`, by Quarkus and sbt `io.quarkus.quarkus-core-2.0.jar`. A name without a version tells
    nothing, and is taken for that of the library."""
    stem, name, _ = _stem(place)
    if not name:
        return True
    for package in certain:
        full = package.name.replace(":", ".")
        artifact = package.name.rpartition(":")[2]
        # An artifact may end as versions begin: `a-2` of `a-2-1.0.jar`.
        if name in (artifact, full) or stem.startswith((f"{artifact}-{package.version}", f"{full}-{package.version}")):
            return True
    return False


def _version(called: str, said: str) -> str:
    """The version that a file's name has, or what its manifest says where there is none. Repositories name files, and
    manifests say more than the version (`1.9.10-release-459`), or what was forgotten in them.

    What a manifest leaves out at the end may be a classifier (`3.3.1-natives-linux`), and is left out too."""
    rest = called.removeprefix(f"{said}-")
    return said if not called or (rest != called and not _FURTHER.match(rest)) else called


def _guessed(manifest: Mapping[str, str], place: _Place) -> list[FoundPackage]:
    """What an archive may be of which nothing is certain, from its manifest and its file's name; none without a
    version."""
    stem, stem_name, stem_version = _stem(place)
    values = [manifest.get(name, "") for name in _OF_VERSION]
    said = next((version for value in values if (version := _fitting(_VERSION, value))), "")
    version = _version(_fitting(_VERSION, stem_version) if _fitting(_ID, stem_name) else "", said)
    values = [stem_name, *(manifest.get(name, "") for name in _OF_NAME), stem]
    artifact = next((name for value in values if (name := _fitting(_ID, value))), "")
    if not version or not artifact:
        return []
    symbolic = manifest.get("bundle-symbolicname", "").strip()
    # Made by the Maven Bundle Plugin from group and artifact.
    around = symbolic.removesuffix(f".{artifact}") if symbolic.endswith(f".{artifact}") else ""
    values = [*(manifest.get(name, "") for name in _OF_GROUP), around]
    group = next((group for value in values if (group := _fitting(_ID, value))), "")
    name = f"{group}:{artifact}" if group else artifact
    return [FoundPackage(name[-LONGEST:], version, place=place.inside, unmatched=True)]


MAVEN = Ecosystem(
    name="maven",
    version=3,
    basenames=frozenset({_PROPERTIES}),
    suffixes=_SUFFIXES,
    claims=claims,
    read=read,
    file_limit=256 * MIB,
    version_key=PUBLISHERS["maven"].version_key,
    purl_type="maven",
    osv_names=("Maven",),
)

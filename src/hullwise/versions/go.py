"""Go's order of versions, as keys of bytes: those of modules, and those of Go itself.

A module's version is a semantic version (golang.org/ref/mod, Versions), and so is a pseudo-version. Go's own (package
`stdlib` and command `toolchain` in Go's vulnerability database) are written `go1.22rc1` by Go and `1.22.0-rc.1` by the
database; both have the key that `semver` gives to the latter.
"""

from __future__ import annotations

import re

from hullwise.versions import semver
from hullwise.versions.invalid import LONGEST, InvalidVersion

# What may follow: a builder's own suffix (`-custom`, `+auto`, `b7` of the BoringCrypto branches), and after a blank
# experiments (`X:loopvar`) or a distribution's words.
_GO = re.compile(
    r"go(?P<numbers>[0-9]+(?:\.[0-9]+){0,2})(?:(?P<kind>alpha|beta|rc)(?P<count>[0-9]+)|b[0-9]+)?(?:[-+ ].*)?"
)
_BARE = re.compile(r"(?P<numbers>[0-9]+(?:\.[0-9]+){1,2})(?P<kind>alpha|beta|rc)(?P<count>[0-9]+)")


def key(version: str) -> bytes:
    """Bytes that sort as Go sorts versions, and are equal for versions of equal precedence.

    `v` in front, `+incompatible` and left-out numbers do not count: `go1.21` is 1.21.0, as in the database. Go's own
    form is known by `go` in front or by `rc1` after the numbers. Raises `InvalidVersion` for anything else, such as
    `(devel)` and `devel go1.23-1a2b3c`, and for more than `LONGEST` characters.
    """
    if len(version) <= LONGEST:
        match = _GO.fullmatch(version) or _BARE.fullmatch(version)
        text = version if match is None else match["numbers"]
        if match is not None and match["kind"]:
            text += f"-{match['kind']}.{match['count']}"
        try:
            return semver.key(text)
        except InvalidVersion:
            pass
    raise InvalidVersion("Go", version)

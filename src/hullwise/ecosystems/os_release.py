"""Which Linux this is: os-release, as os-release(5) of systemd defines it."""

from __future__ import annotations

import re

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable

PATHS = frozenset({"etc/os-release", "usr/lib/os-release"})

LONGEST_VALUE = 512
"""Characters of a value that is read. Real ones stay below 100."""

# One assignment a line. A value may be in double or single quotes; unquoted text with blanks, which a shell would
# not take, is read to the end of its line or a comment, because people write `PRETTY_NAME=Alpine Linux v3.19`.
_ASSIGNMENT = re.compile(
    r"""([A-Za-z_][A-Za-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^"'\s].*?)?)(?:\s#.*)?""", re.ASCII
)
_ESCAPE = re.compile(r"""\\(["'\\$`])""")
_ID = re.compile(r"[a-z0-9._-]+")


def _assignments(text: str) -> dict[str, str]:
    """Every assignment; the last of a name counts, as it would in a shell. Lines that are none are passed over."""
    found = {}
    for line in text.split("\n"):
        if match := _ASSIGNMENT.fullmatch(line.strip()):
            name, double, single, bare = match.groups()
            found[name] = single if single is not None else _ESCAPE.sub(r"\1", double or (bare or "").strip())
    return found


def _check(name: str, value: str) -> str:
    if len(value) > LONGEST_VALUE or not value.isprintable():
        raise Unreadable(f"{name} is no plain text of up to {LONGEST_VALUE} characters")
    return value


def read(path: str, data: bytes) -> Reading:
    """The distribution that an os-release file describes; without `ID` it is `linux`, the default of the format."""
    if not data.strip():
        return Reading()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    found = _assignments(text)
    if not found:
        raise Unreadable("no assignment in it")
    values = {
        name: _check(name, found.get(name, ""))
        for name in ("ID", "VERSION_ID", "VERSION_CODENAME", "ID_LIKE", "PRETTY_NAME")
    }
    identity = values["ID"].lower() or "linux"
    if not _ID.fullmatch(identity):
        raise Unreadable("ID is no distribution's name")
    return Reading(
        distribution=Distribution(
            id=identity,
            version=values["VERSION_ID"],
            codename=values["VERSION_CODENAME"].lower(),
            like=tuple(values["ID_LIKE"].lower().split()),
            name=values["PRETTY_NAME"],
        )
    )


OS_RELEASE = Ecosystem(
    name="os-release",
    version=1,
    basenames=frozenset({"os-release"}),
    claims=PATHS.__contains__,
    read=read,
    file_limit=64 << 10,
)

"""Which Linux this is: os-release, as os-release(5) of systemd defines it, and the branch of Alpine's packages.

    etc/os-release, usr/lib/os-release     names the distribution and its release
    etc/apk/repositories                   where apk takes packages from: `…/alpine/v3.19/main`, `…/alpine/edge/main`

An image whose repositories are all of one branch has that branch's packages, whatever os-release said when the image
was begun: it is the file of a package that may not have been upgraded yet.
"""

from __future__ import annotations

import re

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.ecosystem import Ecosystem, Reading, Unreadable

REPOSITORIES = "etc/apk/repositories"
PATHS = frozenset({"etc/os-release", "usr/lib/os-release", REPOSITORIES})

_BRANCH = re.compile(r"/alpine/(?:v([0-9]{1,3}\.[0-9]{1,3})|(edge))/[a-z]+/?")

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


def _branch(text: str) -> Reading:
    """Alpine at the one branch of all repositories that are in use. Raises Unreadable where there are several, tagged
    ones (`@edge`) too: no package says which of them it is from."""
    lines = [line.strip() for line in text.split("\n")]
    used = [line for line in lines if line and not line.startswith("#")]
    branches = {match[1] or match[2] for line in used if (match := _BRANCH.search(line))}
    if len(branches) > 1:
        raise Unreadable(f"no one branch but {' and '.join(sorted(branches))}, and a package may be of any of them")
    if not branches:
        return Reading()
    return Reading(distribution=Distribution("alpine", branches.pop()))


def read(path: str, data: bytes) -> Reading:
    """The distribution that an os-release file describes; without `ID` it is `linux`, the default of the format. Of
    apk's repositories: Alpine at their branch."""
    if not data.strip():
        return Reading()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    if path == REPOSITORIES:
        return _branch(text)
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
    version=3,
    basenames=frozenset({"os-release", "repositories"}),
    claims=PATHS.__contains__,
    read=read,
    file_limit=64 << 10,
)

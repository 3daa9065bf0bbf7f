"""The reader of os-release. Expected values: os-release(5) and real files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hullwise.domain.packages import Distribution
from hullwise.ecosystems.ecosystem import Reading, Unreadable
from hullwise.ecosystems.os_release import OS_RELEASE

ASSETS = Path(__file__).parents[2] / "assets" / "ecosystems"
PATH = "etc/os-release"


def read(text: str) -> Distribution | None:
    return OS_RELEASE.read(PATH, text.encode()).distribution


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ("debian-12", Distribution("debian", "12", "bookworm", (), "Debian GNU/Linux 12 (bookworm)")),
        ("ubuntu-23.04", Distribution("ubuntu", "23.04", "lunar", ("debian",), "Ubuntu 23.04")),
        ("alpine-edge", Distribution("alpine", "3.20.0_alpha20240329", "", (), "Alpine Linux edge")),
    ],
)
def test_real_files(asset: str, expected: Distribution) -> None:
    """Real files give the distribution they describe, and no packages."""
    data = (ASSETS / f"{asset}.os-release").read_bytes()
    assert OS_RELEASE.read(PATH, data) == Reading(distribution=expected)


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("etc/os-release", True),
        ("usr/lib/os-release", True),
        ("usr/share/os-release", False),
        ("os-release", False),
        ("srv/etc/os-release", False),
    ],
)
def test_claims(path: str, claimed: bool) -> None:
    """The two places of the format are wanted, and no other tree's."""
    assert OS_RELEASE.claims(path) is claimed


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('PRETTY_NAME="A \\"B\\" \\\\ \\$HOME \\`x\\`"', 'A "B" \\ $HOME `x`'),
        ("PRETTY_NAME='A \"B\" \\ $HOME'", 'A "B" \\ $HOME'),
        ('PRETTY_NAME="A # B"', "A # B"),
        ('PRETTY_NAME="A" # B', "A"),
        ('PRETTY_NAME=""', ""),
        ("PRETTY_NAME=", ""),
        ("PRETTY_NAME=A\\$B", "A$B"),
        ("PRETTY_NAME=A", "A"),
    ],
)
def test_values(line: str, name: str) -> None:
    """Quotes, escapes and comments are those of a shell, which agrees."""
    found = read(f"ID=x\n{line}\n")
    assert found is not None
    assert found.name == name
    shell = subprocess.run(
        ["/bin/sh", "-c", f'{line}\nprintf %s "$PRETTY_NAME"'], capture_output=True, text=True, check=True
    )
    assert shell.stdout == name


def test_unquoted_blanks() -> None:
    """A value with blanks but no quotes, which a shell would not take, is read whole."""
    assert read("ID=x\nPRETTY_NAME=Alpine Linux v3.19 # ours\n") == Distribution("x", "", name="Alpine Linux v3.19")


def test_the_last_of_a_name_counts() -> None:
    """Names should not repeat; if they do, the later entry is taken, as by a shell."""
    assert read("ID=a\nVERSION_ID=1\nID=b\n") == Distribution("b", "1")


@pytest.mark.parametrize(
    "text",
    [
        "# comment\n\nID=x\nVERSION_ID=1\n",
        "ID=x\r\nVERSION_ID=1\r\n",
        "\ufeffID=x\nVERSION_ID=1",
        "  ID=X  \nVERSION_ID=1\n",
        'ID=x\nVERSION_ID=1\nbroken line\n=\nNAME="no end\nID-LIKE=y\nexport ID=z\n',
    ],
)
def test_tolerated_forms(text: str) -> None:
    """Comments, CRLF, a byte order mark, capitals in ID, and lines that assign nothing do no harm."""
    assert read(text) == Distribution("x", "1")


def test_relatives_keep_their_order() -> None:
    """ID_LIKE lists the nearest relative first."""
    found = read('ID=pop\nID_LIKE="ubuntu  debian"\n')
    assert found is not None
    assert found.like == ("ubuntu", "debian")


def test_without_id() -> None:
    """The default of ID is `linux`."""
    assert read("VERSION_ID=1\n") == Distribution("linux", "1")


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02",
        b"\xff\xfeI\x00D\x00",
        b"ID=d\xe9bian\n",
        b"<html>\n",
        b"ID=a/b\n",
        b'ID="a b"\n',
        b"ID=x\nVERSION_ID=1\x002\n",
        b'ID=x\nPRETTY_NAME="a\x1b[31m"\n',
        b"ID=x\nVERSION_ID=" + b"1" * 600,
    ],
)
def test_damaged(data: bytes) -> None:
    """Not UTF-8, no assignment, or a value that cannot be what it should be: unreadable."""
    with pytest.raises(Unreadable):
        OS_RELEASE.read(PATH, data)


def test_empty_file() -> None:
    """An empty file says nothing."""
    assert OS_RELEASE.read(PATH, b"") == Reading()

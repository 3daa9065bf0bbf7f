"""Composer's order against composer/semver, where PHP and Debian's package of it are installed."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hullwise.versions import composer
from hullwise.versions.invalid import InvalidVersion

LIBRARY = Path("/usr/share/php/Composer/Semver/autoload.php")
"""Debian's php-composer-semver."""

COMPARE = """
require $argv[1];
$parser = new Composer\\Semver\\VersionParser();
while (($line = fgets(STDIN)) !== false) {
    try {
        [$left, $right] = array_map([$parser, 'normalize'], explode("\\t", rtrim($line, "\\n")));
        if (str_starts_with($left, 'dev-') || str_starts_with($right, 'dev-')) {
            echo "named\\n";
        } elseif (Composer\\Semver\\Comparator::equalTo($left, $right)) {
            echo "eq\\n";
        } else {
            echo Composer\\Semver\\Comparator::lessThan($left, $right) ? "lt\\n" : "gt\\n";
        }
    } catch (UnexpectedValueException $error) {
        echo "refused\\n";
    }
}
"""

LONG_DATE = re.compile(r"v?[0-9]{4}(?:[.:-]?[0-9]{2}){1,6}(?:[.:-]?[0-9]{1,3}){2}(?![0-9]).*")
"""Versions that composer/semver takes since 3.4 only, and so do our keys."""

PIECES: list[str] = [
    *"0123456789", ".", ".", ".", "-", "_", ".0", ".00", ".1", ".x", ".*", "-dev", ".x-dev", "dev", "-alpha", "-a1",
    "-beta.2", "beta", "b3", "-RC", "rc10", "-patch1", "p1", "-pl2", "-stable", "+build", "-alpha1.2", "-0", ".65536",
    "v", "~",
]  # fmt: skip
HEADS = ["1", "0", "1.0", "1.2.3", "v2.1", "1.2.3.4", "2010-01-31", "20100131", "2010.01.31.5", "12345", "123456", ""]


def hostile_pairs(count: int) -> list[tuple[str, str]]:
    """Versions and what one edit makes of them, or another version."""
    dice = random.Random(16_180)

    def version() -> str:
        return "".join([dice.choice(HEADS), *dice.choices(PIECES, k=dice.randrange(4))])

    def changed(text: str) -> str:
        place = dice.randrange(len(text) + 1)
        return text[:place] + dice.choice(["", *PIECES]) + text[place + dice.randrange(2) :]

    lefts = [version() for _ in range(count)]
    return [(left, changed(left) if dice.random() < 0.7 else version()) for left in lefts]


def relation(left: str, right: str) -> str:
    """What our keys say."""
    try:
        lower, higher = composer.key(left), composer.key(right)
    except InvalidVersion:
        return "refused"
    return "eq" if lower == higher else "lt" if lower < higher else "gt"


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("php") is None or not LIBRARY.exists(), reason="php-composer-semver is not installed")
def test_composer_itself_agrees() -> None:
    """composer/semver gives the same verdict on thousands of pairs, refusals included; branches with a name are
    refused."""
    pairs = hostile_pairs(8_000)
    lines = "".join(f"{left}\t{right}\n" for left, right in pairs)
    command = ["php", "-r", COMPARE, str(LIBRARY)]
    answer = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    verdicts = answer.stdout.replace("named", "refused").split()
    assert len(verdicts) == len(pairs)
    assert all(verdicts.count(verdict) > 100 for verdict in ("lt", "eq", "gt", "refused"))
    wrong = [
        (*pair, verdict)
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if relation(*pair) != verdict and not (verdict == "refused" and any(map(LONG_DATE.fullmatch, pair)))
    ]
    assert wrong == []

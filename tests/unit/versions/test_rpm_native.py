"""rpm's own verdict on pairs of versions (`rpm.ver` of its Lua, 4.17 and later)."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter

import pytest

from hullwise.versions import rpm
from hullwise.versions.invalid import InvalidVersion

# A pair a line, with a tab between; what rpm takes for no version is answered with `refused`.
COMPARE = r"""%{lua:
for line in io.lines() do
  local left, right = string.match(line, "^(.*)\t(.*)$")
  local fine, verdict = pcall(function()
    left, right = rpm.ver(left), rpm.ver(right)
    return left < right and "lt" or right < left and "gt" or left == right and "eq" or "none"
  end)
  print((fine and verdict or "refused") .. "\n")
end}"""

PIECES = [
    "0", "00", "1", "01", "10", "2", "9", "131", "132", "255", "256", "18446744073709551616", "9" * 60, "a", "b", "ab",
    "aB", "Z", "z", "rc", "git", "el9", "~", "~~", "^", "^^", "~^", "^~", ".", "_", "+", "..", "-", "{", "é", "٣",
]  # fmt: skip
EPOCHS = ["", "", "", "0:", "1:", "01:", "10:", ":", "4294967296:", "a:"]

COUNT = 5000


def hostile_pairs() -> list[tuple[str, str]]:
    """Pairs of which most differ in one place only. The seed is fixed."""
    dice = random.Random(4_180)

    def part() -> str:
        return "".join(dice.choices(PIECES, k=dice.randrange(6)))

    def version() -> str:
        return dice.choice(EPOCHS) + part() + dice.choice(["", "-" + part(), "-" + part()])

    def changed(text: str) -> str:
        place = dice.randrange(len(text) + 1)
        return text[:place] + dice.choice(["", *PIECES]) + text[place + dice.randrange(2) :]

    lefts = [version() for _ in range(COUNT)]
    return [(left, changed(left) if dice.random() < 0.8 else version()) for left in lefts]


def relation(left: str, right: str) -> str:
    try:
        lower, higher = rpm.key(left), rpm.key(right)
    except InvalidVersion:
        return "refused"
    return "eq" if lower == higher else "lt" if lower < higher else "gt"


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
def test_rpm_itself_agrees() -> None:
    """rpm gives the same verdict on every pair of random and hostile texts that the key takes for versions.

    rpm takes more than the key: other letters, for one, which divide as points do."""
    pairs = hostile_pairs()
    lines = "".join(f"{left}\t{right}\n" for left, right in pairs)
    answer = subprocess.run(["rpm", "--eval", COMPARE], input=lines, capture_output=True, text=True, check=True)
    verdicts = answer.stdout.split()
    assert len(verdicts) == len(pairs)
    ours = [relation(*pair) for pair in pairs]
    wrong = [
        (*pair, own, verdict)
        for pair, own, verdict in zip(pairs, ours, verdicts, strict=True)
        if own not in {"refused", verdict}
    ]
    assert wrong == []
    assert min(Counter(ours)[verdict] for verdict in ("lt", "eq", "gt")) > COUNT // 50

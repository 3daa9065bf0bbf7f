"""RubyGems' order against RubyGems itself (`Gem::Version`), where Ruby is installed."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from hullwise.versions import gem
from hullwise.versions.invalid import InvalidVersion

COMPARE = """
STDIN.each_line(chomp: true) do |line|
  begin
    left, right = line.split("\\t", -1).map { |text| Gem::Version.new(text) }
    puts({-1 => "lt", 0 => "eq", 1 => "gt"}[left <=> right])
  rescue ArgumentError
    puts "refused"
  end
end
"""

PIECES: list[str] = [
    *"0123456789", *"abzAZ", ".", ".", ".", ".", "-", "+", "_", "~", "..", ".0", ".0.0", ".00", ".a", ".b", ".0.a",
    ".pre", "-pre", "rc", ".rc1", ".rc.1", "9" * 25, ".65536", ".a0", " ",
]  # fmt: skip


def hostile_pairs(count: int) -> list[tuple[str, str]]:
    """Versions and what one edit makes of them, or another version."""
    dice = random.Random(31_415)

    def version() -> str:
        return "".join([dice.choice(["", "1", "0", "10"]), *dice.choices(PIECES, k=dice.randrange(8))])

    def changed(text: str) -> str:
        place = dice.randrange(len(text) + 1)
        return text[:place] + dice.choice(["", *PIECES]) + text[place + dice.randrange(2) :]

    lefts = [version() for _ in range(count)]
    pairs = [(left, changed(left) if dice.random() < 0.8 else version()) for left in lefts]
    # The empty text is 0 to RubyGems, and no version to us.
    return [pair for pair in pairs if pair[0].strip() and pair[1].strip()]


def relation(left: str, right: str) -> str:
    """What our keys say."""
    try:
        lower, higher = gem.key(left), gem.key(right)
    except InvalidVersion:
        return "refused"
    return "eq" if lower == higher else "lt" if lower < higher else "gt"


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is not installed")
def test_rubygems_itself_agrees() -> None:
    """Gem::Version gives the same verdict on some thousand random and hostile pairs, refusals included."""
    pairs = hostile_pairs(5_000)
    lines = "".join(f"{left}\t{right}\n" for left, right in pairs)
    answer = subprocess.run(["ruby", "-e", COMPARE], input=lines, capture_output=True, text=True, check=True)
    verdicts = answer.stdout.split()
    assert len(verdicts) == len(pairs)
    assert all(verdicts.count(verdict) > 100 for verdict in ("lt", "eq", "gt", "refused"))
    wrong = [(*pair, verdict) for pair, verdict in zip(pairs, verdicts, strict=True) if relation(*pair) != verdict]
    assert wrong == []

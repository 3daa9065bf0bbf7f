"""Maven's order against Maven's own comparison (Debian: libmaven3-core-java, default-jdk-headless)."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from hullwise.versions import maven

JAR = Path("/usr/share/java/maven3-artifact.jar")

PROGRAM = """
import java.io.*;
import org.apache.maven.artifact.versioning.ComparableVersion;
class Compare {
    public static void main(String[] arguments) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] pair = line.split(" ");
            System.out.println(new ComparableVersion(pair[0]).compareTo(new ComparableVersion(pair[1])));
        }
    }
}
"""

# What is published, from Maven Central's own habits, and what may be made of it.
PIECES = [
    *"0123456789", *"....--", *"abmxsZ_+~", "00", "010", ".0", "-0", "alpha", "beta", "rc", "RC", "cr", "milestone",
    "ga", "GA", "final", "Final", "release", "sp", "snapshot", "-SNAPSHOT", "jre", "foo", "2147483648", "9" * 19,
]  # fmt: skip


def hostile_pairs(count: int) -> list[tuple[str, str]]:
    """Random versions, most of them beside one that differs in one place."""
    dice = random.Random(20_561)

    def version() -> list[str]:
        return [dice.choice("0123456789ax"), *dice.choices(PIECES, k=dice.randrange(7))]

    def changed(pieces: list[str]) -> list[str]:
        place = dice.randrange(1, len(pieces) + 1)
        return [*pieces[:place], dice.choice(["", *PIECES]), *pieces[place + dice.randrange(2) :]]

    lefts = [version() for _ in range(count)]
    rights = [changed(left) if dice.random() < 0.8 else version() for left in lefts]
    return [("".join(left), "".join(right)) for left, right in zip(lefts, rights, strict=True)]


class Native:
    """Maven's comparison, a process for each list of pairs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "Compare.java").write_text(PROGRAM)
        subprocess.run(["javac", "-cp", JAR, "Compare.java"], cwd=folder, check=True)

    def verdicts(self, pairs: Iterable[tuple[str, str]]) -> list[int]:
        """-1, 0 or 1 for each pair."""
        lines = "".join(f"{left} {right}\n" for left, right in pairs)
        command = ["java", "-cp", f"{JAR}:{self._folder}", "Compare"]
        answer = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
        return [(number > 0) - (number < 0) for number in map(int, answer.stdout.split())]


def verdict_of_keys(left: str, right: str) -> int:
    """-1, 0 or 1 as the keys say."""
    one, other = maven.key(left), maven.key(right)
    return (one > other) - (one < other)


@pytest.mark.wire
@pytest.mark.skipif(not JAR.exists() or shutil.which("javac") is None, reason="Maven or a JDK is not installed")
def test_maven_itself_agrees(tmp_path: Path) -> None:
    """Maven gives the same verdict on random pairs and on all words, but for a few where it runs in a circle.

    That it does is asked of Maven too: between two versions, in the order of their keys, it has a third."""
    native = Native(tmp_path)
    words = [piece for piece in PIECES if piece.isalpha()]
    pairs = hostile_pairs(5_000) + [(f"1-{left}", f"1.{right}") for left in words for right in words]
    verdicts = native.verdicts(pairs)
    assert len(verdicts) == len(pairs)
    assert set(verdicts) == {-1, 0, 1}
    others = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict_of_keys(*pair) != verdict]
    assert len(others) < len(pairs) // 100

    rising = [(left, right) if verdict_of_keys(left, right) < 0 else (right, left) for left, right in others]
    between = {pair: sorted({text[:end] for text in pair for end in range(1, len(text) + 1)}) for pair in rising}
    steps = [(low, high, text) for (low, high), texts in between.items() for text in texts]
    answers = native.verdicts([(low, text) for low, _, text in steps] + [(text, high) for _, high, text in steps])
    halves = zip(steps, answers[: len(steps)], answers[len(steps) :], strict=True)
    circles = {(low, high) for (low, high, _), to, on in halves if max(to, on) <= 0 and to + on}
    assert sorted(set(rising) - circles) == []

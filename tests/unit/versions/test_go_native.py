"""Go's order of module versions beside that of Go itself: golang.org/x/mod/semver, which comes with its sources."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hullwise.versions import go
from hullwise.versions.invalid import InvalidVersion

# Says of each line's two versions how they compare, and of those that Go refuses, that it does.
PROGRAM = """
package main

import ("bufio"; "fmt"; "os"; "strings")

func main() {
    lines := bufio.NewScanner(os.Stdin)
    for lines.Scan() {
        pair := strings.Fields(lines.Text())
        if IsValid(pair[0]) && IsValid(pair[1]) {
            fmt.Println(Compare(pair[0], pair[1]))
        } else {
            fmt.Println("refused")
        }
    }
}
"""


def _pairs(count: int) -> list[tuple[str, str]]:
    dice = random.Random(20_562)
    numbers = ["0", "1", "2", "9", "10", "11", "99", "100", "4294967296", "9" * 25]
    identifiers = [
        *numbers, "00", "01", "rc", "rc1", "rc10", "rc2", "alpha", "beta", "pre", "RC", "-", "--", "a-b", "0a", "1-0",
        "x9", "0.20191109021931-daa7c04131f5", "0.20191210000000-000000000000", "",
    ]  # fmt: skip

    def version() -> str:
        text = "v" + ".".join(dice.choices(numbers, k=dice.choice([1, 2, 3, 3, 3, 3, 4])))
        if dice.random() < 0.7:
            text += "-" + ".".join(dice.choices(identifiers, k=dice.randrange(1, 4)))
        return text + dice.choice(["", "", "", "+incompatible", "+dirty", "+incompatible.dirty", "+1", "+"])

    def changed(text: str) -> str:
        place = dice.randrange(1, len(text) + 1)
        return text[:place] + dice.choice(["", ".", "-", *identifiers]) + text[place + dice.randrange(2) :]

    lefts = [version() for _ in range(count)]
    return [(left, changed(left) if dice.random() < 0.7 else version()) for left in lefts]


def _relation(left: str, right: str) -> str:
    lower, higher = go.key(left), go.key(right)
    return str((lower > higher) - (lower < higher))


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_go_itself_agrees(tmp_path: Path) -> None:
    """Go gives the same order to 20,000 random and hostile pairs, and accepts no version that has no key here.

    More has a key than Go accepts (leading zeros, a fourth number), for advisories hold such."""
    root = Path(subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip())
    source = root / "src/cmd/vendor/golang.org/x/mod/semver/semver.go"
    if not source.exists():
        pytest.skip("Go came without its sources")
    (tmp_path / "semver.go").write_text(source.read_text().replace("package semver", "package main"))
    (tmp_path / "main.go").write_text(PROGRAM)
    (tmp_path / "go.mod").write_text("module order.example\n")
    pairs = _pairs(20_000)
    answer = subprocess.run(
        ["go", "run", "."],
        cwd=tmp_path,
        input="".join(f"{left} {right}\n" for left, right in pairs),
        capture_output=True,
        text=True,
        check=True,
    )
    verdicts = answer.stdout.split()
    assert len(verdicts) == len(pairs)
    assert set(verdicts) == {"-1", "0", "1", "refused"}
    wrong = []
    for pair, verdict in zip(pairs, verdicts, strict=True):
        if verdict != "refused":
            try:
                said = _relation(*pair)
            except InvalidVersion:
                said = "refused here"
            if said != verdict:
                wrong.append((*pair, verdict, said))
    assert wrong == []

"""Advisory data over an air gap: a key, bundles, deltas, and what changed between two generations."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

from hullwise.advisories.signing import SigningKey
from tests.cli.conftest import EXPAT, FLASK, JINJA
from tests.support.advisories import osv, write
from tests.support.commands import Hullwise, complaint, output


@pytest.fixture
def sender(tmp_path: Path) -> Path:
    return tmp_path / "sender"


@pytest.fixture
def receiver(tmp_path: Path) -> Path:
    return tmp_path / "receiver"


def key(hullwise: Hullwise, data: Path) -> str:
    """The public key of an installation; made where it has none."""
    return output(hullwise("advisories", "key", "--data", data)).strip()


def status(hullwise: Hullwise, data: Path) -> list[str]:
    return output(hullwise("advisories", "status", "--data", data)).splitlines()


KEV = {
    "catalogVersion": "2026.01.01",
    "dateReleased": "2026-01-01T00:00:00Z",
    "vulnerabilities": [
        {
            "cveID": "CVE-2024-45491",
            "vulnerabilityName": "Overflow",
            "dateAdded": "2025-12-01",
            "dueDate": "2025-12-22",
            "knownRansomwareCampaignUse": "Unknown",
            "requiredAction": "Update",
            "notes": "",
        }
    ],
}


def test_a_bundle_brings_everything(hullwise: Hullwise, sender: Path, receiver: Path, tmp_path: Path) -> None:
    """What is exported here is imported there, where its key is trusted: the same generation, sources and enrichment;
    then a delta brings what changed."""
    kev = tmp_path / "kev.json"
    kev.write_text(json.dumps(KEV))
    output(hullwise("advisories", "import", write(tmp_path / "one", JINJA, EXPAT), kev, "--data", sender))
    public = key(hullwise, sender)
    assert key(hullwise, sender) == public
    whole, delta = tmp_path / "whole.hwbundle", tmp_path / "delta.hwbundle"
    assert str(whole) in output(hullwise("advisories", "export", whole, "--data", sender))
    said = output(hullwise("advisories", "import", whole, "--trust", public, "--data", receiver)).splitlines()
    assert said[0] == f"whole bundle, signed by {public}: generation 2 (new) is in use"
    there, here = status(hullwise, receiver), status(hullwise, sender)
    assert there[0] == here[0]
    assert [line for line in there if "exploited" in line] == [line for line in here if "exploited" in line] != []
    output(hullwise("advisories", "import", write(tmp_path / "two", FLASK), "--data", sender))
    assert "1 changed and 0 removed" in output(
        hullwise("advisories", "export", delta, "--since", "2", "--data", sender)
    )
    said = output(hullwise("advisories", "import", delta, "--data", receiver, HULLWISE_BUNDLE_KEYS=public)).splitlines()
    assert said[0] == f"delta bundle, signed by {public}: generation 3 (new) is in use"
    assert status(hullwise, receiver)[0] == status(hullwise, sender)[0]
    again = hullwise("advisories", "import", delta, "--trust", public, "--data", receiver)
    assert again.returncode == 1
    assert len(again.stderr.strip().splitlines()) == 1


def test_a_bundle_that_is_not_trusted_changes_nothing(
    hullwise: Hullwise, sender: Path, receiver: Path, tmp_path: Path
) -> None:
    """Without a key, with another key, with one byte changed wherever, and unsigned it is refused in one line; the data
    stays."""
    output(hullwise("advisories", "import", write(tmp_path / "one", JINJA), "--data", sender))
    write(tmp_path / "withdrawn", {**FLASK, "withdrawn": "2026-01-01T00:00:00Z"})
    missing = hullwise("advisories", "export", tmp_path / "x.hwbundle", "--data", sender)
    assert (missing.returncode, "hullwise advisories key" in missing.stderr) == (1, True)
    public, other = key(hullwise, sender), SigningKey.create(tmp_path / "other.key").public
    whole, changed, early = (tmp_path / f"{name}.hwbundle" for name in ("whole", "changed", "early"))
    output(hullwise("advisories", "export", whole, "--data", sender))
    body = bytearray(whole.read_bytes())
    body[len(body) // 2] ^= 1
    changed.write_bytes(body)
    # The header of the signature, which comes behind the manifest's.
    body = bytearray(whole.read_bytes())
    body[body.index(b"manifest.sig")] ^= 1
    early.write_bytes(body)
    nameless = whole.with_name("bundle")
    nameless.write_bytes(body)
    plain = tmp_path / "plain.hwbundle"
    with tarfile.open(plain, "w") as archive:
        archive.add(tmp_path / "withdrawn")
    output(hullwise("advisories", "import", write(tmp_path / "two", FLASK), "--data", receiver))
    before = status(hullwise, receiver)
    refused: list[tuple[list[str | Path], str]] = [
        ([whole], "no key is trusted"),
        ([whole, "--trust", other], "key"),
        ([changed, "--trust", public], "changed.hwbundle|generation.sqlite.zst"),
        ([early, "--trust", public], "no bundle"),
        ([nameless, "--trust", public], "no bundle"),
        ([plain, "--trust", public], "no bundle"),
        ([plain], "no key is trusted"),
        ([plain, "--unsigned"], "no key is trusted"),
        ([whole, tmp_path / "one", "--trust", public], "import it alone"),
        ([whole, "--trust", "nonsense"], "nonsense"),
    ]
    for arguments, why in refused:
        done = hullwise("advisories", "import", *arguments, "--data", receiver)
        assert done.returncode == 1, arguments
        said = [line for line in done.stderr.strip().splitlines() if line.startswith("hullwise: ")]
        assert len(said) == 1, done.stderr
        assert re.search(why, said[0]), said
    assert status(hullwise, receiver) == before


def test_where_keys_are_trusted_nothing_unsigned_is_taken(hullwise: Hullwise, receiver: Path, tmp_path: Path) -> None:
    """Documents are refused in one line, whoever names the key, and taken where the command says so."""
    public = SigningKey.create(tmp_path / "sender.key").public
    output(hullwise("advisories", "import", write(tmp_path / "one", FLASK), "--data", receiver))
    before = status(hullwise, receiver)
    other = write(tmp_path / "two", JINJA)
    settings = {"HULLWISE_BUNDLE_KEYS": public}
    refused = [
        hullwise("advisories", "import", other, "--trust", public, "--data", receiver),
        hullwise("advisories", "import", other, "--data", receiver, **settings),
    ]
    assert {complaint(each) for each in refused} == {
        "two is no bundle, and nothing that is not signed is taken where keys are trusted (--trust, "
        "HULLWISE_BUNDLE_KEYS); --unsigned takes it all the same"
    }
    assert status(hullwise, receiver) == before
    said = output(hullwise("advisories", "import", other, "--unsigned", "--data", receiver, **settings))
    assert "1 records taken" in said


def test_what_changed_between_two_generations(hullwise: Hullwise, tmp_path: Path) -> None:
    """`diff` names what appeared, went and changed; JSON has the same."""
    output(
        hullwise("advisories", "import", write(tmp_path / "one", osv("CVE-2024-0001", "a"), osv("CVE-2024-0002", "b")))
    )
    second = [
        osv("CVE-2024-0001", "a", fixed="2.0"),
        osv("CVE-2024-0002", "b", withdrawn="2026-01-01T00:00:00Z"),
        osv("CVE-2024-0003", "c"),
    ]
    output(hullwise("advisories", "import", write(tmp_path / "two", *second)))
    lines = output(hullwise("advisories", "diff", "2", "3")).splitlines()
    assert lines[0] == "3 package names: 1 vulnerabilities appeared, 1 went, 1 changed"
    assert lines[1] == "  osv: 1 records added, 1 removed, 1 changed"
    assert [line[:1] for line in lines[2:]] == ["~", "-", "+"]
    assert lines[2].startswith("~ pypi a CVE-2024-0001  ")
    assert lines[2].endswith("(fixed in 2.0)")
    found = json.loads(output(hullwise("advisories", "diff", "2", "3", "--format", "json")))
    assert (found["appeared"], found["went"], found["changed"]) == (1, 1, 1)
    absent = hullwise("advisories", "diff", "2", "9")
    assert (absent.returncode, absent.stderr) == (1, "hullwise: there is no generation 9\n")

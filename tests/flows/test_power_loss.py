"""What is on the disk before a push is acknowledged: the kernel's calls, in their order, as strace has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.wire,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

# Each step leaves a folder behind, which the log shows.
SCRIPT = """
import os, sys
from pathlib import Path
from tests.support.edges import edges
from tests.support.images import image, layer, sha256
from tests.support.registry import registry

def step(name):
    os.mkdir(f"{sys.argv[1]}/after-{name}")

with registry(Path(sys.argv[1]), durability=sys.argv[2]) as opened:
    edge = edges(opened)
    opened.repository("team/app")
    edge.push("team/app", image([layer({"etc/motd": b"first"})]))
    pushed = image([layer({"etc/motd": b"x" * 500})])
    data = pushed.blobs[-1]
    step("start")
    begun = edge.oci("POST", "/v2/team/app/blobs/uploads/")
    step("begin")
    sent = edge.oci("PATCH", begun.headers["location"], data)
    assert sent.status_code == 202
    step("send")
    done = edge.oci("PUT", sent.headers["location"] + "?digest=" + sha256(data))
    assert done.status_code == 201, done.text
    step("finish")
    for blob in pushed.blobs[:-1]:
        edge.oci("POST", f"/v2/team/app/blobs/uploads/?digest={sha256(blob)}", blob)
    step("config")
    kind = "application/vnd.oci.image.manifest.v1+json"
    assert edge.oci("PUT", "/v2/team/app/manifests/x", pushed.manifest, content_type=kind).status_code == 201
    step("manifest")
"""


def steps(folder: Path, durability: str) -> dict[str, list[str]]:
    """By step, which files and folders were synced within it, in their order."""
    folder.mkdir()
    log = folder.with_suffix(".log")
    traced = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,mkdir", "-o", str(log)]
    subprocess.run([*traced, sys.executable, "-c", SCRIPT, str(folder), durability], check=True, cwd=ROOT)
    found: dict[str, list[str]] = {}
    synced: list[str] = []
    for line in log.read_text().splitlines():
        if "mkdir(" in line and "/after-" in line:
            found[line.partition("/after-")[2].partition('"')[0]], synced = synced, []
        elif "sync(" in line and f"<{folder}/data/" in line:
            synced.append(line.partition(f"<{folder}/data/")[2].partition(">")[0])
    return found


def test_bytes_then_what_names_them_then_the_answer(tmp_path: Path) -> None:
    """In full durability a finished upload's bytes are on the disk before the log that names them, and that before the
    answer; an upload that nobody has finished syncs nothing. In fast durability nothing is synced."""
    full = steps(tmp_path / "full", "full")
    assert full["begin"] == full["send"] == []
    *_, file, folder, log = full["finish"]
    assert file.startswith("blobs/segments/")
    assert (folder, log) == (str(Path(file).parent), "hullwise.sqlite-wal")
    # The folder's own name, where the segment is the first one in it.
    assert full["finish"][:-3] in ([], ["blobs/segments"])
    assert full["manifest"] == ["hullwise.sqlite-wal"]
    assert full["config"][-1] == "hullwise.sqlite-wal"
    assert full["config"][0].startswith("blobs/.unfinished/")
    fast = steps(tmp_path / "fast", "fast")
    assert [fast[name] for name in ("begin", "send", "finish", "config", "manifest")] == [[]] * 5

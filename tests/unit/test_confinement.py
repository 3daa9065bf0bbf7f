"""What a confined process can still do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hullwise.confinement import Isolation

TRIES = """
import json, os, signal, sys
from hullwise.confinement import Allowance, confine
isolation = confine(Allowance(memory_bytes=1 << 30, cpu_seconds=60, capabilities={capabilities}), os.getppid())
secret, folder = sys.argv[1:]
done = []
for name, what in {{
    "read": lambda: open(secret).read(),
    "cut": lambda: os.truncate(secret, 0),
    "remove": lambda: os.unlink(secret),
    "make": lambda: os.mkdir(folder + "/new"),
    "look": lambda: os.listdir(folder),
    "signal": lambda: os.kill(os.getppid(), 0),
    "import": lambda: __import__("lzma").compress(b""),
}}.items():
    try:
        what()
        done.append(name)
    except PermissionError:
        pass
print(json.dumps([isolation.name, done]))
"""


def tried(tmp_path: Path, *, capabilities: bool) -> list[object]:
    (tmp_path / "secret.key").write_text("secret")
    command = [sys.executable, "-I", "-c", TRIES.format(capabilities=capabilities)]
    found = subprocess.run([*command, tmp_path / "secret.key", tmp_path], capture_output=True, text=True, check=True)
    answer: list[object] = json.loads(found.stdout)
    return answer


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has Landlock")
def test_files_of_others_are_out_of_reach(tmp_path: Path) -> None:
    """Nothing of this machine's can be read, changed or removed; what Python has yet to import can."""
    isolation, done = tried(tmp_path, capabilities=False)
    assert isolation in Isolation.__members__
    if isolation == Isolation.FULL.name:
        assert done in (["import"], ["signal", "import"])
        assert (tmp_path / "secret.key").read_text() == "secret"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has Landlock")
def test_whoever_opens_files_by_name_keeps_them(tmp_path: Path) -> None:
    """The operator's own documents are read, by a process with the same limits."""
    isolation, done = tried(tmp_path, capabilities=True)
    assert isolation != Isolation.FULL.name
    assert isinstance(done, list)
    assert {"read", "look", "import"} <= set(done)

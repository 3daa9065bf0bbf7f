"""The process that reads one VEX document: `python -m hullwise.advisories.vex.child PARENT`, the document on its input.

`hullwise.advisories.vex.reading` starts it, and says what it answers on its standard output.
"""

from __future__ import annotations

import sys

import msgspec

from hullwise.advisories import vex
from hullwise.advisories.records import Unparsable
from hullwise.advisories.vex.document import DOCUMENT_LIMIT
from hullwise.advisories.vex.reading import MEMORY_BYTES, SECONDS, Failed, Read
from hullwise.confinement import Allowance, confine


def main() -> None:
    body = sys.stdin.buffer.read(DOCUMENT_LIMIT + 1)
    confine(Allowance(memory_bytes=MEMORY_BYTES, cpu_seconds=int(SECONDS), open_files=64), int(sys.argv[1]))
    try:
        said: Read | Failed = Read(vex.parse(body))
    except Unparsable as error:
        said = Failed(str(error))
    except MemoryError:
        said = Failed("takes more memory to read than it may")
    sys.stdout.buffer.write(msgspec.msgpack.encode(said))


if __name__ == "__main__":
    main()

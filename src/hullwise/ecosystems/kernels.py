"""What is built from a kernel's source and is no kernel: the headers that programs and modules are compiled against.

A container runs on its host's kernel. An image has a compiler's `linux-libc-dev`, and with it, by its source package,
every vulnerability of the kernel, of which none is in those files.
"""

from __future__ import annotations

import re

from hullwise.domain.packages import Package

_SOURCES = ("linux", "kernel")
"""How kernels' source packages begin: `linux`, `linux-aws` (Ubuntu), `kernel`, `kernel-uek` (Oracle), `kernel6.12`."""

_HEADERS = {
    "dpkg": re.compile(r"linux-libc-dev(?:-.+)?|linux-(?:.+-)?headers-.+|linux-kbuild-.+|linux-compiler-.+"),
    "rpm": re.compile(
        r"kernel.*-(?:headers|devel|devel-matched|macros)|linux-api-headers|linux-(?:(?:aws|esx|rt|secure)-)?devel"
    ),
    "apk": re.compile(r"linux-headers|linux-(?:lts|virt|edge|stable|rpi[0-9]?)-dev"),
}


def is_headers(package: Package) -> bool:
    """Whether it is headers of a kernel, with what is needed to use them."""
    if not package.source_name.startswith(_SOURCES):
        return False
    pattern = _HEADERS.get(package.ecosystem)
    return pattern is not None and pattern.fullmatch(package.name) is not None

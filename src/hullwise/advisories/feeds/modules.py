"""Modules of rpm packages, as advisories write them: `name:stream`, with or without `:version:context` behind."""

from __future__ import annotations

import re

NO_STREAM = "module of no known stream"
STREAM_LIMIT = 4

_STREAM = re.compile(r"([A-Za-z0-9][A-Za-z0-9._+-]{0,127}:[A-Za-z0-9][A-Za-z0-9._+-]{0,127})(?::.*)?")
_IN_TITLE = re.compile(r"(?<![A-Za-z0-9._:+-])[A-Za-z0-9][A-Za-z0-9._+-]{0,127}:[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


def stream(text: str) -> str:
    """`nodejs:18:8100020240301:489197e6` → `nodejs:18`; empty for anything else."""
    match = _STREAM.fullmatch(text)
    return match[1] if match is not None else ""


def streams(title: str) -> tuple[str, ...]:
    """Those that the title of an advisory names, `Important: virt:rhel and virt-devel:rhel security update`; two where
    they are released together, and none where there are more than anyone releases so."""
    found = tuple(dict.fromkeys(_IN_TITLE.findall(title[:400])))
    return found if len(found) <= STREAM_LIMIT else ()

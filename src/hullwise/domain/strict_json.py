"""JSON that every reader understands alike: what is left open by RFC 8259 is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How an escape begins that is half of a character, or one of the two that make one."""


class RepeatedKeys(ValueError):
    """Two readers may pick different ones of a repeated key, and one document be two things (CVE-2021-41190)."""


def decode(text: str) -> Any:
    """The document. Raises RepeatedKeys, and ValueError or RecursionError for what is no JSON: `NaN` and `Infinity`,
    which Python writes and nobody else reads, and halves of characters (RFC 8259, 8.2), which cannot be written."""
    found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    if _HALF.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKeys("a key is repeated")
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        _refused(text)
    return found

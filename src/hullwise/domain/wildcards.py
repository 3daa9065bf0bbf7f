"""Patterns in which `*` stands for any characters, or none, and `?` for one."""

from __future__ import annotations


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text fits. In time linear in each: what stands between stars is looked for once, leftmost."""
    first, *rest = pattern.split("*")
    if not rest:
        return len(first) == len(text) and _is_at(first, text, 0)
    *middle, last = rest
    at, end = len(first), len(text) - len(last)
    if end < at or not _is_at(first, text, 0) or not _is_at(last, text, end):
        return False
    for part in middle:
        found = _find(part, text, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _is_at(part: str, text: str, at: int) -> bool:
    """Of a place with as many characters behind it as the part has."""
    if "?" not in part:
        return text.startswith(part, at)
    return all(wanted in ("?", text[place]) for place, wanted in enumerate(part, at))


def _find(part: str, text: str, at: int, end: int) -> int:
    """The first place in the range; -1: there is none."""
    if "?" not in part:
        return text.find(part, at, end)
    return next((place for place in range(at, end - len(part) + 1) if _is_at(part, text, place)), -1)

"""YAML of advisory feeds: mappings, lists and texts, and nothing else of the language.

Scalars stay as they are written, since `3.10` is a version and no number; plain `~`, `null` and nothing at all are
None. Anchors, aliases, tags and further documents are refused: a few lines of aliases unfold to gigabytes, and no feed
has any. Depth is limited while reading, since libyaml takes the square of the depth of `[[[[…`.
"""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from hullwise.advisories.records import Unparsable

DOCUMENT_LIMIT = 1 << 20
"""Bytes of one document. The largest real ones are about 30 kB."""
DEPTH_LIMIT = 16
"""Mappings and lists within each other. Feeds have four."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def load(document: bytes) -> Any:
    """The document as dicts, lists, texts and None. Raises Unparsable for whatever else it is."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    try:
        return _load(document.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(" ".join(str(error).split())) from error


def _load(text: str) -> Any:
    roots: list[Any] = []
    # Each collection that is open, with the key that waits for its value.
    opened: list[tuple[list[Any] | dict[str, Any], list[str]]] = []
    for event in yaml.parse(text, Loader=_LOADER):
        if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
            raise Unparsable("has an anchor, an alias or a tag")
        if isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
        elif isinstance(event, yaml.NodeEvent):
            value = _value(event)
            _put(value, opened, roots)
            if isinstance(value, (list, dict)):
                opened.append((value, []))
            if len(opened) > DEPTH_LIMIT:
                raise Unparsable(f"deeper than {DEPTH_LIMIT}")
    if len(roots) != 1:
        raise Unparsable(f"{len(roots)} documents in one")
    return roots[0]


def _value(event: Any) -> Any:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    plain = event.implicit[0]
    return None if plain and event.value in _NULLS else event.value


def _put(value: Any, opened: list[tuple[list[Any] | dict[str, Any], list[str]]], roots: list[Any]) -> None:
    if not opened:
        roots.append(value)
        return
    parent, waiting = opened[-1]
    if isinstance(parent, list):
        parent.append(value)
    elif waiting:
        parent[waiting.pop()] = value
    elif not isinstance(value, str):
        raise Unparsable("has a key that is no text")
    elif value in parent:
        raise Unparsable(f"has the key {value[:64]} twice")
    else:
        waiting.append(value)

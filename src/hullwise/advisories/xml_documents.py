"""XML of advisory feeds: elements one after the other, each as a small tree, in memory of the largest of them.

A document type is refused, and every entity but XML's own five with it: a few lines of them unfold to gigabytes, or
name files. Depth, elements of one tree and the length of one tag are limited while reading. Prefixes of names are cut
off, as no feed has two vocabularies that share a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from hullwise.advisories.records import Unparsable

DEPTH_LIMIT = 64
"""Elements within each other. Real trees of criteria have up to about ten."""
NODE_LIMIT = 50_000
"""Elements of one tree. An advisory on a kernel has about 2,000."""
TEXT_LIMIT = 1 << 20
"""Characters of text in one tree. The longest lists of changes have about 200,000."""
TAG_LIMIT = 4 << 20
"""Bytes of one tag or comment."""
_FEW = 100_000
_SHARE = 16
"""Bytes for each tag, in a document with more than a few. Real ones have 30 to 60."""
_PIECE = 1 << 18

_ROOT = re.compile(rb"\s*(?:<(?:\?.*?\?|!--.*?--)>\s*)*<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)", re.DOTALL)


def root(head: bytes) -> str:
    """The name of the root element of a document that begins so, without its prefix; empty where it is not there."""
    found = _ROOT.match(head)
    return found[1].decode() if found else ""


@dataclass(slots=True)
class Node:
    """An element."""

    name: str
    attributes: dict[str, str]
    nodes: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What stands in it, outside of other elements, without blanks around it."""
        return "".join(self.texts).strip()

    def all(self, name: str) -> Iterator[Node]:
        """Its elements of this name."""
        return (node for node in self.nodes if node.name == name)

    def first(self, *path: str) -> Node:
        """The first element down this path; an empty one where there is none."""
        found = self
        for name in path:
            found = next(found.all(name), _NOTHING)
        return found


_NOTHING = Node("", {})


def trees(document: bytes, name: str, *, until: str = "") -> Iterator[Node]:
    """Each element of this name, whole, wherever it stands. What follows the end of the first element `until` is not
    looked at. Raises Unparsable for what is no XML in UTF-8, or over a limit; what came before is given out."""
    if document.count(b"<") > _FEW + len(document) // _SHARE:
        raise Unparsable("has too many elements for its length")
    reader = _Reader(name, until)
    parser = reader.parser
    fed, view = 0, memoryview(document)
    try:
        while fed < len(document) and not reader.ended:
            piece = view[fed : fed + _PIECE]
            parser.Parse(bytes(piece))
            fed += len(piece)
            if fed - parser.CurrentByteIndex > TAG_LIMIT:
                raise Unparsable(f"a tag of over {TAG_LIMIT} bytes")
            yield from reader.given()
        if not reader.ended:
            parser.Parse(b"", True)
    except (expat.ExpatError, ValueError) as error:
        raise Unparsable(f"no XML: {error}") from error
    yield from reader.given()


class _Reader:
    def __init__(self, name: str, until: str) -> None:
        self.ended = False
        self._name, self._until = name, until
        self._depth = self._nodes = self._characters = 0
        self._open: list[Node] = []
        self._done: list[Node] = []
        # The encoding is not the document's to choose: some write `utf8`, which is the name of none.
        parser: Any = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
        self.parser = parser

    def given(self) -> list[Node]:
        """What is whole by now, once."""
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise Unparsable(f"deeper than {DEPTH_LIMIT}")
        if ":" in name:
            name = name.rpartition(":")[2]
        if self.ended or not (self._open or name == self._name):
            return
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            raise Unparsable(f"over {NODE_LIMIT} elements in one {self._name[:64]}")
        node = Node(name, attributes)
        if self._open:
            self._open[-1].nodes.append(node)
        self._open.append(node)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._open:
            node = self._open.pop()
            if not self._open:
                self._nodes = self._characters = 0
                self._done.append(node)
        elif name.rpartition(":")[2] == self._until:
            self.ended = True

    def _text(self, text: str) -> None:
        if self._open and not self.ended:
            self._characters += len(text)
            if self._characters > TEXT_LIMIT:
                raise Unparsable(f"over {TEXT_LIMIT} characters in one {self._name[:64]}")
            self._open[-1].texts.append(text)


def _refuse(*_: object) -> None:
    raise Unparsable("declares a document type")

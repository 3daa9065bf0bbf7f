"""XML of feeds is read element by element, and what XML can do to its reader it cannot do here."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import xml_documents
from hullwise.advisories.records import Unparsable
from hullwise.advisories.xml_documents import Node, root, trees

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE updates [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<updates><update>&b;</update></updates>"""
OUTSIDE = b'<!DOCTYPE updates [<!ENTITY x SYSTEM "file:///etc/passwd">]><updates><update>&x;</update></updates>'


def read(document: bytes, **options: str) -> list[Node]:
    return list(trees(document, "update", **options))


def test_elements_come_one_by_one_and_whole() -> None:
    """With attributes, texts and what is in them, wherever they stand; prefixes are cut off."""
    first, second = read(
        b'<?xml version="1.0" encoding="utf8"?><s:updates xmlns:s="x"><!-- <update/> --><s:update a="1"> \xc3\xa4&lt;'
        b"<s:id>A-1</s:id> b</s:update><more><update><id> A-2 </id><id>A-3</id></update></more></s:updates>"
    )
    assert (first.name, first.attributes, first.text) == ("update", {"a": "1"}, "ä< b")
    assert [node.text for node in second.all("id")] == ["A-2", "A-3"]
    assert (second.first("id").text, second.first("nothing", "in", "it").text) == ("A-2", "")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<updates>", "updates"),
        (b'<?xml version="1.0" ?>\n<updates a="b">', "updates"),
        (b"<!-- made on <a> day --><?x?> <oval-def:oval_definitions\n xmlns=", "oval_definitions"),
        (b"<!DOCTYPE html><html>", ""),
        (b"<!-- never ends", ""),
        (b"{}", ""),
        (b"", ""),
    ],
)
def test_a_document_is_told_by_its_root(head: bytes, expected: str) -> None:
    assert root(head) == expected


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<updates>",
        b"<updates><update></updates>",
        b"<updates>\xff</updates>",
        b"<updates>&nbsp;</updates>",
        b"\x00<updates/>",
        BOMB,
        OUTSIDE,
        b"<updates>" + b"<a>" * 100_000,
        b"<updates>" + b"<a/>" * 1_000_000 + b"</updates>",
        b"<updates><update>" + b"<a/>" * (xml_documents.NODE_LIMIT + 1) + b"</update></updates>",
        b"<updates><update>" + b"a<b/>" * xml_documents.NODE_LIMIT + b"</update></updates>",
        b"<updates><update>" + b"a" * (xml_documents.TEXT_LIMIT + 1) + b"</update></updates>",
        b"<updates><update a='" + b"a" * (2 * xml_documents.TAG_LIMIT) + b"'/></updates>",
        b"<updates><!--" + b"a" * (2 * xml_documents.TAG_LIMIT),
        b'<!DOCTYPE updates SYSTEM "http://example.com/a.dtd"><updates/>',
    ],
    ids=[
        "empty", "text", "open", "crossed", "latin-1", "entity", "zero", "bomb", "file", "deep", "crowded", "wide",
        "wider", "long", "attribute", "comment", "dtd",
    ],
)  # fmt: skip
def test_what_is_no_xml_or_too_much_of_it_is_refused(document: bytes) -> None:
    """The one error is Unparsable, and it comes at once."""
    started = time.process_time()
    with pytest.raises(Unparsable):
        read(document)
    assert time.process_time() - started < 2


def test_what_came_before_a_fault_is_given_out() -> None:
    """An element that was whole is, whatever follows."""
    found = trees(b"<updates><update/>" + b" " * (1 << 19) + b"</update>", "update")
    assert next(found).name == "update"
    with pytest.raises(Unparsable):
        next(found)


def test_nothing_is_read_behind_the_end() -> None:
    """`until` ends it: what follows may be anything."""
    document = b"<o><updates><update/></updates>" + b" " * (1 << 19) + b"</p><&&&"
    assert len(read(document, until="updates")) == 1
    # Not where it stands inside of an element that is wanted.
    assert len(read(b"<o><update><updates/></update><update/></o>", until="updates")) == 2


def test_memory_is_that_of_one_element() -> None:
    """Ten thousand updates take no more than one, beside the document."""
    document = b"<updates>" + b"<update><id>a</id></update>" * 10_000 + b"</updates>"
    tracemalloc.start()
    try:
        assert sum(1 for _ in trees(document, "update")) == 10_000
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200))
def test_any_bytes_are_elements_or_refused(document: bytes) -> None:
    for body in (document, b"<updates><update>" + document + b"</update></updates>"):
        try:
            assert all(node.name == "update" for node in trees(body, "update"))
        except Unparsable:
            continue

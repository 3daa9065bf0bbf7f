"""JSON as JavaScript reads it: what a package manager takes must not hide a package here."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.ecosystems import json_files
from hullwise.ecosystems.ecosystem import Unreadable


class _File(msgspec.Struct):
    name: str = ""
    text: str = ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\ud800", "\ufffd"),
        (r"\uDFFF", "\ufffd"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        # A backslash of its own, and then letters.
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", "\\\ufffd"),
        (r"\ud800\\ude00", "\ufffd\\ude00"),
        (r"\ud800\n\"", '\ufffd\n"'),
    ],
)
def test_half_of_a_character_is_none(written: str, meant: str) -> None:
    """ECMA-262 takes it, and it cannot be written: it is shown as U+FFFD, in fields that are read or passed over."""
    data = f'{{"other": "{written}", "text": "{written}", "name": "a"}}'.encode()
    assert json_files.decode(data, _File) == _File("a", meant)


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_text_is_read_as_python_reads_it(text: str) -> None:
    """But for halves of characters."""
    data = json.dumps({"name": "a", "text": text}).encode()
    # What was written as two halves is one character again.
    plain = json.loads(data)["text"]
    expected = "".join("\ufffd" if 0xD800 <= ord(each) < 0xE000 else each for each in plain)
    assert json_files.decode(data, _File) == _File("a", expected)


@pytest.mark.parametrize("data", [b"", b"{", b'{"name": "\\ud800', b'{"name": "\\ud80"}', b'{"name": "\\u"}', b"\\"])
def test_what_is_no_json_stays_none(data: bytes) -> None:
    """Whatever is in it."""
    with pytest.raises(Unreadable):
        json_files.decode(data, _File)


def test_more_halves_than_anyone_has_are_not_looked_for() -> None:
    """Sixteen megabytes of them."""
    with pytest.raises(Unreadable, match="more than 100000 halves of characters"):
        json_files.decode(b'{"text": "%s", "name": "a"}' % (rb"\ud800" * (16 << 20 >> 3)), _File)

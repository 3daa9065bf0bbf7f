"""Names of Python distributions, with packaging.utils as the oracle."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import InvalidName, canonicalize_name

from hullwise.ecosystems import python_names

name = st.text(st.sampled_from("aZ09-_.") | st.characters(), max_size=12)


@given(name)
@example("ſ")  # matches [A-Z] where case is ignored for more than ASCII
@example("a\n")
@example("")
def test_packaging_agrees(name: str) -> None:
    """Which names there are, and which of them are the same."""
    try:
        expected = canonicalize_name(name, validate=True)
    except InvalidName:
        assert not python_names.is_name(name)
    else:
        assert python_names.is_name(name)
        assert python_names.canonical(name) == expected


@pytest.mark.parametrize("written", ["Foo.Bar", "foo_bar", "FOO--bar", "foo-_.bar"])
def test_one_name_in_many_spellings(written: str) -> None:
    """The examples of the normalization specification."""
    assert python_names.canonical(written) == "foo-bar"

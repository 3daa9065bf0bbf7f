"""What the errors of reading a layer say."""

from __future__ import annotations

import re

import pytest

from hullwise.inventory.errors import AnalysisCrashed, DamagedLayer, LayerTooLarge, TruncatedLayer
from hullwise.inventory.limits import LayerLimits

NEVER_PASSED = {"ratio_from", "held_bytes"}
"""The first only says when another is judged; the second is a problem of a file, not of the layer."""


@pytest.mark.parametrize("limit", sorted(set(LayerLimits.__struct_fields__) - NEVER_PASSED))
def test_each_limit_has_words(limit: str) -> None:
    """Each limit of a layer can be told to a person, with its value."""
    assert re.fullmatch(r"the layer .+ 1,234,567( \w+)*", str(LayerTooLarge(limit, 1_234_567)))


def test_words_of_the_others() -> None:
    """Each error tells its facts."""
    assert str(TruncatedLayer("inside a file")) == "the layer ends inside a file"
    assert str(DamagedLayer("a bad header")) == "the layer is damaged: a bad header"
    assert str(AnalysisCrashed(-11)) == "the process that read the layer died with signal 11"
    assert str(AnalysisCrashed(1, "Error: x")) == "the process that read the layer died with exit status 1: Error: x"

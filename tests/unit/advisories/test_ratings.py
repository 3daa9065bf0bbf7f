"""Severities: what each source says, and which of them is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories import ratings
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V2_TEN = "AV:N/AC:L/Au:N/C:C/I:C/A:C"
V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V3_LOW = "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
V3_NONE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("kind", "vector", "score", "severity"),
    [
        # Scores are those of the calculators of FIRST (v3, v4) and NVD (v2).
        ("CVSS_V2", V2, 7.5, Severity.HIGH),
        ("CVSS_V2", V2_TEN, 10.0, Severity.HIGH),
        ("CVSS_V3", V3, 9.8, Severity.CRITICAL),
        ("CVSS_V3", V3_LOW, 1.8, Severity.LOW),
        ("CVSS_V3", V3_NONE, 0.0, Severity.INFORMATIONAL),
        ("CVSS_V3", V3 + "/E:U/RL:O", 9.8, Severity.CRITICAL),
        ("CVSS_V4", V4, 9.3, Severity.CRITICAL),
    ],
)
def test_a_vector_has_its_base_score(kind: str, vector: str, score: float, severity: Severity) -> None:
    """The base score counts, without the temporal and environmental ones; CVSS 2 has no critical."""
    assert ratings.cvss("nvd", kind, vector) == SeverityClaim("nvd", kind, vector, severity, score)


@pytest.mark.parametrize(
    ("score", "kind", "severity"),
    [
        (10.0, "CVSS_V3", Severity.CRITICAL),
        (9.0, "CVSS_V3", Severity.CRITICAL),
        (8.9, "CVSS_V4", Severity.HIGH),
        (7.0, "CVSS_V3", Severity.HIGH),
        (6.9, "CVSS_V2", Severity.MEDIUM),
        (4.0, "CVSS_V3", Severity.MEDIUM),
        (3.9, "CVSS_V3", Severity.LOW),
        (0.1, "CVSS_V3", Severity.LOW),
        (0.0, "CVSS_V3", Severity.INFORMATIONAL),
        (9.0, "CVSS_V2", Severity.HIGH),
    ],
)
def test_bands_are_those_of_the_specification(score: float, kind: str, severity: Severity) -> None:
    """CVSS 3.1 and 4.0, qualitative severity rating scale; NVD's for version 2."""
    assert ratings.band(score, kind) is severity


@pytest.mark.parametrize(
    ("kind", "vector"),
    [
        ("CVSS_V3", ""),
        ("CVSS_V3", "9.8"),
        ("CVSS_V3", "CVSS:3.1/AV:N"),
        ("CVSS_V3", V3.replace("AV:N", "AV:X")),
        ("CVSS_V3", V2),
        ("CVSS_V3", V4),
        ("CVSS_V2", V3),
        ("CVSS_V4", V3),
        ("CVSS_V5", V4),
        ("word", "high"),
        ("CVSS_V3", V3 + "/" * 600),
        ("CVSS_V3", V3 + "\0"),
    ],
)
def test_what_is_no_vector_is_no_claim(kind: str, vector: str) -> None:
    """A vector of another version, a number or noise says nothing."""
    assert ratings.cvss("nvd", kind, vector) is None


@given(st.sampled_from(["CVSS_V2", "CVSS_V3", "CVSS_V4"]), st.text(max_size=80), st.sampled_from(["", V2, V3, V4]))
def test_no_text_makes_the_arithmetic_fail(kind: str, text: str, start: str) -> None:
    """Whatever follows or replaces a vector, the answer is a claim or none."""
    found = ratings.cvss("nvd", kind, start + text)
    assert found is None or found.score is not None


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("CRITICAL", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("high**", Severity.HIGH),
        ("Important", Severity.HIGH),
        ("medium*", Severity.MEDIUM),
        ("MODERATE", Severity.MEDIUM),
        (" low ", Severity.LOW),
        ("negligible", Severity.INFORMATIONAL),
        ("unimportant", Severity.INFORMATIONAL),
        ("none", Severity.INFORMATIONAL),
    ],
)
def test_words_of_every_vendor_are_read(text: str, severity: Severity) -> None:
    """Debian's, Ubuntu's, Red Hat's and GitHub's words, in any case, with the tracker's stars."""
    assert ratings.word("vendor", text) == SeverityClaim("vendor", "word", text.strip(), severity)


@pytest.mark.parametrize("text", ["not yet assigned", "untriaged", "end-of-life", "unknown", "", "***"])
def test_other_words_say_nothing(text: str) -> None:
    """A word that is no severity is not guessed at."""
    assert ratings.word("vendor", text) is None


def claim(kind: str, score: float | None, source: str = "GHSA") -> SeverityClaim:
    severity = Severity.MEDIUM if score is None else ratings.band(score, kind)
    return SeverityClaim(source, kind, f"{kind} {score}", severity, score)


WORD, OTHER_WORD = claim("word", None), claim("word", None, "npm")
SCORED_2, SCORED_3, SCORED_4 = claim("CVSS_V2", 9.9), claim("CVSS_V3", 5.0), claim("CVSS_V4", 8.0)


@pytest.mark.parametrize(
    ("vendor", "matched", "others", "chosen"),
    [
        # The distribution's word on its own package goes before every score.
        ([WORD], [SCORED_3], [SCORED_4], WORD),
        # A score of the records that matched goes before one of others, and any score before a word.
        ([], [SCORED_4, WORD], [SCORED_3], SCORED_4),
        ([], [WORD], [SCORED_3], SCORED_3),
        ([], [WORD], [SCORED_2], SCORED_2),
        ([], [WORD], [OTHER_WORD], WORD),
        ([], [], [OTHER_WORD], OTHER_WORD),
        # Version 3, then 4, then 2, whatever the scores are and in whatever order they come.
        ([], [SCORED_2, SCORED_4, SCORED_3], [], SCORED_3),
        ([], [SCORED_2, SCORED_4], [], SCORED_4),
        ([], [SCORED_2], [], SCORED_2),
        # Of one version the highest.
        ([], [SCORED_3, claim("CVSS_V3", 6.0, "nvd")], [], claim("CVSS_V3", 6.0, "nvd")),
        ([], [], [], None),
    ],
)
def test_the_order_of_preference(
    vendor: list[SeverityClaim],
    matched: list[SeverityClaim],
    others: list[SeverityClaim],
    chosen: SeverityClaim | None,
) -> None:
    """Vendor's word, scores of what matched, scores of the rest, words of what matched, words of the rest."""
    assert ratings.choose(vendor, matched, others) == chosen


@given(st.permutations([SCORED_2, SCORED_3, SCORED_4, claim("CVSS_V3", 5.0, "nvd")]))
def test_the_order_of_scores_changes_nothing(claims: list[SeverityClaim]) -> None:
    """Of equal scores the source decides, not the order in which records are read."""
    assert ratings.choose([], claims, []) == SCORED_3

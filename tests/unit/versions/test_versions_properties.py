"""What holds for every version: keys agree with a comparison of pairs, and nothing but the declared error escapes.

The comparisons here are written from the specifications, two versions at a time and without any bytes; PEP 440's is
that of `packaging`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from hullwise.versions import apk, dpkg, numbers, pep440, semver
from hullwise.versions.invalid import LONGEST, InvalidVersion

KEYS: dict[str, Callable[[str], bytes]] = {
    "dpkg": dpkg.key,
    "apk": apk.key,
    "pep440": pep440.key,
    "semver": semver.key,
}

DIGITS = st.one_of(
    st.sampled_from(["0", "1", "2", "9", "10", "131", "132", "255", "256", "00", "01", "010", "007"]),
    st.integers(0, 10**30).map(str),
)
PLAIN = st.one_of(st.integers(0, 3), st.integers(130, 260), st.integers(0, 10**30)).map(str)


def sign(left: object, right: object, less: bool) -> int:
    """-1, 0 or 1 for two values, given whether the first is less."""
    return 0 if left == right else -1 if less else 1


def order_of_keys(key: Callable[[str], bytes], left: str, right: str) -> int:
    """-1, 0 or 1 as the keys say."""
    return sign(key(left), key(right), key(left) < key(right))


def compare_numbers(left: str, right: str) -> int:
    """-1, 0 or 1 by value; no digits are 0."""
    return sign(int(left or "0"), int(right or "0"), int(left or "0") < int(right or "0"))


# dpkg: policy 5.6.12, step by step.


def dpkg_weight(character: str) -> tuple[int, str]:
    """`~`, then the end (the empty text), then letters, then the rest."""
    return ({"~": 0, "": 1}.get(character, 2 if character.isalpha() else 3), character)


def take(pattern: str, text: str) -> tuple[str, str]:
    """What the pattern matches at the start of the text, and the rest of the text."""
    match = re.match(pattern, text)
    assert match is not None
    return match[0], text[match.end() :]


def compare_dpkg_parts(left: str, right: str) -> int:
    """The initial run of non-digits, then that of digits, until both are used up."""
    while left or right:
        (run_left, left), (run_right, right) = take(r"[^0-9]*", left), take(r"[^0-9]*", right)
        for one, other in zip_longest(run_left, run_right, fillvalue=""):
            if one != other:
                return sign(one, other, dpkg_weight(one) < dpkg_weight(other))
        (digits_left, left), (digits_right, right) = take(r"[0-9]*", left), take(r"[0-9]*", right)
        if verdict := compare_numbers(digits_left, digits_right):
            return verdict
    return 0


DPKG_PART = st.lists(st.one_of(DIGITS, st.sampled_from(["~", "~~", ".", "+", "a", "b", "Z", "rc", "_"])), max_size=7)
DPKG = st.tuples(
    DIGITS.filter(lambda digits: len(digits) < 10),
    st.tuples(DIGITS, DPKG_PART).map(lambda parts: parts[0] + "".join(parts[1])),
    st.tuples(DIGITS, DPKG_PART).map(lambda parts: parts[0] + "".join(parts[1])),
)


@given(DPKG, DPKG)
@settings(max_examples=300, deadline=None)
def test_dpkg_keys_agree_with_policy(left: tuple[str, str, str], right: tuple[str, str, str]) -> None:
    """Epoch by value, then upstream version, then revision, each by policy's steps."""
    expected = (
        compare_numbers(left[0], right[0])
        or compare_dpkg_parts(left[1], right[1])
        or compare_dpkg_parts(left[2], right[2])
    )
    assert order_of_keys(dpkg.key, "{}:{}-{}".format(*left), "{}:{}-{}".format(*right)) == expected


@given(st.tuples(DIGITS, DPKG_PART), st.tuples(DIGITS, DPKG_PART))
@settings(max_examples=300, deadline=None)
def test_dpkg_keys_agree_where_epoch_and_revision_are_absent(
    left: tuple[str, list[str]], right: tuple[str, list[str]]
) -> None:
    """The upstream version alone decides."""
    one, other = left[0] + "".join(left[1]), right[0] + "".join(right[1])
    assert order_of_keys(dpkg.key, one, other) == compare_dpkg_parts(one, other)


# apk: tokens of a kind are compared; where kinds differ, this is their order.

APK_SUFFIXES = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"]
APK_KINDS = ["before", "end", "revision", "hash", "suffix digits", "after", "letter", "digits"]

Token = tuple[str, str]


def apk_tokens(first: str, rest: list[str], letter: str, suffixes: list[Token], tail: Token) -> list[Token]:
    """The parts of one version as (kind, value)."""
    tokens = [("first", first), *(("digits", digits) for digits in rest)]
    tokens += [("letter", letter)] if letter else []
    for suffix, digits in suffixes:
        tokens.append(("before" if APK_SUFFIXES.index(suffix) < 4 else "after", suffix))
        tokens += [("suffix digits", digits)] if digits else []
    tokens += [("hash", tail[0])] if tail[0] else []
    tokens += [("revision", tail[1])] if tail[1] else []
    return [*tokens, ("end", "")]


def apk_text(tokens: list[Token]) -> str:
    """The version that these tokens write."""
    signs = {"digits": ".", "before": "_", "after": "_", "hash": "~", "revision": "-r"}
    return "".join(signs.get(kind, "") + value for kind, value in tokens)


def compare_apk(left: list[Token], right: list[Token]) -> int:
    """Token by token, by kind and then by the kind's own order."""
    for (kind_left, one), (kind_right, other) in zip(left, right, strict=False):
        if kind_left != kind_right:
            return sign(0, 1, APK_KINDS.index(kind_left) < APK_KINDS.index(kind_right))
        if kind_left in ("before", "after"):
            verdict = sign(one, other, APK_SUFFIXES.index(one) < APK_SUFFIXES.index(other))
        elif kind_left in ("letter", "hash", "end") or (kind_left == "digits" and "0" in (one[0], other[0])):
            verdict = sign(one, other, one < other)
        else:
            verdict = compare_numbers(one, other)
        if verdict:
            return verdict
    return 0


APK = st.builds(
    apk_tokens,
    DIGITS,
    st.lists(DIGITS, max_size=3),
    st.sampled_from(["", "", "a", "b"]),
    st.lists(st.tuples(st.sampled_from([name for name in APK_SUFFIXES if name]), st.just("") | DIGITS), max_size=2),
    st.tuples(st.sampled_from(["", "", "12", "123", "abc"]), st.just("") | DIGITS),
)


@given(APK, APK)
@settings(max_examples=500, deadline=None)
def test_apk_keys_agree_with_its_token_order(left: list[Token], right: list[Token]) -> None:
    """The first difference, in kind or in value, decides."""
    assert order_of_keys(apk.key, apk_text(left), apk_text(right)) == compare_apk(left, right)


# PEP 440: packaging is the reference.

LOCAL = st.lists(st.sampled_from(["0", "1", "10", "132", "a", "ab", "b", "1a"]), min_size=1, max_size=3).map(".".join)
PEP440 = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "", "0!", "1!"]),
    st.lists(PLAIN, min_size=1, max_size=4).map(".".join),
    st.just("") | st.builds("{}{}".format, st.sampled_from(["a", "b", "rc"]), PLAIN),
    st.just("") | st.builds(".post{}".format, PLAIN),
    st.just("") | st.builds(".dev{}".format, PLAIN),
    st.just("") | LOCAL.map("+{}".format),
)


@given(PEP440, PEP440)
@example("1.0", "1.0.dev0")
@settings(max_examples=500, deadline=None)
def test_pep440_keys_agree_with_packaging(left: str, right: str) -> None:
    """packaging compares the two versions as their keys compare."""
    one, other = Version(left), Version(right)
    assert order_of_keys(pep440.key, left, right) == sign(one, other, one < other)


# semver: part 11.

IDENTIFIER = st.one_of(PLAIN, st.sampled_from(["a", "A", "ab", "a-b", "-", "0a", "1-", "rc"]))
Semver = tuple[list[str], list[str]]
SEMVER = st.tuples(st.lists(PLAIN, min_size=4, max_size=4), st.lists(IDENTIFIER, max_size=3))


def compare_semver(left: Semver, right: Semver) -> int:
    """Numbers by value, a pre-release below its release, identifiers one by one."""
    for one, other in zip(left[0], right[0], strict=True):
        if verdict := compare_numbers(one, other):
            return verdict
    if not left[1] or not right[1]:
        return sign(bool(left[1]), bool(right[1]), bool(left[1]))
    for one, other in zip(left[1], right[1], strict=False):
        if one.isdigit() and other.isdigit():
            verdict = compare_numbers(one, other)
        elif one.isdigit() or other.isdigit():
            verdict = -1 if one.isdigit() else 1
        else:
            verdict = sign(one, other, one < other)
        if verdict:
            return verdict
    return sign(len(left[1]), len(right[1]), len(left[1]) < len(right[1]))


@given(SEMVER, SEMVER, st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=500, deadline=None)
def test_semver_keys_agree_with_part_11(left: Semver, right: Semver, kept_left: int, kept_right: int) -> None:
    """Any count of numbers, the rest being 0."""

    def written(version: Semver, kept: int) -> tuple[str, Semver]:
        release, identifiers = version
        text = ".".join(release[:kept]) + ("-" if identifiers else "") + ".".join(identifiers)
        return text, (release[:kept] + ["0"] * (4 - kept), identifiers)

    (one, first), (other, second) = written(left, kept_left), written(right, kept_right)
    assert order_of_keys(semver.key, one, other) == compare_semver(first, second)


# Every scheme, and the numbers they are made of.


@pytest.mark.parametrize("scheme", KEYS)
@given(text=st.one_of(st.text(max_size=40), st.text("0123456789.~-+_:!rabvp=", max_size=40)))
@settings(max_examples=300, deadline=None)
def test_any_text_has_a_key_or_is_refused(scheme: str, text: str) -> None:
    """A key no longer than a few bytes a character, or InvalidVersion; nothing else."""
    try:
        key = KEYS[scheme](text)
    except InvalidVersion as error:
        assert error.text == text
    else:
        assert 0 < len(key) <= 3 * len(text) + 4


@pytest.mark.parametrize("scheme", KEYS)
@pytest.mark.parametrize("unit", ["1", "0", "1.", "0.", ".0", "~", "-", "a", "1a", "_p1", "=", " ", "1!", "-a.", "+a."])
def test_long_texts_have_a_bounded_key(scheme: str, unit: str) -> None:
    """One pattern repeated to the longest version there is ends as soon as any other text."""
    text = ("1" + unit * LONGEST)[:LONGEST]
    try:
        assert len(KEYS[scheme](text)) <= 3 * LONGEST
    except InvalidVersion:
        with pytest.raises(InvalidVersion):
            KEYS[scheme](text + "1")


@given(st.integers(0, 2**2040 - 1), st.integers(0, 2**2040 - 1) | st.integers(0, 300))
@example(131, 132)
@example(255, 256)
@example(2**64 - 1, 2**64)
@settings(max_examples=300, deadline=None)
def test_numbers_sort_as_bytes(left: int, right: int) -> None:
    """Bytes compare as values do, no form is a prefix of another, and all stay inside their range of bytes."""
    one, other = numbers.of_int(left), numbers.of_int(right)
    assert (one < other) == (left < right)
    assert left == right or not (one.startswith(other) or other.startswith(one))
    assert 0x20 <= one[0] < numbers.ABOVE
    assert numbers.of_digits(f"00{left}") == one

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

from hullwise.versions import apk, composer, dpkg, gem, go, maven, nuget, numbers, pep440, rpm, semver
from hullwise.versions.invalid import LONGEST, InvalidVersion

KEYS: dict[str, Callable[[str], bytes]] = {
    "dpkg": dpkg.key,
    "apk": apk.key,
    "pep440": pep440.key,
    "semver": semver.key,
    "rpm": rpm.key,
    "go": go.key,
    "gem": gem.key,
    "composer": composer.key,
    "maven": maven.key,
    "nuget": nuget.key,
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
APK_KINDS = ["before", "end", "revision", "hash", "suffix digits", "after", "letter", "digits", "its digits"]

Token = tuple[str, str]


def apk_tokens(first: str, rest: list[Token], letter: str, suffixes: list[Token], tail: Token) -> list[Token]:
    """The parts of one version as (kind, value)."""
    tokens = [("first", first)]
    for sign_, digits in rest:
        tokens += [("digits", digits)] if sign_ == "." else [("letter", sign_), ("its digits", digits)]
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
    st.lists(st.tuples(st.sampled_from([".", ".", ".", "a", "b"]), DIGITS), max_size=3),
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


# rpm: the rules of rpm-version(7), step by step.


def rpm_rank(run: str) -> int:
    """The place of a run's kind."""
    return {"~": 0, "": 1, "^": 2}.get(run, 4 if run.isdigit() else 3)


def compare_rpm_parts(left: str, right: str) -> int:
    """Separators apart: tilde, end, caret, letters, digits; letters and digits run by run."""
    while True:
        left, right = re.sub(r"^[^0-9A-Za-z~^]+", "", left), re.sub(r"^[^0-9A-Za-z~^]+", "", right)
        if not left and not right:
            return 0
        (one, left), (other, right) = take(r"[0-9]+|[A-Za-z]+|[~^]|$", left), take(r"[0-9]+|[A-Za-z]+|[~^]|$", right)
        if rpm_rank(one) != rpm_rank(other):
            return sign(0, 1, rpm_rank(one) < rpm_rank(other))
        if verdict := compare_numbers(one, other) if one.isdigit() else sign(one, other, one < other):
            return verdict


RPM_PART = st.tuples(
    DIGITS, st.lists(st.one_of(DIGITS, st.sampled_from(["~", "^", ".", "+", "_", "a", "b", "Z", "rc"])), max_size=6)
).map(lambda parts: parts[0] + "".join(parts[1]))
RPM = st.tuples(DIGITS, RPM_PART, st.none() | RPM_PART)


@given(RPM, RPM)
@settings(max_examples=300, deadline=None)
def test_rpm_keys_agree_with_its_rules(left: tuple[str, str, str | None], right: tuple[str, str, str | None]) -> None:
    """Epoch by value, then version, then release; an absent release is below each."""

    def written(version: tuple[str, str, str | None]) -> str:
        return f"{version[0]}:{version[1]}" + ("" if version[2] is None else f"-{version[2]}")

    expected = compare_numbers(left[0], right[0]) or compare_rpm_parts(left[1], right[1])
    if not expected:
        absent = (left[2] is not None, right[2] is not None)
        expected = sign(*absent, absent[0] < absent[1]) or compare_rpm_parts(left[2] or "", right[2] or "")
    assert order_of_keys(rpm.key, written(left), written(right)) == expected


# RubyGems: segments by pairs, an absent one being 0.


def gem_segments(text: str) -> list[str]:
    """The version's canonical segments: no zeros at the end, nor in front of the first letters."""
    cut = re.search("[A-Za-z]", text)
    at = cut.start() if cut else len(text)
    halves = [re.findall("[0-9]+|[A-Za-z]+", half) for half in (text[:at], text[at:])]
    for half in halves:
        while half and half[-1].strip("0") == "":
            half.pop()
    return halves[0] + halves[1]


def compare_gem(left: str, right: str) -> int:
    """Letters below numbers, letters as text, numbers by value."""
    for one, other in zip_longest(gem_segments(left), gem_segments(right), fillvalue="0"):
        if one.isdigit() and other.isdigit():
            verdict = compare_numbers(one, other)
        elif one.isdigit() or other.isdigit():
            verdict = 1 if one.isdigit() else -1
        else:
            verdict = sign(one, other, one < other)
        if verdict:
            return verdict
    return 0


GEM = st.tuples(
    DIGITS, st.lists(st.one_of(DIGITS, st.sampled_from(["0", "a", "b", "A", "rc", "rc1", "0a", "pre"])), max_size=5)
).map(lambda parts: ".".join([parts[0], *parts[1]]))


@given(GEM, GEM)
@example("1.a.0.b", "1.a.0.0.b")
@settings(max_examples=300, deadline=None)
def test_gem_keys_agree_with_pairs_of_segments(left: str, right: str) -> None:
    """Absent segments count as 0, on either side."""
    assert order_of_keys(gem.key, left, right) == compare_gem(left, right)


# NuGet: semantic versioning, but for case and for what is a number.

NUGET_LABEL = st.one_of(
    st.integers(-3, 3).map(str),
    st.integers(2**31 - 2, 2**31 + 2).map(str),
    st.sampled_from(["a", "A", "ab", "Ab", "a-b", "-", "0a", "rc", "RC", "20240131235959"]),
)
NUGET = st.tuples(
    st.lists(st.integers(0, 3) | st.integers(130, 2**31 - 1), min_size=4, max_size=4), st.lists(NUGET_LABEL, max_size=3)
)
Nuget = tuple[list[int], list[str]]


def nuget_weight(label: str) -> tuple[int, int, str]:
    """32-bit numbers by value, below text in any case."""
    if re.fullmatch("-?[0-9]+", label) and -(2**31) <= int(label) < 2**31:
        return 0, int(label), ""
    return 1, 0, label.upper()


@given(NUGET, NUGET)
@settings(max_examples=300, deadline=None)
def test_nuget_keys_agree_with_its_comparison(left: Nuget, right: Nuget) -> None:
    """Four numbers, then a pre-release below its release, then label by label."""

    def written(version: Nuget) -> str:
        return ".".join(map(str, version[0])) + ("-" if version[1] else "") + ".".join(version[1])

    def weight(version: Nuget) -> tuple[list[int], bool, list[tuple[int, int, str]]]:
        return version[0], not version[1], [nuget_weight(label) for label in version[1]]

    one, other = weight(left), weight(right)
    assert order_of_keys(nuget.key, written(left), written(right)) == sign(one, other, one < other)


# Composer: PHP's version_compare on what Composer normalises to.

Composer = tuple[list[str], str, list[str], bool]
COMPOSER_WORDS = ["dev", "alpha", "beta", "RC", "#", "patch"]
COMPOSER = st.tuples(
    st.lists(DIGITS.filter(lambda digits: len(digits) < 6), min_size=1, max_size=4),
    st.sampled_from(["", "alpha", "beta", "RC", "patch"]),
    st.lists(DIGITS, max_size=2),
    st.booleans(),
)


def compare_php(left: list[str], right: list[str]) -> int:
    """Numbers by value, words in their order; a number and the end count as `#` beside a word, and the end is below
    a number."""
    for one, other in zip_longest(left, right, fillvalue=""):
        if one.isdigit() and other.isdigit():
            verdict = compare_numbers(one, other)
        elif (one.isdigit() or not one) and (other.isdigit() or not other):
            verdict = 1 if one else -1
        else:
            place, other_place = (COMPOSER_WORDS.index(part if part.isalpha() else "#") for part in (one, other))
            verdict = sign(place, other_place, place < other_place)
        if verdict:
            return verdict
    return 0


@given(COMPOSER, COMPOSER)
@settings(max_examples=300, deadline=None)
def test_composer_keys_agree_with_version_compare(left: Composer, right: Composer) -> None:
    """Four numbers, then stability with its numbers, then dev."""

    def written(version: Composer) -> str:
        release, stability, counts, dev = version
        text = ".".join(release) + (f"-{stability}{'.'.join(counts)}" if stability else "")
        return text + ("-dev" if dev else "")

    def parts(version: Composer) -> list[str]:
        release, stability, counts, dev = version
        named = [stability, *counts] if stability else []
        return release + ["0"] * (4 - len(release)) + named + (["dev"] if dev else [])

    assert order_of_keys(composer.key, written(left), written(right)) == compare_php(parts(left), parts(right))


# Maven: lists in lists, compared by pairs; where one has no item, the other is compared with nothing.

MAVEN_QUALIFIERS = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"]
Maven = list[list[str]]
MAVEN = st.lists(
    st.lists(
        st.sampled_from(["0", "1", "2", "10", "256", "alpha", "rc", "ga", "sp", "x", "xy"]), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=4,
).filter(lambda lists: len(lists[-1]) == 1 or lists[-1][-1].isdigit())


def maven_lists(written: Maven) -> Maven:
    """Without what means nothing at the ends."""
    lists = [["" if item == "ga" else item for item in items] for items in written]
    for items in lists:
        while items and items[-1] in ("", "0"):
            items.pop()
    while len(lists) > 1 and not lists[-1]:
        lists.pop()
    return lists


def maven_side(lists: Maven) -> int:
    """-1 for a tail below the plain release, 1 above; 0 for none."""
    for item in (item for items in lists for item in items):
        if item not in ("", "0"):
            return -1 if item in MAVEN_QUALIFIERS[:5] else 1
    return 0


def maven_place(qualifier: str) -> tuple[int, str]:
    """The known ones in their order, then all others as text."""
    return (MAVEN_QUALIFIERS.index(qualifier) if qualifier in MAVEN_QUALIFIERS else 7), qualifier


def compare_maven(left: Maven, right: Maven) -> int:
    """The side of the plain release; then qualifier, list, number; then the items themselves."""
    side, other_side = maven_side(left), maven_side(right)
    if side != other_side:
        return sign(side, other_side, side < other_side)
    if not side:
        return 0
    kind, other_kind = (1 if not lists[0] else 2 if lists[0][0].isdigit() else 0 for lists in (left, right))
    if kind != other_kind:
        return sign(kind, other_kind, kind < other_kind)
    if kind == 1:
        return compare_maven(left[1:], right[1:])
    one, other = left[0][0], right[0][0]
    if kind == 2:
        verdict = compare_numbers(one, other)
    else:
        place, other_place = maven_place(one), maven_place(other)
        verdict = sign(place, other_place, place < other_place)
    return verdict or compare_maven([left[0][1:], *left[1:]], [right[0][1:], *right[1:]])


@given(MAVEN, MAVEN)
@settings(max_examples=300, deadline=None)
def test_maven_keys_agree_with_pairs_of_items(left: Maven, right: Maven) -> None:
    """Lists are divided by hyphens, items by dots."""
    one, other = ("-".join(map(".".join, lists)) for lists in (left, right))
    assert order_of_keys(maven.key, one, other) == compare_maven(maven_lists(left), maven_lists(right))


@given(st.sampled_from(["", "v"]), st.lists(PLAIN, min_size=3, max_size=3), st.lists(IDENTIFIER, max_size=3))
@settings(max_examples=200, deadline=None)
def test_go_orders_modules_as_semver_does(prefix: str, release: list[str], identifiers: list[str]) -> None:
    """A module's version has the key of semantic versioning."""
    text = prefix + ".".join(release) + ("-" if identifiers else "") + ".".join(identifiers)
    assert go.key(text) == semver.key(text)


@given(PLAIN, PLAIN, st.sampled_from(["beta", "rc"]), st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_go_orders_itself_as_the_database_does(major: str, minor: str, kind: str, count: int) -> None:
    """Go's own form and the database's have one key."""
    assert go.key(f"go{major}.{minor}{kind}{count}") == semver.key(f"{major}.{minor}.0-{kind}.{count}")


# Every scheme, and the numbers they are made of.


@pytest.mark.parametrize("scheme", KEYS)
@given(text=st.one_of(st.text(max_size=40), st.text("0123456789.~^-+_:!rabvpx=go ", max_size=40)))
@settings(max_examples=300, deadline=None)
def test_any_text_has_a_key_or_is_refused(scheme: str, text: str) -> None:
    """A key no longer than a few bytes a character, or InvalidVersion; nothing else."""
    try:
        key = KEYS[scheme](text)
    except InvalidVersion as error:
        assert error.text == text
    else:
        assert 0 < len(key) <= 5 * len(text) + 4


@pytest.mark.parametrize("scheme", KEYS)
@pytest.mark.parametrize(
    "unit",
    [
        *["1", "0", "1.", "0.", ".0", "~", "^", "-", "a", "1a", "_p1", "=", " ", "1!", "-a.", "+a.", "-a", ".a", "-1"],
        *[":", "rc", "-dev", ".dev", ".x", "10:", "-0", ".-", "-9", "--1"],
    ],
)
def test_long_texts_have_a_bounded_key(scheme: str, unit: str) -> None:
    """One pattern repeated to the longest version there is ends as soon as any other text."""
    text = ("1" + unit * LONGEST)[:LONGEST]
    try:
        assert len(KEYS[scheme](text)) <= 5 * LONGEST
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

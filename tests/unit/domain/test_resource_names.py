"""Names of repositories, tags, accounts and ARNs, as ECR's service model and the distribution spec allow them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain import names
from hullwise.domain.errors import InvalidArn, InvalidName, InvalidParameter
from hullwise.domain.names import RepositoryArn
from hullwise.ecr import model


@pytest.mark.parametrize(
    "name",
    ["ab", "a0", "00", "a/b", "team/app", "a-b", "a--b", "a---b", "a.b", "a_b", "a__b", "a/b-c/d__e.f", "a" * 256],
)
def test_names_of_repositories(name: str) -> None:
    """Lower-case words with single dots, one or two underscores or any dashes between them, in any number of parts."""
    assert names.check_repository(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "a" * 257,
        "Ab",
        "-ab",
        "ab-",
        "a..b",
        "a___b",
        "a._b",
        "a-_b",
        "/ab",
        "ab/",
        "a//b",
        "a/-b",
        "ab\n",
        "a b",
        "é" * 2,
        "a\0b",
        "..",
        "a/../b",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    """Upper case, doubled or outer separators, one letter, over 256 of them, and whatever else."""
    with pytest.raises(InvalidName):
        names.check_repository(name)


@given(st.text(alphabet="ab0-_./", max_size=12))
def test_the_pattern_is_the_service_models(name: str) -> None:
    """What is allowed is exactly what botocore's model of ECR allows for RepositoryName."""
    shape = model.service_model().shape_for("RepositoryName")
    allowed = (
        re.fullmatch(shape.metadata["pattern"], name) is not None
        and shape.metadata["min"] <= len(name) <= shape.metadata["max"]
    )
    try:
        names.check_repository(name)
        assert allowed
    except InvalidName:
        assert not allowed


@pytest.mark.parametrize("name", ["a" * 255 + "!", "a-" * 127 + "!", "a_" * 127 + "!", "a/" * 127 + "!", "-" * 256])
def test_a_hostile_name_takes_no_time(name: str) -> None:
    """The pattern does not try again what it has tried."""
    before = time.process_time()
    with pytest.raises(InvalidName):
        names.check_repository(name)
    assert time.process_time() - before < 1


@pytest.mark.parametrize("tag", ["a", "_", "1.0", "V1.0-rc_1", "latest", "a" * 128])
def test_tags(tag: str) -> None:
    """Letters, digits, underscores, dots and dashes, 128 at most, not beginning with the last two."""
    assert names.check_tag(tag) == tag
    assert names.is_tag(tag)


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a" * 129, "a b", "a/b", "a:b", "a\n", "é", "a@b"])
def test_other_tags_are_refused(tag: str) -> None:
    """A registry everywhere must be able to take them."""
    assert not names.is_tag(tag)
    with pytest.raises(InvalidParameter):
        names.check_tag(tag)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123456789012", True),
        ("000000000000", True),
        ("12345678901", False),
        ("1234567890123", False),
        ("12345678901a", False),
        ("123456789012\n", False),
        ("٣" * 12, False),
        ("", False),
    ],
)
def test_accounts_are_twelve_digits(text: str, expected: bool) -> None:
    """ASCII digits, exactly twelve."""
    assert names.is_account(text) is expected


def test_an_arn_leads_back_to_its_repository() -> None:
    """Region, account and name, in each of AWS's partitions."""
    arn = names.repository_arn("123456789012", "eu-west-1", "team/app")
    assert arn == "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"
    assert names.parse_repository_arn(arn) == RepositoryArn("eu-west-1", "123456789012", "team/app")
    assert names.parse_repository_arn(arn.replace("arn:aws:", "arn:aws-cn:")).name == "team/app"


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "team/app",
        "arn:aws:ecr:eu-west-1:123456789012:repository/",
        "arn:aws:ecr:eu-west-1:123456789012:repository/Team",
        "arn:aws:ecr:eu-west-1:123456789012:repository/team/app\n",
        "arn:aws:ecr:eu-west-1:123456789012:repository/" + "a" * 257,
        "arn:aws:ecr:eu-west-1:123456789012:repository/a",
        "arn:aws:ecr:eu-west-1:12345:repository/team",
        "arn:aws:s3:eu-west-1:123456789012:repository/team",
        "arn:aws:ecr::123456789012:repository/team",
    ],
)
def test_other_arns_are_refused(arn: str) -> None:
    """Of another service, without a part, or of a name that no repository can have."""
    with pytest.raises(InvalidArn):
        names.parse_repository_arn(arn)

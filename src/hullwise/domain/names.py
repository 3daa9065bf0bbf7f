"""Names and identifiers: repositories, tags, accounts, ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hullwise.domain import limits
from hullwise.domain.errors import InvalidArn, InvalidName, InvalidParameter

# ECR's pattern for repository names (service model, RepositoryName), which have two characters at least. Each
# alternative starts with another character, so matching is linear.
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
# Distribution spec 1.1, "Pulling manifests".
_TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{limits.TAG_NAME - 1}}}")
_ACCOUNT = re.compile(r"[0-9]{12}")


def is_repository(text: str) -> bool:
    return 2 <= len(text) <= limits.REPOSITORY_NAME and _REPOSITORY.fullmatch(text) is not None


def check_repository(name: str) -> str:
    """The name itself; raises InvalidName unless it is one of ECR's."""
    if not is_repository(name):
        raise InvalidName(name)
    return name


def check_tag(tag: str) -> str:
    """The tag itself; raises InvalidParameter unless registries everywhere take it."""
    if _TAG.fullmatch(tag) is None:
        raise InvalidParameter("imageTag", f"must satisfy regular expression '{_TAG.pattern}'")
    return tag


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_account(text: str) -> bool:
    return _ACCOUNT.fullmatch(text) is not None


def repository_arn(account: str, region: str, name: str) -> str:
    return f"arn:aws:ecr:{region}:{account}:repository/{name}"


@dataclass(frozen=True, slots=True)
class RepositoryArn:
    region: str
    account: str
    name: str


_ARN = re.compile(r"arn:[a-z-]+:ecr:([a-z0-9-]+):([0-9]{12}):repository/(.+)", re.DOTALL)


def parse_repository_arn(arn: str) -> RepositoryArn:
    """The parts of a repository's ARN; raises InvalidArn for anything else."""
    match = _ARN.fullmatch(arn)
    if match is None or not is_repository(match[3]):
        raise InvalidArn(arn)
    return RepositoryArn(region=match[1], account=match[2], name=match[3])


@dataclass(frozen=True, slots=True)
class ImageId:
    """How a caller names an image: by digest, by tag, or by both, which must then agree."""

    digest: str | None = None
    tag: str | None = None

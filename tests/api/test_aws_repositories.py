"""Repositories, their resource tags and the registry itself, over the AWS API with boto3."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.edges import edges
from tests.support.images import image, layer
from tests.support.refusals import bad_parameter, not_found, refused
from tests.support.registry import ACCOUNT, REGION, Registry, Server

SMALL = image([layer({"etc/motd": b"hello\n"})])
OTHER_ACCOUNT = "314159265358"


@pytest.fixture(scope="module")
def stranger(server: Server) -> Any:
    """boto3's client with a key of another account."""
    key = json.loads(server.run("keys", "create", "--account", OTHER_ACCOUNT, "--format", "json").stdout)
    return server.client(aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])


def arn(server: Server, name: str) -> str:
    return f"arn:aws:ecr:{REGION}:{server.account}:repository/{name}"


def test_a_new_repository_has_the_defaults(server: Server, ecr: Any) -> None:
    """Exactly ECR's members with its defaults: what is not set is left out."""
    made = ecr.create_repository(repositoryName="repo/new")["repository"]
    assert abs(made.pop("createdAt") - datetime.now(UTC)) < timedelta(seconds=30)
    assert made == {
        "repositoryArn": arn(server, "repo/new"),
        "registryId": server.account,
        "repositoryName": "repo/new",
        "repositoryUri": f"{server.host}/repo/new",
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }


def test_what_a_repository_is_made_with_is_shown(server: Server, ecr: Any) -> None:
    """Every setting comes back as given, from the creation and from a description alike."""
    settings = {
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}],
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/own"},
    }
    made = ecr.create_repository(
        registryId=server.account, repositoryName="repo/full", tags=[{"Key": "b", "Value": "2"}], **settings
    )["repository"]
    assert {name: made[name] for name in settings} == settings
    assert ecr.describe_repositories(repositoryNames=["repo/full"])["repositories"] == [made]
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert tags == [{"Key": "b", "Value": "2"}]


def test_a_key_stands_for_that_of_ecr(server: Server, ecr: Any) -> None:
    """KMS without a key: an ARN of one, the same in each answer and for each repository of the account."""
    shown = []
    for number, kind in enumerate(("KMS", "KMS", "KMS_DSSE")):
        name = f"repo/kms{number}"
        made = ecr.create_repository(repositoryName=name, encryptionConfiguration={"encryptionType": kind})[
            "repository"
        ]
        assert made["encryptionConfiguration"]["encryptionType"] == kind
        assert ecr.describe_repositories(repositoryNames=[name])["repositories"] == [made]
        shown.append(made["encryptionConfiguration"]["kmsKey"])
    assert len(set(shown)) == 1
    assert re.fullmatch(
        rf"arn:aws:kms:{REGION}:{server.account}:key/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", shown[0]
    )


NAME_PATTERN = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"


@pytest.mark.parametrize("name", ["UPPER", "a..b", "a___b", "/a", "a/", "a//b", "-a", "a-", "../a", "a b", "é1", "a\n"])
def test_a_name_that_the_pattern_refuses(ecr: Any, name: str) -> None:
    """ECR's own sentence quotes the pattern."""
    expected = bad_parameter("repositoryName", f"must satisfy regular expression '{NAME_PATTERN}'")
    assert refused(ecr, "create_repository", repositoryName=name) == expected


@pytest.mark.parametrize("name", ["00", "a.b_c__d---e", "a/b/c/d/e/f", "x" * 256])
def test_a_name_that_the_pattern_allows(ecr: Any, name: str) -> None:
    """The ends of what a name may be."""
    assert ecr.create_repository(repositoryName=name)["repository"]["repositoryName"] == name


def test_a_name_is_at_most_256_characters(ecr: Any) -> None:
    """The length is refused before the pattern is looked at."""
    expected = bad_parameter("repositoryName", "must have length less than or equal to 256")
    assert refused(ecr, "create_repository", repositoryName="x" * 257) == expected


FILTER = {"filterType": "WILDCARD", "filter": "v*"}
EXCLUSIONS = "imageTagMutabilityExclusionFilters"
UNMADE: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "exclusion without filters": (
        {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"},
        bad_parameter(
            EXCLUSIONS,
            "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as "
            "IMMUTABLE_WITH_EXCLUSION",
        ),
    ),
    "filters without exclusion": (
        {"imageTagMutability": "IMMUTABLE", EXCLUSIONS: [FILTER]},
        bad_parameter(
            EXCLUSIONS, "ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as IMMUTABLE"
        ),
    ),
    "three wildcards": (
        {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION", EXCLUSIONS: [{**FILTER, "filter": "*a*b*"}]},
        bad_parameter(EXCLUSIONS, "a filter has at most 2 wildcards"),
    ),
    "unknown mutability": (
        {"imageTagMutability": "SOMETIMES"},
        bad_parameter(
            "imageTagMutability",
            "Member must satisfy enum value set: "
            "[MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]",
        ),
    ),
    "a tag key twice": (
        {"tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
        ("InvalidTagParameterException", "Invalid resource tag: a key may be given once"),
    ),
    "51 tags": (
        {"tags": [{"Key": f"k{number}", "Value": ""} for number in range(51)]},
        ("TooManyTagsException", "A repository can have at most 50 resource tags"),
    ),
}


@pytest.mark.parametrize("case", UNMADE)
def test_a_repository_that_is_not_made(server: Server, ecr: Any, case: str) -> None:
    """Settings that do not fit together are refused, and no repository is left behind."""
    settings, expected = UNMADE[case]
    assert refused(ecr, "create_repository", repositoryName="repo/unmade", **settings) == expected
    unmade = refused(ecr, "describe_repositories", repositoryNames=["repo/unmade"])
    assert unmade == not_found("repo/unmade", server.account)


def test_deleting_a_repository(server: Server, ecr: Any) -> None:
    """One with images goes only by force; what is returned is what was there; afterwards there is nothing."""
    made = ecr.create_repository(repositoryName="repo/gone", tags=[{"Key": "a", "Value": "1"}])["repository"]
    server.push("repo/gone", SMALL)
    assert refused(ecr, "delete_repository", repositoryName="repo/gone") == (
        "RepositoryNotEmptyException",
        f"The repository with name 'repo/gone' in registry with id '{server.account}' cannot be deleted because it "
        "still contains images",
    )
    assert ecr.delete_repository(repositoryName="repo/gone", force=True)["repository"] == made
    expected = not_found("repo/gone", server.account)
    assert refused(ecr, "delete_repository", repositoryName="repo/gone", force=True) == expected
    assert refused(ecr, "list_images", repositoryName="repo/gone") == expected
    assert refused(ecr, "list_tags_for_resource", resourceArn=arn(server, "repo/gone")) == expected
    ecr.create_repository(repositoryName="repo/gone")
    assert ecr.list_tags_for_resource(resourceArn=arn(server, "repo/gone"))["tags"] == []
    assert ecr.delete_repository(repositoryName="repo/gone")["repository"]["repositoryName"] == "repo/gone"


def test_one_missing_name_fails_the_whole_description(server: Server, ecr: Any, repository: str) -> None:
    """As in ECR, and the message names the registry that was asked for; a name given twice is described once."""
    named = [repository, "repo/none"]
    expected = not_found("repo/none", server.account)
    assert refused(ecr, "describe_repositories", repositoryNames=named) == expected
    elsewhere = refused(ecr, "describe_repositories", repositoryNames=[repository], registryId=OTHER_ACCOUNT)
    assert elsewhere == not_found(repository, OTHER_ACCOUNT)
    assert len(ecr.describe_repositories(repositoryNames=[repository, repository])["repositories"]) == 1


def test_repositories_in_pages(stranger: Any) -> None:
    """Pages of any size add up to all repositories of the account, by name, none twice; the last has no token."""
    names = [f"paged/r{number:02}" for number in range(11)]
    for name in reversed(names):
        stranger.create_repository(repositoryName=name)
    for size in (1, 4, 10, 11, 12):
        found: list[str] = []
        token: dict[str, str] = {}
        for _ in range(20):
            page = stranger.describe_repositories(maxResults=size, **token)
            assert len(page["repositories"]) <= size
            found += [repository["repositoryName"] for repository in page["repositories"]]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert found == names
    assert len(stranger.describe_repositories()["repositories"]) == 11


def test_a_page_token_is_its_callers(server: Server, ecr: Any, stranger: Any) -> None:
    """A token is refused from another account, beside names, and when it was made up."""
    for name in ("repo/page-a", "repo/page-b"):
        ecr.create_repository(repositoryName=name)
    token = ecr.describe_repositories(maxResults=1)["nextToken"]
    expected = bad_parameter("nextToken", "Must be a token that this operation returned for the same request")
    assert refused(stranger, "describe_repositories", nextToken=token) == expected
    for wrong in ("", "x", token[:-1], token + "x", "é", "x" * 5000):
        assert refused(ecr, "describe_repositories", nextToken=wrong) == expected
    beside = refused(ecr, "describe_repositories", nextToken=token, repositoryNames=["repo/page-a"])
    assert beside == bad_parameter("nextToken", "cannot be used together with repositoryNames")
    sized = refused(ecr, "describe_repositories", maxResults=5, repositoryNames=["repo/page-a"])
    assert sized == bad_parameter("maxResults", "cannot be used together with repositoryNames")


def test_another_registry_is_not_the_callers(server: Server, stranger: Any, repository: str) -> None:
    """Nothing is made or listed in another account's registry; its repositories look as if they did not exist."""
    expected = not_found(repository, server.account)
    for operation in ("list_images", "describe_images", "delete_repository"):
        assert refused(stranger, operation, repositoryName=repository, registryId=server.account) == expected
    for operation, params, resource in (
        ("create_repository", {"repositoryName": "repo/theirs"}, "repo/theirs"),
        ("describe_repositories", {}, "*"),
    ):
        code, message = refused(stranger, operation, registryId=server.account, **params)
        assert code == "AccessDeniedException"
        assert message.startswith(f"User: arn:aws:iam::{OTHER_ACCOUNT}:user/AKIA")
        action = operation.title().replace("_", "")
        assert message.endswith(f" is not authorized to perform: ecr:{action} on resource: {arn(server, resource)}")
    assert refused(stranger, "tag_resource", resourceArn=arn(server, repository), tags=[]) == expected


def test_resource_tags_up_to_their_limits(server: Server, ecr: Any, repository: str) -> None:
    """50 tags, keys of 128 and values of 256 characters; a tag that is replaced does not count twice."""
    resource = {"resourceArn": arn(server, repository)}
    ecr.tag_resource(**resource, tags=[{"Key": f"k{number:02}", "Value": "v"} for number in range(49)])
    long = {"Key": "z" * 128, "Value": "é" * 256}
    answer = ecr.tag_resource(**resource, tags=[long])
    del answer["ResponseMetadata"]
    assert answer == {}
    too_many = refused(ecr, "tag_resource", **resource, tags=[{"Key": "one more", "Value": ""}])
    assert too_many == ("TooManyTagsException", "A repository can have at most 50 resource tags")
    ecr.tag_resource(**resource, tags=[{"Key": "k00", "Value": "new"}])
    tags = ecr.list_tags_for_resource(**resource)["tags"]
    assert (tags[0], tags[-1], len(tags)) == ({"Key": "k00", "Value": "new"}, long, 50)
    ecr.untag_resource(**resource, tagKeys=[tag["Key"] for tag in tags[1:]] + ["never there"])
    assert ecr.list_tags_for_resource(**resource)["tags"] == [{"Key": "k00", "Value": "new"}]


@pytest.mark.parametrize("tag", [("", "v"), ("k" * 129, "v"), ("k", "v" * 257), ("aws:k", "v"), ("AWS:k", "v")])
def test_a_resource_tag_that_is_refused(server: Server, ecr: Any, repository: str, tag: tuple[str, str]) -> None:
    """Empty, too long, or in the space that AWS keeps for itself."""
    tags = [{"Key": "good", "Value": ""}, {"Key": tag[0], "Value": tag[1]}]
    code, _ = refused(ecr, "tag_resource", resourceArn=arn(server, repository), tags=tags)
    assert code == "InvalidTagParameterException"
    assert ecr.list_tags_for_resource(resourceArn=arn(server, repository))["tags"] == []


@pytest.mark.parametrize(
    "resource",
    ["", "x", "arn:aws:s3:::bucket", "arn:aws:ecr:us-east-1:123456789012:repository/", "arn:aws:ecr:us-east-1:12:a/b"],
)
def test_a_resource_that_is_no_repository(ecr: Any, resource: str) -> None:
    """Anything but a repository's ARN is an invalid parameter."""
    code, message = refused(ecr, "list_tags_for_resource", resourceArn=resource)
    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN")


def test_a_repository_of_another_region(server: Server, ecr: Any, repository: str) -> None:
    """It is looked for where its ARN says, and not found."""
    elsewhere = arn(server, repository).replace(REGION, "eu-west-1")
    assert refused(ecr, "list_tags_for_resource", resourceArn=elsewhere) == not_found(repository, server.account)


def test_the_registry_describes_itself(server: Server, ecr: Any) -> None:
    """One without replication says so with an empty list of rules."""
    answer = ecr.describe_registry()
    del answer["ResponseMetadata"]
    assert answer == {"registryId": server.account, "replicationConfiguration": {"rules": []}}


def test_an_authorization_token(server: Server, ecr: Any) -> None:
    """Base64 of `AWS:` and a password that opens the registry API for twelve hours, at an endpoint with its scheme."""
    (data,) = ecr.get_authorization_token()["authorizationData"]
    assert sorted(data) == ["authorizationToken", "expiresAt", "proxyEndpoint"]
    assert data["proxyEndpoint"] == server.url
    assert abs(data["expiresAt"] - datetime.now(UTC) - timedelta(hours=12)) < timedelta(seconds=30)
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert httpx.get(f"{server.url}/v2/", auth=(user, password)).status_code == 200


@pytest.mark.parametrize(
    ("reached", "registry_host"),
    [
        (f"https://api.ecr.{REGION}.amazonaws.com", f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"),
        (f"http://api.ecr.{REGION}.localhost:5050", f"http://{ACCOUNT}.dkr.ecr.{REGION}.localhost:5050"),
        (f"https://{ACCOUNT}.dkr.ecr.{REGION}.registry.test", f"https://{ACCOUNT}.dkr.ecr.{REGION}.registry.test"),
        (f"https://210987654321.dkr.ecr.{REGION}.registry.test", f"https://{ACCOUNT}.dkr.ecr.{REGION}.registry.test"),
        ("https://api.registry.test", "https://api.registry.test"),
        (f"https://my-api.ecr.{REGION}.registry.test", f"https://my-api.ecr.{REGION}.registry.test"),
    ],
)
def test_where_the_registry_is(registry: Registry, reached: str, registry_host: str) -> None:
    """Beside the API where that has ECR's name, else where the API is; tokens and repositories say the same."""
    api = replace(edges(registry), url=reached)
    (data,) = api.aws("GetAuthorizationToken").json()["authorizationData"]
    assert data["proxyEndpoint"] == registry_host
    made = api.aws("CreateRepository", repositoryName="where").json()["repository"]
    assert made["repositoryUri"] == registry_host.partition("://")[2] + "/where"


def test_an_authorization_token_for_each_registry(ecr: Any) -> None:
    """The deprecated `registryIds`: one entry each, from one to ten."""
    asked = [f"{number:012}" for number in range(10)]
    assert len(ecr.get_authorization_token(registryIds=asked)["authorizationData"]) == 10
    twice = ecr.get_authorization_token(registryIds=[asked[0], asked[0]])
    assert len(twice["authorizationData"]) == 1
    expected = bad_parameter("registryIds", "Member must have length less than or equal to 10")
    assert refused(ecr, "get_authorization_token", registryIds=[*asked, "9" * 12]) == expected


@pytest.mark.parametrize("host", ["api", f"{ACCOUNT}.dkr"])
def test_each_registry_has_its_host(registry: Registry, host: str) -> None:
    """Where hosts are named as ECR's are, each account's is its own."""
    api = replace(edges(registry), url=f"https://{host}.ecr.{REGION}.registry.test")
    answer = api.aws("GetAuthorizationToken", registryIds=[ACCOUNT, "210987654321"]).json()
    assert [data["proxyEndpoint"] for data in answer["authorizationData"]] == [
        f"https://{account}.dkr.ecr.{REGION}.registry.test" for account in (ACCOUNT, "210987654321")
    ]

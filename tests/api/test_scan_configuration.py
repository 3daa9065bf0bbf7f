"""How a registry scans: its configuration, what that comes to for repositories, and its account settings."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hullwise.registry import settings
from tests.support import registry as support
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.images import sha256
from tests.support.registry import ACCOUNT, REGION, Registry

OTHER_ACCOUNT, OTHER_REGION = "210987654321", "eu-west-1"
PUT, GET = "PutRegistryScanningConfiguration", "GetRegistryScanningConfiguration"


@pytest.fixture
def api(registry: Registry) -> Clocked:
    return clocked(registry)


@pytest.fixture
def two_regions(tmp_path: Path, database_url: str) -> Iterator[Registry]:
    with support.registry(tmp_path, database_url, regions=(REGION, OTHER_REGION)) as found:
        yield found


def rule(frequency: str, *filters: str) -> dict[str, Any]:
    return {"scanFrequency": frequency, "repositoryFilters": wildcards(*filters)}


def wildcards(*filters: str) -> list[dict[str, str]]:
    return [{"filter": each, "filterType": "WILDCARD"} for each in filters]


def configuration(api: Clocked) -> Any:
    found = api.call(GET)
    assert sorted(found) == ["registryId", "scanningConfiguration"]
    assert found["registryId"] == ACCOUNT
    return found["scanningConfiguration"]


def effective(api: Clocked, *names: str) -> dict[str, tuple[bool, str, list[str]]]:
    """By repository: whether it is scanned on push, how often, and by which filters."""
    found = api.call("BatchGetRepositoryScanningConfiguration", repositoryNames=list(names))
    assert found["failures"] == []
    return {
        each["repositoryName"]: (
            each["scanOnPush"],
            each["scanFrequency"],
            [shown["filter"] for shown in each["appliedScanFilters"]],
        )
        for each in found["scanningConfigurations"]
    }


def refused(api: Clocked, operation: str, **params: Any) -> str:
    """The code of the refusal."""
    with pytest.raises(Refused) as caught:
        api.call(operation, **params)
    return caught.value.code


def test_what_nobody_put(api: Clocked) -> None:
    """A registry begins with basic scanning and no rules."""
    assert configuration(api) == {"scanType": "BASIC", "rules": []}


def test_what_is_put_is_what_is_got(api: Clocked) -> None:
    """Rules and filters in their order; Put answers under a name of its own."""
    put = {
        "scanType": "ENHANCED",
        "rules": [rule("SCAN_ON_PUSH", "z*", "a", "*"), rule("CONTINUOUS_SCAN", "prod")],
    }
    assert api.call(PUT, **put) == {"registryScanningConfiguration": put}
    assert configuration(api) == put


def test_put_replaces_everything(api: Clocked) -> None:
    """What is left out is as if it had never been put."""
    on_push = [rule("SCAN_ON_PUSH", "b")]
    expected: list[tuple[dict[str, Any], str, list[Any]]] = [
        ({}, "BASIC", []),
        ({"scanType": "ENHANCED"}, "ENHANCED", []),
        ({"rules": on_push}, "BASIC", on_push),
        ({"scanType": None, "rules": None}, "BASIC", []),
        ({"rules": [rule("SCAN_ON_PUSH")]}, "BASIC", [rule("SCAN_ON_PUSH")]),
    ]
    for given, scan_type, rules in expected:
        api.call(PUT, scanType="ENHANCED", rules=[rule("SCAN_ON_PUSH", "a"), rule("CONTINUOUS_SCAN", "b")])
        found = {"scanType": scan_type, "rules": rules}
        assert api.call(PUT, **given)["registryScanningConfiguration"] == found
        assert configuration(api) == found


IMPOSSIBLE: list[dict[str, Any]] = [
    {"scanType": "BASIC", "rules": [rule("CONTINUOUS_SCAN", "*")]},
    {"rules": [rule("CONTINUOUS_SCAN", "*")]},
    {"scanType": "BASIC", "rules": [rule("SCAN_ON_PUSH", "*"), rule("CONTINUOUS_SCAN", "*")]},
    {"scanType": "ENHANCED", "rules": [rule("MANUAL", "*")]},
    {"scanType": "BASIC", "rules": [rule("SCAN_ON_PUSH", "a"), rule("SCAN_ON_PUSH", "b")]},
    {"scanType": "ENHANCED", "rules": [rule("CONTINUOUS_SCAN", "a"), rule("CONTINUOUS_SCAN", "a")]},
    # One for each frequency is what a registry may have (RegistryScanningRuleList).
    {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH", "a"), rule("CONTINUOUS_SCAN", "b"), rule("MANUAL")]},
    {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH", *["a"] * 101)]},
    {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH", "Prod")]},
    {"scanType": "CLAIR"},
]


def test_what_cannot_be(api: Clocked) -> None:
    """It is refused, and what was in force stays."""
    before = {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH", "kept")]}
    api.call(PUT, **before)
    for given in IMPOSSIBLE:
        assert refused(api, PUT, **given) == "InvalidParameterException", given
        assert configuration(api) == before


def test_what_it_comes_to_for_repositories(api: Clocked) -> None:
    """Each filter that decided, whichever flag the repository has; without a deciding rule the flag, in basic only."""
    for name, flag in {"team/prod": True, "team/dev": False, "legacy": True, "plain": False}.items():
        api.call("CreateRepository", repositoryName=name, imageScanningConfiguration={"scanOnPush": flag})
    names = ("team/prod", "team/dev", "legacy", "plain")
    nothing: tuple[bool, str, list[str]] = (False, "MANUAL", [])
    flagged: tuple[bool, str, list[str]] = (True, "SCAN_ON_PUSH", [])
    assert effective(api, *names) == {
        "team/prod": flagged,
        "team/dev": nothing,
        "legacy": flagged,
        "plain": nothing,
    }
    api.call(PUT, scanType="BASIC", rules=[rule("SCAN_ON_PUSH", "prod", "team/*", "nobody*")])
    assert effective(api, *names) == {
        "team/prod": (True, "SCAN_ON_PUSH", ["prod", "team/*"]),
        "team/dev": (True, "SCAN_ON_PUSH", ["team/*"]),
        "legacy": flagged,
        "plain": nothing,
    }
    api.call(PUT, scanType="ENHANCED", rules=[rule("SCAN_ON_PUSH", "team*"), rule("CONTINUOUS_SCAN", "*prod")])
    assert effective(api, *names) == {
        "team/prod": (True, "CONTINUOUS_SCAN", ["*prod"]),
        "team/dev": (True, "SCAN_ON_PUSH", ["team*"]),
        "legacy": nothing,
        "plain": nothing,
    }
    api.call(PUT, scanType="ENHANCED")
    assert effective(api, *names) == dict.fromkeys(names, (True, "CONTINUOUS_SCAN", []))


def test_repositories_that_are_not_there(api: Clocked) -> None:
    """They are failures of their own; the others are answered, in the order asked for, with everything about them."""
    for name in ("b/two", "a/one"):
        api.call("CreateRepository", repositoryName=name)
    found = api.call("BatchGetRepositoryScanningConfiguration", repositoryNames=["b/two", "none", "a/one", "none"])
    assert found == {
        "scanningConfigurations": [
            {
                "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}",
                "repositoryName": name,
                "scanOnPush": False,
                "scanFrequency": "MANUAL",
                "appliedScanFilters": [],
            }
            for name in ("b/two", "a/one")
        ],
        "failures": [
            {
                "repositoryName": "none",
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": "REPOSITORY_NOT_FOUND",
            }
        ],
    }
    asked = [f"many{number}" for number in range(26)]
    call = "BatchGetRepositoryScanningConfiguration"
    assert len(api.call(call, repositoryNames=asked[:25])["failures"]) == 25
    assert refused(api, call, repositoryNames=asked) == "InvalidParameterException"
    assert refused(api, call, repositoryNames=[]) == "InvalidParameterException"


def test_the_flag_of_a_repository_beside_rules(api: Clocked) -> None:
    """It is stored and shown whatever the rules say, and counts once no rule takes the repository in."""
    api.call("CreateRepository", repositoryName="app")
    api.call(PUT, scanType="BASIC", rules=[rule("SCAN_ON_PUSH", "app")])

    def flag(value: bool | None) -> Any:
        wanted = {} if value is None else {"scanOnPush": value}
        return api.call("PutImageScanningConfiguration", repositoryName="app", imageScanningConfiguration=wanted)

    def shown() -> Any:
        return api.call("DescribeRepositories")["repositories"][0]["imageScanningConfiguration"]

    answer = {"registryId": ACCOUNT, "repositoryName": "app", "imageScanningConfiguration": {"scanOnPush": False}}
    assert flag(False) == answer
    assert (shown(), effective(api, "app")["app"]) == ({"scanOnPush": False}, (True, "SCAN_ON_PUSH", ["app"]))
    flag(True)
    api.call(PUT)
    assert (shown(), effective(api, "app")["app"]) == ({"scanOnPush": True}, (True, "SCAN_ON_PUSH", []))
    api.call(PUT, scanType="ENHANCED", rules=[rule("SCAN_ON_PUSH", "other")])
    assert (shown(), effective(api, "app")["app"]) == ({"scanOnPush": True}, (False, "MANUAL", []))
    # A structure without the member is the member's default.
    assert flag(None) == answer
    assert refused(api, "PutImageScanningConfiguration", repositoryName="app") == "InvalidParameterException"
    missing = {"repositoryName": "none", "imageScanningConfiguration": {"scanOnPush": True}}
    assert refused(api, "PutImageScanningConfiguration", **missing) == "RepositoryNotFoundException"


def test_other_accounts_and_regions_are_separate(two_regions: Registry) -> None:
    """Configuration and settings of each are its own, and so is what they come to."""
    mine = clocked(two_regions)
    elsewhere = dataclasses.replace(mine, region=OTHER_REGION)
    theirs = clocked(two_regions, OTHER_ACCOUNT)
    for each in (mine, elsewhere, theirs):
        each.call("CreateRepository", repositoryName="app")
    mine.call(PUT, scanType="ENHANCED", rules=[rule("CONTINUOUS_SCAN", "app")])
    mine.call("PutAccountSetting", name="BLOB_MOUNTING", value="DISABLED")
    for each in (elsewhere, theirs):
        assert each.call(GET)["scanningConfiguration"] == {"scanType": "BASIC", "rules": []}
        assert each.call("GetAccountSetting", name="BLOB_MOUNTING")["value"] == "ENABLED"
        assert effective(each, "app") == {"app": (False, "MANUAL", [])}
        each.call(PUT, scanType="BASIC", rules=[rule("SCAN_ON_PUSH", "app")])
    assert theirs.call(GET)["registryId"] == OTHER_ACCOUNT
    assert mine.call(GET)["scanningConfiguration"]["scanType"] == "ENHANCED"
    assert effective(mine, "app") == {"app": (True, "CONTINUOUS_SCAN", ["app"])}


SETTINGS: dict[str, tuple[str, list[str]]] = {
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE", []),
    "REGISTRY_POLICY_SCOPE": ("V2", []),
    "BLOB_MOUNTING": ("ENABLED", ["DISABLED"]),
}


def test_account_settings(api: Clocked) -> None:
    """Each has a default, and the values that it may have; Put and Get answer name and value."""
    for name, (default, others) in SETTINGS.items():
        assert api.call("GetAccountSetting", name=name) == {"name": name, "value": default}
        for value in (*others, default):
            assert api.call("PutAccountSetting", name=name, value=value) == {"name": name, "value": value}
            assert api.call("GetAccountSetting", name=name) == {"name": name, "value": value}
        for value in ("CLAIR", "V1", "enabled", "ENABLED ", ""):
            assert refused(api, "PutAccountSetting", name=name, value=value) == "ValidationException"
        assert api.call("GetAccountSetting", name=name)["value"] == default


def test_a_setting_that_there_is_not(api: Clocked) -> None:
    """Both operations say so."""
    for name in ("NO_SUCH_SETTING", "blob_mounting", "BLOB_MOUNTING ", "x" * 64):
        assert refused(api, "GetAccountSetting", name=name) == "ValidationException"
        assert refused(api, "PutAccountSetting", name=name, value="ENABLED") == "ValidationException"


def test_a_setting_put_by_two_at_once(registry: Registry) -> None:
    """The one who comes second waits for the first, and has the last word."""
    database = registry.services.database
    where = (ACCOUNT, REGION, "BLOB_MOUNTING")
    with ThreadPoolExecutor(1) as pool:
        with database.write() as tx:
            settings.put(tx, *where, "ENABLED")
            second = pool.submit(database.run, lambda tx: settings.put(tx, *where, "DISABLED"))
            # Long enough for it to have found nothing and to wait.
            time.sleep(0.3)
        second.result()
    with database.read() as tx:
        assert settings.value(tx, *where) == "DISABLED"


def test_mounting_can_be_disabled(api: Clocked) -> None:
    """Then a mount becomes an upload that the client goes on with, until it is enabled again."""
    for name in ("one", "two"):
        api.call("CreateRepository", repositoryName=name)
    blob = b"mounted"
    assert api.oci("POST", f"/v2/one/blobs/uploads/?digest={sha256(blob)}", blob).status_code == 201
    mount = f"/v2/two/blobs/uploads/?mount={sha256(blob)}&from=one"
    api.call("PutAccountSetting", name="BLOB_MOUNTING", value="DISABLED")
    answer = api.oci("POST", mount)
    assert (answer.status_code, bool(answer.headers["location"])) == (202, True)
    assert api.oci("HEAD", f"/v2/two/blobs/{sha256(blob)}").status_code == 404
    api.call("PutAccountSetting", name="BLOB_MOUNTING", value="ENABLED")
    assert api.oci("POST", mount).status_code == 201
    assert api.oci("HEAD", f"/v2/two/blobs/{sha256(blob)}").status_code == 200

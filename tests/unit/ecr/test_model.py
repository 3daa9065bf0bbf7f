"""The service model that the installed botocore brings is the one that this server implements."""

from __future__ import annotations

import difflib
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from hullwise.ecr import model

GENERATOR = Path(__file__).parents[3] / "scripts" / "generate_inputs.py"
GENERATED = Path(__file__).parents[3] / "src" / "hullwise" / "ecr" / "inputs.py"

OPERATIONS = [
    "BatchCheckLayerAvailability",
    "BatchDeleteImage",
    "BatchGetImage",
    "BatchGetRepositoryScanningConfiguration",
    "CompleteLayerUpload",
    "CreatePullThroughCacheRule",
    "CreateRepository",
    "CreateRepositoryCreationTemplate",
    "DeleteLifecyclePolicy",
    "DeletePullThroughCacheRule",
    "DeleteRegistryPolicy",
    "DeleteRepository",
    "DeleteRepositoryCreationTemplate",
    "DeleteRepositoryPolicy",
    "DeleteSigningConfiguration",
    "DeregisterPullTimeUpdateExclusion",
    "DescribeImageReplicationStatus",
    "DescribeImageScanFindings",
    "DescribeImageSigningStatus",
    "DescribeImages",
    "DescribePullThroughCacheRules",
    "DescribeRegistry",
    "DescribeReplicationBackfillResults",
    "DescribeRepositories",
    "DescribeRepositoryCreationTemplates",
    "GetAccountSetting",
    "GetAuthorizationToken",
    "GetDownloadUrlForLayer",
    "GetLifecyclePolicy",
    "GetLifecyclePolicyPreview",
    "GetRegistryPolicy",
    "GetRegistryScanningConfiguration",
    "GetRepositoryPolicy",
    "GetSigningConfiguration",
    "InitiateLayerUpload",
    "ListImageReferrers",
    "ListImages",
    "ListPullTimeUpdateExclusions",
    "ListReplicationBackfills",
    "ListTagsForResource",
    "PutAccountSetting",
    "PutImage",
    "PutImageScanningConfiguration",
    "PutImageTagMutability",
    "PutLifecyclePolicy",
    "PutRegistryPolicy",
    "PutRegistryScanningConfiguration",
    "PutReplicationConfiguration",
    "PutSigningConfiguration",
    "RegisterPullTimeUpdateExclusion",
    "SetRepositoryPolicy",
    "StartImageScan",
    "StartLifecyclePolicyPreview",
    "StartReplicationBackfill",
    "StopReplicationBackfill",
    "TagResource",
    "UntagResource",
    "UpdateImageStorageClass",
    "UpdatePullThroughCacheRule",
    "UpdateRepositoryCreationTemplate",
    "UploadLayerPart",
    "ValidatePullThroughCacheRule",
]

SCAN_STATUSES = [
    "ACTIVE",
    "COMPLETE",
    "FAILED",
    "FINDINGS_UNAVAILABLE",
    "IMAGE_ARCHIVED",
    "IMAGE_SIZE_EXCEEDED",
    "IN_PROGRESS",
    "LIMIT_EXCEEDED",
    "PENDING",
    "SCAN_ELIGIBILITY_EXPIRED",
    "UNSUPPORTED_IMAGE",
]


def difference(ours: list[str], theirs: list[str]) -> str:
    """What has to be added to ours (+) and taken from it (-), a line each; empty where there is nothing."""
    lines = difflib.unified_diff(ours, theirs, "implemented", "installed botocore", lineterm="", n=0)
    return "\n".join(lines)


def within(shape: Shape) -> Iterator[Shape]:
    yield shape
    if isinstance(shape, StructureShape):
        for member in shape.members.values():
            yield from within(member)
    elif isinstance(shape, ListShape):
        yield from within(shape.member)
    elif isinstance(shape, MapShape):
        yield from within(shape.value)


def test_the_operations_are_those_of_the_installed_botocore() -> None:
    """A botocore with other operations is noticed, and the message names them."""
    assert len(OPERATIONS) == 62
    assert not (found := difference(OPERATIONS, sorted(model.operation_names()))), found


def test_the_scan_statuses_are_those_of_the_installed_botocore() -> None:
    """A status that the scan state machine has never heard of is noticed."""
    shape = model.service_model().shape_for("ScanStatus")
    assert isinstance(shape, StringShape)
    assert len(SCAN_STATUSES) == 11
    assert not (found := difference(SCAN_STATUSES, sorted(shape.enum))), found


def test_the_target_prefix_is_the_models() -> None:
    """`X-Amz-Target` starts with what the model says of the service, in protocol JSON 1.1."""
    metadata = model.service_model().metadata
    assert metadata["targetPrefix"] == model.TARGET_PREFIX
    assert (metadata["protocol"], metadata["jsonVersion"]) == ("json", "1.1")


def test_an_operation_is_found_by_its_name() -> None:
    """An operation knows its input, its output and its callers' error codes; asked again it is the same value."""
    found = model.operation("StartImageScan")
    assert found is model.operation("StartImageScan")
    assert found.name == "StartImageScan"
    assert list(found.input.members) == ["registryId", "repositoryName", "imageId"]
    assert list(found.output.members) == ["registryId", "repositoryName", "imageId", "imageScanStatus"]
    assert found.errors == (
        "ImageArchivedException",
        "ImageNotFoundException",
        "InvalidParameterException",
        "LimitExceededException",
        "RepositoryNotFoundException",
        "ServerException",
        "UnsupportedImageTypeException",
        "ValidationException",
    )


@pytest.mark.parametrize("name", ["", "describeImages", "DescribeImage", "CreateBucket", "__class__"])
def test_an_unknown_name_is_a_key_error(name: str) -> None:
    """A name is matched exactly, letter case included."""
    with pytest.raises(KeyError):
        model.operation(name)


def test_every_operation_can_fail_with_a_server_exception() -> None:
    """The one error that stands for our own faults is known to the callers of every operation."""
    assert all("ServerException" in operation.errors for operation in model.operations().values())


def test_no_input_holds_a_list_of_lists() -> None:
    """The checks of an input see through every list: its items are structures or plain values."""
    lists = [
        shape
        for operation in model.operations().values()
        for shape in within(operation.input)
        if isinstance(shape, ListShape)
    ]
    assert [shape.name for shape in lists if isinstance(shape.member, ListShape | MapShape)] == []


def test_the_generated_types_are_up_to_date() -> None:
    """Running the generator again changes nothing, so the types are those of the installed model."""
    written = runpy.run_path(str(GENERATOR))["render"]()
    assert not (found := difference(GENERATED.read_text().splitlines(), written.splitlines())), found
    assert GENERATED.read_text() == written

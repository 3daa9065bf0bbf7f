"""What a call that must be refused is refused with."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError


def refused(client: Any, operation: str, **params: Any) -> tuple[str, str]:
    """Code and message of the error that boto3's call ends in, which has status 400 and a request id as all have."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**params)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert re.fullmatch(r"[0-9a-f-]{36}", response["ResponseMetadata"]["RequestId"])
    return response["Error"]["Code"], response["Error"]["Message"]


def not_found(repository: str, account: str) -> tuple[str, str]:
    """ECR's refusal of a repository that does not exist."""
    return (
        "RepositoryNotFoundException",
        f"The repository with name '{repository}' does not exist in the registry with id '{account}'",
    )


def image_not_found(repository: str, account: str, *, digest: str = "null", tag: str = "null") -> tuple[str, str]:
    """ECR's refusal of an image that does not exist."""
    return (
        "ImageNotFoundException",
        f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within the repository "
        f"with name '{repository}' in the registry with id '{account}'",
    )


def bad_parameter(member: str, constraint: str) -> tuple[str, str]:
    """ECR's refusal of a value that breaks a constraint."""
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'",
    )

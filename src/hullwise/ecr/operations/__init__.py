"""The whole API: every operation of the service model, and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hullwise.ecr.calls import Call
from hullwise.ecr.operations import absent, images, layers, policies, registry, repositories, scanning, tags

Function = Callable[[Call, Any], dict[str, Any]]
"""Takes the call and the operation's input, which `ecr/inputs.py` has the type of."""

READS: dict[str, Function] = {
    "BatchCheckLayerAvailability": layers.batch_check_layer_availability,
    "BatchGetImage": images.batch_get_image,
    "BatchGetRepositoryScanningConfiguration": scanning.batch_get_repository_scanning_configuration,
    "CompleteLayerUpload": layers.complete_layer_upload,
    "DeleteLifecyclePolicy": absent.lifecycle_policy,
    "DeleteSigningConfiguration": absent.signing_configuration,
    "DescribeImageReplicationStatus": absent.replication_status,
    "DescribeImageScanFindings": scanning.describe_image_scan_findings,
    "DescribeImageSigningStatus": absent.signing_status,
    "DescribeImages": images.describe_images,
    "DescribePullThroughCacheRules": absent.pull_through_cache_rules,
    "DescribeRegistry": registry.describe_registry,
    "DescribeRepositories": repositories.describe_repositories,
    "DescribeRepositoryCreationTemplates": absent.repository_creation_templates,
    "GetAccountSetting": registry.get_account_setting,
    "GetAuthorizationToken": registry.get_authorization_token,
    "GetDownloadUrlForLayer": layers.get_download_url_for_layer,
    "GetLifecyclePolicy": absent.lifecycle_policy,
    "GetLifecyclePolicyPreview": absent.lifecycle_policy_preview,
    "GetRegistryPolicy": policies.get_registry_policy,
    "GetRegistryScanningConfiguration": scanning.get_registry_scanning_configuration,
    "GetRepositoryPolicy": policies.get_repository_policy,
    "GetSigningConfiguration": absent.signing_configuration,
    "InitiateLayerUpload": layers.initiate_layer_upload,
    "ListImageReferrers": images.list_image_referrers,
    "ListImages": images.list_images,
    "ListPullTimeUpdateExclusions": absent.pull_time_update_exclusions,
    "ListReplicationBackfills": absent.replication_backfills,
    "ListTagsForResource": tags.list_tags_for_resource,
    "PutReplicationConfiguration": absent.put_replication_configuration,
    "UploadLayerPart": layers.upload_layer_part,
}
"""These write nothing in their transaction; layers are received and kept in transactions of their own. What is never
there is deleted by none."""

WRITES: dict[str, Function] = {
    "BatchDeleteImage": images.batch_delete_image,
    "CreateRepository": repositories.create_repository,
    "DeleteRegistryPolicy": policies.delete_registry_policy,
    "DeleteRepository": repositories.delete_repository,
    "DeleteRepositoryPolicy": policies.delete_repository_policy,
    "PutAccountSetting": registry.put_account_setting,
    "PutImage": images.put_image,
    "PutImageScanningConfiguration": scanning.put_image_scanning_configuration,
    "PutImageTagMutability": repositories.put_image_tag_mutability,
    "PutRegistryPolicy": policies.put_registry_policy,
    "PutRegistryScanningConfiguration": scanning.put_registry_scanning_configuration,
    "SetRepositoryPolicy": policies.set_repository_policy,
    "StartImageScan": scanning.start_image_scan,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateImageStorageClass": images.update_image_storage_class,
}

NOT_OFFERED = frozenset(
    {
        "CreatePullThroughCacheRule",
        "CreateRepositoryCreationTemplate",
        "DeletePullThroughCacheRule",
        "DeleteRepositoryCreationTemplate",
        "DeregisterPullTimeUpdateExclusion",
        "DescribeReplicationBackfillResults",
        "PutLifecyclePolicy",
        "PutSigningConfiguration",
        "RegisterPullTimeUpdateExclusion",
        "StartLifecyclePolicyPreview",
        "StartReplicationBackfill",
        "StopReplicationBackfill",
        "UpdatePullThroughCacheRule",
        "UpdateRepositoryCreationTemplate",
        "ValidatePullThroughCacheRule",
    }
)
"""These answer with one modelled error that says so."""

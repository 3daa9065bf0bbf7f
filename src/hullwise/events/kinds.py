"""Events in the forms that ECR and Inspector give them (EventBridge reference of each), ready for the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hullwise.domain.moments import moment
from hullwise.domain.names import repository_arn
from hullwise.events.outbox import Event
from hullwise.store.images import Image
from hullwise.store.repositories import Repository

ECR = "aws.ecr"
INSPECTOR = "aws.inspector2"
OURS = "hullwise"

IMAGE_ACTION = "ECR Image Action"
REFERRER_ACTION = "ECR Referrer Action"
IMAGE_SCAN = "ECR Image Scan"
RESOURCE_CHANGE = "ECR Scan Resource Change"
INSPECTOR_SCAN = "Inspector2 Scan"
INSPECTOR_FINDING = "Inspector2 Finding"
FINDINGS_CHANGED = "Hullwise Findings Changed"


def _text(detail: Mapping[str, Any]) -> str:
    return msgspec.json.encode(detail).decode()


def _event(
    source: str, kind: str, repository: Repository, digest: str, detail: Mapping[str, Any], *resources: str
) -> Event:
    return Event(source, kind, repository.account, repository.region, repository.name, digest, _text(detail), resources)


def _arn(repository: Repository) -> str:
    return repository_arn(repository.account, repository.region, repository.name)


def image_action(repository: Repository, image: Image, action: str, tag: str | None) -> Event:
    """`PUSH` or `DELETE` of an image, or of something that refers to one."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository.name,
        "image-digest": image.digest,
        "action-type": action,
        "manifest-media-type": image.media_type,
    }
    if image.artifact_media_type:
        detail["artifact-media-type"] = image.artifact_media_type
    if tag is not None:
        detail["image-tag"] = tag
    return _event(ECR, REFERRER_ACTION if image.subject_digest else IMAGE_ACTION, repository, image.digest, detail)


def storage_class(repository: Repository, image: Image, target: str) -> Event:
    """The image went to the archive, or came back."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository.name,
        "image-digest": image.digest,
        "action-type": "UPDATE_STORAGE_CLASS",
        "target-storage-class": target,
        "manifest-media-type": image.media_type,
    }
    if image.artifact_media_type:
        detail["artifact-media-type"] = image.artifact_media_type
    if image.activated_at is not None:
        detail["last-activated-at"] = moment(image.activated_at)
    return _event(ECR, REFERRER_ACTION if image.subject_digest else IMAGE_ACTION, repository, image.digest, detail)


def image_scan(
    repository: Repository, digest: str, tags: Sequence[str], status: str, counts: Mapping[str, int]
) -> Event:
    """A basic scan ended: `COMPLETE` or `FAILED`."""
    detail = {
        "scan-status": status,
        "repository-name": repository.name,
        "finding-severity-counts": dict(counts),
        "image-digest": digest,
        "image-tags": list(tags),
    }
    return _event(ECR, IMAGE_SCAN, repository, digest, detail, _arn(repository))


def initial_scan(repository: Repository, digest: str, tags: Sequence[str], counts: Mapping[str, int]) -> Event:
    """An enhanced scan ended for the first time. `counts` as enhanced scanning has them."""
    detail = {
        "scan-status": "INITIAL_SCAN_COMPLETE",
        "repository-name": _arn(repository),
        "finding-severity-counts": {**counts, "TOTAL": sum(counts.values())},
        "image-digest": digest,
        "image-tags": list(tags),
    }
    return _event(INSPECTOR, INSPECTOR_SCAN, repository, digest, detail, _arn(repository))


def frequency_changes(account: str, region: str, changes: Sequence[tuple[Repository, str, str]]) -> Event:
    """Repositories that enhanced scanning scans otherwise from now on: each with its frequency before and now."""
    detail = {
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "repositories": [
            {
                "repository-name": repository.name,
                "repository-arn": _arn(repository),
                "scan-frequency": now,
                "previous-scan-frequency": before,
            }
            for repository, before, now in changes
        ],
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    }
    return Event(ECR, RESOURCE_CHANGE, account, region, "", "", _text(detail))

"""Everything that can be wrong with a request, one class a failure.

    HullwiseError
    ├── RepositoryNotFound      ├── ImageNotFound           ├── BlobUnknown
    ├── RepositoryAlreadyExists ├── ImageAlreadyExists      ├── BlobUploadUnknown
    ├── RepositoryNotEmpty      ├── ImageTagAlreadyExists   ├── RangeNotContiguous
    ├── ScanNotFound            ├── LayersNotFound          ├── DigestMismatch
    ├── UnsupportedImageType    ├── ReferencedImagesNotFound├── ManifestUnknown
    ├── TooManyTags             ├── ImageStillReferenced    ├── ManifestTooLarge
    ├── InvalidTag              ├── OverlayNotFound         ├── SizeMismatch
    ├── AccessDenied            ├── ReceiverNotFound        ├── NoAdvisories
    ├── VulnerabilityNotFound   ├── EventNotFound           │
    ├── InvalidParameter
    │   ├── InvalidName
    │   ├── InvalidDigest
    │   ├── InvalidManifest
    │   ├── InvalidPageToken
    │   └── InvalidArn
    ├── UploadNotFound          ├── InvalidLayerPart        ├── LayerAlreadyExists
    ├── EmptyUpload             ├── LayerPartTooSmall       ├── LayerInaccessible
    ├── InvalidLayer            ├── TooManyParts            ├── BlobInUse
    ├── LimitReached            ├── BlobTooLarge            ├── LayerNotFound
    ├── ScanQuotaSpent
    ├── ImageArchived
    ├── StorageClassNotSupported
    ├── InvalidSetting
    ├── FeatureDisabled
    ├── NotOffered
    ├── RepositoryPolicyNotFound
    ├── RegistryPolicyNotFound
    ├── LifecyclePolicyNotFound
    ├── LifecyclePolicyPreviewNotFound
    ├── PullThroughCacheRuleNotFound
    ├── SigningConfigurationNotFound
    ├── DeletionNotFound
    ├── TooManyRequests
    ├── Unavailable
    │   └── Busy
    └── AuthorizationTokenInvalid
        ├── AuthorizationTokenExpired
        ├── BearerTokenExpired
        └── ScopeInsufficient

Each edge has one table from these classes to its wire codes (`ecr/errors.py`, `oci/errors.py`). A class builds its own
message from facts; where ECR's text is known it is the same text, since scripts search for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hullwise.domain.moments import moment, moment_from


class HullwiseError(Exception):
    """Base of every failure that a caller is told about. `str()` of it is the message on the wire."""


class RepositoryNotFound(HullwiseError):
    def __init__(self, name: str, account: str) -> None:
        super().__init__(f"The repository with name '{name}' does not exist in the registry with id '{account}'")


class RepositoryAlreadyExists(HullwiseError):
    def __init__(self, name: str, account: str) -> None:
        super().__init__(f"The repository with name '{name}' already exists in the registry with id '{account}'")


class RepositoryNotEmpty(HullwiseError):
    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"The repository with name '{name}' in registry with id '{account}' cannot be deleted "
            "because it still contains images"
        )


def image_id_text(digest: str | None, tag: str | None) -> str:
    """An image id as ECR's messages spell it: both keys always there, the word null for an absent one."""
    parts = (("imageDigest", digest), ("imageTag", tag))
    return "{" + ", ".join(f"{key}:'{value if value is not None else 'null'}'" for key, value in parts) + "}"


class ImageNotFound(HullwiseError):
    def __init__(self, digest: str | None, tag: str | None, repository: str, account: str) -> None:
        super().__init__(
            f"The image with imageId {image_id_text(digest, tag)} does not exist within the repository "
            f"with name '{repository}' in the registry with id '{account}'"
        )


class ScanNotFound(HullwiseError):
    def __init__(self, digest: str | None, tag: str | None, repository: str, account: str) -> None:
        super().__init__(
            f"Image scan does not exist for the image with '{image_id_text(digest, tag)}' in the repository "
            f"with name '{repository}' in the registry with id '{account}'"
        )


class ImageAlreadyExists(HullwiseError):
    def __init__(self, digest: str, tag: str | None, repository: str, account: str) -> None:
        tagged = f" and tag '{tag}'" if tag is not None else ""
        super().__init__(
            f"Image with digest '{digest}'{tagged} already exists in the repository with name '{repository}' "
            f"in registry with id '{account}'"
        )


class ImageTagAlreadyExists(HullwiseError):
    def __init__(self, tag: str, repository: str) -> None:
        super().__init__(
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten "
            "because the tag is immutable."
        )


class LayersNotFound(HullwiseError):
    def __init__(self, digests: Iterable[str], repository: str, account: str) -> None:
        self.digests = tuple(digests)
        super().__init__(
            f"Layers with digests '[{', '.join(self.digests)}]' required for pushing image into repository "
            f"with name '{repository}' in the registry with id '{account}' do not exist"
        )


class LayerNotFound(HullwiseError):
    def __init__(self, digest: str, repository: str, account: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' does not exist within the repository with name '{repository}' in the "
            f"registry with id '{account}'"
        )


class ReferencedImagesNotFound(HullwiseError):
    def __init__(self, digests: Iterable[str], repository: str, account: str) -> None:
        self.digests = tuple(digests)
        super().__init__(
            f"Images with digests '[{', '.join(self.digests)}]' required for pushing image into repository "
            f"with name '{repository}' in the registry with id '{account}' do not exist"
        )


class ImageStillReferenced(HullwiseError):
    def __init__(self, parents: Iterable[str]) -> None:
        super().__init__(f"Requested image referenced by manifest list: [{', '.join(parents)}]")


class UnsupportedImageType(HullwiseError):
    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"An artifact with media type '{media_type}' cannot be scanned. "
            "For more information, see the Amazon ECR documentation."
        )


class ScanQuotaSpent(HullwiseError):
    """The image was scanned as often as it may be in 24 hours. Begins with ECR's sentence, which says nothing else."""

    def __init__(self, last: datetime, again: datetime, *, found: bool) -> None:
        """`found`: whether a scan of it has found what there is."""
        readable = "; its findings are there to read, and it" if found else ", without a result; it"
        super().__init__(
            "The scan quota per image has been exceeded. Wait and try again. "
            f"This image was last scanned at {moment(last)}{readable} may be scanned again from {moment_from(again)}."
        )


class ImageArchived(HullwiseError):
    def __init__(self, digest: str, repository: str) -> None:
        super().__init__(
            f"The image with digest '{digest}' in the repository with name '{repository}' is archived. Restore it with "
            "UpdateImageStorageClass to scan it."
        )


class StorageClassNotSupported(HullwiseError):
    """ImageStorageClassUpdateNotSupportedException."""


class InvalidSetting(HullwiseError):
    """A registry's setting cannot have that value; ValidationException."""


class FeatureDisabled(HullwiseError):
    """What the registry's scan type does not offer, in ECR's words."""

    def __init__(self) -> None:
        super().__init__("This feature is disabled")


class UploadNotFound(HullwiseError):
    def __init__(self, upload_id: str, repository: str, account: str) -> None:
        super().__init__(
            f"The upload with id '{upload_id}' does not exist in the repository with name '{repository}' in the "
            f"registry with id '{account}'"
        )


class EmptyUpload(HullwiseError):
    def __init__(self, upload_id: str, repository: str, account: str) -> None:
        super().__init__(
            f"The upload with id '{upload_id}' in the repository with name '{repository}' in registry with id "
            f"'{account}' cannot be completed because it does not have any parts"
        )


class InvalidLayerPart(HullwiseError):
    """A part that is not where the upload goes on, or not as long as it says. Before the first byte there is no last
    valid one: the model has no number below 0 for it, and 0 would be the first byte's."""

    def __init__(self, upload_id: str, repository: str, account: str, received: int) -> None:
        super().__init__(
            f"The layer part is not valid: the upload with id '{upload_id}' has {received} bytes, and the next part "
            "begins there"
        )
        self.members = {
            "registryId": account,
            "repositoryName": repository,
            "uploadId": upload_id,
            "lastValidByteReceived": received - 1 if received else None,
        }


class LayerPartTooSmall(HullwiseError):
    def __init__(self) -> None:
        super().__init__("All layer parts except the last part should be at least 5MB")


class LayerAlreadyExists(HullwiseError):
    def __init__(self, digest: str, repository: str, account: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' already exists in the repository with name '{repository}' in the "
            f"registry with id '{account}'"
        )


class InvalidLayer(HullwiseError):
    """The bytes have another digest than the caller says."""


class LayerInaccessible(HullwiseError):
    def __init__(self, digest: str, repository: str, account: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' in the repository with name '{repository}' in the registry with id "
            f"'{account}' is not used by any image that may be pulled"
        )


class TooManyParts(HullwiseError):
    def __init__(self, most: int) -> None:
        super().__init__(f"An upload has at most {most} parts")


class LimitReached(HullwiseError):
    """One more would be more than is taken; the message says of what."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"The limit of {most:,} {what} is reached")


class BlobTooLarge(HullwiseError):
    def __init__(self, most: int) -> None:
        super().__init__(f"A layer has at most {most:,} bytes")


class BlobInUse(HullwiseError):
    """A blob that images need is not deleted."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"{digest} is used by an image of the repository")


class TooManyTags(HullwiseError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"A repository can have at most {limit} resource tags")


class InvalidTag(HullwiseError):
    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid resource tag: {why}")


class AccessDenied(HullwiseError):
    def __init__(self, caller: str, action: str, resource: str) -> None:
        super().__init__(f"User: {caller} is not authorized to perform: {action} on resource: {resource}")
        self.action = action
        self.resource = resource


class RepositoryPolicyNotFound(HullwiseError):
    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"Repository policy does not exist for the repository with name '{name}' in the registry with id "
            f"'{account}'"
        )


class RegistryPolicyNotFound(HullwiseError):
    def __init__(self, account: str) -> None:
        super().__init__(f"Registry policy does not exist in the registry with id '{account}'")


class LifecyclePolicyNotFound(HullwiseError):
    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"Lifecycle policy does not exist for the repository with name '{name}' in the registry with id '{account}'"
        )


class LifecyclePolicyPreviewNotFound(HullwiseError):
    def __init__(self, name: str, account: str) -> None:
        super().__init__(
            f"Lifecycle policy preview does not exist for the repository with name '{name}' in the registry with id "
            f"'{account}'"
        )


class PullThroughCacheRuleNotFound(HullwiseError):
    def __init__(self, prefix: str, account: str) -> None:
        super().__init__(
            f"Pull through cache rule does not exist for the prefix '{prefix}' in the registry with id '{account}'"
        )


class SigningConfigurationNotFound(HullwiseError):
    def __init__(self, account: str) -> None:
        super().__init__(f"Signing configuration does not exist in the registry with id '{account}'")


class DeletionNotFound(HullwiseError):
    def __init__(self) -> None:
        super().__init__("Nothing was deleted under this id that could still be restored")


class TooManyRequests(HullwiseError):
    """The caller asks for more than its rate; `seconds` later there is room again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__("Rate exceeded")


class Unavailable(HullwiseError):
    """What the registry keeps its data in does not answer or has no room, as `outages.py` finds; `seconds` later it may
    do what was asked. Which of both it is stands in the log: the caller need not know."""

    seconds = 10

    def __init__(self, what: str) -> None:
        super().__init__(f"The registry's {what} cannot do this at the moment; try again")


class Busy(Unavailable):
    """Others have held for too long what this needs, or change it again and again. Nothing happened: the same request
    may succeed later."""

    def __init__(self) -> None:
        HullwiseError.__init__(self, "Others are at work on the same; try again")


class BlobUnknown(HullwiseError):
    def __init__(self, digest: str) -> None:
        super().__init__(f"The layer with digest '{digest}' does not exist within the repository")


class BlobUploadUnknown(HullwiseError):
    def __init__(self, upload: str) -> None:
        super().__init__(f"The upload with id '{upload}' does not exist within the repository")


class RangeNotContiguous(HullwiseError):
    def __init__(self, received: int, stated: str) -> None:
        self.received = received
        super().__init__(f"The content range '{stated}' does not continue the upload, which holds {received} bytes")


class SizeMismatch(HullwiseError):
    def __init__(self, stated: int, received: int) -> None:
        super().__init__(f"The request states {stated} bytes and holds {received}")


class DigestMismatch(HullwiseError):
    def __init__(self, stated: str, computed: str) -> None:
        super().__init__(f"The content has digest '{computed}', not '{stated}'")


class ManifestUnknown(HullwiseError):
    def __init__(self) -> None:
        super().__init__("Requested image not found")


class ManifestTooLarge(HullwiseError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"A manifest holds at most {limit} bytes")


class OverlayNotFound(HullwiseError):
    def __init__(self, what: str) -> None:
        super().__init__(f"There is no {what}")


class ReceiverNotFound(HullwiseError):
    def __init__(self, receiver: int) -> None:
        super().__init__(f"There is no receiver {receiver}")


class EventNotFound(HullwiseError):
    def __init__(self, uid: str) -> None:
        super().__init__(f"There is no event '{uid[:64]}'")


class VulnerabilityNotFound(HullwiseError):
    def __init__(self, name: str) -> None:
        super().__init__(f"No vulnerability is known by the id '{name[:128]}'")


class NoAdvisories(HullwiseError):
    def __init__(self) -> None:
        super().__init__("No advisory data has been loaded; 'hullwise advisories import' loads some")


class InvalidParameter(HullwiseError):
    """A member of the request breaks a rule that the service model does not state."""

    def __init__(self, member: str, constraint: str) -> None:
        self.member = member
        self.constraint = constraint
        super().__init__(f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'")


class InvalidName(InvalidParameter):
    def __init__(self, name: str) -> None:
        super().__init__("repositoryName", f"'{name[:256]}' must satisfy the pattern of repository names")


class InvalidDigest(InvalidParameter):
    def __init__(self, digest: str) -> None:
        super().__init__("imageDigest", f"'{digest[:160]}' must be sha256 or sha512 and its lower-case hex digits")


class InvalidManifest(InvalidParameter):
    def __init__(self, why: str) -> None:
        super().__init__("ImageManifest", why)


class InvalidPageToken(InvalidParameter):
    def __init__(self) -> None:
        super().__init__("nextToken", "Must be a token that this operation returned for the same request")


class InvalidArn(InvalidParameter):
    def __init__(self, arn: str) -> None:
        super().__init__("resourceArn", f"Invalid ARN '{arn[:256]}'")


class NotOffered(HullwiseError):
    """An operation of the service model that Hullwise does not offer."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation} is not offered by this registry")


class AuthorizationTokenInvalid(HullwiseError):
    def __init__(self) -> None:
        super().__init__("Not Authorized")


class AuthorizationTokenExpired(AuthorizationTokenInvalid):
    def __init__(self) -> None:
        HullwiseError.__init__(self, "Your authorization token has expired. Reauthenticate and try again.")


class BearerTokenExpired(AuthorizationTokenInvalid):
    """One of a few minutes, which clients replace by themselves where they are told so (RFC 6750, 3.1)."""

    def __init__(self) -> None:
        HullwiseError.__init__(self, "The bearer token has expired")


class ScopeInsufficient(AuthorizationTokenInvalid):
    """The token was issued for other repositories or other actions; one for `scope` would be good."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

"""From failures to ECR's wire codes: one table."""

from __future__ import annotations

from hullwise.auth import errors as auth
from hullwise.domain import errors
from hullwise.ecr.model import Operation
from hullwise.ecr.protocol import SerializationError, ValidationFailed

# Modelled client errors are all HTTP 400 (the service model gives none a status of its own). A class not listed takes
# the code of its nearest listed base.
CODES: dict[type[Exception], str] = {
    errors.RepositoryNotFound: "RepositoryNotFoundException",
    errors.RepositoryAlreadyExists: "RepositoryAlreadyExistsException",
    errors.RepositoryNotEmpty: "RepositoryNotEmptyException",
    errors.ImageNotFound: "ImageNotFoundException",
    errors.ImageAlreadyExists: "ImageAlreadyExistsException",
    errors.ImageTagAlreadyExists: "ImageTagAlreadyExistsException",
    errors.DigestMismatch: "ImageDigestDoesNotMatchException",
    errors.LayersNotFound: "LayersNotFoundException",
    errors.LayerNotFound: "LayersNotFoundException",
    errors.ReferencedImagesNotFound: "ReferencedImagesNotFoundException",
    errors.ScanNotFound: "ScanNotFoundException",
    errors.UnsupportedImageType: "UnsupportedImageTypeException",
    errors.UploadNotFound: "UploadNotFoundException",
    errors.EmptyUpload: "EmptyUploadException",
    errors.InvalidLayerPart: "InvalidLayerPartException",
    errors.LayerPartTooSmall: "LayerPartTooSmallException",
    errors.LayerAlreadyExists: "LayerAlreadyExistsException",
    errors.InvalidLayer: "InvalidLayerException",
    errors.LayerInaccessible: "LayerInaccessibleException",
    errors.TooManyParts: "LimitExceededException",
    errors.LimitReached: "LimitExceededException",
    errors.BlobTooLarge: "LimitExceededException",
    errors.ScanQuotaSpent: "LimitExceededException",
    errors.ImageArchived: "ImageArchivedException",
    errors.StorageClassNotSupported: "ImageStorageClassUpdateNotSupportedException",
    errors.InvalidSetting: "ValidationException",
    errors.FeatureDisabled: "ValidationException",
    errors.TooManyTags: "TooManyTagsException",
    errors.InvalidTag: "InvalidTagParameterException",
    errors.InvalidParameter: "InvalidParameterException",
    errors.ManifestTooLarge: "InvalidParameterException",
    errors.RepositoryPolicyNotFound: "RepositoryPolicyNotFoundException",
    errors.RegistryPolicyNotFound: "RegistryPolicyNotFoundException",
    errors.LifecyclePolicyNotFound: "LifecyclePolicyNotFoundException",
    errors.LifecyclePolicyPreviewNotFound: "LifecyclePolicyPreviewNotFoundException",
    errors.PullThroughCacheRuleNotFound: "PullThroughCacheRuleNotFoundException",
    errors.SigningConfigurationNotFound: "SigningConfigurationNotFoundException",
    errors.TooManyRequests: "ThrottlingException",
    errors.AccessDenied: "AccessDeniedException",
    # Of the errors that all of AWS's services have.
    errors.Unavailable: "ServiceUnavailable",
    ValidationFailed: "InvalidParameterException",
    SerializationError: "SerializationException",
    auth.MissingAuthentication: "MissingAuthenticationTokenException",
    auth.IncompleteSignature: "IncompleteSignatureException",
    auth.UnknownAccessKey: "UnrecognizedClientException",
    auth.InvalidSignature: "InvalidSignatureException",
}


def code(error: Exception, operation: Operation) -> str | None:
    """The wire code; None for what no caller is to be told."""
    if isinstance(error, errors.NotOffered):
        # Every operation models one of the two.
        offered = "ValidationException"
        return offered if offered in operation.errors else "InvalidParameterException"
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)


def status(error: Exception) -> int:
    """The HTTP status that goes with the code."""
    return 503 if isinstance(error, errors.Unavailable) else 400

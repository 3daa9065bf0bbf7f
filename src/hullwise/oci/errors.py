"""From failures to the distribution API's codes and statuses: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Any

from hullwise.domain import errors


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure of the protocol itself, such as a method that a route does not have."""

    status: int
    code: str
    message: str


class Refused(Exception):
    """Answer with this problem."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.problem = Problem(status, code, message)
        self.headers = headers


# Distribution spec 1.1, "Error Codes". A class not listed takes what its nearest listed base has.
CODES: dict[type[Exception], tuple[int, str]] = {
    errors.AuthorizationTokenExpired: (403, "DENIED"),
    errors.AuthorizationTokenInvalid: (401, "UNAUTHORIZED"),
    errors.AccessDenied: (403, "DENIED"),
    errors.LimitReached: (403, "DENIED"),
    errors.BlobTooLarge: (413, "SIZE_INVALID"),
    errors.TooManyRequests: (429, "TOOMANYREQUESTS"),
    # No code of the specification: Distribution's.
    errors.Unavailable: (503, "UNAVAILABLE"),
    errors.RepositoryNotFound: (404, "NAME_UNKNOWN"),
    errors.InvalidName: (400, "NAME_INVALID"),
    errors.InvalidDigest: (400, "DIGEST_INVALID"),
    errors.DigestMismatch: (400, "DIGEST_INVALID"),
    errors.BlobUnknown: (404, "BLOB_UNKNOWN"),
    errors.BlobUploadUnknown: (404, "BLOB_UPLOAD_UNKNOWN"),
    errors.RangeNotContiguous: (416, "BLOB_UPLOAD_INVALID"),
    errors.BlobInUse: (409, "DENIED"),
    errors.SizeMismatch: (400, "SIZE_INVALID"),
    errors.ManifestUnknown: (404, "MANIFEST_UNKNOWN"),
    errors.ImageNotFound: (404, "MANIFEST_UNKNOWN"),
    errors.LayersNotFound: (400, "MANIFEST_BLOB_UNKNOWN"),
    errors.ReferencedImagesNotFound: (400, "MANIFEST_BLOB_UNKNOWN"),
    errors.ImageStillReferenced: (409, "DENIED"),
    errors.ImageTagAlreadyExists: (400, "TAG_INVALID"),
    errors.ManifestTooLarge: (413, "SIZE_INVALID"),
    errors.InvalidManifest: (400, "MANIFEST_INVALID"),
    errors.InvalidParameter: (400, "MANIFEST_INVALID"),
}


def problem(error: Exception) -> Problem | None:
    """What the caller is told; None for what no caller is to be told."""
    if isinstance(error, Refused):
        return error.problem
    found = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    return None if found is None else Problem(*found, str(error))


def retry_after(error: Exception) -> dict[str, str]:
    """The header that says when there is room again, or an outage may be over, where it is about that."""
    if isinstance(error, errors.TooManyRequests | errors.Unavailable):
        return {"retry-after": str(max(1, ceil(error.seconds)))}
    return {}


def body(found: Problem) -> dict[str, Any]:
    return {"errors": [{"code": found.code, "message": found.message}]}

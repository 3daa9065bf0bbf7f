"""Why a request is not believed.

    AuthenticationFailed
    ├── MissingAuthentication        MissingAuthenticationTokenException
    ├── IncompleteSignature          IncompleteSignatureException
    ├── UnknownAccessKey             UnrecognizedClientException
    └── InvalidSignature             InvalidSignatureException
        ├── SignatureMismatch
        ├── PayloadHashMismatch
        ├── SignatureExpired
        ├── SignatureNotYetValid
        ├── WrongDate
        ├── WrongRegion
        ├── WrongService
        └── WrongTerminator

Beside each is the code that AWS clients see. The messages are AWS's own where clients or people search for them; they
never repeat a secret, a signature or unbounded input.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def _stamp(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%SZ}"


class AuthenticationFailed(Exception):
    """The caller is not known; nothing else about the request was looked at."""


class MissingAuthentication(AuthenticationFailed):
    """No signature at all. AWS code: MissingAuthenticationTokenException."""

    def __init__(self) -> None:
        super().__init__("Missing Authentication Token")


class IncompleteSignature(AuthenticationFailed):
    """A signature that cannot be checked: malformed, ambiguous, or without a part it needs.

    `defect` is one sentence for whoever wrote the client. AWS code: IncompleteSignatureException.
    """

    def __init__(self, defect: str) -> None:
        super().__init__(defect)


class UnknownAccessKey(AuthenticationFailed):
    """No such access key, or a session token beside one that has none. AWS code: UnrecognizedClientException."""

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class InvalidSignature(AuthenticationFailed):
    """A whole signature that does not hold for this request, here and now. AWS code: InvalidSignatureException."""


class SignatureMismatch(InvalidSignature):
    """The secret of this key did not sign these bytes. AWS code: InvalidSignatureException."""

    def __init__(self) -> None:
        super().__init__(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )


class PayloadHashMismatch(InvalidSignature):
    """`x-amz-content-sha256` is not the SHA-256 of the body, or names a way to leave the body unsigned.

    AWS code: InvalidSignatureException.
    """

    def __init__(self) -> None:
        super().__init__("The value of 'x-amz-content-sha256' is not the SHA-256 of the request body.")


class SignatureExpired(InvalidSignature):
    """Signed longer ago than the window allows. AWS code: InvalidSignatureException."""

    def __init__(self, signed: datetime, now: datetime, window: timedelta) -> None:
        super().__init__(
            f"Signature expired: {_stamp(signed)} is now earlier than {_stamp(now - window)} "
            f"({_stamp(now)} - {window // timedelta(minutes=1)} min.)"
        )


class SignatureNotYetValid(InvalidSignature):
    """Signed further in the future than the window allows. AWS code: InvalidSignatureException."""

    def __init__(self, signed: datetime, now: datetime, window: timedelta) -> None:
        super().__init__(
            f"Signature not yet current: {_stamp(signed)} is still later than {_stamp(now + window)} "
            f"({_stamp(now)} + {window // timedelta(minutes=1)} min.)"
        )


class WrongDate(InvalidSignature):
    """The day in the credential's scope is not the day of `x-amz-date`. AWS code: InvalidSignatureException."""

    def __init__(self, scope_date: str, timestamp: str) -> None:
        super().__init__(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope_date}' != '{timestamp[:8]}', from '{timestamp}'."
        )


class WrongRegion(InvalidSignature):
    """Signed for a region that is not served here. AWS code: InvalidSignatureException."""

    def __init__(self) -> None:
        super().__init__("Credential should be scoped to a valid region.")


class WrongService(InvalidSignature):
    """Signed for another service; `service` is the one it had to be. AWS code: InvalidSignatureException."""

    def __init__(self, service: str) -> None:
        super().__init__(f"Credential should be scoped to correct service: '{service}'.")


class WrongTerminator(InvalidSignature):
    """The credential's scope ends in another word than `aws4_request`. AWS code: InvalidSignatureException."""

    def __init__(self) -> None:
        super().__init__("Credential should be scoped with a valid terminator: 'aws4_request'.")

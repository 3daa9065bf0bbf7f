"""Scan statuses and types, and the order of severities."""

from __future__ import annotations

from enum import StrEnum


class ScanType(StrEnum):
    BASIC = "BASIC"
    ENHANCED = "ENHANCED"


class ScanStatus(StrEnum):
    """`ScanStatus` of the service model; `scanning/states.py` says when each arises and where it may go."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    UNSUPPORTED_IMAGE = "UNSUPPORTED_IMAGE"
    ACTIVE = "ACTIVE"
    SCAN_ELIGIBILITY_EXPIRED = "SCAN_ELIGIBILITY_EXPIRED"
    FINDINGS_UNAVAILABLE = "FINDINGS_UNAVAILABLE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    IMAGE_ARCHIVED = "IMAGE_ARCHIVED"
    IMAGE_SIZE_EXCEEDED = "IMAGE_SIZE_EXCEEDED"


class Frequency(StrEnum):
    """`ScanFrequency` of the service model. MANUAL is when somebody asks, which enhanced scanning does not offer."""

    SCAN_ON_PUSH = "SCAN_ON_PUSH"
    CONTINUOUS_SCAN = "CONTINUOUS_SCAN"
    MANUAL = "MANUAL"


class Trigger(StrEnum):
    """Why a scan was asked for."""

    PUSH = "push"
    MANUAL = "manual"
    CONTINUOUS = "continuous"
    """Scanned once, and its findings kept up to date from then on."""


class Severity(StrEnum):
    """`FindingSeverity` of the service model, most severe first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNDEFINED = "UNDEFINED"

    # That of enum is a function of Python, and every set and table of claims asks for it.
    __hash__ = str.__hash__


SEVERITY_ORDER = {severity: rank for rank, severity in enumerate(Severity)}
"""0 for CRITICAL up to 5 for UNDEFINED."""

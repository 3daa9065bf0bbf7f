"""A registry's account settings."""

from __future__ import annotations

import sqlalchemy as sa

from hullwise.domain.errors import InvalidSetting
from hullwise.store import configurations

# Names and the values that each may have, the first of which is the default. CLAIR and V1 are what ECR once had and
# takes no more.
SETTINGS: dict[str, tuple[str, ...]] = {
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE",),
    "BLOB_MOUNTING": ("ENABLED", "DISABLED"),
    "REGISTRY_POLICY_SCOPE": ("V2",),
}


def _values(name: str) -> tuple[str, ...]:
    if name not in SETTINGS:
        raise InvalidSetting(f"There is no account setting '{name}'; there are {', '.join(SETTINGS)}")
    return SETTINGS[name]


def value(tx: sa.Connection, account: str, region: str, name: str) -> str:
    """Raises InvalidSetting for a name that is none."""
    values = _values(name)
    return configurations.setting(tx, account, region, name) or values[0]


def put(tx: sa.Connection, account: str, region: str, name: str, new: str) -> None:
    """Raises InvalidSetting for a name that is none, and for a value that it cannot have."""
    values = _values(name)
    if new not in values:
        raise InvalidSetting(f"The account setting '{name}' can be {' or '.join(values)}")
    configurations.set_setting(tx, account, region, name, new)


def mounts(tx: sa.Connection, account: str, region: str) -> bool:
    """Whether a blob may be mounted from another repository of the registry."""
    return value(tx, account, region, "BLOB_MOUNTING") == "ENABLED"

"""Which tags may be moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hullwise.domain import wildcards
from hullwise.domain.errors import InvalidParameter
from hullwise.store.repositories import Repository

MUTABLE = "MUTABLE"
EXCLUDING = {"IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"}
_STARS = 2


def check_exclusions(mutability: str, exclusions: Sequence[Mapping[str, str]] | None) -> None:
    """Raises InvalidParameter unless exclusion filters are given exactly where the setting has exclusions."""
    member = "imageTagMutabilityExclusionFilters"
    if mutability in EXCLUDING and not exclusions:
        raise InvalidParameter(
            member, f"ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as {mutability}"
        )
    if mutability not in EXCLUDING and exclusions:
        raise InvalidParameter(
            member, f"ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as {mutability}"
        )
    for item in exclusions or ():
        if item["filter"].count("*") > _STARS:
            raise InvalidParameter(member, f"a filter has at most {_STARS} wildcards")


def is_fixed(repository: Repository, tag: str) -> bool:
    """Whether the tag, once given, keeps naming the same image."""
    excluded = any(wildcards.fits(item["filter"], tag) for item in repository.mutability_exclusions)
    immutable = repository.tag_mutability.startswith("IMMUTABLE")
    return immutable != excluded

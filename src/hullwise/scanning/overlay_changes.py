"""Changing what an account says of its own images: ignore rules and VEX documents are added and taken back."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from hullwise.advisories.records import Unparsable
from hullwise.advisories.vex import reading
from hullwise.advisories.vex.document import Document
from hullwise.domain import limits
from hullwise.domain.digests import of as digest_of
from hullwise.domain.errors import InvalidParameter, OverlayNotFound
from hullwise.domain.names import is_repository
from hullwise.services import Services
from hullwise.store import overlays as store
from hullwise.store.engine import serialise
from hullwise.store.overlays import IgnoreRule, VexDocument

_COMPLAINTS = 10
"""Reasons why a document is refused, at most."""

_PATTERN = re.compile(r"[a-z0-9*][a-z0-9*._/-]{0,255}")
_LIMITS = {"vulnerability": 128, "package": 512, "reason": 1_000, "author": 256}
# A day before the last that there is, so that it is a date in every time zone.
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def add_rule(
    tx: sa.Connection,
    services: Services,
    account: str,
    *,
    repository: str = "",
    vulnerability: str = "",
    package: str = "",
    fixable: str = "",
    reason: str,
    author: str,
    expires_at: datetime | None = None,
) -> IgnoreRule:
    """From now on what fits the rule is suppressed, until it expires. Raises InvalidParameter for a rule without a
    reason or an author, one that fits everything, one that expires in the past or after the year 9999, and texts that
    are too long, do not print (a reason may have line breaks and the like) or that a database does not keep."""
    texts = {"vulnerability": vulnerability, "package": package, "reason": reason, "author": author}
    for name, text in texts.items():
        if len(text) > _LIMITS[name] or not (text.isprintable() or (name == "reason" and _is_kept(text))):
            raise InvalidParameter(name, f"must be printable and have at most {_LIMITS[name]} characters")
    if not reason.strip() or not author.strip():
        raise InvalidParameter("author" if reason.strip() else "reason", "must be given")
    if not (vulnerability or package or fixable):
        raise InvalidParameter("vulnerability", "a rule needs a vulnerability, a package or whether there is a fix")
    if fixable not in {"", "yes", "no"}:
        raise InvalidParameter("fixable", "must be yes or no")
    now = services.clock()
    if expires_at is not None and expires_at <= now:
        raise InvalidParameter("expiresAt", "must be in the future")
    if expires_at is not None and expires_at > _LATEST:
        raise InvalidParameter("expiresAt", f"must be before {_LATEST:%Y-%m-%d}")
    _check_pattern(repository)
    # Who adds beside this waits, and counts it.
    serialise(tx, f"overlays {account}")
    if store.count_rules(tx, account) >= limits.IGNORE_RULES:
        raise InvalidParameter("rules", f"an account has at most {limits.IGNORE_RULES}; take some back")
    return store.add_rule(
        tx,
        account=account,
        repository=repository,
        vulnerability=vulnerability,
        package=package,
        fixable=fixable,
        reason=reason,
        author=author,
        expires_at=expires_at,
        now=now,
    )


def _is_kept(text: str) -> bool:
    """Whether both databases keep it: without NUL and without halves of UTF-16 pairs, which are what becomes of bytes
    of a command line that are no UTF-8."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _check_pattern(repository: str) -> None:
    if repository and not is_repository(repository) and not ("*" in repository and _PATTERN.fullmatch(repository)):
        raise InvalidParameter("repository", "must be a repository name, in which * stands for anything")


def remove_rule(tx: sa.Connection, services: Services, account: str, rule_id: int) -> None:
    """What it suppressed counts again. Raises OverlayNotFound."""
    if not store.revoke_rule(tx, account, rule_id, services.clock()):
        raise OverlayNotFound(f"ignore rule {rule_id}")


@dataclass(frozen=True, slots=True)
class Given:
    """A document as it was handed over."""

    document: Document
    digest: str
    """Of its bytes."""


def read(body: bytes) -> Given:
    """Read a VEX document, before any transaction. Raises InvalidParameter where it is none."""
    try:
        return Given(reading.read(body), digest_of(body))
    except Unparsable as error:
        raise InvalidParameter("document", str(error)) from error


def unused(given: Given) -> dict[str, int]:
    """How many statements, or products of one, are not used, by reason."""
    return dict(sorted(Counter(each.reason for each in given.document.unused).items()))


def add_document(
    tx: sa.Connection, services: Services, account: str, given: Given, *, repository: str = "", added_by: str
) -> VexDocument:
    """From now on the document's statements count for the account's images, in place of those of an earlier one of the
    same name. Raises InvalidParameter where none of its statements can be used."""
    document = given.document
    _check_pattern(repository)
    if not document.statements:
        raise InvalidParameter("document", "; ".join(document.complaints(_COMPLAINTS)))
    serialise(tx, f"overlays {account}")
    if store.count_documents(tx, account) >= limits.VEX_DOCUMENTS:
        raise InvalidParameter("document", f"an account has at most {limits.VEX_DOCUMENTS}; take some back")
    return store.add_document(
        tx,
        account=account,
        repository=repository,
        digest=given.digest,
        name=document.id or given.digest,
        format=document.format,
        author=document.author,
        added_by=added_by,
        statements=document.statements,
        now=services.clock(),
    )


def remove_document(tx: sa.Connection, services: Services, account: str, document_id: int) -> None:
    """What it suppressed counts again. Raises OverlayNotFound."""
    if not store.revoke_document(tx, account, document_id, services.clock()):
        raise OverlayNotFound(f"VEX document {document_id}")

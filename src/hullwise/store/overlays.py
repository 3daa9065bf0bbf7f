"""Ignore rules and VEX documents of an account, and the overlays that they make for its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from hullwise.domain import digests
from hullwise.domain.overlays import Statement
from hullwise.store.clock import from_micros, maybe, to_micros
from hullwise.store.compression import pack, unpack
from hullwise.store.engine import Prepared, chunks, insert_missing
from hullwise.store.tables import ignore_rules, overlay_revisions, overlays, vex_documents


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """A finding that all its criteria fit is suppressed. Empty criteria fit everything; at least one is not empty."""

    id: int
    account: str
    repository: str
    """Pattern; `*` stands for anything."""
    vulnerability: str
    package: str
    fixable: str
    """`yes`, `no` or empty."""
    reason: str
    author: str
    created_at: datetime
    expires_at: datetime | None
    """From then on it suppresses nothing."""
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class VexDocument:
    id: int
    account: str
    repository: str
    digest: str
    name: str
    format: str
    author: str
    added_by: str
    statements: int
    created_at: datetime
    revoked_at: datetime | None


def _rule(row: sa.Row[Any]) -> IgnoreRule:
    return IgnoreRule(
        id=row.id,
        account=row.account_id,
        repository=row.repository,
        vulnerability=row.vulnerability,
        package=row.package,
        fixable=row.fixable,
        reason=row.reason,
        author=row.author,
        created_at=from_micros(row.created_at),
        expires_at=maybe(row.expires_at),
        revoked_at=maybe(row.revoked_at),
    )


_DOCUMENT = tuple(column for column in vex_documents.c if column.name != "body")


def _document(row: sa.Row[Any]) -> VexDocument:
    return VexDocument(
        id=row.id,
        account=row.account_id,
        repository=row.repository,
        digest=row.digest,
        name=row.name,
        format=row.format,
        author=row.author,
        added_by=row.added_by,
        statements=row.statements,
        created_at=from_micros(row.created_at),
        revoked_at=maybe(row.revoked_at),
    )


_REVISION = Prepared(
    sa.select(overlay_revisions.c.revision).where(overlay_revisions.c.account_id == sa.bindparam("account"))
)


def revision(tx: sa.Connection, account: str) -> int:
    """Counts the changes of the account's rules and documents; 0: it never had any."""
    return _REVISION.value(tx, account=account) or 0


def _changed(tx: sa.Connection, account: str) -> None:
    insert_missing(tx, overlay_revisions, [{"account_id": account, "revision": 0}])
    row = overlay_revisions.update().where(overlay_revisions.c.account_id == account)
    tx.execute(row.values(revision=overlay_revisions.c.revision + 1))


def add_rule(
    tx: sa.Connection,
    *,
    account: str,
    repository: str,
    vulnerability: str,
    package: str,
    fixable: str,
    reason: str,
    author: str,
    expires_at: datetime | None,
    now: datetime,
) -> IgnoreRule:
    statement = ignore_rules.insert().values(
        account_id=account,
        repository=repository,
        vulnerability=vulnerability,
        package=package,
        fixable=fixable,
        reason=reason,
        author=author,
        created_at=to_micros(now),
        expires_at=None if expires_at is None else to_micros(expires_at),
    )
    key = tx.execute(statement).inserted_primary_key
    assert key is not None
    _changed(tx, account)
    return _rule(tx.execute(sa.select(ignore_rules).where(ignore_rules.c.id == key[0])).one())


def rules(tx: sa.Connection, account: str) -> list[IgnoreRule]:
    """Those that were not taken back, oldest first; expired ones too."""
    query = sa.select(ignore_rules).where(ignore_rules.c.account_id == account, ignore_rules.c.revoked_at.is_(None))
    return [_rule(row) for row in tx.execute(query.order_by(ignore_rules.c.id))]


def count_rules(tx: sa.Connection, account: str) -> int:
    """How many were not taken back; expired ones too."""
    return _count(tx, ignore_rules, account)


def _count(tx: sa.Connection, table: sa.Table, account: str) -> int:
    mine = (table.c.account_id == account, table.c.revoked_at.is_(None))
    return tx.execute(sa.select(sa.func.count()).select_from(table).where(*mine)).scalar_one()


def revoke_rule(tx: sa.Connection, account: str, rule_id: int, now: datetime) -> bool:
    """Take a rule back. Returns whether there was one."""
    return _revoke(tx, ignore_rules, account, rule_id, now)


def _revoke(tx: sa.Connection, table: sa.Table, account: str, row_id: int, now: datetime) -> bool:
    if not 0 < row_id < 2**63:
        return False
    mine = (table.c.id == row_id, table.c.account_id == account, table.c.revoked_at.is_(None))
    if tx.execute(table.update().where(*mine).values(revoked_at=to_micros(now))).rowcount == 0:
        return False
    _changed(tx, account)
    return True


def add_document(
    tx: sa.Connection,
    *,
    account: str,
    repository: str,
    digest: str,
    name: str,
    format: str,
    author: str,
    added_by: str,
    statements: Sequence[Statement],
    now: datetime,
) -> VexDocument:
    """Keep a document, in place of the one of the same name for the same repositories."""
    # First, so that of two at the same time the second waits for the first, and replaces it.
    _changed(tx, account)
    columns = vex_documents.c
    replaced = vex_documents.update().where(
        columns.account_id == account,
        columns.name == name,
        columns.repository == repository,
        columns.revoked_at.is_(None),
    )
    tx.execute(replaced.values(revoked_at=to_micros(now)))
    statement = vex_documents.insert().values(
        account_id=account,
        repository=repository,
        digest=digest,
        name=name,
        format=format,
        author=author,
        added_by=added_by,
        statements=len(statements),
        body=pack(msgspec.msgpack.encode(statements)),
        created_at=to_micros(now),
    )
    key = tx.execute(statement).inserted_primary_key
    assert key is not None
    return _document(tx.execute(sa.select(*_DOCUMENT).where(columns.id == key[0])).one())


def documents(tx: sa.Connection, account: str) -> list[VexDocument]:
    """Those that were neither taken back nor replaced, oldest first."""
    columns = vex_documents.c
    query = sa.select(*_DOCUMENT).where(columns.account_id == account, columns.revoked_at.is_(None))
    return [_document(row) for row in tx.execute(query.order_by(columns.id))]


def count_documents(tx: sa.Connection, account: str) -> int:
    """How many were neither taken back nor replaced."""
    return _count(tx, vex_documents, account)


def revoke_document(tx: sa.Connection, account: str, document_id: int, now: datetime) -> bool:
    """Take a document back. Returns whether there was one."""
    return _revoke(tx, vex_documents, account, document_id, now)


_statements = msgspec.msgpack.Decoder(tuple[Statement, ...])


def statements(tx: sa.Connection, document_id: int) -> tuple[Statement, ...]:
    """What the document says, in its order."""
    body = tx.execute(sa.select(vex_documents.c.body).where(vex_documents.c.id == document_id)).scalar_one()
    return _statements.decode(unpack(body))


def rules_by_id(tx: sa.Connection, ids: Iterable[int]) -> dict[int, IgnoreRule]:
    """Also those that were taken back: reports name them."""
    rows = tx.execute(sa.select(ignore_rules).where(ignore_rules.c.id.in_(sorted(set(ids)))))
    return {row.id: _rule(row) for row in rows}


def documents_by_id(tx: sa.Connection, ids: Iterable[int]) -> dict[int, VexDocument]:
    rows = tx.execute(sa.select(*_DOCUMENT).where(vex_documents.c.id.in_(sorted(set(ids)))))
    return {row.id: _document(row) for row in rows}


def digest_of(members: str) -> str:
    return digests.of(members.encode())


def known(tx: sa.Connection, members: Iterable[str]) -> dict[str, int]:
    """Ids of those overlays (by their members' text) that are kept."""
    by_digest = {digest_of(text): text for text in members}
    found: dict[str, int] = {}
    for chunk in chunks(sorted(by_digest)):
        rows = tx.execute(sa.select(overlays.c.id, overlays.c.digest).where(overlays.c.digest.in_(chunk)))
        found |= {by_digest[row.digest]: row.id for row in rows}
    return found


def intern(tx: sa.Connection, members: Iterable[str]) -> dict[str, int]:
    """Ids of overlays, which are kept from now on."""
    texts = sorted(set(members))
    insert_missing(tx, overlays, [{"digest": digest_of(text), "members": text} for text in texts])
    return known(tx, texts)

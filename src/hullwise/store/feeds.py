"""What is known of each feed: what of it is loaded, when it last answered, why it last failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hullwise.store.clock import maybe, to_micros
from hullwise.store.engine import insert_missing
from hullwise.store.tables import feed_files, feeds, syncs


@dataclass(frozen=True, slots=True)
class FeedState:
    name: str
    succeeded_at: datetime | None
    """When it last answered, and what it answered was taken or was loaded already."""
    failed_at: datetime | None
    failure: str
    """Why it failed since it last succeeded; empty: it did not."""
    cursor: str


@dataclass(frozen=True, slots=True)
class FeedFile:
    url: str
    etag: str
    last_modified: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    id: int
    requested_at: datetime
    ended_at: datetime | None
    summary: str


def states(tx: sa.Connection) -> dict[str, FeedState]:
    """By name, of the feeds that were ever asked."""
    return {
        row.name: FeedState(row.name, maybe(row.succeeded_at), maybe(row.failed_at), row.failure, row.cursor)
        for row in tx.execute(sa.select(feeds).order_by(feeds.c.name))
    }


def files(tx: sa.Connection, feed: str) -> dict[str, FeedFile]:
    """The feed's files that are loaded, by URL."""
    rows = tx.execute(sa.select(feed_files).where(feed_files.c.feed == feed))
    return {row.url: FeedFile(row.url, row.etag, row.last_modified, row.sha256, row.size) for row in rows}


def _ensure(tx: sa.Connection, name: str) -> None:
    insert_missing(tx, feeds, [{"name": name, "failure": "", "cursor": ""}])


def loaded(tx: sa.Connection, name: str, found: Iterable[FeedFile], cursor: str, now: datetime) -> None:
    """These of the feed's files are loaded now, and its changes as far as the cursor."""
    _ensure(tx, name)
    tx.execute(feeds.update().where(feeds.c.name == name).values(cursor=cursor))
    for file in found:
        tx.execute(feed_files.delete().where(feed_files.c.url == file.url))
        row = {
            "url": file.url,
            "feed": name,
            "etag": file.etag,
            "last_modified": file.last_modified,
            "sha256": file.sha256,
            "size": file.size,
            "loaded_at": to_micros(now),
        }
        tx.execute(feed_files.insert().values(**row))


def succeeded(tx: sa.Connection, name: str, found: Iterable[FeedFile], cursor: str, now: datetime) -> None:
    """The feed answered, and all that it answered is loaded now: these files, and its changes as far as the cursor."""
    loaded(tx, name, found, cursor, now)
    values: dict[str, Any] = {"succeeded_at": to_micros(now), "failure": ""}
    tx.execute(feeds.update().where(feeds.c.name == name).values(**values))


def failed(tx: sa.Connection, name: str, why: str, now: datetime) -> None:
    """The feed failed; what was loaded of it before stays loaded."""
    _ensure(tx, name)
    values: dict[str, Any] = {"failed_at": to_micros(now), "failure": why[:1_000]}
    tx.execute(feeds.update().where(feeds.c.name == name).values(**values))


def forget(tx: sa.Connection) -> None:
    """What is loaded came another way, such as a bundle: every feed is fetched whole the next time."""
    tx.execute(feed_files.delete())
    tx.execute(feeds.update().values(cursor=""))


def _sync(row: sa.Row[Any]) -> Sync:
    requested = maybe(row.requested_at)
    assert requested is not None
    return Sync(row.id, requested, maybe(row.ended_at), row.summary)


def latest_sync(tx: sa.Connection) -> Sync | None:
    row = tx.execute(sa.select(syncs).order_by(syncs.c.id.desc()).limit(1)).first()
    return None if row is None else _sync(row)


def request_sync(tx: sa.Connection, now: datetime) -> int:
    """A sync that somebody will run. Returns its id."""
    key = tx.execute(syncs.insert().values(requested_at=to_micros(now), summary="")).inserted_primary_key
    assert key is not None
    return int(key[0])


def get_sync(tx: sa.Connection, sync_id: int) -> Sync | None:
    row = tx.execute(sa.select(syncs).where(syncs.c.id == sync_id)).first()
    return None if row is None else _sync(row)


def end_sync(tx: sa.Connection, sync_id: int, summary: str, now: datetime) -> None:
    statement = syncs.update().where(syncs.c.id == sync_id)
    tx.execute(statement.values(ended_at=to_micros(now), summary=summary))

"""Bringing in new data: from files that somebody hands over, or from the feeds.

    feeds ──fetch──▶ files ─┐
    files handed over ──────┴─ build, confined ──▶ generation, published ──▶ enrichment, what is loaded of each feed

A feed that fails, on the way or in the build, leaves what was loaded of it in place, and says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import structlog

from hullwise.advisories import building, fetching
from hullwise.advisories.building import BuildFailed, Outcome, Request, Step
from hullwise.advisories.fetching import FEEDS, FeedBroken, Fetching, Update
from hullwise.domain.enrichment import Enrichment
from hullwise.jobs.queue import SYNC
from hullwise.remotes.errors import RemoteError
from hullwise.remotes.remote import Remote
from hullwise.remotes.validators import Validators
from hullwise.scanning import publication
from hullwise.scanning.publication import Published
from hullwise.services import Services
from hullwise.store import enrichment as enrichment_store
from hullwise.store import feeds
from hullwise.store.feeds import FeedFile

log = structlog.get_logger()

Progress = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it is done, and how much there is in all (None: not known)."""


class NothingTaken(Exception):
    """Nothing of what was handed over can be used. `outcomes` say why."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__("nothing was taken")
        self.outcomes = tuple(outcomes)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of bringing in data."""

    published: Published | None
    """None: no feed had anything new."""
    outcomes: tuple[Outcome, ...]
    failures: dict[str, str] = field(default_factory=dict)
    """Feeds that could not be fetched, and why."""


def take(services: Services, steps: Sequence[Step], progress: Progress = lambda *_: None) -> Taken:
    """Build from the steps on top of the head's data, publish, and load what is joined on reading.

    Raises BuildFailed, and NothingTaken where no step brought anything: the head is as it was then.
    """
    outcomes: tuple[Outcome, ...] = ()
    enrichment = Enrichment()

    def build(path: Path, base: Path | None) -> str:
        nonlocal outcomes, enrichment
        beside = path.with_name(f"{path.name}.enrichment")
        request = Request(
            parent=os.getpid(),
            path=str(path),
            base="" if base is None else str(base),
            now=services.clock(),
            steps=tuple(steps),
            enrichment=str(beside),
        )
        try:
            built, enrichment = building.build(request, lambda done, of: progress("documents", done, of))
        finally:
            beside.unlink(missing_ok=True)
            path.with_name(f"{path.name}.partial").unlink(missing_ok=True)
        outcomes = built.outcomes
        if not _brings(outcomes, enrichment):
            raise NothingTaken(outcomes)
        return built.digest

    published = publication.publish_built(services, build, progress)
    load_enrichment(services, enrichment)
    return Taken(published, outcomes)


def _brings(outcomes: Sequence[Outcome], enrichment: Enrichment) -> bool:
    return any(each.taken or each.removed for each in outcomes) or enrichment != Enrichment()


def load_enrichment(services: Services, found: Enrichment) -> None:
    """Replace each part that is there; the others stay."""
    run, now = services.database.run, services.clock()
    today = f"{now:%Y-%m-%d}"
    if found.scores:
        with services.database.read() as tx:
            enrichment_store.replace_scores(tx, run, found.scores, found.scores_as_of or today, now)
    if found.exploited:
        enrichment_store.replace_exploited(run, found.exploited, found.exploited_as_of or today, now)
    if found.lifecycles:
        enrichment_store.replace_lifecycles(run, found.lifecycles, found.lifecycles_as_of or today, now)


def enrichment(services: Services) -> Enrichment:
    """All that is joined on reading, as it is kept."""
    with services.database.read() as tx:
        scores, exploited, lifecycles = enrichment_store.all_of(tx)
        dates = enrichment_store.dates(tx)
    return Enrichment(
        scores_as_of=dates.get("scores", ""),
        scores=tuple(scores),
        exploited_as_of=dates.get("exploited", ""),
        exploited=tuple(exploited),
        lifecycles_as_of=dates.get("lifecycles", ""),
        lifecycles=tuple(lifecycles),
    )


def sync(services: Services, remote: Remote, names: Sequence[str] = (), progress: Progress = lambda *_: None) -> Taken:
    """Bring in what is new at the feeds, by default at all that the settings name. One sync runs at a time."""
    wanted = list(names or services.settings.feeds)
    with services.database.exclusive("sync", services.settings.locks):
        updates, failures = _fetch(services, remote, wanted, progress)
        taken = _take(services, updates, failures, progress)
        _remember(services, updates, taken)
    for feed, why in taken.failures.items():
        log.warning("feed failed; its last good data stays", feed=feed, why=why)
    return taken


def _fetch(
    services: Services, remote: Remote, wanted: Sequence[str], progress: Progress
) -> tuple[dict[str, Update], dict[str, str]]:
    updates: dict[str, Update] = {}
    failures: dict[str, str] = {}
    with services.database.read() as tx:
        states = feeds.states(tx)
        known = {feed: feeds.files(tx, feed) for feed in wanted}
    for feed in wanted:
        ask = Fetching(
            feed=feed,
            remote=remote,
            address=services.settings.feed_addresses.get(feed, FEEDS[feed].address).rstrip("/"),
            folder=services.generation_folder / "downloads" / feed,
            known={url: Validators(file.etag, file.last_modified) for url, file in known[feed].items()},
            cursor=states[feed].cursor if feed in states else "",
            now=services.clock(),
            report=lambda name, done, of, feed=feed: progress(f"{feed} {name}", done, of),  # type: ignore[misc]
        )
        try:
            updates[feed] = fetching.fetch(feed, ask)
        except (RemoteError, FeedBroken) as error:
            failures[feed] = str(error)
    return updates, failures


def _take(services: Services, updates: dict[str, Update], failures: dict[str, str], progress: Progress) -> Taken:
    steps = [step for feed in FEEDS if feed in updates for step in updates[feed].steps]
    if not steps:
        return Taken(None, (), failures)
    try:
        taken = take(services, steps, progress)
    except NothingTaken as nothing:
        taken = Taken(None, nothing.outcomes)
    except BuildFailed as error:
        # Whose document it was is not known: none of them is remembered, and each is fetched again.
        return Taken(None, (), failures | {step.feed: str(error) for step in steps})
    broken = {outcome.feed: outcome.failure for outcome in taken.outcomes if outcome.failure}
    return Taken(taken.published, taken.outcomes, failures | broken)


def _remember(services: Services, updates: dict[str, Update], taken: Taken) -> None:
    now = services.clock()
    for feed, update in updates.items():
        if feed not in taken.failures:
            loaded = [
                FeedFile(file.url, file.validators.etag, file.validators.last_modified, file.sha256, file.size)
                for file in update.files
            ]
            services.database.run(
                lambda tx, feed=feed, loaded=loaded, update=update: feeds.succeeded(  # type: ignore[misc]
                    tx, feed, loaded, update.cursor, now
                )
            )
    for feed, why in taken.failures.items():
        services.database.run(lambda tx, feed=feed, why=why: feeds.failed(tx, feed, why, now))  # type: ignore[misc]


def summary(taken: Taken) -> str:
    """JSON of what came of a sync."""
    published = taken.published
    return msgspec.json.encode(
        {
            "generation": None if published is None else published.number,
            "new": published is not None and published.new,
            "feeds": {outcome.feed: outcome for outcome in taken.outcomes},
            "failures": taken.failures,
        }
    ).decode()


def request_due(services: Services) -> None:
    """Queue a sync where the settings say that it is time for one: once, whoever else asks at the same moment."""
    minutes = services.settings.sync_minutes
    if not minutes:
        return
    now = services.clock()
    with services.database.read() as tx:
        latest = feeds.latest_sync(tx)
    if latest is not None and latest.requested_at + timedelta(minutes=minutes) > now:
        return
    with services.database.exclusive("sync-request", services.settings.locks), services.database.write() as tx:
        again = feeds.latest_sync(tx)
        if again is None or again.requested_at + timedelta(minutes=minutes) <= now:
            services.jobs.put(tx, SYNC, feeds.request_sync(tx, now))


def run_sync(services: Services, open_remote: Callable[[], Remote], sync_id: int) -> None:
    """The job of a sync that was queued."""
    with services.database.read() as tx:
        found = feeds.get_sync(tx, sync_id)
    if found is None or found.ended_at is not None:
        return
    with open_remote() as remote:
        text = summary(sync(services, remote))
    services.database.run(lambda tx: feeds.end_sync(tx, sync_id, text, services.clock()))

"""Bringing in new data: from files that somebody hands over, or from the feeds.

    feeds ──fetch──▶ files ─┐
    files handed over ──────┴─ build, confined ──▶ generation, published ──▶ enrichment, what is loaded of each feed

A feed that fails, on the way or in the build, leaves what was loaded of it in place, and says so.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_values
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import sqlalchemy as sa
import structlog

from hullwise.advisories import building, fetching
from hullwise.advisories.building import BuildFailed, Outcome, Request, Step
from hullwise.advisories.bundle import Bundle
from hullwise.advisories.fetching import FEEDS, FeedBroken, Fetching, Loaded, Part, Update
from hullwise.domain.enrichment import Enrichment
from hullwise.jobs.queue import SYNC
from hullwise.remotes.errors import RemoteError
from hullwise.remotes.remote import Remote
from hullwise.remotes.validators import Validators
from hullwise.scanning import notes, publication
from hullwise.scanning.interruptions import again_and_again
from hullwise.scanning.publication import Published
from hullwise.services import Services
from hullwise.store import enrichment as enrichment_store
from hullwise.store import feeds
from hullwise.store.clock import is_over
from hullwise.store.feeds import FeedFile, Sync

log = structlog.get_logger()

Progress = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it is done, and how much there is in all (None: not known)."""


_NAMED = 100
"""Documents that are named as not readable, and below it reasons why a feed failed."""
_REASONS = 3


_LOST = timedelta(hours=6)
"""After which a sync that has not ended is taken for lost."""


class NothingTaken(Exception):
    """Nothing of what was handed over can be used. `outcomes` say why."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__("nothing was taken")
        self.outcomes = tuple(outcomes)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of bringing in data."""

    published: Published | None
    """None: nothing new came, or nothing of it could be taken."""
    outcomes: tuple[Outcome, ...]
    """One a step; of a sync, one a feed."""
    failures: dict[str, str] = field(default_factory=dict)
    """Feeds that could not be fetched, or of which something was not taken, and why."""
    held: frozenset[str] = frozenset()
    """Those of them that were good before: what was loaded of them then stays."""


def take(services: Services, steps: Sequence[Step], progress: Progress = lambda *_: None) -> Taken:
    """Build from the steps on top of the head's data, publish, and load what is joined on reading.

    Raises BuildFailed, and NothingTaken where no step brought anything: the head is as it was then.
    """
    outcomes: tuple[Outcome, ...] = ()
    enrichment = Enrichment()

    def build(path: Path, base: Path | None) -> str:
        nonlocal outcomes, enrichment
        request = Request(
            parent=os.getpid(),
            path=str(path),
            base="" if base is None else str(base),
            now=services.clock(),
            steps=tuple(steps),
            enrichment=str(path.with_name(f"{path.name}.enrichment")),
        )
        built, enrichment = building.build(request, lambda done, of: progress("documents", done, of))
        outcomes = built.outcomes
        if not _brings(outcomes, enrichment):
            raise NothingTaken(outcomes)
        # Before the generation is on its way: whoever is killed from then on leaves nothing that others do not finish.
        load_enrichment(services, enrichment)
        return built.digest

    published = publication.publish_built(services, build, progress)
    return Taken(published, outcomes)


def take_bundle(services: Services, bundle: Bundle, progress: publication.Progress = lambda *_: None) -> Published:
    """Publish what a bundle brings, in place of the head's data. Raises as `Bundle.apply` does."""

    # No sync beside it: what the feeds said last is not what is loaded now.
    with services.database.exclusive("sync", services.settings.locks) as alone:
        services = services.under(alone)

        def build(path: Path, base: Path | None) -> str:
            digest = bundle.apply(path, base, services.clock())
            load_enrichment(services, bundle.enrichment())
            return digest

        return publication.publish_built(services, build, progress, feeds.forget)


def _brings(outcomes: Sequence[Outcome], enrichment: Enrichment) -> bool:
    return any(each.taken or each.removed for each in outcomes) or enrichment != Enrichment()


def load_enrichment(services: Services, found: Enrichment) -> None:
    """Replace each part that is there and not older than what is kept; the others stay."""
    with services.database.exclusive("enrichment", services.settings.locks) as alone:
        _load_enrichment(services.under(alone), found)


def _load_enrichment(services: Services, found: Enrichment) -> None:
    run, now = services.database.run, services.clock()
    today = f"{now:%Y-%m-%d}"
    with services.database.read() as tx:
        kept = enrichment_store.dates(tx)
    if found.scores and (found.scores_as_of or today) >= kept.get("scores", ""):
        with services.database.read() as tx:
            enrichment_store.replace_scores(tx, run, found.scores, found.scores_as_of or today, now)
    if found.exploited and (found.exploited_as_of or today) >= kept.get("exploited", ""):
        enrichment_store.replace_exploited(run, found.exploited, found.exploited_as_of or today, now)
    if found.lifecycles:
        with services.database.read() as tx:
            known = enrichment_store.dates(tx).get("lifecycles", "")
        # They come product by product: the part is as new as the newest of them.
        as_of = max(found.lifecycles_as_of or today, known)
        enrichment_store.replace_lifecycles(run, found.lifecycles, as_of, now)
        notes.note_lifecycles(services)


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


_WHOLE = {"epss": "scores", "kev": "exploited"}
"""Feeds that state a part of the enrichment whole, to its name."""


def sync(services: Services, remote: Remote, names: Sequence[str] = (), progress: Progress = lambda *_: None) -> Taken:
    """Bring in what is new at the feeds, by default at all that the settings name. One sync runs at a time."""
    wanted = list(dict.fromkeys(names or services.settings.feeds))
    with services.database.exclusive("sync", services.settings.locks) as alone:
        services = services.under(alone)
        with services.database.read() as tx:
            cursors = {feed: _cursors(state.cursor) for feed, state in feeds.states(tx).items()}
        updates, failures = _fetch(services, remote, wanted, cursors, progress)
        parts = [part for feed in FEEDS if feed in updates for part in updates[feed].parts]
        if not parts:
            publication.finish(services)
        published, outcomes = _take(services, parts, progress) if parts else (None, ())
        taken = Taken(published, _by_feed(outcomes), _broken(outcomes) | failures)
        loaded = [part for part, outcome in zip(parts, outcomes, strict=True) if not outcome.failure]
        _remember(services, list(updates), loaded, cursors, taken.failures)
        with services.database.read() as tx:
            good = frozenset(feed for feed, state in feeds.states(tx).items() if state.succeeded_at)
        taken = with_values(taken, held=good & taken.failures.keys())
    for feed, why in taken.failures.items():
        said = "feed failed; its last good data stays" if feed in taken.held else "feed failed"
        log.warning(said, feed=feed, why=why)
    return taken


def _cursors(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}


def _fetch(
    services: Services,
    remote: Remote,
    wanted: Sequence[str],
    cursors: Mapping[str, Mapping[str, str]],
    progress: Progress,
) -> tuple[dict[str, Update], dict[str, str]]:
    updates: dict[str, Update] = {}
    failures: dict[str, str] = {}
    with services.database.read() as tx:
        known = {feed: feeds.files(tx, feed) for feed in wanted}
        held = enrichment_store.counts(tx)
    for feed in wanted:
        ask = Fetching(
            feed=feed,
            remote=remote,
            address=services.settings.feed_addresses.get(feed, FEEDS[feed].address).rstrip("/"),
            folder=services.generation_folder / "downloads" / feed,
            known={url: Validators(file.etag, file.last_modified) for url, file in known[feed].items()},
            cursors=cursors.get(feed, {}),
            held=held.get(_WHOLE.get(feed, ""), 0),
            now=services.clock(),
            report=lambda name, done, of, feed=feed: progress(f"{feed} {name}", done, of),  # type: ignore[misc]
        )
        try:
            updates[feed] = fetching.fetch(feed, ask)
        except (RemoteError, FeedBroken) as error:
            failures[feed] = str(error)
            continue
        if updates[feed].failures:
            failures[feed] = "; ".join(updates[feed].failures[:_REASONS])
    return updates, failures


def _take(
    services: Services, parts: Sequence[Part], progress: Progress
) -> tuple[Published | None, tuple[Outcome, ...]]:
    """One outcome a part. One document is enough to end a build: then each feed is built for itself, so that the others
    are taken all the same."""
    try:
        taken = take(services, [part.step for part in parts], progress)
        return taken.published, taken.outcomes
    except NothingTaken as nothing:
        return None, nothing.outcomes
    except BuildFailed as error:
        named = list(dict.fromkeys(part.step.feed for part in parts))
        if len(named) == 1:
            return None, tuple(Outcome(feed=part.step.feed, failure=str(error)) for part in parts)
    found = [_take(services, [part for part in parts if part.step.feed == feed], progress) for feed in named]
    return _joined([published for published, _ in found if published]), sum((of for _, of in found), ())


def _joined(done: Sequence[Published]) -> Published | None:
    """The last, with what all of them together came to."""
    if not done:
        return None
    return with_values(
        done[-1],
        new=any(each.new for each in done),
        changed_names=sum(each.changed_names for each in done),
        matched_packages=sum(each.matched_packages for each in done),
        moved_images=sum(each.moved_images for each in done),
    )


def _by_feed(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """What became of each feed's parts together."""
    return tuple(
        _together([outcome for outcome in outcomes if outcome.feed == feed])
        for feed in dict.fromkeys(outcome.feed for outcome in outcomes)
    )


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    unused = Counter[str]()
    for each in outcomes:
        unused.update(each.unused)
    return Outcome(
        feed=outcomes[0].feed,
        documents=sum(each.documents for each in outcomes),
        taken=sum(each.taken for each in outcomes),
        removed=sum(each.removed for each in outcomes),
        unused=dict(unused),
        unreadable=tuple(named for each in outcomes for named in each.unreadable)[:_NAMED],
        unreadable_count=sum(each.unreadable_count for each in outcomes),
        failure="; ".join(list(dict.fromkeys(each.failure for each in outcomes if each.failure))[:_REASONS]),
    )


def _broken(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {outcome.feed: outcome.failure for outcome in _by_feed(outcomes) if outcome.failure}


def _remember(
    services: Services,
    answered: Sequence[str],
    loaded: Sequence[Part],
    cursors: Mapping[str, Mapping[str, str]],
    failures: Mapping[str, str],
) -> None:
    """What is loaded of each feed, and how it went."""
    now = services.clock()

    def write(tx: sa.Connection) -> None:
        for feed in answered:
            parts = [part for part in loaded if part.step.feed == feed]
            reached = {**cursors.get(feed, {}), **dict(part.cursor for part in parts if part.cursor)}
            cursor = msgspec.json.encode(reached, order="sorted").decode() if reached else ""
            note = feeds.loaded if feed in failures else feeds.succeeded
            note(tx, feed, [_file(file) for part in parts for file in part.files], cursor, now)
        for feed, why in failures.items():
            feeds.failed(tx, feed, why, now)

    services.database.run(write)


def _file(file: Loaded) -> FeedFile:
    return FeedFile(file.url, file.validators.etag, file.validators.last_modified, file.sha256, file.size)


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
        if not _due(feeds.latest_sync(tx), minutes, now):
            return
    lock = services.database.exclusive("sync-request", services.settings.locks)
    with lock as alone, services.database.under(alone).write() as tx:
        if _due(feeds.latest_sync(tx), minutes, now):
            services.jobs.put(tx, SYNC, feeds.request_sync(tx, now))


def _due(latest: Sync | None, minutes: int, now: datetime) -> bool:
    """One that goes on is not overtaken, unless it has gone on for so long that it must be lost."""
    if latest is None:
        return True
    wait = timedelta(minutes=minutes) if latest.ended_at is not None else max(timedelta(minutes=minutes), _LOST)
    return is_over(latest.requested_at, wait, now)


def run_sync(services: Services, open_remote: Callable[[], Remote], sync_id: int) -> None:
    """The job of a sync that was queued."""

    def work() -> None:
        with services.database.read() as tx:
            found = feeds.get_sync(tx, sync_id)
        if found is None or found.ended_at is not None:
            return
        with open_remote() as remote:
            text = summary(sync(services, remote))
        services.database.run(lambda tx: feeds.end_sync(tx, sync_id, text, services.clock()))

    again_and_again(work, SYNC, sync_id)

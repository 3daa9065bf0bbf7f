"""One scan, from its row to its report.

    layers not read yet ─▶ read, each in a child process, kept for good
    inventory           ─▶ merged from the layers, checked against the config, kept: once for the same layers
    packages            ─▶ matched through the head's generation, where they are not
    report              ─▶ made, and the scan completed, while the head is held

Every step keeps what it made and finds it again: a scan that is killed at any point and begun anew repeats nothing
that matters and completes once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple, Self

import sqlalchemy as sa
import structlog

from hullwise.advisories.generation import Generation
from hullwise.domain import configs
from hullwise.domain.configs import CONFIG_LIMIT, ImageConfig, UnreadableConfig
from hullwise.domain.manifests import Descriptor
from hullwise.domain.scans import ScanStatus, ScanType
from hullwise.events import kinds, outbox
from hullwise.inventory import kept, sandbox, verification
from hullwise.inventory.errors import AnalysisCrashed, ImageTooLarge, LayerTooLarge, LayerUnreadable
from hullwise.inventory.image import ImageInventory, ReadLayer, in_turn, merge
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import READERS, ImageLimits, LayerLimits
from hullwise.inventory.nursery import Nursery
from hullwise.inventory.room import Room
from hullwise.inventory.verification import ConfigMismatch
from hullwise.scanning import announcements, coverage, enhanced, moves, overlays, requests, verdicts
from hullwise.scanning.drafts import draft
from hullwise.scanning.interruptions import INTERRUPTIONS
from hullwise.scanning.states import STATES, unsupported
from hullwise.services import UNREADABLE, Services
from hullwise.store import generations, images, inventories, layers, packages, reports, repositories, scans
from hullwise.store.engine import is_outage
from hullwise.store.generations import Generation as GenerationRow
from hullwise.store.images import Image
from hullwise.store.reports import Draft, Report
from hullwise.store.repositories import Repository
from hullwise.store.scans import Scan
from hullwise.store.transitions import ContinuousImage

log = structlog.get_logger()

_ATTEMPTS = 4
"""Tries of a scan that something outside the image interrupts, a second apart at first, then doubling."""
_LONGEST_PAUSE = 60.0
"""Seconds between two tries to end one in an outage of the database, at most."""

_BEGINNINGS = 3
"""Times that a scan is begun, at most: one that takes its worker down with it would hold up all others for ever."""


class _Forgotten(Exception):
    """What was known of a layer, or of all of them, went with the last image, whose like was pushed at that moment."""


# A layer that makes its reader crash does so each time; one whose reader was killed, by whoever was short of memory,
# is read the next time.
_INTERRUPTIONS = (*INTERRUPTIONS, AnalysisCrashed, _Forgotten)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a scan ends without a report."""

    status: ScanStatus
    description: str


class _Ended(Exception):
    def __init__(self, status: ScanStatus, description: str) -> None:
        super().__init__(description)
        self.outcome = _Outcome(status, description)


class InHand:
    """A context manager: the scans that this process has in hand when it is left, because the process was told to stop,
    do not count as begun by it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._begun: set[int] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for scan in self._begun:
                self._services.database.run(partial(scans.give_back, scan_id=scan))

    def begin(self, scan_id: int, take: Callable[[], Scan | None]) -> Scan | None:
        """What `take` returns, in which the scan is counted as begun, unless it is None: it is in hand from then on.
        Nothing is given back meanwhile."""
        with self._lock:
            scan = take()
            if scan is not None:
                self._begun.add(scan_id)
        return scan

    def let_go(self, scan_id: int) -> None:
        """The scan is not in hand any more."""
        with self._lock:
            self._begun.discard(scan_id)


def scan_image(services: Services, scan_id: int, nursery: Nursery | None = None, in_hand: InHand | None = None) -> None:
    """Bring a scan to its end. After it returns the scan is in a final state, or gone with its image.

    Layers are read by processes of the nursery, which is the caller's; without one the scan has its own."""
    hand = in_hand if in_hand is not None else InHand(services)
    try:
        _scan_again_and_again(services, scan_id, nursery, hand)
    finally:
        hand.let_go(scan_id)


def _scan_again_and_again(services: Services, scan_id: int, nursery: Nursery | None, hand: InHand) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            with nullcontext(nursery) if nursery is not None else Nursery() as readers:
                _scan(services, scan_id, readers, hand, first=attempt == 0)
            return
        except _INTERRUPTIONS as error:
            log.warning("scan interrupted", scan=scan_id, attempt=attempt + 1, why=str(error))
            if attempt == _ATTEMPTS - 1:
                why = str(error) if isinstance(error, AnalysisCrashed) else "storage did not answer"
                _end_surely(services, scan_id, _Outcome(ScanStatus.FAILED, f"The scan failed: {why}."))
                return
            time.sleep(2**attempt)
        except Exception:
            log.exception("scan failed", scan=scan_id)
            text = "The scan failed: an internal error, see the log."
            _end_surely(services, scan_id, _Outcome(ScanStatus.FAILED, text))
            return


def _scan(services: Services, scan_id: int, nursery: Nursery, hand: InHand, *, first: bool) -> None:
    take = partial(_take, services, scan_id, first=first)
    try:
        scan = hand.begin(scan_id, take) if first else take()
        if scan is None:
            return
        with _as_outcomes():
            inventory_id = _inventory(services, scan, nursery)
            while not _complete(services, scan, inventory_id):
                log.info("scan repeated", scan=scan.id, why="the advisories changed")
    except _Ended as ended:
        _end(services, scan_id, ended.outcome)


def _take(services: Services, scan_id: int, *, first: bool) -> Scan | None:
    """The scan, in progress; None where it has ended before, or its image is gone. `first`: of this process."""

    def take(tx: sa.Connection) -> Scan | None:
        scan = scans.get(tx, scan_id, lock=True)
        if scan is None or STATES[scan.status].ended:
            return None
        if first and scan.begun >= _BEGINNINGS:
            text = f"The scan failed: the process that ran it died each of the {_BEGINNINGS} times that it was begun."
            raise _Ended(ScanStatus.FAILED, text)
        # One UPDATE: at a second of the same row PostgreSQL looks for its image again, whose row somebody may hold who
        # deletes the image, and waits for this row to go with it.
        if scan.status is ScanStatus.PENDING:
            moves.move(tx, scan, ScanStatus.IN_PROGRESS, now=services.clock(), begins=first)
        elif first:
            scans.begin(tx, scan_id)
        return scan

    return services.database.run(take)


@contextmanager
def _as_outcomes() -> Iterator[None]:
    """What is wrong with the image itself, as the state that the scan ends in."""
    try:
        yield
    except AnalysisCrashed:
        raise
    except (LayerTooLarge, ImageTooLarge) as error:
        raise _Ended(ScanStatus.IMAGE_SIZE_EXCEEDED, f"The scan was given up: {error}.") from error
    except (LayerUnreadable, ConfigMismatch, UnreadableConfig) as error:
        raise _Ended(ScanStatus.FAILED, f"The scan failed: {error}.") from error


def _inventory(services: Services, scan: Scan, nursery: Nursery) -> int:
    """The id of the image's inventory, as this scan takes it."""
    with services.database.read() as tx:
        config, *parts = images.blobs_of(tx, scan.image_id)
    limit, size = services.settings.scan_image_mb << 20, sum(part.size for part in parts)
    if size > limit:
        text = f"The image has {size:,} bytes of layers; this registry scans up to {limit:,}."
        raise _Ended(ScanStatus.IMAGE_SIZE_EXCEEDED, text)
    claimed = configs.parse(_read_config(services, config))
    services.database.run(lambda tx: images.set_config(tx, scan.image_id, claimed.architecture, claimed.author))
    whole = scan.scan_type is ScanType.ENHANCED or services.settings.scan_language_packages
    merge_digest = kept.merge_digest([part.digest for part in parts], claimed.diff_ids, whole)
    with services.database.read() as tx:
        known = inventories.merged(tx, merge_digest)
    merged = _merged(services, claimed, parts, nursery) if known is None else None
    # The layers are those that the config names.
    if chain := configs.chain_ids(claimed.diff_ids):
        services.database.run(lambda tx: images.set_chain(tx, scan.image_id, chain))
    if merged is None:
        assert known is not None
        return known
    sentence = unsupported(merged)
    if sentence is not None:
        enhanced = scan.scan_type is ScanType.ENHANCED
        raise _Ended(ScanStatus.UNSUPPORTED_IMAGE if enhanced else ScanStatus.FAILED, sentence)
    return _keep_inventory(services, merged if whole else merged.of_distribution(), merge_digest)


def _merged(services: Services, claimed: ImageConfig, parts: Sequence[Descriptor], nursery: Nursery) -> ImageInventory:
    """Raises ConfigMismatch, LayerUnreadable, ImageTooLarge."""
    _read_layers(services, parts, nursery)
    room = Room(ImageLimits(held_bytes=services.settings.scan_inventory_mb << 20))
    return merge(verification.checked(claimed, len(parts), _known_layers(services, parts, room)), room)


def _blob(services: Services, part: Descriptor) -> layers.Blob:
    with services.database.read() as tx:
        blob = layers.load(tx, part.digest)
    if blob is None:
        raise _Ended(ScanStatus.FAILED, f"The scan failed: {part.digest} is not in this registry.")
    return blob


def _read_config(services: Services, part: Descriptor) -> bytes:
    blob = _blob(services, part)
    if blob.size > CONFIG_LIMIT:
        raise UnreadableConfig(f"the image config is over {CONFIG_LIMIT} bytes")
    return b"".join(services.read_blob(blob))


def _read_layers(services: Services, parts: Sequence[Descriptor], nursery: Nursery) -> None:
    """What each layer holds is kept, for every image that has it: those that are not known are read now, several at a
    time. Raises LayerUnreadable."""
    wanted = kept.analysers()
    distinct = {part.digest: part for part in parts}
    with services.database.read() as tx:
        known = inventories.analysers_of(tx, list(distinct), wanted)
    lacking = {
        digest: {name: version for name, version in wanted.items() if name not in known.get(digest, ())}
        for digest in distinct
        if len(known.get(digest, ())) < len(wanted)
    }
    decoding = threading.Lock()

    def read(digest: str, missing: Mapping[str, int]) -> None:
        limits = _layer_limits(services)
        body = _read_layer(services, distinct[digest], sorted(missing.keys() - {kept.TREE}), limits, nursery)
        # One at a time: decoded it may take all that one image may.
        with decoding:
            made = kept.bodies(sandbox.decoded(body, limits), missing)
        now = services.clock()
        services.database.run(lambda tx: inventories.save_layer_analysis(tx, digest, made, now))

    if lacking:
        at_once = min(len(lacking), os.cpu_count() or 1, READERS)
        with ThreadPoolExecutor(at_once, thread_name_prefix="layers") as pool:
            for _ in pool.map(read, lacking, lacking.values()):
                pass


def _known_layers(services: Services, parts: Sequence[Descriptor], room: Room) -> Iterator[ReadLayer]:
    """The layers as they are kept, lowest first, each decoded when it is asked for. Raises ImageTooLarge."""
    wanted = kept.analysers()

    def load(digest: str) -> LayerInventory:
        with services.database.read() as tx:
            bodies = inventories.layer_analysis(tx, digest, wanted)
        if len(bodies) < len(wanted):
            raise _Forgotten(f"{digest} was read, and is not known any more")
        return kept.joined(bodies, room)

    return in_turn([part.digest for part in parts], load, room)


def _layer_limits(services: Services) -> LayerLimits:
    settings = services.settings
    return LayerLimits(tar_bytes=settings.scan_layer_mb << 20, inventory_bytes=settings.scan_inventory_mb << 20)


def _read_layer(
    services: Services, part: Descriptor, readers: Sequence[str], limits: LayerLimits, nursery: Nursery
) -> bytes:
    content = services.read_blob(_blob(services, part))
    if content.path is None:
        return sandbox.encoded(content, readers, limits, nursery=nursery)
    descriptor = os.open(content.path, os.O_RDONLY)
    try:
        return sandbox.encoded(descriptor, readers, limits, nursery=nursery)
    finally:
        os.close(descriptor)


def _keep_inventory(services: Services, inventory: ImageInventory, merge_digest: str) -> int:
    occurrences = inventory.occurrences
    looked_at = {
        "readers": kept.readers(),
        "problems": [list(problem) for problem in inventory.problems],
        "packages": [list(each) for each in coverage.counted(o.package for o in occurrences)],
    }
    # In a transaction of its own: it may wait for another that interns the same packages.
    services.database.run(lambda tx: packages.intern(tx, {occurrence.package for occurrence in occurrences}))
    now = services.clock()

    def save(tx: sa.Connection) -> int:
        saved = inventories.save(tx, occurrences, inventory.distribution, looked_at, now)
        inventories.note_merged(tx, merge_digest, saved)
        return saved

    return services.database.run(save)


def _complete(services: Services, scan: Scan, inventory_id: int) -> bool:
    """Match what is not matched, make the report where there is none of this inventory, and complete the scan: all
    through the head's generation.

    Returns False where the head moved meanwhile, or the report went.
    """
    with services.database.read() as tx:
        head = generations.head_number(tx)
        row = generations.get(tx, head)
        made = reports.find(tx, inventory_id, head)
        package_ids = inventories.package_ids(tx, inventory_id) if made is None else []
        missing = packages.load(tx, packages.unmatched(tx, package_ids, head))
    if row is None:
        raise _Ended(ScanStatus.FINDINGS_UNAVAILABLE, STATES[ScanStatus.FINDINGS_UNAVAILABLE].description)
    if made is not None:
        return services.database.run(lambda tx: _finish(tx, services.clock(), scan, made))
    if missing:
        try:
            with services.open_generation(row) as generation:
                found = verdicts.judge(generation, missing)
                if not services.database.run(lambda tx: _begin_matches(tx, generation, head, found)):
                    return False
        except UNREADABLE as error:
            if _head(services) == row:
                text = f"The advisory data cannot be read ({error}). The image is scanned once new data is loaded."
                raise _Ended(ScanStatus.FINDINGS_UNAVAILABLE, text) from error
            # Its file went because it is no longer the head's.
            return False
    with services.database.read() as tx:
        drafted = draft(tx, inventory_id, head)
    return services.database.run(lambda tx: _finish(tx, services.clock(), scan, drafted, package_ids))


def _head(services: Services) -> GenerationRow | None:
    with services.database.read() as tx:
        return generations.get(tx, generations.head_number(tx))


def _begin_matches(tx: sa.Connection, generation: Generation, head: int, found: verdicts.Verdicts) -> bool:
    if generations.hold_head(tx) != head:
        return False
    verdicts.begin(tx, generation, head, found)
    return True


def _finish(
    tx: sa.Connection, now: datetime, scan: Scan, made: Report | Draft, package_ids: Sequence[int] = ()
) -> bool:
    """Complete the scan, once, with the report: a draft of one is of these packages. Holding the head shared is what a
    sync beside it waits for, and it for the sync."""
    if generations.hold_head(tx) != made.generation or packages.unmatched(tx, package_ids, made.generation):
        return False
    current = scans.get(tx, scan.id, lock=True)
    if current is None or STATES[current.status].ended:
        return True
    place = _place(tx, scan)
    if place is None:
        return True
    if isinstance(made, Draft):
        if not inventories.hold(tx, made.inventory_id):
            raise _Forgotten("what is in the layers was known, and is not known any more")
        report = reports.save(tx, made, now)
    elif (kept_still := reports.hold(tx, made.inventory_id, made.generation)) is not None:
        report = kept_still
    else:
        return False
    stays = scan.scan_type is ScanType.ENHANCED and requests.keeps_up_to_date(tx, scan, place.repository)
    status = ScanStatus.ACTIVE if stays else ScanStatus.COMPLETE
    moves.move(tx, current, status, now=now, report_id=report.id)
    _tell(tx, place, current, status, now, report)
    return True


class _Place(NamedTuple):
    """What a scan is of."""

    image: Image
    repository: Repository


def _place(tx: sa.Connection, scan: Scan) -> _Place | None:
    """None where it is gone."""
    image = images.by_id(tx, scan.image_id)
    repository = None if image is None else repositories.by_id(tx, image.repository_id)
    return None if image is None or repository is None else _Place(image, repository)


def _tell(
    tx: sa.Connection, place: _Place, scan: Scan, status: ScanStatus, now: datetime, report: Report | None = None
) -> None:
    """Events of a scan's end: ECR's of a basic one, Inspector's of an enhanced one that has found what there is."""
    image, repository = place
    tags = images.tags_of(tx, [image.id]).get(image.id, [])
    counts = {} if report is None else overlays.counting(tx, repository, image, tags, report, now)
    if scan.scan_type is ScanType.BASIC:
        ended = "COMPLETE" if status is ScanStatus.COMPLETE else "FAILED"
        outbox.put(tx, [kinds.image_scan(repository, image.digest, tags, ended, counts)], now)
    elif report is not None:
        outbox.put(tx, [kinds.initial_scan(repository, image.digest, tags, enhanced.counts(counts))], now)
        where = (repository.account, repository.region, repository.name, image.digest)
        announcements.put_first(tx, ContinuousImage(image.id, scan.id, *where, report.id), report, now)


def _end_surely(services: Services, scan_id: int, outcome: _Outcome) -> None:
    """End the scan, once the database takes it. Nobody else will pick the scan up: it must not stay in progress for
    ever."""
    pause = 1.0
    while True:
        try:
            _end(services, scan_id, outcome)
            return
        except Exception as error:
            if not is_outage(error):
                raise
            if pause == 1:
                log.warning("scan ends once the database takes it", scan=scan_id, why=str(error))
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _end(services: Services, scan_id: int, outcome: _Outcome) -> None:
    now = services.clock()

    def end(tx: sa.Connection) -> None:
        scan = scans.get(tx, scan_id, lock=True)
        if scan is not None and not STATES[scan.status].ended:
            moves.move(tx, scan, outcome.status, outcome.description, now=now)
            if (place := _place(tx, scan)) is not None:
                _tell(tx, place, scan, outcome.status, now)

    services.database.run(end)
    log.info("scan ended", scan=scan_id, status=outcome.status.value, why=outcome.description)

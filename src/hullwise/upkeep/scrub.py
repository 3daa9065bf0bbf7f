"""Reading everything that is stored, to find what is damaged before somebody pulls it.

    blobs, in the order of digests ─▶ manifests ─▶ files of generations ─▶ objects that no row names

Nothing is changed, unless `drop` says so. What is collected meanwhile is not damage: before anything is said of a
content, the database is asked again whether it still has it, and its bytes are read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from hullwise.blobs import keys
from hullwise.blobs.errors import ObjectMissing
from hullwise.domain import digests
from hullwise.services import Services
from hullwise.store import garbage, images, layers, needs, publications
from hullwise.store.layers import Blob
from hullwise.store.needs import RepositoryNeed
from hullwise.upkeep import content, contents
from hullwise.upkeep.content import Damage, Finding, Patience
from hullwise.upkeep.keyset import KeySet

_BLOBS, _MANIFESTS, _KEYS = 200, 4, 5_000
_LOOKS = 3
"""Times that a blob is looked at which is stored anew meanwhile."""
_SETTLED = timedelta(hours=1)
"""Age from which an object without a row is counted: a younger one may be a push on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedContent:
    kind: str
    """`blob`, `manifest` or `generation`."""
    name: str
    """Digest, or the key of a generation's file."""
    damage: Damage
    why: str
    repositories: tuple[RepositoryNeed, ...] = ()
    """Those that need it, with their images."""
    dropped: bool = False
    """Whether its objects were taken away, so that a push brings it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    blobs: int
    bytes: int
    """Of these blobs."""
    manifests: int
    generations: int
    damaged: tuple[DamagedContent, ...]
    unnamed_objects: int
    """Objects of the storage that no row names, older than an hour."""
    unnamed_bytes: int


class Pace:
    """Keeps reading below a rate, by sleeping."""

    def __init__(
        self,
        rate: float | None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`rate` in bytes a second; None: as fast as it goes."""
        self._rate = rate
        self._now, self._sleep = now, sleep
        self._due = now()

    def __call__(self, size: int) -> None:
        """So many bytes were read. What was not used of the rate earlier is not made up for."""
        if self._rate is None:
            return
        now = self._now()
        self._due = max(self._due, now) + size / self._rate
        if self._due > now:
            self._sleep(self._due - now)


@dataclass(slots=True)
class Scrub:
    services: Services
    pace: Pace
    progress: Callable[[int, int], None] = lambda *_: None
    """Called with bytes of blobs that are read, and how many there are in all."""
    reached: str = ""
    """Every blob up to this digest was looked at: where another scrub goes on."""
    drop: bool = False
    """Whether the objects of a blob whose bytes are others go away. A client is told that it has what is there in its
    size, and so a push would bring back none of it."""

    def run(self) -> Scrubbed:
        """Look at every blob behind `reached`, and all the rest. Raises StorageSilent."""
        damaged: list[DamagedContent] = []
        with self.services.database.read() as tx:
            _, total = layers.total(tx, self.reached)
        blobs, size = self._blobs(damaged, total)
        manifests = self._manifests(damaged)
        files = self._generations(damaged)
        unnamed_objects, unnamed_bytes = self._unnamed()
        return Scrubbed(
            blobs=blobs,
            bytes=size,
            manifests=manifests,
            generations=files,
            damaged=tuple(damaged),
            unnamed_objects=unnamed_objects,
            unnamed_bytes=unnamed_bytes,
        )

    def _blobs(self, damaged: list[DamagedContent], total: int) -> tuple[int, int]:
        count = size = read = 0
        patience = Patience()

        def told(piece: int) -> None:
            nonlocal read
            read += piece
            self.progress(min(size + read, total), total)
            self.pace(piece)

        while True:
            with self.services.database.read() as tx:
                page = layers.page(tx, self.reached, _BLOBS)
            if not page:
                return count, size
            for blob in page:
                read = 0
                finding, seen = self._look(blob, told)
                patience.note(finding)
                if finding is not None:
                    with self.services.database.read() as tx:
                        need = tuple(needs.of_blob(tx, blob.digest))
                    found = damaged_content("blob", blob.digest, finding, need)
                    damaged.append(replace(found, dropped=self._drops(seen, finding)))
                count += 1
                size += blob.size
                self.reached = blob.digest

    def _look(self, blob: Blob, told: Callable[[int], None]) -> tuple[Finding | None, Blob]:
        """What is wrong with a blob that is still there, found twice in the same objects; and the blob with these."""
        finding = content.examine(self.services.blobs, blob, told)
        for _ in range(_LOOKS):
            if finding is None:
                return None, blob
            with self.services.database.read() as tx:
                current = layers.load(tx, blob.digest)
            if current is None:
                return None, blob
            again = content.examine(self.services.blobs, current, self.pace)
            if again is None or current == blob:
                return again, current
            blob, finding = current, again
        return finding, blob

    def _drops(self, blob: Blob, finding: Finding) -> bool:
        """No other blob is in these objects, and nothing is written to them again."""
        if not self.drop or finding.damage is not Damage.DIGEST:
            return False
        for segment in blob.segments:
            self.services.blobs.delete(segment.object_key)
        return True

    def _manifests(self, damaged: list[DamagedContent]) -> int:
        count, after = 0, ""
        while True:
            with self.services.database.read() as tx:
                page = images.bodies(tx, after, _MANIFESTS)
                for digest, body in page:
                    found = digests.of(body, digests.algorithm(digest))
                    if found != digest:
                        finding = Finding(Damage.DIGEST, f"its bytes have digest {found}")
                        need = tuple(needs.of_manifest(tx, digest))
                        damaged.append(damaged_content("manifest", digest, finding, need))
            if not page:
                return count
            count += len(page)
            after = page[-1][0]

    def _generations(self, damaged: list[DamagedContent]) -> int:
        with self.services.database.read() as tx:
            found = publications.kept_files(tx)
        for key in sorted(found):
            finding = self._look_at_generation(key)
            if finding is not None:
                with self.services.database.read() as tx:
                    dropped = key not in publications.kept_files(tx)
                if not dropped:
                    damaged.append(damaged_content("generation", key, finding))
        return len(found)

    def _look_at_generation(self, key: str) -> Finding | None:
        try:
            return content.examine(self.services.blobs, contents.generation(key, self.services.blobs), self.pace)
        except ObjectMissing as error:
            return Finding(Damage.MISSING, str(error))

    def _unnamed(self) -> tuple[int, int]:
        """Objects that no row names, and their bytes. They are listed first: what is stored later is not among them,
        and what was then on its way has its row by now, or is young."""
        settled = self.services.clock() - _SETTLED
        with KeySet() as left:
            listed = self.services.blobs.list()
            left.add(
                (stored.key, stored.size)
                for stored in listed
                if stored.modified < settled and not stored.key.startswith(keys.PROBES)
            )
            with self.services.database.read() as tx:
                for column in garbage.NAMING:
                    named = tx.execute(sa.select(column), execution_options={"yield_per": _KEYS})
                    left.remove(named.scalars())
                left.remove(publications.kept_files(tx))
            return left.total()


def damaged_content(kind: str, name: str, finding: Finding, need: tuple[RepositoryNeed, ...] = ()) -> DamagedContent:
    return DamagedContent(kind=kind, name=name, damage=finding.damage, why=finding.why, repositories=need)

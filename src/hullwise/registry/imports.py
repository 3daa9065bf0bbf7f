"""Images that come from a source, by the same rules as those that are pushed.

    each repository ─ each tag, then what has none ─┬─ its blobs      those that are not here: read, hashed, proven
                                                    ├─ its children   likewise, before it
                                                    ├─ the manifest   one transaction, as a push's
                                                    └─ its referrers  likewise, after it

What is here already is not read again, so an import that was killed is finished by another one, and one that is done
changes nothing. What cannot come is noted with its reason, and the rest comes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa

from hullwise.domain import digests, names
from hullwise.domain.errors import (
    HullwiseError,
    ImageTagAlreadyExists,
    InvalidName,
    InvalidParameter,
    RepositoryAlreadyExists,
    RepositoryNotFound,
)
from hullwise.domain.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from hullwise.imports.errors import PartMissing, PartRefused, SourceError, Unanswered
from hullwise.imports.source import Source
from hullwise.registry import images as image_rules
from hullwise.registry import mutability, uploads
from hullwise.registry import repositories as repository_rules
from hullwise.registry.images import Prepared
from hullwise.services import Services
from hullwise.store import images, layers, repositories
from hullwise.store.repositories import Repository

_DEPTH = 16
"""Manifests, each a child or a referrer of the one before, that are followed."""
_MOST = 1_000_000
"""Manifests of one repository that an import looks at."""
_MOST_REFERRERS = 1_000
"""Of one manifest."""
_NOTED = 1_000
"""Problems that are told one by one; the others are counted."""
_LONGEST = 500
_SILENCE = 10
"""Requests without an answer, one after the other, that end an import."""


@dataclass(frozen=True, slots=True)
class Plan:
    account: str
    region: str
    prefix: str = ""
    """Before the source's names, with a slash between; empty for none."""
    create: bool = True
    """Whether repositories that are not there are made."""
    dry: bool = False
    """Whether nothing is read but manifests, and nothing written."""


@dataclass(frozen=True, slots=True)
class Problem:
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came; in a dry run, what would."""

    repositories: int = 0
    """That were made."""
    manifests: int = 0
    tags: int = 0
    """That name something else than before, or did not exist."""
    blobs: int = 0
    """That were read from the source."""
    size: int = 0
    """Bytes of those."""
    known: int = 0
    """Manifests that were here already."""
    problems: tuple[Problem, ...] = ()
    """The first ones."""
    failures: int = 0
    """All problems."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an import stands."""

    repository: str
    manifests: int
    size: int
    """Bytes that were read."""
    blob: int = 0
    """Bytes of the current blob, of `whole`."""
    whole: int = 0


Tell = Callable[[Moment], None]


class _Lost(Exception):
    """The source does not answer any more."""


def take(services: Services, source: Source, plan: Plan, tell: Tell = lambda _: None) -> Outcome:
    """Import what the source has.

    Raises what the database and blob storage do; whatever the source does is a problem of the outcome. Killed at any
    point, or ended by an exception, it leaves whole images, and blobs that the next one does not read again.
    """
    ledger = _Ledger()
    try:
        for name in ledger.listed("the list of repositories", source.repositories):
            _Images(services, source, plan, ledger, tell, name).take()
    except _Lost:
        ledger.failures += 1
        ledger.problems.append(Problem("the source", "it does not answer any more: the import ended there"))
    return ledger.outcome()


@dataclass
class _Ledger:
    """What is counted on the way."""

    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    blobs: int = 0
    size: int = 0
    known: int = 0
    failures: int = 0
    problems: list[Problem] = field(default_factory=list)
    planned: set[str] = field(default_factory=set)
    """Blobs that a dry run has counted."""
    silent: int = 0
    """Requests in a row that the source did not answer."""

    def note(self, what: str, why: str | Exception) -> None:
        """Raises _Lost where the source has been silent too often."""
        self.failures += 1
        if len(self.problems) < _NOTED:
            self.problems.append(Problem(what[:_LONGEST], _sentence(why)[:_LONGEST]))
        self.silent = self.silent + 1 if isinstance(why, Unanswered) else 0
        if self.silent >= _SILENCE:
            raise _Lost(str(why))

    def outcome(self) -> Outcome:
        return Outcome(
            self.repositories,
            self.manifests,
            self.tags,
            self.blobs,
            self.size,
            self.known,
            tuple(self.problems),
            self.failures,
        )

    def listed(self, what: str, items: Callable[[], Iterator[str]]) -> Iterator[str]:
        """As many as the source lists before it fails, which is noted."""
        try:
            yield from items()
        except SourceError as error:
            self.note(what, error)


class _Images:
    """The images of one repository."""

    def __init__(self, services: Services, source: Source, plan: Plan, ledger: _Ledger, tell: Tell, name: str) -> None:
        self._services = services
        self._source = source
        self._plan = plan
        self._ledger = ledger
        self._tell = tell
        self._theirs = name
        self._ours = f"{plan.prefix}/{name}" if plan.prefix else name
        self._repository: Repository | None = None
        self._counted = False
        """Whether the repository is among those that are made."""
        self._seen: dict[str, bool] = {}
        """By digest, whether a manifest is here now; False also while it is on its way."""
        self._failed: dict[str, str] = {}
        """Blobs that did not come, and why."""

    def take(self) -> None:
        if not names.is_repository(self._ours):
            self._ledger.note(self._ours, InvalidName(self._ours))
            return
        with self._services.database.read() as tx:
            self._repository = repositories.find(tx, self._plan.account, self._plan.region, self._ours)
        if self._repository is None and not self._plan.create:
            self._ledger.note(self._ours, RepositoryNotFound(self._ours, self._plan.account))
            return
        for tag in self._ledger.listed(f"tags of {self._ours}", lambda: self._source.tags(self._theirs)):
            self._take_tag(tag)
        rest = self._ledger.listed(f"manifests of {self._ours}", lambda: self._source.untagged(self._theirs))
        for digest in rest:
            if digest not in self._seen:
                self._take_manifest(digest, None, 0)

    def _take_tag(self, tag: str) -> None:
        label = f"{self._ours}:{tag}"
        if not names.is_tag(tag):
            self._ledger.note(label, "it is no tag")
            return
        try:
            digest = self._source.resolve(self._theirs, tag)
        except SourceError as error:
            self._ledger.note(label, error)
            return
        if digest not in self._seen:
            self._take_manifest(digest, tag, 0)
        elif not self._seen[digest]:
            self._ledger.note(label, f"{digest} did not come")
        else:
            try:
                self._name(digest, tag)
            except (SourceError, HullwiseError) as error:
                self._ledger.note(label, error)

    def _take_manifest(self, digest: str, tag: str | None, depth: int) -> None:
        """It is here afterwards, with all that it needs and what refers to it; or a problem is noted."""
        label = f"{self._ours}@{digest}" if tag is None else f"{self._ours}:{tag}"
        try:
            digests.check(digest)
            if depth > _DEPTH:
                raise PartRefused(f"manifests are nested deeper than {_DEPTH}")
            if len(self._seen) >= _MOST:
                raise PartRefused(f"the repository has more than {_MOST:,} manifests")
            self._seen[digest] = False
            self._store(digest, tag, depth)
        except (SourceError, HullwiseError) as error:
            self._ledger.note(label, error)
        if self._seen.get(digest):
            self._ledger.silent = 0
            self._tell(Moment(self._ours, self._ledger.manifests + self._ledger.known, self._ledger.size))
            self._take_referrers(digest, depth)

    def _take_referrers(self, digest: str, depth: int) -> None:
        what = f"what refers to {self._ours}@{digest}"
        found = self._ledger.listed(what, lambda: self._source.referrers(self._theirs, digest))
        for number, referrer in enumerate(found):
            if number == _MOST_REFERRERS:
                self._ledger.note(what, f"the source lists more than {_MOST_REFERRERS:,}")
                return
            if referrer not in self._seen:
                self._take_manifest(referrer, None, depth + 1)

    def _store(self, digest: str, tag: str | None, depth: int) -> None:
        body = self._body(digest)
        if body is None:
            found = self._source.manifest(self._theirs, digest)
            prepared = image_rules.prepare(found.body, found.media_type or _guessed(found.body), digest)
            self._take_blobs(prepared.manifest)
        else:
            prepared = image_rules.prepare(body, _guessed(body), digest)
        children = list(dict.fromkeys(child.digest for child in prepared.manifest.children))
        for child in children:
            if child not in self._seen:
                self._take_manifest(child, None, depth + 1)
        if body is not None:
            self._ledger.known += 1
            self._seen[digest] = True
            if tag is not None:
                self._name(digest, tag)
            return
        absent = [child for child in children if not self._seen[child]]
        if absent:
            raise PartRefused(f"{len(absent)} of {len(children)} manifests that it lists did not come: {absent[0]}")
        self._put(prepared, tag)

    def _put(self, prepared: Prepared, tag: str | None) -> None:
        """The manifest, new here, and the tag; the manifest alone where the tag cannot be had."""
        self._ensure()
        if not self._plan.dry:
            try:
                self._push(prepared, tag)
            except ImageTagAlreadyExists:
                self._push(prepared, None)
                self._count(prepared.digest)
                raise
        self._count(prepared.digest)
        if tag is not None:
            self._check_tag(prepared.digest, tag)
            self._ledger.tags += 1

    def _count(self, digest: str) -> None:
        self._ledger.manifests += 1
        self._seen[digest] = True

    def _push(self, prepared: Prepared, tag: str | None) -> None:
        repository = self._made()
        self._services.database.run(lambda tx: image_rules.put(tx, self._services, repository, prepared, tag))

    def _name(self, digest: str, tag: str) -> None:
        """The tag names the manifest, which is here. Raises ImageTagAlreadyExists."""
        if self._repository is not None:
            with self._services.database.read() as tx:
                tagged = images.by_tag(tx, self._repository.id, tag)
            if tagged is not None and tagged.digest == digest:
                return
        self._check_tag(digest, tag)
        if not self._plan.dry:
            body = self._body(digest)
            if body is None:
                raise PartMissing(digest)
            self._push(image_rules.prepare(body, _guessed(body), digest), tag)
        self._ledger.tags += 1

    def _check_tag(self, digest: str, tag: str) -> None:
        """Raises ImageTagAlreadyExists where a push of that tag would, which a dry run does not try."""
        if not self._plan.dry or self._repository is None:
            return
        with self._services.database.read() as tx:
            tagged = images.by_tag(tx, self._repository.id, tag)
        if tagged is not None and tagged.digest != digest and mutability.is_fixed(self._repository, tag):
            raise ImageTagAlreadyExists(tag, self._ours)

    def _body(self, digest: str) -> bytes | None:
        """Of a manifest that is here."""
        if self._repository is None:
            return None
        with self._services.database.read() as tx:
            image = images.by_digest(tx, self._repository.id, digest)
            return None if image is None else images.body(tx, digest)

    def _take_blobs(self, manifest: Manifest) -> None:
        wanted = {blob.digest: blob for blob in manifest.blobs}
        if self._repository is not None:
            with self._services.database.read() as tx:
                for digest in layers.sizes(tx, self._repository.id, wanted):
                    del wanted[digest]
        for digest, blob in wanted.items():
            if digest in self._failed:
                raise PartRefused(self._failed[digest])
            try:
                self._take_blob(blob)
            except (SourceError, HullwiseError) as error:
                if len(self._failed) < _NOTED:
                    self._failed[digest] = _sentence(error)[:_LONGEST]
                raise

    def _take_blob(self, blob: Descriptor) -> None:
        self._ensure()
        if self._plan.dry:
            with self._services.database.read() as tx:
                here = bool(self._holders(tx, blob.digest))
            if here or blob.digest in self._ledger.planned:
                return
            self._ledger.planned.add(blob.digest)
        else:
            repository = self._made()
            with self._services.database.read() as tx:
                holders = repositories.many(tx, self._holders(tx, blob.digest))
            if any(uploads.mount(self._services, repository, each, blob.digest) for each in holders):
                return
            with closing(self._measured(blob)) as pieces:
                uploads.receive(self._services, repository, blob.digest, pieces)
        self._ledger.blobs += 1
        self._ledger.size += blob.size
        self._ledger.silent = 0

    def _holders(self, tx: sa.Connection, digest: str) -> list[int]:
        """A repository of the account that has the blob, by id, where one has."""
        return layers.holders(tx, self._plan.account, self._plan.region, digest, 1)

    def _measured(self, blob: Descriptor) -> Generator[bytes]:
        """The bytes from the source, exactly as many as the manifest says. Raises PartRefused for others."""
        size, manifests = 0, self._ledger.manifests + self._ledger.known
        for piece in self._source.blob(self._theirs, blob.digest, blob.size):
            size += len(piece)
            if size > blob.size:
                raise PartRefused(f"{blob.digest} has more than the {blob.size:,} bytes that its manifest states")
            self._tell(Moment(self._ours, manifests, self._ledger.size + size, size, blob.size))
            yield piece
        if size < blob.size:
            raise PartRefused(f"{blob.digest} has {size:,} bytes, not the {blob.size:,} that its manifest states")

    def _ensure(self) -> None:
        """The repository is there; in a dry run it is counted."""
        if self._repository is not None or self._counted:
            return
        self._counted = True
        if not self._plan.dry:
            self._repository = self._services.database.run(self._create)
        self._ledger.repositories += 1

    def _create(self, tx: sa.Connection) -> Repository:
        account, region = self._plan.account, self._plan.region
        try:
            return repository_rules.create(tx, self._services, account=account, region=region, name=self._ours)
        except RepositoryAlreadyExists:  # made by somebody else meanwhile
            return repositories.get(tx, account, region, self._ours)

    def _made(self) -> Repository:
        assert self._repository is not None
        return self._repository


class _Declared(msgspec.Struct):
    mediaType: str = ""
    manifests: msgspec.Raw = msgspec.Raw()
    """Not read; empty where there is no such member."""


def _guessed(body: bytes) -> str | None:
    """What a body that does not say so itself is, by its form: OCI's manifests may leave it out."""
    try:
        found = msgspec.json.decode(body, type=_Declared)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # who parses it tells
    if found.mediaType:
        return None
    return OCI_INDEX if bytes(found.manifests) else OCI_MANIFEST


def _sentence(why: str | Exception) -> str:
    if isinstance(why, InvalidParameter):
        return f"{why.member}: {why.constraint}"
    return str(why)

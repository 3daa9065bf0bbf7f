"""What a scan looked at and what it did not: nothing that could not be judged passes for clean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hullwise.advisories.generation import STARTER
from hullwise.domain.enrichment import EndOfLife
from hullwise.domain.packages import Distribution, Package
from hullwise.ecosystems import builds
from hullwise.ecosystems.namespaces import COMPREHENSIVE, LANGUAGES, PUBLISHERS, of_system, reader, subject

BUNDLED = "Only the small bundled set of advisories was used; `hullwise advisories sync` loads real data."


class Kind(msgspec.Struct, frozen=True):
    """Packages that one reader found."""

    ecosystem: str
    found: int
    """Distinct packages."""
    matched: int
    """Those that the loaded advisories can say something of."""
    why: tuple[tuple[str, int], ...]
    """Why others are not matched, and how many they are."""


class Coverage(msgspec.Struct, frozen=True):
    readers: Mapping[str, int]
    """What looked at every layer, and in which version."""
    unreadable: tuple[tuple[str, str], ...]
    """(path, why) of files that hold packages and could not be read."""
    namespace: str
    """Whose advisories speak of the distribution's packages: `debian:12`; empty: nobody's."""
    loaded: bool
    """Whether any of them are in the data."""
    comprehensive: bool
    """Whether the vendor says of every vulnerability how it stands; else some that it does not fix may be missing."""
    packages: tuple[Kind, ...]
    end_of_life: EndOfLife | None
    bundled: bool = False
    """Whether the data is what comes with Hullwise alone: of most vulnerabilities it says nothing."""

    @property
    def judged(self) -> bool:
        """Whether the advisories can say anything at all: that there are no findings means nothing otherwise."""
        return any(each.matched for each in self.packages)

    @property
    def document(self) -> dict[str, Any]:
        """As the JSON of every edge shows it."""
        end = self.end_of_life
        return {
            "judged": self.judged,
            "readers": dict(self.readers),
            "unreadable": [{"path": path, "why": why} for path, why in self.unreadable],
            "advisories": {
                "namespace": self.namespace or None,
                "loaded": self.loaded,
                "comprehensive": self.comprehensive,
            },
            "packages": {
                each.ecosystem: {"found": each.found, "matched": each.matched, "notMatched": dict(each.why)}
                for each in self.packages
            },
            "endOfLife": None if end is None else end.wire,
            "notes": self.sentences,
        }

    @property
    def sentences(self) -> list[str]:
        """What a person should know before trusting the findings; empty where all could be judged."""
        end = self.end_of_life
        ended = [] if end is None or end.state == "supported" else [end.sentence]
        return [*self._meagre, *self._silent, *ended, *self._passed_over]

    @property
    def gaps(self) -> list[str]:
        """Those of the sentences that say what was not judged: at any time the same of a scan."""
        return [*self._meagre, *self._silent, *self._passed_over]

    @property
    def _meagre(self) -> list[str]:
        return [BUNDLED] if self.bundled else []

    @property
    def _silent(self) -> list[str]:
        if not self.namespace:
            return []
        if not self.loaded:
            return [f"No advisories on {self.namespace} are loaded: its own packages were not judged."]
        if any(each.ecosystem == reader(self.namespace) for each in self.packages):
            return []
        # Of a chiselled image, or one whose database was removed to make it small.
        return [f"No list of packages of {self.namespace} was found: what the distribution installed was not judged."]

    @property
    def _passed_over(self) -> list[str]:
        unmatched = [
            f"{count} of {each.found} {each.ecosystem} packages not matched: {why}."
            for each in self.packages
            for why, count in each.why
        ]
        return unmatched + [f"Not readable: {path}: {why}." for path, why in self.unreadable]


Counted = Sequence[tuple[str, str, str | bool, int]]
"""How many distinct packages there are by ecosystem, what advisories must speak of (`subject`), and why they cannot be
matched for themselves (empty: they can). Where an older scan is kept, that is whether their version is known."""

_KEPT_BEFORE: dict[str | bool, str] = {True: "", False: builds.UNKNOWN}


def counted(packages: Iterable[Package]) -> Counted:
    found = Counter(
        (package.ecosystem, subject(package.namespace, package.name), builds.unmatched(package))
        for package in set(packages)
    )
    return [(*kind, number) for kind, number in sorted(found.items())]


def of(
    distribution: Distribution | None,
    packages: Counted,
    readers: Mapping[str, int],
    unreadable: Sequence[tuple[str, str]],
    spoken: Collection[str],
    end: EndOfLife | None,
    sources: Collection[str],
) -> Coverage:
    """`spoken`: what the data speaks of, as `subject` has it; `sources`: what it was built from."""
    own = of_system(distribution)
    reasons: dict[str, Counter[str]] = {}
    for ecosystem, namespace_, said, number in packages:
        why = _why_not(ecosystem, namespace_, _KEPT_BEFORE.get(said, str(said)), spoken, own)
        reasons.setdefault(ecosystem, Counter())[why] += number
    return Coverage(
        readers,
        tuple(unreadable),
        own,
        own in spoken,
        own.partition(":")[0] in COMPREHENSIVE,
        tuple(
            Kind(name, tally.total(), tally[""], tuple(sorted((why, n) for why, n in tally.items() if why)))
            for name, tally in sorted(reasons.items())
        ),
        end,
        bundled=set(sources) == {STARTER},
    )


def released(distribution: Distribution) -> tuple[str, str]:
    """Distribution and release as `Lifecycle` has them."""
    family, _, release = of_system(distribution).partition(":")
    return family or distribution.id, release or distribution.version


def _why_not(ecosystem: str, namespace_: str, itself: str, spoken: Collection[str], own: str) -> str:
    """Why the loaded advisories can say nothing of such packages; empty where they can."""
    if not namespace_:
        if ecosystem in LANGUAGES:
            return "a guess, or no dependency"
        if own and ecosystem == reader(own):
            return "built by others than the distribution"
        known = ecosystem in {publisher.reader for publisher in PUBLISHERS.values()}
        return "nobody publishes advisories on this release" if known else builds.UNSPOKEN
    if itself:
        return itself
    return "" if namespace_ in spoken else f"no advisories on {namespace_} are loaded"

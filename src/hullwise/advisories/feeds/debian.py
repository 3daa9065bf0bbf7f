"""Debian's security tracker: one JSON of source package → CVE → release → status (tracker, data/json)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused, cut, not_crowded
from hullwise.domain.vulnerabilities import State
from hullwise.ecosystems.namespaces import debian_release

SOURCE = "debian-tracker"
DOCUMENT_LIMIT = 256 << 20
"""Bytes of the document. The real one is about 70 MB."""


class _Release(msgspec.Struct):
    status: str = ""
    fixed_version: str = ""
    urgency: str = ""
    nodsa: str | None = None
    nodsa_reason: str | None = None


class _Issue(msgspec.Struct):
    releases: dict[str, _Release] = {}
    description: str = ""


Tracker = dict[str, dict[str, _Issue]]
_decoder = msgspec.json.Decoder(Tracker)


# The tracker's reasons for no advisory of its own, and what they mean for a user of the release.
_REASONS: dict[str, State] = {"ignored": "will-not-fix", "postponed": "deferred"}


def parse(document: bytes) -> Iterator[Record | Unused]:
    """One record a CVE, with every package and release it concerns. Raises Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    not_crowded(document, 16)
    try:
        tracker = _decoder.decode(document)
    except msgspec.ValidationError as error:
        # JSON without another form's members is taken for the tracker, which has none of its own.
        raise Unparsable(f"is of no form that is known, nor is it Debian's tracker: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    # What is stated replaces everything that was: an empty answer must not pass for "nothing is wrong with Debian".
    if not any(tracker.values()):
        raise Unparsable("names no issue")
    affected: dict[str, list[Affected]] = {}
    texts: dict[str, str] = {}
    for package in sorted(tracker):
        for issue_id, issue in tracker[package].items():
            if issue_id.startswith("TEMP-"):
                yield Unused(issue_id, "temporary id")
                continue
            if issue.description:
                texts.setdefault(issue_id, issue.description)
            for codename, release in issue.releases.items():
                found = _affected(package, codename, release)
                if isinstance(found, Affected):
                    affected.setdefault(issue_id, []).append(found)
                else:
                    yield Unused(issue_id, found)
    for issue_id in sorted(affected):
        yield Record(
            id=issue_id,
            source=SOURCE,
            affected=tuple(affected[issue_id]),
            details=cut(texts.get(issue_id, "")),
            url=f"https://security-tracker.debian.org/tracker/{issue_id}",
        )


def _affected(package: str, codename: str, release: _Release) -> Affected | str:
    """What the tracker says of one package in one release, or why it says nothing that can be used."""
    namespace = debian_release(codename)
    if namespace is None:
        return f"release {codename} is not known"
    if release.status == "undetermined":
        # The tracker has not looked yet: neither affected nor not.
        return "undetermined"
    claim = ratings.word("debian", release.urgency)
    severity = () if claim is None else (claim,)
    if release.status == "resolved":
        if not release.fixed_version:
            return "resolved without a fixed version"
        if release.fixed_version == "0":
            return Affected(namespace, package, unaffected=True)
        return Affected(namespace, package, (Interval("0", release.fixed_version),), severity=severity)
    if release.status == "open":
        return Affected(namespace, package, (Interval("0"),), state=_state(release), severity=severity)
    return f"status {release.status[:32] or '(none)'} is not known"


def _state(release: _Release) -> State:
    if release.urgency.strip("*") == "end-of-life":
        return "end-of-life"
    return _REASONS.get(release.nodsa_reason or "", "affected")

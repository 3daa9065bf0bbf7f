"""The AWS JSON 1.1 protocol, driven by the service model: a request's body in, checked; an answer's body out.

Kinds, limits, patterns and enumerations all come from the model. Each operation's shapes are compiled once, the input
into a decoder and a check, the output into a writer.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from math import floor
from types import GenericAlias, MappingProxyType
from typing import Annotated, Any, TypedDict, cast

import msgspec
import re2
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from hullwise.ecr.model import Operation

EXTRAS: Mapping[str, frozenset[str]] = {
    "ImageScanFindings": frozenset({"hullwise"}),
    "EnhancedImageScanFinding": frozenset({"hullwise"}),
}
"""Members that we answer beyond the model, by shape: AWS's clients drop them, ours read them. Written as they are."""

SHOWN_CHARACTERS = 64
"""How much of a refused value an error repeats."""

MOST_VIOLATIONS = 100
"""No further item of a list is looked at after so many: some lists (tags) have no limit of their own."""

# The words of a refusal. Most members are checked by AWS's request framework, whose sentences ECR quotes (seen in
# public reports for imageIds, maxResults, registryIds, imageTagMutability, ecrRepositoryPrefix); repositoryName and
# registryId it checks by itself and words without the subject, the pattern in quotes. Right column: the latter.
WORDS = {
    "required": ("Member must not be null", "must not be null"),
    "longest": (
        "Member must have length less than or equal to {}",
        "must have length less than or equal to {}",
    ),
    "shortest": (
        "Member must have length greater than or equal to {}",
        "must have length greater than or equal to {}",
    ),
    "largest": ("Member must have value less than or equal to {}", "must have value less than or equal to {}"),
    "smallest": (
        "Member must have value greater than or equal to {}",
        "must have value greater than or equal to {}",
    ),
    "pattern": ("Member must satisfy regular expression pattern: {}", "must satisfy regular expression '{}'"),
    "enum": ("Member must satisfy enum value set: [{}]", "must satisfy enum value set: [{}]"),
    "items": ("Member must satisfy constraint: [{}]", "must satisfy constraint: [{}]"),
}
WORDED_BY_ECR = frozenset({"RepositoryName", "RegistryId"})
IN_PASCAL_CASE = frozenset({"imageManifest", "layerDigests", "lifecyclePolicyText", "policyText"})
"""Members that ECR's sentences name with a capital (contract 1.0)."""
ONE_VIOLATION = "Invalid parameter at '{path}' failed to satisfy constraint: '{words}'"
VIOLATIONS = "{count} validation errors detected: {listed}"
LISTED_VIOLATION = "Value {value} at '{path}' failed to satisfy constraint: {words}"


class SerializationError(Exception):
    """The body is no JSON that fits the operation's input: wire code SerializationException, HTTP 400."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ValidationFailed(Exception):
    """Values break constraints of the model: wire code InvalidParameterException, HTTP 400.

    The message names every violation: one in ECR's own sentence, several in the framework's.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Ready(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A structure of answers that hold a thousand of it, in a class that is named as its shape.

    Its members are as JSON has them, times by `seconds`; those that have their defaults are left out.
    """


class UnknownMember(KeyError):
    """An answer holds a member that neither the model nor `EXTRAS` has: a mistake in this program, not in a request."""


def parse(operation: Operation, body: bytes) -> dict[str, Any]:
    """The input that `body` holds, with every constraint of the model met; an empty body is an empty input.

    Members are as in the model, blobs `bytes`, timestamps aware `datetime`s. Members that the model does not know
    (a newer client may send them) and those that are null are left out; of a member given twice the last counts.
    Raises `SerializationError` or `ValidationFailed`. Time and memory are linear in the body, whose size is the
    caller's to bound; nesting stops at Python's recursion limit.
    """
    decoder, check = _reader(operation)
    try:
        value = decoder.decode(body or b"{}")
    except UnicodeDecodeError:
        raise SerializationError("The request body is not UTF-8") from None
    except RecursionError:
        raise SerializationError("The request body is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise SerializationError(f"The request body does not fit {operation.name}: {error}") from None
    if violations := check(value):
        raise ValidationFailed(_sentence(violations))
    return value


def serialise(operation: Operation, value: Mapping[str, Any]) -> bytes:
    """The JSON body of an answer. Members that are None are left out, at any depth.

    A timestamp is a `datetime` with a time zone (`ValueError` without) and becomes seconds since 1970, to the
    millisecond; `bytes` become base64. `Ready` structures, and lists that are JSON, are written as they are. Raises
    `UnknownMember` for a member that may not be there.
    """
    return msgspec.json.encode(_writer(operation)(value))


def error_body(code: str, message: str, members: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    """The JSON body of an error: its bare code, its message and what else its shape has. None is left out."""
    return msgspec.json.encode({"__type": code, "message": message} | _without_none(members))


@cache
def _reader(operation: Operation) -> tuple[msgspec.json.Decoder[dict[str, Any]], Check]:
    decoder = msgspec.json.Decoder(_kind(operation.input), dec_hook=_moment)
    return decoder, _structure_check(operation.input)


class _Moment(datetime):
    """A timestamp in an input: its own type, because msgspec reads a plain `datetime` from ISO text only."""


def _moment(kind: type, value: object) -> _Moment:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Expected seconds since 1970 as a number")
    try:
        return _Moment.fromtimestamp(value, UTC)
    except (OverflowError, OSError):
        raise ValueError("Timestamp out of range") from None


# A value's kind has to be exact: no true for 1, no 1.0 for 1, no 1 for "1". A map is missing because no input has
# one: it needs a check too, whose wording AWS has yet to show.
LEAF_KINDS: Mapping[str, Any] = {
    # Without NUL, which PostgreSQL does not take in text. No text of ECR's has a use for one.
    "string": Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")],
    "boolean": bool,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "double": float,
    "blob": bytes,
    "timestamp": _Moment,
}
_typed_dict: Any = TypedDict


def _kind(shape: Shape) -> Any:
    """The Python type that msgspec checks and decodes this shape by.

    A TypedDict without required members: its unknown members are skipped without being built, and what is missing
    is the check's to say.
    """
    if isinstance(shape, StructureShape):
        members = {name: _kind(member) | None for name, member in shape.members.items()}
        return _typed_dict(shape.name, members, total=False)
    if isinstance(shape, ListShape):
        return GenericAlias(list, (_kind(shape.member),))
    return LEAF_KINDS[shape.type_name]


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint on one value, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str
    """As AWS's request framework says it."""

    quoted: str
    """What stands after `constraint:` in ECR's own sentence."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that breaks a rule."""

    rule: Rule
    value: Any
    path: str = ""
    """Where the value is, from where it was looked for: `imageIds.1.member.imageTag`, items counted from 1."""

    def under(self, parent: str) -> Violation:
        """The same, seen from one step further up."""
        return replace(self, path=f"{parent}.{self.path}" if self.path else parent)


Check = Callable[[Any], Sequence[Violation]]


def _check(shape: Shape) -> Check | None:
    """What tells the violations inside a value of this shape; None where nothing can be violated."""
    if isinstance(shape, StructureShape):
        return _structure_check(shape)
    if isinstance(shape, ListShape):
        return _list_check(shape)
    return _first_broken(rules) if (rules := _rules(shape)) else None


def _structure_check(shape: StructureShape) -> Check:
    members = tuple(_member_check(shape, name) for name in shape.members)

    def check(value: dict[str, Any]) -> Sequence[Violation]:
        found: list[Violation] = []
        for name, label, missing, inner in members:
            member = value.get(name)
            if member is None:
                value.pop(name, None)
                found += missing
            elif inner is not None and (broken := inner(member)):
                found += [violation.under(label) for violation in broken]
        return found

    return check


def _member_check(shape: StructureShape, name: str) -> tuple[str, str, tuple[Violation, ...], Check | None]:
    """A member's name, how paths spell it, what its absence violates, and the check of its value."""
    member = shape.members[name]
    # The framework names members as Java's beans do: `Key` of a tag is reported as `key`.
    first = name[0].upper() if name in IN_PASCAL_CASE else name[0].lower()
    label = first + name[1:]
    if name not in shape.required_members:
        return name, label, (), _check(member)
    required = _rule("required", None, lambda value: value is not None, member)
    return name, label, (Violation(required, None, label),), _check(member)


def _list_check(shape: ListShape) -> Check:
    """The items of a list of the wrong length are not looked at: how many they are is then anyone's choice."""
    length = _first_broken(_rules(shape))
    items = _structures_check if isinstance(shape.member, StructureShape) else _leaves_check
    inner = items(shape)
    return lambda values: length(values) or inner(values)


def _structures_check(shape: ListShape) -> Check:
    inner = _structure_check(cast(StructureShape, shape.member))

    def check(values: Sequence[Any]) -> Sequence[Violation]:
        found: list[Violation] = []
        for position, value in enumerate(values, start=1):
            found += [violation.under(f"{position}.member") for violation in inner(value)]
            if len(found) >= MOST_VIOLATIONS:
                break
        return found

    return check


def _leaves_check(shape: ListShape) -> Check:
    """Of plain items the framework says only that the list has a wrong one, and all that is asked of each."""
    rules = _rules(shape.member)
    inner = _first_broken(rules)
    words = ", ".join(rule.words for rule in rules)
    return _first_broken([_rule("items", words, lambda values: not any(map(inner, values)), shape)])


def _first_broken(rules: Sequence[Rule]) -> Check:
    """Only the first: a value of the wrong length never reaches its pattern."""

    def check(value: Any) -> Sequence[Violation]:
        for rule in rules:
            if not rule.holds(value):
                return (Violation(rule, value),)
        return ()

    return check


def _rules(shape: Shape) -> tuple[Rule, ...]:
    """The constraints on a value of this shape itself, in the order in which the framework lists them."""
    return (*_bounds(shape), *_choices(shape))


def _bounds(shape: Shape) -> Iterator[Rule]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in {"string", "list", "blob"}:
        if high is not None:
            yield _rule("longest", high, lambda value: len(value) <= high, shape)
        if low is not None:
            yield _rule("shortest", low, lambda value: len(value) >= low, shape)
    else:
        if high is not None:
            yield _rule("largest", high, lambda value: bool(value <= high), shape)
        if low is not None:
            yield _rule("smallest", low, lambda value: bool(value >= low), shape)


def _choices(shape: Shape) -> Iterator[Rule]:
    if pattern := shape.metadata.get("pattern"):
        yield _rule("pattern", pattern, _matcher(pattern), shape)
    if isinstance(shape, StringShape) and shape.enum:
        allowed = frozenset(shape.enum)
        yield _rule("enum", ", ".join(shape.enum), lambda value: value in allowed, shape)


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text fits a pattern of the model, in time linear in the text.

    RE2, not `re`: on ScanningRepositoryFilterValue a backtracking engine takes 29 s for 25 characters. Raises
    `re2.error` for a pattern with a look-around, which RE2 cannot do; the model has none.
    """
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    compiled = re2.compile(pattern, options)
    # Bytes take half the time of text: for text the binding also counts characters.
    return lambda text: compiled.fullmatch(text.encode()) is not None


def _rule(name: str, bound: object, holds: Callable[[Any], bool], shape: Shape) -> Rule:
    framework, own = (words.format(bound) for words in WORDS[name])
    return Rule(holds, framework, own if shape.name in WORDED_BY_ECR else framework)


def _sentence(violations: Sequence[Violation]) -> str:
    if len(violations) == 1:
        only = violations[0]
        return ONE_VIOLATION.format(path=only.path, words=only.rule.quoted)
    listed = (
        LISTED_VIOLATION.format(value=_shown(one.value), path=one.path, words=one.rule.words) for one in violations
    )
    return VIOLATIONS.format(count=len(violations), listed="; ".join(listed))


def _shown(value: Any) -> str:
    """A refused value in quotes, cut, and without characters that do not print; null without quotes."""
    if value is None:
        return "null"
    text = _plain(value)
    cut = text[:SHOWN_CHARACTERS] + ("..." if len(text) > SHOWN_CHARACTERS else "")
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut) + "'"


def _plain(value: Any) -> str:
    """As Java prints it, roughly; of long values no more than is shown and one item beyond."""
    if isinstance(value, str):
        return value[: SHOWN_CHARACTERS + 1]
    if isinstance(value, bytes):
        return b64encode(value[:SHOWN_CHARACTERS]).decode()
    if isinstance(value, list):
        return "[" + ", ".join(_plain(item) for item in value[:SHOWN_CHARACTERS]) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_plain(member)}" for name, member in value.items()) + "}"
    return msgspec.json.encode(value).decode()


Write = Callable[[Any], Any]


@cache
def _writer(operation: Operation) -> Write:
    return _structure_writer(operation.output)


def _write(shape: Shape) -> Write | None:
    """What makes a value of this shape ready for JSON; None where it already is."""
    if isinstance(shape, StructureShape):
        return _structure_writer(shape)
    if isinstance(shape, ListShape):
        item = _write(shape.member)
        return None if item is None else lambda values: _each(item, values)
    if isinstance(shape, MapShape):
        member = _write(shape.value)
        if member is None:
            return _without_none
        return lambda entries: {key: member(value) for key, value in _without_none(entries).items()}
    return seconds if shape.type_name == "timestamp" else None


def _each(item: Write, values: Iterable[Any] | msgspec.Raw) -> list[Any] | msgspec.Raw:
    return values if isinstance(values, msgspec.Raw) else [item(value) for value in values]


def _structure_writer(shape: StructureShape) -> Write:
    changed = [(name, inner) for name, member in shape.members.items() if (inner := _write(member)) is not None]
    known = shape.members.keys() | EXTRAS.get(shape.name, frozenset())

    def write(value: Mapping[str, Any] | Ready) -> dict[str, Any] | Ready:
        if isinstance(value, Ready):
            return value
        if not value.keys() <= known:
            raise UnknownMember(f"{shape.name} has no {', '.join(sorted(value.keys() - known))}")
        written = _without_none(value)
        for name, inner in changed:
            if name in written:
                written[name] = inner(written[name])
        return written

    return write


def seconds(value: datetime) -> float:
    """Since 1970, to the millisecond. Raises ValueError where the time zone is missing."""
    if value.tzinfo is None:
        raise ValueError("a timestamp needs a time zone")
    return floor(value.timestamp() * 1_000 + 0.5) / 1_000


def seconds_of(micros: int) -> float:
    """What `seconds` makes of that moment, for answers with thousands of them."""
    return (micros + 500) // 1_000 / 1_000


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in members.items() if member is not None}

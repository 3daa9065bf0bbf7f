"""Inputs of operations, walked through the service model: the smallest that fits, and those that break one thing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

from botocore.model import ListShape, Shape, StringShape, StructureShape

UUID = "0b2ae5c1-9a1f-4c43-8f0e-1a2b3c4d5e6f"

# A value that fits each pattern of the model, by shape.
FITTING = {
    "CredentialArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ecr-pullthroughcache/docker-hub",
    "ImageTagMutabilityExclusionFilterValue": "release-*",
    "KmsKeyForRepositoryCreationTemplate": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab",
    "LayerDigest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "Prefix": "team/",
    "PrincipalArn": "arn:aws:iam::123456789012:role/ci/builder",
    "PullThroughCacheRuleRepositoryPrefix": "docker-hub",
    "Region": "eu-central-1",
    "RegistryId": "123456789012",
    "ReplicationBackfillId": UUID,
    "RepositoryFilterValue": "team/",
    "RepositoryName": "team/app",
    "ScanningRepositoryFilterValue": "team/*",
    "SigningProfileArn": "arn:aws:signer:eu-central-1:123456789012:/signing-profiles/release",
    "SigningRepositoryFilterValue": "team/*",
    "UploadId": UUID,
}
WRONG_KINDS: dict[str, list[Any]] = {
    "structure": ["x", [], 1, True],
    "list": ["x", {}, 1, True],
    "string": [1, 1.5, True, [], {}],
    "boolean": [1, 0, "true", [], {}],
    "integer": [1.0, "1", True, [], {}, 2**31, -(2**31) - 1, 10**30],
    "long": [1.0, "1", True, [], {}, 2**63, -(2**63) - 1, 10**30],
    "blob": ["x", "eA", "e A==", "eA==\n", "_-8=", 1, True, [], {}],
}


def minimal(shape: Shape) -> Any:
    """The smallest input that fits, as JSON: required members only, one item a list."""
    if isinstance(shape, StructureShape):
        return {name: minimal(shape.members[name]) for name in shape.required_members}
    if isinstance(shape, ListShape):
        return [minimal(shape.member)]
    if isinstance(shape, StringShape) and shape.enum:
        return shape.enum[0]
    if shape.type_name == "string":
        return FITTING.get(shape.name) or "x" * max(1, shape.metadata.get("min", 0))
    return {"integer": 1, "long": 1, "boolean": False, "blob": "eA=="}[shape.type_name]


def sized(shape: Shape, size: int) -> Any:
    """A value of this length (a string, list or blob), whatever else it violates."""
    if isinstance(shape, ListShape):
        return [minimal(shape.member)] * size
    return b64encode(bytes(size)).decode() if shape.type_name == "blob" else "x" * size


def constraints(shape: Shape) -> Iterator[tuple[str, Any]]:
    """Each constraint on a value itself, in words, with a value that breaks it (None: none can)."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in {"integer", "long"}:
        if high is not None:
            yield f"have value less than or equal to {high}", high + 1
        if low is not None:
            yield f"have value greater than or equal to {low}", low - 1
        return
    if high is not None:
        yield f"have length less than or equal to {high}", sized(shape, high + 1)
    if low is not None:
        yield f"have length greater than or equal to {low}", sized(shape, low - 1) if low else None
    if pattern := shape.metadata.get("pattern"):
        # No pattern of the model lets a character outside ASCII through.
        yield f"satisfy regular expression pattern: {pattern}", "é" * max(1, low or 0)
    if isinstance(shape, StringShape) and shape.enum:
        yield f"satisfy enum value set: [{', '.join(shape.enum)}]", "NO_SUCH_VALUE"


def in_ecrs_words(shape: Shape, words: str) -> str:
    """ECR words the constraints of these two by itself."""
    if shape.name not in {"RepositoryName", "RegistryId"}:
        return f"Member must {words}"
    before, pattern, text = words.partition("regular expression pattern: ")
    return f"must {before}regular expression '{text}'" if pattern else f"must {words}"


def broken(shape: Shape) -> Iterator[tuple[Any, str, str]]:
    """Inputs with one violation each: the JSON value, the path of what is wrong in it, ECR's words for it."""
    for words, value in constraints(shape):
        if value is not None:
            yield value, "", in_ecrs_words(shape, words)
    if isinstance(shape, StructureShape):
        yield from broken_members(shape)
    elif isinstance(shape, ListShape) and isinstance(shape.member, StructureShape):
        for value, path, words in broken_members(shape.member):
            yield [value], f".1.member{path}", words
    elif isinstance(shape, ListShape):
        all_words = ", ".join(f"Member must {words}" for words, _ in constraints(shape.member))
        for _, value in constraints(shape.member):
            if value is not None:
                yield [value], "", f"Member must satisfy constraint: [{all_words}]"


# Contract 1.0, "Member names in the message".
CAPITAL = {"imageManifest": "ImageManifest", "layerDigests": "LayerDigests"} | {
    "lifecyclePolicyText": "LifecyclePolicyText",
    "policyText": "PolicyText",
}


def broken_members(shape: StructureShape) -> Iterator[tuple[Any, str, str]]:
    for name, member in shape.members.items():
        label = f".{CAPITAL.get(name) or name[0].lower() + name[1:]}"
        for value, path, words in broken(member):
            yield minimal(shape) | {name: value}, label + path, words
        if name in shape.required_members:
            without = {key: value for key, value in minimal(shape).items() if key != name}
            yield without, label, in_ecrs_words(member, "not be null")
            yield without | {name: None}, label, in_ecrs_words(member, "not be null")


def mistyped(shape: Shape) -> Iterator[Any]:
    """Inputs with one value of the wrong JSON type each."""
    yield from WRONG_KINDS[shape.type_name]
    if isinstance(shape, ListShape):
        yield [None]
        for value in mistyped(shape.member):
            yield [value]
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            for value in mistyped(member):
                yield minimal(shape) | {name: value}


def replaced(shape: Shape, make: Callable[[Shape], Any | None]) -> Iterator[Any]:
    """Inputs that fit but for one value each, at any depth: what `make` has in its place (None: nothing)."""
    made = make(shape)
    if made is not None:
        yield made
    if isinstance(shape, ListShape):
        for value in replaced(shape.member, make):
            yield [value]
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            for value in replaced(member, make):
                yield minimal(shape) | {name: value}

"""botocore's model of the ECR API: which operations exist, what each takes, answers and can fail with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape

TARGET_PREFIX = "AmazonEC2ContainerRegistry_V20150921"
"""What stands before the dot in `X-Amz-Target`; the operation's name follows."""


@dataclass(frozen=True, eq=False, slots=True)
class Operation:
    """One operation of the API. There is one value a name, so identity is equality."""

    name: str
    """As on the wire: `DescribeImages`."""

    input: StructureShape
    output: StructureShape

    errors: tuple[str, ...]
    """Codes that its callers know, sorted. Errors of the protocol itself are not among them."""


@cache
def service_model() -> ServiceModel:
    """The model as botocore ships it, read on the first call (about 0.1 s).

    botocore's usual search path also looks into `~/.aws/models`, where a user's copy would silently change what this
    server accepts; only the folder inside the package is read.
    """
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("ecr", "service-2"), "ecr")


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation by name, in the alphabet's order."""
    model = service_model()
    return {name: _operation(model, name) for name in sorted(model.operation_names)}


def operation_names() -> tuple[str, ...]:
    """The names of all operations, in the alphabet's order."""
    return tuple(operations())


def operation(name: str) -> Operation:
    """The operation of this name; the same value each time. Raises `KeyError` where there is none."""
    return operations()[name]


def _operation(model: ServiceModel, name: str) -> Operation:
    described = model.operation_model(name)
    return Operation(
        name=name,
        input=cast(StructureShape, described.input_shape),
        output=cast(StructureShape, described.output_shape),
        errors=tuple(sorted(shape.name for shape in described.error_shapes)),
    )

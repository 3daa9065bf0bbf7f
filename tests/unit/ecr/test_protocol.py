"""Inputs are held to every constraint of the model, and outputs are what botocore's own parser reads back."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwise.ecr import model, protocol, shapes
from tests.support.inputs import UUID, broken_members, minimal, mistyped

READY = [each for each in vars(shapes).values() if each in protocol.Ready.__subclasses__()]


def refusal(name: str, value: Any) -> str:
    """What the operation of this name says of an input that breaks constraints."""
    with pytest.raises(protocol.ValidationFailed) as caught:
        protocol.parse(model.operation(name), json.dumps(value).encode())
    return caught.value.message


def unreadable(name: str, body: bytes) -> str:
    """What the operation of this name says of a body that it cannot read."""
    with pytest.raises(protocol.SerializationError) as caught:
        protocol.parse(model.operation(name), body)
    return caught.value.message


@pytest.mark.parametrize("name", model.operation_names())
def test_the_smallest_input_passes_unchanged(name: str) -> None:
    """Required members alone are enough for every operation, and nothing is added to them."""
    operation = model.operation(name)
    value = minimal(operation.input)
    expected = value | ({"layerPartBlob": b"x"} if "layerPartBlob" in value else {})
    assert protocol.parse(operation, json.dumps(value).encode()) == expected


@pytest.mark.parametrize("name", model.operation_names())
def test_every_member_passes_at_its_smallest_and_is_dropped_when_null(name: str) -> None:
    """Each optional member may be there with a value that fits, and null is the same as absent."""
    operation = model.operation(name)
    least = minimal(operation.input)
    absent = protocol.parse(operation, json.dumps(least).encode())
    for member, shape in operation.input.members.items():
        if member not in operation.input.required_members:
            given_one = protocol.parse(operation, json.dumps(least | {member: minimal(shape)}).encode())
            assert given_one == absent | {member: minimal(shape)}
            assert protocol.parse(operation, json.dumps(least | {member: None}).encode()) == absent


@pytest.mark.parametrize("name", model.operation_names())
def test_one_past_each_constraint_is_refused_in_ecrs_words(name: str) -> None:
    """Every limit, pattern, enumeration and required member at any depth is enforced, and named with its path."""
    for value, path, words in broken_members(model.operation(name).input):
        assert refusal(name, value) == (f"Invalid parameter at '{path[1:]}' failed to satisfy constraint: '{words}'")


@pytest.mark.parametrize("name", model.operation_names())
def test_a_value_of_the_wrong_type_is_a_serialization_error(name: str) -> None:
    """JSON types are exact at any depth: nothing is converted, and no null stands in a list."""
    for value in mistyped(model.operation(name).input):
        assert name in unreadable(name, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "CreateRepository",
            {"repositoryName": "Team/App"},
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression "
            r"'[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*''",
        ),
        (
            "CreateRepository",
            {"repositoryName": "a"},
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
            "'must have length greater than or equal to 2'",
        ),
        (
            "CreateRepository",
            {},
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must not be null'",
        ),
        (
            "DescribeImages",
            {"repositoryName": "app", "registryId": "1234"},
            "Invalid parameter at 'registryId' failed to satisfy constraint: "
            "'must satisfy regular expression '[0-9]{12}''",
        ),
        (
            "GetAuthorizationToken",
            {"registryIds": ["123456789012", "1234"]},
            "Invalid parameter at 'registryIds' failed to satisfy constraint: "
            "'Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{12}]'",
        ),
        (
            "BatchGetImage",
            {"repositoryName": "app", "imageIds": []},
            "Invalid parameter at 'imageIds' failed to satisfy constraint: "
            "'Member must have length greater than or equal to 1'",
        ),
        (
            "BatchDeleteImage",
            {"repositoryName": "app", "imageIds": [{"imageTag": "a"}] * 101},
            "Invalid parameter at 'imageIds' failed to satisfy constraint: "
            "'Member must have length less than or equal to 100'",
        ),
        (
            "DescribeImages",
            {"repositoryName": "app", "imageIds": [{"imageTag": "a"}, {"imageTag": ""}]},
            "Invalid parameter at 'imageIds.2.member.imageTag' failed to satisfy constraint: "
            "'Member must have length greater than or equal to 1'",
        ),
        (
            "ListImages",
            {"repositoryName": "app", "maxResults": 1001},
            "Invalid parameter at 'maxResults' failed to satisfy constraint: "
            "'Member must have value less than or equal to 1000'",
        ),
        (
            "UploadLayerPart",
            {
                "repositoryName": "app",
                "uploadId": UUID,
                "partFirstByte": -1,
                "partLastByte": 0,
                "layerPartBlob": "eA==",
            },
            "Invalid parameter at 'partFirstByte' failed to satisfy constraint: "
            "'Member must have value greater than or equal to 0'",
        ),
        (
            "ListImages",
            {"repositoryName": "app", "filter": {"tagStatus": "tagged"}},
            "Invalid parameter at 'filter.tagStatus' failed to satisfy constraint: "
            "'Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]'",
        ),
        (
            "TagResource",
            {"resourceArn": "arn", "tags": [{"Key": "a", "Value": "b"}, {"Value": "c"}]},
            "Invalid parameter at 'tags.2.member.key' failed to satisfy constraint: 'Member must not be null'",
        ),
        (
            "PutRegistryScanningConfiguration",
            {
                "rules": [
                    {"scanFrequency": "MANUAL", "repositoryFilters": []},
                    {
                        "scanFrequency": "MANUAL",
                        "repositoryFilters": [{"filter": "*", "filterType": "PREFIX_MATCH"}],
                    },
                ]
            },
            "Invalid parameter at 'rules.2.member.repositoryFilters.1.member.filterType' "
            "failed to satisfy constraint: 'Member must satisfy enum value set: [WILDCARD]'",
        ),
        (
            "CreatePullThroughCacheRule",
            {"ecrRepositoryPrefix": "Hub", "upstreamRegistryUrl": "public.ecr.aws"},
            "Invalid parameter at 'ecrRepositoryPrefix' failed to satisfy constraint: "
            "'Member must satisfy regular expression pattern: "
            r"^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\/?|ROOT)$'",
        ),
        (
            "DescribeImages",
            {"repositoryName": "A", "maxResults": 0, "imageIds": [], "filter": {"tagStatus": "x"}},
            "4 validation errors detected: "
            "Value 'A' at 'repositoryName' failed to satisfy constraint: "
            "Member must have length greater than or equal to 2; "
            "Value '[]' at 'imageIds' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1; "
            "Value '0' at 'maxResults' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1; "
            "Value 'x' at 'filter.tagStatus' failed to satisfy constraint: "
            "Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]",
        ),
        (
            "PutImageTagMutability",
            {"repositoryName": "app\n"},
            "2 validation errors detected: "
            "Value 'app\\n' at 'repositoryName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: "
            r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*; "
            "Value null at 'imageTagMutability' failed to satisfy constraint: Member must not be null",
        ),
        (
            "GetAuthorizationToken",
            {"registryIds": [str(number) for number in range(11)]},
            "Invalid parameter at 'registryIds' failed to satisfy constraint: "
            "'Member must have length less than or equal to 10'",
        ),
    ],
)
def test_a_refusal_is_worded_as_aws_words_it(name: str, value: Any, message: str) -> None:
    """One violation is ECR's sentence, several are the framework's list; both say where, and what was asked."""
    assert refusal(name, value) == message


def test_a_refused_value_is_cut_and_made_printable() -> None:
    """64 characters of a value are repeated, and none of them can move a terminal's cursor or end a log line."""
    message = refusal("DescribeImages", {"repositoryName": "\x1b[2J\u202e" + "é" * 300, "maxResults": 0})
    assert f"Value '\\x1b[2J\\u202e{'é' * 59}...' at 'repositoryName'" in message


def test_refused_lists_and_blobs_are_shown_in_short() -> None:
    """A list is written as Java does, a structure in braces, a blob in base64; each stops after 64 characters."""
    message = refusal("BatchGetImage", {"repositoryName": "a", "imageIds": [{"imageTag": "v1"}] * 101})
    assert "Value '[{imageTag=v1}, {imageTag=v1}, {imageTag=v1}, {imageTag=v1}, {im...' at 'imageIds'" in message
    blob = b64encode(bytes((20 << 20) + 1)).decode()
    message = refusal("UploadLayerPart", {"layerPartBlob": blob})
    assert f"Value '{'A' * 64}...' at 'layerPartBlob'" in message


def test_a_list_without_a_limit_does_not_make_a_message_without_one() -> None:
    """Tags have no upper limit in the model; the refusal of very many bad ones stays small."""
    message = refusal("TagResource", {"resourceArn": "arn", "tags": [{}] * 200_000})
    assert message.startswith("100 validation errors detected: Value null at 'tags.1.member.key' ")
    assert len(message) < 20_000


def test_an_exponential_pattern_is_answered_at_once() -> None:
    """The filter pattern that takes a backtracking engine for ever is refused after one look at each character."""
    for size in (24, 254):
        rule = {
            "scanFrequency": "MANUAL",
            "repositoryFilters": [{"filter": "a" * size + "!", "filterType": "WILDCARD"}],
        }
        assert "regular expression" in refusal("PutRegistryScanningConfiguration", {"rules": [rule]})
    rule["repositoryFilters"] = [{"filter": "a" * 255 + "!", "filterType": "WILDCARD"}]
    message = refusal("PutRegistryScanningConfiguration", {"rules": [rule]})
    assert message.endswith("'Member must have length less than or equal to 255'")


@pytest.mark.parametrize("body", [b"", b"{}", b" {\n} "])
def test_an_empty_body_is_an_empty_input(body: bytes) -> None:
    """A client may send no body at all to an operation without required members."""
    assert protocol.parse(model.operation("DescribeRegistry"), body) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b" ",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"repositoryName": "app",}',
        b'{"repositoryName": NaN}',
        b'\xef\xbb\xbf{"repositoryName": "app"}',
        b'{"repositoryName": "\xff"}',
        b'{"repositoryName": "\\ud800"}',
        b'{"repositoryName": "a\nb"}',
        b'{"other": nul}',
        b'{"other": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"repositoryName": ' + b'{"a":' * 200_000,
        "{}".encode("utf-16"),
    ],
    ids=range(18),
)
def test_a_body_that_is_no_json_object_is_a_serialization_error(body: bytes) -> None:
    """Malformed, truncated, deeply nested and wrongly encoded bodies are all refused in the same way."""
    assert unreadable("ListImages", body)


def test_what_a_newer_client_sends_is_ignored() -> None:
    """Members that the model lacks are dropped at any depth, whatever they hold."""
    body = b'{"repositoryName": "app", "new": [{"a": 1e400}], "filter": {"tagStatus": "ANY", "new": null}}'
    assert protocol.parse(model.operation("ListImages"), body) == {
        "repositoryName": "app",
        "filter": {"tagStatus": "ANY"},
    }


def test_the_last_of_two_equal_members_counts() -> None:
    """A name given twice is no error: the later value is the one that is checked and returned."""
    operation = model.operation("ListImages")
    assert protocol.parse(operation, b'{"repositoryName": "A", "repositoryName": "app"}') == {"repositoryName": "app"}
    with pytest.raises(protocol.ValidationFailed):
        protocol.parse(operation, b'{"repositoryName": "app", "repositoryName": null}')


def test_lengths_count_characters_not_bytes() -> None:
    """256 characters outside ASCII are within a limit of 256, and one more is not."""
    template = {"prefix": "team/", "appliedFor": ["REPLICATION"]}
    operation = model.operation("CreateRepositoryCreationTemplate")
    fitting = template | {"description": "😀" * 256}
    assert protocol.parse(operation, json.dumps(fitting).encode()) == fitting
    message = refusal(operation.name, template | {"description": "😀" * 257})
    assert message.endswith("'Member must have length less than or equal to 256'")


def test_a_blob_arrives_as_bytes() -> None:
    """base64 is decoded, with all of its alphabet."""
    value = minimal(model.operation("UploadLayerPart").input) | {"layerPartBlob": "+/8AYQ=="}
    parsed = protocol.parse(model.operation("UploadLayerPart"), json.dumps(value).encode())
    assert parsed["layerPartBlob"] == b"\xfb\xff\x00a"


def clock_operation() -> model.Operation:
    """An operation whose input has a timestamp and a double, which none of ECR's has today."""
    shapes = {
        "In": {"type": "structure", "members": {"since": {"shape": "When"}, "score": {"shape": "Score"}}},
        "When": {"type": "timestamp"},
        "Score": {"type": "double", "min": 0, "max": 10},
    }
    shape = ServiceModel({"metadata": {}, "operations": {}, "shapes": shapes}).shape_for("In")
    assert isinstance(shape, StructureShape)
    return model.Operation(name="Clock", input=shape, output=shape, errors=())


def test_a_timestamp_in_an_input_is_a_number() -> None:
    """Seconds since 1970 become a `datetime` in UTC; text, true and years without a calendar are refused."""
    operation = clock_operation()
    assert protocol.parse(operation, b'{"since": 1690385025.25, "score": 9}') == {
        "since": datetime(2023, 7, 26, 15, 23, 45, 250_000, UTC),
        "score": 9.0,
    }
    for wrong in (b'"2023-07-26T15:23:45Z"', b"true", b"1e300", b"1e12", b"-1e12", b"[]"):
        with pytest.raises(protocol.SerializationError):
            protocol.parse(operation, b'{"since": ' + wrong + b"}")
    for score in (b"10.5", b"-0.1"):
        with pytest.raises(protocol.ValidationFailed):
            protocol.parse(operation, b'{"score": ' + score + b"}")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["repositoryName", "imageIds", "imageTag", "imageDigest", "filter", "tagStatus", "maxResults"]
)
LIKELY_VALUES = st.dictionaries(
    MEMBERS, JSON_VALUES | st.lists(st.dictionaries(MEMBERS, JSON_VALUES, max_size=2), max_size=3), max_size=4
)


@settings(database=None, deadline=None, max_examples=300)
@given(st.binary() | LIKELY_VALUES.map(lambda value: json.dumps(value).encode()))
def test_nothing_but_the_two_declared_errors_comes_out(body: bytes) -> None:
    """Whatever bytes arrive, they are parsed into members of the model or refused in one of two ways."""
    operation = model.operation("DescribeImages")
    try:
        parsed = protocol.parse(operation, body)
    except (protocol.SerializationError, protocol.ValidationFailed) as error:
        assert error.message
    else:
        assert parsed.keys() <= operation.input.members.keys()


MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789_000, UTC)


def complete(shape: Shape) -> Any:
    """An output of this shape with every member there."""
    if isinstance(shape, StructureShape):
        return {name: complete(member) for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [complete(shape.member), complete(shape.member)]
    if isinstance(shape, MapShape):
        return {"first": complete(shape.value), "second": complete(shape.value)}
    leaves = {"string": "text", "integer": 7, "long": 2**40, "double": 9.8, "boolean": True, "timestamp": MOMENT}
    return leaves[shape.type_name]


def read_back(operation: model.Operation, body: bytes) -> dict[str, Any]:
    """What botocore's own parser makes of a body."""
    answer = {"body": body, "headers": {}, "status_code": 200}
    parsed: dict[str, Any] = create_parser("json").parse(answer, operation.output)
    del parsed["ResponseMetadata"]
    return parsed


@pytest.mark.parametrize("name", model.operation_names())
def test_botocore_reads_back_what_was_written(name: str) -> None:
    """With every member set, each operation's answer survives the client's parser without a change."""
    operation = model.operation(name)
    value = complete(operation.output)
    assert read_back(operation, protocol.serialise(operation, value)) == value


def test_botocore_reads_back_enhanced_findings() -> None:
    """A finding as deep as the API has one, with what is unknown left out, arrives as it was meant."""
    operation = model.operation("DescribeImageScanFindings")
    finding = {
        "awsAccountId": "123456789012",
        "findingArn": "arn:aws:inspector2:eu-central-1:123456789012:finding/0f",
        "firstObservedAt": MOMENT,
        "lastObservedAt": MOMENT + timedelta(days=1),
        "packageVulnerabilityDetails": {
            "cvss": [{"baseScore": 9.8, "scoringVector": "CVSS:3.1/AV:N", "source": "NVD", "version": "3.1"}],
            "referenceUrls": ["https://nvd.nist.gov/vuln/detail/CVE-2024-3094"],
            "relatedVulnerabilities": [],
            "vulnerabilityId": "CVE-2024-3094",
            "vulnerablePackages": [{"name": "xz", "version": "5.6.0", "release": "1", "epoch": 0}],
        },
        "resources": [
            {
                "details": {"awsEcrContainerImage": {"imageTags": ["latest"], "inUseCount": 0}},
                "id": "arn:aws:ecr:eu-central-1:123456789012:repository/app/sha256:0f",
                "tags": {"team": "platform"},
                "type": "AWS_ECR_CONTAINER_IMAGE",
            }
        ],
        "score": 9.8,
        "severity": "CRITICAL",
    }
    value = {
        "registryId": "123456789012",
        "repositoryName": "app",
        "imageId": {"imageDigest": "sha256:0f"},
        "imageScanStatus": {"status": "ACTIVE"},
        "imageScanFindings": {"findingSeverityCounts": {"CRITICAL": 1}, "enhancedFindings": [finding]},
    }
    unknowns = finding | {"title": None, "remediation": None, "scoreDetails": {"cvss": None}}
    sent = value | {
        "nextToken": None,
        "imageScanFindings": {
            "findingSeverityCounts": {"CRITICAL": 1, "HIGH": None},
            "enhancedFindings": [unknowns],
            "hullwise": {"generation": "sha256:aa"},
        },
    }
    body = protocol.serialise(operation, sent)
    assert b"null" not in body
    assert json.loads(body)["imageScanFindings"]["hullwise"] == {"generation": "sha256:aa"}
    finding["scoreDetails"] = {}
    assert read_back(operation, body) == value


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2020, 1, 24, 4, 25, 5, tzinfo=UTC), 1579839905.0),
        (datetime(2023, 7, 26, 15, 23, 45, 197_499, UTC), 1690385025.197),
        (datetime(2023, 7, 26, 17, 23, 45, 197_000, timezone(timedelta(hours=2))), 1690385025.197),
        (datetime(1970, 1, 1, tzinfo=UTC), 0.0),
    ],
)
def test_a_timestamp_is_written_in_seconds_to_the_millisecond(moment: datetime, written: float) -> None:
    """Timestamps are JSON numbers, since Go's and Java's clients read nothing else."""
    body = protocol.serialise(model.operation("CreateRepository"), {"repository": {"createdAt": moment}})
    assert json.loads(body) == {"repository": {"createdAt": written}}


@pytest.mark.parametrize("shape", READY)
def test_what_is_ready_for_json_has_members_of_its_shape(shape: type[protocol.Ready]) -> None:
    """Nothing checks them when they are written. What may not be absent has no default."""
    model_shape = model.service_model().shape_for(shape.__name__)
    assert isinstance(model_shape, StructureShape)
    fields = msgspec.structs.fields(shape)
    assert {field.encode_name for field in fields} <= model_shape.members.keys()
    assert set(model_shape.required_members) <= {field.encode_name for field in fields if field.required}


def test_a_timestamp_without_a_time_zone_is_refused() -> None:
    """A naive time would be read in the server's zone, so it is a mistake rather than an answer."""
    with pytest.raises(ValueError, match="time zone"):
        protocol.serialise(model.operation("CreateRepository"), {"repository": {"createdAt": datetime(2026, 1, 1)}})


@pytest.mark.parametrize(
    ("name", "value", "culprit"),
    [
        ("DescribeImages", {"imageDetail": []}, "DescribeImagesResponse has no imageDetail"),
        ("DescribeImages", {"imageDetails": [{"tags": None}]}, "ImageDetail has no tags"),
        ("DescribeRepositories", {"hullwise": {}}, "DescribeRepositoriesResponse has no hullwise"),
    ],
)
def test_a_member_that_the_model_lacks_is_a_mistake(name: str, value: Any, culprit: str) -> None:
    """A misspelt member would be dropped by AWS's clients without a word; here it is named, even when None."""
    with pytest.raises(protocol.UnknownMember, match=culprit):
        protocol.serialise(model.operation(name), value)


def test_the_extra_members_are_of_shapes_that_exist() -> None:
    """Each shape that may carry more is one of the model's, and the extra names are not its own."""
    for name, extras in protocol.EXTRAS.items():
        shape = model.service_model().shape_for(name)
        assert isinstance(shape, StructureShape)
        assert not extras & shape.members.keys()


def test_an_error_is_read_back_by_botocore() -> None:
    """The code stands bare in `__type`, the message is in lower case, and further members are the client's to read."""
    body = protocol.error_body(
        "InvalidLayerPartException", "out of order", {"lastValidByteReceived": 41, "uploadId": UUID, "registryId": None}
    )
    assert json.loads(body) == {
        "__type": "InvalidLayerPartException",
        "message": "out of order",
        "lastValidByteReceived": 41,
        "uploadId": UUID,
    }
    answer = {"body": body, "headers": {}, "status_code": 400}
    parser = create_parser("json")
    parsed = parser.parse(answer, model.operation("UploadLayerPart").output)
    assert parsed["Error"] == {"Message": "out of order", "Code": "InvalidLayerPartException"}
    modelled = parser.parse(answer, model.service_model().shape_for("InvalidLayerPartException"))
    assert modelled["lastValidByteReceived"] == 41
    assert json.loads(protocol.error_body("ServerException", "")) == {"__type": "ServerException", "message": ""}

"""The language of policies: what is understood, what is refused, and what statements say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain.policies import (
    ABSENT_KEYS,
    KEYS,
    OPERATORS,
    InvalidPolicy,
    Principal,
    Request,
    Verdict,
    parse,
    stored,
)

ACTIONS = ("ecr:BatchGetImage", "ecr:PutImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchDeleteImage")
ARN = "arn:aws:ecr:us-east-1:111111111111:repository/team/app"
ALICE = Principal("222222222222", "alice")


def policy(*statements: dict[str, Any], **others: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **others})


def statement(effect: str = "Allow", principal: Any = "*", action: Any = "ecr:*", **others: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action, **others}


def says(
    text: str,
    action: str = "ecr:BatchGetImage",
    principal: Principal | None = ALICE,
    context: dict[str, str] | None = None,
) -> Verdict:
    keys = {name.replace("__", "/").replace("_", ":", 1).lower(): value for name, value in (context or {}).items()}
    return parse(text, "repository", ACTIONS).says(Request(action, ARN, principal, keys))


def test_what_was_put_by_older_rules_is_still_read() -> None:
    """An operator of another type than its key, which is refused today, fits nothing."""
    text = policy(statement("Deny", Condition={"DateLessThan": {"aws:username": "2020-01-01"}}))
    request = Request("ecr:PutImage", ARN, ALICE, {"aws:username": "alice"})
    assert stored(text, "repository").says(request) is Verdict.NOTHING


@pytest.mark.parametrize(
    ("principal", "verdict"),
    [
        ("*", Verdict.ALLOW),
        ({"AWS": "*"}, Verdict.ALLOW),
        ({"AWS": "222222222222"}, Verdict.ALLOW_ACCOUNT),
        ({"AWS": "arn:aws:iam::222222222222:root"}, Verdict.ALLOW_ACCOUNT),
        ({"AWS": ["333333333333", "arn:aws:iam::222222222222:user/alice"]}, Verdict.ALLOW),
        ({"AWS": "arn:aws:iam::222222222222:user/bob"}, Verdict.NOTHING),
        ({"AWS": "arn:aws:iam::333333333333:user/alice"}, Verdict.NOTHING),
        ({"AWS": "arn:aws:iam::222222222222:role/alice"}, Verdict.NOTHING),
        ({"Service": "codebuild.amazonaws.com"}, Verdict.NOTHING),
    ],
)
def test_principals(principal: Any, verdict: Verdict) -> None:
    """Whom a statement is about: everybody, an account, a user; nobody here is a role or a service."""
    assert says(policy(statement(principal=principal))) is verdict
    denied = Verdict.DENY if verdict is not Verdict.NOTHING else Verdict.NOTHING
    assert says(policy(statement("Deny", principal))) is denied


def test_nobody_in_particular_is_everybody_alone() -> None:
    """A caller without credentials is meant by `*` and by nothing else."""
    assert says(policy(statement()), principal=None) is Verdict.ALLOW
    assert says(policy(statement(principal={"AWS": "222222222222"})), principal=None) is Verdict.NOTHING


def test_a_deny_wins() -> None:
    """In whatever order, and however narrow."""
    allow, deny = statement(), statement("Deny", action="ecr:batchgetimage")
    assert says(policy(allow, deny)) is says(policy(deny, allow)) is Verdict.DENY
    assert says(policy(allow, deny), "ecr:PutImage") is Verdict.ALLOW


def test_resources() -> None:
    """Of a repository's policy they may be left out, and count where they are given."""
    assert says(policy(statement(Resource=ARN))) is Verdict.ALLOW
    assert says(policy(statement(Resource=["arn:aws:ecr:*:111111111111:repository/team/*"]))) is Verdict.ALLOW
    assert says(policy(statement(Resource="arn:aws:ecr:us-east-1:111111111111:repository/other"))) is Verdict.NOTHING


@pytest.mark.parametrize(
    ("condition", "context", "met"),
    [
        ({"StringEquals": {"aws:PrincipalAccount": ["1", "2"]}}, {"aws_principalaccount": "2"}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "1"}}, {"aws_principalaccount": "2"}, False),
        ({"StringEquals": {"aws:PrincipalAccount": "1"}}, {}, False),
        ({"StringEqualsIfExists": {"aws:PrincipalAccount": "1"}}, {}, True),
        ({"StringNotEquals": {"aws:PrincipalAccount": ["1", "2"]}}, {"aws_principalaccount": "2"}, False),
        ({"StringNotEquals": {"aws:PrincipalAccount": "1"}}, {}, True),
        ({"StringEqualsIgnoreCase": {"aws:username": "CI"}}, {"aws_username": "ci"}, True),
        ({"StringEquals": {"aws:username": "CI"}}, {"aws_username": "ci"}, False),
        ({"StringLike": {"aws:username": "ci-*"}}, {"aws_username": "ci-1"}, True),
        (
            {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/ci"}},
            {"aws_principalarn": "arn:aws:iam::1:user/ci"},
            True,
        ),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_sourceip": "10.1.2.3"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_sourceip": "11.1.2.3"}, False),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_sourceip": "::1"}, False),
        ({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1"]}}, {"aws_sourceip": "::1"}, False),
        ({"IpAddress": {"aws:SourceIp": "::ffff:10.0.0.0/104"}}, {"aws_sourceip": "10.1.2.3"}, True),
        ({"IpAddress": {"aws:SourceIp": "::ffff:10.0.0.1"}}, {"aws_sourceip": "10.0.0.2"}, False),
        ({"IpAddress": {"aws:SourceIp": "::/0"}}, {"aws_sourceip": "10.1.2.3"}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws_securetransport": "true"}, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws_securetransport": "true"}, False),
        ({"Null": {"aws:username": "true"}}, {}, True),
        ({"Null": {"aws:username": "true"}}, {"aws_username": "x"}, False),
        ({"Null": {"aws:username": "false"}}, {"aws_username": "x"}, True),
        ({"Null": {"aws:username": "false"}}, {}, False),
        (
            {"DateLessThan": {"aws:CurrentTime": "2026-02-01T00:00:00Z"}},
            {"aws_currenttime": "2026-01-01T00:00:00+00:00"},
            True,
        ),
        (
            {"DateGreaterThan": {"aws:CurrentTime": "2026-02-01"}},
            {"aws_currenttime": "2026-01-01T00:00:00+00:00"},
            False,
        ),
        ({"StringEquals": {"ecr:ResourceTag/env": "prod"}}, {"ecr_resourcetag__env": "prod"}, True),
        ({"DateLessThan": {"aws:ResourceTag/until": "2026-02-01"}}, {"aws_resourcetag__until": "2026-01-01"}, True),
        ({"DateLessThan": {"aws:ResourceTag/until": "2026-02-01"}}, {"aws_resourcetag__until": "never"}, False),
        ({"DateNotEquals": {"aws:ResourceTag/until": "2026-02-01"}}, {"aws_resourcetag__until": "never"}, True),
        ({"Bool": {"aws:ResourceTag/open": "true"}}, {"aws_resourcetag__open": "true"}, True),
        (
            {"StringEquals": {"aws:username": "x"}, "Bool": {"aws:SecureTransport": "true"}},
            {"aws_username": "x", "aws_securetransport": "false"},
            False,
        ),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, str], met: bool) -> None:
    """All must hold; of the values of one, any."""
    found = says(policy(statement(Condition=condition)), context=context)
    assert found is (Verdict.ALLOW if met else Verdict.NOTHING)


@pytest.mark.parametrize(
    "operator", ["IpAddress", "NotIpAddress", "IpAddressIfExists", "NotIpAddressIfExists", "StringLike"]
)
def test_an_unknown_address_is_none_that_is_allowed(operator: str) -> None:
    """Every request comes from somewhere: where nobody knows from where, it may be from what is denied."""
    condition = {operator: {"aws:SourceIp": "10.0.0.0/8"}}
    allow, deny = statement(Condition=condition), statement("Deny", Condition=condition)
    assert says(policy(allow)) is Verdict.NOTHING
    assert says(policy(statement(), deny)) is Verdict.DENY


def test_policies_may_ask_whether_the_address_is_known() -> None:
    """Null is about the key and not about its value."""
    unknown = {"Null": {"aws:SourceIp": "true"}}
    assert says(policy(statement(Condition=unknown))) is Verdict.ALLOW
    assert says(policy(statement(Condition=unknown)), context={"aws_sourceip": "::1"}) is Verdict.NOTHING


# Operator, a key of its type that no request here has, a value, and whether it holds all the same (IAM User Guide, "IAM
# JSON policy elements: Condition operators"): where the key is not in the request the values do not match, and the
# condition is false; but one of an operator with a Not is true.
ORGANISATION, ARN_OF_ELSEWHERE = ("aws:PrincipalOrgID", "o-1"), ("aws:SourceArn", "arn:aws:lambda:*:1:function:*")
ADDRESS, SESSION = ("aws:VpcSourceIp", "10.0.0.0/8"), ("aws:TokenIssueTime", "2026-01-01T00:00:00Z")
WITHOUT_KEY = [
    ("StringEquals", *ORGANISATION, False),
    ("StringNotEquals", *ORGANISATION, True),
    ("StringEqualsIgnoreCase", *ORGANISATION, False),
    ("StringNotEqualsIgnoreCase", *ORGANISATION, True),
    ("StringLike", "aws:SourceAccount", "*", False),
    ("StringNotLike", "aws:PrincipalTag/team", "*", True),
    ("ArnEquals", *ARN_OF_ELSEWHERE, False),
    ("ArnNotEquals", *ARN_OF_ELSEWHERE, True),
    ("ArnLike", *ARN_OF_ELSEWHERE, False),
    ("ArnNotLike", *ARN_OF_ELSEWHERE, True),
    ("IpAddress", *ADDRESS, False),
    ("NotIpAddress", *ADDRESS, True),
    ("Bool", "aws:MultiFactorAuthPresent", "false", False),
    ("DateEquals", *SESSION, False),
    ("DateNotEquals", *SESSION, True),
    ("DateLessThan", *SESSION, False),
    ("DateLessThanEquals", *SESSION, False),
    ("DateGreaterThan", *SESSION, False),
    ("DateGreaterThanEquals", *SESSION, False),
]


def both(condition: dict[str, Any], **context: str) -> tuple[bool, bool]:
    """Whether an Allow with the condition allows, and a Deny with it denies what is allowed else."""
    allow, deny = statement(Condition=condition), statement("Deny", Condition=condition)
    allowed = says(policy(allow), context=context)
    assert allowed in (Verdict.ALLOW, Verdict.NOTHING)
    denied = says(policy(statement(), deny), context=context)
    assert denied in (Verdict.DENY, Verdict.ALLOW)
    return allowed is Verdict.ALLOW, denied is Verdict.DENY


@pytest.mark.parametrize(("operator", "key", "value", "holds"), WITHOUT_KEY)
def test_keys_that_no_request_has(operator: str, key: str, value: str, holds: bool) -> None:
    """They hold as on AWS in a request without them, of an Allow and a Deny alike, in whatever case they are written,
    with one value or more; by IfExists always."""
    for spelt in (key, key.lower(), key.upper()):
        assert both({operator: {spelt: value}}) == (holds, holds)
    assert both({operator: {key: [value, value]}}) == (holds, holds)
    assert both({f"{operator}IfExists": {key: value}}) == (True, True)
    # All conditions of a statement must hold.
    false = {"StringEquals": {"aws:username": "x"}}
    assert both({f"{operator}IfExists": {key: value}} | false, aws_username="y") == (False, False)


def test_the_operators_on_keys_that_no_request_has_are_all() -> None:
    assert {operator for operator, *_ in WITHOUT_KEY} | {"Null"} == set(OPERATORS)


@pytest.mark.parametrize("key", sorted(ABSENT_KEYS | {"aws:principaltag/team"}))
def test_each_key_that_no_request_has(key: str) -> None:
    """An Allow for what has it allows nobody; one for what has it not, everybody."""
    assert both({"StringLike": {key: "*"}}) == (False, False)
    assert both({"StringNotLike": {key: "*"}}) == (True, True)
    assert both({"Null": {key: "false"}}) == (False, False)
    assert both({"Null": {key: "true"}}) == (True, True)


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "ArnLike"])
def test_set_operators_on_keys_that_no_request_has(operator: str) -> None:
    """Of no values all fit and none does, negated or not (IAM User Guide, "Set operators")."""
    paths = {"aws:PrincipalOrgPaths": ["o-1/r-1/ou-1/*", "o-1/r-1/ou-2/*"]}
    assert both({f"ForAllValues:{operator}": paths}) == (True, True)
    assert both({f"ForAnyValue:{operator}": paths}) == (False, False)
    for beginning in ("ForAllValues", "ForAnyValue"):
        assert both({f"{beginning}:{operator}IfExists": paths}) == (True, True)


def test_no_key_has_a_value_and_has_none() -> None:
    """A key in both tables would be absent in the one test and there in the other."""
    assert not KEYS & ABSENT_KEYS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "must be an object"),
        ("{}", "Statement"),
        ('{"Statement": [], "Statement": []}', "repeated"),
        (policy(), "1 to 200"),
        (policy(*[statement()] * 201), "1 to 200"),
        (policy(statement(), Version="2020-01-01"), "Version"),
        (policy(statement(), Extra=1), "'Extra'"),
        (policy(statement(NotAction="ecr:PutImage")), "'NotAction'"),
        (policy(statement(NotPrincipal="*")), "'NotPrincipal'"),
        (policy({"Effect": "Allow", "Action": "ecr:*"}), "Principal"),
        (policy(statement("allow")), "Effect"),
        (policy(statement(action="ecr:PutImages")), "no action 'ecr:PutImages'"),
        (policy(statement(action="s3:*")), "no action"),
        (policy(statement(action=[])), "Action"),
        (policy(statement(action=[1])), "Action"),
        (policy(statement(principal={"Federated": "x"})), "'Federated'"),
        (policy(statement(principal={})), "Principal"),
        (policy(statement(principal={"AWS": "alice"})), "no principal"),
        (policy(statement(principal={"AWS": "arn:aws:iam::222222222222:user/*x y"})), "no principal"),
        (policy(statement(Resource="arn:${aws:username}")), "variables"),
        (policy(statement(Condition=[])), "Condition"),
        (policy(statement(Condition={"StringEquals": 1})), "must be an object"),
        (policy(statement(Condition={"StringEqual": {"aws:username": "x"}})), "'StringEqual'"),
        (policy(statement(Condition={"ForAllValues:StringEquals": {"aws:username": "x"}})), "operator"),
        (policy(statement(Condition={"StringEquals": {"aws:PrincipalOrg": "o-1"}})), "'aws:PrincipalOrg' is not"),
        (policy(statement(Condition={"StringEquals": {"aws:SourceARNs": "x"}})), "not understood"),
        (policy(statement(Condition={"Null": {"aws:PrincipalTag/": "true"}})), "not understood"),
        # Every request on AWS has them, or may: an answer without their values would be a guess.
        (policy(statement(Condition={"StringLike": {"aws:UserAgent": "x"}})), "not understood"),
        (policy(statement(Condition={"StringLike": {"aws:userid": "x"}})), "not understood"),
        (policy(statement(Condition={"StringEquals": {"aws:RequestTag/a": "x"}})), "not understood"),
        (policy(statement(Condition={"ForAnyValue:StringLike": {"aws:SourceArn": "x"}})), "no operator"),
        (policy(statement(Condition={"ForAllValues:Null": {"aws:CalledVia": "true"}})), "not understood"),
        (policy(statement(Condition={"ForAnyValue:Bool": {"aws:CalledVia": "true"}})), "no operator"),
        (policy(statement(Condition={"ForAnyValue:StringLikes": {"aws:CalledVia": "x"}})), "not understood"),
        (policy(statement(Condition={"Bool": {"aws:SourceArn": "true"}})), "no operator"),
        (policy(statement(Condition={"Bool": {"aws:MultiFactorAuthPresent": "yes"}})), "no value"),
        (policy(statement(Condition={"StringEquals": {"ecr:ResourceTag/": "o-1"}})), "not understood"),
        (policy(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})), "no value"),
        (policy(statement(Condition={"Bool": {"aws:SecureTransport": "yes"}})), "no value"),
        (policy(statement(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}})), "no value"),
        (policy(statement(Condition={"Null": {"aws:username": "maybe"}})), "Null"),
        (policy(statement(Condition={"DateLessThan": {"aws:username": "2020-01-01"}})), "DateLessThan is no operator"),
        (policy(statement(Condition={"BoolIfExists": {"aws:username": "true"}})), "no operator"),
        (policy(statement(Condition={"NotIpAddress": {"aws:ResourceTag/net": "10.0.0.0/8"}})), "no operator"),
        ('{"Statement": [{"Sid": "\\ud800"}]}', "not JSON"),
        ('{"Statement": NaN}', "not JSON"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, why: str) -> None:
    """With a sentence that names what it is."""
    with pytest.raises(InvalidPolicy, match=why):
        parse(text, "repository", ACTIONS)


def test_each_kind_has_its_elements() -> None:
    """A user's policy names no Principal and needs a Resource; a registry's needs both."""
    bare = {"Effect": "Allow", "Action": "ecr:*"}
    assert parse(policy({**bare, "Resource": "*"}), "identity", ACTIONS)
    assert parse(policy({**bare, "Resource": "*", "Principal": "*"}), "registry", ACTIONS)
    for text, kind in ((policy(bare), "identity"), (policy({**bare, "Principal": "*"}), "registry")):
        with pytest.raises(InvalidPolicy, match="Resource"):
            parse(text, kind, ACTIONS)  # type: ignore[arg-type]
    with pytest.raises(InvalidPolicy, match="no Principal"):
        parse(policy({**bare, "Resource": "*", "Principal": "*"}), "identity", ACTIONS)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        parse(text, "repository", ACTIONS)
    except InvalidPolicy:
        return
    assert "Statement" in text

"""The language of policies: JSON as IAM has it, parsed once and strictly, and what its statements say of a request.

    text ──parse──▶ Policy: statements, each Allow or Deny ──says(request)──▶ DENY, ALLOW (and to whom), or nothing

Understood: Version, Id, Statement; Sid, Effect, Principal (`*`, accounts, ARNs of users and roles, services), Action,
Resource, and Condition with the operators and keys below, also those of AWS's keys that no request here has. Whatever
else a text holds makes it invalid: a policy that is half understood protects nothing. Meanings are those of the IAM
User Guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal

from hullwise.domain import addresses, strict_json
from hullwise.domain.wildcards import fits


class InvalidPolicy(ValueError):
    """The text is no policy that is understood here; the message says why."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user of an account."""

    account: str
    user: str

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user/{self.user}"


@dataclass(frozen=True, slots=True)
class Request:
    action: str
    """`ecr:PutImage`."""
    resource: str
    """An ARN, or `*` for what is about none."""
    principal: Principal | None
    """None: nobody in particular."""
    context: Mapping[str, str] = field(default_factory=dict)
    """Values of condition keys, the keys in lower case."""


class Verdict(IntEnum):
    """What statements say together; the greater one wins."""

    NOTHING = 0
    ALLOW_ACCOUNT = 1
    """Allowed to the account that asks, which may say who of its users may use that."""
    ALLOW = 2
    """Allowed to the very user, or to everybody."""
    DENY = 3


Kind = Literal["identity", "repository", "registry"]
"""An identity's names no Principal; a repository's needs no Resource; a registry's has both."""

_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
_VERSIONS = {"2008-10-17", "2012-10-17"}
_ACCOUNT = re.compile(r"[0-9]{12}")
_IAM = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(root|(?:user|role)/[\w+=,.@/-]{1,512})", re.ASCII)
_STS = re.compile(r"arn:aws[a-z-]*:sts::[0-9]{12}:(?:assumed-role|federated-user)/[\w+=,.@/-]{1,512}", re.ASCII)
_SERVICE = re.compile(r"[a-z0-9.-]{1,128}")
_STATEMENTS = 200


@dataclass(frozen=True, slots=True)
class Condition:
    key: str
    """In lower case."""
    holds: Callable[[str, str], bool]
    """Of a value of the policy and the request's."""
    values: tuple[str, ...]
    negated: bool
    """Holds where none of the values does."""
    absent: bool
    """Whether it holds where the request has no such key."""
    always: bool
    """Every request has a value of the key, even where nobody knows it."""

    def met(self, context: Mapping[str, str], *, unknown: bool) -> bool:
        """`unknown`: what to say where the value is not known."""
        found = context.get(self.key)
        if found is None:
            return unknown if self.always else self.absent
        return any(self.holds(value, found) for value in self.values) != self.negated


@dataclass(frozen=True, slots=True)
class Statement:
    effect: Literal["Allow", "Deny"]
    anyone: bool
    accounts: frozenset[str]
    arns: frozenset[str]
    actions: tuple[str, ...]
    """Patterns in lower case."""
    resources: tuple[str, ...]
    """Patterns; none: whatever the policy belongs to."""
    conditions: tuple[Condition, ...]
    of_identity: bool

    def says(self, request: Request) -> Verdict:
        allowed = self._to_whom(request.principal)
        if not allowed:
            return Verdict.NOTHING
        action = request.action.lower()
        if not any(fits(pattern, action) for pattern in self.actions):
            return Verdict.NOTHING
        if self.resources and not any(fits(pattern, request.resource) for pattern in self.resources):
            return Verdict.NOTHING
        # What nobody knows denies, and allows nothing.
        if not all(condition.met(request.context, unknown=self.effect == "Deny") for condition in self.conditions):
            return Verdict.NOTHING
        return allowed if self.effect == "Allow" else Verdict.DENY

    def _to_whom(self, principal: Principal | None) -> Verdict:
        if self.anyone or self.of_identity:
            return Verdict.ALLOW
        if principal is None:
            return Verdict.NOTHING
        if principal.arn in self.arns:
            return Verdict.ALLOW
        return Verdict.ALLOW_ACCOUNT if principal.account in self.accounts else Verdict.NOTHING


@dataclass(frozen=True, slots=True)
class Policy:
    statements: tuple[Statement, ...]

    @property
    def conditional(self) -> bool:
        """Whether any statement has a condition."""
        return any(statement.conditions for statement in self.statements)

    @property
    def asks_for_tags(self) -> bool:
        """Whether a condition is about a tag of the resource."""
        return any(each.key.startswith(TAG_KEYS) for statement in self.statements for each in statement.conditions)

    def says(self, request: Request) -> Verdict:
        return max((statement.says(request) for statement in self.statements), default=Verdict.NOTHING)


def parse(text: str, kind: Kind, actions: Collection[str]) -> Policy:
    """Raises InvalidPolicy. `actions` are all that there are (`ecr:PutImage` …): a pattern that fits none of them is
    refused, for it is a slip of the pen."""
    try:
        document = strict_json.decode(text)
    except strict_json.RepeatedKeys as error:
        raise InvalidPolicy("a key is repeated") from error
    except (ValueError, RecursionError) as error:
        raise InvalidPolicy("it is not JSON") from error
    if not isinstance(document, dict) or "Statement" not in document:
        raise InvalidPolicy("it must be an object with a Statement")
    _only(document, _ELEMENTS, "the policy")
    if document.get("Version", "2008-10-17") not in _VERSIONS:
        raise InvalidPolicy(f"Version must be one of {', '.join(sorted(_VERSIONS))}")
    if not isinstance(document.get("Id", ""), str):
        raise InvalidPolicy("Id must be a text")
    statements = document["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not 0 < len(statements) <= _STATEMENTS:
        raise InvalidPolicy(f"Statement must hold 1 to {_STATEMENTS} statements")
    known = [action.lower() for action in actions]
    return Policy(tuple(_statement(each, kind, known) for each in statements))


@lru_cache(maxsize=1_024)
def stored(text: str, kind: Kind) -> Policy:
    """A policy that was checked when it was put."""
    return parse(text, kind, ())


def _only(found: dict[str, Any], known: Collection[str], where: str) -> None:
    unknown = sorted(found.keys() - set(known))
    if unknown:
        raise InvalidPolicy(f"'{unknown[0][:64]}' in {where} is not understood")


def _texts(value: Any, what: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(each, str) and each for each in values):
        raise InvalidPolicy(f"{what} must be a text or a list of texts")
    if any("${" in each for each in values):
        raise InvalidPolicy(f"variables ('${{…}}') in {what} are not understood")
    return tuple(values)


def _statement(found: Any, kind: Kind, known: Collection[str]) -> Statement:
    if not isinstance(found, dict):
        raise InvalidPolicy("a statement must be an object")
    _only(found, _STATEMENT, "a statement")
    if not isinstance(found.get("Sid", ""), str):
        raise InvalidPolicy("Sid must be a text")
    effect = found.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise InvalidPolicy("Effect must be Allow or Deny")
    if (kind == "identity") == ("Principal" in found):
        raise InvalidPolicy(f"a statement of this policy must have {'no ' if kind == 'identity' else 'a '}Principal")
    if kind != "repository" and "Resource" not in found:
        raise InvalidPolicy("a statement of this policy must have a Resource")
    anyone, accounts, arns = (False, frozenset[str](), frozenset[str]())
    if kind != "identity":
        anyone, accounts, arns = _principal(found["Principal"])
    typed = _texts(found.get("Action"), "Action")
    for each in typed:
        if known and not any(fits(each.lower(), action) for action in known):
            raise InvalidPolicy(f"there is no action '{each[:64]}'")
    return Statement(
        effect=effect,
        anyone=anyone,
        accounts=accounts,
        arns=arns,
        actions=tuple(each.lower() for each in typed),
        resources=_texts(found["Resource"], "Resource") if "Resource" in found else (),
        conditions=_conditions(found.get("Condition", {}), checked=bool(known)),
        of_identity=kind == "identity",
    )


def _principal(found: Any) -> tuple[bool, frozenset[str], frozenset[str]]:
    """Whether it is everybody, accounts, and ARNs. Services and roles are taken, though nobody here is one."""
    if found == "*":
        return True, frozenset(), frozenset()
    if not isinstance(found, dict) or not found:
        raise InvalidPolicy("Principal must be '*' or an object")
    _only(found, {"AWS", "Service"}, "Principal")
    anyone, accounts, arns = False, set(), set()
    for name in _texts(found["AWS"], "Principal") if "AWS" in found else ():
        match = _IAM.fullmatch(name)
        if name == "*":
            anyone = True
        elif _ACCOUNT.fullmatch(name):
            accounts.add(name)
        elif match is not None and match[2] == "root":
            accounts.add(match[1])
        elif match is not None or _STS.fullmatch(name):
            arns.add(name)
        else:
            raise InvalidPolicy(f"'{name[:128]}' is no principal: an account, or the ARN of a root, user or role")
    for name in _texts(found["Service"], "Principal") if "Service" in found else ():
        if not _SERVICE.fullmatch(name):
            raise InvalidPolicy(f"'{name[:128]}' is no service")
    return anyone, frozenset(accounts), frozenset(arns)


# Condition keys that requests here have a value for; those that begin as TAG_KEYS say name a resource tag.
KEYS = frozenset(
    {
        "aws:currenttime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:securetransport",
        "aws:sourceip",
        "aws:username",
        "aws:viaawsservice",
    }
)
# Condition keys that a request has only where somebody calls who is not here: a service, a role's session, a member of
# an organisation, the other end of a VPC endpoint (IAM User Guide, "AWS global condition context keys"). No request
# here has one, as none on AWS has it that a user outside of all these makes with an access key.
ABSENT_KEYS = frozenset(
    {
        "aws:assumedroot",
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
        "aws:chatbotsourcearn",
        "aws:ec2instancesourceprivateipv4",
        "aws:ec2instancesourcevpc",
        "aws:federatedprovider",
        "aws:multifactorauthage",
        "aws:multifactorauthpresent",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalservicename",
        "aws:principalservicenameslist",
        "aws:resourceorgid",
        "aws:resourceorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceidentity",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpcarn",
        "aws:sourcevpce",
        "aws:tokenissuetime",
        "aws:vpceaccount",
        "aws:vpceorgid",
        "aws:vpceorgpaths",
        "aws:vpcsourceip",
    }
)
_PRINCIPAL_TAG = "aws:principaltag/"
"""What keys begin with that name a tag of who asks: nobody here has any."""
_LISTS = frozenset(
    {
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:resourceorgpaths",
        "aws:sourceorgpaths",
        "aws:vpceorgpaths",
    }
)
"""Those of the absent keys that have several values, which the set operators are for."""
_SETS = {"ForAllValues:": True, "ForAnyValue:": False}
"""What begins a set operator, and what it says of an absent key, negated or not (IAM User Guide, "Set operators for
multivalued context keys")."""
_ADDRESS = "aws:sourceip"
TAG_KEYS = ("aws:resourcetag/", "ecr:resourcetag/")


_ADDRESSES = {_ADDRESS, "aws:ec2instancesourceprivateipv4", "aws:vpcsourceip"}
_TYPES = {
    "Date": {"aws:currenttime", "aws:tokenissuetime"},
    "Bool": {
        "aws:assumedroot",
        "aws:multifactorauthpresent",
        "aws:principalisawsservice",
        "aws:securetransport",
        "aws:viaawsservice",
    },
    "IpAddress": _ADDRESSES,
    "NotIp": _ADDRESSES,
}
"""Keys that operators which begin so are for. A tag is a text, which may be read as a moment or as true."""


def _is_of_type(operator: str, key: str) -> bool:
    of_set = _set_of(operator)
    if of_set:
        return key in _LISTS and _is_of_type(operator.removeprefix(of_set), key)
    keys = next((keys for beginning, keys in _TYPES.items() if operator.startswith(beginning)), None)
    of_tag = key.startswith((*TAG_KEYS, _PRINCIPAL_TAG)) and operator.startswith(("Date", "Bool"))
    return keys is None or key in keys or of_tag


def _set_of(operator: str) -> str:
    """What of _SETS the operator begins with; empty for any other."""
    return next((beginning for beginning in _SETS if operator.startswith(beginning)), "")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _compared(compare: Callable[[datetime, datetime], bool]) -> Callable[[str, str], bool]:
    """Of a moment of the request and the policy's. A value that is none fits nothing: it may be a tag."""

    def holds(value: str, found: str) -> bool:
        try:
            return compare(_moment(found), _moment(value))
        except ValueError:
            return False

    return holds


def _in_network(value: str, found: str) -> bool:
    try:
        return addresses.address(found) in addresses.network(value)
    except ValueError:
        return False


def _equal_ignoring_case(value: str, found: str) -> bool:
    return value.casefold() == found.casefold()


def _equal(value: str, found: str) -> bool:
    return value == found


_Checked = tuple[Callable[[str, str], bool], Callable[[str], object], bool]
"""Whether a value holds of the request's; what raises ValueError for one that is none; whether it is negated."""

_OPERATORS: dict[str, _Checked] = {
    "StringEquals": (_equal, str, False),
    "StringNotEquals": (_equal, str, True),
    "StringEqualsIgnoreCase": (_equal_ignoring_case, str, False),
    "StringNotEqualsIgnoreCase": (_equal_ignoring_case, str, True),
    "StringLike": (fits, str, False),
    "StringNotLike": (fits, str, True),
    "ArnEquals": (fits, str, False),
    "ArnNotEquals": (fits, str, True),
    "ArnLike": (fits, str, False),
    "ArnNotLike": (fits, str, True),
    "IpAddress": (_in_network, addresses.network, False),
    "NotIpAddress": (_in_network, addresses.network, True),
    "Bool": (_equal_ignoring_case, {"true": 1, "false": 0}.__getitem__, False),
    "DateEquals": (_compared(operators.eq), _moment, False),
    "DateNotEquals": (_compared(operators.eq), _moment, True),
    "DateLessThan": (_compared(operators.lt), _moment, False),
    "DateLessThanEquals": (_compared(operators.le), _moment, False),
    "DateGreaterThan": (_compared(operators.gt), _moment, False),
    "DateGreaterThanEquals": (_compared(operators.ge), _moment, False),
}
OPERATORS = (*_OPERATORS, "Null")


def _conditions(found: Any, *, checked: bool) -> tuple[Condition, ...]:
    """`checked`: whether operators must be those of their keys' types, as of what is put now."""
    if not isinstance(found, dict):
        raise InvalidPolicy("Condition must be an object")
    conditions = []
    for operator, tests in found.items():
        if not isinstance(tests, dict):
            raise InvalidPolicy(f"Condition.{operator[:64]} must be an object")
        for key, value in tests.items():
            values = [value] if isinstance(value, str | bool) else value
            if not isinstance(values, list):
                raise InvalidPolicy(f"Condition.{operator[:64]} must have texts")
            spelt = [str(each).lower() if isinstance(each, bool) else each for each in values]
            if checked and not _is_of_type(operator, key.lower()):
                raise InvalidPolicy(f"{operator[:64]} is no operator for the condition key '{key[:128]}'")
            conditions.append(_condition(operator, key, _texts(spelt, f"Condition.{operator[:64]}")))
    return tuple(conditions)


def _condition(operator: str, key: str, values: tuple[str, ...]) -> Condition:
    name = key.lower()
    of_tag = name.startswith((*TAG_KEYS, _PRINCIPAL_TAG)) and name.partition("/")[2]
    if name not in KEYS and name not in ABSENT_KEYS and not of_tag:
        raise InvalidPolicy(f"the condition key '{key[:128]}' is not understood")
    if operator == "Null":
        if set(values) not in ({"true"}, {"false"}):
            raise InvalidPolicy("Null must be true or false")
        # "true": the key is absent, which only a negated condition that nothing satisfies says.
        absent = values[0] == "true"
        return Condition(name, lambda _value, _found: True, ("",), negated=absent, absent=absent, always=False)
    of_set = _set_of(operator)
    checked = _OPERATORS.get(operator.removeprefix(of_set).removesuffix("IfExists"))
    if checked is None:
        raise InvalidPolicy(f"the condition operator '{operator[:64]}' is not understood")
    holds, check, negated = checked
    for value in values:
        try:
            check(value)
        except (ValueError, KeyError) as error:
            raise InvalidPolicy(f"'{value[:64]}' is no value for {operator[:64]}") from error
    absent = operator.endswith("IfExists") or _SETS.get(of_set, negated)
    return Condition(name, holds, values, negated, absent, always=name == _ADDRESS)

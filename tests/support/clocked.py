"""A registry whose API is asked at the moment of its own clock, which a test moves by days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser

from hullwise.application import application
from hullwise.auth import keys
from hullwise.ecr import model
from hullwise.ecr.protocol import EXTRAS
from hullwise.store import accounts
from tests.support.edges import JSON_1_1, Edges
from tests.support.registry import ACCOUNT, REGION, Registry


class _SignedAt(SigV4Auth):
    """botocore's signature, made at a given moment."""

    def __init__(self, credentials: Credentials, region: str, moment: datetime) -> None:
        super().__init__(credentials, "ecr", region)
        self._moment = moment

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._moment.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)  # type: ignore[attr-defined]
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))  # type: ignore[attr-defined]


class Refused(Exception):
    """The code and message of an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Clocked(Edges):
    """Answers are what botocore's own parser makes of them, which must lose nothing."""

    region: str = REGION
    """Whose registry is called."""

    def post(self, operation: str, body: bytes) -> httpx.Response:
        """A signed request with this body."""
        headers = {"content-type": JSON_1_1, "x-amz-target": f"{model.TARGET_PREFIX}.{operation}"}
        request = AWSRequest("POST", f"{self.url}/", headers=headers, data=body)
        credentials = Credentials(self.key.access_key_id, self.key.secret_access_key)
        _SignedAt(credentials, self.region, self.registry.clock()).add_auth(request)
        return self.send("POST", "/", body, {name.lower(): value for name, value in request.headers.items()})

    def aws(self, operation: str, **params: Any) -> httpx.Response:
        """The answer as it comes, to a call signed at the registry's moment."""
        return self.post(operation, json.dumps(params).encode())

    def call(self, operation: str, **params: Any) -> Any:
        """Raises Refused for a modelled error."""
        answer = self.aws(operation, **params)
        found = answer.json()
        if answer.status_code != 200:
            assert answer.status_code == 400, answer.text
            raise Refused(found["__type"], found["message"])
        shape = model.operation(operation).output
        response = {"status_code": 200, "headers": dict(answer.headers), "body": answer.content}
        parsed = create_parser("json").parse(response, shape)
        del parsed["ResponseMetadata"]
        assert lost(found, parsed) == []
        return parsed


def lost(sent: Any, parsed: Any, where: str = "") -> list[str]:
    """Paths of members that a parser dropped, beyond those that we add to the model on purpose."""
    if isinstance(sent, Mapping):
        ours = {name for names in EXTRAS.values() for name in names}
        return [
            path
            for name, member in sent.items()
            for path in (
                lost(member, parsed[name], f"{where}.{name}")
                if name in parsed
                else []
                if name in ours
                else [f"{where}.{name}"]
            )
        ]
    if isinstance(sent, list):
        assert len(sent) == len(parsed)
        return [path for one, other in zip(sent, parsed, strict=True) for path in lost(one, other, f"{where}[]")]
    return []


def clocked(registry: Registry, account: str = ACCOUNT) -> Clocked:
    """The registry's API, with a key of the account: by default of that which its repositories are in."""
    with registry.services.database.write() as tx:
        accounts.ensure_account(tx, account, registry.clock())
        key = keys.create(tx, registry.services, account)
    return Clocked(registry, application(registry.services), key)

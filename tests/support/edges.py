"""Both APIs of a registry, asked in this process: on either engine, and with a clock that a test moves."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.types import ASGIApp

from hullwise import app
from hullwise.application import application
from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller
from hullwise.auth.keys import KeyPair
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.ecr.model import TARGET_PREFIX
from tests.support.images import Image, sha256
from tests.support.registry import ACCOUNT, REGION, Registry

Body = bytes | AsyncIterator[bytes]
JSON_1_1 = "application/x-amz-json-1.1"


def signed_headers(
    url: str,
    operation: str,
    body: bytes,
    key: tuple[str, str],
    *,
    region: str = REGION,
    service: str = "ecr",
    headers: Mapping[str, str] = {},
) -> dict[str, str]:
    """What botocore would send with `body` to this operation: signed now, with the key's id and secret."""
    target = {"content-type": JSON_1_1, "x-amz-target": f"{TARGET_PREFIX}.{operation}"}
    request = AWSRequest("POST", f"{url}/", headers={**target, **headers}, data=body)
    SigV4Auth(Credentials(*key), service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@dataclass(frozen=True)
class Edges:
    """A registry whose API is called without a network."""

    registry: Registry
    application: ASGIApp
    key: KeyPair
    url: str = "http://registry.test"
    address: str = "127.0.0.1"
    """Of the client, as the socket shows it."""

    def send(self, method: str, path: str, body: Body = b"", headers: Mapping[str, str] = {}) -> httpx.Response:
        """Any request."""

        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(self.application, client=(self.address, 4711))
            async with httpx.AsyncClient(transport=transport, base_url=self.url) as client:
                sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
                return await client.request(method, path, content=body, headers=sent)

        return anyio.run(exchange)

    def aws(self, operation: str, **params: Any) -> httpx.Response:
        """A signed call."""
        body = json.dumps(params).encode()
        key = (self.key.access_key_id, self.key.secret_access_key)
        return self.send("POST", "/", body, signed_headers(self.url, operation, body, key))

    def oci(self, method: str, path: str, body: Body = b"", **headers: str) -> httpx.Response:
        """A request with a fresh authorization token; `_` in the name of a header stands for `-`."""
        caller = Caller(self.key.access_key_id, self.key.account, REGION)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, path, body, named | login(tokens.issue(self.registry.services, caller).password))

    def push(self, repository: str, image: Image, reference: str = "latest") -> None:
        """Blobs and manifest."""
        for blob in image.blobs:
            assert self.oci("POST", f"/v2/{repository}/blobs/uploads/?digest={sha256(blob)}", blob).status_code == 201
        path = f"/v2/{repository}/manifests/{reference}"
        assert self.oci("PUT", path, image.manifest, content_type=OCI_MANIFEST).status_code == 201


def login(password: str) -> dict[str, str]:
    """The header of a registry client that has logged in."""
    return {"authorization": "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()}


def edges(registry: Registry) -> Edges:
    """The registry's API, with a key of the account that its repositories are in. Its clock is set to now: botocore
    signs with the machine's."""
    registry.clock.moment = app.now()
    with registry.services.database.write() as tx:
        key = keys.create(tx, registry.services, ACCOUNT)
    return Edges(registry, application(registry.services), key)

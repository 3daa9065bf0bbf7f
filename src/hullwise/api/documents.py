"""Documents about an image: bills of materials and findings, as other tools read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hullwise.api.calls import Call, Content
from hullwise.auth import access
from hullwise.documents.formats import FORMATS, About, Format
from hullwise.documents.subject import Subject
from hullwise.domain.errors import InvalidParameter
from hullwise.domain.moments import moment
from hullwise.domain.names import check_repository
from hullwise.registry import artifacts
from hullwise.registry.images import Stored
from hullwise.scanning import contents, search
from hullwise.scanning.contents import Contents
from hullwise.services import Services

_READ = ("ecr:DescribeImageScanFindings",)
_ATTACH = ("ecr:DescribeImageScanFindings", "ecr:PutImage")

_CREATED = "org.opencontainers.image.created"


def read(call: Call) -> Content:
    """`?repository=`, `?image=`, a tag or a digest, `?format=` cyclonedx, spdx or sarif, and `?findings=yes` to have a
    CycloneDX document say what is wrong too."""
    with call.services.database.read() as tx:
        form, found = _asked(tx, call, _READ)
    return Content(
        form.media_type, form.write(about(found, findings=_with_findings(call), host=host_of(call.services)))
    )


def attach(call: Call) -> dict[str, Any]:
    """The same document, kept in the registry as a referrer of the image."""
    with call.services.database.read() as tx:
        form, found = _asked(tx, call, _ATTACH)
    if not form.bill_of_materials:
        raise InvalidParameter("format", "must be cyclonedx or spdx")
    stored = attached(call.services, found, form, findings=_with_findings(call), host=host_of(call.services))
    return {"digest": stored.image.digest, "artifactType": form.media_type, "subject": found.image.digest}


def attached(services: Services, found: Contents, form: Format, *, findings: bool, host: str) -> Stored:
    """The document, as a referrer of its image."""
    body = form.write(about(found, findings=findings, host=host))
    made = {_CREATED: moment(found.completed_at)}
    return artifacts.attach(services, found.repository, found.image, form.media_type, body, made)


def _asked(tx: sa.Connection, call: Call, actions: Sequence[str]) -> tuple[Format, Contents]:
    call.only({"repository", "image", "format", "findings"})
    name, asked = check_repository(call.needed("repository")), search.image_named(call.needed("image"))
    form = FORMATS.get(call.query.get("format", "cyclonedx"))
    if form is None:
        raise InvalidParameter("format", f"must be one of {', '.join(FORMATS)}")
    caller = call.caller
    repository = access.repository(tx, call.services, caller, caller.account, caller.region, name, actions)
    return form, contents.of_image(tx, call.services, repository, asked)


def _with_findings(call: Call) -> bool:
    return search.yes_or_no("findings", call.query.get("findings", "")) is True or call.query.get("format") == "sarif"


def host_of(services: Services) -> str:
    """Where clients reach the registry, where that is set; else empty."""
    return services.settings.public_url.partition("://")[2]


def about(found: Contents, *, findings: bool, host: str) -> About:
    """The time is that of the report: the same report makes the same document."""
    name = found.repository.name
    tags = tuple(found.tags)
    subject = Subject(
        f"{name}:{tags[0]}" if tags else f"{name}@{found.image.digest}",
        found.image.digest,
        f"{host}/{name}" if host else name,
        tags,
    )
    said = found.findings if findings else None
    return About(
        subject,
        found.distribution,
        found.occurrences,
        said,
        found.completed_at,
        found.coverage.gaps,
        # Where the file of its advisories is not kept any more, findings still show that they spoke.
        found.coverage.judged or bool(found.findings),
    )

"""Another registry, over the distribution API, as a client that only reads.

    GET /v2/_catalog                        repositories, where none is named
    GET /v2/<name>/tags/list                tags, where none is named
    HEAD, GET /v2/<name>/manifests/…        what a tag names; manifests
    GET /v2/<name>/blobs/<digest>           blobs, in parts where the connection breaks
    GET /v2/<name>/referrers/<digest>       what refers to a manifest; else the tag `sha256-<hex>`

Who may see the password: the host that the caller named, over the scheme that he named or a safer one, and hosts that
he named beside it for tokens. A registry that is asked without a password may not send us elsewhere for a token either:
whatever answers there would be told to the registry as a token. A token goes to the registry's own origin only.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import httpx
import msgspec

from hullwise.domain import digests, limits, manifests, names
from hullwise.domain.errors import HullwiseError
from hullwise.domain.manifests import OCI_INDEX
from hullwise.imports import challenges
from hullwise.imports.challenges import Challenge
from hullwise.imports.errors import PartMissing, PartRefused, Unanswered, UnusableSource
from hullwise.imports.source import ManifestBytes
from hullwise.remotes import urls
from hullwise.remotes.errors import InvalidUrl, Refused, RemoteError, TimedOut, Truncated, Unreachable
from hullwise.remotes.remote import Opened, Remote
from hullwise.remotes.validators import content_range

_ACCEPT = ", ".join(sorted(manifests.KINDS))
_DOCUMENT_SECONDS = 120.0
_BLOB_SECONDS = 3600.0
"""For one request: what breaks off is continued by another."""
_BREAKS = 5
"""Broken connections in a row, less than _PROGRESS bytes apart, that end a blob."""
_PROGRESS = 1 << 20
_CATALOG = "registry:catalog:*"
_PAGE = 1000
_PAGE_LIMIT = 16 << 20
"""Bytes of a page of names; some registries send all at once."""
_MOST_PAGES = 100_000
_TOKEN_LIMIT = 1 << 20
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_NO_REFERRERS = frozenset({400, 404, 405, 406, 415})
"""How registries say that they have no such API."""
_NEXT = re.compile(r'<([^<>]{1,4096})>[^,<]*;\s*rel="?next"?')


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


_T = TypeVar("_T")


class _Catalog(msgspec.Struct):
    repositories: list[str] | None = None


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


class OtherRegistry:
    """Repositories and tags that are named, else all. For one thread, as the remote is."""

    def __init__(
        self,
        remote: Remote,
        url: str,
        *,
        repositories: Sequence[str] = (),
        tags: Sequence[str] = (),
        login: Login | None = None,
        token_hosts: Sequence[str] = (),
    ) -> None:
        """Raises UnusableSource where the URL is not that of a registry alone."""
        try:
            self._home = urls.parse(url)
            self._token_hosts = {_host(self._home), *(urls.host(name).removesuffix(".") for name in token_hosts)}
        except InvalidUrl as error:
            raise UnusableSource(str(error)) from error
        if self._home.path not in {"", "/"} or self._home.query or self._home.userinfo:
            raise UnusableSource(f"{urls.shown(self._home)}: a registry is a scheme, a host and a port, and no more")
        self._remote = remote
        self._repositories = tuple(dict.fromkeys(repositories))
        self._tags = tuple(dict.fromkeys(tags))
        self._login = login
        self._authorizations: dict[str, str] = {}
        """By scope, of those used last."""
        self._has_referrers = True

    def repositories(self) -> Iterator[str]:
        if self._repositories:
            yield from self._repositories
            return
        for body in self._pages(f"/v2/_catalog?n={_PAGE}", _CATALOG, "the catalogue"):
            yield from _decoded(body, _Catalog, "the catalogue").repositories or ()

    def tags(self, repository: str) -> Iterator[str]:
        if self._tags:
            yield from self._tags
            return
        what = f"the list of tags of {repository}"
        for body in self._pages(f"{_path(repository)}/tags/list?n={_PAGE}", _scope(repository), what):
            yield from _decoded(body, _Tags, what).tags or ()

    def resolve(self, repository: str, tag: str) -> str:
        if not names.is_tag(tag):
            raise PartRefused("it is no tag")
        path = f"{_path(repository)}/manifests/{tag}"
        with self._asked(path, _scope(repository), f"{repository}:{tag}", method="HEAD", accept=_ACCEPT) as answer:
            stated: str = answer.headers.get("docker-content-digest", "")
        if digests.is_digest(stated):
            return stated
        with self._asked(path, _scope(repository), f"{repository}:{tag}", accept=_ACCEPT) as answer:
            return digests.of(_body(answer, limits.MANIFEST_BYTES, f"{repository}:{tag}"))

    def untagged(self, repository: str) -> Iterator[str]:
        """None: the API lists tags alone."""
        return iter(())

    def manifest(self, repository: str, digest: str) -> ManifestBytes:
        """Also raises PartRefused for schema 1."""
        path = f"{_path(repository)}/manifests/{digest}"
        with self._asked(path, _scope(repository), f"manifest {digest}", accept=_ACCEPT) as answer:
            declared = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if declared in manifests.DOCKER_SCHEMA1:
                # Its digest leaves its signatures out: it would seem to be a lie.
                raise PartRefused("schema 1 manifests are not supported")
            body = _body(answer, limits.MANIFEST_BYTES, f"manifest {digest}")
        return ManifestBytes(body, declared if declared in manifests.KINDS else None)

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        """What a broken connection leaves out is asked for by its place: who proves the digest proves the joint."""
        at = breaks = 0
        while True:
            begun = at
            try:
                with closing(self._part(repository, digest, at)) as pieces:
                    for piece in pieces:
                        at += len(piece)
                        yield piece
                        if at > size:
                            return
                if at == size:
                    return
                broken = f"blob {digest} ends after {at:,} of {size:,} bytes"
            except _Broken as error:
                broken = str(error)
            breaks = 1 if at - begun >= _PROGRESS else breaks + 1
            if breaks >= _BREAKS:
                raise Unanswered(broken)

    def referrers(self, repository: str, digest: str) -> Iterator[str]:
        what = f"the list of referrers of {digest}"
        if self._has_referrers:
            try:
                for body in self._pages(f"{_path(repository)}/referrers/{digest}", _scope(repository), what):
                    yield from _listed(body, what)
                return
            except _NoReferrers:
                self._has_referrers = False
        # Distribution spec, "Referrers tag schema".
        tag = f"{digests.algorithm(digest)}-{digest.partition(':')[2][:64]}"
        try:
            path = f"{_path(repository)}/manifests/{tag}"
            with self._asked(path, _scope(repository), what, accept=_ACCEPT) as answer:
                body = _body(answer, limits.MANIFEST_BYTES, what)
        except PartMissing:
            return
        yield from _listed(body, what)

    def _part(self, repository: str, digest: str, at: int) -> Generator[bytes]:
        """The blob from byte `at`. Raises _Broken where the connection does not last."""
        path, what = f"{_path(repository)}/blobs/{digest}", f"blob {digest}"
        with self._asked(path, _scope(repository), what, seconds=_BLOB_SECONDS, at=at) as answer:
            place = content_range(answer.headers) if answer.status == 206 else None
            if place is not None and place[0] != at:
                raise PartRefused(f"{what} comes from another place than was asked for")
            skipped = 0 if place is not None else at
            try:
                for piece in answer.pieces:
                    rest = piece[skipped:]
                    skipped -= len(piece) - len(rest)
                    if rest:
                        yield rest
            except (Truncated, TimedOut) as error:
                raise _Broken(str(error)) from error

    def _pages(self, path: str, scope: str, what: str) -> Iterator[bytes]:
        """Bodies of a list, from page to page as its links say."""
        accept = OCI_INDEX if "/referrers/" in path else "application/json"
        for _ in range(_MOST_PAGES):
            with self._asked(path, scope, what, accept=accept) as answer:
                body = _body(answer, _PAGE_LIMIT, what)
                link = _NEXT.search(answer.headers.get("link", "")[:8192])
            yield body
            if link is None:
                return
            following = self._followed(path, link[1], what)
            if following == path:
                raise PartRefused(f"{what} names the same page as the next one")
            path = following
        raise PartRefused(f"{what} has more than {_MOST_PAGES:,} pages")

    def _followed(self, path: str, link: str, what: str) -> str:
        """The path that a link names. Raises PartRefused where it is that of another list, or elsewhere."""
        here = self._home.join(path)
        try:
            target = urls.parse(str(here.join(link)))
        except (httpx.InvalidURL, ValueError, InvalidUrl) as error:
            raise PartRefused(f"{what} names a next page that is none") from error
        if urls.origin(target) != urls.origin(here) or target.path != here.path:
            raise PartRefused(f"{what} goes on somewhere else, at {urls.shown(target)}")
        return target.raw_path.decode("ascii")

    @contextmanager
    def _asked(
        self,
        path: str,
        scope: str,
        what: str,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        accept: str = "",
        seconds: float = _DOCUMENT_SECONDS,
        at: int = 0,
    ) -> Iterator[Opened]:
        """An answer of 200, or of 206 where it is asked for from byte `at`. A first 401 is given what it asks for."""
        headers = ({"Accept": accept} if accept else {}) | ({"Range": f"bytes={at}-"} if at else {})
        url = str(self._home.join(path))
        for again in (False, True):
            authorization = self._authorizations.get(scope, "")
            with self._opened(url, headers, method, authorization, seconds) as answer:
                # A stranger that a redirect led to has nothing to ask for.
                if answer.status != 401 or again or not answer.at_home:
                    _check(answer, what, self._has_referrers and "/referrers/" in path)
                    yield answer
                    return
                asked = challenges.read(answer.headers.get_list("www-authenticate"))
            self._authorizations = {scope: self._authorization(asked, scope, what)}

    @contextmanager
    def _opened(
        self, url: str, headers: dict[str, str], method: Literal["GET", "HEAD"], authorization: str, seconds: float
    ) -> Iterator[Opened]:
        try:
            with self._remote.open(url, headers, method=method, authorization=authorization, seconds=seconds) as answer:
                yield answer
        except (Unreachable, TimedOut, Truncated, Refused) as error:
            # A remote refuses what is for later, and was so at each attempt.
            raise Unanswered(str(error)) from error
        except RemoteError as error:
            raise PartRefused(str(error)) from error

    def _authorization(self, asked: Sequence[Challenge], scope: str, what: str) -> str:
        for challenge in asked:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                return f"Bearer {self._token(challenge, scope)}"
        if any(challenge.scheme == "basic" for challenge in asked):
            if self._login is None:
                raise PartRefused(f"{what}: the registry asks for a user name and a password")
            return self._login.basic
        raise PartRefused(f"{what}: the registry answers 401 and does not say what it wants")

    def _token(self, challenge: Challenge, scope: str) -> str:
        realm = self._realm(challenge.parameters["realm"])
        service = challenge.parameters.get("service", "")
        asked = realm.copy_merge_params({"scope": scope} | ({"service": service} if service else {}))
        basic = self._login.basic if self._login else ""
        with self._opened(str(asked), {}, "GET", basic, _DOCUMENT_SECONDS) as answer:
            if answer.status != 200:
                raise PartRefused(f"no token from {urls.shown(realm)}: it answers {answer.status}")
            found = _decoded(_body(answer, _TOKEN_LIMIT, "the token"), _Token, "the token")
        token = found.token or found.access_token
        if not _TOKEN.fullmatch(token):
            raise PartRefused(f"no token from {urls.shown(realm)}: what it sends is none")
        return token

    def _realm(self, text: str) -> httpx.URL:
        """Where tokens are had. Raises PartRefused where nothing may be asked there."""
        try:
            realm = urls.parse(text)
        except InvalidUrl as error:
            raise PartRefused(f"the registry sends for a token to what is no URL: {error}") from error
        if _host(realm) not in self._token_hosts:
            raise PartRefused(
                f"the registry sends for a token to {urls.shown(realm)}, another host, which was not named for tokens"
            )
        if realm.userinfo or (realm.scheme == "http" and self._home.scheme == "https"):
            raise PartRefused(f"the registry sends for a token to {urls.shown(realm)}, which is not safe")
        return realm


class _Broken(Exception):
    """A blob's connection ended before it did."""


class _NoReferrers(PartMissing):
    """The registry has no referrers API."""


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower().removesuffix(".")


def _path(repository: str) -> str:
    # Names of one letter are no repositories here, but may be there.
    if not names.is_repository(f"x/{repository}"):
        raise PartRefused("it is no name of a repository")
    return f"/v2/{repository}"


def _scope(repository: str) -> str:
    return f"repository:{repository}:pull"


def _check(answer: Opened, what: str, referrers: bool) -> None:
    if answer.status in {200, 206}:
        return
    if referrers and answer.status in _NO_REFERRERS:
        raise _NoReferrers(what)
    if answer.status == 404:
        raise PartMissing(what)
    raise PartRefused(f"{what}: the registry answers {answer.status}")


def _body(answer: Opened, limit: int, what: str) -> bytes:
    """All of it, and at most a piece more than `limit` bytes of it in memory."""
    found = bytearray()
    for piece in answer.pieces:
        found += piece
        if len(found) > limit:
            raise PartRefused(f"{what} has more than {limit:,} bytes")
    return bytes(found)


def _decoded(body: bytes, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PartRefused(f"{what} is not what it should be: {str(error)[:200]}") from error


def _listed(body: bytes, what: str) -> Iterator[str]:
    try:
        index = manifests.parse(body, OCI_INDEX)
    except HullwiseError as error:
        raise PartRefused(f"{what} cannot be read: {str(error)[:200]}") from error
    for child in index.children:
        yield child.digest

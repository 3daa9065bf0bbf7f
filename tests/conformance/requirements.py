"""What the OCI distribution spec asks of a registry, in our own words: version 1.1, and what is offered of 1.2's draft.

Each has an id, which the tests of this folder name by their marker `requirement`. Sections are the spec's headings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["MUST", "SHOULD", "MAY", "draft"]
"""The spec's own word; `draft`: of 1.2. What it only should or may do is listed where we do it."""


@dataclass(frozen=True, slots=True)
class Requirement:
    id: str
    section: str
    level: Level
    text: str


SUPPORT, PULL_M, PULL_B, HEAD = (
    "Determining Support",
    "Pulling manifests",
    "Pulling blobs",
    "Checking if content exists",
)
PUSH, POST_PUT, POST, CHUNKS = "Push", "POST then PUT", "Single POST", "Pushing a blob in chunks"
CANCEL, MOUNT = "Cancel a blob upload", "Mounting a blob from another repository"
PUT_M, SUBJECT = "Pushing Manifests", "Pushing Manifests with Subject"
TAGS, REFERRERS = "Listing Tags", "Listing Referrers"
DEL_T, DEL_M, DEL_B = "Deleting tags", "Deleting Manifests", "Deleting Blobs"
ERRORS, WARNINGS = "Error Codes", "Warnings"
IMAGE = "image spec, Manifest and Descriptor"

REQUIREMENTS = (
    Requirement("support-200", SUPPORT, "MUST", "/v2/ answers 200 to whoever may come in"),
    Requirement("support-401", SUPPORT, "MUST", "/v2/ answers 401 to everybody else"),
    Requirement("name-form", PULL_M, "MUST", "every name of the grammar is one, up to its length; no other is"),
    Requirement("reference-form", PULL_M, "MUST", "a reference is a digest, or a tag of at most 128 characters"),
    Requirement("pull-manifest-200", PULL_M, "MUST", "the manifest's exact bytes, by tag and by digest"),
    Requirement("pull-manifest-type", PULL_M, "SHOULD", "under the media type it was pushed as, without parameters"),
    Requirement("pull-manifest-digest", PULL_M, "SHOULD", "with its digest in Docker-Content-Digest"),
    Requirement("pull-manifest-404", PULL_M, "MUST", "404 where the repository does not have it"),
    Requirement("pull-blob-200", PULL_B, "MUST", "the blob's bytes"),
    Requirement("pull-blob-digest", PULL_B, "SHOULD", "with the digest of the body in Docker-Content-Digest"),
    Requirement("pull-blob-404", PULL_B, "MUST", "404 where the repository does not have it"),
    Requirement("pull-blob-range", PULL_B, "SHOULD", "Range as in RFC 9110: one range of bytes, also from the end"),
    Requirement("pull-blob-range-416", PULL_B, "SHOULD", "416 outside of the blob, with its size (RFC 9110, 15.5.17)"),
    Requirement("pull-blob-if-range", PULL_B, "SHOULD", "a range of another state is not sent (RFC 9110, 13.1.5)"),
    Requirement("pull-if-none-match", PULL_B, "SHOULD", "304 to whoever has it already (RFC 9110, 13.1.2)"),
    Requirement("head-manifest-200", HEAD, "MUST", "200 without a body, with digest and length"),
    Requirement("head-blob-200", HEAD, "MUST", "200 without a body, with digest and length"),
    Requirement("head-404", HEAD, "MUST", "404 for either that is not there"),
    Requirement("push-subject-absent", PUSH, "MUST", "a subject need not be there when what refers to it is pushed"),
    Requirement("push-blob-absent", PUSH, "MUST", "a manifest without its blobs is refused by MANIFEST_BLOB_UNKNOWN"),
    Requirement("upload-begin", POST_PUT, "MUST", "202 with a Location that holds an id of its own for each upload"),
    Requirement("upload-put", POST_PUT, "MUST", "201 with a Location that the blob can be pulled from"),
    Requirement("upload-digest-wrong", PUSH, "SHOULD", "400 where the digest is none, or not that of the bytes"),
    Requirement("upload-sha512", IMAGE, "MUST", "content under sha512 is content like any other"),
    Requirement("upload-post", POST, "MAY", "a blob in one POST: 201 with a Location that it can be pulled from"),
    Requirement("upload-post-digest", POST, "MUST", "the digest is that of the bytes"),
    Requirement("upload-post-length", POST, "MUST", "the bytes are as many as Content-Length says"),
    Requirement("chunk-202", CHUNKS, "MUST", "each chunk: 202 with Location, and Range up to the last byte"),
    Requirement("chunk-order", CHUNKS, "MUST", "416 for a chunk that does not begin where the last one ended"),
    Requirement("chunk-order-last", CHUNKS, "MUST", "416 for such a chunk in the closing PUT too"),
    Requirement("chunk-length", CHUNKS, "MUST", "a chunk is as long as its Content-Range says"),
    Requirement("chunk-stream", CHUNKS, "MAY", "a chunk may come without Content-Range, and without a length"),
    Requirement(
        "chunk-close", CHUNKS, "MUST", "201 with the Location of the whole blob, whatever the last chunk came in"
    ),
    Requirement("chunk-close-digest", CHUNKS, "MUST", "the closing PUT names the digest"),
    Requirement("upload-status", CHUNKS, "MUST", "204 with Location and Range, also after a 416"),
    Requirement("upload-unknown", CHUNKS, "MUST", "404 for an upload that there is not"),
    Requirement("upload-min-length", CHUNKS, "SHOULD", "OCI-Chunk-Min-Length says how long chunks are wanted"),
    Requirement("upload-cancel", CANCEL, "SHOULD", "204, and the upload is gone"),
    Requirement("mount-201", MOUNT, "MUST", "201 with a Location that the blob can be pulled from"),
    Requirement("mount-digest", MOUNT, "SHOULD", "with its digest in Docker-Content-Digest"),
    Requirement("mount-from-anywhere", MOUNT, "MAY", "without `from` it is looked for in the whole registry"),
    Requirement("mount-202", MOUNT, "SHOULD", "202 where it cannot be, and the client uploads it"),
    Requirement("put-manifest-201", PUT_M, "MUST", "201 with a Location that the manifest can be pulled from"),
    Requirement(
        "put-manifest-digest", PUT_M, "MUST", "Docker-Content-Digest is that of the bytes, and what the client said"
    ),
    Requirement("put-manifest-bytes", PUT_M, "MUST", "it is kept byte by byte"),
    Requirement("put-manifest-type", PUT_M, "MUST", "mediaType and Content-Type say the same"),
    Requirement("put-manifest-parameters", PUT_M, "SHOULD", "parameters of Content-Type are passed by"),
    Requirement("put-manifest-no-layers", PUT_M, "MAY", "the list of layers may be empty"),
    Requirement("put-manifest-413", PUT_M, "SHOULD", "413 over a limit that is at least 4 MB"),
    Requirement("put-manifest-no-repository", PUT_M, "MUST", "404 for a repository that there is not"),
    Requirement("put-manifest-index", IMAGE, "MUST", "indexes, also of indexes, are manifests like any other"),
    Requirement("put-manifest-artifact", IMAGE, "MUST", "any artifactType, config and layer media type is taken"),
    Requirement("put-manifest-unknown-members", IMAGE, "MUST", "members that the spec does not have are no error"),
    Requirement("put-manifest-data", IMAGE, "MAY", "descriptors may hold their content in `data`"),
    Requirement("put-manifest-foreign", IMAGE, "SHOULD", "layers that are not to be distributed need not be pushed"),
    Requirement("subject-header", SUBJECT, "MUST", "OCI-Subject names the subject"),
    Requirement("subject-header-only", SUBJECT, "MUST", "and is not there without one"),
    Requirement("tags-200", TAGS, "MUST", "200 with the repository's name and its tags"),
    Requirement("tags-none", TAGS, "MAY", "a list of none where there is none"),
    Requirement("tags-404", TAGS, "MUST", "404 for a repository that there is not"),
    Requirement("tags-order", TAGS, "MUST", "in lexical order: alphanumeric, whatever the case"),
    Requirement("tags-n", TAGS, "MUST", "`n` of them, fewer only with a Link or where there are no more"),
    Requirement("tags-n-zero", TAGS, "MUST", "none, and no Link, for n=0"),
    Requirement("tags-last", TAGS, "MUST", "those after `last`, without it, with `n` or without"),
    Requirement("tags-link", TAGS, "MUST", "Link as in RFC 5988, rel next, where there are more"),
    Requirement(
        "referrers-200", REFERRERS, "MUST", "200 with an index of that media type, whose manifests have the subject"
    ),
    Requirement("referrers-none", REFERRERS, "MUST", "an empty index, never 404, for a subject that nobody refers to"),
    Requirement("referrers-400", REFERRERS, "MUST", "400 for a digest that is none"),
    Requirement("referrers-artifact-type", REFERRERS, "MUST", "artifactType, else the config's media type"),
    Requirement("referrers-index-type", REFERRERS, "MUST", "no artifactType for an index without one"),
    Requirement("referrers-annotations", REFERRERS, "MUST", "annotations as the manifest has them"),
    Requirement("referrers-here", REFERRERS, "MUST", "only of this repository"),
    Requirement("referrers-filter", REFERRERS, "SHOULD", "only of an artifactType"),
    Requirement("referrers-filter-header", REFERRERS, "MUST", "OCI-Filters-Applied says so, and only then"),
    Requirement("referrers-link", REFERRERS, "MUST", "Link to the rest of what does not fit in one answer"),
    Requirement("referrers-deleted", REFERRERS, "MUST", "not what was deleted"),
    Requirement("delete-tag-202", DEL_T, "MUST", "202, then 404 for the tag, and the manifest stays"),
    Requirement("delete-manifest-202", DEL_M, "MUST", "202, then 404 for its digest and every tag of it"),
    Requirement("delete-manifest-404", DEL_M, "MUST", "404 for a repository or manifest that there is not"),
    Requirement("delete-blob-202", DEL_B, "MUST", "202, then 404, in this repository only"),
    Requirement("delete-blob-404", DEL_B, "MUST", "404 for a blob that there is not"),
    Requirement("error-form", ERRORS, "MUST", "a list of errors, each with a code and a text"),
    Requirement("error-codes", ERRORS, "MUST", "the code is one of the spec's"),
    Requirement("warning-form", WARNINGS, "MUST", "299, no agent, no date, at most 4096 bytes, wherever one is given"),
    Requirement("push-tags", PUT_M, "draft", "`tag` parameters of a push by digest: each names it, OCI-Tag says which"),
    Requirement("push-tags-ten", PUT_M, "draft", "at least ten at once; 414 over a limit"),
    Requirement(
        "push-tags-bad", PUT_M, "draft", "400 for one that is no tag or may not be moved, and nothing is stored"
    ),
)

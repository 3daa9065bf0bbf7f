"""How much of anything is taken: one table, which `docs/limits.md` shows.

What ECR limits is limited as there (contract 4, "Quotas"); the rest bounds what one request can make the server hold.
"""

from __future__ import annotations

MANIFEST_BYTES = 4 << 20
"""Of a manifest: the distribution spec's floor and ECR's ceiling (imageManifest, 4,194,304 characters)."""
LAYERS = 4_096
"""Of a manifest."""
CHILDREN = 1_000
"""Manifests that an index lists."""
VALUES = 65_536
"""JSON values of a manifest: sixteen for each layer that it may have."""
DEPTH = 64
"""JSON lists and objects of a manifest in each other, the document included: what the image spec describes has five."""
NESTING = 4
"""Indexes in indexes: so many below each other, the first included."""
TAGS_PER_IMAGE = 1_000
TAGS_PER_PUSH = 100
"""`tag` parameters of one push; the draft of the distribution spec 1.2 asks for ten at least."""
REFERRERS = 10_000
"""That name one subject in a repository."""
BLOB_BYTES = 52_000 << 20
"""Of a layer or any other blob."""
CHUNKS = 10_000
"""Requests with bytes of one upload on the registry API."""
PARTS = 4_200
"""Of one upload on the AWS API."""
PART_FLOOR = 5 << 20
"""Bytes of a part that another follows."""
PART_BYTES = 20 << 20
"""Of a part (service model, LayerPartBlob: 20,971,520)."""
HEAD_BYTES = 64 << 10
"""Of a request's path, query and headers: a bearer token is asked for with 100 scopes of 300 characters."""
BODY_BYTES = 28 << 20
"""Of a request to the AWS API: a part in base64, and its JSON."""
UNKNOWN_BYTES = 64 << 10
"""Of such a request, that are held before its access key is looked for."""
BODIES_BYTES = 256 << 20
"""Of all larger ones that an API process holds; from one address half."""
JSON_BODY_BYTES = 32 << 20
"""Of a request to our own API: a VEX document."""
REPOSITORY_NAME = 256
"""Characters."""
TAG_NAME = 128
"""Characters."""
RESOURCE_TAGS = 50
"""Of a repository."""
RESOURCE_TAG_KEY = 128
"""Characters."""
RESOURCE_TAG_VALUE = 256
"""Characters."""
POLICY = 10_240
"""Characters of a policy."""
PAGE = 1_000
"""Entries of a page, but for those below."""
TAGS_PAGE = 10_000
"""Of a list of tags on the registry API, which most clients take for the whole."""
REFERRERS_PAGE = 200
"""On the registry API; 50 on the AWS API. Together their manifests have at most MANIFEST_BYTES."""
SCOPES = 100
"""That one bearer token is asked for."""
IGNORE_RULES = 2_000
"""Of an account. Each image asks which of them apply to it."""
VEX_DOCUMENTS = 500
"""Of an account."""
RECEIVERS = 20
"""Of an account. Each event makes a delivery to each."""
DETAIL_TYPES = 50
"""That one receiver names."""
RECEIVER_URL = 2_048
"""Characters."""
REPLAYED_EVENTS = 1_000
"""That one replay names."""
INDEX_IMAGES = 250
"""Below one index whose findings are put together."""
SEARCHED_NAME = 512
"""Characters of a name that findings are looked for by."""

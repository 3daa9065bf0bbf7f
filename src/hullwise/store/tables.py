"""Every table, one comment a column.

    accounts ─┬─ access_keys
              └─ registry_policies (by region)
    repositories ─┬─ repository_labels        manifests (bytes by digest, global)
                  ├─ repository_blobs ─── blobs ── blob_segments (global bytes, visible through repository_blobs only)
                  ├─ uploads ── upload_segments
                  ├─ deletions (what may be restored)
                  └─ images ─┬─ image_tags
                             ├─ image_blobs, image_children
                             └─ scans, image_scans ──▶ reports
    layer_analyses (by blob digest) ─▶ inventories ── inventory_parts ── part_occurrences ──▶ packages
    merges (by what was merged) ─▶ inventories
    head ─▶ generations (numbers)      packages ── matches ──▶ assessments ──▶ vulnerabilities ── vulnerability_names
    reports (inventory, generation, overlay) ─▶ ordered finding keys       overlays ◀── ignore_rules, vex_documents
    publications, syncs, feeds ── feed_files        exploit_scores, known_exploited, lifecycles
    image_transitions (what opened and closed in an image), events (the outbox) ── deliveries ──▶ receivers
    scan_configurations, account_settings, scan_quotas ── scan_grants (by account and region)
    content_reviews ─▶ condemned_objects (garbage collection)      collections (its runs)

Times are microseconds since 1970 UTC. Truth values are 0 or 1. Names start with `hw_`: on SQLite the tables of the job
library live in the same file, so that a job commits with the row that caused it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# STRICT tables know INTEGER, TEXT, BLOB and REAL only.
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Flag = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
# Pages continue at "greater than the last name": both engines must order text by its bytes.
Text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Bytes = sa.LargeBinary()
MANY_SEGMENTS = 8
"""A blob with a segment of this ordinal has so many that garbage collection makes one of them."""
Real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    # SQLite gives the id of the newest row again once that row is deleted, unless it is told to count. Jobs, page
    # tokens and uploads name rows by id, after the row is gone too.
    counted = any(isinstance(part, sa.Column) and part.autoincrement is True for part in parts)
    return sa.Table(f"hw_{name}", metadata, *parts, sqlite_autoincrement=counted, sqlite_strict=True)


def _column(name: str, type_: Any, comment: str, *more: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, type_, *more, nullable=options.pop("nullable", False), comment=comment, **options)


def _where(condition: sa.TextClause) -> dict[str, Any]:
    """Of an index: only the rows for which this holds."""
    return {"sqlite_where": condition, "postgresql_where": condition}


def _id(comment: str) -> sa.Column[Any]:
    return _column("id", Number, comment, primary_key=True, autoincrement=True)


def _ref(name: str, target: str, comment: str, *, cascade: bool = False, **options: Any) -> sa.Column[Any]:
    kind = Text if target in {"accounts.id"} else Number
    key = sa.ForeignKey(f"hw_{target}", ondelete="CASCADE" if cascade else None)
    return _column(name, kind, comment, key, **options)


accounts = _table(
    "accounts",
    _column("id", Text, "12 digits", primary_key=True),
    _column("created_at", Number, "when it was made"),
)

access_keys = _table(
    "access_keys",
    _column("id", Text, "what the AWS clients call the access key id", primary_key=True),
    _ref("account_id", "accounts.id", "whose key it is", cascade=True, index=True),
    _column("sealed_secret", Bytes, "the secret access key, encrypted with the installation's key"),
    _column("created_at", Number, "when it was made"),
    _column("revoked_at", Number, "since when it signs nothing any more", nullable=True),
    _column("user_name", Text, "of the user that policies name; empty: the key's id", server_default=""),
    _column("policy", Text, "JSON of what its user may do; null: everything in its account", nullable=True),
)

registry_policies = _table(
    "registry_policies",
    _ref("account_id", "accounts.id", "the registry", cascade=True, primary_key=True),
    _column("region", Text, "the region", primary_key=True),
    _column("policy", Text, "as put, byte for byte"),
)

repositories = _table(
    "repositories",
    _id("surrogate; tokens and uploads are bound to it, so that a name used again is another repository"),
    _ref("account_id", "accounts.id", "the registry it belongs to"),
    _column("region", Text, "the region whose scope it was made in"),
    _column("name", Text, "2 to 256 characters of ECR's pattern"),
    _column("created_at", Number, "when it was made"),
    _column("tag_mutability", Text, "ImageTagMutability of the service model"),
    _column("mutability_exclusions", Text, "JSON list of the exclusion filters, as given"),
    _column("scan_on_push", Flag, "imageScanningConfiguration.scanOnPush"),
    _column("encryption", Text, "JSON of encryptionConfiguration, as given"),
    _column("policy", Text, "as set, byte for byte; null: none", nullable=True),
    sa.UniqueConstraint("account_id", "region", "name"),
)

repository_labels = _table(
    "repository_labels",
    _ref("repository_id", "repositories.id", "the repository", cascade=True, primary_key=True),
    _column("key", Text, "1 to 128 characters", primary_key=True),
    _column("value", Text, "0 to 256 characters"),
)

blobs = _table(
    "blobs",
    _column("digest", Text, "of its bytes, verified before this row was written", primary_key=True),
    _column("size", Number, "bytes"),
    _column("created_at", Number, "when this row committed the bytes"),
)

blob_segments = _table(
    "blob_segments",
    _column("digest", Text, "the blob", sa.ForeignKey("hw_blobs.digest", ondelete="CASCADE"), primary_key=True),
    _column("ordinal", Number, "place among the blob's segments, from 0", primary_key=True),
    _column("object_key", Text, "where the bytes lie in blob storage", index=True),
    _column("size", Number, "bytes"),
    sa.Index("ix_hw_blob_segments_many", "digest", **_where(sa.text(f"ordinal = {MANY_SEGMENTS}"))),
)

repository_blobs = _table(
    "repository_blobs",
    _ref("repository_id", "repositories.id", "where the blob may be read", cascade=True, primary_key=True),
    _column("digest", Text, "the blob", sa.ForeignKey("hw_blobs.digest"), primary_key=True, index=True),
    _column("linked_at", Number, "when it was pushed or mounted here"),
    _column(
        "review_at",
        Number,
        "when to look whether an image needs it; null: one did, and none was deleted",
        nullable=True,
    ),
    sa.Index("ix_hw_repository_blobs_review_at", "review_at", **_where(sa.text("review_at IS NOT NULL"))),
)

uploads = _table(
    "uploads",
    _column("id", Text, "128 random bits, hex", primary_key=True),
    _ref("repository_id", "repositories.id", "where the blob will be visible", cascade=True, index=True),
    _column("principal", Text, "the access key that began it; nobody else may touch it"),
    _column("started_at", Number, "when it was begun"),
    _column("received", Number, "bytes so far"),
    _column("active_at", Number, "when bytes last came", server_default="0", index=True),
)

upload_segments = _table(
    "upload_segments",
    _column("upload_id", Text, "the upload", sa.ForeignKey("hw_uploads.id", ondelete="CASCADE"), primary_key=True),
    _column("ordinal", Number, "order of arrival, from 0", primary_key=True),
    _column("object_key", Text, "where the bytes lie in blob storage", index=True),
    _column("size", Number, "bytes"),
    _column("sha256", Text, "digest of this segment alone, taken as it streamed"),
)

manifests = _table(
    "manifests",
    _column("digest", Text, "of the exact bytes", primary_key=True),
    _column("body", Bytes, "as pushed, up to 4 MiB"),
)

images = _table(
    "images",
    _id("surrogate; its order is the order of pushes"),
    _ref("repository_id", "repositories.id", "where it was pushed", cascade=True),
    _column("digest", Text, "of the manifest", sa.ForeignKey("hw_manifests.digest")),
    _column("media_type", Text, "of the manifest, as stated by it or by its first push here"),
    _column("artifact_media_type", Text, "artifactType, else the media type of the config; empty for an index"),
    _column("size", Number, "bytes of config and layers; for an index the largest of its children"),
    _column("config_digest", Text, "empty for an index"),
    _column("subject_digest", Text, "what it refers to, or empty"),
    _column("scannable", Flag, "whether it is a container image"),
    _column("pushed_at", Number, "when its manifest was first pushed here"),
    _column("last_pushed_at", Number, "when its manifest was last pushed here; null: once only", nullable=True),
    _column("last_pull_at", Number, "last recorded pull", nullable=True),
    _column("status", Text, "ImageStatus of the service model: `ACTIVE` or `ARCHIVED`", server_default="ACTIVE"),
    _column("archived_at", Number, "when it was last archived", nullable=True),
    _column("activated_at", Number, "when it was last restored", nullable=True),
    _column("architecture", Text, "as its config says; null: not scanned yet", nullable=True),
    _column("author", Text, "as its config says; null: not scanned yet", nullable=True),
    _column("chain_id", Text, "of all its layers; empty: not scanned yet", server_default=""),
    _column("chain_ids", Bytes, "of its lowest layer, its two lowest, …: 32 bytes each; null as above", nullable=True),
    sa.UniqueConstraint("repository_id", "digest"),
    sa.Index("ix_hw_images_repository_id_id", "repository_id", "id"),
    sa.Index("ix_hw_images_repository_id_subject_digest_id", "repository_id", "subject_digest", "id"),
    sa.Index("ix_hw_images_chain_id", "chain_id", **_where(sa.text("chain_id <> ''"))),
    sa.Index("ix_hw_images_archived", "repository_id", **_where(sa.text("status = 'ARCHIVED'"))),
)

image_tags = _table(
    "image_tags",
    _ref("repository_id", "repositories.id", "the repository", cascade=True, primary_key=True),
    _column("tag", Text, "up to 128 characters", primary_key=True),
    _ref("image_id", "images.id", "what it names now", cascade=True, index=True),
    _column("tagged_at", Number, "since when"),
    _column("folded", Text, "the tag in lower case: lists are in this order", server_default=""),
    sa.Index("ix_hw_image_tags_repository_id_folded_tag", "repository_id", "folded", "tag"),
)

image_blobs = _table(
    "image_blobs",
    _ref("image_id", "images.id", "the image", cascade=True, primary_key=True),
    _column("ordinal", Number, "0 is the config, the layers follow, lowest first", primary_key=True),
    _column("digest", Text, "the blob; a foreign layer's need not be here", index=True),
    _column("media_type", Text, "as the manifest states it"),
    _column("size", Number, "bytes, as the manifest states it"),
)

image_children = _table(
    "image_children",
    _ref("image_id", "images.id", "the index", cascade=True, primary_key=True),
    _column("child_digest", Text, "a manifest that it lists", primary_key=True, index=True),
)

deletions = _table(
    "deletions",
    _id("surrogate; whoever restores names it"),
    _ref("repository_id", "repositories.id", "where it was", cascade=True),
    _column("digest", Text, "of the manifest, kept as long as this", sa.ForeignKey("hw_manifests.digest"), index=True),
    _column("media_type", Text, "of the manifest"),
    _column("tags", Text, "JSON list of the tags that went"),
    _column("whole", Flag, "whether the image went, and not tags of it alone"),
    _column("deleted_by", Text, "ARN of who deleted it, or `hullwise`"),
    _column("deleted_at", Number, "when"),
    _column("purge_at", Number, "until when it may be restored", index=True),
    sa.Index("ix_hw_deletions_repository_id_id", "repository_id", "id"),
)

content_reviews = _table(
    "content_reviews",
    _column("kind", Text, "`blob` or `manifest`", primary_key=True),
    _column("digest", Text, "what lost a repository that had it", primary_key=True),
    _column("due_at", Number, "when to look whether any has it", index=True),
)

condemned_objects = _table(
    "condemned_objects",
    _column("object_key", Text, "an object that no row names, nor ever will", primary_key=True),
    _column("condemned_at", Number, "since when"),
    _column("deleted_at", Number, "when it was deleted; the row stays a while to keep the key out", nullable=True),
    sa.Index("ix_hw_condemned_objects_deleted_at", "deleted_at"),
)

collections = _table(
    "collections",
    _id("surrogate; its job names it"),
    _column("requested_at", Number, "when it was asked for"),
    _column("ended_at", Number, "when it ended", nullable=True),
    _column("summary", Text, "JSON: what was removed, and why it stopped; empty: not ended"),
)

scans = _table(
    "scans",
    _id("surrogate; the latest scan of an image has the largest"),
    _ref("image_id", "images.id", "what is scanned", cascade=True, index=True),
    _column("scan_type", Text, "BASIC or ENHANCED"),
    _column("trigger", Text, "push, manual or continuous"),
    _column("status", Text, "ScanStatus of the service model"),
    _column("description", Text, "what the status says to people; may be empty"),
    _column("requested_at", Number, "when it was asked for"),
    _column("started_at", Number, "when a worker took it up", nullable=True),
    _column("completed_at", Number, "when its status became final", nullable=True),
    _column("reported_at", Number, "when it first had a report; a continuous one has others later", nullable=True),
    _ref("report_id", "reports.id", "what it found, once complete", nullable=True, index=True),
    _column("begun", Number, "times that a worker began it, without those that were told to stop", server_default="0"),
)

image_scans = _table(
    "image_scans",
    _ref("image_id", "images.id", "the image", cascade=True, primary_key=True),
    _column("scan_type", Text, "BASIC or ENHANCED", primary_key=True),
    _ref("scan_id", "scans.id", "its latest scan of that type", cascade=True, index=True),
    _ref("reported_scan_id", "scans.id", "its latest scan with a report", nullable=True, index=True),
)

layer_analyses = _table(
    "layer_analyses",
    _column("digest", Text, "of the layer blob, verified when it was pushed", primary_key=True),
    _column("analyser", Text, "`tree`, or the name of an ecosystem", primary_key=True),
    _column("version", Number, "of the analyser", primary_key=True),
    _column("body", Bytes, "what it found, MessagePack in zstd"),
    _column("analysed_at", Number, "when"),
)

packages = _table(
    "packages",
    _id("surrogate"),
    _column("ecosystem", Text, "`dpkg`, `apk`, `pypi`, `npm`"),
    _column("namespace", Text, "whose advisories speak of it, such as `debian:12`; empty where nobody's do"),
    _column("name", Text, "as its ecosystem compares names"),
    _column("version", Text, "as written"),
    _column("source_name", Text, "the name that advisories use"),
    _column("source_version", Text, "the version that advisories compare"),
    _column("architecture", Text, "as written, or empty"),
    _column("scope", Text, "canonical text of whatever else decides, or empty"),
    _column("matched_from", Number, "first generation that it was matched through; null: never matched", nullable=True),
    _column("matched_at", Number, "last generation whose change of its name it was matched for", nullable=True),
    _column("matched_through", Number, "last generation that its matches hold for; null: the head's", nullable=True),
    sa.Index("ix_hw_packages_namespace_name", "namespace", "name"),
    sa.Index("ix_hw_packages_scope", "scope"),
    sa.UniqueConstraint(
        "namespace", "source_name", "source_version", "name", "version", "ecosystem", "architecture", "scope"
    ),
)

inventory_parts = _table(
    "inventory_parts",
    _id("surrogate"),
    _column("digest", Text, "of its canonical content", unique=True),
)

part_occurrences = _table(
    "part_occurrences",
    _ref("part_id", "inventory_parts.id", "the part", cascade=True, primary_key=True),
    _column("ordinal", Number, "order within the part", primary_key=True),
    _ref("package_id", "packages.id", "the package", index=True),
    _column("path", Text, "the file that names it"),
    _column("layer", Text, "digest of the layer blob that introduced it"),
    _column("owner", Text, "the distribution's package that installed the path, or empty"),
)

inventories = _table(
    "inventories",
    _id("surrogate"),
    _column("digest", Text, "of its canonical content", unique=True),
    _column("distribution", Text, "JSON of the operating system, or null"),
    _column("coverage", Text, "JSON: which readers ran, in which version, and what could not be read"),
    _column("created_at", Number, "when it was first made"),
)

merges = _table(
    "merges",
    _column("digest", Text, "of the layers, what the config says of them, and the code that merged", primary_key=True),
    _ref("inventory_id", "inventories.id", "what came out", index=True),
)

inventory_part_links = _table(
    "inventory_part_links",
    _ref("inventory_id", "inventories.id", "the inventory", cascade=True, primary_key=True),
    _column("ordinal", Number, "order of the parts: the order of the layers", primary_key=True),
    _ref("part_id", "inventory_parts.id", "the part, shared by all images with the same base", index=True),
)

generations = _table(
    "generations",
    _column("number", Number, "counts up from 1, given by the head row", primary_key=True, autoincrement=False),
    _column("digest", Text, "of its canonical rows and the rules version"),
    _column("rules_version", Number, "of the matcher and the version keys that built it"),
    _column("object_key", Text, "where its file lies in blob storage; empty: dropped, for nothing needs it"),
    _column("records", Number, "advisory records in it"),
    _column("data_as_of", Number, "when its newest source was last changed", nullable=True),
    _column("sources", Text, "JSON: name, licence, age and counts of each source"),
    _column("published_at", Number, "when the head moved to it"),
)

head = _table(
    "head",
    _column("id", Number, "always 1", primary_key=True, autoincrement=False),
    _column("generation", Number, "the generation that readers use; 0: none yet"),
)

vulnerabilities = _table(
    "vulnerabilities",
    _id("surrogate; survives merges of aliases as the older of the two"),
    _column("since", Number, "the generation that brought it"),
)

vulnerability_names = _table(
    "vulnerability_names",
    _column("name", Text, "a CVE, GHSA, PYSEC … id", primary_key=True),
    _ref("vulnerability_id", "vulnerabilities.id", "what it names now", index=True),
    _column("published", Text, "RFC 3339, of the record with that id; null: only an alias so far", nullable=True),
)

assessments = _table(
    "assessments",
    _id("surrogate"),
    _column("digest", Text, "of its canonical content", unique=True),
    _ref("vulnerability_id", "vulnerabilities.id", "what it assesses", index=True),
    _column("name", Text, "the id that is shown: the CVE where there is exactly one"),
    _column("severity", Text, "the chosen one"),
    _column("score", Real, "the chosen CVSS base score; null without one", nullable=True),
    _column("body", Bytes, "JSON: claims, fix, state, record ids, rule, texts"),
)

matches = _table(
    "matches",
    _ref("package_id", "packages.id", "the package", cascade=True, primary_key=True),
    _ref("assessment_id", "assessments.id", "what it is hit by", primary_key=True, index=True),
    _column("from_generation", Number, "first generation that says so", primary_key=True, index=True),
    _column("to_generation", Number, "first that no longer does; null: none yet", nullable=True, index=True),
    _column("since_generation", Number, "first that says so in any words; null: the same", nullable=True),
)

reports = _table(
    "reports",
    _id("surrogate; page tokens name it"),
    _ref("inventory_id", "inventories.id", "what was matched"),
    _column("generation", Number, "through which generation"),
    _column("overlay_revision", Number, "under which overlay (its id); 0: none"),
    _column("counts", Text, "JSON: findings by severity that are not suppressed, zeros left out"),
    _column("findings", Number, "how many in all"),
    _column("suppressed", Number, "how many of them are suppressed; they are the last", server_default="0"),
    _column("body", Bytes, "the finding keys in the order of pages, MessagePack in zstd"),
    _column("created_at", Number, "when it was made"),
    _column("unused_since", Number, "since when it is known to speak for no scan; null: it does", nullable=True),
    sa.UniqueConstraint("inventory_id", "generation", "overlay_revision"),
)

publications = _table(
    "publications",
    _id("surrogate; its job names it"),
    _column("base", Number, "the head's generation when it was built"),
    _column("generation", Text, "JSON of the row that `generations` gets when the head moves"),
    _column("state", Text, "`matching`, `moving`, `done` or `dropped`"),
    _column("names", Number, "package names that may have other verdicts"),
    _column("names_done", Number, "of them, matched again"),
    _column("packages", Number, "installed packages matched again"),
    _column("inventories", Number, "inventories of continuous images with other verdicts"),
    _column("inventories_done", Number, "of them, with new reports"),
    _column("images", Number, "images that moved to a new report"),
    _column("cursor", Number, "the last inventory that is done"),
    _column("begun_at", Number, "when it was built"),
    _column("ended_at", Number, "when it was done or dropped", nullable=True),
)

syncs = _table(
    "syncs",
    _id("surrogate; its job names it"),
    _column("requested_at", Number, "when it was asked for"),
    _column("ended_at", Number, "when it ended", nullable=True),
    _column("summary", Text, "JSON: what became of each feed; empty: not ended"),
)

feeds = _table(
    "feeds",
    _column("name", Text, "`osv`, `debian` …: the file of `advisories/feeds/`", primary_key=True),
    _column("succeeded_at", Number, "when its data was last fetched whole or found unchanged", nullable=True),
    _column("failed_at", Number, "when it last failed", nullable=True),
    _column("failure", Text, "why; empty: it did not fail since it last succeeded"),
    _column("cursor", Text, "how far its changes are loaded, as the feed counts; may be empty"),
)

feed_files = _table(
    "feed_files",
    _column("url", Text, "where it was fetched", primary_key=True),
    _column("feed", Text, "whose file it is", sa.ForeignKey("hw_feeds.name", ondelete="CASCADE"), index=True),
    _column("etag", Text, "as the server gave it, or empty"),
    _column("last_modified", Text, "as the server gave it, or empty"),
    _column("sha256", Text, "of the bytes that were loaded"),
    _column("size", Number, "bytes"),
    _column("loaded_at", Number, "when its content came into a generation"),
)

exploit_scores = _table(
    "exploit_scores",
    _column("cve", Text, "the vulnerability", primary_key=True),
    _column("score", Real, "EPSS: probability of exploitation in 30 days, 0 to 1"),
    _column("percentile", Real, "share of all CVEs with a lower score, 0 to 1"),
)

known_exploited = _table(
    "known_exploited",
    _column("cve", Text, "the vulnerability", primary_key=True),
    _column("body", Text, "JSON: CISA's entry"),
)

lifecycles = _table(
    "lifecycles",
    _column("distribution", Text, "ID of os-release", primary_key=True),
    _column("release", Text, "as a namespace has it", primary_key=True),
    _column("body", Text, "JSON: when its support ends"),
)

enrichments = _table(
    "enrichments",
    _column("part", Text, "`scores`, `exploited` or `lifecycles`", primary_key=True),
    _column("as_of", Text, "date or moment of the data"),
    _column("loaded_at", Number, "when it was loaded"),
)

ignore_rules = _table(
    "ignore_rules",
    _id("surrogate; never given twice"),
    _ref("account_id", "accounts.id", "whose images it is about", cascade=True, index=True),
    _column("repository", Text, "pattern of repository names, `*` stands for anything; empty: all"),
    _column("vulnerability", Text, "any of its ids; empty: all"),
    _column("package", Text, "name of an installed or a source package; empty: all"),
    _column("fixable", Text, "`yes`, `no`, or empty: either"),
    _column("reason", Text, "why, for people"),
    _column("author", Text, "who says so"),
    _column("created_at", Number, "since when"),
    _column("expires_at", Number, "until when; null: until it is taken back", nullable=True),
    _column("revoked_at", Number, "when it was taken back", nullable=True),
)

vex_documents = _table(
    "vex_documents",
    _id("surrogate; never given twice"),
    _ref("account_id", "accounts.id", "whose images it is about", cascade=True, index=True),
    _column("repository", Text, "pattern of repository names; empty: all"),
    _column("digest", Text, "of the document's bytes"),
    _column("name", Text, "the id that the document has; a later one of the same name replaces it"),
    _column("format", Text, "`openvex`, `csaf` or `cyclonedx`"),
    _column("author", Text, "as the document says"),
    _column("added_by", Text, "who added it here"),
    _column("statements", Number, "how many of its statements are used"),
    _column("body", Bytes, "its statements, MessagePack in zstd"),
    _column("created_at", Number, "since when"),
    _column("revoked_at", Number, "when it was taken back or replaced", nullable=True),
)

overlay_revisions = _table(
    "overlay_revisions",
    _ref("account_id", "accounts.id", "the account", cascade=True, primary_key=True),
    _column("revision", Number, "counts its changes of rules and VEX documents"),
)

overlays = _table(
    "overlays",
    _id("surrogate; reports name it"),
    _column("digest", Text, "of what it holds", unique=True),
    _column("members", Text, "JSON: which rules, and which statements of which documents"),
)

image_transitions = _table(
    "image_transitions",
    _id("surrogate, in the order of time"),
    _ref("image_id", "images.id", "the image", cascade=True, index=True),
    _ref("vulnerability_id", "vulnerabilities.id", "what opened or closed", index=True),
    _column("namespace", Text, "of the package"),
    _column("source_name", Text, "of the package"),
    _column("source_version", Text, "of the package"),
    _column("kind", Text, "`opened`, `closed` or `changed`"),
    _column("reason", Text, "why: `advisory`, `withdrawn`, `not-affected`, `merged`, `assessment`, `expired`"),
    _column("generation", Number, "the generation that brought it"),
    _column("assessment_id", Number, "of a closed finding: what it was", nullable=True),
    _column("package_id", Number, "of a closed finding: one of what it was in", nullable=True),
    _column("at", Number, "when", index=True),
)

events = _table(
    "events",
    _id("surrogate, in the order of delivery"),
    _column("uid", Text, "what receivers know a repeated delivery by", server_default="", index=True),
    _column("source", Text, "`aws.ecr`, `aws.inspector2` or `hullwise`", server_default="hullwise"),
    _column("kind", Text, "the detail type: `ECR Image Scan`, `Inspector2 Finding` …"),
    _ref("account_id", "accounts.id", "whose event it is", cascade=True, index=True),
    _column("region", Text, "of the repository"),
    _column("repository", Text, "name"),
    _column("digest", Text, "of the image; empty where it is about none"),
    _column("resources", Text, "JSON list of ARNs", server_default="[]"),
    _column("body", Text, "JSON: the detail"),
    _column("created_at", Number, "when it happened", index=True),
)

receivers = _table(
    "receivers",
    _id("surrogate"),
    _ref("account_id", "accounts.id", "whose events it gets", cascade=True, index=True),
    _column("kind", Text, "`webhook` or `eventbridge`"),
    _column("url", Text, "where events are sent"),
    _column("bus", Text, "name of the event bus; empty for a webhook"),
    _column("region", Text, "that its requests are signed for; empty for a webhook", server_default=""),
    _column("kinds", Text, "JSON list of the detail types that it wants; empty: all"),
    _column("key_id", Text, "access key id for an event bus; empty for a webhook"),
    _column("sealed_secret", Bytes, "what it is signed with, encrypted with the installation's key"),
    _column("created_at", Number, "since when"),
    _column("removed_at", Number, "when it was removed; its deliveries and its secret went with it", nullable=True),
    _column("leased_until", Number, "whoever delivers to it has it until then", server_default="0"),
)

deliveries = _table(
    "deliveries",
    _ref("event_id", "events.id", "the event", cascade=True, primary_key=True),
    _ref("receiver_id", "receivers.id", "who is to get it", cascade=True, primary_key=True),
    _column("attempts", Number, "how often it was tried"),
    _column("due_at", Number, "when to try next; null: it was delivered, or given up", nullable=True, index=True),
    _column("delivered_at", Number, "when the receiver took it", nullable=True),
    _column("dead_at", Number, "when it was given up", nullable=True, index=True),
    _column("failure", Text, "why the last try failed; empty: it did not"),
    sa.Index("ix_hw_deliveries_receiver_id_due_at", "receiver_id", "due_at"),
)

scan_configurations = _table(
    "scan_configurations",
    _id("surrogate; of a registry's the last is in force"),
    _ref("account_id", "accounts.id", "the registry", cascade=True),
    _column("region", Text, "the region"),
    _column("scan_type", Text, "BASIC or ENHANCED"),
    _column("rules", Text, "JSON: RegistryScanningRuleList of the service model"),
    _column("created_at", Number, "when it was put"),
    _column("applied_at", Number, "when every image that was there had followed it", nullable=True),
    sa.Index("ix_hw_scan_configurations_account_id_region_id", "account_id", "region", "id"),
)

account_settings = _table(
    "account_settings",
    _ref("account_id", "accounts.id", "the registry", cascade=True, primary_key=True),
    _column("region", Text, "the region", primary_key=True),
    _column("name", Text, "`BASIC_SCAN_TYPE_VERSION` …", primary_key=True),
    _column("value", Text, "as put"),
)

scan_quotas = _table(
    "scan_quotas",
    _ref("account_id", "accounts.id", "the registry", cascade=True, primary_key=True),
    _column("region", Text, "the region", primary_key=True),
    _column("granted", Number, "basic scans granted so far: the number of the last grant"),
    _column("last_at", Number, "when that was; the quota's clock, which never goes back"),
)

scan_grants = _table(
    "scan_grants",
    _ref("account_id", "accounts.id", "the registry", cascade=True, primary_key=True),
    _column("region", Text, "the region", primary_key=True),
    _column("number", Number, "counts up from 1", primary_key=True),
    _column("at", Number, "when it was granted; kept while it may count"),
    sa.Index("ix_hw_scan_grants_account_id_region_at", "account_id", "region", "at"),
)

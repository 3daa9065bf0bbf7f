"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hw_accounts",
        sa.Column(
            "id", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="12 digits"
        ),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was made",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_accounts")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_blobs",
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of its bytes, verified before this row was written",
        ),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="bytes"),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when this row committed the bytes",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_hw_blobs")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_generations",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="counts up from 1, given by the head row",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of its canonical rows and the rules version",
        ),
        sa.Column(
            "rules_version",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="of the matcher and the version keys that built it",
        ),
        sa.Column(
            "object_key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="where its file lies in blob storage",
        ),
        sa.Column(
            "records",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="advisory records in it",
        ),
        sa.Column(
            "data_as_of",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when its newest source was last changed",
        ),
        sa.Column(
            "sources",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: name, licence, age and counts of each source",
        ),
        sa.Column(
            "published_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when the head moved to it",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_hw_generations")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_head",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="always 1",
        ),
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the generation that readers use; 0: none yet",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_head")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_inventories",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="surrogate"),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of its canonical content",
        ),
        sa.Column(
            "distribution",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON of the operating system, or null",
        ),
        sa.Column(
            "coverage",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: which readers ran, in which version, and what could not be read",
        ),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was first made",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_inventories")),
        sa.UniqueConstraint("digest", name=op.f("uq_hw_inventories_digest")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_inventory_parts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="surrogate"),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of its canonical content",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_inventory_parts")),
        sa.UniqueConstraint("digest", name=op.f("uq_hw_inventory_parts_digest")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_layer_analyses",
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the layer blob, verified when it was pushed",
        ),
        sa.Column(
            "analyser",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`tree`, or the name of an ecosystem",
        ),
        sa.Column(
            "version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="of the analyser"
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="what it found, MessagePack in zstd"),
        sa.Column("analysed_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="when"),
        sa.PrimaryKeyConstraint("digest", "analyser", "version", name=op.f("pk_hw_layer_analyses")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_manifests",
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the exact bytes",
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="as pushed, up to 4 MiB"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_hw_manifests")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_packages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="surrogate"),
        sa.Column(
            "ecosystem",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`dpkg`, `apk`, `pypi`, `npm`",
        ),
        sa.Column(
            "namespace",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose advisories speak of it, such as `debian:12`; empty where nobody's do",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as its ecosystem compares names",
        ),
        sa.Column(
            "version",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as written",
        ),
        sa.Column(
            "source_name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the name that advisories use",
        ),
        sa.Column(
            "source_version",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the version that advisories compare",
        ),
        sa.Column(
            "architecture",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as written, or empty",
        ),
        sa.Column(
            "scope",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="canonical text of whatever else decides, or empty",
        ),
        sa.Column(
            "matched_from",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="first generation that it was matched through; null: never matched",
        ),
        sa.Column(
            "matched_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="last generation whose change of its name it was matched for",
        ),
        sa.Column(
            "matched_through",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="last generation that its matches hold for; null: the head's",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_packages")),
        sa.UniqueConstraint(
            "namespace",
            "source_name",
            "source_version",
            "name",
            "version",
            "ecosystem",
            "architecture",
            "scope",
            name=op.f("uq_hw_packages_namespace_source_name_source_version_name_version_ecosystem_architecture_scope"),
        ),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_vulnerabilities",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate; survives merges of aliases as the older of the two",
        ),
        sa.Column(
            "since",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the generation that brought it",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_vulnerabilities")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_access_keys",
        sa.Column(
            "id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="what the AWS clients call the access key id",
        ),
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose key it is",
        ),
        sa.Column(
            "sealed_secret",
            sa.LargeBinary(),
            nullable=False,
            comment="the secret access key, encrypted with the installation's key",
        ),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was made",
        ),
        sa.Column(
            "revoked_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="since when it signs nothing any more",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_access_keys_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_access_keys")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_access_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_access_keys_account_id"), ["account_id"], unique=False)

    op.create_table(
        "hw_assessments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="surrogate"),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of its canonical content",
        ),
        sa.Column(
            "vulnerability_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what it assesses",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the id that is shown: the CVE where there is exactly one",
        ),
        sa.Column(
            "severity",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the chosen one",
        ),
        sa.Column(
            "score",
            sa.Double().with_variant(sa.REAL(), "sqlite"),
            nullable=True,
            comment="the chosen CVSS base score; null without one",
        ),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="JSON: claims, fix, state, record ids, rule, texts"
        ),
        sa.ForeignKeyConstraint(
            ["vulnerability_id"], ["hw_vulnerabilities.id"], name=op.f("fk_hw_assessments_vulnerability_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_assessments")),
        sa.UniqueConstraint("digest", name=op.f("uq_hw_assessments_digest")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_assessments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_assessments_vulnerability_id"), ["vulnerability_id"], unique=False)

    op.create_table(
        "hw_blob_segments",
        sa.Column(
            "digest", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="the blob"
        ),
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="place among the blob's segments, from 0",
        ),
        sa.Column(
            "object_key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="where the bytes lie in blob storage",
        ),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="bytes"),
        sa.ForeignKeyConstraint(
            ["digest"], ["hw_blobs.digest"], name=op.f("fk_hw_blob_segments_digest"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", "ordinal", name=op.f("pk_hw_blob_segments")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_inventory_part_links",
        sa.Column(
            "inventory_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the inventory",
        ),
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="order of the parts: the order of the layers",
        ),
        sa.Column(
            "part_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the part, shared by all images with the same base",
        ),
        sa.ForeignKeyConstraint(
            ["inventory_id"],
            ["hw_inventories.id"],
            name=op.f("fk_hw_inventory_part_links_inventory_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["part_id"], ["hw_inventory_parts.id"], name=op.f("fk_hw_inventory_part_links_part_id")
        ),
        sa.PrimaryKeyConstraint("inventory_id", "ordinal", name=op.f("pk_hw_inventory_part_links")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_inventory_part_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_inventory_part_links_part_id"), ["part_id"], unique=False)

    op.create_table(
        "hw_part_occurrences",
        sa.Column("part_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the part"),
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="order within the part",
        ),
        sa.Column(
            "package_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the package"
        ),
        sa.Column(
            "path",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the file that names it",
        ),
        sa.Column(
            "layer",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="digest of the layer blob that introduced it",
        ),
        sa.Column(
            "owner",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the distribution's package that installed the path, or empty",
        ),
        sa.ForeignKeyConstraint(["package_id"], ["hw_packages.id"], name=op.f("fk_hw_part_occurrences_package_id")),
        sa.ForeignKeyConstraint(
            ["part_id"], ["hw_inventory_parts.id"], name=op.f("fk_hw_part_occurrences_part_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("part_id", "ordinal", name=op.f("pk_hw_part_occurrences")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_part_occurrences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_part_occurrences_package_id"), ["package_id"], unique=False)

    op.create_table(
        "hw_reports",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate; page tokens name it",
        ),
        sa.Column(
            "inventory_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what was matched",
        ),
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="through which generation",
        ),
        sa.Column(
            "overlay_revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="under which VEX statements and ignore rules; 0: none",
        ),
        sa.Column(
            "counts",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: findings by severity, zeros left out",
        ),
        sa.Column(
            "findings", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="how many in all"
        ),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=False,
            comment="the finding keys in the order of pages, MessagePack in zstd",
        ),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was made",
        ),
        sa.ForeignKeyConstraint(["inventory_id"], ["hw_inventories.id"], name=op.f("fk_hw_reports_inventory_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_reports")),
        sa.UniqueConstraint(
            "inventory_id",
            "generation",
            "overlay_revision",
            name=op.f("uq_hw_reports_inventory_id_generation_overlay_revision"),
        ),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_repositories",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate; tokens and uploads are bound to it, so that a name used again is another repository",
        ),
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the registry it belongs to",
        ),
        sa.Column(
            "region",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the region whose scope it was made in",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="2 to 256 characters of ECR's pattern",
        ),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was made",
        ),
        sa.Column(
            "tag_mutability",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="ImageTagMutability of the service model",
        ),
        sa.Column(
            "mutability_exclusions",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON list of the exclusion filters, as given",
        ),
        sa.Column(
            "scan_on_push",
            sa.SmallInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="imageScanningConfiguration.scanOnPush",
        ),
        sa.Column(
            "encryption",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON of encryptionConfiguration, as given",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_repositories_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_repositories")),
        sa.UniqueConstraint("account_id", "region", "name", name=op.f("uq_hw_repositories_account_id_region_name")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_vulnerability_names",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="a CVE, GHSA, PYSEC … id",
        ),
        sa.Column(
            "vulnerability_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what it names now",
        ),
        sa.Column(
            "published",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=True,
            comment="RFC 3339, of the record with that id; null: only an alias so far",
        ),
        sa.ForeignKeyConstraint(
            ["vulnerability_id"], ["hw_vulnerabilities.id"], name=op.f("fk_hw_vulnerability_names_vulnerability_id")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hw_vulnerability_names")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_vulnerability_names", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_hw_vulnerability_names_vulnerability_id"), ["vulnerability_id"], unique=False
        )

    op.create_table(
        "hw_images",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate; its order is the order of pushes",
        ),
        sa.Column(
            "repository_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="where it was pushed",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the manifest",
        ),
        sa.Column(
            "media_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the manifest, as stated by it or by its first push here",
        ),
        sa.Column(
            "artifact_media_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="artifactType, else the media type of the config; empty for an index",
        ),
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="bytes of config and layers; for an index the largest of its children",
        ),
        sa.Column(
            "config_digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="empty for an index",
        ),
        sa.Column(
            "subject_digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="what it refers to, or empty",
        ),
        sa.Column(
            "scannable",
            sa.SmallInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="whether it is a container image",
        ),
        sa.Column(
            "pushed_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when its manifest was first pushed here",
        ),
        sa.Column(
            "last_pull_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="last recorded pull",
        ),
        sa.ForeignKeyConstraint(["digest"], ["hw_manifests.digest"], name=op.f("fk_hw_images_digest")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["hw_repositories.id"], name=op.f("fk_hw_images_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_images")),
        sa.UniqueConstraint("repository_id", "digest", name=op.f("uq_hw_images_repository_id_digest")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_images", schema=None) as batch_op:
        batch_op.create_index("ix_hw_images_repository_id_id", ["repository_id", "id"], unique=False)

    op.create_table(
        "hw_matches",
        sa.Column(
            "package_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the package"
        ),
        sa.Column(
            "assessment_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what it is hit by",
        ),
        sa.Column(
            "from_generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="first generation that says so",
        ),
        sa.Column(
            "to_generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="first that no longer does; null: none yet",
        ),
        sa.ForeignKeyConstraint(["assessment_id"], ["hw_assessments.id"], name=op.f("fk_hw_matches_assessment_id")),
        sa.ForeignKeyConstraint(
            ["package_id"], ["hw_packages.id"], name=op.f("fk_hw_matches_package_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("package_id", "assessment_id", "from_generation", name=op.f("pk_hw_matches")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_matches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_matches_assessment_id"), ["assessment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_matches_from_generation"), ["from_generation"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_matches_to_generation"), ["to_generation"], unique=False)

    op.create_table(
        "hw_repository_blobs",
        sa.Column(
            "repository_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="where the blob may be read",
        ),
        sa.Column(
            "digest", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="the blob"
        ),
        sa.Column(
            "linked_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was pushed or mounted here",
        ),
        sa.ForeignKeyConstraint(["digest"], ["hw_blobs.digest"], name=op.f("fk_hw_repository_blobs_digest")),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["hw_repositories.id"],
            name=op.f("fk_hw_repository_blobs_repository_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "digest", name=op.f("pk_hw_repository_blobs")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_repository_blobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_repository_blobs_digest"), ["digest"], unique=False)

    op.create_table(
        "hw_repository_labels",
        sa.Column(
            "repository_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the repository",
        ),
        sa.Column(
            "key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="1 to 128 characters",
        ),
        sa.Column(
            "value",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="0 to 256 characters",
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["hw_repositories.id"],
            name=op.f("fk_hw_repository_labels_repository_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "key", name=op.f("pk_hw_repository_labels")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_uploads",
        sa.Column(
            "id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="128 random bits, hex",
        ),
        sa.Column(
            "repository_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="where the blob will be visible",
        ),
        sa.Column(
            "principal",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the access key that began it; nobody else may touch it",
        ),
        sa.Column(
            "started_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was begun",
        ),
        sa.Column(
            "received", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="bytes so far"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["hw_repositories.id"], name=op.f("fk_hw_uploads_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_uploads")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_uploads_repository_id"), ["repository_id"], unique=False)

    op.create_table(
        "hw_image_blobs",
        sa.Column(
            "image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the image"
        ),
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="0 is the config, the layers follow, lowest first",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the blob; a foreign layer's need not be here",
        ),
        sa.Column(
            "media_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as the manifest states it",
        ),
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="bytes, as the manifest states it",
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["hw_images.id"], name=op.f("fk_hw_image_blobs_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "ordinal", name=op.f("pk_hw_image_blobs")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_image_blobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_image_blobs_digest"), ["digest"], unique=False)

    op.create_table(
        "hw_image_children",
        sa.Column(
            "image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the index"
        ),
        sa.Column(
            "child_digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="a manifest that it lists",
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["hw_images.id"], name=op.f("fk_hw_image_children_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "child_digest", name=op.f("pk_hw_image_children")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_image_children", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_image_children_child_digest"), ["child_digest"], unique=False)

    op.create_table(
        "hw_image_tags",
        sa.Column(
            "repository_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the repository",
        ),
        sa.Column(
            "tag",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="up to 128 characters",
        ),
        sa.Column(
            "image_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what it names now",
        ),
        sa.Column(
            "tagged_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="since when"
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["hw_images.id"], name=op.f("fk_hw_image_tags_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["hw_repositories.id"], name=op.f("fk_hw_image_tags_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "tag", name=op.f("pk_hw_image_tags")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_image_tags", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_image_tags_image_id"), ["image_id"], unique=False)

    op.create_table(
        "hw_scans",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate; the latest scan of an image has the largest",
        ),
        sa.Column(
            "image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="what is scanned"
        ),
        sa.Column(
            "scan_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="BASIC or ENHANCED",
        ),
        sa.Column(
            "trigger",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="push or manual",
        ),
        sa.Column(
            "status",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="ScanStatus of the service model",
        ),
        sa.Column(
            "description",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="what the status says to people; may be empty",
        ),
        sa.Column(
            "requested_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was asked for",
        ),
        sa.Column(
            "started_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when a worker took it up",
        ),
        sa.Column(
            "completed_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when its status became final",
        ),
        sa.Column(
            "report_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="what it found, once complete",
        ),
        sa.ForeignKeyConstraint(["image_id"], ["hw_images.id"], name=op.f("fk_hw_scans_image_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["report_id"], ["hw_reports.id"], name=op.f("fk_hw_scans_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_scans")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_scans", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_scans_image_id"), ["image_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_scans_report_id"), ["report_id"], unique=False)

    op.create_table(
        "hw_upload_segments",
        sa.Column(
            "upload_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the upload",
        ),
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="order of arrival, from 0",
        ),
        sa.Column(
            "object_key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="where the bytes lie in blob storage",
        ),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="bytes"),
        sa.Column(
            "sha256",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="digest of this segment alone, taken as it streamed",
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["hw_uploads.id"], name=op.f("fk_hw_upload_segments_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "ordinal", name=op.f("pk_hw_upload_segments")),
        sqlite_strict=True,
    )
    op.create_table(
        "hw_image_scans",
        sa.Column(
            "image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the image"
        ),
        sa.Column(
            "scan_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="BASIC or ENHANCED",
        ),
        sa.Column(
            "scan_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="its latest scan of that type",
        ),
        sa.Column(
            "reported_scan_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="its latest scan with a report",
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["hw_images.id"], name=op.f("fk_hw_image_scans_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["reported_scan_id"], ["hw_scans.id"], name=op.f("fk_hw_image_scans_reported_scan_id")),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["hw_scans.id"], name=op.f("fk_hw_image_scans_scan_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "scan_type", name=op.f("pk_hw_image_scans")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_image_scans", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_image_scans_reported_scan_id"), ["reported_scan_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_image_scans_scan_id"), ["scan_id"], unique=False)

    op.execute("INSERT INTO hw_head (id, generation) VALUES (1, 0)")

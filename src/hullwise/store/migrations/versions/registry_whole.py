"""Registry whole"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DAY = 86_400_000_000


def upgrade() -> None:
    op.create_table(
        "hw_collections",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; its job names it",
        ),
        sa.Column(
            "requested_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was asked for",
        ),
        sa.Column(
            "ended_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True, comment="when it ended"
        ),
        sa.Column(
            "summary",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: what was removed, and why it stopped; empty: not ended",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_collections")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_condemned_objects",
        sa.Column(
            "object_key",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="an object that no row names, nor ever will",
        ),
        sa.Column(
            "condemned_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="since when"
        ),
        sa.Column(
            "deleted_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it was deleted; the row stays a while to keep the key out",
        ),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_hw_condemned_objects")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_condemned_objects", schema=None) as batch_op:
        batch_op.create_index("ix_hw_condemned_objects_deleted_at", ["deleted_at"], unique=False)

    op.create_table(
        "hw_content_reviews",
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`blob` or `manifest`",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="what lost a repository that had it",
        ),
        sa.Column(
            "due_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when to look whether any has it",
        ),
        sa.PrimaryKeyConstraint("kind", "digest", name=op.f("pk_hw_content_reviews")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_content_reviews", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_content_reviews_due_at"), ["due_at"], unique=False)

    op.create_table(
        "hw_registry_policies",
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the registry",
        ),
        sa.Column(
            "region", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="the region"
        ),
        sa.Column(
            "policy",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as put, byte for byte",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_registry_policies_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "region", name=op.f("pk_hw_registry_policies")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_deletions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; whoever restores names it",
        ),
        sa.Column(
            "repository_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="where it was",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the manifest, kept as long as this",
        ),
        sa.Column(
            "media_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the manifest",
        ),
        sa.Column(
            "tags",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON list of the tags that went",
        ),
        sa.Column(
            "whole",
            sa.SmallInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="whether the image went, and not tags of it alone",
        ),
        sa.Column(
            "deleted_by",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="ARN of who deleted it, or `hullwise`",
        ),
        sa.Column("deleted_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="when"),
        sa.Column(
            "purge_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="until when it may be restored",
        ),
        sa.ForeignKeyConstraint(["digest"], ["hw_manifests.digest"], name=op.f("fk_hw_deletions_digest")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["hw_repositories.id"], name=op.f("fk_hw_deletions_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_deletions")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_deletions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_deletions_digest"), ["digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_deletions_purge_at"), ["purge_at"], unique=False)
        batch_op.create_index("ix_hw_deletions_repository_id_id", ["repository_id", "id"], unique=False)

    with op.batch_alter_table("hw_access_keys", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "user_name",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="",
                nullable=False,
                comment="of the user that policies name; empty: the key's id",
            )
        )
        batch_op.add_column(
            sa.Column(
                "policy",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="JSON of what its user may do; null: everything in its account",
            )
        )

    with op.batch_alter_table("hw_images", schema=None) as batch_op:
        archived = sa.text("status = 'ARCHIVED'")
        batch_op.create_index(
            "ix_hw_images_archived",
            ["repository_id"],
            unique=False,
            sqlite_where=archived,
            postgresql_where=archived,
        )

    for segments in ("hw_blob_segments", "hw_upload_segments"):
        with op.batch_alter_table(segments, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{segments}_object_key"), ["object_key"], unique=False)

    with op.batch_alter_table("hw_blob_segments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_hw_blob_segments_many",
            ["digest"],
            unique=False,
            sqlite_where=sa.text("ordinal = 8"),
            postgresql_where=sa.text("ordinal = 8"),
        )

    with op.batch_alter_table("hw_repositories", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "policy",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="as set, byte for byte; null: none",
            )
        )

    with op.batch_alter_table("hw_repository_blobs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "review_at",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="when to look whether an image needs it; null: one did, and none was deleted",
            )
        )
        batch_op.create_index(
            "ix_hw_repository_blobs_review_at",
            ["review_at"],
            unique=False,
            sqlite_where=sa.text("review_at IS NOT NULL"),
            postgresql_where=sa.text("review_at IS NOT NULL"),
        )

    with op.batch_alter_table("hw_uploads", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "active_at",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                server_default="0",
                nullable=False,
                comment="when bytes last came",
            )
        )
        batch_op.create_index(batch_op.f("ix_hw_uploads_active_at"), ["active_at"], unique=False)

    # What was deleted before this version left its content behind: all of it is looked at once.
    op.execute(f"UPDATE hw_repository_blobs SET review_at = linked_at + {DAY}")  # noqa: S608
    op.execute("UPDATE hw_uploads SET active_at = started_at")
    for kind, content, holder in (
        ("blob", "hw_blobs", "hw_repository_blobs"),
        ("manifest", "hw_manifests", "hw_images"),
    ):
        op.execute(
            f"INSERT INTO hw_content_reviews (kind, digest, due_at) SELECT '{kind}', digest, 0 FROM {content} "  # noqa: S608
            f"WHERE NOT EXISTS (SELECT 1 FROM {holder} WHERE {holder}.digest = {content}.digest)"
        )

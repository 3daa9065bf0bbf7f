"""Advisories whole"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COMMENTS = (
    ("hw_generations", "object_key", "where its file lies in blob storage; empty: dropped, for nothing needs it"),
    ("hw_reports", "overlay_revision", "under which overlay (its id); 0: none"),
    ("hw_reports", "counts", "JSON: findings by severity that are not suppressed, zeros left out"),
    ("hw_scans", "trigger", "push, manual or continuous"),
)


def upgrade() -> None:
    op.create_table(
        "hw_enrichments",
        sa.Column(
            "part",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`scores`, `exploited` or `lifecycles`",
        ),
        sa.Column(
            "as_of",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="date or moment of the data",
        ),
        sa.Column(
            "loaded_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was loaded",
        ),
        sa.PrimaryKeyConstraint("part", name=op.f("pk_hw_enrichments")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_exploit_scores",
        sa.Column(
            "cve",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the vulnerability",
        ),
        sa.Column(
            "score",
            sa.Double().with_variant(sa.REAL(), "sqlite"),
            nullable=False,
            comment="EPSS: probability of exploitation in 30 days, 0 to 1",
        ),
        sa.Column(
            "percentile",
            sa.Double().with_variant(sa.REAL(), "sqlite"),
            nullable=False,
            comment="share of all CVEs with a lower score, 0 to 1",
        ),
        sa.PrimaryKeyConstraint("cve", name=op.f("pk_hw_exploit_scores")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_feeds",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`osv`, `debian` …: the file of `advisories/feeds/`",
        ),
        sa.Column(
            "succeeded_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when its data was last fetched whole or found unchanged",
        ),
        sa.Column(
            "failed_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it last failed",
        ),
        sa.Column(
            "failure",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="why; empty: it did not fail since it last succeeded",
        ),
        sa.Column(
            "cursor",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="how far its changes are loaded, as the feed counts; may be empty",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hw_feeds")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_known_exploited",
        sa.Column(
            "cve",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the vulnerability",
        ),
        sa.Column(
            "body",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: CISA's entry",
        ),
        sa.PrimaryKeyConstraint("cve", name=op.f("pk_hw_known_exploited")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_lifecycles",
        sa.Column(
            "distribution",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="ID of os-release",
        ),
        sa.Column(
            "release",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as a namespace has it",
        ),
        sa.Column(
            "body",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: when its support ends",
        ),
        sa.PrimaryKeyConstraint("distribution", "release", name=op.f("pk_hw_lifecycles")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_overlays",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; reports name it",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of what it holds",
        ),
        sa.Column(
            "members",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: which rules, and which statements of which documents",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_overlays")),
        sa.UniqueConstraint("digest", name=op.f("uq_hw_overlays_digest")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_publications",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; its job names it",
        ),
        sa.Column(
            "base",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the head's generation when it was built",
        ),
        sa.Column(
            "generation",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON of the row that `generations` gets when the head moves",
        ),
        sa.Column(
            "state",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`matching`, `moving`, `done` or `dropped`",
        ),
        sa.Column(
            "names",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="package names that may have other verdicts",
        ),
        sa.Column(
            "names_done",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="of them, matched again",
        ),
        sa.Column(
            "packages",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="installed packages matched again",
        ),
        sa.Column(
            "inventories",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="inventories of continuous images with other verdicts",
        ),
        sa.Column(
            "inventories_done",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="of them, with new reports",
        ),
        sa.Column(
            "images",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="images that moved to a new report",
        ),
        sa.Column(
            "cursor",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the last inventory that is done",
        ),
        sa.Column(
            "begun_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was built",
        ),
        sa.Column(
            "ended_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it was done or dropped",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_publications")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_syncs",
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
            comment="JSON: what became of each feed; empty: not ended",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_syncs")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate, in the order of delivery",
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`findings.changed` …",
        ),
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose event it is",
        ),
        sa.Column(
            "region",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the repository",
        ),
        sa.Column(
            "repository", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="name"
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the image",
        ),
        sa.Column("body", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="JSON"),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it happened",
        ),
        sa.Column(
            "delivered_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when every receiver had it; null: not yet",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_events_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_events")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_events_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_events_delivered_at"), ["delivered_at"], unique=False)

    op.create_table(
        "hw_feed_files",
        sa.Column(
            "url",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="where it was fetched",
        ),
        sa.Column(
            "feed",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose file it is",
        ),
        sa.Column(
            "etag",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as the server gave it, or empty",
        ),
        sa.Column(
            "last_modified",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as the server gave it, or empty",
        ),
        sa.Column(
            "sha256",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the bytes that were loaded",
        ),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="bytes"),
        sa.Column(
            "loaded_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when its content came into a generation",
        ),
        sa.ForeignKeyConstraint(["feed"], ["hw_feeds.name"], name=op.f("fk_hw_feed_files_feed"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_hw_feed_files")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_feed_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_feed_files_feed"), ["feed"], unique=False)

    op.create_table(
        "hw_ignore_rules",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; never given twice",
        ),
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose images it is about",
        ),
        sa.Column(
            "repository",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="pattern of repository names, `*` stands for anything; empty: all",
        ),
        sa.Column(
            "vulnerability",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="any of its ids; empty: all",
        ),
        sa.Column(
            "package",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="name of an installed or a source package; empty: all",
        ),
        sa.Column(
            "fixable",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`yes`, `no`, or empty: either",
        ),
        sa.Column(
            "reason",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="why, for people",
        ),
        sa.Column(
            "author",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="who says so",
        ),
        sa.Column(
            "created_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="since when"
        ),
        sa.Column(
            "expires_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="until when; null: until it is taken back",
        ),
        sa.Column(
            "revoked_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it was taken back",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_ignore_rules_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_ignore_rules")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_ignore_rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_ignore_rules_account_id"), ["account_id"], unique=False)

    op.create_table(
        "hw_overlay_revisions",
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the account",
        ),
        sa.Column(
            "revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="counts its changes of rules and VEX documents",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_overlay_revisions_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_hw_overlay_revisions")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_vex_documents",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; never given twice",
        ),
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose images it is about",
        ),
        sa.Column(
            "repository",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="pattern of repository names; empty: all",
        ),
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the document's bytes",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="the id that the document has; a later one of the same name replaces it",
        ),
        sa.Column(
            "format",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`openvex`, `csaf` or `cyclonedx`",
        ),
        sa.Column(
            "author",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="as the document says",
        ),
        sa.Column(
            "added_by",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="who added it here",
        ),
        sa.Column(
            "statements",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="how many of its statements are used",
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="its statements, MessagePack in zstd"),
        sa.Column(
            "created_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="since when"
        ),
        sa.Column(
            "revoked_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it was taken back or replaced",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_vex_documents_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_vex_documents")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_vex_documents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_vex_documents_account_id"), ["account_id"], unique=False)

    op.create_table(
        "hw_image_transitions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate, in the order of time",
        ),
        sa.Column(
            "image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the image"
        ),
        sa.Column(
            "vulnerability_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what opened or closed",
        ),
        sa.Column(
            "namespace",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the package",
        ),
        sa.Column(
            "source_name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the package",
        ),
        sa.Column(
            "source_version",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the package",
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`opened`, `closed` or `changed`",
        ),
        sa.Column(
            "reason",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="why: `advisory`, `withdrawn`, `not-affected`, `assessment`",
        ),
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the generation that brought it",
        ),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="when"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["hw_images.id"], name=op.f("fk_hw_image_transitions_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["vulnerability_id"], ["hw_vulnerabilities.id"], name=op.f("fk_hw_image_transitions_vulnerability_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_image_transitions")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_image_transitions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_image_transitions_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_image_transitions_image_id"), ["image_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_hw_image_transitions_vulnerability_id"), ["vulnerability_id"], unique=False
        )

    with op.batch_alter_table("hw_reports", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "suppressed",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                server_default="0",
                nullable=False,
                comment="how many of them are suppressed; they are the last",
            )
        )

    if op.get_bind().dialect.name == "postgresql":
        # SQLite keeps no comments.
        for table, column, comment in COMMENTS:
            op.execute(f"COMMENT ON COLUMN {table}.{column} IS '{comment}'")

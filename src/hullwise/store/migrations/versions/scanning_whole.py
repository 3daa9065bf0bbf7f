"""Scanning whole"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COMMENTS = (
    ("hw_events", "kind", "the detail type: `ECR Image Scan`, `Inspector2 Finding` …"),
    ("hw_events", "digest", "of the image; empty where it is about none"),
    ("hw_events", "body", "JSON: the detail"),
    (
        "hw_image_transitions",
        "reason",
        "why: `advisory`, `withdrawn`, `not-affected`, `merged`, `assessment`, `expired`",
    ),
)


def upgrade() -> None:
    op.create_table(
        "hw_account_settings",
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
            "name",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`BASIC_SCAN_TYPE_VERSION` …",
        ),
        sa.Column(
            "value", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False, comment="as put"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_account_settings_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "region", "name", name=op.f("pk_hw_account_settings")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_receivers",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate",
        ),
        sa.Column(
            "account_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="whose events it gets",
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="`webhook` or `eventbridge`",
        ),
        sa.Column(
            "url",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="where events are sent",
        ),
        sa.Column(
            "bus",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="name of the event bus; empty for a webhook",
        ),
        sa.Column(
            "kinds",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON list of the detail types that it wants; empty: all",
        ),
        sa.Column(
            "key_id",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="access key id for an event bus; empty for a webhook",
        ),
        sa.Column(
            "sealed_secret",
            sa.LargeBinary(),
            nullable=False,
            comment="what it is signed with, encrypted with the installation's key",
        ),
        sa.Column(
            "created_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="since when"
        ),
        sa.Column(
            "removed_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it was removed; its deliveries went with it",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_receivers_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_receivers")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_receivers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_receivers_account_id"), ["account_id"], unique=False)

    op.create_table(
        "hw_scan_configurations",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="surrogate; of a registry's the last is in force",
        ),
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
            "scan_type",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="BASIC or ENHANCED",
        ),
        sa.Column(
            "rules",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="JSON: RegistryScanningRuleList of the service model",
        ),
        sa.Column(
            "created_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was put",
        ),
        sa.Column(
            "applied_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when every image that was there had followed it",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_scan_configurations_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hw_scan_configurations")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_scan_configurations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_hw_scan_configurations_account_id_region_id", ["account_id", "region", "id"], unique=False
        )

    op.create_table(
        "hw_scan_grants",
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
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="counts up from 1"
        ),
        sa.Column(
            "at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when it was granted; kept while it may count",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_scan_grants_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "region", "number", name=op.f("pk_hw_scan_grants")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_scan_grants", schema=None) as batch_op:
        batch_op.create_index("ix_hw_scan_grants_account_id_region_at", ["account_id", "region", "at"], unique=False)

    op.create_table(
        "hw_scan_quotas",
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
            "granted",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="basic scans granted so far: the number of the last grant",
        ),
        sa.Column(
            "last_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="when that was; the quota's clock, which never goes back",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["hw_accounts.id"], name=op.f("fk_hw_scan_quotas_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "region", name=op.f("pk_hw_scan_quotas")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    op.create_table(
        "hw_deliveries",
        sa.Column(
            "event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the event"
        ),
        sa.Column(
            "receiver_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="who is to get it",
        ),
        sa.Column(
            "attempts",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="how often it was tried",
        ),
        sa.Column(
            "due_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when to try next; null: it was delivered, or given up",
        ),
        sa.Column(
            "delivered_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when the receiver took it",
        ),
        sa.Column(
            "dead_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="when it was given up",
        ),
        sa.Column(
            "failure",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="why the last try failed; empty: it did not",
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["hw_events.id"], name=op.f("fk_hw_deliveries_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["receiver_id"], ["hw_receivers.id"], name=op.f("fk_hw_deliveries_receiver_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", "receiver_id", name=op.f("pk_hw_deliveries")),
        sqlite_autoincrement=False,
        sqlite_strict=True,
    )
    with op.batch_alter_table("hw_deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hw_deliveries_dead_at"), ["dead_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_deliveries_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_deliveries_receiver_id"), ["receiver_id"], unique=False)

    with op.batch_alter_table("hw_events", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "uid",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="",
                nullable=False,
                comment="what receivers know a repeated delivery by",
            )
        )
        batch_op.add_column(
            sa.Column(
                "source",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="hullwise",
                nullable=False,
                comment="`aws.ecr`, `aws.inspector2` or `hullwise`",
            )
        )
        batch_op.add_column(
            sa.Column(
                "resources",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="[]",
                nullable=False,
                comment="JSON list of ARNs",
            )
        )
        batch_op.drop_index(batch_op.f("ix_hw_events_delivered_at"))
        batch_op.create_index(batch_op.f("ix_hw_events_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_hw_events_uid"), ["uid"], unique=False)
    op.drop_column("hw_events", "delivered_at")

    with op.batch_alter_table("hw_image_transitions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "assessment_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="of a closed finding: what it was",
            )
        )
        batch_op.add_column(
            sa.Column(
                "package_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="of a closed finding: one of what it was in",
            )
        )

    with op.batch_alter_table("hw_images", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "last_pushed_at",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="when its manifest was last pushed here; null: once only",
            )
        )
        batch_op.add_column(
            sa.Column(
                "status",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="ACTIVE",
                nullable=False,
                comment="ImageStatus of the service model: `ACTIVE` or `ARCHIVED`",
            )
        )
        batch_op.add_column(
            sa.Column(
                "archived_at",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="when it was last archived",
            )
        )
        batch_op.add_column(
            sa.Column(
                "activated_at",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="when it was last restored",
            )
        )
        batch_op.add_column(
            sa.Column(
                "architecture",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="as its config says; null: not scanned yet",
            )
        )
        batch_op.add_column(
            sa.Column(
                "author",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                nullable=True,
                comment="as its config says; null: not scanned yet",
            )
        )

    with op.batch_alter_table("hw_images", schema=None) as batch_op:
        batch_op.create_index(
            "ix_hw_images_repository_id_subject_digest_id", ["repository_id", "subject_digest", "id"], unique=False
        )

    with op.batch_alter_table("hw_matches", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "since_generation",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="first that says so in any words; null: the same",
            )
        )

    with op.batch_alter_table("hw_scans", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "reported_at",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="when it first had a report; a continuous one has others later",
            )
        )

    if op.get_bind().dialect.name == "postgresql":
        # SQLite keeps no comments.
        for table, column, comment in COMMENTS:
            op.execute(f"COMMENT ON COLUMN {table}.{column} IS '{comment}'")

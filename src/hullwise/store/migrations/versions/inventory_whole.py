"""Packages are found by their own name and by who installed them, images by their layers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("hw_packages", schema=None) as batch_op:
        batch_op.create_index("ix_hw_packages_namespace_name", ["namespace", "name"], unique=False)
        batch_op.create_index("ix_hw_packages_scope", ["scope"], unique=False)

    with op.batch_alter_table("hw_images", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "chain_id",
                sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
                server_default="",
                nullable=False,
                comment="of all its layers; empty: not scanned yet",
            )
        )
        batch_op.add_column(
            sa.Column(
                "chain_ids",
                sa.LargeBinary(),
                nullable=True,
                comment="of its lowest layer, its two lowest, …: 32 bytes each; null as above",
            )
        )
        batch_op.create_index(
            "ix_hw_images_chain_id",
            ["chain_id"],
            unique=False,
            sqlite_where=sa.text("chain_id <> ''"),
            postgresql_where=sa.text("chain_id <> ''"),
        )

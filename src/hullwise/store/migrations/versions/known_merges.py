"""What layers were merged to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hw_merges",
        sa.Column(
            "digest",
            sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"),
            nullable=False,
            comment="of the layers, what the config says of them, and the code that merged",
        ),
        sa.Column(
            "inventory_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="what came out",
        ),
        sa.ForeignKeyConstraint(["inventory_id"], ["hw_inventories.id"], name=op.f("fk_hw_merges_inventory_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_hw_merges")),
        sqlite_strict=True,
    )
